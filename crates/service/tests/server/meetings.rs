//! Services on which peers meet: hub, print, relay.

use std::io::Read as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use sockeye_frame::Framing;
use sockeye_net::{Link, Net};
use sockeye_service::reply::{Echo, Upper};
use sockeye_service::{
    BoxFuture, Conversation, Hub, Options, Outcome, Print, Relay, Service, Session, as_stream,
};
use sockeye_trace::{Kind, Recorder};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpStream, UdpSocket};

use crate::place::{Place, within};

async fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    within(stream.read_line(&mut line)).await.unwrap();
    line
}

async fn datagram(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 1 << 16];
    let got = within(socket.recv(&mut buffer)).await.unwrap();
    buffer[..got].to_vec()
}

async fn udp_client(local: &str) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket
        .connect(local.trim_start_matches("udp://"))
        .await
        .unwrap();
    socket
}

async fn tcp_client(local: &str) -> TcpStream {
    TcpStream::connect(local.trim_start_matches("tcp://"))
        .await
        .unwrap()
}

/// A relay from `listen` to `to`.
async fn relay(listen: &str, to: &str) -> Place {
    let relay = Relay::new(
        Net::new(Recorder::new()),
        to.parse().unwrap(),
        Framing::raw(),
    );
    Place::at(&[listen], relay, Options::default()).await
}

#[tokio::test]
async fn what_one_says_all_others_hear_on_every_endpoint() {
    let endpoints = [
        "tcp://127.0.0.1:0?frame=line",
        "tcp://127.0.0.1:0?frame=u16be",
        "udp://127.0.0.1:0",
    ];
    let mut place = Place::at(&endpoints, Hub::default(), Options::default()).await;
    let mut lines = BufReader::new(tcp_client(&place.locals[0]).await);
    let mut other = BufReader::new(tcp_client(&place.locals[0]).await);
    let mut lengths = tcp_client(&place.locals[1]).await;
    let datagrams = udp_client(&place.locals[2]).await;
    place.until(Kind::Accepted, 3).await;
    // A datagram peer is there when it has said something.
    datagrams.send(b"here").await.unwrap();
    let mut frame = [0; 6];
    within(lengths.read_exact(&mut frame)).await.unwrap();
    assert_eq!(&frame, b"\0\x04here");
    for member in [&mut lines, &mut other] {
        assert_eq!(line(member).await, "here\n");
    }
    lines.write_all(b"hello\n").await.unwrap();
    assert_eq!(line(&mut other).await, "hello\n");
    assert_eq!(datagram(&datagrams).await, b"hello");
    other.write_all(b"bye\n").await.unwrap();
    assert_eq!(line(&mut lines).await, "bye\n", "nobody hears himself");
    place.drain().await;
}

#[tokio::test]
async fn nobody_waits_for_a_member_that_does_not_read() {
    let mut place = Place::at(
        &["tcp://127.0.0.1:0?frame=line"],
        Hub::default(),
        Options::default(),
    )
    .await;
    let mut speaker = tcp_client(&place.locals[0]).await;
    let deaf = tcp_client(&place.locals[0]).await;
    let mut hearer = BufReader::new(tcp_client(&place.locals[0]).await);
    place.until(Kind::Accepted, 3).await;
    let text = "x".repeat(100_000);
    // Far more than the kernel and the mailbox hold for the one who does not read.
    for number in 0..200 {
        speaker
            .write_all(format!("{number} {text}\n").as_bytes())
            .await
            .unwrap();
        assert_eq!(line(&mut hearer).await, format!("{number} {text}\n"));
    }
    drop(deaf);
    drop(speaker);
    let closed = place.until(Kind::Closed, 2).await;
    assert_eq!(closed.len(), 2, "{closed:?}");
    drop(hearer);
    place.drain().await;
}

