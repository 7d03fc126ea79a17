//! Both ends of a WebSocket in memory, and peers that break every rule.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use proptest::prelude::*;
use sockeye_frame::Blame;
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::error::WebSocketError;
use super::socket::{Manner, WebSocket};
use super::upgrade::{Asking, Gate, HEAD_LIMIT, accept, ask};
use crate::endpoint::WsPath;
use crate::secure::HandshakeError;

const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame as RFC 6455, section 5.2, has it; a client masks.
fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let mark = if masked { 0x80 } else { 0u8 };
    let mut out = vec![first];
    match payload.len() {
        len @ 0..126 => out.push(mark | len as u8),
        len @ 126..0x1_0000 => {
            out.push(mark | 0x7e);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(mark | 0x7f);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    if masked {
        out.extend_from_slice(&MASK);
        out.extend(
            payload
                .iter()
                .zip(MASK.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
    } else {
        out.extend_from_slice(payload);
    }
    out
}

/// A client's frame, alone.
fn sent(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(FIN | opcode, payload, true)
}

/// Reads one unmasked frame that is shorter than 64 KiB: its first byte and its payload.
async fn read_frame(io: &mut DuplexStream) -> (u8, Vec<u8>) {
    let first = io.read_u8().await.unwrap();
    let len = match io.read_u8().await.unwrap() {
        126 => usize::from(io.read_u16().await.unwrap()),
        len => usize::from(len),
    };
    let mut payload = vec![0; len];
    io.read_exact(&mut payload).await.unwrap();
    (first, payload)
}

fn small() -> Manner {
    Manner {
        limit: 64,
        ..Manner::default()
    }
}

/// Our server's end, and the bare end of a client.
async fn server(manner: Manner) -> (WebSocket<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(1 << 20);
    (
        WebSocket::new(ours, vec![], Role::Server, manner).await,
        theirs,
    )
}

async fn next<S>(socket: &mut WebSocket<S>) -> io::Result<Option<Vec<u8>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let message = poll_fn(|cx| socket.poll_next(cx)).await?;
    Ok(message.map(Vec::from))
}

async fn send<S>(socket: &mut WebSocket<S>, message: &[u8]) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    poll_fn(|cx| socket.poll_send(cx, message)).await?;
    poll_fn(|cx| socket.poll_flush(cx)).await
}

fn failure(error: &io::Error) -> WebSocketError {
    WebSocketError::within(error)
        .expect("an error of WebSocket")
        .clone()
}

#[tokio::test]
async fn a_peer_is_answered_in_the_kind_that_it_speaks() {
    let (mut socket, mut peer) = server(Manner::default()).await;
    // Before it has said anything it gets text.
    send(&mut socket, "grüß".as_bytes()).await.unwrap();
    assert_eq!(read_frame(&mut peer).await, (FIN | TEXT, "grüß".into()));
    for (kind, said, answer, expected) in [
        (TEXT, &b"a"[..], &b"A"[..], TEXT),
        (TEXT, b"a", b"\xff", BINARY),
        (BINARY, b"a", b"A", BINARY),
        (TEXT, b"", b"", TEXT),
    ] {
        peer.write_all(&sent(kind, said)).await.unwrap();
        assert_eq!(next(&mut socket).await.unwrap().unwrap(), said);
        send(&mut socket, answer).await.unwrap();
        assert_eq!(
            read_frame(&mut peer).await,
            (FIN | expected, answer.to_vec())
        );
    }
    let (mut socket, mut peer) = server(Manner {
        binary: true,
        ..Manner::default()
    })
    .await;
    send(&mut socket, b"text").await.unwrap();
    assert_eq!(
        read_frame(&mut peer).await,
        (FIN | BINARY, b"text".to_vec())
    );
}

#[tokio::test]
async fn fragments_are_joined_and_a_ping_among_them_is_answered() {
    let (mut socket, mut peer) = server(Manner::default()).await;
    let wire = [
        // "é" is cut in the middle.
        frame(TEXT, b"caf\xc3", true),
        frame(FIN | PING, b"there?", true),
        frame(CONTINUATION, b"\xa9", true),
        frame(FIN | CONTINUATION, b"!", true),
    ];
    peer.write_all(&wire.concat()).await.unwrap();
    assert_eq!(
        next(&mut socket).await.unwrap().unwrap(),
        "café!".as_bytes()
    );
    assert_eq!(
        read_frame(&mut peer).await,
        (FIN | PONG, b"there?".to_vec())
    );
}

/// Who breaks a rule is told which by the code of the close frame, and the connection is over.
#[tokio::test(start_paused = true)]
async fn who_breaks_a_rule_is_told_by_the_code() {
    let many = [frame(BINARY, &[0; 40], true), frame(FIN, &[0; 25], true)].concat();
    let protocol = "the peer does not keep to the WebSocket protocol";
    for (wire, code, text) in [
        (
            sent(BINARY, &[0; 65]),
            1009,
            "65 bytes or more is too long, the limit is 64",
        ),
        (many, 1009, "65 bytes or more is too long, the limit is 64"),
        (
            [&b"\x82\xff\x7f"[..], &[0xff; 7], &MASK].concat(),
            1009,
            "limit is 64",
        ),
        (sent(TEXT, b"\xff\xfe"), 1007, "is not UTF-8"),
        (sent(TEXT, b"\xc3"), 1007, "is not UTF-8"),
        (frame(FIN | TEXT, b"bare", false), 1002, protocol),
        (sent(TEXT | 0x40, b"rsv1"), 1002, protocol),
        (sent(3, b"opcode"), 1002, protocol),
        (sent(11, b"opcode"), 1002, protocol),
        (sent(CONTINUATION, b"of what?"), 1002, protocol),
        (frame(PING, b"cut", true), 1002, protocol),
        (
            [frame(TEXT, b"a", true), sent(TEXT, b"b")].concat(),
            1002,
            protocol,
        ),
        (sent(CLOSE, b"\x03"), 1002, protocol),
    ] {
        let (mut socket, mut peer) = server(small()).await;
        peer.write_all(&wire).await.unwrap();
        let reading = tokio::spawn(async move {
            let error = next(&mut socket).await.unwrap_err();
            assert_eq!(
                next(&mut socket).await.unwrap(),
                None,
                "the end stays the end"
            );
            error
        });
        let (first, payload) = read_frame(&mut peer).await;
        assert_eq!(first, FIN | CLOSE, "{text}");
        assert_eq!(u16::from_be_bytes([payload[0], payload[1]]), code, "{text}");
        let mut rest = vec![];
        peer.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"", "nothing follows a close");
        drop(peer);
        let error = reading.await.unwrap();
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(failure(&error).blame(), Blame::Peer);
    }
}

