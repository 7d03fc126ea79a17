//! `sockeye serve SERVICE`.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;

use sockeye_testkit::{DEADLINE, Process, Signal, python};

use crate::harness::{address, ask, connect, endpoint, rest, serve, sockeye};

#[test]
fn the_first_event_is_listening_with_the_real_port() {
    let echo = serve(&["echo", "127.0.0.1:0"]);
    let first = echo.wait_line(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    assert_eq!(first["ev"], "listening");
    assert_ne!(address(first["endpoint"].as_str().unwrap()).port(), 0);
    assert_eq!(first["asked"], "tcp://127.0.0.1:0");
    ask(&mut connect(&echo), b"hello", b"hello");
}

#[test]
fn without_an_endpoint_it_listens_on_a_free_port_of_this_machine() {
    let echo = serve(&["echo"]);
    assert!(address(&endpoint(&echo, "tcp:")).ip().is_loopback());
    ask(&mut connect(&echo), b"hello", b"hello");
}

#[test]
fn two_words_are_a_host_and_a_port() {
    let echo = serve(&["echo", "127.0.0.1", "0"]);
    ask(&mut connect(&echo), b"hello", b"hello");
}

#[test]
fn sockets_of_a_service_manager_are_served() {
    let script = "import os, socket, sys\n\
        listener = socket.create_server(('127.0.0.1', 0))\n\
        os.dup2(listener.fileno(), 3)\n\
        os.set_inheritable(3, True)\n\
        os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n\
        os.execv(sys.argv[1], sys.argv[1:])\n";
    let args = [
        env!("CARGO_BIN_EXE_sockeye"),
        "serve",
        "echo",
        "--json",
        "--frame",
        "line",
    ];
    let Some(echo) = python(script, &args) else {
        return;
    };
    assert_eq!(echo.event("listening")["asked"], "fd:3");
    ask(&mut connect(&echo), b"hello\n", b"hello\n");
}

#[test]
fn only_ipv4_on_request() {
    let echo = serve(&["echo", "-4"]);
    echo.event("ready");
    let endpoints = echo.events("listening");
    assert_eq!(endpoints.len(), 1, "{endpoints:?}");
    assert!(address(&endpoint(&echo, "tcp:")).is_ipv4());
}

#[test]
fn upper_case_follows_the_encoding() {
    let upper = serve(&["upper", "127.0.0.1:0", "--encoding", "gbk"]);
    // 你好 in GBK; its second bytes are letters of ASCII to a bytewise upper-casing.
    ask(
        &mut connect(&upper),
        b"a\xc4\xe3\xba\xc3z",
        b"A\xc4\xe3\xba\xc3Z",
    );
}

#[test]
fn reply_answers_with_its_text() {
    let reply = serve(&["reply", "127.0.0.1:0", "--text", "Server received {}"]);
    ask(&mut connect(&reply), b"hello", b"Server received hello");
}

#[test]
fn print_writes_what_comes_byte_for_byte() {
    let mut command = sockeye(&[
        "serve",
        "print",
        "127.0.0.1:0",
        "--once",
        "--events",
        "/dev/stderr",
    ]);
    let mut print = Process::start(&mut command);
    let mut stream = TcpStream::connect(place_on_stderr(&print)).unwrap();
    let sent: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    stream.write_all(&sent).unwrap();
    drop(stream);
    let exit = print.exit();
    assert_eq!(exit.code, Some(0));
    assert!(
        exit.stdout == sent,
        "{} of {} bytes",
        exit.stdout.len(),
        sent.len()
    );
}

#[test]
fn print_and_events_do_not_share_standard_output() {
    let exit = Process::run(&mut sockeye(&["serve", "print", "--json"]));
    assert_eq!(exit.code, Some(2));
    assert!(
        exit.stderr_text().contains("--events"),
        "{}",
        exit.stderr_text()
    );
}

#[test]
fn a_reader_of_what_is_printed_that_goes_away_ends_the_server_well() {
    let Some(bash) = sockeye_testkit::tool("bash") else {
        return;
    };
    let line = format!(
        "{} serve print 127.0.0.1:0 --events /dev/stderr | head -c 5; echo ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_sockeye")
    );
    let mut pipeline = Process::start(Command::new(bash).args(["-c", &line]));
    let mut stream = TcpStream::connect(place_on_stderr(&pipeline)).unwrap();
    stream.write_all(b"hello").unwrap();
    pipeline.wait_stdout("hello");
    // Until the pipe is found closed; the server closes the connection then.
    while stream.write_all(b"more").is_ok() {
        std::thread::yield_now();
    }
    assert_eq!(pipeline.exit().stdout_text(), "hello0\n");
}

