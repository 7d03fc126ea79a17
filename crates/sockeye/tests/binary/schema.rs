//! docs/events.md and what is written: neither may have what the other lacks.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sockeye_testkit::Signal;

use crate::harness::{ask, connect, serve};

/// The fields of each event in the document; a question mark behind one means that it may be absent.
type Schema = BTreeMap<String, BTreeMap<String, bool>>;

fn documented() -> Schema {
    let text = include_str!("../../../../docs/events.md");
    let mut schema = Schema::new();
    for row in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [event, fields, _] = cells[..] else {
            continue;
        };
        let fields = match fields {
            "the same" => schema.get("read").cloned().unwrap_or_default(),
            fields => fields
                .split(',')
                .map(str::trim)
                .filter(|field| !field.is_empty())
                .map(|field| {
                    let optional = field.ends_with('?');
                    (field.trim_matches(['`', '?']).to_owned(), optional)
                })
                .collect(),
        };
        schema.insert(event.trim_matches('`').to_owned(), fields);
    }
    schema
}

#[track_caller]
fn check(schema: &Schema, event: &Value) {
    let object = event.as_object().unwrap();
    let name = event["ev"].as_str().unwrap();
    let fields = schema
        .get(name)
        .unwrap_or_else(|| panic!("{name} is not in docs/events.md"));
    assert_eq!(event["v"], 1);
    let time = event["t"].as_str().unwrap();
    assert!(time.len() == 30 && time.ends_with('Z'), "{time}");
    // A call that failed has its errno in place of its length.
    let failed = ["read", "write"].contains(&name) && object.contains_key("errno");
    for field in object
        .keys()
        .filter(|key| !["v", "t", "ev"].contains(&key.as_str()))
    {
        let known = fields.contains_key(field) || failed && ["errno", "name"].contains(&&**field);
        assert!(known, "{field} of {name} is not in docs/events.md");
    }
    for (field, optional) in fields {
        let absent = failed && field == "len_bytes";
        assert!(
            *optional || absent || object.contains_key(field),
            "{name} lacks {field}: {event}"
        );
    }
}

#[test]
fn every_line_is_as_documented() {
    let schema = documented();
    let mut echo = serve(&[
        "echo",
        "127.0.0.1:0?frame=line",
        "udp://127.0.0.1:0",
        "--show",
        "--show-socket",
        "--max-connections",
        "1",
    ]);
    let mut stream = connect(&echo);
    ask(&mut stream, b"hello\n", b"hello\n");
    let _ = crate::harness::rest(&mut connect(&echo));
    echo.event("refused");
    drop(stream);
    echo.event("closed");
    echo.signal(Signal::TERM);
    let exit = echo.exit();
    let text = exit.stdout_text();
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        check(&schema, &event);
        seen.insert(event["ev"].as_str().unwrap().to_owned());
    }
    for expected in [
        "accepted", "closed", "read", "write", "refused", "socket", "stopped",
    ] {
        assert!(seen.contains(expected), "{expected} in {text}");
    }
}
