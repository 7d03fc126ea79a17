//! docs/events.md and what is written: neither may have what the other lacks.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use serde_json::Value;
use sockeye_testkit::{Process, Signal, free_tcp_port};

use crate::harness::{ask, connect, endpoint, serve, sockeye};

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
    let seen = names_in(&exit.stdout_text());
    for expected in [
        "accepted", "closed", "read", "write", "refused", "socket", "stopped",
    ] {
        assert!(
            seen.iter().any(|name| name == expected),
            "{expected} in {seen:?}"
        );
    }
}

#[test]
fn every_line_about_commands_is_as_documented() {
    let flags = ["--insecure-anyone", "--allow", "echo …"];
    let mut exec = serve(&[&["exec", "127.0.0.1:0"], &flags[..]].concat());
    let mut stream = connect(&exec);
    for header in [
        r#"{"type":"exec","argv":["echo","hi"]}"#,
        r#"{"type":"exec","argv":["id"]}"#,
    ] {
        stream
            .write_all(&(header.len() as u32).to_le_bytes())
            .unwrap();
        stream.write_all(header.as_bytes()).unwrap();
    }
    exec.event("command_refused");
    drop(stream);
    exec.event("command_ended");
    exec.event("closed");
    exec.signal(Signal::TERM);
    let seen = names_in(&exec.exit().stdout_text());
    for expected in [
        "insecure",
        "command_started",
        "command_ended",
        "command_refused",
    ] {
        assert!(
            seen.iter().any(|name| name == expected),
            "{expected} in {seen:?}"
        );
    }
}

#[test]
fn every_line_about_members_is_as_documented() {
    let mut chat = serve(&["chat", "127.0.0.1:0", "--history", "off"]);
    let mut stream = connect(&chat);
    stream
        .write_all(b"NICK tom\r\nUSER tom 0 * :Tom\r\nQUIT\r\n")
        .unwrap();
    let _ = crate::harness::rest(&mut stream);
    drop(stream);
    chat.event("closed");
    chat.signal(Signal::TERM);
    let seen = names_in(&chat.exit().stdout_text());
    for expected in ["member_in", "member_out"] {
        assert!(
            seen.iter().any(|name| name == expected),
            "{expected} in {seen:?}"
        );
    }
}

#[test]
fn every_line_of_a_dialler_is_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events");
    let events = |args: &[&str]| {
        let flags = [
            "dial",
            "--show-socket",
            "--show",
            "--events",
            file.to_str().unwrap(),
        ];
        let exit = Process::run(&mut sockeye(&[&flags, args].concat()));
        (
            exit.code,
            names_in(&std::fs::read_to_string(&file).unwrap()),
        )
    };
    let echo = serve(&["echo", "127.0.0.1:0"]);
    let (code, names) = events(&[&endpoint(&echo, "tcp:"), "hi"]);
    let talk = ["connected", "socket", "write", "read", "shutdown", "closed"];
    assert_eq!(code, Some(0));
    assert_eq!(
        BTreeSet::from_iter(&names),
        BTreeSet::from_iter(&talk.map(String::from))
    );

    // What cannot be reached has nothing but the error, and what breaks ends with it.
    let nobody = format!("127.0.0.1:{}", free_tcp_port());
    assert_eq!(
        events(&[&nobody, "hi"]),
        (Some(1), vec!["error".to_owned()])
    );
    let silent = serve(&["discard", "127.0.0.1:0"]);
    let (code, names) = events(&[&endpoint(&silent, "tcp:"), "--timeout", "50ms", "hi"]);
    assert_eq!((code, names.last().unwrap().as_str()), (Some(4), "error"));
}