#[tokio::test]
async fn a_member_that_lost_messages_is_told_of() {
    let mut place = Place::at(
        &["tcp://127.0.0.1:0?frame=line"],
        Hub::default(),
        Options::default(),
    )
    .await;
    let mut speaker = tcp_client(&place.locals[0]).await;
    let mut slow = tcp_client(&place.locals[0]).await;
    place.until(Kind::Accepted, 2).await;
    let text = format!("{}\n", "x".repeat(900_000));
    for _ in 0..30 {
        speaker.write_all(text.as_bytes()).await.unwrap();
    }
    speaker.write_all(b"end\n").await.unwrap();
    let mut buffer = vec![0; 1 << 20];
    while !place.has_seen(Kind::Dropped) {
        let _ = tokio::time::timeout(Duration::from_millis(1), slow.read(&mut buffer)).await;
    }
    let told = place.until(Kind::Dropped, 1).await.remove(0);
    assert!(
        told.ends_with("found no room: the peer reads too slowly"),
        "{told}"
    );
    place.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_peers_send_is_printed() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let print = Print::to(writer).unwrap();
    let endpoints = [
        "tcp://127.0.0.1:0",
        "tcp://127.0.0.1:0?frame=u8",
        "udp://127.0.0.1:0",
    ];
    let place = Place::at(&endpoints, print.clone(), Options::default()).await;
    let mut printed = |len: usize| {
        let mut bytes = vec![0; len];
        tokio::task::block_in_place(|| reader.read_exact(&mut bytes)).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    tcp_client(&place.locals[0])
        .await
        .write_all(b"raw")
        .await
        .unwrap();
    assert_eq!(printed(3), "raw");
    tcp_client(&place.locals[1])
        .await
        .write_all(b"\x02hi\x01!")
        .await
        .unwrap();
    assert_eq!(printed(5), "hi\n!\n");
    udp_client(&place.locals[2])
        .await
        .send(b"datagram")
        .await
        .unwrap();
    assert_eq!(printed(9), "datagram\n");
    place.drain().await;
    print.flush();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_printer_that_is_not_read_makes_its_peers_wait_and_loses_nothing() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let place = Place::tcp(Print::to(writer).unwrap(), Options::default()).await;
    let mut peer = place.connect().await;
    let chunk: Vec<u8> = (0..1 << 20).map(|at: u32| (at % 253) as u8).collect();
    let mut sent = 0;
    // The peer writes until nobody takes any more.
    loop {
        let write = peer.write(&chunk[sent % chunk.len()..]);
        let Ok(written) = tokio::time::timeout(Duration::from_millis(300), write).await else {
            break;
        };
        sent += written.unwrap();
        assert!(sent < 64 << 20, "somebody holds {sent} bytes");
    }
    drop(peer);
    let got = tokio::task::spawn_blocking(move || {
        let mut got = vec![0; sent];
        reader.read_exact(&mut got).unwrap();
        got
    });
    let got = within(got).await.unwrap();
    assert!(
        got.iter()
            .zip(chunk.iter().cycle())
            .all(|(got, want)| got == want)
    );
    place.drain().await;
}

#[tokio::test]
async fn a_relay_passes_both_directions_and_both_ends() {
    let upper = Place::tcp(Upper::default(), Options::default()).await;
    let relay = relay("tcp://127.0.0.1:0", &upper.locals[0]).await;
    let mut peer = relay.connect().await;
    peer.write_all(b"hello").await.unwrap();
    let mut answer = [0; 5];
    within(peer.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HELLO");
    peer.write_all(b"the last").await.unwrap();
    peer.shutdown().await.unwrap();
    let mut rest = vec![];
    within(peer.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"THE LAST");
    let summary = relay.drain().await;
    assert_eq!(
        (summary.read_bytes, summary.written_bytes),
        (26, 26),
        "both sides count"
    );
    upper.drain().await;
}

#[tokio::test]
async fn datagrams_cross_a_stream_and_come_out_as_datagrams() {
    let echo = Place::udp(Echo, Options::default());
    let out = relay("tcp://127.0.0.1:0?frame=u16be", &echo.locals[0]).await;
    let to = format!("{}?frame=u16be", out.locals[0]);
    let entry = relay("udp://127.0.0.1:0", &to).await;
    let clients = [
        udp_client(&entry.locals[0]).await,
        udp_client(&entry.locals[0]).await,
    ];
    let messages = [&b"one"[..], b"", b"two", &[b'x'; 9000], b"end"];
    for client in &clients {
        for message in messages {
            client.send(message).await.unwrap();
        }
    }
    for client in &clients {
        for message in messages {
            assert!(datagram(client).await == message);
        }
    }
    entry.drain().await;
    out.drain().await;
    echo.drain().await;
}

#[tokio::test]
async fn a_relay_frames_anew() {
    let upper = Place::at(
        &["tcp://127.0.0.1:0?frame=u8"],
        Upper::default(),
        Options::default(),
    );
    let upper = upper.await;
    let to = format!("{}?frame=u8", upper.locals[0]);
    let relay = relay("tcp://127.0.0.1:0?frame=line", &to).await;
    let mut peer = BufReader::new(relay.connect().await);
    peer.write_all(b"first\nsecond\n").await.unwrap();
    assert_eq!(line(&mut peer).await, "FIRST\n");
    assert_eq!(line(&mut peer).await, "SECOND\n");
    drop(peer);
    relay.drain().await;
    upper.drain().await;
}

#[tokio::test]
async fn a_place_that_cannot_be_reached_costs_the_connection() {
    let free = sockeye_testkit::free_tcp_port();
    let mut relay = relay("tcp://127.0.0.1:0", &format!("tcp://127.0.0.1:{free}")).await;
    let mut peer = relay.connect().await;
    let error = within(peer.read(&mut [0; 1])).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let reason = relay.until(Kind::Closed, 1).await.remove(0);
    assert!(
        reason.contains("cannot connect") && reason.contains("ECONNREFUSED"),
        "{reason}"
    );
    relay.drain().await;
}

#[tokio::test]
async fn a_reset_is_passed_on() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = format!("tcp://{}", listener.local_addr().unwrap());
    let relay = relay("tcp://127.0.0.1:0", &to).await;
    let mut peer = relay.connect().await;
    peer.write_all(b"x").await.unwrap();
    let (mut far, _) = within(listener.accept()).await.unwrap();
    within(far.read_exact(&mut [0; 1])).await.unwrap();
    far.set_zero_linger().unwrap();
    drop(far);
    let error = within(peer.read(&mut [0; 1])).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    relay.drain().await;
}

#[tokio::test]
async fn a_relay_holds_a_fast_sender_up_and_loses_nothing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = format!("tcp://{}", listener.local_addr().unwrap());
    let relay = relay("tcp://127.0.0.1:0", &to).await;
    let mut peer = relay.connect().await;
    let (mut far, _) = within(listener.accept()).await.unwrap();
    let chunk: Vec<u8> = (0..1 << 20).map(|at: u32| (at % 251) as u8).collect();
    let mut sent = 0;
    loop {
        let write = peer.write(&chunk[sent % chunk.len()..]);
        let Ok(written) = tokio::time::timeout(Duration::from_millis(300), write).await else {
            break;
        };
        sent += written.unwrap();
        assert!(sent < 64 << 20, "somebody holds {sent} bytes");
    }
    peer.shutdown().await.unwrap();
    let mut got = vec![];
    within(far.read_to_end(&mut got)).await.unwrap();
    assert_eq!(got.len(), sent);
    assert!(
        got.iter()
            .zip(chunk.iter().cycle())
            .all(|(got, want)| got == want)
    );
    far.write_all(b"thanks").await.unwrap();
    drop(far);
    let mut thanks = vec![];
    within(peer.read_to_end(&mut thanks)).await.unwrap();
    assert_eq!(thanks, b"thanks");
    relay.drain().await;
}

