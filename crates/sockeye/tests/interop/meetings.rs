//! Peers that reach each other through us: relay and hub.

use sockeye_testkit::python;

use crate::ours::{assert_prints, serve};

const UDP_CLIENT: &str = include_str!("peers/udp_client.py");
const UDP_UPPER_SERVER: &str = include_str!("peers/udp_upper_server.py");
const UPPER_SERVER: &str = include_str!("peers/upper_server.py");
const UPPER_CLIENT: &str = include_str!("peers/upper_client.py");

#[test]
fn datagrams_cross_a_tcp_stream_and_come_out_as_datagrams() {
    let Some(server) = python(UDP_UPPER_SERVER, &["2048"]) else {
        return;
    };
    let to = format!("udp://127.0.0.1:{}", server.port());
    let far = serve(&["relay", "tcp://127.0.0.1:0?frame=u16be", "--to", &to]);
    let to = format!("tcp://127.0.0.1:{}?frame=u16be", far.port());
    let near = serve(&["relay", "udp://127.0.0.1:0", "--to", &to]);

    let long = "x".repeat(1400);
    let args = [&*near.port(), "0", "2048", "hello", "feng", &long];
    let Some(mut client) = python(UDP_CLIENT, &args) else {
        return;
    };
    let expected = format!(
        "answer HELLO\nanswer FENG\nanswer {}\n",
        long.to_uppercase()
    );
    assert_prints(&client.exit(), &expected);
    let stdout = String::from_utf8_lossy(&server.stdout()).into_owned();
    let sizes: Vec<_> = stdout
        .lines()
        .filter_map(|line| line.split("bytes ").nth(1))
        .collect();
    assert_eq!(sizes, ["5", "4", "1400"]);
}

#[test]
fn a_relay_between_a_unix_and_a_tcp_socket_keeps_every_byte() {
    let Some(server) = python(UPPER_SERVER, &["utf-8", "1024", "5"]) else {
        return;
    };
    let to = format!("127.0.0.1:{}", server.port());
    let folder = tempfile::tempdir().unwrap();
    let unix = format!("unix:{}", folder.path().join("socket").display());
    let inner = serve(&["relay", &unix, "--to", &to]);
    let outer = serve(&["relay", "127.0.0.1:0", "--to", &unix]);
    let args = ["127.0.0.1", &outer.port(), "utf-8", "1000", "hello", "exit"];
    let Some(mut client) = python(UPPER_CLIENT, &args) else {
        return;
    };
    assert_prints(&client.exit(), "same 5\nsame 4\nended\n");
    server.wait_stdout("exited");
    outer.stop();
    inner.stop();
}

#[test]
fn what_one_says_in_a_hub_all_others_hear() {
    // Each client waits for what it must hear before the next one speaks.
    let script = "\
import socket, sys
clients = [socket.create_connection(('127.0.0.1', int(sys.argv[1]))) for _ in range(3)]
readers = [client.makefile('rb') for client in clients]
input()
for speaker, text in (0, b'one\\n'), (2, b'three\\n'), (0, b'again\\n'):
    clients[speaker].sendall(text)
    for number, reader in enumerate(readers):
        if number != speaker:
            assert reader.readline() == text, (number, text)
clients[1].close()
readers[1].close()
clients[2].sendall(b'who is left\\n')
print(readers[0].readline())
for client in clients[0], clients[2]:
    client.shutdown(socket.SHUT_WR)
print(readers[0].read(), readers[2].read())
";
    let server = serve(&["hub", "127.0.0.1:0", "--frame", "line"]);
    let Some(mut clients) = python(script, &[&server.port()]) else {
        return;
    };
    // A connection is there for its client before the hub knows of it.
    server.wait_events("accepted", 3);
    clients.write_stdin(b"\n");
    assert_prints(&clients.exit(), "b'who is left\\n'\nb'' b''\n");
    server.closed(3);
    server.stop();
}