#[tokio::test]
async fn a_message_may_have_the_limit_exactly() {
    let (mut socket, mut peer) = server(small()).await;
    let parts = [frame(BINARY, &[7; 40], true), frame(FIN, &[7; 24], true)].concat();
    for wire in [sent(BINARY, &[7; 64]), parts] {
        peer.write_all(&wire).await.unwrap();
        assert_eq!(next(&mut socket).await.unwrap().unwrap(), [7; 64]);
    }
}

/// A peer that reads nothing and sends on costs a second.
#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_why_is_left() {
    let (ours, mut theirs) = duplex(16);
    let mut socket = WebSocket::new(ours, vec![], Role::Server, small()).await;
    let flood = tokio::spawn(async move {
        let flood = [0; 64];
        while theirs.write_all(&flood).await.is_ok() {}
    });
    let began = tokio::time::Instant::now();
    let error = next(&mut socket).await.unwrap_err();
    assert!(
        matches!(failure(&error), WebSocketError::Protocol { .. }),
        "{error}"
    );
    assert!(began.elapsed() <= std::time::Duration::from_secs(2));
    drop(socket);
    flood.await.unwrap();
}

#[tokio::test]
async fn a_close_is_answered_and_ends_the_messages() {
    let (mut socket, mut peer) = server(Manner::default()).await;
    let wire = [sent(TEXT, b"last"), sent(CLOSE, b"\x03\xe8bye")].concat();
    peer.write_all(&wire).await.unwrap();
    assert_eq!(next(&mut socket).await.unwrap().unwrap(), b"last");
    assert_eq!(next(&mut socket).await.unwrap(), None);
    assert_eq!(
        read_frame(&mut peer).await,
        (FIN | CLOSE, b"\x03\xe8bye".to_vec())
    );
    let error = send(&mut socket, b"too late").await.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EPIPE));
}

