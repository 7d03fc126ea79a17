//! People in plain text: programs as a beginner writes them, and an operator at the desk.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use serde_json::Value;
use sockeye_testkit::{DEADLINE, Process, tool};

use crate::irc::Irc;
use crate::server::Server;

/// Sends each line that is typed as one datagram and waits for its answer.
const UDP_CLIENT: &str = "
import socket, sys
host, port, encoding = sys.argv[1], int(sys.argv[2]), sys.argv[3]
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.bind((host, 0))
print('I am', client.getsockname()[1], flush=True)
while True:
    line = sys.stdin.readline().strip()
    if line == 'quit':
        break
    client.sendto(line.encode(encoding), (host, port))
    answer, address = client.recvfrom(1024)
    print('got', answer.decode(encoding), 'from', address[1], flush=True)
client.close()
";

/// The same over a connection: what one read returns is an answer.
const TCP_CLIENT: &str = "
import socket, sys
client = socket.socket()
client.connect((sys.argv[1], int(sys.argv[2])))
print('I am', client.getsockname()[1], flush=True)
while True:
    line = sys.stdin.readline().strip()
    if line == 'quit':
        break
    client.send(line.encode('utf-8'))
    print('got', client.recv(1024).decode('utf-8'), flush=True)
client.close()
";

/// A program of a guest that runs, and the port that it speaks from.
struct Program {
    process: Process,
    port: String,
}

impl Program {
    fn start(text: &str, address: &str, encoding: &str) -> Option<Self> {
        let python = tool("python3")?;
        let (host, port) = address.rsplit_once(':').unwrap();
        let mut command = Command::new(python);
        command.args(["-c", text, host, port, encoding]);
        let process = Process::start(&mut command);
        let port = process.wait_line(|line| line.strip_prefix("I am ").map(str::to_owned));
        Some(Self { process, port })
    }

    fn types(&mut self, line: &str) {
        self.process.write_stdin(format!("{line}\n").as_bytes());
    }

    fn got(&self, text: &str) {
        self.process.wait_stdout(&format!("got {text}"));
    }

    fn quits(mut self) {
        self.types("quit");
        let exit = self.process.exit();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    }
}

/// A server for guests at these endpoints, and its operator at the desk.
fn desk(args: &[&str]) -> (Server, Irc) {
    let server = Server::start(&[&["--history", "off"], args].concat());
    let mut operator = server.member("operator", "");
    operator.says("JOIN #desk");
    operator.hears(" 366 ");
    (server, operator)
}

fn udp_guest(server: &Server) -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server.address("udp")).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, format!("guest-{port}"))
}

fn datagram(socket: &UdpSocket) -> String {
    let mut buffer = [0; 2048];
    let got = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..got].to_vec()).unwrap()
}

#[test]
fn several_udp_programs_are_answered_by_one_operator() {
    let (server, mut operator) = desk(&["udp://127.0.0.1:0"]);
    let address = server.address("udp");
    let Some(mut one) = Program::start(UDP_CLIENT, &address, "utf-8") else {
        return;
    };
    let mut two = Program::start(UDP_CLIENT, &address, "utf-8").unwrap();
    for (guest, text) in [(&mut one, "hello"), (&mut two, "一棵树在吗")] {
        guest.types(text);
        let port = guest.port.clone();
        operator.hears(&format!(":guest-{port}!guest@loopback JOIN #desk"));
        let heard = operator.hears("PRIVMSG #desk");
        let said = format!(":guest-{port}!guest@loopback PRIVMSG #desk :[127.0.0.1:{port}] {text}");
        assert_eq!(heard, said);
    }
    // By name in the room, in either form, or in private; each reaches one of them.
    operator.says(&format!("PRIVMSG #desk :GUEST-{}: 你好", two.port));
    two.got("你好 from");
    operator.says(&format!("PRIVMSG guest-{} :hi there", one.port));
    one.got("hi there from");
    one.types("again");
    operator.hears("] again");
    operator.says(&format!("PRIVMSG #desk :guest-{}, still here", one.port));
    one.got("still here from");
    assert_eq!(
        two.process.stdout(),
        format!(
            "I am {}\ngot 你好 from {}\n",
            two.port,
            address.rsplit_once(':').unwrap().1
        )
        .into_bytes()
    );
    one.quits();
    two.quits();
    server.stop();
}

