//! WebSockets with peers that know nothing of us: one written by hand on plain sockets, and the
//! `websockets` package.

use std::path::Path;

use sockeye_testkit::{Exit, Process, python, python_module, tool};

use crate::ours::{assert_prints, dial, serve, sockeye, start_dial};

const CLIENT: &str = include_str!("peers/websocket_client.py");
const SERVER: &str = include_str!("peers/websocket_server.py");
const LIBRARY: &str = include_str!("peers/websocket_library.py");

/// Runs a scene of the client that is written by hand; nothing where there is no python3.
#[track_caller]
fn scene(port: &str, path: &str, words: &[&str]) -> Option<Exit> {
    let args = [&[port, path][..], words].concat();
    let exit = python(CLIENT, &args)?.exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    Some(exit)
}

#[test]
fn every_kind_of_message_is_answered_in_kind() {
    let server = serve(&["echo", "ws://127.0.0.1:0/chat"]);
    let Some(exit) = scene(&server.port(), "/chat?x=1", &["talk"]) else {
        return;
    };
    let printed = exit.stdout_text();
    let lines: Vec<_> = printed.lines().collect();
    let (long, rest) = (lines[8].strip_prefix("binary "), lines[9]);
    assert_eq!(long, Some(rest), "a long message comes back as it was");
    assert_eq!(
        [&lines[..8], &lines[10..]].concat(),
        [
            "HTTP/1.1 101 Switching Protocols",
            r"text b'gr\xc3\xbc\xc3\x9f dich \xe4\xbd\xa0\xe5\xa5\xbd'",
            r"binary b'\xff\x00a'",
            "binary b'plain'",
            "text b''",
            "pong b'there?'",
            "pong b''",
            "text b'in three pieces'",
            "close 1000",
            "rest b''",
        ]
    );
    assert!(server.closed(1)[0]["reason"].is_null());
    let Some(exit) = scene(&server.port(), "/chat", &["drip"]) else {
        return;
    };
    assert_prints(&exit, "HTTP/1.1 101 Switching Protocols\ntext b'slow'\n");
    server.stop();
}

#[test]
fn who_breaks_a_rule_is_told_which() {
    let server = serve(&["echo", "ws://127.0.0.1:0"]);
    let Some(exit) = scene(&server.port(), "/", &["breaks"]) else {
        return;
    };
    assert_prints(
        &exit,
        "unmasked 1002\nreserved bit 1002\nreserved opcode 1002\ncut ping 1002\nlong ping 1002\n\
         continuation of nothing 1002\nno utf-8 1007\ntoo long 1009\nannounced 4 EiB 1009\n\
         too long in pieces 1009\n",
    );
    for event in server.closed(10) {
        let reason = event["reason"].as_str().unwrap_or_default();
        assert!(reason.contains("WebSocket"), "{reason}");
    }
    scene(&server.port(), "/", &["leave"]);
    server.closed(13);
    let exit = dial(&["--ask", &server.endpoint()], b"still there?\n");
    assert_prints(&exit, "still there?\n");
    server.stop();
}

#[test]
fn what_is_no_upgrade_gets_a_readable_answer() {
    let server = serve(&["echo", "ws://127.0.0.1:0/chat"]);
    let Some(exit) = scene(&server.port(), "/chat", &["heads"]) else {
        return;
    };
    assert_prints(
        &exit,
        "half []\nnothing []\ngarbage ['HTTP/1.1 400 Bad Request']\n\
         plain ['HTTP/1.1 426 Upgrade Required']\npost ['HTTP/1.1 405 Method Not Allowed']\n\
         elsewhere ['HTTP/1.1 404 Not Found']\n\
         endless ['HTTP/1.1 431 Request Header Fields Too Large']\n",
    );
    server.closed(7);
    let Some(curl) = tool("curl") else { return };
    let url = format!("http://127.0.0.1:{}/chat", server.port());
    let asked = Process::run(std::process::Command::new(curl).args(["-s", "--http1.1", &url]));
    assert_prints(
        &asked,
        "this is a WebSocket: connect with ws:// or wss://, not by a plain request\n",
    );
    server.stop();
}