#[tokio::test]
async fn a_close_that_tells_of_an_error_is_one() {
    for (payload, expected) in [
        (&b"\x03\xf3no \xe2\x98\x83"[..], "code 1011: no ☃"),
        (b"\x03\xf0", "code 1008"),
        (b"\x0f\xa0mine", "code 4000: mine"),
    ] {
        let (mut socket, mut peer) = server(Manner::default()).await;
        peer.write_all(&sent(CLOSE, payload)).await.unwrap();
        let error = next(&mut socket).await.unwrap_err();
        assert!(error.to_string().ends_with(expected), "{error}");
        assert_eq!(read_frame(&mut peer).await, (FIN | CLOSE, payload.to_vec()));
    }
    for payload in [&b""[..], b"\x03\xe8", b"\x03\xe9going"] {
        let (mut socket, mut peer) = server(Manner::default()).await;
        peer.write_all(&sent(CLOSE, payload)).await.unwrap();
        assert_eq!(next(&mut socket).await.unwrap(), None);
    }
}

#[tokio::test]
async fn an_end_that_nobody_announced_is_no_good_end() {
    let (mut socket, mut peer) = server(Manner::default()).await;
    peer.write_all(&sent(TEXT, b"cut off")[..9]).await.unwrap();
    drop(peer);
    let error = next(&mut socket).await.unwrap_err();
    assert_eq!(failure(&error), WebSocketError::Unclosed);
}

#[tokio::test]
async fn what_comes_until_the_peer_has_heard_of_our_end_is_read() {
    let (mut socket, mut peer) = server(Manner::default()).await;
    poll_fn(|cx| socket.poll_close(cx)).await.unwrap();
    assert_eq!(
        read_frame(&mut peer).await,
        (FIN | CLOSE, b"\x03\xe8".to_vec())
    );
    assert!(send(&mut socket, b"more").await.is_err());
    peer.write_all(&[sent(TEXT, b"under way"), sent(CLOSE, b"\x03\xe8")].concat())
        .await
        .unwrap();
    assert_eq!(next(&mut socket).await.unwrap().unwrap(), b"under way");
    assert_eq!(next(&mut socket).await.unwrap(), None);
}

#[tokio::test]
async fn whoever_lets_go_says_so() {
    let (socket, mut peer) = server(Manner::default()).await;
    drop(socket);
    assert_eq!(
        read_frame(&mut peer).await,
        (FIN | CLOSE, b"\x03\xe9".to_vec())
    );
    let (mut socket, mut peer) = server(Manner::default()).await;
    socket.set_silent(true);
    drop(socket);
    assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
}

/// Nothing is lost or doubled when a wait for room is given up.
#[tokio::test]
async fn a_send_that_waits_for_room_can_be_given_up() {
    let (ours, mut theirs) = duplex(8);
    let mut socket = WebSocket::new(ours, vec![], Role::Server, Manner::default()).await;
    let waits = |socket: &mut WebSocket<DuplexStream>, message: &[u8]| {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        socket.poll_send(&mut cx, message).is_pending()
    };
    // The first is taken although it does not fit; while it is on its way, no other is.
    assert!(!waits(&mut socket, b"more than eight bytes"));
    assert!(waits(&mut socket, b"given up"));
    assert!(waits(&mut socket, b"given up too"));
    let reader = tokio::spawn(async move {
        let first = read_frame(&mut theirs).await.1;
        (first, read_frame(&mut theirs).await.1)
    });
    send(&mut socket, b"second").await.unwrap();
    let got = reader.await.unwrap();
    assert_eq!(got, (b"more than eight bytes".to_vec(), b"second".to_vec()));
}

fn gate(path: &str, origins: &[&str]) -> Gate {
    Gate {
        path: WsPath::read(path),
        origins: origins.iter().map(ToString::to_string).collect(),
        subprotocols: vec![],
        manner: Manner::default(),
    }
}

fn asking<'a>(path: &'a WsPath, origin: Option<&'a str>) -> Asking<'a> {
    Asking {
        host: "here:80",
        path,
        origin,
        subprotocols: vec![],
    }
}

const GOOD: &str = "Host: here:80\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// What a client hears that sends this, and what becomes of the connection.
async fn knock(gate: &Gate, request: &[u8]) -> (String, Result<(), HandshakeError>) {
    let (ours, mut theirs) = duplex(1 << 20);
    theirs.write_all(request).await.unwrap();
    theirs.shutdown().await.unwrap();
    let done = accept(ours, gate).await.map(|mut socket| {
        socket.set_silent(true);
    });
    let mut answer = String::new();
    theirs.read_to_string(&mut answer).await.unwrap();
    (answer, done)
}

