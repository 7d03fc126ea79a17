//! Programs that note each of their calls with its result: the very same must be told.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use sockeye_trace::{Kind, TcpState};

use super::records::{Record, python, watch};

const PEER: &str = include_str!("peer.py");

/// One call as a program noted it: its name, local and peer address, result and bytes.
type Noted = (String, String, String, i64, Vec<u8>);

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("sockeye-truth-{}-{name}", std::process::id()))
}

fn noted(path: &PathBuf) -> HashMap<u32, Vec<Noted>> {
    let text = fs::read(path).expect("the peer wrote its log");
    let _ = fs::remove_file(path);
    let entries: Vec<serde_json::Value> = serde_json::from_slice(&text).unwrap();
    let mut threads: HashMap<u32, Vec<Noted>> = HashMap::new();
    for entry in entries {
        let text = |key: &str| entry[key].as_str().unwrap().to_owned();
        let hex = text("data");
        let data = (0..hex.len()).step_by(2);
        let data = data.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
        let call = (
            text("call"),
            text("local"),
            text("peer"),
            entry["result"].as_i64().unwrap(),
            data.collect(),
        );
        let thread = entry["thread"].as_u64().unwrap() as u32;
        threads.entry(thread).or_default().push(call);
    }
    threads
}

fn told(record: &Record, role: &str) -> HashMap<u32, Vec<Noted>> {
    let (sides, processes) = (record.sides(), record.processes());
    let mut threads: HashMap<u32, Vec<Noted>> = HashMap::new();
    for fact in record.facts().filter(|fact| fact.kind().is_call()) {
        let side = &sides[&fact.event.conn()];
        if processes[&side.pid].role != role {
            continue;
        }
        let call = (
            fact.call().name().to_owned(),
            side.local.to_string(),
            side.peer.to_string(),
            fact.event.result.into(),
            fact.data.to_vec(),
        );
        threads.entry(fact.thread).or_default().push(call);
    }
    threads
}

#[track_caller]
fn check(threads: usize, connections: usize) {
    let logs = [
        scratch(&format!("server-{threads}")),
        scratch(&format!("client-{threads}")),
    ];
    let [server_log, client_log] = logs.clone().map(|path| path.to_string_lossy().into_owned());
    let count = threads.to_string();
    let Some(server) = python("server", PEER, &[&server_log, "server", &count]) else {
        return;
    };
    let record = watch(
        &server,
        vec![Box::new(move |port| {
            let (port, connections) = (port.to_string(), connections.to_string());
            let words = [&client_log, "client", &port, &count, &connections];
            python("client", PEER, &words).unwrap()
        })],
    );
    assert!(
        record.outcome.exits.iter().all(|exit| exit.code == Some(0)),
        "{:?}",
        record.outcome
    );

    for (role, log) in [("server", &logs[0]), ("client", &logs[1])] {
        let (noted, told) = (noted(log), told(&record, role));
        assert_eq!(noted.len(), told.len(), "threads of the {role}");
        for (thread, calls) in &noted {
            assert_eq!(
                calls.len(),
                told[thread].len(),
                "calls of {role}'s thread {thread}"
            );
            for (noted, told) in calls.iter().zip(&told[thread]) {
                assert_eq!(noted, told, "{role}'s thread {thread}");
            }
        }
    }
    every_byte_arrives(&record, threads * connections + 1);
}

/// What one side of a connection wrote, its twin read: byte for byte, by the offsets told.
fn every_byte_arrives(record: &Record, connections: usize) {
    let sides = record.sides();
    let mut written: HashMap<(String, String), Vec<u8>> = HashMap::new();
    let mut read = written.clone();
    for fact in record.facts().filter(|fact| fact.kind().is_call()) {
        let side = &sides[&fact.event.conn()];
        let (local, peer) = (side.local.to_string(), side.peer.to_string());
        let stream = match fact.kind() {
            Kind::Write => written.entry((local, peer)).or_default(),
            _ => read.entry((peer, local)).or_default(),
        };
        assert_eq!(fact.event.offset, stream.len() as u64, "{fact:?}");
        stream.extend_from_slice(fact.data);
    }
    // A server says nothing to a client that says `quit`.
    read.retain(|_, bytes| !bytes.is_empty());
    assert_eq!(written.len(), 2 * connections - 1);
    assert_eq!(written, read);
}

#[test]
fn a_client_and_a_server_do_what_they_say() {
    check(1, 3);
}

#[test]
fn eight_threads_with_two_hundred_connections_do_what_they_say() {
    check(8, 25);
}

/// The state after each call of a plain life, as RFC 9293 has it.
#[test]
fn a_connection_lives_as_the_book_says() {
    let script = "\
import socket
s = socket.create_server(('127.0.0.1', 0))
c = socket.create_connection(s.getsockname())
a, _ = s.accept()
a.shutdown(socket.SHUT_WR)
c.recv(1)
c.close()
a.recv(1)
a.close()
s.close()
";
    let Some(program) = python("", script, &[]) else {
        return;
    };
    let record = watch(&program, vec![]);
    let states = |call: &str| -> Vec<TcpState> {
        let facts = record.facts().filter(|fact| fact.call().name() == call);
        facts.map(|fact| fact.state).collect()
    };
    assert_eq!(states("listen"), [TcpState::Listen]);
    assert_eq!(states("connect"), [TcpState::Established]);
    assert_eq!(states("accept4"), [TcpState::Established]);
    assert!(matches!(
        states("shutdown")[..],
        [TcpState::FinWait1 | TcpState::FinWait2]
    ));
    assert_eq!(states("recvfrom")[0], TcpState::CloseWait);
    // The client's, then the server's; the listener's comes before its state is known to be gone.
    let closes = states("close");
    assert!(
        matches!(closes[0], TcpState::LastAck | TcpState::Close),
        "{closes:?}"
    );
    assert_eq!(closes[1..], [TcpState::TimeWait, TcpState::Close]);
}