/// What listens on loopback is within reach of every page that a browser of this machine shows.
#[test]
fn a_page_is_let_in_only_if_its_origin_is_listed() {
    let listed = "ws://127.0.0.1:0#origin=http://page.example&origin=null";
    let server = serve(&["echo", "ws://127.0.0.1:0", listed]);
    let ports: Vec<String> = server
        .endpoints()
        .iter()
        .filter_map(|endpoint| Some(endpoint.rsplit(':').next()?.to_owned()))
        .collect();
    let own = format!("http://127.0.0.1:{}", ports[0]);
    let Some(exit) = scene(&ports[0], "/", &["origin", &own, "null"]) else {
        return;
    };
    let refused = "HTTP/1.1 403 Forbidden";
    assert_prints(&exit, &format!("{own} {refused}\nnull {refused}\n"));
    let told = format!("turned away with 403: pages of {own} are not let in");
    let closed = server.closed(2);
    let mut reasons = closed.iter().filter_map(|event| event["reason"].as_str());
    assert!(
        reasons.any(|reason| reason.starts_with(&told)),
        "{closed:?}"
    );
    let pages = ["http://page.example", "null", "http://page.example:81"];
    let args = [&["origin"][..], &pages].concat();
    let exit = scene(&ports[1], "/", &args).expect("it ran before");
    let taken = "HTTP/1.1 101 Switching Protocols";
    let [page, null, other] = pages;
    assert_prints(
        &exit,
        &format!("{page} {taken}\n{null} {taken}\n{other} {refused}\n"),
    );
    server.stop();
}

#[test]
fn a_page_and_a_terminal_and_a_stream_meet_in_one_room() {
    let room = "ws://127.0.0.1:0/room#origin=http://page.example";
    let server = serve(&["hub", room, "127.0.0.1:0?frame=line"]);
    let args = [&*server.port(), "/room", "room"];
    let Some(mut page) = python(CLIENT, &args) else {
        return;
    };
    page.wait_stdout("in\n");
    let mut terminal = start_dial(&["--lines", &server.endpoint()]);
    let mut stream = start_dial(&["--lines", "--frame", "line", &server.endpoints()[1]]);
    server.wait_events("accepted", 3);
    page.write_stdin("say von der Seite 网页\n".as_bytes());
    terminal.wait_stdout("von der Seite 网页\n");
    stream.wait_stdout("von der Seite 网页\n");
    terminal.write_stdin(b"from a terminal\n");
    stream.wait_stdout("from a terminal\n");
    page.write_stdin(b"hear\n");
    page.wait_stdout("text b'from a terminal'\n");
    stream.write_stdin(b"from a stream\n");
    terminal.wait_stdout("from a stream\n");
    page.write_stdin(b"hear\n");
    page.wait_stdout("text b'from a stream'\n");
    for mut one in [page, terminal, stream] {
        one.close_stdin();
        assert_eq!(one.exit().code, Some(0), "{}", one.exit().stderr_text());
    }
    server.stop();
}

#[test]
fn dial_talks_to_a_server_of_another_hand() {
    let Some(mut server) = python(SERVER, &["greets"]) else {
        return;
    };
    let to = format!(
        "ws://127.0.0.1:{}/a/b?c=d#origin=http://page.example",
        server.port()
    );
    let exit = dial(&["--no-stdin", "--until", "welcome", &to], b"");
    assert_prints(&exit, "welcome\n");
    server.wait_stdout("GET /a/b?c=d HTTP/1.1\nTrue http://page.example\nclose 1001\n");
    server.exit();

    let Some(mut server) = python(SERVER, &[]) else {
        return;
    };
    let to = format!("ws://127.0.0.1:{}", server.port());
    let exit = dial(&["--lines", &to], "grüß dich\nnoch was\n".as_bytes());
    assert_prints(
        &exit,
        "GRüß DICH
NOCH WAS
",
    );
    let printed = server.exit().stdout_text();
    let told = printed.split_once("None\n").expect("no origin").1;
    let mut told: Vec<_> = told.lines().collect();
    // When the pong comes depends on when the client reads.
    told.retain(|line| *line != "pong b'ping'");
    let text = r"text b'gr\xc3\xbc\xc3\x9f dich'";
    assert_eq!(told, [text, "text b'noch was'", "close 1001"]);
}

