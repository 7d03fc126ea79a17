//! The ways in.

use sockeye_testkit::{Process, python};

use crate::irc::Irc;
use crate::server::{Server, sockeye};

/// Who comes by one endpoint hears who came by another; lines may end with LF alone.
#[test]
fn one_chat_has_many_doors() {
    let server = Server::start(&["unix:{home}/irc.sock", "--history", "off"]);
    let mut tom = server.member("tom", "");
    let mut ann = Irc::connect_unix(&server.path("irc.sock"));
    ann.sends(b"NICK ann\nUSER ann 0 * :Ann\nJOIN #r\n");
    ann.hears(" 366 ");
    tom.says("JOIN #r");
    ann.hears("tom!tom@loopback JOIN");
    ann.sends(b"PRIVMSG #r :over there\n");
    tom.hears("PRIVMSG #r :over there");
    server.stop();
}

/// A member over a WebSocket, written by hand: its sub-protocol, then a line a message.
const WEBSOCKET: &str = r#"
import base64, os, socket, struct, sys

peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
peer.sendall((
    "GET / HTTP/1.1\r\nHost: 127.0.0.1:" + sys.argv[1] + "\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: binary.ircv3.net, text.ircv3.net\r\n"
    "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode() + "\r\n\r\n").encode())
read = peer.makefile("rb")
while (line := read.readline().strip()):
    if line.lower().startswith(b"sec-websocket-protocol"):
        print(line.split(b":")[1].strip().decode(), flush=True)

def say(text):
    data = text.encode()
    peer.sendall(bytes([0x81, 0x80 | len(data)]) + bytes(4) + data)

def hear(part):
    while True:
        kind, size = read.read(2)
        if size == 126:
            size, = struct.unpack(">H", read.read(2))
        message = read.read(size)
        assert b"\r" not in message and b"\n" not in message, message
        if part.encode() in message:
            return f"{kind & 15} {message.decode()}"

say("NICK web")
say("USER web 0 * :web")
say("JOIN #r")
hear(" 366 ")
say("PRIVMSG #r :from the web")
print(hear("PRIVMSG #r"), flush=True)
say("QUIT")
print(hear("ERROR"), flush=True)
"#;

#[test]
fn a_web_client_says_and_hears_a_line_a_message() {
    let server = Server::start(&["ws://127.0.0.1:0/", "--history", "off"]);
    let mut tom = server.member("tom", "");
    tom.says("JOIN #r");
    tom.hears(" 366 ");
    let address = server.address("ws");
    let port = address.rsplit(':').next().unwrap();
    let Some(mut web) = python(WEBSOCKET, &[port]) else {
        return;
    };
    tom.hears("PRIVMSG #r :from the web");
    tom.says("PRIVMSG #r :to the web");
    let exit = web.exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    let told = exit.stdout_text();
    let lines: Vec<_> = told.lines().collect();
    assert!(
        ["binary.ircv3.net", "text.ircv3.net"].contains(&lines[0]),
        "{told}"
    );
    let kind = if lines[0].starts_with("text") {
        "1"
    } else {
        "2"
    };
    assert_eq!(
        lines[1],
        format!("{kind} :tom!tom@loopback PRIVMSG #r :to the web")
    );
    assert!(lines[2].contains("ERROR :Quit"), "{told}");
    server.stop();
}

/// Whoever shows a key that `authorized` lets talk is logged in by it.
#[test]
fn a_key_logs_in_by_itself() {
    let (home, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir(home.path().join("run")).unwrap();
    let shown = Process::run(&mut sockeye(theirs.path(), &["key", "--json"]));
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    let key = shown["key"].as_str().unwrap();
    let allow = ["key", "allow", key, "alice", "chat"];
    let allowed = Process::run(&mut sockeye(home.path(), &allow));
    assert_eq!(allowed.code, Some(0), "{}", allowed.stderr_text());
    let server = Server::start_at(home, &["tls://127.0.0.1:0", "--history", "off"]);
    let endpoint = format!("tls://{}", server.address("tls"));
    let dial = ["dial", "--trust-on-first-use", &endpoint];
    let mut alice = Process::start(&mut sockeye(theirs.path(), &dial));
    alice.write_stdin(b"NICK alice\r\nUSER alice 0 * :Alice\r\n");
    alice.wait_stdout("You are now logged in as alice");
    alice.wait_stdout(" 001 alice ");
    alice.write_stdin(b"QUIT\r\n");
    alice.wait_stdout("ERROR :Quit");
    server.stop();
}
