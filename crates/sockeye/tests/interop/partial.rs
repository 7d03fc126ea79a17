//! M15: send and sendall; nothing is lost when a reader is slow.

use sockeye_testkit::python;

use crate::ours::{serve, start_dial};

#[test]
fn m15_their_non_blocking_sends_are_partial_and_nothing_is_lost() {
    let script = "\
import select, socket, sys
client = socket.socket()
client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
client.connect(('127.0.0.1', int(sys.argv[1])))
client.setblocking(False)
left, partial = bytes(range(256)) * 4000, 0
while left:
    select.select([], [client], [])
    sent = client.send(left)
    partial += sent < len(left)
    left = left[sent:]
assert partial, 'a buffer of 1 MB was taken at once'
client.shutdown(socket.SHUT_WR)
client.setblocking(True)
assert client.recv(1) == b''
";
    let server = serve(&["discard", "127.0.0.1:0", "--read-pause", "1ms"]);
    let Some(mut client) = python(script, &[&server.port()]) else {
        return;
    };
    let exit = client.exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    assert_eq!(server.closed(1)[0]["read_bytes"], 256 * 4000);
}

#[test]
fn m15_our_client_sends_all_to_their_slow_reader() {
    let script = "\
import hashlib, socket, time
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
listener.bind(('127.0.0.1', 0))
listener.listen(1)
print('port', listener.getsockname()[1])
connection, _ = listener.accept()
whole, reads = hashlib.sha256(), 0
while data := connection.recv(1024):
    whole.update(data)
    reads += 1
    if reads % 100 == 0:
        time.sleep(0.001)
print('digest', whole.hexdigest())
connection.sendall(whole.hexdigest().encode())
";
    let Some(mut server) = python(script, &[]) else {
        return;
    };
    let mut client = start_dial(&[&format!("127.0.0.1:{}", server.port())]);
    client.write_stdin(&b"0123456789abcdef".repeat(200_000));
    let digest = client.exit().stdout_text();
    let theirs = server.exit().stdout_text();
    assert_eq!(digest.len(), 64, "{theirs}");
    // sha256 of the text above, by an independent program.
    assert_eq!(digest, sha256_of_what_was_sent());
}

/// By coreutils, which know nothing of either program.
fn sha256_of_what_was_sent() -> String {
    use sockeye_testkit::Process;
    let mut sum = Process::start(&mut std::process::Command::new("sha256sum"));
    sum.write_stdin(&b"0123456789abcdef".repeat(200_000));
    sum.exit().stdout_text().chars().take(64).collect()
}