#[test]
fn dial_sends_binary_where_it_is_told_to_or_has_to() {
    for (options, input, expected) in [
        ("#binary", &b"text\n"[..], "binary b'text'"),
        ("", b"\xff\xfe\n", r"binary b'\xff\xfe'"),
        ("#frame=line", b"bytes\n", r"binary b'bytes\n'"),
    ] {
        let Some(mut server) = python(SERVER, &[]) else {
            return;
        };
        let to = format!("ws://127.0.0.1:{}{options}", server.port());
        dial(&["--lines", &to], input);
        let printed = server.exit().stdout_text();
        assert!(printed.contains(expected), "{printed}");
    }
}

#[test]
fn dial_says_what_is_wrong_with_a_server() {
    for (manner, expected) in [
        (
            "refuses",
            "the server answers 403 Forbidden instead of becoming a WebSocket: no entry",
        ),
        (
            "lies",
            "the server's Sec-WebSocket-Accept does not belong to our key",
        ),
        (
            "closes",
            "the peer closed the WebSocket with code 1013: come later",
        ),
        ("masks", "the peer does not keep to the WebSocket protocol"),
    ] {
        let Some(mut server) = python(SERVER, &[manner]) else {
            return;
        };
        let to = format!("ws://127.0.0.1:{}", server.port());
        let exit = dial(&[&to, "hello"], b"");
        assert_eq!(exit.code, Some(1), "{manner}");
        assert!(
            exit.stderr_text().contains(expected),
            "{}",
            exit.stderr_text()
        );
        let told = server.exit().stdout_text();
        assert_eq!(told.contains("03ea"), manner == "masks", "{told}");
    }
}

/// Over a WebSocket as bytes a large input arrives whole, however it is cut into messages.
#[test]
fn messages_laid_end_to_end_are_a_stream() {
    let server = serve(&["echo", "ws://127.0.0.1:0#frame=raw"]);
    let input: Vec<u8> = (0..3_000_000u32).map(|at| ((at * 7) >> 3) as u8).collect();
    let to = format!("{}#frame=raw", server.endpoint());
    let exit = dial(&[&to], &input);
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    assert!(
        exit.stdout == input,
        "{} bytes came back",
        exit.stdout.len()
    );
    // Frames may lie across messages.
    let upper = serve(&["upper", "ws://127.0.0.1:0", "--frame", "u16be"]);
    let exit = dial(&["--frame", "u16be", &upper.endpoint(), "one", "two"], b"");
    assert_prints(&exit, "ONE\nTWO\n");
    upper.stop();
    server.stop();
}

#[test]
fn a_relay_carries_a_stream_of_lines_over_a_websocket() {
    let far = serve(&["upper", "ws://127.0.0.1:0/up"]);
    let near = serve(&[
        "relay",
        "127.0.0.1:0",
        "--frame",
        "line",
        "--to",
        &far.endpoint(),
    ]);
    let to = near.endpoint();
    let exit = dial(&["--lines", "--frame", "line", &to], b"one\ntwo\n");
    assert_prints(&exit, "ONE\nTWO\n");
    near.stop();
    far.stop();
}