/// Where a server listens that writes its events to standard error.
#[track_caller]
fn place_on_stderr(process: &Process) -> SocketAddr {
    process.wait_stderr("\"ev\":\"listening\"");
    process.wait_stderr("\n");
    let text = String::from_utf8(process.stderr()).unwrap();
    let line = text
        .lines()
        .find(|line| line.contains("\"listening\""))
        .unwrap();
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    address(event["endpoint"].as_str().unwrap())
}

#[test]
fn what_one_says_in_a_hub_all_others_hear() {
    let hub = serve(&["hub", "127.0.0.1:0", "--frame", "line"]);
    let (mut one, mut two, mut three) = (connect(&hub), connect(&hub), connect(&hub));
    hub.wait_events("accepted", 3);
    one.write_all(b"from one\n").unwrap();
    ask(&mut two, b"", b"from one\n");
    two.write_all(b"from two\n").unwrap();
    ask(&mut three, b"", b"from one\nfrom two\n");
    ask(&mut one, b"", b"from two\n");
}

#[test]
fn datagrams_cross_a_stream_as_frames_and_come_out_as_datagrams() {
    let upper = serve(&["upper", "udp://127.0.0.1:0"]);
    let behind = endpoint(&upper, "udp:");
    let there = serve(&["relay", "127.0.0.1:0?frame=u16be", "--to", &behind]);
    let tunnel = format!("{}?frame=u16be", endpoint(&there, "tcp:"));
    let here = serve(&["relay", "udp://127.0.0.1:0", "--to", &tunnel]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.connect(address(&endpoint(&here, "udp:"))).unwrap();
    for message in ["hello", "", "feng"] {
        socket.send(message.as_bytes()).unwrap();
        let mut buf = [0; 100];
        let got = socket.recv(&mut buf).unwrap();
        assert_eq!(&buf[..got], message.to_uppercase().as_bytes());
    }
}

#[test]
fn a_relay_passes_the_end_on_in_both_directions() {
    let upper = serve(&["upper", "127.0.0.1:0"]);
    let relay = serve(&["relay", "127.0.0.1:0", "--to", &endpoint(&upper, "tcp:")]);
    let mut stream = connect(&relay);
    stream.write_all(b"hello").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut stream), b"HELLO");
}

#[test]
fn frames_are_answered_with_frames() {
    let echo = serve(&["echo", "127.0.0.1:0", "--frame", "u16be"]);
    ask(&mut connect(&echo), b"\0\x05hello\0\0", b"\0\x05hello\0\0");
}

#[test]
fn a_bad_frame_ends_its_connection_only() {
    let echo = serve(&["echo", "127.0.0.1:0", "--frame", "u32be"]);
    let (mut bad, mut good) = (connect(&echo), connect(&echo));
    bad.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    assert_eq!(rest(&mut bad), b"");
    let event = echo.event("bad_frame");
    let error = event["error"].as_str().unwrap();
    assert!(
        error.contains("announces 1195725856 bytes, the limit is 1048576"),
        "{error}"
    );
    ask(&mut good, b"\0\0\0\x02hi", b"\0\0\0\x02hi");
}