#[tokio::test]
async fn a_good_request_becomes_a_websocket() {
    let request = format!("GET /chat?x=1 HTTP/1.1\r\n{GOOD}\r\n");
    let (answer, done) = knock(&gate("/chat", &[]), request.as_bytes()).await;
    done.unwrap();
    // The example of RFC 6455, section 1.3.
    assert_eq!(
        answer,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    );
}

/// Whatever is no request for this WebSocket gets an HTTP answer that says why.
#[tokio::test]
async fn what_is_no_upgrade_is_answered_properly() {
    let without = |line: &str| {
        let lines = GOOD
            .split_inclusive("\r\n")
            .filter(|kept| !kept.starts_with(line));
        format!("GET /chat HTTP/1.1\r\n{}\r\n", lines.collect::<String>())
    };
    let with = |line: &str| format!("GET /chat HTTP/1.1\r\n{GOOD}{line}\r\n\r\n");
    let many = "X: y\r\n".repeat(200);
    for (request, status, hint) in [
        (
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            404,
            "nothing is at /",
        ),
        (
            "GET /chatter HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            404,
            "nothing is at /chatter",
        ),
        (
            "GET /chat HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            426,
            "Upgrade: websocket\r\n",
        ),
        ("GET /chat HTTP/1.1\n\n".into(), 400, "no host"),
        (
            "GET /chat HTTP/1.0\r\nHost: a\r\n\r\n".into(),
            505,
            "HTTP/1.1",
        ),
        (
            "POST /chat HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            405,
            "Allow: GET\r\n",
        ),
        ("GET\r\n\r\n".into(), 400, "no HTTP request"),
        (
            "SSH-2.0-OpenSSH_9.6\r\n".into(),
            400,
            "begins with \"SSH-2.0-OpenSSH_\"",
        ),
        ("\x16\x03\x01\x02\x00".into(), 400, "wss://"),
        (" GET / HTTP/1.1\r\n\r\n".into(), 400, "begins with"),
        (without("Upgrade"), 426, "connect with ws://"),
        (without("Connection"), 426, "connect with ws://"),
        (without("Host"), 400, "no host"),
        (without("Sec-WebSocket-Key"), 400, "no sec-websocket-key"),
        (
            without("Sec-WebSocket-Version"),
            400,
            "no sec-websocket-version",
        ),
        (with("Sec-WebSocket-Version: 8"), 400, "once"),
        (with("Host: there"), 400, "once"),
        (with("Origin: http://a\r\nOrigin: http://b"), 400, "once"),
        (with(&many), 431, "too many"),
        (
            with("Sec-WebSocket-Key").replace("nonce", ""),
            400,
            "no HTTP",
        ),
        (with("A: b").replace("==", "="), 400, "base64"),
        (
            with("A: b").replace("Version: 13", "Version: 8"),
            426,
            "Sec-WebSocket-Version: 13\r\n",
        ),
    ] {
        let (answer, done) = knock(&gate("/chat", &[]), request.as_bytes()).await;
        let start = format!("HTTP/1.1 {status} ");
        assert!(
            answer.starts_with(&start) && answer.contains(hint),
            "{request:?}: {answer}"
        );
        let length = answer.split("\r\n\r\n").nth(1).unwrap().len();
        assert!(
            answer.contains(&format!("Content-Length: {length}\r\n")),
            "{answer}"
        );
        match done.unwrap_err() {
            HandshakeError::Turned { status: told, .. } => assert_eq!(told, status),
            other => panic!("{other}"),
        }
    }
}

/// Loopback is no trust: every page in a browser can reach it.
#[tokio::test]
async fn a_browser_is_let_in_from_listed_pages_only() {
    let ask = |origin: &str| format!("GET / HTTP/1.1\r\n{GOOD}Origin: {origin}\r\n\r\n");
    let listed = gate("/", &["https://chat.example", "null"]);
    for (origin, lets_in) in [
        ("https://chat.example", true),
        ("HTTPS://Chat.Example", true),
        ("null", true),
        ("http://chat.example", false),
        ("https://chat.example:8443", false),
        ("https://chat.example.evil.example", false),
        ("http://127.0.0.1:80", false),
        ("http://here:80", false),
        ("", false),
    ] {
        let (answer, done) = knock(&listed, ask(origin).as_bytes()).await;
        assert_eq!(done.is_ok(), lets_in, "{origin}");
        assert_eq!(answer.starts_with("HTTP/1.1 403 "), !lets_in, "{answer}");
    }
    let (_, done) = knock(&gate("/", &[]), ask("http://evil.example").as_bytes()).await;
    assert_eq!(
        done.unwrap_err().to_string(),
        "turned away with 403: pages of http://evil.example are not let in; the listener's option \
         origin=http://evil.example would let them"
    );
}

