//! M23, M24 and what else is seen of programs that know nothing of it: `watch` with Python's plain
//! sockets, in a network of their own.

mod endings;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use sockeye_observe::namespace::{Isolation, probe};
use sockeye_testkit::{Exit, Process, not_run, tool};
use sockeye_trace::packet::{Body, TcpFlags, dissect};
use sockeye_trace::timeline::{Flow, Move, SegmentNote};
use sockeye_trace::{Kind, Session, Timeline};
use tempfile::TempDir;

use crate::ours::sockeye;

/// A folder with two programs in it, and what watching them came to.
struct Stage {
    folder: TempDir,
    python: PathBuf,
}

impl Stage {
    /// None where there is no Python, or nobody may have a network of their own.
    fn new() -> Option<Self> {
        let python = tool("python3")?;
        if let Err(why) = probe(&Isolation::default()) {
            not_run(&why.to_string());
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        Some(Self { folder, python })
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// The command line of a script, which it puts into the folder.
    fn program(&self, name: &str, script: &str) -> String {
        fs::write(self.folder.path().join(name), script).unwrap();
        format!("'{}' -u '{}'", self.python.display(), self.path(name))
    }

    /// `sockeye watch --isolate` with a server and a client.
    fn command(&self, server: &str, client: &str, more: &[&str]) -> Command {
        let server = self.program("server.py", server);
        let client = self.program("client.py", client);
        let session = self.path("session");
        let mut command = sockeye(&["watch", "--isolate", "--timeout", "50s"]);
        command
            .args([
                "--trace", &session, "--server", &server, "--client", &client,
            ])
            .args(more);
        command
    }

    /// Watches them to their end.
    #[track_caller]
    fn watch(&self, server: &str, client: &str, more: &[&str]) -> (Exit, Session) {
        let exit = Process::run(&mut self.command(server, client, more));
        let all = (exit.stdout_text(), exit.stderr_text());
        assert_eq!(exit.code, Some(0), "{}{}", all.0, all.1);
        (exit, self.session())
    }

    fn session(&self) -> Session {
        let file = fs::read(self.folder.path().join("session")).unwrap();
        Session::load(&file[..]).unwrap()
    }
}

/// A server that takes one connection, reads until its end, `$size` bytes at most at once.
fn reading_server(size: usize) -> String {
    format!(
        "\
import socket
listener = socket.create_server(('127.0.0.1', 5000))
connection, _ = listener.accept()
while connection.recv({size}):
    pass
connection.close()
"
    )
}

fn lengths<'m>(moves: impl IntoIterator<Item = &'m Move>) -> Vec<u64> {
    let lengths = moves
        .into_iter()
        .map(|call| call.bytes.end - call.bytes.start);
    lengths.collect()
}

fn carried(flow: &Flow) -> Vec<u64> {
    let wire = flow.ways[0].wire.iter();
    wire.map(|segment| segment.bytes.end - segment.bytes.start)
        .collect()
}

#[track_caller]
fn only_flow<'t>(timeline: &'t Timeline<'_>) -> &'t Flow {
    let [flow] = &timeline.flows[..] else {
        panic!("{:?}", timeline.flows);
    };
    flow
}

/// What people come for: three messages in three writes, one segment (the kernel was told to wait for
/// more), two reads.
#[test]
fn m5_three_messages_stick_together_and_watch_says_so() {
    let Some(stage) = Stage::new() else { return };
    let client = "\
import socket
s = socket.create_connection(('127.0.0.1', 5000))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
for word in (b'hello', b'world', b'again'):
    s.send(word)
s.close()
";
    let (exit, session) = stage.watch(&reading_server(10), client, &["--frame", "fixed:5"]);
    let timeline = Timeline::build(&session);
    let flow = only_flow(&timeline);
    assert_eq!(lengths(&flow.ways[0].writes), [5, 5, 5]);
    assert_eq!(carried(flow), [15]);
    assert_eq!(lengths(&flow.ways[0].reads), [10, 5, 0]);
    let told = exit.stdout_text();
    // Wrapped at the width of the report.
    let sentence = told.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "3 messages",
        "in 3 writes",
        "became 1 segment; the server (python3",
        "took 2 pieces",
    ] {
        assert!(sentence.contains(part), "{part} is missing:\n{told}");
    }
    for lane in [
        "sendto 5 [0..5) m1 \"hello\"",
        "[0..15)",
        "recvfrom 10 [0..10)",
        "wire: packets as captured",
    ] {
        assert!(told.contains(lane), "{lane} is missing:\n{told}");
    }
    assert!(sentence.contains("stops of the programs, about"), "{told}");
}

