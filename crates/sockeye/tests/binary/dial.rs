//! `dial` against peers that know nothing of it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::process::Stdio;
use std::thread::{self, JoinHandle};

use sockeye_testkit::{
    DEADLINE, Exit, Process, Signal, free_tcp_port, free_udp_port, private_network,
};

use crate::harness::sockeye;

/// A peer that takes one connection and does what `act` does; its address and what came of it.
fn peer<T: Send + 'static>(
    act: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let peer = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        act(stream)
    });
    (address, peer)
}

fn echo(mut stream: TcpStream) {
    let mut back = stream.try_clone().unwrap();
    std::io::copy(&mut stream, &mut back).unwrap();
}

fn read_all(mut stream: &TcpStream) -> Vec<u8> {
    let mut all = vec![];
    stream.read_to_end(&mut all).unwrap();
    all
}

#[track_caller]
fn dial(args: &[&str], input: &[u8]) -> Exit {
    let mut process = Process::start(&mut sockeye(&[&["dial"], args].concat()));
    process.write_stdin(input);
    process.close_stdin();
    process.exit()
}

#[track_caller]
fn check(args: &[&str], input: &[u8], code: i32, stdout: &str, stderr: &str) {
    let exit = dial(args, input);
    let said = (exit.code, exit.stdout_text(), exit.stderr_text());
    assert_eq!(said, (Some(code), stdout.into(), stderr.into()), "{args:?}");
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 / 7) as u8).collect()
}

#[test]
fn a_piped_request_gets_its_whole_answer() {
    let answer = pattern(3_000_000);
    let sent = answer.clone();
    let (address, peer) = peer(move |mut stream| {
        // Answers only when the request has ended: without the half-close nobody would go on.
        let request = read_all(&stream);
        stream.write_all(&sent).unwrap();
        request
    });
    let exit = dial(&[&address], b"GET / HTTP/1.0\r\n\r\n");
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    assert!(exit.stdout == answer, "{} bytes came", exit.stdout.len());
    assert_eq!(peer.join().unwrap(), b"GET / HTTP/1.0\r\n\r\n");
}

#[test]
fn bytes_go_both_ways_at_once_and_none_is_lost() {
    let (address, peer) = peer(echo);
    let input = pattern(20_000_000);
    let exit = dial(&[&address], &input);
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    assert!(
        exit.stdout == input,
        "{} bytes came back",
        exit.stdout.len()
    );
    peer.join().unwrap();
}

#[test]
fn a_peer_that_says_nothing_still_gets_everything() {
    let (address, peer) = peer(|stream| {
        stream.shutdown(Shutdown::Write).unwrap();
        read_all(&stream)
    });
    let input = pattern(5_000_000);
    let exit = dial(&[&address], &input);
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    assert!(peer.join().unwrap() == input);
}

#[test]
fn a_peer_that_has_gone_ends_it_although_the_input_has_not() {
    let (address, peer) = peer(|mut stream| stream.write_all(b"bye\n").unwrap());
    // Held open, and silent, until the end of the test.
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = sockeye(&["dial", &address]);
    let output = command.stdin(Stdio::from(reader)).output().unwrap();
    assert_eq!(
        (output.status.code(), &output.stdout[..]),
        (Some(0), &b"bye\n"[..])
    );
    drop(writer);
    peer.join().unwrap();
}

#[test]
fn input_that_the_peer_did_not_take_is_no_success() {
    let (address, peer) = peer(|stream| {
        // Closing with unread bytes resets the connection.
        stream.peek(&mut [0]).unwrap();
    });
    let exit = dial_until_broken(&[&address], &pattern(50_000_000));
    assert_eq!(exit.code, Some(1), "{}", exit.stderr_text());
    // The reset is seen by whichever side looks first.
    let said = exit.stderr_text();
    assert!(
        said.contains("(ECONNRESET, 104)") || said.contains("(EPIPE, 32)"),
        "{said}"
    );
    peer.join().unwrap();
}

