//! Commands that run to their end.

use serde_json::json;
use sockeye_service::exec::server::Policy;
use sockeye_trace::Kind;

use crate::client::{Client, place};

#[tokio::test]
async fn arguments_arrive_as_they_are_and_the_status_comes_back() {
    let (_dir, mut place) = place(Policy::default()).await;
    let mut client = Client::of(&place).await;
    let print = ["printf", "%s|", "", "a b", "*", "$HOME", "你好"];
    let mut argv: Vec<_> = print.iter().map(|word| json!(word)).collect();
    argv.push(json!({"base64": "//4="}));
    let ran = client.run(json!({"type": "exec", "argv": argv})).await;
    assert_eq!(
        ran.stdout,
        "|a b|*|$HOME|你好|"
            .bytes()
            .chain(*b"\xff\xfe|")
            .collect::<Vec<_>>()
    );
    assert_eq!(ran.end["status"], 0);
    assert!(ran.end["took_ms"].is_u64() && ran.end.get("left_running").is_none());

    let ran = client.sh("echo out; echo err >&2; exit 42").await;
    assert_eq!((&*ran.stdout(), &*ran.stderr()), ("out\n", "err\n"));
    assert_eq!(ran.end["status"], 42);
    let ran = client.sh("kill -USR1 $$").await;
    assert_eq!(
        (&ran.end["signal"], ran.end.get("status")),
        (&json!("USR1"), None)
    );
    drop(client);
    let closed = place.until(Kind::Closed, 1).await;
    assert_eq!(closed, [""]);
    let started = place.until(Kind::CommandStarted, 3).await;
    assert!(
        started[1].contains(r#""argv":["sh","-c","echo out"#),
        "{}",
        started[1]
    );
    let ended = place.until(Kind::CommandEnded, 3).await;
    assert!(
        ended[1].contains(r#""who":"uid "#) && ended[1].contains(r#""status":42"#),
        "{}",
        ended[1]
    );
    assert!(ended[2].contains(r#""signal":"USR1""#), "{}", ended[2]);
    let summary = place.drain().await;
    assert_eq!((summary.read_messages, summary.written_messages), (3, 3));
    assert!(summary.read_bytes > 0 && summary.written_bytes > 0);
}

#[tokio::test]
async fn a_command_has_a_clean_environment_and_no_descriptor_of_ours() {
    let (_dir, place) = place(Policy::default()).await;
    let mut client = Client::of(&place).await;
    // A file that is open here without O_CLOEXEC.
    let open = tempfile::tempfile().unwrap();
    rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
    let ran = client
        .run(json!({"type": "exec", "argv": ["ls", "-1", "/proc/self/fd"]}))
        .await;
    // The last one is the directory that ls reads.
    assert_eq!(ran.stdout(), "0\n1\n2\n3\n");

    let request = json!({"type": "exec", "argv": ["env"], "env": {"EXTRA": "a b", "LANG": "C"}});
    let ran = client.run(request).await;
    let known = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "EXTRA"];
    for line in ran.stdout().lines() {
        let (name, _) = line.split_once('=').unwrap();
        assert!(known.contains(&name), "{line}");
    }
    assert!(ran.stdout().contains("EXTRA=a b\n") && ran.stdout().contains("LANG=C\n"));
    assert!(ran.stdout().contains("PATH=/"));

    // It leads a session of its own, so that no terminal of ours is its.
    let ran = client
        .sh("ps -o sid=,pgid= -p $$ 2>/dev/null || cut -d' ' -f5,6 /proc/$$/stat")
        .await;
    for number in ran.stdout().split_whitespace() {
        assert_eq!(number, ran.pid.to_string());
    }
    drop(client);
    place.drain().await;
}

#[tokio::test]
async fn a_folder_and_a_shell_can_be_asked_for() {
    let shell = Policy {
        shell: true,
        ..Policy::default()
    };
    let (dir, place) = place(shell).await;
    let mut client = Client::of(&place).await;
    let cwd = dir.path().to_str().unwrap();
    let ran = client
        .run(json!({"type": "exec", "argv": ["pwd"], "cwd": cwd}))
        .await;
    assert_eq!(ran.stdout(), format!("{cwd}\n"));
    let ran = client
        .run(json!({"type": "exec", "argv": ["echo $((6*7)) | tr 2 3"], "shell": true}))
        .await;
    assert_eq!(ran.stdout(), "43\n");
    drop(client);
    place.drain().await;
}

#[tokio::test]
async fn megabytes_arrive_whole_and_apart() {
    let (_dir, place) = place(Policy::default()).await;
    let mut client = Client::of(&place).await;
    // Ten megabytes of errors first: whoever drains one pipe at a time stands still here.
    let ran = client
        .sh("head -c 10000000 /dev/zero | tr '\\0' e >&2; head -c 10000000 /dev/zero; echo done >&2")
        .await;
    assert_eq!(ran.end["status"], 0, "{}", ran.end);
    assert_eq!(ran.stdout.len(), 10_000_000);
    assert_eq!(ran.stderr.len(), 10_000_005);
    assert!(ran.stdout.iter().all(|byte| *byte == 0));
    assert!(ran.stderr.ends_with(b"edone\n"));
    drop(client);
    place.drain().await;
}

/// A client that does not read makes the command wait, and costs no memory.
#[tokio::test]
async fn output_that_is_not_taken_waits_in_the_pipe() {
    let (_dir, place) = place(Policy::default()).await;
    let mut client = Client::of(&place).await;
    let script = "head -c 30000000 /dev/zero; echo finished >&2";
    client
        .send(json!({"type": "exec", "argv": ["sh", "-c", script]}), b"")
        .await;
    let pid = client.expect("started").await["pid"].as_u64().unwrap() as u32;
    // The other connection is served meanwhile.
    let mut other = Client::of(&place).await;
    assert_eq!(other.sh("echo hi").await.stdout(), "hi\n");
    assert!(crate::client::is_alive(pid), "it waits for its client");
    let ran = client.ran().await;
    assert_eq!(
        (ran.stdout.len(), &*ran.stderr()),
        (30_000_000, "finished\n")
    );
    drop((client, other));
    place.drain().await;
}

#[tokio::test]
async fn two_hundred_commands_run_at_once() {
    let (dir, place) = place(Policy::default()).await;
    let gate = dir.path().join("gate");
    let script = format!(
        "echo here; while [ ! -e {} ]; do sleep 0.05; done; echo $((2*$0))",
        gate.display()
    );
    let mut clients = vec![];
    for number in 0..200 {
        let mut client = Client::of(&place).await;
        let argv = json!(["sh", "-c", script, number.to_string()]);
        client
            .send(json!({"type": "exec", "argv": argv}), b"")
            .await;
        clients.push(client);
    }
    for client in &mut clients {
        client.until_printed("here").await;
    }
    assert_eq!(place.control.open(), 200);
    std::fs::write(&gate, "").unwrap();
    for (number, client) in clients.iter_mut().enumerate() {
        let ran = client.ran().await;
        assert_eq!(ran.stdout(), format!("{}\n", 2 * number));
    }
    drop(clients);
    place.drain().await;
}
