//! Programs whose calls pass no stop.

use std::path::PathBuf;
use std::process::Command;

use sockeye_observe::watch::{Options, Program, Uring};
use sockeye_trace::{Call, Kind};

use super::records::{watch, watch_with};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/watch/uring.c");

/// Compiles the program; None where there is no compiler.
fn program(name: &str) -> Option<PathBuf> {
    let compiler = sockeye_testkit::tool("cc")?;
    let path = std::env::temp_dir().join(format!("sockeye-{name}-{}", std::process::id()));
    let made = Command::new(compiler)
        .arg("-o")
        .arg(&path)
        .arg(SOURCE)
        .status()
        .unwrap();
    assert!(made.success());
    Some(path)
}

#[test]
fn a_ring_is_followed() {
    let Some(path) = program("ring") else {
        return;
    };
    let record = watch(&Program::new("", [&path]), vec![]);
    let _ = std::fs::remove_file(&path);
    match record.outcome.exits[0].code {
        Some(77) => return sockeye_testkit::not_run("needs io_uring"),
        code => assert_eq!(code, Some(0), "{:#?}", record.lines()),
    }
    let moves: Vec<_> = record
        .facts()
        .filter(|fact| fact.kind().is_call())
        .map(|fact| {
            (
                fact.kind(),
                fact.call(),
                fact.event.offset,
                fact.event.result,
                fact.data.to_vec(),
            )
        })
        .collect();
    let (hello, back) = (b"hello ring".to_vec(), b"hello".to_vec());
    let (send, receive) = (Call::UringSend, Call::UringRecv);
    for expected in [
        (Kind::Write, send, 0, 10, hello.clone()),
        (Kind::Read, receive, 0, 10, hello),
        (Kind::Write, send, 0, 5, back.clone()),
        (Kind::Read, receive, 0, 5, back),
        (Kind::Read, receive, 10, 0, vec![]),
    ] {
        assert!(moves.contains(&expected), "no {expected:?} in {moves:#?}");
    }
    assert_eq!(moves.len(), 5);
    let sides = record.sides();
    let find = |call| record.facts().find(|fact| fact.call() == call).unwrap();
    let (accept, connect) = (find(Call::UringAccept), find(Call::UringConnect));
    let (server, client) = (&sides[&accept.event.conn()], &sides[&connect.event.conn()]);
    assert!(server.accepted);
    assert_eq!((&server.local, &server.peer), (&client.peer, &client.local));
    assert_eq!(
        record
            .facts()
            .filter(|fact| fact.call() == Call::Close)
            .count(),
        3
    );
    assert_eq!(record.of(Kind::Gap).len(), 0);
}

#[test]
fn a_ring_can_be_refused() {
    let Some(path) = program("no-ring") else {
        return;
    };
    let options = Options {
        uring: Uring::Refuse,
        ..Options::default()
    };
    let record = watch_with(options, &Program::new("", [&path]), vec![]);
    let _ = std::fs::remove_file(&path);
    assert_eq!(record.outcome.exits[0].code, Some(77));
}
