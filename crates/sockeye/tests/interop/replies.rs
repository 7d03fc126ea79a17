//! M1 and M2: reply and upper-case servers over TCP.

use sockeye_testkit::python;

use crate::ours::{assert_prints, dial, serve};
use crate::theirs::one_client_server;

const REPLY_SERVER: &str = include_str!("peers/reply_server.py");
const PROMPT_CLIENT: &str = include_str!("peers/prompt_client.py");
const UPPER_SERVER: &str = include_str!("peers/upper_server.py");
const UPPER_CLIENT: &str = include_str!("peers/upper_client.py");

#[test]
fn m1_reply_server_with_their_client() {
    let reply = [
        "reply",
        "--text",
        "Server received {}",
        "--read-size",
        "512",
    ];
    let server = serve(&[&reply[..], &["tcp://0.0.0.0:0?backlog=8"]].concat());
    // All interfaces: another address of this machine reaches it too.
    let args = ["127.0.0.2", &server.port(), "utf-8"];
    let Some(mut client) = python(PROMPT_CLIENT, &args) else {
        return;
    };
    client.write_stdin("hello\n你好\nexit\nnever sent\n".as_bytes());
    assert_prints(
        &client.exit(),
        "Server received hello\nServer received 你好\n",
    );
    let closed = &server.closed(1)[0];
    assert_eq!(closed["read_bytes"], "hello你好".len(), "{closed}");
    server.stop();
}

#[test]
fn m1_each_read_of_512_bytes_is_answered_by_itself() {
    let script = "\
import socket, sys
client = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
client.sendall(b'x' * 1200)
client.shutdown(socket.SHUT_WR)
answer = b''
while data := client.recv(1024):
    answer += data
print(*map(len, answer.split(b'Server received ')))
";
    let reply = [
        "reply",
        "--text",
        "Server received {}",
        "--read-size",
        "512",
        "127.0.0.1:0",
    ];
    let server = serve(&reply);
    let Some(mut client) = python(script, &[&server.port()]) else {
        return;
    };
    assert_prints(&client.exit(), "0 512 512 176\n");
}

#[test]
fn m1_prompt_client_with_their_server() {
    let Some(server) = python(REPLY_SERVER, &[]) else {
        return;
    };
    let endpoint = format!("127.0.0.1:{}", server.port());
    let exit = dial(
        &[&endpoint, "--ask", "--exit-on", "exit"],
        "hello\n你好\nexit\nnever sent\n".as_bytes(),
    );
    assert_prints(&exit, "Server received hello\nServer received 你好\n");
    server.wait_stdout("closed 127.0.0.1");
}

#[test]
fn m1_an_empty_read_means_that_their_server_closed() {
    let script = "\
print(connection.recv(1024))
connection.close()
";
    let Some(server) = one_client_server(script) else {
        return;
    };
    let exit = dial(
        &[
            &format!("127.0.0.1:{}", server.port()),
            "--ask",
            "hello",
            "more",
        ],
        b"",
    );
    assert_eq!((exit.code, &*exit.stdout_text()), (Some(1), ""));
    assert!(
        exit.stderr_text().contains("closed"),
        "{}",
        exit.stderr_text()
    );
}

#[test]
fn m2_many_clients_in_turn_with_their_client() {
    let server = serve(&["upper", "127.0.0.1:0", "--quit-on", "exit"]);
    for turn in 0..5 {
        let text = format!("client {turn} straße");
        let args = ["127.0.0.1", &server.port(), "utf-8", "1000", &text, "exit"];
        let Some(mut client) = python(UPPER_CLIENT, &args) else {
            return;
        };
        assert_prints(&client.exit(), "same 16\nsame 4\nended\n");
    }
    server.closed(5);
    server.stop();
}