/// Like `dial`, for input that is not expected to be taken.
fn dial_until_broken(args: &[&str], input: &[u8]) -> Exit {
    let mut command = sockeye(&[&["dial"], args].concat());
    let (reader, mut writer) = std::io::pipe().unwrap();
    let input = input.to_vec();
    let feeder = thread::spawn(move || drop(writer.write_all(&input)));
    let output = command.stdin(Stdio::from(reader)).output().unwrap();
    drop(command);
    feeder.join().unwrap();
    Exit {
        code: output.status.code(),
        signal: None,
        stdout: output.stdout,
        stderr: output.stderr,
    }
}

#[test]
fn questions_wait_for_their_answers() {
    let (address, peer) = peer(|mut stream| {
        let mut asked = vec![];
        let mut buf = [0; 512];
        loop {
            let got = stream.read(&mut buf).unwrap();
            if got == 0 {
                return asked;
            }
            let text = String::from_utf8(buf[..got].to_vec()).unwrap();
            stream
                .write_all(format!("Server received {text}").as_bytes())
                .unwrap();
            asked.push(text);
        }
    });
    // The empty line is not sent, and what is typed to end is not either.
    let input = b"one\n\ntwo\nexit\nthree\n";
    let expected = "Server received one\nServer received two\n";
    check(
        &["--ask", "--exit-on", "exit", &address],
        input,
        0,
        expected,
        "",
    );
    assert_eq!(peer.join().unwrap(), ["one", "two"]);
}

#[test]
fn the_last_answer_ends_the_questions() {
    let (address, peer) = peer(echo);
    check(
        &["--until", "exit", &address, "a", "exit", "b"],
        b"",
        0,
        "a\nexit\n",
        "",
    );
    peer.join().unwrap();
    let (address, peer) = self::peer(echo);
    check(
        &["--lines", "--frame", "line", "--until", "exit", &address],
        b"a\nexit\n",
        0,
        "a\nexit\n",
        "",
    );
    peer.join().unwrap();
}

#[test]
fn an_answer_that_does_not_come_has_an_exit_code() {
    let (address, silent) = peer(|stream| read_all(&stream));
    check(
        &["--timeout", "50ms", &address, "hi"],
        b"",
        4,
        "",
        "sockeye: no answer within 50ms\n",
    );
    silent.join().unwrap();
    let (address, gone) = peer(|stream| {
        stream.peek(&mut [0]).map(|_| {
            let mut buf = [0; 2];
            (&stream).read_exact(&mut buf).unwrap();
        })
    });
    let expected = "sockeye: the peer closed the connection without an answer\n";
    check(&[&address, "hi"], b"", 1, "", expected);
    gone.join().unwrap().unwrap();
}

#[test]
fn messages_keep_their_boundaries_in_every_framing() {
    for framing in ["line", "nul", "u32be", "varint", "netstring", "cobs"] {
        let (address, peer) = peer(echo);
        check(
            &["--lines", "--frame", framing, &address],
            "a\n\nb c\n树\n".as_bytes(),
            0,
            "a\n\nb c\n树\n",
            "",
        );
        peer.join().unwrap();
    }
}

#[test]
fn a_broken_frame_is_a_failed_check() {
    let (address, peer) = peer(|mut stream| {
        stream
            .write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n")
            .unwrap();
        read_all(&stream)
    });
    let exit = dial(&["--frame", "u32be", "--lines", &address], b"");
    assert_eq!(exit.code, Some(3), "{}", exit.stderr_text());
    assert!(
        exit.stderr_text().contains("announces 1213486160 bytes"),
        "{}",
        exit.stderr_text()
    );
    peer.join().unwrap();
}

#[test]
fn bytes_can_be_written_and_read_as_hex() {
    let (address, peer) = peer(echo);
    check(
        &["--hex", &address, "68 65", "0A"],
        b"",
        0,
        "68 65\n0a\n",
        "",
    );
    peer.join().unwrap();
    let expected = "sockeye: 'z' at byte 1 of '0z' is no hex digit\n";
    check(&["--hex", "127.0.0.1:1", "0z"], b"", 2, "", expected);
}