/// Questions and answers are bytes laid end to end; a close would cut the last answers off.
#[test]
fn commands_and_files_cross_a_websocket() {
    let server = serve(&["exec", "--insecure-anyone", "ws://127.0.0.1:0"]);
    let input = vec![b'x'; 1_000_000];
    let mut command = Process::start(&mut sockeye(&["exec", &server.endpoint(), "--", "cat"]));
    command.write_stdin(&input);
    let exit = command.exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    assert!(
        exit.stdout == input,
        "{} bytes came back",
        exit.stdout.len()
    );
    let words = ["exec", &server.endpoint(), "--", "sh", "-c", "exit 7"];
    assert_eq!(Process::run(&mut sockeye(&words)).code, Some(7));
    server.stop();

    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (file, root) = (here.path().join("file"), there.path().display().to_string());
    let content: Vec<u8> = (0..3_000_000u32).map(|at| (at % 251) as u8).collect();
    std::fs::write(&file, &content).unwrap();
    let words = [
        "files",
        "--root",
        &root,
        "--insecure-anyone",
        "ws://127.0.0.1:0/files",
    ];
    let server = serve(&words);
    let (file, to) = (file.display().to_string(), server.endpoint());
    for words in [vec!["put", &file, &to], vec!["get", &to, "file", "-o", "-"]] {
        let exit = Process::run(&mut sockeye(&words));
        assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
        assert!(words[0] == "put" || exit.stdout == content);
    }
    assert!(std::fs::read(there.path().join("file")).unwrap() == content);
    server.stop();
}

/// The one certificate of a user of ours is what the package trusts and shows.
fn identity(home: &Path) -> [String; 2] {
    let made = Process::run(sockeye(&["key"]).env("XDG_CONFIG_HOME", home));
    assert_eq!(made.code, Some(0), "{}", made.stderr_text());
    ["cert.pem", "key.pem"].map(|file| home.join("sockeye").join(file).display().to_string())
}

#[test]
fn the_websockets_package_talks_to_us() {
    let home = tempfile::tempdir().unwrap();
    let [certificate, _] = identity(home.path());
    if !python_module("websockets") {
        return;
    }
    for scheme in ["ws", "wss"] {
        let options = "origin=http://page.example&subprotocol=text.ircv3.net,binary.ircv3.net";
        let listener = format!("{scheme}://127.0.0.1:0/echo#{options}");
        let mut command = sockeye(&["serve", "--json", "echo", &listener]);
        let server = Process::start(command.env("XDG_CONFIG_HOME", home.path()));
        let listening = server.event("listening");
        let url = listening["endpoint"].as_str().expect("an endpoint");
        let tls = (scheme == "wss").then_some(&*certificate);
        let args: Vec<&str> = ["client", url].into_iter().chain(tls).collect();
        let Some(mut client) = python(LIBRARY, &args) else {
            return;
        };
        assert_prints(
            &client.exit(),
            "closed 1000\ntoo long 1009\nlet in http://page.example\n403 http://foreign.example\n\
             binary.ircv3.net b'one' b'two'\ntext.ircv3.net one two\nNone one b'two'\n",
        );
        server.wait_events("closed", 7);
    }
}

#[test]
fn we_talk_to_the_websockets_package() {
    let (home, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let files = identity(theirs.path());
    if !python_module("websockets") {
        return;
    }
    for scheme in ["ws", "wss"] {
        let files = files.iter().map(String::as_str);
        let files = files.filter(|_| scheme == "wss");
        let args: Vec<&str> = ["server"].into_iter().chain(files).collect();
        let Some(mut server) = python(LIBRARY, &args) else {
            return;
        };
        let to = format!("{scheme}://localhost:{}/room", server.port());
        // The server knows the second and the third, and prefers the second.
        let to = format!("{to}#subprotocol=a,binary.ircv3.net,text.ircv3.net");
        let args = ["dial", "--trust-on-first-use", &to, "hello", "grüße", ""];
        let mut client = Process::start(sockeye(&args).env("XDG_CONFIG_HOME", home.path()));
        let exit = client.exit();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
        // They came as bytes, of which Python knows the capitals of ASCII.
        assert_eq!(exit.stdout_text(), "HELLO\nGRüßE\n\n");
        let told = server.exit().stdout_text();
        assert!(
            told.ends_with("binary.ircv3.net\nbinary 5\nbinary 7\nbinary 0\nclosed 1001\n"),
            "{told}"
        );
    }
}