#[test]
fn a_farewell_is_answered_and_ends_the_session() {
    let upper = serve(&["upper", "127.0.0.1:0", "--quit-on", "exit"]);
    let mut stream = connect(&upper);
    ask(&mut stream, b"hello", b"HELLO");
    ask(&mut stream, b"exit", b"exit");
    assert_eq!(rest(&mut stream), b"");
    ask(&mut connect(&upper), b"again", b"AGAIN");
}

#[test]
fn one_request_is_answered_and_the_next_peer_too() {
    let upper = serve(&["upper", "127.0.0.1:0", "--requests", "1"]);
    for _ in 0..2 {
        let mut stream = connect(&upper);
        stream.write_all(b"hello").unwrap();
        assert_eq!(rest(&mut stream), b"HELLO");
    }
}

#[test]
fn once_serves_one_peer_and_ends() {
    let mut echo = serve(&["echo", "127.0.0.1:0", "--once"]);
    let mut stream = connect(&echo);
    ask(&mut stream, b"hello", b"hello");
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut stream), b"");
    assert_eq!(echo.exit().code, Some(0));
    assert_eq!(echo.event("stopped")["accepted"], 1);
}

#[test]
fn a_limit_turns_a_connection_away_and_says_so() {
    let echo = serve(&["echo", "127.0.0.1:0", "--max-connections", "1"]);
    let mut first = connect(&echo);
    ask(&mut first, b"in", b"in");
    assert_eq!(rest(&mut connect(&echo)), b"");
    let refused = echo.event("refused");
    assert!(
        refused["peer"]
            .as_str()
            .unwrap()
            .starts_with("tcp://127.0.0.1:"),
        "{refused}"
    );
    drop(first);
    echo.event("closed");
    ask(&mut connect(&echo), b"next", b"next");
}

#[test]
fn a_range_keeps_strangers_out() {
    let echo = serve(&["echo", "127.0.0.1:0", "--allow-from", "10.0.0.0/8"]);
    // The kernel has accepted before we look: the stranger reads the end, or is reset.
    let mut stranger = connect(&echo);
    let _ = stranger.read_to_end(&mut vec![]);
    assert!(
        echo.event("refused")["limit"]
            .as_str()
            .unwrap()
            .contains("--allow-from")
    );
}

#[test]
fn an_idle_connection_is_closed() {
    let echo = serve(&["echo", "127.0.0.1:0", "--idle-timeout", "50ms"]);
    assert_eq!(rest(&mut connect(&echo)), b"");
    assert!(
        echo.event("closed")["reason"]
            .as_str()
            .unwrap()
            .contains("idle")
    );
}

#[test]
fn small_reads_are_shown_one_by_one() {
    let echo = serve(&["echo", "127.0.0.1:0", "--show", "--read-size", "2"]);
    ask(&mut connect(&echo), b"hello", b"hello");
    let reads = &echo.wait_events("read", 3)[..3];
    let sizes: Vec<_> = reads
        .iter()
        .map(|read| read["len_bytes"].as_u64().unwrap())
        .collect();
    let texts: String = reads
        .iter()
        .map(|read| read["text"].as_str().unwrap())
        .collect();
    assert_eq!((&sizes[..], &*texts), (&[2, 2, 1][..], "hello"));
    assert_eq!(reads[1]["off_bytes"], reads[0]["len_bytes"]);
}

#[test]
fn the_log_has_time_peer_size_and_text_and_nothing_steers_the_terminal() {
    let echo = Process::start(&mut sockeye(&["serve", "echo", "127.0.0.1:0", "--show"]));
    echo.wait_stderr("listening on tcp://127.0.0.1:");
    let text = String::from_utf8(echo.stderr()).unwrap();
    let place = text.split("listening on tcp://").nth(1).unwrap();
    let place = place.split(": echo").next().unwrap();
    let mut stream = TcpStream::connect(place).unwrap();
    let us = stream.local_addr().unwrap();
    ask(&mut stream, b"\x1b[2Jhi\xff", b"\x1b[2Jhi\xff");
    drop(stream);
    echo.wait_stderr(&format!("tcp://{us}  connected to tcp://{place}\n"));
    echo.wait_stderr(&format!(
        "tcp://{us}  read 7 bytes: \\x1b[2Jhi\\xff (1 undecodable)\n"
    ));
    echo.wait_stderr(&format!(
        "tcp://{us}  wrote 7 bytes: \\x1b[2Jhi\\xff (1 undecodable)\n"
    ));
    echo.wait_stderr(&format!(
        "tcp://{us}  disconnected, read 7 bytes in 1 message, wrote 7 bytes in 1 message\n"
    ));
    assert_eq!(echo.stdout(), b"");
}