#[test]
fn text_is_written_and_shown_in_the_peers_encoding() {
    let (address, peer) = peer(|mut stream| {
        let mut buf = [0; 4];
        stream.read_exact(&mut buf).unwrap();
        stream.write_all(b"\xc4\xe3\xba\xc3\xff").unwrap();
        buf
    });
    let said = "sockeye: 1 byte could not be decoded; shown as \\xNN\n";
    check(
        &["--encoding", "gbk", &address, "你好"],
        b"",
        0,
        "你好\\xff\n",
        said,
    );
    assert_eq!(&peer.join().unwrap(), b"\xc4\xe3\xba\xc3");
    check(
        &["--encoding", "gbk", "127.0.0.1:1", "🐟"],
        b"",
        2,
        "",
        "sockeye: GBK has no '🐟'\n",
    );
}

#[test]
fn a_check_is_a_value_and_not_a_crash() {
    let (address, peer) = peer(|stream| read_all(&stream));
    let exit = dial(&["--check", &address], b"");
    assert_eq!(exit.code, Some(0));
    assert!(
        exit.stdout_text()
            .starts_with(&format!("tcp://{address} 0 connected in "))
    );
    assert_eq!(peer.join().unwrap(), b"");

    let closed = free_tcp_port();
    let expected = format!("tcp://127.0.0.1:{closed} 111 ECONNREFUSED connection refused\n");
    check(
        &["--check", "127.0.0.1", &closed.to_string()],
        b"",
        1,
        &expected,
        "",
    );
    check(
        &["--check", "unix:/nonexistent/s"],
        b"",
        2,
        "unix:/nonexistent/s 2 ENOENT no such file or directory\n",
        "",
    );
}

#[test]
fn a_range_is_checked_in_the_order_of_its_ports() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().clamp(2, 65_534);
    let range = format!("127.0.0.1:{}-{}", port - 1, port + 1);
    let exit = dial(&["--check", &range], b"");
    assert_eq!(exit.code, Some(0), "one port that answers is enough");
    let text = exit.stdout_text();
    let ports: Vec<_> = text
        .lines()
        .filter_map(|line| line.split([':', ' ']).nth(2))
        .collect();
    let expected: Vec<_> = (port - 1..=port + 1).map(|port| port.to_string()).collect();
    assert_eq!(ports, expected, "{text}");
    assert!(text.contains(&format!(":{port} 0 connected")), "{text}");
}

#[test]
fn one_peer_is_accepted_over_a_stream_and_over_datagrams() {
    let mut process = Process::start(&mut sockeye(&["dial", "--listen", "127.0.0.1:0"]));
    process.wait_stderr("listening on tcp://");
    let port = port_in(&process);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    process.write_stdin(b"hello");
    process.close_stdin();
    stream.write_all(b"you").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&stream), b"hello");
    let exit = process.exit();
    assert_eq!((exit.code, exit.stdout_text()), (Some(0), "you".into()));

    let mut process = Process::start(&mut sockeye(&["dial", "--listen", "udp://127.0.0.1:0"]));
    process.wait_stderr("listening on udp://");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.connect(("127.0.0.1", port_in(&process))).unwrap();
    socket.send(b"first").unwrap();
    process.wait_stdout("first\n");
    process.write_stdin(b"answer\n");
    let mut buf = [0; 16];
    let got = socket.recv(&mut buf).unwrap();
    assert_eq!(&buf[..got], b"answer");
    process.signal(Signal::INT);
    assert_eq!(process.exit().code, Some(130));
}

fn port_in(process: &Process) -> u16 {
    let text = String::from_utf8(process.stderr()).unwrap();
    let digits = text.split("127.0.0.1:").nth(1).unwrap();
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap();
    digits[..end].parse().unwrap()
}