#[tokio::test]
async fn the_head_of_a_request_has_a_limit() {
    let start = format!("GET / HTTP/1.1\r\n{GOOD}X: ");
    let padded = |len: usize| {
        let fill = "x".repeat(len - start.len() - 4);
        format!("{start}{fill}\r\n\r\n")
    };
    let (_, done) = knock(&gate("/", &[]), padded(HEAD_LIMIT).as_bytes()).await;
    done.unwrap();
    let endless = padded(4 * HEAD_LIMIT);
    for request in [&padded(HEAD_LIMIT + 1), endless.trim_end()] {
        let (answer, done) = knock(&gate("/", &[]), request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        done.unwrap_err();
    }
}

#[tokio::test]
async fn a_request_that_ends_too_early_is_no_request() {
    let request = format!("GET / HTTP/1.1\r\n{GOOD}\r\n");
    for len in 0..request.len() {
        let (answer, done) = knock(&gate("/", &[]), &request.as_bytes()[..len]).await;
        assert_eq!(
            (answer.as_str(), done),
            ("", Err(HandshakeError::Closed)),
            "{len}"
        );
    }
}

/// Both ends are ours: bytes that follow the handshake at once are not lost.
#[tokio::test]
async fn both_ends_understand_each_other() {
    let (ours, theirs) = duplex(1 << 16);
    let gate = gate("/a", &["http://page"]);
    let path = WsPath::read("/a?b=c");
    let server = async {
        let mut socket = accept(ours, &gate).await.unwrap();
        send(&mut socket, b"hello").await.unwrap();
        assert_eq!(next(&mut socket).await.unwrap().unwrap(), "你好".as_bytes());
        assert_eq!(next(&mut socket).await.unwrap().unwrap(), vec![9; 200_000]);
        assert_eq!(next(&mut socket).await.unwrap(), None);
    };
    let client = async {
        let asking = asking(&path, Some("http://page"));
        let mut socket = ask(theirs, &asking, Manner::default()).await.unwrap();
        send(&mut socket, "你好".as_bytes()).await.unwrap();
        send(&mut socket, &vec![9; 200_000]).await.unwrap();
        assert_eq!(next(&mut socket).await.unwrap().unwrap(), b"hello");
        poll_fn(|cx| socket.poll_close(cx)).await.unwrap();
        assert_eq!(next(&mut socket).await.unwrap(), None);
    };
    tokio::join!(server, client);
}

/// What a server that knows `known` and a client that offers `offered` agree on, and the kinds in
/// which a line leaves each of them after the other has said text, and after it has said binary.
async fn agree(known: &[&str], offered: &[&str]) -> (Option<Box<str>>, Vec<u8>) {
    let manner = Manner::default();
    let gate = Gate {
        subprotocols: known.iter().map(|name| (*name).into()).collect(),
        ..gate("/", &[])
    };
    let (ours, theirs) = duplex(1 << 16);
    let path = WsPath::root();
    let asking = Asking {
        subprotocols: offered.to_vec(),
        ..asking(&path, None)
    };
    let (server, client) = tokio::join!(accept(ours, &gate), ask(theirs, &asking, manner));
    let (mut server, mut client) = (server.unwrap(), client.unwrap());
    let (agreed, same) = (server.take_subprotocol(), client.take_subprotocol());
    assert_eq!(agreed, same);
    let mut kinds = vec![];
    for role in [Role::Server, Role::Client] {
        let (io, mut peer) = duplex(1 << 16);
        let socket = WebSocket::new(io, vec![], role, manner).await;
        let mut socket = socket.speaking(agreed.clone());
        for said in [TEXT, BINARY] {
            let said = frame(FIN | said, b"x", role == Role::Server);
            peer.write_all(&said).await.unwrap();
            next(&mut socket).await.unwrap();
            send(&mut socket, b"line").await.unwrap();
            kinds.push(peer.read_u8().await.unwrap() & !FIN);
            // The rest of the frame: its length, the mask of a client, "line".
            let rest = if role == Role::Client { 9 } else { 5 };
            peer.read_exact(&mut [0; 9][..rest]).await.unwrap();
        }
    }
    (agreed, kinds)
}

#[tokio::test]
async fn a_sub_protocol_is_the_first_that_both_know() {
    let (text, binary) = ("text.ircv3.net", "binary.ircv3.net");
    let as_spoken = [TEXT, BINARY];
    for (known, offered, expected, kinds) in [
        (&[][..], &[][..], None, as_spoken),
        (&[], &[text], None, as_spoken),
        (&[text], &[], None, as_spoken),
        (&[binary, text], &[text, binary], Some(text), [TEXT; 2]),
        (&[text, binary], &[binary, text], Some(binary), [BINARY; 2]),
        (&["a", text], &["b", text, "a"], Some(text), [TEXT; 2]),
        // Names are compared as they stand: RFC 6455, section 4.2.2.
        (&["chat"], &["Chat"], None, as_spoken),
        (&["chat"], &["other", "chat"], Some("chat"), as_spoken),
    ] {
        let (agreed, got) = agree(known, offered).await;
        assert_eq!(agreed.as_deref(), expected, "{known:?} {offered:?}");
        assert_eq!(got, [kinds, kinds].concat(), "{known:?} {offered:?}");
    }
}

#[tokio::test]
async fn a_line_that_is_no_text_leaves_as_binary_even_where_text_was_agreed() {
    let (io, mut peer) = duplex(1 << 16);
    let socket = WebSocket::new(io, vec![], Role::Server, Manner::default()).await;
    let mut socket = socket.speaking(Some("text.ircv3.net".into()));
    send(&mut socket, b"\xff").await.unwrap();
    assert_eq!(read_frame(&mut peer).await, (FIN | BINARY, b"\xff".into()));
}

/// What a dialler is answered by a server that chooses badly.
#[tokio::test]
async fn a_choice_that_was_not_offered_is_refused() {
    for (offered, lines, expected) in [
        (vec![], "Sec-WebSocket-Protocol: a\r\n", "none was offered"),
        (vec![], "Sec-WebSocket-Protocol:\r\n", "none was offered"),
        (
            vec!["a", "b"],
            "Sec-WebSocket-Protocol: c\r\n",
            "that was not offered",
        ),
        (
            vec!["a", "b"],
            "Sec-WebSocket-Protocol: a, b\r\n",
            "did not choose one",
        ),
        (
            vec!["a", "b"],
            "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n",
            "did not choose one",
        ),
    ] {
        let (ours, theirs) = duplex(1 << 16);
        let path = WsPath::root();
        let asking = Asking {
            subprotocols: offered,
            ..asking(&path, None)
        };
        let (asked, ()) = tokio::join!(
            ask(ours, &asking, Manner::default()),
            switches_with(theirs, lines)
        );
        let error = asked.map(drop).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// A server that answers a request rightly, with these lines besides.
async fn switches_with(io: DuplexStream, lines: &str) {
    let mut io = tokio::io::BufReader::new(io);
    let mut accept = String::new();
    loop {
        let mut line = String::new();
        tokio::io::AsyncBufReadExt::read_line(&mut io, &mut line)
            .await
            .unwrap();
        match line.trim_end().strip_prefix("Sec-WebSocket-Key: ") {
            Some(key) => accept = derive_accept_key(key.as_bytes()),
            None if line.trim_end().is_empty() => break,
            None => {}
        }
    }
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{lines}\r\n"
    );
    io.write_all(answer.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_none_is_told_apart() {
    let switching =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    for (answer, expected) in [
        (
            "SSH-2.0-x\r\n".into(),
            "the peer does not speak HTTP: got 53 53 48",
        ),
        (
            "HTTP/1.1 404 Not Found\r\n\r\nno such\nthing".into(),
            "the server answers 404 Not Found instead of becoming a WebSocket: no such",
        ),
        (
            "HTTP/1.1 200 OK\r\n\r\n".into(),
            "the server answers 200 OK instead of becoming a WebSocket",
        ),
        (format!("{switching}\r\n"), "does not belong to our key"),
        (
            format!("{switching}Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"),
            "does not belong to our key",
        ),
        (
            "HTTP/1.1 101 Fine\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n".into(),
            "another protocol",
        ),
        ("HTTP/1.1 101\r\nx y: z\r\n\r\n".into(), "is no HTTP"),
        (
            format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(HEAD_LIMIT)),
            "is too long",
        ),
        (
            "HTTP/1.1 101".into(),
            "closed the connection during the handshake",
        ),
    ] {
        let (ours, mut theirs) = duplex(1 << 20);
        theirs.write_all(answer.as_bytes()).await.unwrap();
        theirs.shutdown().await.unwrap();
        let asked = ask(ours, &asking(&WsPath::root(), None), Manner::default()).await;
        let error = asked.map(drop).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

/// A stream that was cut somewhere, and throws away what is written.
struct Cut {
    chunks: Vec<Vec<u8>>,
}

impl Cut {
    fn new(wire: &[u8], cuts: &[usize]) -> Self {
        let (mut chunks, mut rest) = (vec![], wire);
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            chunks.push(now.to_vec());
            rest = later;
        }
        chunks.reverse();
        Self { chunks }
    }
}

impl AsyncRead for Cut {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut chunk) = self.chunks.pop() {
            let rest = chunk.split_off(chunk.len().min(buf.remaining()));
            buf.put_slice(&chunk);
            if !rest.is_empty() {
                self.chunks.push(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Cut {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, b: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(b.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// All that a server hears of a stream that is cut so, and how it ended.
fn hear(wire: &[u8], cuts: &[usize]) -> (Vec<Vec<u8>>, Option<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let cut = Cut::new(wire, cuts);
        let mut socket = WebSocket::new(cut, vec![], Role::Server, small()).await;
        let mut messages = vec![];
        loop {
            match next(&mut socket).await {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => return (messages, None),
                Err(error) => return (messages, Some(error.to_string())),
            }
        }
    })
}

/// What a client may send, and what of it is a message.
fn piece() -> impl Strategy<Value = (Vec<u8>, Option<Vec<u8>>)> {
    let payload = prop::collection::vec(any::<u8>(), 0..32);
    let parts = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..8), 2..5);
    prop_oneof![
        payload.clone().prop_map(|p| (sent(BINARY, &p), Some(p))),
        "\\PC{0,8}".prop_map(|t| (sent(TEXT, t.as_bytes()), Some(t.into_bytes()))),
        payload.prop_map(|p| (sent(PING, &p), None)),
        parts.prop_map(|parts| {
            let last = parts.len() - 1;
            let wire = parts.iter().enumerate().flat_map(|(at, part)| {
                let opcode = if at == 0 { BINARY } else { CONTINUATION };
                let fin = if at == last { FIN } else { 0 };
                frame(fin | opcode, part, true)
            });
            (wire.collect(), Some(parts.concat()))
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However the network cuts a stream, the messages are the same.
    #[test]
    fn cuts_never_change_messages(
        pieces in prop::collection::vec(piece(), 0..8),
        cuts in prop::collection::vec(1usize..40, 1..16),
    ) {
        let mut wire: Vec<u8> = pieces.iter().flat_map(|(wire, _)| wire.clone()).collect();
        wire.extend(sent(CLOSE, b"\x03\xe8"));
        let messages: Vec<_> = pieces.into_iter().filter_map(|(_, message)| message).collect();
        prop_assert_eq!(hear(&wire, &cuts), (messages, None));
    }

    /// Whatever a peer sends: no panic, an end, and nothing depends on the cuts.
    #[test]
    fn garbage_ends_alike_however_it_is_cut(
        garbage in prop::collection::vec(any::<u8>(), 0..300),
        cuts in prop::collection::vec(1usize..40, 1..16),
    ) {
        prop_assert_eq!(hear(&garbage, &cuts), hear(&garbage, &[usize::MAX]));
    }

    /// Garbage in place of a request, or behind the beginning of one, is turned away.
    #[test]
    fn garbage_is_no_request(
        good in 0..200usize,
        garbage in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let request = format!("GET / HTTP/1.1\r\n{GOOD}\r\n");
        let mut wire = request.as_bytes()[..good.min(request.len() - 2)].to_vec();
        wire.extend_from_slice(&garbage);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let (answer, _) = runtime.block_on(knock(&gate("/", &[]), &wire));
        prop_assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 "), "{answer}");
    }
}
