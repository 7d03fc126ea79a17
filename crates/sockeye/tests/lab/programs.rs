//! `lab run`: a server and a client from a tutorial, on hosts of their own.

use std::collections::BTreeMap;
use std::time::Duration;

use sockeye_observe::lab::{Host, Note};
use sockeye_testkit::Process;
use sockeye_trace::{Kind, Session, Timeline, WireSource};

use super::stage::{CLIENT, SERVER, Stage, User};

/// What the lab said of itself.
fn notes(session: &Session) -> Vec<Note> {
    let facts = session.facts().map(|(_, fact)| fact);
    facts
        .filter(|fact| fact.kind() == Kind::Note)
        .filter_map(|fact| serde_json::from_str(fact.text).ok())
        .collect()
}

fn counters(session: &Session, of: Host) -> BTreeMap<String, i64> {
    let found = notes(session).into_iter().find_map(|note| match note {
        Note::Counters { host, grown } if host == of => Some(grown),
        _ => None,
    });
    found.unwrap()
}

#[track_caller]
fn check_conversation(session: &Session) {
    assert_eq!(session.head().wire, WireSource::Captured);
    let timeline = Timeline::build(session);
    let flow = timeline
        .flows
        .iter()
        .find(|flow| flow.ways[0].written > 0)
        .unwrap();
    for way in &flow.ways {
        assert_eq!((way.written, way.carried, way.read), (10, 10, 10));
    }
    let named = |side: usize| flow.ends[side].address.to_string();
    assert!(named(0).starts_with("10.0.0.1:"), "{}", named(0));
    assert_eq!(named(1), "10.0.0.2:9000");
    assert_eq!(counters(session, Host::Client)["Tcp.ActiveOpens"], 1);
    assert_eq!(counters(session, Host::Server)["Tcp.PassiveOpens"], 1);
}

#[test]
fn two_unmodified_programs_talk_between_two_hosts() {
    for user in [User::Ourselves, User::Nobody] {
        let Some(stage) = Stage::new() else { return };
        let Some(mut command) = stage.run(user, SERVER, CLIENT) else {
            return;
        };
        let (exit, session) = stage.seen(&mut command);
        check_conversation(&session);
        let said = exit.stderr_text();
        assert!(said.contains("client | heard WORLD"), "{said}");
        let drawn = exit.stdout_text();
        assert!(
            drawn.contains("10.0.0.1:") && drawn.contains("SYN"),
            "{drawn}"
        );
    }
}

/// Who they are stays as it is; both hosts have names, and no file of the machine was written for it.
#[test]
fn programs_have_their_own_uid_and_the_hosts_have_names() {
    let before = std::fs::read("/etc/hosts").unwrap();
    let client = "\
import os, socket
print('uid', os.getuid(), socket.gethostbyname('client'), socket.gethostbyname('server'))
print('env', os.environ['SOCKEYE_CLIENT'], os.environ['SOCKEYE_SERVER'])
print('tmp', os.path.exists('session'))
";
    for (user, uid) in [
        (User::Ourselves, rustix::process::geteuid().as_raw()),
        (User::Nobody, 65534),
    ] {
        let Some(stage) = Stage::new() else { return };
        let server = format!("{SERVER}\nimport signal; signal.pause()");
        let Some(mut command) = stage.run(user, &server, client) else {
            return;
        };
        let (exit, _) = stage.seen(&mut command);
        let said = exit.stderr_text();
        for expected in [
            &format!("uid {uid} 10.0.0.1 10.0.0.2"),
            "env 10.0.0.1 10.0.0.2",
            "tmp True",
        ] {
            assert!(said.contains(expected), "{expected} in {said}");
        }
    }
    assert_eq!(std::fs::read("/etc/hosts").unwrap(), before);
}

