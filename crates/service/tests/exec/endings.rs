//! How commands end that do not simply end: signals, time, clients that go, children that stay.

use std::time::{Duration, Instant};

use serde_json::json;
use sockeye_service::Options;
use sockeye_service::exec::server::{KILLED_AFTER, OUTLIVES_BY, Policy};
use sockeye_trace::Kind;

use crate::client::{Client, is_alive, place, place_with, until_gone};

#[tokio::test]
async fn signals_go_to_the_whole_group() {
    let (_dir, place) = place(Policy::default()).await;
    let mut client = Client::of(&place).await;
    let script = "sleep 9999 & echo child $!; wait";
    client
        .send(json!({"type": "exec", "argv": ["sh", "-c", script]}), b"")
        .await;
    client.until_printed("child").await;
    client
        .send(json!({"type": "signal", "name": "INT"}), b"")
        .await;
    // A shell ignores SIGINT for what runs in its background, so that is ended with the group.
    let ran = client.ran().await;
    assert_eq!(ran.end["signal"], "INT", "{}", ran.end);
    assert!(ran.end.get("left_running").is_none(), "{}", ran.end);
    // The connection goes on.
    assert_eq!(client.sh("echo next").await.stdout(), "next\n");
    drop(client);
    place.drain().await;
}

#[tokio::test]
async fn a_client_that_goes_takes_its_group_along_even_with_a_big_input_on_its_way() {
    let (_dir, mut place) = place(Policy::default()).await;
    let mut client = Client::of(&place).await;
    let script = "sleep 9999 & echo child $!; wait";
    let request = json!({"type": "exec", "argv": ["sh", "-c", script], "stdin": true});
    client.send(request, b"").await;
    let pid = client.expect("started").await["pid"].as_u64().unwrap() as u32;
    assert_eq!(client.expect("credit").await["bytes"], 256 * 1024);
    client
        .send(json!({"type": "stdin"}), &vec![b'x'; 256 * 1024])
        .await;
    client.until_printed("child").await;
    drop(client);
    until_gone(pid).await;
    let ended = place.until(Kind::CommandEnded, 1).await;
    assert!(ended[0].contains(r#""signal":"HUP""#), "{}", ended[0]);
    assert!(ended[0].contains(r#""abandoned":true"#), "{}", ended[0]);
    place.drain().await;
}

#[tokio::test]
async fn who_ignores_the_hangup_is_killed() {
    let (_dir, mut place) = place(Policy::default()).await;
    let mut client = Client::of(&place).await;
    // The main process ends at once, a child of it ignores the signal.
    let script =
        "(trap '' HUP TERM INT; echo $BASHPID; echo deaf; while :; do sleep 1; done) & wait";
    client
        .send(json!({"type": "exec", "argv": ["bash", "-c", script]}), b"")
        .await;
    let mut printed = String::new();
    while !printed.contains("deaf") {
        if client.next().await.unwrap()["type"] == "stdout" {
            printed.push_str(&String::from_utf8_lossy(&client.body().await));
        }
    }
    let child: u32 = printed.lines().next().unwrap().parse().unwrap();
    let gone = Instant::now();
    drop(client);
    until_gone(child).await;
    assert!(gone.elapsed() >= KILLED_AFTER, "it had its time");
    place.until(Kind::CommandEnded, 1).await;
    place.drain().await;
}

#[tokio::test]
async fn time_runs_out() {
    let (_dir, place) = place(Policy::default()).await;
    let mut client = Client::of(&place).await;
    let request = json!({"type": "exec", "argv": ["sleep", "9999"], "timeout_ms": 50});
    let ran = client.run(request).await;
    assert_eq!(
        (&ran.end["signal"], &ran.end["timed_out"]),
        (&json!("TERM"), &json!(true))
    );
    let deaf = "trap '' TERM; while :; do sleep 1; done";
    let request = json!({"type": "exec", "argv": ["sh", "-c", deaf], "timeout_ms": 50});
    let ran = client.run(request).await;
    assert_eq!(ran.end["signal"], "KILL");
    drop(client);
    place.drain().await;
}

#[tokio::test]
async fn what_a_command_leaves_behind_is_ended_and_a_session_of_its_own_is_told_of() {
    let (_dir, place) = place(Policy::default()).await;
    let mut client = Client::of(&place).await;
    // In the group, with the output open.
    let began = Instant::now();
    let ran = client.sh("sleep 9999 & echo $!").await;
    assert!(began.elapsed() >= OUTLIVES_BY);
    assert!(ran.end.get("left_running").is_none(), "{}", ran.end);
    until_gone(ran.stdout().trim().parse().unwrap()).await;

    // In the group, with no output: nobody waits for it.
    let ran = client.sh("sleep 9999 >/dev/null 2>&1 & echo $!").await;
    assert_eq!(ran.end["status"], 0);
    until_gone(ran.stdout().trim().parse().unwrap()).await;

    // In a session of its own: it lives on.
    let ran = client
        .sh("setsid sh -c 'echo $$; exec sleep 9999' & sleep 0.3")
        .await;
    assert_eq!(ran.end["left_running"], true, "{}", ran.end);
    let daemon: u32 = ran.stdout().trim().parse().unwrap();
    assert!(is_alive(daemon));
    assert_eq!(
        client.sh(&format!("kill -9 {daemon}")).await.end["status"],
        0
    );

    // One that closed its outputs early has not ended.
    let ran = client.sh("exec >&- 2>&-; sleep 0.3; exit 7").await;
    assert_eq!(ran.end["status"], 7);
    drop(client);
    place.drain().await;
}

#[tokio::test]
async fn a_server_that_ends_lets_a_command_finish_and_begins_none() {
    let options = Options {
        drain_timeout: Duration::from_secs(20),
        ..Options::default()
    };
    let (dir, place) = place_with(Policy::default(), options).await;
    let gate = dir.path().join("gate");
    let mut client = Client::of(&place).await;
    let script = format!(
        "echo here; while [ ! -e {} ]; do sleep 0.02; done; echo done",
        gate.display()
    );
    client
        .send(json!({"type": "exec", "argv": ["sh", "-c", script]}), b"")
        .await;
    client.until_printed("here").await;
    let mut idle = Client::of(&place).await;
    assert_eq!(idle.sh("true").await.end["status"], 0);
    let drained = tokio::spawn(place.drain());
    assert_eq!(idle.expect("error").await["code"], "ending");
    assert!(idle.next().await.is_none());
    std::fs::write(gate, "").unwrap();
    let ran = client.ran().await;
    assert_eq!((&*ran.stdout(), &ran.end["status"]), ("done\n", &json!(0)));
    assert_eq!(client.expect("error").await["code"], "ending");
    drop((client, idle));
    drained.await.unwrap();
}

#[tokio::test]
async fn a_command_that_goes_on_is_hung_up_when_the_server_is_over() {
    let options = Options {
        drain_timeout: Duration::from_millis(50),
        ..Options::default()
    };
    let (_dir, place) = place_with(Policy::default(), options).await;
    let mut client = Client::of(&place).await;
    client
        .send(json!({"type": "exec", "argv": ["sleep", "9999"]}), b"")
        .await;
    let pid = client.expect("started").await["pid"].as_u64().unwrap() as u32;
    let drained = tokio::spawn(place.drain());
    assert_eq!(client.expect("error").await["code"], "ending");
    drop(client);
    drained.await.unwrap();
    until_gone(pid).await;
}