#[test]
fn datagrams_are_answered_one_by_one_and_silence_ends_it() {
    private_network(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let address = socket.local_addr().unwrap();
        let own = free_udp_port();
        let peer = thread::spawn(move || {
            let mut heard = vec![];
            for _ in 0..3 {
                let mut buf = [0; 1024];
                let (got, from) = socket.recv_from(&mut buf).unwrap();
                socket
                    .send_to(&buf[..got].to_ascii_uppercase(), from)
                    .unwrap();
                heard.push((String::from_utf8(buf[..got].to_vec()).unwrap(), from.port()));
            }
            heard
        });
        let endpoint = format!("udp://{address}?bind=:{own}");
        check(
            &["--wait-reply", "200ms", &endpoint],
            b"one\n\nthree\n",
            0,
            "ONE\n\nTHREE\n",
            "",
        );
        let expected = ["one", "", "three"].map(|text| (text.to_owned(), own));
        assert_eq!(peer.join().unwrap(), expected);
    });
}

#[test]
fn nobody_at_the_port_is_heard_of() {
    private_network(|| {
        let endpoint = format!("udp://127.0.0.1:{}", free_udp_port());
        let exit = dial(&[&endpoint], b"hello\n");
        assert_eq!(exit.code, Some(1));
        assert!(
            exit.stderr_text().contains("(ECONNREFUSED, 111)"),
            "{}",
            exit.stderr_text()
        );
    });
}

#[test]
fn a_broadcast_address_is_explained() {
    let exit = dial(&["udp://255.255.255.255:9"], b"hello\n");
    assert_eq!(exit.code, Some(2), "{}", exit.stderr_text());
    let said = exit.stderr_text();
    assert!(
        said.contains("EACCES") && said.contains("broadcast=1"),
        "{said}"
    );
}

#[test]
fn a_reader_that_had_enough_is_no_failure() {
    let (address, peer) = peer(|mut stream| {
        // Goes on until the other end is gone.
        while stream.write_all(b"y\n").is_ok() {}
    });
    let mut command = sockeye(&["dial", &address, "--no-stdin"]);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::from(writer))
        .spawn()
        .unwrap();
    drop(command);
    reader.read_exact(&mut [0; 4]).unwrap();
    drop(reader);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    peer.join().unwrap();
}

#[test]
fn events_tell_the_life_of_the_connection() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("events");
    let (address, peer) = peer(echo);
    let exit = dial(
        &[
            "--events",
            file.to_str().unwrap(),
            "--show",
            "-q",
            &address,
            "hi",
        ],
        b"",
    );
    assert_eq!((exit.code, exit.stdout_text()), (Some(0), "hi\n".into()));
    assert_eq!(exit.stderr_text(), "");
    peer.join().unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    let events: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<_> = events
        .iter()
        .map(|event| event["ev"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["connected", "write", "read", "shutdown", "closed"]);
    assert_eq!(events[0]["peer"], format!("tcp://{address}"));
    assert_eq!(
        (&events[4]["read_bytes"], &events[4]["written_messages"]),
        (&2.into(), &1.into())
    );
}

#[test]
fn what_contradicts_itself_is_refused_in_one_line() {
    let error = |args: &[&str]| {
        let exit = dial(args, b"");
        assert_eq!(exit.code, Some(2), "{args:?}");
        exit.stderr_text()
    };
    assert_eq!(
        error(&["--frame", "line", "127.0.0.1:1?frame=u32be"]),
        "sockeye: --frame line and ?frame=u32be contradict each other; write one of them\n"
    );
    assert!(
        error(&["--on-eof", "never", "127.0.0.1:1"])
            .contains("none of half-close, close, wait=TIME")
    );
    assert!(error(&["localhost"]).contains("write localhost:PORT"));
    assert!(error(&["--check", "127.0.0.1:1", "hi"]).contains("'hi' is too much"));
}
