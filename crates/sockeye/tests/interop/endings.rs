//! M9 and half-close: what ends, when, and what is left behind.

use std::os::unix::net::UnixStream;
use std::process::Command;

use sockeye_testkit::{Process, Signal, private_network, python, tool};

use crate::ours::{assert_prints, serve, sockeye, start_dial};
use crate::theirs::one_client_server;

#[test]
fn m9_ctrl_c_closes_connections_and_frees_port_and_file() {
    private_network(|| {
        let script = "\
import socket, sys
client = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
client.sendall(b'hello')
assert client.recv(1024) == b'hello'
print('open')
print('end', client.recv(1024))
again = socket.socket()
print('connect_ex', again.connect_ex(('127.0.0.1', int(sys.argv[1]))))
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(('127.0.0.1', int(sys.argv[1])))
listener.listen(1)
print('free')
";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let server = serve(&["echo", "127.0.0.1:0", &format!("unix:{}", path.display())]);
        assert!(UnixStream::connect(&path).is_ok());
        let Some(mut client) = python(script, &[&server.port()]) else {
            return;
        };
        client.wait_stdout("open");
        let exit = server.stop();
        assert!(
            exit.stdout_text().contains(r#""ev":"stopped""#),
            "{}",
            exit.stdout_text()
        );
        assert_prints(&client.exit(), "open\nend b''\nconnect_ex 111\nfree\n");
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    });
}

#[test]
fn m9_sigterm_is_an_order_to_end_too() {
    let server = serve(&["echo", "127.0.0.1:0"]);
    server.signal(Signal::TERM);
    assert!(server.event("stopped").is_object());
}

#[test]
fn m9_ctrl_c_ends_our_client() {
    let server = serve(&["echo", "127.0.0.1:0"]);
    let mut client = start_dial(&[&server.endpoint()]);
    client.write_stdin(b"hello\n");
    client.wait_stdout("hello");
    client.signal(Signal::INT);
    assert_eq!(client.end().code, Some(130));
    server.closed(1);
}

#[test]
fn half_close_gets_the_whole_answer() {
    // A server that answers only after the end of the request, and long: dial host:80 < request.
    let script = "\
size = 0
while data := connection.recv(1024):
    size += len(data)
connection.sendall(b'%d\\n' % size + b'x' * 5_000_000)
";
    let Some(server) = one_client_server(script) else {
        return;
    };
    let mut client = start_dial(&[&format!("127.0.0.1:{}", server.port())]);
    client.write_stdin(&vec![b'y'; 3_000_000]);
    let exit = client.exit();
    assert_eq!(
        (exit.code, exit.stdout.len()),
        (Some(0), 8 + 5_000_000),
        "{}",
        exit.stderr_text()
    );
    assert!(exit.stdout.starts_with(b"3000000\nxxx"));
}

#[test]
fn a_closed_pipe_behind_us_is_a_success() {
    let Some(bash) = tool("bash") else { return };
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("stdin");
    let server = serve(&["chargen", "127.0.0.1:0"]);
    // A standard input that never ends, so that only the closed pipe can end the client.
    let line = "mkfifo \"$2\"; exec 3<>\"$2\"; set -o pipefail
        \"$0\" dial \"$1\" <&3 | head -c 100000 | wc -c";
    let binary = sockeye(&[]).get_program().to_owned();
    let exit = Process::run(
        Command::new(bash)
            .arg("-c")
            .arg(line)
            .arg(binary)
            .arg(server.endpoint())
            .arg(fifo),
    );
    let said = (exit.code, exit.stdout_text(), exit.stderr_text());
    assert_eq!(said, (Some(0), "100000\n".to_owned(), String::new()));
}