#[test]
fn every_line_about_files_is_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap();
    let mut files = serve(&[
        "files",
        "--root",
        root,
        "127.0.0.1:0",
        "--insecure-anyone",
        "--public",
    ]);
    let frame = |header: &str, body: &[u8]| {
        let length = header.len() as u32;
        [&length.to_le_bytes(), header.as_bytes(), body].concat()
    };
    let mut stream = connect(&files);
    for (header, body) in [
        (r#"{"type":"put","file_name":"a","size":5}"#, "hello"),
        (r#"{"type":"get","file_name":"a"}"#, ""),
        (r#"{"type":"get","file_name":"../b"}"#, ""),
        (
            r#"{"type":"put","file_name":"b","size":5,"more":true}"#,
            "hello",
        ),
        (r#"{"type":"abort"}"#, ""),
    ] {
        stream.write_all(&frame(header, body.as_bytes())).unwrap();
    }
    files.event("file_interrupted");
    drop(stream);
    files.event("closed");
    files.signal(Signal::TERM);
    let seen = names_in(&files.exit().stdout_text());
    for expected in [
        "insecure",
        "public",
        "file_stored",
        "file_sent",
        "file_refused",
        "file_interrupted",
    ] {
        assert!(
            seen.iter().any(|name| name == expected),
            "{expected} in {seen:?}"
        );
    }
}

/// The names of the events, each of which is as documented.
pub(crate) fn names_in(text: &str) -> Vec<String> {
    let schema = documented();
    let name = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        check(&schema, &event);
        event["ev"].as_str().unwrap().to_owned()
    };
    text.lines().map(name).collect()
}

#[test]
fn every_line_of_a_transfer_is_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (root, events) = (path("root"), path("events"));
    std::fs::create_dir(&root).unwrap();
    std::fs::write(path("f"), vec![7; 2 << 20]).unwrap();
    std::os::unix::fs::symlink("f", path("link")).unwrap();
    std::fs::create_dir(path("d")).unwrap();
    std::os::unix::fs::symlink("f", path("d/link")).unwrap();
    let server = serve(&[
        "files",
        "--root",
        &root,
        &format!("unix:{}", path("socket")),
    ]);
    let endpoint = endpoint(&server, "unix:");
    let names = |args: &[&str]| {
        let exit = Process::run(&mut sockeye(args));
        let told = std::fs::read_to_string(&events).unwrap_or_default();
        let _ = std::fs::remove_file(&events);
        (exit.code, names_in(&(exit.stdout_text() + &told)))
    };
    let check = |(code, seen): (Option<i32>, Vec<String>), expected: i32, events: &[&str]| {
        assert_eq!(code, Some(expected), "{seen:?}");
        let seen: BTreeSet<_> = seen.iter().map(String::as_str).collect();
        let missing: Vec<_> = events
            .iter()
            .filter(|name| !seen.contains(**name))
            .collect();
        assert!(missing.is_empty(), "{missing:?} in {seen:?}");
    };
    let told = ["connected", "file_done", "transferred", "closed"];
    check(names(&["put", "--json", &path("f"), &endpoint]), 0, &told);
    let failed = ["file_failed", "file_skipped", "transferred", "error"];
    check(
        names(&["put", "--json", &path("f"), &path("d"), &endpoint]),
        2,
        &failed,
    );
    let copy = path("copy");
    let get = ["get", &endpoint, "f", "-o", &copy, "--events", &events];
    check(names(&get), 0, &told);
    check(names(&get), 2, &["file_failed", "error"]);
    check(
        names(&["get", &endpoint, "--list", "--json"]),
        0,
        &["entry", "closed"],
    );
}

#[test]
fn every_line_about_sockets_is_as_documented() {
    let echo = serve(&["echo", "127.0.0.1:0", "udp://127.0.0.1:0"]);
    let mut stream = connect(&echo);
    ask(&mut stream, b"hello", b"hello");
    let port = stream.peer_addr().unwrap().port().to_string();
    let lines = |args: &[&str]| {
        let exit = Process::run(&mut sockeye(&[&["list", "--json"], args].concat()));
        assert_eq!((exit.code, exit.stderr_text()), (Some(0), String::new()));
        (names_in(&exit.stdout_text()), exit.stdout_text())
    };
    let (names, text) = lines(&["--port", &port]);
    assert_eq!(names, ["listed", "listed", "listed", "looked"]);
    let sockets: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(sockets[0]["state"], "LISTEN");
    assert_eq!(sockets[1]["peer_cookie"], sockets[2]["cookie"]);
    assert_eq!(sockets[1]["programs"][0]["pid"], echo.id());
    assert_eq!(sockets[2]["programs"][0]["pid"], std::process::id());
    assert_eq!(sockets[1]["tcp"]["received_bytes"], 5);
    assert_eq!(sockets[3]["sockets"], 3);
    // Whatever else this machine has.
    lines(&[]);
    let (names, _) = lines(&["--summary"]);
    assert!(names.iter().any(|name| name == "counted"));
}

#[test]
fn every_line_about_this_machine_is_as_documented() {
    for lang in ["en", "zh"] {
        let args = [
            "--lang",
            lang,
            "doctor",
            "--json",
            "--for",
            "serve,dial,far,datagrams",
        ];
        let exit = Process::run(&mut sockeye(&args));
        assert_eq!((exit.code, exit.stderr_text()), (Some(0), String::new()));
        let mut names = names_in(&exit.stdout_text());
        assert_eq!(names.last().map(String::as_str), Some("examined"));
        names.dedup();
        assert!(
            names.starts_with(&["permit".into(), "setting".into()]),
            "{names:?}"
        );
    }
}

#[test]
fn every_line_of_a_chat_is_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events");
    let chat = serve(&["chat", "127.0.0.1:0", "--history", "off"]);
    let at = endpoint(&chat, "tcp:");
    let args = ["chat", &at, "--nick", "tom", "--room", "#r", "--events"];
    let mut client = sockeye(&[&args[..], &[file.to_str().unwrap()]].concat());
    let mut client = Process::start(client.env("HOME", folder.path()));
    client.write_stdin(b"hello\n/msg nobody hello\n");
    assert_eq!(client.exit().code, Some(1));
    let seen = names_in(&std::fs::read_to_string(&file).unwrap());
    let seen: BTreeSet<_> = seen.iter().map(String::as_str).collect();
    let expected = ["chat_delivery", "chat_message", "chat_server", "error"];
    // Beside what its connections tell.
    assert!(seen.is_superset(&BTreeSet::from(expected)), "{seen:?}");
}
