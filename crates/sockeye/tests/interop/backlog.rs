//! M28: the backlog limits connections that wait to be accepted, not clients.

use sockeye_testkit::{Signal, private_network, python};

use crate::ours::{dial, serve};

#[test]
fn m28_backlog_of_one_completes_two_and_the_third_is_tried_again() {
    // A third connection's SYN is dropped, not refused; the client sends it again after a second.
    let script = "\
import select, socket, sys
clients = [socket.socket() for _ in range(3)]
for client in clients:
    client.setblocking(False)
    client.connect_ex(('127.0.0.1', int(sys.argv[1])))
_, ready, _ = select.select([], clients[:2], [], 60)
_, ready, _ = select.select([], clients, [], 0.3)
print('complete', len(ready))
input()
for client in clients:
    client.setblocking(True)
    client.sendall(b'hello')
    print(client.recv(1024))
";
    let server = serve(&["upper", "tcp://127.0.0.1:0?backlog=1"]);
    server.signal(Signal::STOP);
    let Some(mut clients) = python(script, &[&server.port()]) else {
        return;
    };
    clients.wait_stdout("complete 2\n");
    server.signal(Signal::CONT);
    clients.write_stdin(b"\n");
    assert!(
        clients
            .exit()
            .stdout_text()
            .ends_with("b'HELLO'\nb'HELLO'\nb'HELLO'\n")
    );
}

#[test]
fn m28_our_client_at_their_listener_that_never_accepts() {
    let script = "\
import socket
listener = socket.socket()
listener.bind(('127.0.0.1', 0))
listener.listen(1)
print('port', listener.getsockname()[1])
input()
";
    let Some(server) = python(script, &[]) else {
        return;
    };
    let endpoint = format!("127.0.0.1:{}", server.port());
    let codes = [(); 3].map(|()| dial(&["--check", &endpoint, "--timeout", "500ms"], b"").code);
    assert_eq!(codes, [Some(0), Some(0), Some(4)]);
}

#[test]
fn m28_the_backlog_is_capped_by_somaxconn() {
    private_network(|| {
        std::fs::write("/proc/sys/net/core/somaxconn", "3").unwrap();
        let server = serve(&["upper", "tcp://127.0.0.1:50000?backlog=1000"]);
        server.signal(Signal::STOP);
        let codes =
            [(); 5].map(|()| dial(&["--check", "127.0.0.1:50000", "--timeout", "500ms"], b"").code);
        assert_eq!(codes, [Some(0), Some(0), Some(0), Some(0), Some(4)]);
        server.signal(Signal::CONT);
    });
}