const SEVEN: [u64; 7] = [17, 1, 300, 1, 200, 1, 2000];

#[test]
fn m23_seven_writes_over_tcp_are_seven_writes_and_eight_segments() {
    let Some(stage) = Stage::new() else { return };
    let client = "\
import socket
s = socket.create_connection(('127.0.0.1', 5000))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for size in (17, 1, 300, 1, 200, 1, 2000):
    s.sendall(b'x' * size)
s.close()
";
    let (_, session) = stage.watch(&reading_server(1024), client, &[]);
    let timeline = Timeline::build(&session);
    let flow = only_flow(&timeline);
    let way = &flow.ways[0];
    assert_eq!(lengths(&way.writes), SEVEN);
    assert_eq!(carried(flow), [17, 1, 300, 1, 200, 1, 1448, 552]);
    assert_eq!((way.written, way.carried, way.read), (2520, 2520, 2520));
    assert!(
        way.joined && timeline.gaps.is_empty(),
        "{:?}",
        timeline.gaps
    );
}

#[test]
fn m23_seven_datagrams_are_read_one_by_one_and_the_last_is_cut() {
    let Some(stage) = Stage::new() else { return };
    let server = "\
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('127.0.0.1', 5000))
for _ in range(7):
    s.recvfrom(1024)
";
    let client = "\
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for size in (17, 1, 300, 1, 200, 1, 2000):
    s.sendto(b'x' * size, ('127.0.0.1', 5000))
";
    let (_, session) = stage.watch(server, client, &[]);
    let timeline = Timeline::build(&session);
    let flow = only_flow(&timeline);
    let way = &flow.ways[0];
    assert_eq!(lengths(&way.writes), SEVEN);
    let numbers = |moves: &[Move]| moves.iter().map(|call| call.datagram).collect::<Vec<_>>();
    assert_eq!(numbers(&way.writes), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(numbers(&way.reads), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(lengths(&way.reads), [17, 1, 300, 1, 200, 1, 1024]);
    // 1,480 bytes of the first fragment are 8 of the header of UDP and 1,472 of the datagram.
    assert_eq!(carried(flow), [17, 1, 300, 1, 200, 1, 1472, 528]);
    let last = way.wire.last().unwrap();
    assert_eq!((last.datagram, last.note), (6, SegmentNote::Fragment));
    assert_eq!(session.event(way.reads[6].fact).asked, 1024);
}

#[test]
fn m24_the_states_of_a_connection_follow_its_packets() {
    let Some(stage) = Stage::new() else { return };
    let client = "\
import socket
s = socket.create_connection(('127.0.0.1', 5000))
s.send(b'x')
s.shutdown(socket.SHUT_WR)
assert s.recv(1) == b''
s.close()
";
    let (exit, session) = stage.watch(&reading_server(10), client, &[]);
    let timeline = Timeline::build(&session);
    let flow = only_flow(&timeline);
    let states = |end: u8| {
        let calls = flow.life.iter().filter(|life| life.end == end);
        let facts = calls.map(|life| session.fact(life.fact));
        let told =
            facts.filter(|fact| fact.kind() == Kind::Called && !fact.state.name().is_empty());
        told.map(|fact| format!("{} {}", fact.call().name(), fact.state.name()))
            .collect::<Vec<_>>()
    };
    let (client, server) = (states(0), states(1));
    assert!(client.contains(&"connect ESTABLISHED".into()), "{client:?}");
    // The server may have answered with its own FIN before we looked.
    let shut = client
        .iter()
        .any(|call| call.starts_with("shutdown FIN-WAIT-") || call == "shutdown TIME-WAIT");
    assert!(shut, "{client:?}");
    // On a busy machine the client is done before the server's accept returns.
    let accepted = server
        .iter()
        .any(|call| ["accept4 ESTABLISHED", "accept4 CLOSE-WAIT"].contains(&call.as_str()));
    assert!(accepted, "{server:?}");
    let told = exit.stdout_text();
    for packet in ["SYN mss 1460", "SYN·ACK", "FIN"] {
        assert!(told.contains(packet), "{packet} is missing:\n{told}");
    }
    // LINKTYPE_ETHERNET: so the loopback device has it.
    let packets = flow.life.iter().map(|life| session.fact(life.fact));
    let fins = packets
        .filter(|fact| fact.kind() == Kind::Packet)
        .filter(|fact| {
            let packet = dissect(1, fact.data, fact.moved() as u32);
            matches!(packet.body, Body::Tcp(tcp) if tcp.flags.has(TcpFlags::FIN))
        });
    assert_eq!(fins.count(), 2, "{told}");
}

/// Text, JSON, a page and a capture of the same run; the peer's bytes steer none of them.
#[test]
fn what_a_peer_sends_steers_no_picture() {
    let Some(stage) = Stage::new() else { return };
    let client = r"
import socket
s = socket.create_connection(('127.0.0.1', 5000))
s.send(b'\x1b[2J</script><script>alert(1)</script>\xff\x00')
print('\x1b[31mred')
s.close()
";
    let (page, capture) = (stage.path("page.html"), stage.path("packets.pcapng"));
    let (exit, _) = stage.watch(
        &reading_server(1024),
        client,
        &["--html", &page, "--pcapng", &capture],
    );
    let (told, said) = (exit.stdout_text(), exit.stderr_text());
    assert!(
        !told.contains('\x1b') && !said.contains('\x1b'),
        "{told}{said}"
    );
    assert!(said.contains("client | \\x1b[31mred"), "{said}");
    assert!(told.contains("\\x1b[2J"), "{told}");
    let page = fs::read_to_string(page).unwrap();
    assert!(!page.contains("alert(1)"));
    // Section header block, draft-ietf-opsawg-pcapng §4.1.
    assert_eq!(&fs::read(capture).unwrap()[..4], b"\x0a\x0d\x0d\x0a");
}

#[test]
fn json_is_one_object_a_line() {
    let Some(stage) = Stage::new() else { return };
    let client = "\
import socket
s = socket.create_connection(('127.0.0.1', 5000))
s.send(b'hello')
s.close()
";
    let (exit, _) = stage.watch(&reading_server(10), client, &["--json"]);
    let lines: Vec<serde_json::Value> = exit
        .stdout_text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines.len() > 5 && lines.iter().all(serde_json::Value::is_object));
}

#[test]
fn whoever_follows_sees_each_call_once_and_then_what_was_found() {
    let Some(stage) = Stage::new() else { return };
    let client = "\
import socket
s = socket.create_connection(('127.0.0.1', 5000))
for word in (b'hello', b'world'):
    s.send(word)
s.close()
";
    let (exit, _) = stage.watch(&reading_server(10), client, &["--follow"]);
    let told = exit.stdout_text();
    for text in [
        "\"hello\"",
        "\"world\"",
        "SYN mss 1460",
        "2 writes (10 bytes)",
    ] {
        let seen = told.matches(text).count();
        assert!(
            seen == 1 || text.starts_with('"') && seen == 2,
            "{text} {seen} times:\n{told}"
        );
    }
}

/// A program that runs already, in a process group of its own: it is told of from here on, and goes on
/// when nobody watches any more.
#[test]
fn a_running_program_is_watched_and_left_as_it_was() {
    let Some(python) = tool("python3") else {
        return;
    };
    let script = "\
import socket, sys
a, b = socket.socketpair()
print('ready')
for line in sys.stdin:
    a.send(line.encode())
    print('echo', b.recv(100).decode(), end='')
";
    let mut command = Command::new(python);
    command.args(["-u", "-c", script]);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut program = Process::start(&mut command);
    program.wait_stdout("ready");
    let mut watch = Process::start(&mut sockeye(&[
        "watch",
        "--follow",
        "-p",
        &program.id().to_string(),
    ]));
    // What is written before it is attached to is seen by nobody: until something is.
    let deadline = std::time::Instant::now() + sockeye_testkit::DEADLINE;
    while !String::from_utf8_lossy(&watch.stdout()).contains("during") {
        assert!(std::time::Instant::now() < deadline, "nothing was seen");
        program.write_stdin(b"during\n");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    watch.signal(sockeye_testkit::Signal::INT);
    let exit = watch.exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    program.write_stdin(b"after\n");
    program.wait_stdout("echo after");
    program.close_stdin();
    assert_eq!(program.exit().code, Some(0));
}