/// A datagram peer cannot hear that the last message was sent, so it has a while to answer it.
#[tokio::test]
async fn the_answer_to_the_last_datagram_is_waited_for() {
    let echo = Place::udp(Echo, Options::default());
    let relay = relay("tcp://127.0.0.1:0?frame=line", &echo.locals[0]).await;
    let mut peer = relay.connect().await;
    peer.write_all(b"one\nlast").await.unwrap();
    peer.shutdown().await.unwrap();
    let mut all = vec![];
    within(peer.read_to_end(&mut all)).await.unwrap();
    assert_eq!(all, b"one\nlast\n");
    relay.drain().await;
    echo.drain().await;
}

/// Says that it is one, and ends.
struct Greeting;

impl Conversation for Greeting {
    fn hold(&self, link: Link, _session: Session) -> BoxFuture<Outcome> {
        Box::pin(async {
            let (_reader, mut writer) = as_stream(link).unwrap();
            writer.write_all(b"conversation\n").await.unwrap();
            writer.shutdown().await.unwrap();
            Outcome::default()
        })
    }
}

#[tokio::test]
async fn plain_messages_are_answered_where_all_others_converse() {
    let endpoints = [
        "tcp://127.0.0.1:0",
        "tcp://127.0.0.1:0?frame=line",
        "udp://127.0.0.1:0",
    ];
    let service = Service::Both {
        plain: Arc::new(Echo),
        conversation: Arc::new(Greeting),
    };
    let place = Place::at(&endpoints, service, Options::default()).await;
    let mut talker = BufReader::new(tcp_client(&place.locals[0]).await);
    assert_eq!(line(&mut talker).await, "conversation\n");
    let mut lines = BufReader::new(tcp_client(&place.locals[1]).await);
    lines.write_all(b"hi\n").await.unwrap();
    assert_eq!(line(&mut lines).await, "hi\n");
    let datagrams = udp_client(&place.locals[2]).await;
    datagrams.send(b"you").await.unwrap();
    assert_eq!(datagram(&datagrams).await, b"you");
    drop(lines);
    place.drain().await;
}
