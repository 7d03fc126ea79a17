//! M11, M12, M13: delimiter, length, header and body.

use sockeye_testkit::python;

use crate::ours::{assert_prints, dial, serve};

const FRAMED: &str = include_str!("peers/framed.py");

/// Their name of each framing and ours.
const FRAMINGS: [(&str, &str); 5] = [
    ("line", "line"),
    ("ffffff", "delim:0xFFFFFF"),
    ("i", "i32le"),
    (">H", "u16be"),
    ("json", "json-header"),
];

fn with_their_client(theirs: &str) {
    let ours = FRAMINGS
        .iter()
        .find(|(name, _)| *name == theirs)
        .expect("it is listed")
        .1;
    for read_size in ["1", "7", "65536"] {
        let server = serve(&[
            "echo",
            "127.0.0.1:0",
            "--frame",
            ours,
            "--read-size",
            read_size,
        ]);
        let args = [
            "client",
            theirs,
            &server.port(),
            "hello",
            "feng",
            "",
            "汉字",
            &"x".repeat(3000),
        ];
        let Some(mut client) = python(FRAMED, &args) else {
            return;
        };
        assert_prints(&client.exit(), "all 5\n");
        let closed = &server.closed(1)[0];
        assert_eq!(closed["read_messages"], 10, "{closed}");
        server.stop();
    }
}

fn with_their_server(theirs: &str) {
    let ours = FRAMINGS
        .iter()
        .find(|(name, _)| *name == theirs)
        .expect("it is listed")
        .1;
    let Some(mut server) = python(FRAMED, &["server", theirs]) else {
        return;
    };
    let endpoint = format!("127.0.0.1:{}", server.port());
    let exit = dial(
        &[&endpoint, "--frame", ours, "--lines"],
        "hello\nfeng\n汉字\n".as_bytes(),
    );
    assert_prints(&exit, "hello\nfeng\n汉字\n");
    let got = server.exit().stdout_text();
    assert!(
        got.ends_with("message hello\nmessage feng\nmessage 汉字\nend\n"),
        "{got}"
    );
}

#[test]
fn m11_delimiter_with_their_client() {
    with_their_client("ffffff");
    with_their_client("line");
}

#[test]
fn m11_delimiter_with_their_server() {
    with_their_server("ffffff");
    with_their_server("line");
}

#[test]
fn m12_length_with_their_client() {
    with_their_client("i");
    with_their_client(">H");
}

#[test]
fn m12_length_with_their_server() {
    with_their_server("i");
    with_their_server(">H");
}

#[test]
fn m13_json_header_with_their_client() {
    with_their_client("json");
}

#[test]
fn m13_our_header_and_body_at_their_server() {
    let Some(mut server) = python(FRAMED, &["server", "json"]) else {
        return;
    };
    let endpoint = format!("127.0.0.1:{}", server.port());
    // The header is part of the message: the framing puts its length ahead.
    let message = r#"{"file_size": 5, "md5": "5d41402abc4b2a76b9719d911017c592"}hello"#;
    let exit = dial(&[&endpoint, "--frame", "json-header", message], b"");
    let answer = exit.stdout_text();
    assert!(
        answer.contains(r#""file_name""#) && answer.ends_with("}hello\n"),
        "{answer}"
    );
    assert!(server.exit().stdout_text().contains("message hello\n"));
}

#[test]
fn m13_a_body_larger_than_what_is_held_streams_through() {
    let script = "\
import hashlib, json, socket, struct, sys, threading
client = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
body = bytes(range(256)) * 12000
header = json.dumps({'file_name': 'a.bin', 'file_size': len(body)}).encode()
frame = struct.pack('i', len(header)) + header + body
sender = threading.Thread(target=client.sendall, args=(frame,))
sender.start()
answer = hashlib.md5()
left = len(frame)
while left:
    data = client.recv(1024)
    assert data, left
    answer.update(data)
    left -= len(data)
sender.join()
print(answer.hexdigest() == hashlib.md5(frame).hexdigest())
";
    let framing = "json-header,max=64KiB,max-body=8MiB";
    let server = serve(&["echo", "127.0.0.1:0", "--frame", framing]);
    let Some(mut client) = python(script, &[&server.port()]) else {
        return;
    };
    assert_prints(&client.exit(), "True\n");
}

#[test]
fn a_peer_that_speaks_another_framing_ends_alone_and_is_explained() {
    let script = "\
import socket, sys
address = ('127.0.0.1', int(sys.argv[1]))
good, bad = socket.create_connection(address), socket.create_connection(address)
bad.sendall(b'rtbu this is text')
try:
    print('bad', bad.recv(1024))
except ConnectionResetError:
    print('bad', b'')
good.sendall(b'\\0\\0\\0\\5hello')
print('good', good.recv(1024))
";
    let server = serve(&["echo", "127.0.0.1:0", "--frame", "u32be"]);
    let Some(mut client) = python(script, &[&server.port()]) else {
        return;
    };
    assert_prints(
        &client.exit(),
        "bad b''\ngood b'\\x00\\x00\\x00\\x05hello'\n",
    );
    let event = server.event("bad_frame");
    let said = event["error"].as_str().unwrap_or_default();
    for part in [
        "frame at byte 0",
        "1920230005",
        "1048576",
        "72 74 62 75",
        "\"rtbu\"",
    ] {
        assert!(said.contains(part), "{said}");
    }
}