#[test]
fn m2_upper_client_with_their_server() {
    let Some(server) = python(UPPER_SERVER, &["utf-8", "1024", "5"]) else {
        return;
    };
    let endpoint = format!("127.0.0.1:{}", server.port());
    for _turn in 0..3 {
        let exit = dial(
            &[&endpoint, "--ask", "--until", "exit"],
            b"hello\nfeng\nexit\n",
        );
        assert_prints(&exit, "HELLO\nFENG\nexit\n");
    }
    server.wait_stdout("exited\nclient 127.0.0.1\nexited\nclient 127.0.0.1\nexited\n");
}

#[test]
fn m2_400_hanzi_come_back_whole() {
    // 1,200 bytes: a read of 1,024 cuts the 342nd character.
    let text = "a字".repeat(200) + &"汉".repeat(200);
    for read_size in ["1024", "1"] {
        let server = serve(&["upper", "127.0.0.1:0", "--read-size", read_size]);
        let args = ["127.0.0.1", &server.port(), "utf-8", "5000", &text];
        let Some(mut client) = python(UPPER_CLIENT, &args) else {
            return;
        };
        assert_prints(&client.exit(), &format!("same {}\n", text.len()));
    }
}

#[test]
fn m2_text_drip_fed_by_the_byte_comes_back_whole() {
    let text = "drip 滴滴 straße 𝒶 ǆ".repeat(8);
    let server = serve(&["upper", "127.0.0.1:0"]);
    let args = ["127.0.0.1", &server.port(), "utf-8", "1", &text];
    let Some(mut client) = python(UPPER_CLIENT, &args) else {
        return;
    };
    assert!(
        client.exit().stdout_text().starts_with("same "),
        "{client:?}"
    );
}

#[test]
fn m2_traditional_text_in_gbk_is_not_damaged() {
    // The second byte of each of these lies between `a` and `z`: bytewise upper-casing damages it.
    let text = "abc 乤亀乧眅 xyz 繁體中文".repeat(20);
    for piece in ["5000", "1"] {
        let server = serve(&["upper", "127.0.0.1:0", "--encoding", "gbk"]);
        let args = ["127.0.0.1", &server.port(), "gbk", piece, &text];
        let Some(mut client) = python(UPPER_CLIENT, &args) else {
            return;
        };
        let exit = client.exit();
        assert!(
            exit.stdout_text().starts_with("same "),
            "{}",
            exit.stderr_text()
        );
    }
}

#[test]
fn m2_invalid_bytes_pass_unchanged() {
    let script = r"
import socket, sys
client = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
client.sendall(b'ab\xff\xfecd\xe6\xb1')
client.shutdown(socket.SHUT_WR)
answer = b''
while data := client.recv(1024):
    answer += data
print(answer)
";
    let server = serve(&["upper", "127.0.0.1:0"]);
    let Some(mut client) = python(script, &[&server.port()]) else {
        return;
    };
    assert_prints(&client.exit(), "b'AB\\xff\\xfeCD\\xe6\\xb1'\n");
}

#[test]
fn m2_a_reset_drops_only_the_client_that_resets() {
    let script = "\
import socket, struct, sys
address = ('127.0.0.1', int(sys.argv[1]))
stays, resets = socket.create_connection(address), socket.create_connection(address)
for client in stays, resets:
    client.sendall(b'hello')
    assert client.recv(1024) == b'HELLO'
resets.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
print('at %s:%d' % resets.getsockname())
resets.close()
input()
stays.sendall(b'still here')
print(stays.recv(1024))
";
    let server = serve(&["upper", "127.0.0.1:0"]);
    let Some(mut client) = python(script, &[&server.port()]) else {
        return;
    };
    let resets = client.wait_line(|line| Some(line.strip_prefix("at ")?.to_owned()));
    let closed = &server.closed(1)[0];
    assert!(
        closed["peer"]
            .as_str()
            .is_some_and(|peer| peer.contains(&resets)),
        "{closed}"
    );
    assert!(
        closed["reason"]
            .as_str()
            .is_some_and(|why| why.contains("reset")),
        "{closed}"
    );
    client.write_stdin(b"\n");
    assert!(client.exit().stdout_text().ends_with("b'STILL HERE'\n"));
    assert_eq!(server.closed(2).len(), 2);
}