#[test]
fn a_program_of_windows_speaks_gbk() {
    let (server, mut operator) = desk(&["udp://127.0.0.1:0", "--guest-encoding", "gbk"]);
    let Some(mut guest) = Program::start(UDP_CLIENT, &server.address("udp"), "gbk") else {
        return;
    };
    guest.types("你好，服务器");
    assert!(operator.hears("PRIVMSG #desk").ends_with("] 你好，服务器"));
    operator.says(&format!("PRIVMSG #desk :guest-{}: 收到🐟", guest.port));
    guest.got("收到?");
    let told = operator.hears("NOTICE #desk");
    assert!(
        told.contains("reads GBK, which lacks some of these characters"),
        "{told}"
    );
    guest.types("二");
    operator.hears("] 二");
    operator.says(&format!("PRIVMSG #desk :guest-{}: 🐟🐟", guest.port));
    guest.got("??");
    assert!(
        operator
            .settles()
            .iter()
            .all(|line| !line.contains("NOTICE")),
        "told once"
    );
    guest.quits();
    server.stop();
}

#[test]
fn a_tcp_program_reads_what_comes() {
    let (server, mut operator) = desk(&["tcp://127.0.0.1:0?frame=raw"]);
    let address = raw_address(&server);
    let Some(mut guest) = Program::start(TCP_CLIENT, &address, "utf-8") else {
        return;
    };
    let port = guest.port.clone();
    operator.hears(&format!(":guest-{port}!guest@loopback JOIN #desk"));
    guest.types("hello");
    assert!(
        operator
            .hears("PRIVMSG #desk")
            .ends_with(&format!("[127.0.0.1:{port}] hello"))
    );
    operator.says(&format!("PRIVMSG #desk :guest-{port}: 你好"));
    guest.got("你好");
    guest.quits();
    operator.hears(&format!(
        ":guest-{port}!guest@loopback QUIT :Connection closed"
    ));
    server.stop();
}

/// The address of the entrance whose endpoint names a framing.
fn raw_address(server: &Server) -> String {
    let framed = |event: &Value| event["frame"].is_string();
    let event = server.process.event_where("listening", framed);
    let endpoint = event["endpoint"].as_str().unwrap();
    endpoint.trim_start_matches("tcp://").to_owned()
}

#[test]
fn lines_of_a_connection_are_messages_and_so_are_answers() {
    let (server, mut operator) = desk(&["tcp://127.0.0.1:0?frame=line"]);
    let mut guest = TcpStream::connect(raw_address(&server)).unwrap();
    guest.set_read_timeout(Some(DEADLINE)).unwrap();
    let port = guest.local_addr().unwrap().port();
    guest.write_all(b"one\ntwo\n").unwrap();
    operator.hears("] one");
    operator.hears("] two");
    operator.says(&format!("PRIVMSG #desk :guest-{port}: \u{2}hi\u{2}"));
    operator.says(&format!("PRIVMSG #desk :guest-{port}:you"));
    let mut answer = [0; 7];
    guest.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hi\nyou\n");
    operator.says(&format!("KICK #desk guest-{port} :enough"));
    assert_eq!(
        guest.read(&mut answer).unwrap(),
        0,
        "who is put out is closed"
    );
    operator.hears(" KICK #desk ");
    server.stop();
}

/// Whatever a guest sends is shown, in lines that IRC can carry.
#[test]
fn nothing_that_a_guest_sends_is_lost() {
    let (server, mut operator) = desk(&["udp://127.0.0.1:0"]);
    let (guest, nick) = udp_guest(&server);
    for (message, lines) in [
        (&b""[..], &["(an empty message)"][..]),
        (b"QUIT :bye\r\nJOIN #r\r\n", &["QUIT :bye", "JOIN #r"]),
        (b"a\0\xff\x1b[1m", &["a\\x00\\xff\\x1b[1m"]),
        (b"\n\nend", &["", "", "end"]),
    ] {
        guest.send(message).unwrap();
        for line in lines {
            let heard = operator.hears("PRIVMSG #desk");
            assert!(heard.ends_with(&format!("] {line}")), "{heard}");
        }
    }
    let long = "一棵树".repeat(1000);
    guest.send(long.as_bytes()).unwrap();
    let mut shown = String::new();
    while shown.len() < long.len() {
        let heard = operator.hears("PRIVMSG #desk");
        assert!(heard.len() <= 510, "{}", heard.len());
        shown += heard.split_once("] ").unwrap().1;
    }
    assert_eq!(shown, long);
    // He is in no other room, and nothing of what he sent was a command.
    operator.says(&format!("WHOIS {nick}"));
    assert!(operator.hears(" 319 ").ends_with(":#desk"));
    server.stop();
}

