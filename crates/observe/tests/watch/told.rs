//! What is told of each kind of call.

use sockeye_observe::watch::{Options, Program};
use sockeye_trace::{Call, Fact, Gap, Gauge, Kind, Transport};

use super::records::{Record, python, watch, watch_with};

/// Runs a Python script under watch.
fn script(script: &str) -> Option<Record> {
    let record = watch(&python("", script, &[])?, vec![]);
    let told: Vec<_> = record.outcome.exits.iter().map(|exit| exit.code).collect();
    assert_eq!(told, [Some(0)], "{:#?}", record.lines());
    Some(record)
}

/// The calls of `record` up to its program's own end, as lines, must hold `expected` in this order.
#[track_caller]
fn check(record: &Record, expected: &[&str]) {
    let lines = record.lines();
    let mut rest = lines.iter();
    for line in expected {
        assert!(
            rest.any(|told| told == line),
            "no {line:?} in its place in {lines:#?}"
        );
    }
}

#[test]
fn life_is_told_with_its_arguments() {
    let Some(record) = script(
        "\
import fcntl, os, socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
s.listen(7)
d = os.dup(s.fileno())
os.close(d)
fcntl.fcntl(s, fcntl.F_SETFL, os.O_RDWR | os.O_NONBLOCK)
s.connect_ex(('127.0.0.1', 1))
s.shutdown(socket.SHUT_RDWR)
s.close()
try:
    socket.socket(socket.AF_INET, socket.SOCK_RDM)
except OSError:
    pass
",
    ) else {
        return;
    };
    let expected = [
        "socket AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP = 3",
        "setsockopt SO_REUSEADDR 1 = 0",
        "setsockopt SO_LINGER {l_onoff=1, l_linger=0} = 0",
        "setsockopt TCP_NODELAY 1 = 0",
        "getsockopt SO_ERROR 0 = 0",
        "listen backlog 7 = 0",
        "dup  = 4",
        "close duplicate = 0",
        "fcntl F_SETFL O_RDWR|O_NONBLOCK = 0",
        "connect 127.0.0.1:1 = -106",
        "shutdown SHUT_RDWR = 0",
        "close  = 0",
        "socket AF_INET, 4|SOCK_CLOEXEC, IPPROTO_IP = -94",
    ];
    check(&record, &expected);
}

#[test]
fn datagrams_have_addresses_and_peeking_moves_nothing() {
    let Some(record) = script(
        "\
import socket
a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
a.bind(('127.0.0.1', 0))
b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
b.sendto(b'one', a.getsockname())
b.sendto(b'second', a.getsockname())
a.recvfrom(10, socket.MSG_PEEK)
a.recvfrom(10)
a.recvmsg(4)
b.setblocking(False)
try:
    b.recv(1)
except BlockingIOError:
    pass
",
    ) else {
        return;
    };
    let sides = record.sides();
    let reads = record.of(Kind::Read);
    let writes = record.of(Kind::Write);
    let side = |fact: &Fact<'_>| &sides[&fact.event.conn()];
    assert_eq!(side(&reads[0]).transport, Transport::Udp);
    assert_eq!(writes[0].text, side(&reads[0]).local.to_string());
    let sender = side(&writes[0]).local.port();
    let text = format!("127.0.0.1:{}", sender.unwrap());
    let told: Vec<_> = reads
        .iter()
        .map(|fact| (fact.event.offset, fact.event.result, fact.data, fact.text))
        .collect();
    let expected = [
        (0, 3, &b"one"[..], &text[..]),
        (0, 3, b"one", &text),
        (3, 4, b"seco", &text),
        (0, -libc::EAGAIN, b"", ""),
    ];
    assert_eq!(told, expected);
    assert_eq!(reads[0].flags, libc::MSG_PEEK as u32);
    assert_eq!(reads[1].flags, 0);
    assert_eq!(reads[2].flags, libc::MSG_TRUNC as u32);
    assert_eq!(writes[1].event.offset, 3);
}