/// Of what the wire was told to do the lanes show the effect: nothing comes back before the delay, and
/// what was dropped is sent again.
#[test]
fn delay_and_loss_are_seen() {
    let Some(stage) = Stage::new() else { return };
    let Some(mut command) = stage.run(User::Ourselves, SERVER, CLIENT) else {
        return;
    };
    command.args([
        "--delay",
        "20ms",
        "--fault",
        "drop:nth=1,content=hello,to=server",
    ]);
    let (_, session) = stage.seen(&mut command);
    check_conversation(&session);
    let facts: Vec<_> = session.facts().map(|(_, fact)| fact).collect();
    let connect = facts
        .iter()
        .find(|fact| fact.call() == sockeye_trace::Call::Connect && fact.text.ends_with(":9000"))
        .unwrap();
    let took = Duration::from_nanos(connect.event.took_ns.into());
    assert!(took >= Duration::from_millis(40), "{took:?}");
    let hello = facts
        .iter()
        .filter(|fact| fact.kind() == Kind::Packet)
        .filter(|fact| fact.data.windows(5).any(|bytes| bytes == b"hello"));
    let verdicts: Vec<_> = hello.map(|fact| fact.text).collect();
    assert!(verdicts[0].starts_with("dropped by "), "{verdicts:?}");
    assert!(verdicts.len() >= 2 && !verdicts[1].contains("dropped"));
    assert!(counters(&session, Host::Client)["Tcp.RetransSegs"] >= 1);
}

#[test]
fn a_client_that_looks_for_the_server_at_home_is_told_where_it_is() {
    let Some(stage) = Stage::new() else { return };
    let client = CLIENT.replace("'server'", "'127.0.0.1'");
    let Some(mut command) = stage.run(User::Ourselves, SERVER, &client) else {
        return;
    };
    let (exit, _) = stage.seen(command.args(["--json"]));
    let said = exit.stderr_text();
    assert!(
        said.contains("nobody listens at 127.0.0.1:9000 on the client's host"),
        "{said}"
    );
    let lines = exit.stdout_text();
    for line in lines.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("a JSON object a line");
    }
}

#[test]
fn mistakes_are_one_line() {
    let Some(stage) = Stage::anywhere() else {
        return;
    };
    let check = |args: &[&str], part: &str| {
        let mut command = stage.sockeye(User::Ourselves).unwrap();
        let exit = Process::run(command.args(["lab", "run"]).args(args));
        let said = exit.stderr_text();
        assert_eq!(exit.code, Some(2), "{args:?}: {said}");
        assert!(
            said.contains(part) && said.lines().count() == 1,
            "{args:?}: {said}"
        );
    };
    let both = ["--server", "/nonexistent/s", "--client", "/nonexistent/c"];
    check(&both, "cannot run /nonexistent/s");
    check(&["--server", "a"], "--client <COMMAND>");
    check(&[&both[..], &["--delay", "soon"]].concat(), "--delay");
    check(&[&both[..], &["--fault", "nonsense"]].concat(), "--fault");
    check(&[&both[..], &["--mtu", "20"]].concat(), "an MTU of 20");
    check(&[&both[..], &["--bytes", "1GiB"]].concat(), "no more than");
}

#[test]
fn the_status_of_the_client_and_the_time_that_programs_have() {
    let Some(stage) = Stage::new() else { return };
    let Some(mut command) = stage.run(User::Ourselves, SERVER, "raise SystemExit(7)") else {
        return;
    };
    let exit = Process::run(command.arg("--exit-status"));
    assert_eq!(exit.code, Some(7), "{}", exit.stderr_text());
    let forever = "import signal; signal.pause()";
    let Some(mut command) = stage.sockeye(User::Ourselves) else {
        return;
    };
    let server = stage.script("server.py", forever);
    let args = ["lab", "run", "--timeout", "1s", "--client", "true"];
    let exit = Process::run(command.args(args).args(["--server", &server]));
    assert_eq!(exit.code, Some(4), "{}", exit.stderr_text());
}
