//! The calls that `watch` saw beside those that the programs logged.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use sockeye_trace::{Fact, Kind, Session, Side};

/// A socket, by its own address and the other's.
type Socket = (String, String);

/// A call with what it was asked for, what it returned, and the bytes that it moved.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    call: String,
    result: i64,
    moved: Option<(u64, String)>,
}

/// Calls of the life of a socket that the peers log.
const LIFE: [&str; 7] = [
    "socket",
    "setsockopt",
    "bind",
    "connect",
    "accept4",
    "shutdown",
    "close",
];

/// Every call of every socket, in its order, with its argument, result and bytes.
pub(crate) fn are_as_the_programs_say(session: &Session, logs: &[PathBuf]) {
    let (said, seen) = (said(logs), seen(session));
    assert!(!said.is_empty());
    for (socket, said) in &said {
        let seen = seen.get(socket);
        let seen = seen.unwrap_or_else(|| panic!("nothing was seen of {socket:?}"));
        for (at, (said, seen)) in said.iter().zip(seen).enumerate() {
            assert_eq!(seen, said, "call {at} of {socket:?}");
        }
        assert_eq!(seen.len(), said.len(), "of {socket:?}: {seen:#?}");
    }
}

fn said(logs: &[PathBuf]) -> BTreeMap<Socket, Vec<Said>> {
    let mut said: BTreeMap<Socket, Vec<Said>> = BTreeMap::new();
    for log in logs {
        let text = fs::read_to_string(log).expect("the peer wrote a log");
        for line in text.lines() {
            let record: Value = serde_json::from_str(line).expect("JSON");
            let word = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            let result = record["result"].as_i64().expect("a number");
            let moved = record["asked"].as_u64().map(|asked| (asked, word("sha")));
            said.entry((word("local"), word("peer")))
                .or_default()
                .push(Said {
                    call: word("call"),
                    result,
                    moved,
                });
        }
    }
    said
}

fn seen(session: &Session) -> BTreeMap<Socket, Vec<Said>> {
    let mut sides = BTreeMap::new();
    for (_, fact) in session
        .facts()
        .filter(|(_, fact)| fact.kind() == Kind::Side)
    {
        let side: Side = fact.describes().expect("a side");
        sides.insert(side.id, side);
    }
    let mut seen: BTreeMap<Socket, Vec<Said>> = BTreeMap::new();
    for (_, fact) in session.facts() {
        let Some(side) = sides.get(&fact.event.conn().number()) else {
            continue;
        };
        if let Some(call) = call(&fact) {
            let other = match fact.kind() {
                Kind::Read | Kind::Write if !fact.text.is_empty() => fact.text.to_owned(),
                _ => side.peer.to_string(),
            };
            seen.entry((side.local.to_string(), other))
                .or_default()
                .push(call);
        }
    }
    seen
}

fn call(fact: &Fact<'_>) -> Option<Said> {
    let name = fact.call().name();
    let moves = match fact.kind() {
        Kind::Read | Kind::Write => true,
        Kind::Called if LIFE.contains(&name) => false,
        _ => return None,
    };
    // A descriptor is a result that the peers don't log.
    let result = i64::from(fact.event.result.min(if moves { i32::MAX } else { 0 }));
    Some(Said {
        call: name.to_owned(),
        result,
        moved: moves.then(|| (fact.event.asked.into(), hex(fact.data))),
    })
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