#[test]
fn a_datagram_that_is_too_long_is_reported_with_both_lengths() {
    let upper = serve(&["upper", "udp://127.0.0.1:0", "--read-size", "1024"]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
        .send_to(&[b'x'; 2000], address(&endpoint(&upper, "udp:")))
        .unwrap();
    let mut buf = [0; 3000];
    assert_eq!(socket.recv(&mut buf).unwrap(), 1024);
    let truncated = upper.event("truncated");
    assert_eq!(
        (&truncated["len_bytes"], &truncated["of_bytes"]),
        (&1024.into(), &2000.into())
    );
    let session = upper.event("session");
    let us = format!("udp://{}", socket.local_addr().unwrap());
    assert_eq!(
        (&session["peer"], &session["conn"]),
        (&us.into(), &truncated["conn"])
    );
}

#[test]
fn quiet_says_nothing() {
    let port = sockeye_testkit::free_tcp_port();
    let place = format!("127.0.0.1:{port}");
    let mut echo = Process::start(&mut sockeye(&["serve", "echo", &place, "-q"]));
    let mut stream = loop {
        assert!(
            echo.is_running(),
            "{}",
            String::from_utf8_lossy(&echo.stderr())
        );
        if let Ok(stream) = TcpStream::connect(&place) {
            break stream;
        }
        std::thread::yield_now();
    };
    ask(&mut stream, b"hello", b"hello");
    echo.signal(Signal::TERM);
    let exit = echo.exit();
    assert_eq!(
        (exit.code, exit.stdout, exit.stderr),
        (Some(0), vec![], vec![])
    );
}

#[test]
fn a_reset_is_logged_and_drops_nobody_else() {
    let echo = serve(&["echo", "127.0.0.1:0"]);
    let (mut one, mut other) = (connect(&echo), connect(&echo));
    ask(&mut one, b"one", b"one");
    reset_on_close(&one);
    drop(one);
    let closed = echo.event("closed");
    assert!(
        closed["reason"].as_str().unwrap().contains("reset"),
        "{closed}"
    );
    assert_eq!(
        (&closed["read_bytes"], &closed["read_messages"]),
        (&3.into(), &1.into())
    );
    ask(&mut other, b"other", b"other");
}

fn reset_on_close(stream: &TcpStream) {
    socket2::SockRef::from(stream)
        .set_linger(Some(std::time::Duration::ZERO))
        .unwrap();
}

#[test]
fn the_first_signal_drains_and_the_second_ends_at_once() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut echo = serve(&["echo", "127.0.0.1:0"]);
        ask(&mut connect(&echo), b"hello", b"hello");
        echo.signal(signal);
        assert_eq!(echo.exit().code, Some(0));

        // Somebody who does not read keeps us from finishing.
        let mut busy = serve(&["chargen", "127.0.0.1:0", "--show"]);
        let stuck = connect(&busy);
        busy.event_where("write", |write| {
            write["len_bytes"].as_u64() < write["asked_bytes"].as_u64()
        });
        busy.signal(signal);
        busy.event("draining");
        busy.signal(signal);
        assert_eq!(busy.exit().code, Some(code));
        drop(stuck);
    }
}

