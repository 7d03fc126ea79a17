//! The same script under strace: the same calls with the same results, one after the other.

use std::process::Command;

use sockeye_testkit::Process;
use sockeye_trace::Kind;

use super::records::{python, watch};

/// Does the same whoever looks: nothing in it waits for a peer that is not itself.
const SCRIPT: &str = "\
import os, socket
s = socket.create_server(('127.0.0.1', 0), backlog=3)
c = socket.create_connection(s.getsockname())
c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
a, _ = s.accept()
for size in (1, 17, 1000):
    c.sendall(bytes([65 + size % 26]) * size)
    a.recv(size)
    a.sendmsg([b'got', b' it'])
    c.recvmsg(100)
a.setblocking(False)
try:
    a.recv(5)
except BlockingIOError:
    pass
c.shutdown(socket.SHUT_WR)
a.setblocking(True)
a.recv(5)
u, v = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
u.bind(('127.0.0.1', 0))
v.sendto(b'datagram', u.getsockname())
u.recvfrom(4)
try:
    c.connect(('127.0.0.1', 1))
except OSError:
    pass
x, y = socket.socketpair()
if os.fork() == 0:
    x.send(b'from the child')
    os._exit(0)
os.wait()
y.recv(100)
";

/// A call as both tell it: its name, its result, and the bytes of a plain send or receive.
type Line = (String, i64, Vec<u8>);

#[test]
fn a_script_is_told_as_strace_tells_it() {
    let (Some(strace), Some(program)) = (sockeye_testkit::tool("strace"), python("", SCRIPT, &[]))
    else {
        return;
    };
    let record = watch(&program, vec![]);
    let ours: Vec<Line> = record
        .facts()
        .filter(|fact| matches!(fact.kind(), Kind::Called | Kind::Read | Kind::Write))
        .filter(|fact| IS_NETWORK.contains(&fact.call().name()))
        .map(|fact| {
            let plain = matches!(fact.call().name(), "sendto" | "recvfrom");
            let data = if plain { fact.data.to_vec() } else { vec![] };
            (
                fact.call().name().to_owned(),
                fact.event.result.into(),
                data,
            )
        })
        .collect();

    let log = std::env::temp_dir().join(format!("sockeye-strace-{}", std::process::id()));
    let flags = ["-f", "-e", "trace=network", "-xx", "-s", "100000", "-o"];
    let exit = Process::run(
        Command::new(strace)
            .args(flags)
            .arg(&log)
            .args(&program.argv),
    );
    assert_eq!(exit.code, Some(0), "{exit:?}");
    let text = std::fs::read_to_string(&log).unwrap();
    let _ = std::fs::remove_file(&log);
    let theirs: Vec<Line> = text.lines().filter_map(line).collect();

    assert!(theirs.len() > 40, "{text}");
    for (number, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        assert_eq!(ours, theirs, "call {number}\n{text}");
    }
    assert_eq!(ours.len(), theirs.len());
}

/// What `trace=network` shows of the calls that the script makes.
const IS_NETWORK: &[&str] = &[
    "socket",
    "socketpair",
    "bind",
    "listen",
    "accept",
    "accept4",
    "connect",
    "getsockname",
    "getpeername",
    "setsockopt",
    "getsockopt",
    "shutdown",
    "sendto",
    "recvfrom",
    "sendmsg",
    "recvmsg",
];

/// `PID name(arguments) = result`; nothing for signals and ends.
fn line(text: &str) -> Option<Line> {
    let (_, text) = text.split_once(' ')?;
    let (name, rest) = text.trim_start().split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let mut result = result.split(' ');
    let number: i64 = result.next()?.parse().ok()?;
    let number = match (number, result.next()) {
        (-1, Some(errno)) => -errno_number(errno),
        (number, _) => number,
    };
    let plain = matches!(name, "sendto" | "recvfrom") && number > 0;
    let data = if plain {
        hex(arguments.split('"').nth(1)?)
    } else {
        vec![]
    };
    Some((name.to_owned(), number, data))
}

fn errno_number(name: &str) -> i64 {
    let found = (1..134).find(|number| sockeye_trace::errno_name(*number) == name);
    found.map_or(0, i64::from)
}

/// `\x41\x42` as bytes.
fn hex(text: &str) -> Vec<u8> {
    let bytes = text.split("\\x").skip(1);
    bytes
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect()
}