#[test]
fn many_messages_are_one_event_each() {
    let Some(record) = script(
        "\
import ctypes, socket
libc = ctypes.CDLL(None, use_errno=True)
class Iovec(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('len', ctypes.c_size_t)]
class Message(ctypes.Structure):
    _fields_ = [('name', ctypes.c_void_p), ('namelen', ctypes.c_uint32), ('iov', ctypes.POINTER(Iovec)),
        ('iovlen', ctypes.c_size_t), ('control', ctypes.c_void_p), ('controllen', ctypes.c_size_t),
        ('flags', ctypes.c_int), ('pad', ctypes.c_int), ('len', ctypes.c_uint), ('more', ctypes.c_uint)]
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
many = (Message * 3)()
texts = [ctypes.create_string_buffer(text, len(text)) for text in [b'a', b'bcd', b'ef']]
for message, text in zip(many, texts):
    at = ctypes.addressof(text)
    message.iov = (Iovec * 2)(Iovec(at, 1), Iovec(at + 1, len(text) - 1))
    message.iovlen = 2
assert libc.sendmmsg(a.fileno(), many, 3, 0) == 3
back = (Message * 5)()
room = [ctypes.create_string_buffer(8) for _ in back]
for message, buffer in zip(back, room):
    message.iov = (Iovec * 1)(Iovec(ctypes.addressof(buffer), 8))
    message.iovlen = 1
assert libc.recvmmsg(b.fileno(), back, 5, socket.MSG_DONTWAIT, None) == 3
",
    ) else {
        return;
    };
    let moves = |kind| -> Vec<_> {
        let facts = record.of(kind).into_iter();
        facts
            .map(|fact| (fact.event.offset, fact.event.asked, fact.data.to_vec()))
            .collect()
    };
    let texts = [b"a".to_vec(), b"bcd".to_vec(), b"ef".to_vec()];
    let [a, b, c] = texts.clone();
    assert_eq!(moves(Kind::Write), [(0, 1, a), (1, 3, b), (4, 2, c)]);
    let [a, b, c] = texts;
    assert_eq!(moves(Kind::Read), [(0, 8, a), (1, 8, b), (4, 8, c)]);
    let sides = record.sides();
    let twins: Vec<_> = sides
        .values()
        .map(|side| (side.socket, side.twin))
        .collect();
    assert_eq!((twins[0].0, twins[0].1), (twins[1].1, twins[1].0));
}

/// Unix sockets are joined by what the kernel says of their other ends.
#[test]
fn unix_sockets_know_their_twins() {
    let Some(record) = script(
        "\
import os, socket
name = '\\0sockeye-twins-%d' % os.getpid()
s = socket.socket(socket.AF_UNIX)
s.bind(name)
s.listen(1)
c = socket.socket(socket.AF_UNIX)
c.connect(name)
a, _ = s.accept()
c.send(b'hi')
a.recv(2)
",
    ) else {
        return;
    };
    let sides = record.sides();
    let of = |kind| &sides[&record.of(kind)[0].event.conn()];
    let (client, server) = (of(Kind::Write), of(Kind::Read));
    assert_eq!(server.twin, client.socket);
    assert!(server.accepted && server.local == client.peer);
    assert!(
        server.local.to_string().starts_with("@sockeye-twins-"),
        "{server:?}"
    );
}

#[test]
fn what_passes_inside_the_kernel_is_counted() {
    let Some(record) = script(
        "\
import os, socket, tempfile
a, b = socket.socketpair()
with tempfile.TemporaryFile() as file:
    file.write(b'x' * 1000)
    file.flush()
    os.sendfile(a.fileno(), file.fileno(), 0, 700)
r, w = os.pipe()
os.splice(b.fileno(), w, 300)
os.splice(r, a.fileno(), 300)
",
    ) else {
        return;
    };
    let moves: Vec<_> = record
        .facts()
        .filter(|fact| fact.kind().is_call())
        .map(|fact| {
            (
                fact.call(),
                fact.event.offset,
                fact.event.result,
                fact.data.len(),
            )
        })
        .collect();
    let expected = [
        (Call::Sendfile, 0, 700, 0),
        (Call::SpliceIn, 0, 300, 0),
        (Call::SpliceOut, 700, 300, 0),
    ];
    assert_eq!(moves, expected);
}