#[test]
fn a_port_in_use_names_its_holder() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = holder.local_addr().unwrap().to_string();
    let exit = Process::run(&mut sockeye(&["serve", "echo", &place, "--json"]));
    assert_eq!(exit.code, Some(2));
    let text = exit.stderr_text();
    assert_eq!(text.lines().count(), 1, "{text}");
    let pid = std::process::id().to_string();
    assert!(text.contains("EADDRINUSE") && text.contains(&pid), "{text}");
    let last = exit.stdout_text();
    let last: serde_json::Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert_eq!((&last["ev"], &last["exit"]), (&"error".into(), &2.into()));
}

#[test]
fn events_go_to_a_file_or_a_descriptor_beside_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("events");
    let path = file.to_str().unwrap();
    let mut echo = Process::start(&mut sockeye(&[
        "serve",
        "echo",
        "127.0.0.1:0",
        "--events",
        path,
    ]));
    echo.wait_stderr("listening on");
    echo.signal(Signal::TERM);
    assert_eq!(echo.exit().stdout_text(), "");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.lines()
            .next()
            .unwrap()
            .contains("\"ev\":\"listening\""),
        "{text}"
    );
    assert!(
        text.lines().last().unwrap().contains("\"ev\":\"stopped\""),
        "{text}"
    );

    let line = format!(
        "exec {} serve echo 127.0.0.1:0 -q --events fd:7 7>&1",
        env!("CARGO_BIN_EXE_sockeye")
    );
    let echo = Process::start(Command::new("sh").args(["-c", &line]));
    ask(&mut connect(&echo), b"hello", b"hello");
}

#[test]
fn a_reader_of_events_that_goes_away_ends_the_server_well() {
    let line = format!(
        "{} serve echo 127.0.0.1:0 --json | head -n 2; echo ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_sockeye")
    );
    let Some(bash) = sockeye_testkit::tool("bash") else {
        return;
    };
    let mut pipeline = Process::start(Command::new(bash).args(["-c", &line]));
    // Nobody connects: there is no event that would find out.
    let exit = pipeline.exit();
    assert_eq!(
        exit.stdout_text().lines().last(),
        Some("0"),
        "{}",
        exit.stderr_text()
    );
    assert_eq!(exit.stderr_text(), "");
}

#[test]
fn a_log_that_nobody_reads_does_not_stop_the_server() {
    // A pipe that holds one page and is never read: the log fills it long before the end.
    let script = "import fcntl, os, subprocess, sys\n\
        reading, writing = os.pipe()\n\
        fcntl.fcntl(writing, 1031, 4096)\n\
        server = subprocess.Popen(sys.argv[1:], stderr=writing)\n\
        print('child', server.pid)\n\
        server.wait()\n\
        print('exit', server.returncode)\n";
    let args = [
        env!("CARGO_BIN_EXE_sockeye"),
        "serve",
        "echo",
        "127.0.0.1:0",
        "--show",
        "--events",
        "/dev/stdout",
    ];
    let Some(mut wrapper) = python(script, &args) else {
        return;
    };
    let mut stream = connect(&wrapper);
    for _ in 0..500 {
        ask(&mut stream, &[b'x'; 100], &[b'x'; 100]);
    }
    drop(stream);
    let child: i32 = wrapper.wait_line(|line| line.strip_prefix("child ")?.parse().ok());
    let child = rustix::process::Pid::from_raw(child).unwrap();
    rustix::process::kill_process(child, Signal::TERM).unwrap();
    wrapper.wait_stdout("exit 0");
    assert_eq!(wrapper.exit().code, Some(0));
}

#[test]
fn an_open_socket_is_shown_with_what_was_asked_and_got() {
    let echo = serve(&[
        "echo",
        "127.0.0.1:0",
        "--show-socket",
        "--backlog",
        "7",
        "-o",
        "rcvbuf=64KiB",
    ]);
    let socket = echo.event("socket");
    let line = |name: &str| {
        let lines = socket["facts"].as_array().unwrap();
        lines
            .iter()
            .find(|line| line["name"] == name)
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(line("rcvbuf")["asked"], "64KiB", "{socket}");
    assert_eq!(line("rcvbuf")["got"], "128KiB", "{socket}");
    assert_eq!(line("state")["got"], "LISTEN", "{socket}");
}
