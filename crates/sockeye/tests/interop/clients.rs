//! M4 and M5: servers of one request, loops, clients that vanish, restarts, many at once.

use sockeye_testkit::{Process, Signal, private_network, python};

use crate::ours::{assert_prints, dial, serve, sockeye};

const ONE_REQUEST_SERVER: &str = include_str!("peers/one_request_server.py");
const ONE_REQUEST_CLIENT: &str = include_str!("peers/one_request_client.py");
const MANY_CLIENTS: &str = include_str!("peers/many_clients.py");
const UPPER_SERVER: &str = include_str!("peers/upper_server.py");
const UPPER_CLIENT: &str = include_str!("peers/upper_client.py");

#[test]
fn m4_one_request_with_their_client() {
    let server = serve(&["upper", "127.0.0.1:0", "--requests", "1"]);
    for text in ["hello", "again"] {
        let args = ["localhost", &server.port(), text];
        let Some(mut client) = python(ONE_REQUEST_CLIENT, &args) else {
            return;
        };
        assert_prints(&client.exit(), &format!("answer {}\n", text.to_uppercase()));
    }
    server.stop();
}

#[test]
fn m4_one_request_with_their_server() {
    let Some(server) = python(ONE_REQUEST_SERVER, &[]) else {
        return;
    };
    let endpoint = format!("localhost:{}", server.port());
    for text in ["hello", "again"] {
        assert_prints(
            &dial(&[&endpoint, text], b""),
            &format!("{}\n", text.to_uppercase()),
        );
    }
}

#[test]
fn m5_a_loop_of_clients_with_their_server() {
    let Some(server) = python(UPPER_SERVER, &["utf-8", "1024", "5"]) else {
        return;
    };
    let endpoint = format!("127.0.0.1:{}", server.port());
    for _ in 0..3 {
        // A client that is killed in the middle of its session.
        let mut vanishes = Process::start(&mut sockeye(&["dial", &endpoint, "--ask"]));
        vanishes.write_stdin(b"hello\n");
        vanishes.wait_stdout("HELLO");
        vanishes.signal(Signal::KILL);
        vanishes.exit();
        assert_prints(&dial(&[&endpoint, "still there"], b""), "STILL THERE\n");
    }
}

#[test]
fn m5_a_client_that_vanishes_costs_nothing() {
    let script = "\
import os, signal, socket, sys
client = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
client.sendall(b'hello')
assert client.recv(1024) == b'HELLO'
client.sendall('汉'.encode()[:2])
os.kill(os.getpid(), signal.SIGKILL)
";
    let server = serve(&["upper", "127.0.0.1:0"]);
    let before = server.descriptors();
    for _ in 0..10 {
        let Some(mut client) = python(script, &[&server.port()]) else {
            return;
        };
        assert_eq!(client.exit().signal, Some(9));
    }
    server.closed(10);
    assert_eq!(server.descriptors(), before, "a descriptor is left over");
    let args = ["127.0.0.1", &server.port(), "utf-8", "1000", "still there"];
    let Some(mut client) = python(UPPER_CLIENT, &args) else {
        return;
    };
    assert_prints(&client.exit(), "same 11\n");
    server.stop();
}

#[test]
fn m5_restarts_at_once_with_1000_connections_in_time_wait() {
    let script = "\
import socket
def client():
    connection = socket.create_connection(('127.0.0.1', 50000))
    connection.sendall(b'x')
    while connection.recv(1024):
        pass
    connection.close()
def waiting():
    with open('/proc/net/tcp') as table:
        fields = [line.split() for line in table]
    return sum(field[1].endswith(':C350') and field[3] == '06' for field in fields)
for _ in range(1000):
    client()
# A port that was chosen twice took the place of its own TIME_WAIT: some more make up for it.
for _ in range(1000):
    if waiting() >= 1000:
        print('1000 wait')
        break
    client()
";
    private_network(|| {
        // The server closes first, so TIME_WAIT stays with its port.
        let server = serve(&["upper", "127.0.0.1:50000", "--requests", "1"]);
        let Some(mut clients) = python(script, &[]) else {
            return;
        };
        assert_prints(&clients.exit(), "1000 wait\n");
        server.stop();
        let again = serve(&["upper", "127.0.0.1:50000"]);
        assert_eq!(again.port(), "50000");
        assert_prints(&dial(&["127.0.0.1:50000", "hello"], b""), "HELLO\n");
        again.stop();
    });
}

#[test]
fn m5_a_hundred_clients_at_once() {
    let server = serve(&["upper", "127.0.0.1:0"]);
    let Some(mut clients) = python(MANY_CLIENTS, &[&server.port(), "100"]) else {
        return;
    };
    assert_prints(&clients.exit(), "all 100\n");
    server.closed(100);
    server.stop();
}
