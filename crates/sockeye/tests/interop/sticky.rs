//! M10: TCP carries bytes, not messages.

use serde_json::Value;
use sockeye_testkit::python;

use crate::ours::{Server, assert_prints, dial, serve};
use crate::theirs::one_client_server;

/// Sends each argument after the port with a send of its own and reads the answers to the end.
const SENDER: &str = "\
import socket, sys
client = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for text in sys.argv[2:]:
    client.send(text.encode())
client.shutdown(socket.SHUT_WR)
answer = b''
while data := client.recv(1024):
    answer += data
print(answer.decode())
";

/// The texts of all reads of the one connection, which must be over.
fn reads(server: &Server) -> Vec<String> {
    server.closed(1);
    let text = |event: &Value| Some(event["text"].as_str()?.to_owned());
    server.events("read").iter().filter_map(text).collect()
}

#[test]
fn m10_a_late_reader_gets_two_messages_in_one_read() {
    let server = serve(&["echo", "127.0.0.1:0", "--show", "--read-pause", "500ms"]);
    let Some(mut client) = python(SENDER, &[&server.port(), "hello", "feng"]) else {
        return;
    };
    assert_prints(&client.exit(), "hellofeng\n");
    assert_eq!(reads(&server), ["hellofeng"]);
}

#[test]
fn m10_a_reader_of_two_bytes_gets_a_message_in_pieces() {
    let args = [
        "echo",
        "127.0.0.1:0",
        "--show",
        "--read-size",
        "2",
        "--read-pause",
        "50ms",
    ];
    let server = serve(&args);
    let Some(mut client) = python(SENDER, &[&server.port(), "hello", " feng"]) else {
        return;
    };
    assert_prints(&client.exit(), "hello feng\n");
    assert_eq!(reads(&server), ["he", "ll", "o ", "fe", "ng"]);
}

#[test]
fn m10_framed_messages_stay_whole_whatever_the_reads_are() {
    let reply = ["reply", "--text", "[{}]", "--frame", "line", "127.0.0.1:0"];
    for read_size in ["2", "65536"] {
        let server = serve(&[&reply[..], &["--read-size", read_size]].concat());
        let texts = ["hello\nfe", "ng\n", "one\ntwo\nthr", "ee\n"];
        let Some(mut client) = python(SENDER, &[&[&*server.port()], &texts[..]].concat()) else {
            return;
        };
        assert_prints(&client.exit(), "[hello]\n[feng]\n[one]\n[two]\n[three]\n\n");
    }
}

#[test]
fn m10_an_empty_send_is_no_message_and_an_empty_read_is_the_end() {
    let reply = ["reply", "--text", "[{}]", "127.0.0.1:0"];
    let server = serve(&reply);
    let Some(mut client) = python(SENDER, &[&server.port(), "", "one", ""]) else {
        return;
    };
    assert_prints(&client.exit(), "[one]\n");
    server.event("peer_closed");
    assert_eq!(server.closed(1)[0]["read_messages"], 1);
}

#[test]
fn m10_our_raw_messages_stick_together_at_their_late_reader() {
    // The reader waits for the end of our sending (POLLRDHUP), so both messages are there.
    let script = "\
late = select.poll()
late.register(connection, select.POLLRDHUP)
late.poll(60_000)
print(connection.recv(1024))
";
    let Some(mut server) = one_client_server(script) else {
        return;
    };
    let endpoint = format!("127.0.0.1:{}", server.port());
    let exit = dial(&[&endpoint, "--lines", "--frame", "raw"], b"hello\nfeng\n");
    assert_prints(&exit, "");
    assert!(server.exit().stdout_text().ends_with("b'hellofeng'\n"));
}