/// A guest hears what is said to him, and nothing else.
#[test]
fn a_guest_hears_only_what_is_said_to_him() {
    let (server, mut operator) = desk(&["udp://127.0.0.1:0"]);
    let (guest, nick) = udp_guest(&server);
    let (other, other_nick) = udp_guest(&server);
    for socket in [&guest, &other] {
        socket.send(b"here").unwrap();
        operator.hears("] here");
    }
    let mut ann = server.member("ann", "");
    ann.says("JOIN #elsewhere");
    ann.says(&format!("PRIVMSG #elsewhere :{nick}: not for the desk"));
    ann.says(&format!("PRIVMSG #desk :{nick}: from outside"));
    ann.settles();
    for text in [
        "good morning".to_owned(),
        format!("{other_nick}: for the other"),
        format!("{nick}x: for nobody"),
        format!("{nick} is here"),
        format!("{nick}: \u{e9}t\u{e9}"),
    ] {
        operator.says(&format!("PRIVMSG #desk :{text}"));
    }
    operator.says(&format!("PRIVMSG {nick} :\u{1}VERSION\u{1}"));
    operator.says(&format!("PRIVMSG {nick} :\u{1}ACTION waves\u{1}"));
    assert_eq!(datagram(&guest), "été");
    assert_eq!(datagram(&guest), "* waves");
    assert_eq!(datagram(&other), "for the other");
    server.stop();
}

#[test]
fn who_is_silent_for_too_long_is_gone_and_may_come_again() {
    let (server, mut operator) = desk(&[
        "udp://127.0.0.1:0",
        "--guest-idle",
        "200ms",
        "--desk",
        "#Help",
    ]);
    operator.says("JOIN #help");
    operator.hears(" 366 ");
    let (guest, nick) = udp_guest(&server);
    for _ in 0..2 {
        guest.send(b"hi").unwrap();
        operator.hears(&format!(":{nick}!guest@loopback JOIN #help"));
        operator.hears("] hi");
        operator.hears(&format!(
            ":{nick}!guest@loopback QUIT :Said nothing for a while"
        ));
    }
    server.stop();
}

#[test]
fn names_of_guests_are_theirs_alone() {
    let (server, mut operator) = desk(&["udp://127.0.0.1:0", "udp://[::1]:0"]);
    operator.says("NICK guest-7");
    operator.hears(" 43");
    // The same port of another address is somebody else.
    let (guest, nick) = udp_guest(&server);
    let port = guest.local_addr().unwrap().port();
    guest.send(b"four").unwrap();
    operator.hears(&format!("[127.0.0.1:{port}] four"));
    let Ok(six) = UdpSocket::bind(("::1", port)) else {
        return;
    };
    let event = server.process.event_where("listening", |event| {
        event["endpoint"]
            .as_str()
            .is_some_and(|endpoint| endpoint.starts_with("udp://["))
    });
    six.connect(
        event["endpoint"]
            .as_str()
            .unwrap()
            .trim_start_matches("udp://"),
    )
    .unwrap();
    six.send(b"six").unwrap();
    let heard = operator.hears("] six");
    assert!(heard.starts_with(&format!(":{nick}-2!guest@")), "{heard}");
    assert!(heard.contains(&format!("[[::1]:{port}] six")), "{heard}");
    server.stop();
}

#[test]
fn a_flood_of_a_guest_is_cut_and_told() {
    let (server, mut operator) = desk(&["udp://127.0.0.1:0"]);
    let (guest, nick) = udp_guest(&server);
    let flood = "x\n".repeat(400);
    guest.send(flood.as_bytes()).unwrap();
    let told = operator.hears("NOTICE #desk");
    assert!(
        told.contains(&format!("{nick} says too much at once")),
        "{told}"
    );
    let shown = operator
        .settles()
        .iter()
        .filter(|line| line.ends_with("] x"))
        .count();
    assert!((1..=160).contains(&shown), "{shown}");
    server.stop();
}

#[test]
fn a_program_on_a_unix_socket_is_a_guest_too() {
    let (server, mut operator) = desk(&["unix-dgram:{home}/desk.sock"]);
    let guest = UnixDatagram::bind(server.path("guest.sock")).unwrap();
    guest.set_read_timeout(Some(DEADLINE)).unwrap();
    guest.connect(server.path("desk.sock")).unwrap();
    guest.send(b"hello").unwrap();
    let heard = operator.hears("PRIVMSG #desk");
    assert!(heard.starts_with(":guest-1!guest@loopback "), "{heard}");
    assert!(heard.ends_with("/guest.sock] hello"), "{heard}");
    operator.says("PRIVMSG #desk :guest-1: hi");
    let mut answer = [0; 16];
    let got = guest.recv(&mut answer).unwrap();
    assert_eq!(&answer[..got], b"hi");
    server.stop();
}