/// A child, a received descriptor and an inherited one: sides of their own on the same socket, whose
/// bytes are counted together.
#[test]
fn a_shared_socket_counts_once() {
    let Some(record) = script(
        "\
import os, socket, sys
a, b = socket.socketpair()
a.send(b'12')
if os.fork() == 0:
    a.send(b'345')
    os._exit(0)
os.wait()
left, right = socket.socketpair()
socket.send_fds(left, [b'!'], [a.fileno()])
_, [again], _, _ = socket.recv_fds(right, 1, 1)
os.write(again, b'67')
os.set_inheritable(again, True)
if os.fork() == 0:
    os.execvp('sh', ['sh', '-c', f'echo hello >&{again}'])
os.wait()
assert b.recv(100) == b'1234567hello\\n'
",
    ) else {
        return;
    };
    let sides = record.sides();
    let socket = sides[&record.of(Kind::Write)[0].event.conn()].socket;
    let writes: Vec<_> = record
        .of(Kind::Write)
        .into_iter()
        .filter(|fact| sides[&fact.event.conn()].socket == socket)
        .map(|fact| (fact.event.offset, fact.data.to_vec()))
        .collect();
    let expected = [
        (0, b"12".to_vec()),
        (2, b"345".to_vec()),
        (5, b"67".to_vec()),
        (7, b"hello\n".to_vec()),
    ];
    assert_eq!(writes, expected);
    let holders: std::collections::HashSet<_> = sides
        .values()
        .filter(|side| side.socket == socket)
        .map(|side| side.pid)
        .collect();
    assert_eq!(holders.len(), 3);
}

#[test]
fn a_payload_is_capped_and_its_length_is_not() {
    let script = "import socket; a, b = socket.socketpair(); a.send(b'x' * 5000); b.recv(9000)";
    let Some(program) = python("", script, &[]) else {
        return;
    };
    let options = Options {
        payload_cap: 100,
        ..Options::default()
    };
    let record = watch_with(options, &program, vec![]);
    for fact in [record.of(Kind::Write)[0], record.of(Kind::Read)[0]] {
        assert_eq!((fact.event.result, fact.data), (5000, &[b'x'; 100][..]));
    }
}

#[test]
fn the_kernels_counters_tell_of_the_wire_and_of_buffers() {
    let script = "\
import socket
s = socket.create_server(('127.0.0.1', 0))
c = socket.create_connection(s.getsockname())
a, _ = s.accept()
c.send(b'x' * 3000)
a.recv(1000)
";
    let Some(program) = python("", script, &[]) else {
        return;
    };
    let options = Options {
        infer_wire: true,
        gauges: true,
        ..Options::default()
    };
    let record = watch_with(options, &program, vec![]);
    let wire = record.of(Kind::Inferred);
    let event = wire[0].event;
    assert_eq!((wire.len(), event.offset, event.result), (1, 0, 3000));
    assert!(event.asked >= 1);
    assert_eq!(event.conn(), record.of(Kind::Write)[0].event.conn());
    let gauges = record.of(Kind::Gauged);
    let last = Gauge::from_payload(gauges.last().unwrap().data).unwrap();
    assert_eq!(last.unread, 2000);
    let cost = record.of(Kind::Cost)[0].event;
    assert!(cost.offset > 0 && cost.asked > 0);
}

/// Lengths of 2⁶³ and a billion parts cost nothing and break nothing.
#[test]
fn lying_lengths_are_only_lies() {
    let Some(record) = script(
        "\
import ctypes, socket
libc = ctypes.CDLL(None, use_errno=True)
size = ctypes.c_size_t
a, b = socket.socketpair()
libc.syscall(20, a.fileno(), 8, 10 ** 9)
libc.syscall(44, a.fileno(), size(8), size(2 ** 63), 0, size(8), 2 ** 30)
libc.syscall(46, a.fileno(), size(2 ** 64 - 9), 0)
libc.syscall(307, a.fileno(), size(8), 2 ** 32 - 1, 0)
libc.syscall(299, a.fileno(), size(8), 2 ** 32 - 1, 64, 0)
libc.syscall(54, a.fileno(), 1, 2, size(8), size(2 ** 31))
libc.syscall(42, a.fileno(), size(8), size(2 ** 31))
a.send(b'alive')
",
    ) else {
        return;
    };
    if cfg!(target_arch = "x86_64") {
        assert_eq!(record.of(Kind::Write).last().unwrap().data, b"alive");
        assert!(record.lines().len() >= 8, "{:#?}", record.lines());
    }
}

#[test]
fn a_setuid_program_is_a_gap() {
    let Some(su) = sockeye_testkit::tool("su") else {
        return;
    };
    let record = watch(
        &Program::new("", [su.as_os_str(), "--version".as_ref()]),
        vec![],
    );
    let root = rustix::process::geteuid().is_root();
    let gaps: Vec<_> = record
        .of(Kind::Gap)
        .iter()
        .filter_map(Fact::describes::<Gap>)
        .collect();
    // Nobody gains anything from a program of his own.
    let expected = if root { vec![] } else { vec!["setuid"] };
    assert_eq!(
        gaps.iter().map(|gap| &gap.what[..]).collect::<Vec<_>>(),
        expected
    );
}
