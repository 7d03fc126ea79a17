//! WebSockets between our own two ends, on real sockets.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use sockeye_frame::Framing;
use sockeye_net::trust::{FirstUse, Trust};
use sockeye_net::{
    Arrival, Endpoint, Framed, HANDSHAKE_TIMEOUT, HandshakeError, Link, Listener, MessageLink,
    Name, Net, NetError, SecureListener, connect, listen,
};
use sockeye_trace::{Kind, Recorder};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

fn net() -> Net {
    Net::new(Recorder::new())
}

/// Somebody with a key.
fn person(first_use: FirstUse) -> (Net, TempDir) {
    let home = tempfile::tempdir().unwrap();
    let mut net = net();
    net.trust = Arc::new(Trust::at(home.path()).with_first_use(first_use));
    (net, home)
}

fn endpoint(text: &str) -> Endpoint {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

async fn listens(net: &Net, text: &str) -> SecureListener {
    match listen(net, &endpoint(text)).await.expect(text).remove(0) {
        Listener::Secure(listener) => listener,
        other => panic!("no listener of a WebSocket: {other:?}"),
    }
}

fn messages(link: Link) -> MessageLink {
    match link {
        Link::Messages(link) => link,
        other => panic!("no message link: {other:?}"),
    }
}

/// Both ends of one link, the dialler's first.
async fn pair(server: &Net, client: &Net, text: &str) -> (Link, Link) {
    let listener = listens(server, text).await;
    let options = text.split_once('#').map_or("", |(_, options)| options);
    let to = endpoint(&format!("{}#{options}", listener.local()));
    let accepted = async { listener.accept().await.unwrap().complete().await };
    let (ours, theirs) = tokio::join!(connect(client, &to), accepted);
    (ours.unwrap(), theirs.unwrap())
}

async fn plain_pair() -> (MessageLink, MessageLink) {
    let (ours, theirs) = pair(&net(), &net(), "ws://127.0.0.1:0").await;
    (messages(ours), messages(theirs))
}

#[tokio::test]
async fn both_ends_can_say_what_is_spoken() {
    let text = "ws://127.0.0.1:0#subprotocol=b,a";
    let (ours, theirs) = pair(&net(), &net(), text).await;
    let (ours, theirs) = (messages(ours), messages(theirs));
    assert_eq!(
        (ours.subprotocol(), theirs.subprotocol()),
        (Some("b"), Some("b"))
    );
    let (ours, theirs) = plain_pair().await;
    assert_eq!((ours.subprotocol(), theirs.subprotocol()), (None, None));
}

#[tokio::test]
async fn both_ends_have_names_that_can_be_dialled() {
    let listener = listens(&net(), "ws://127.0.0.1:0/a?b").await;
    let Name::Ws(name) = listener.local() else {
        panic!("{}", listener.local())
    };
    let shown = format!("ws://127.0.0.1:{}/a?b", name.address.port());
    assert_eq!(listener.local().to_string(), shown);
    let client = net();
    let to = endpoint(&shown);
    let accepted = async { listener.accept().await.unwrap().complete().await };
    let (ours, theirs) = tokio::join!(connect(&client, &to), accepted);
    let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
    assert_eq!(ours.peer_name().to_string(), shown);
    assert_eq!(theirs.local().to_string(), shown);
    assert_eq!(ours.local().to_string(), theirs.peer_name().to_string());
    assert_eq!(ours.peer().key, None);
}

#[tokio::test]
async fn over_tls_both_ends_prove_their_keys() {
    let (server, _home) = person(FirstUse::Refuse);
    let (client, _home) = person(FirstUse::Pin);
    let (ours, theirs) = pair(&server, &client, "wss://127.0.0.1:0/x").await;
    let key = |net: &Net| Some(net.trust.identity().unwrap().fingerprint());
    assert_eq!(ours.peer().key, key(&server));
    assert_eq!(theirs.peer().key, key(&client));
    assert!(ours.peer_name().to_string().starts_with("wss://127.0.0.1:"));
    let (mut ours, mut theirs) = (messages(ours), messages(theirs));
    ours.send(b"hello").await.unwrap();
    let mut buf = [0; 16];
    let received = theirs.recv(&mut buf).await.unwrap().unwrap();
    assert_eq!(&buf[..received.len], b"hello");
    poll_fn(|cx| theirs.poll_close(cx)).await.unwrap();
    assert_eq!(ours.recv(&mut buf).await.unwrap(), None);
    assert_eq!(theirs.recv(&mut buf).await.unwrap(), None);

    let (stranger, _home) = person(FirstUse::Refuse);
    let listener = listens(&server, "wss://127.0.0.1:0").await;
    let to = endpoint(&listener.local().to_string());
    let accepted = async { listener.accept().await.unwrap().complete().await };
    let (refused, failed) = tokio::join!(connect(&stranger, &to), accepted);
    assert!(matches!(refused.unwrap_err(), NetError::Unknown { .. }));
    failed.unwrap_err();
}

/// Each message is one read and one write; frames, pings and closing are none.
#[tokio::test]
async fn each_message_is_told_of_once() {
    let (server, client) = (net(), net());
    let mut observer = server.recorder.observe();
    let (ours, theirs) = pair(&server, &client, "ws://127.0.0.1:0").await;
    let (mut ours, mut theirs) = (messages(ours), messages(theirs));
    let mut buf = vec![0; 64];
    let long = vec![7; 100_000];
    for message in [&b"one"[..], b"", &long] {
        ours.send(message).await.unwrap();
        let received = theirs.recv(&mut buf).await.unwrap().unwrap();
        assert_eq!(received.full_len, message.len());
    }
    theirs.send(b"answer").await.unwrap();
    poll_fn(|cx| ours.poll_close(cx)).await.unwrap();
    assert_eq!(theirs.recv(&mut buf).await.unwrap(), None);
    assert_eq!(theirs.received(), (3, 100_003));
    assert_eq!(theirs.sent(), (1, 6));
    let (mut seen, conn) = (vec![], theirs.conn());
    observer.drain_all(|event, _| {
        assert_eq!(event.conn(), conn);
        seen.push((event.kind(), event.offset, event.result));
    });
    assert_eq!(
        seen,
        [
            (Kind::Read, 0, 3),
            (Kind::Read, 3, 0),
            (Kind::Read, 3, 100_000),
            (Kind::Write, 0, 6),
            (Kind::PeerClosed, 100_003, 0),
        ]
    );
}

#[tokio::test]
async fn a_message_that_is_larger_than_the_buffer_is_not_cut() {
    let (mut ours, mut theirs) = plain_pair().await;
    let message: Vec<u8> = (0..1_000_000u32).map(|at| (at % 251) as u8).collect();
    let sending = tokio::spawn(async move {
        ours.send(&message).await.unwrap();
        ours.send(b"next").await.unwrap();
        (ours, message)
    });
    let mut buf = [0; 10];
    let received = theirs.recv(&mut buf).await.unwrap().unwrap();
    assert!(received.is_truncated());
    let whole = theirs.take_overflow();
    assert!(theirs.take_overflow().is_none(), "it is there once");
    let next = theirs.recv(&mut buf).await.unwrap().unwrap();
    assert_eq!(
        (&buf[..next.len], theirs.take_overflow()),
        (&b"next"[..], None)
    );
    let (mut ours, message) = sending.await.unwrap();
    assert_eq!(whole, Some(message.clone()));

    // What conversations read comes whole, however little is read at once.
    let mut framed = Framed::new(Link::Messages(theirs), &Framing::raw()).with_read_size(16);
    let sending = tokio::spawn(async move {
        ours.send(&message).await.unwrap();
        (ours, message)
    });
    let arrival = framed.next().await.unwrap().unwrap();
    let Arrival::Message(got) = arrival else {
        panic!(
            "{} bytes in another shape",
            arrival.bytes().unwrap_or_default().len()
        )
    };
    let got = got.to_vec();
    assert_eq!(sending.await.unwrap().1, got);
}

#[tokio::test]
async fn with_a_framing_messages_are_bytes() {
    let (ours, theirs) = pair(&net(), &net(), "ws://127.0.0.1:0#frame=raw").await;
    let (Link::Bytes(mut ours), Link::Bytes(mut theirs)) = (ours, theirs) else {
        panic!("a framing makes bytes of messages")
    };
    assert!(ours.is_layered());
    let sent: Vec<u8> = (0..2_000_000u32).map(|at| (at % 253) as u8).collect();
    let (mut read, mut write) = tokio::io::split(&mut theirs);
    let copying = async { tokio::io::copy(&mut read, &mut write).await };
    let talking = async {
        let (mut from, mut to) = tokio::io::split(&mut ours);
        let mut back = vec![0; sent.len()];
        let writing = async {
            to.write_all(&sent).await.unwrap();
            to.flush().await.unwrap();
        };
        let ((), read) = tokio::join!(writing, from.read_exact(&mut back));
        read.unwrap();
        assert!(back == sent);
        to.shutdown().await.unwrap();
        assert_eq!(from.read(&mut back).await.unwrap(), 0);
    };
    let (copied, ()) = tokio::join!(copying, talking);
    assert_eq!(copied.unwrap(), sent.len() as u64);
}

/// What the endpoint does not say, whoever takes the link may still decide.
#[tokio::test]
async fn a_message_link_becomes_bytes() {
    let (ours, mut theirs) = plain_pair().await;
    let conn = ours.conn();
    let mut ours = ours.into_bytes().expect("it is a WebSocket");
    assert_eq!(ours.conn(), conn);
    ours.write_all(b"text").await.unwrap();
    ours.flush().await.unwrap();
    let mut buf = [0; 16];
    assert_eq!(theirs.recv(&mut buf).await.unwrap().unwrap().len, 4);
    theirs.send(b"an").await.unwrap();
    theirs.send(b"").await.unwrap();
    theirs.send(b"swer").await.unwrap();
    let mut answer = [0; 6];
    ours.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"answer");
    // Whoever asks may have said all before all is answered.
    ours.shutdown().await.unwrap();
    theirs.send(b"late").await.unwrap();
    ours.read_exact(&mut answer[..4]).await.unwrap();
    assert_eq!(&answer[..4], b"late");
    drop(ours);
    assert_eq!(theirs.recv(&mut buf).await.unwrap(), None);

    let (one, _other) = tokio::net::UnixDatagram::pair().unwrap();
    let link = MessageLink::new(one.into_std().unwrap().into(), &Recorder::new()).unwrap();
    assert!(link.into_bytes().is_err(), "a datagram socket stays one");
}

