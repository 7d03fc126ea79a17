//! `--trace FILE`: our own verbs as sessions.

use std::path::Path;

use sockeye_testkit::{DEADLINE, Process, Signal, private_network};
use sockeye_trace::timeline::{Flow, Way};
use sockeye_trace::{Call, Kind, Session, TcpState, Timeline, WireSource};

use crate::harness::{address, ask, connect, endpoint, rest, serve, sockeye};

#[track_caller]
fn load(path: &Path) -> Session {
    Session::load(&std::fs::read(path).unwrap()[..]).unwrap()
}

/// The bytes of one lane, as far as they were kept.
fn written(session: &Session, way: &Way) -> Vec<u8> {
    let calls = way.writes.iter();
    calls
        .flat_map(|call| session.fact(call.fact).data.to_vec())
        .collect()
}

fn read(session: &Session, way: &Way) -> Vec<u8> {
    let calls = way.reads.iter();
    calls
        .flat_map(|call| session.fact(call.fact).data.to_vec())
        .collect()
}

/// The one flow of a session.
#[track_caller]
fn flow<'t>(timeline: &'t Timeline<'_>) -> &'t Flow {
    assert_eq!(timeline.flows.len(), 1);
    &timeline.flows[0]
}

/// Both ends of one conversation, each recorded by itself: all lanes of both have every byte.
#[test]
fn the_lanes_of_server_and_client_have_every_byte() {
    private_network(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let [ours, theirs] = [path("server"), path("client")];
        let flags = ["--once", "--trace", ours.to_str().unwrap()];
        let mut server = serve(&[&["echo", "127.0.0.1:0"], &flags[..]].concat());
        let to = endpoint(&server, "tcp:");
        let flags = ["--trace", theirs.to_str().unwrap()];
        let client = sockeye(&[&["dial", &to, "hello", "you there"], &flags[..]].concat());
        let exit = Process::run(&mut { client });
        assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
        assert_eq!(server.exit().code, Some(0));

        for (path, accepted) in [(&ours, true), (&theirs, false)] {
            let session = load(path);
            assert!(!session.is_cut());
            assert_eq!(session.head().wire, WireSource::Captured);
            let timeline = Timeline::build(&session);
            assert!(timeline.gaps.is_empty(), "{:?}", timeline.gaps);
            let flow = flow(&timeline);
            let [there, back] = &flow.ways;
            let seen = if accepted {
                [read(&session, there), written(&session, back)]
            } else {
                [written(&session, there), read(&session, back)]
            };
            assert_eq!(seen, [b"helloyou there"; 2].map(Vec::from));
            for way in &flow.ways {
                assert!(way.joined);
                assert_eq!(way.carried, 14, "{way:?}");
            }
            let side = &timeline.sides[0];
            assert_eq!(side.accepted, accepted);
            assert_eq!(timeline.process_of(side).unwrap().name, "sockeye");
            let first = if accepted {
                Call::Accept4
            } else {
                Call::Connect
            };
            let state = |call| {
                let mut facts = session.facts();
                facts.find(|(_, fact)| fact.call() == call).unwrap().1.state
            };
            assert_eq!(state(first), TcpState::Established);
        }
    });
}

/// The log, the lines and the session are drained by one thread, and none takes from the others.
#[test]
fn a_session_leaves_the_log_and_the_lines_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("session");
    let trace = ["--trace", file.to_str().unwrap(), "--trace-bytes", "3"];
    let mut server = serve(&[&["echo", "127.0.0.1:0", "--once"], &trace[..]].concat());
    ask(&mut connect(&server), b"hello", b"hello");
    let exit = server.exit();
    let lines = exit.stdout_text();
    assert!(
        lines.contains("\"accepted\"") && !lines.contains("\"read\""),
        "{lines}"
    );
    let session = load(&file);
    let data: Vec<_> = session
        .facts()
        .filter(|(_, fact)| matches!(fact.kind(), Kind::Read | Kind::Write))
        .map(|(_, fact)| (fact.event.result, fact.data.to_vec()))
        .collect();
    assert_eq!(data[..2], [(5, b"hel".to_vec()), (5, b"hel".to_vec())]);

    // With --show both have the bytes, each as many as it was told to.
    let mut server = serve(&[&["echo", "127.0.0.1:0", "--once", "--show"], &trace[..]].concat());
    ask(&mut connect(&server), b"hello", b"hello");
    let lines = server.exit().stdout_text();
    assert!(lines.contains("\"text\":\"hello\""), "{lines}");
    assert!(
        load(&file)
            .facts()
            .all(|(_, fact)| fact.kind() == Kind::Packet || fact.data.len() <= 3)
    );
}

/// Whoever is killed leaves what has happened until then.
#[test]
fn what_was_traced_survives_a_sudden_death() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("session");
    let mut server = serve(&["echo", "127.0.0.1:0", "--trace", file.to_str().unwrap()]);
    let mut stream = connect(&server);
    ask(&mut stream, b"hello", b"hello");
    let until = std::time::Instant::now() + DEADLINE;
    let told = || {
        let session = load(&file);
        let mut facts = session.facts();
        facts.any(|(_, fact)| fact.kind() == Kind::Write && fact.data == b"hello")
    };
    while !told() {
        assert!(
            std::time::Instant::now() < until,
            "the answer is not in the file"
        );
        std::thread::yield_now();
    }
    server.signal(Signal::KILL);
    let _ = server.exit();
    assert!(rest(&mut stream).is_empty());
    assert!(told());
}

#[test]
fn datagrams_and_unix_streams_are_conversations_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("session");
    let socket = format!("unix:{}", folder.path().join("socket").display());
    let trace = ["--trace", file.to_str().unwrap()];
    let mut server = serve(&[&["echo", "udp://127.0.0.1:0", &socket], &trace[..]].concat());
    let udp = endpoint(&server, "udp:");
    for to in [&udp, &socket] {
        let exit = Process::run(&mut sockeye(&["dial", to, "hello"]));
        assert_eq!(exit.code, Some(0), "{to}: {}", exit.stderr_text());
    }
    server.signal(Signal::TERM);
    assert_eq!(server.exit().code, Some(0));
    let session = load(&file);
    let timeline = Timeline::build(&session);
    let names: Vec<&str> = timeline
        .flows
        .iter()
        .map(|flow| flow.transport.name())
        .collect();
    assert_eq!(names, ["udp", "unix"]);
    for flow in &timeline.flows {
        assert_eq!(read(&session, &flow.ways[0]), b"hello");
        assert_eq!(written(&session, &flow.ways[1]), b"hello");
    }
    let local = &timeline.flows[0].ends[1].address;
    assert_eq!(local.port(), Some(address(&udp).port()));
}

#[test]
fn a_file_that_cannot_be_written_is_one_line() {
    let exit = Process::run(&mut sockeye(&[
        "serve",
        "echo",
        ":0",
        "--trace",
        "no/such/folder",
    ]));
    let text = exit.stderr_text();
    assert_eq!((exit.code, text.lines().count()), (Some(2), 1), "{text}");
    assert!(
        text.contains("--trace no/such/folder") && text.contains("ENOENT"),
        "{text}"
    );
}