/// Whoever sends and whoever receives may be two tasks.
#[tokio::test]
async fn two_tasks_share_a_link() {
    let (ours, theirs) = plain_pair().await;
    let echo = tokio::spawn(async move {
        let (mut from, mut to) = theirs.into_split();
        let mut buf = vec![0; 70_000];
        while let Some(received) = from.recv(&mut buf).await.unwrap() {
            to.send(&buf[..received.len]).await.unwrap();
        }
    });
    let (mut from, mut to) = ours.into_split();
    let sending = tokio::spawn(async move {
        for number in 0..200u32 {
            to.send(&vec![number as u8; 300 * number as usize])
                .await
                .unwrap();
        }
        to
    });
    let mut buf = vec![0; 70_000];
    for number in 0..200u32 {
        let received = from.recv(&mut buf).await.unwrap().unwrap();
        assert_eq!(received.full_len, 300 * number as usize);
        assert!(buf[..received.len].iter().all(|byte| *byte == number as u8));
    }
    let mut to = sending.await.unwrap();
    poll_fn(|cx| to.poll_close(cx)).await.unwrap();
    assert_eq!(from.recv(&mut buf).await.unwrap(), None);
    echo.await.unwrap();
}

/// A request that comes byte by byte, and ever more slowly, is not waited for.
#[tokio::test(start_paused = true)]
async fn a_slow_handshake_is_left_in_the_end() {
    let listener = listens(&net(), "ws://127.0.0.1:0").await;
    let address = listener.local().socket_addr().unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    let handshake = listener.accept().await.unwrap();
    let began = Instant::now();
    let dripping = tokio::spawn(async move {
        for byte in b"GET / HTTP/1.1\r\nHost: a\r\nX: "
            .iter()
            .chain([b'x'; 60].iter())
        {
            if client.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(500)).await;
        }
        client
    });
    let after = HANDSHAKE_TIMEOUT;
    let error = handshake.complete().await.map(drop).unwrap_err();
    assert_eq!(error, HandshakeError::Timeout { after });
    assert_eq!(began.elapsed().as_secs(), after.as_secs());
    dripping.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_not_waited_for() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = format!("ws://{}#connect-timeout=2s", silent.local_addr().unwrap());
    let error = connect(&net(), &endpoint(&to)).await.map(drop).unwrap_err();
    assert!(error.is_timeout(), "{error}");
}

#[tokio::test]
async fn a_proxy_carries_a_websocket_too() {
    let server = net();
    let listener = listens(&server, "ws://127.0.0.1:0/far").await;
    let far = listener.local().socket_addr().unwrap();
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let via = format!("ws://{far}/far#via=http://{}", proxy.local_addr().unwrap());
    let proxying = tokio::spawn(async move {
        let (mut client, _) = proxy.accept().await.unwrap();
        let mut head = vec![];
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        assert!(head.starts_with(format!("CONNECT {far} ").as_bytes()));
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut server = TcpStream::connect(far).await.unwrap();
        // It ends when both have closed, however they did.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    });
    let accepted = async { listener.accept().await.unwrap().complete().await };
    let to = endpoint(&via);
    let client = net();
    let (ours, theirs) = tokio::join!(connect(&client, &to), accepted);
    let (mut ours, mut theirs) = (messages(ours.unwrap()), messages(theirs.unwrap()));
    ours.send(b"through").await.unwrap();
    let mut buf = [0; 16];
    assert_eq!(theirs.recv(&mut buf).await.unwrap().unwrap().len, 7);
    drop((ours, theirs));
    proxying.await.unwrap();
}
