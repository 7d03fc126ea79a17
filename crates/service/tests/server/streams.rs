//! Over TCP and Unix streams.

use sockeye_service::Options;
use sockeye_service::reply::{Echo, Upper};
use sockeye_trace::Kind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use crate::place::{Place, within};

/// Sends `text`, half-closes, and returns all that comes back.
async fn ask(
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    text: &[u8],
) -> Vec<u8> {
    let mut answer = vec![];
    within(async {
        stream.write_all(text).await.unwrap();
        stream.shutdown().await.unwrap();
        stream.read_to_end(&mut answer).await.unwrap();
    })
    .await;
    answer
}

#[tokio::test]
async fn one_service_answers_on_every_endpoint() {
    let dir = tempfile::tempdir().unwrap();
    let file = format!("unix:{}", dir.path().join("upper").display());
    let endpoints = ["tcp://127.0.0.1:0", "tcp://[::1]:0", &file];
    let place = Place::at(&endpoints, Upper::default(), Options::default()).await;
    for local in &place.locals[..2] {
        let stream = TcpStream::connect(local.trim_start_matches("tcp://"))
            .await
            .unwrap();
        assert_eq!(
            ask(stream, "grüße\n".as_bytes()).await,
            "GRÜSSE\n".as_bytes()
        );
    }
    let stream = UnixStream::connect(place.path(2)).await.unwrap();
    assert_eq!(ask(stream, b"unix").await, b"UNIX");
    let path = place.path(2);
    let summary = place.drain().await;
    assert_eq!(
        (summary.accepted, summary.read_bytes, summary.written_bytes),
        (3, 20, 20)
    );
    assert!(!path.exists(), "the socket file goes with its listener");
}

#[tokio::test]
async fn the_endpoint_may_say_the_framing() {
    let endpoints = ["tcp://127.0.0.1:0?frame=u16be", "tcp://127.0.0.1:0"];
    let place = Place::at(&endpoints, Upper::default(), Options::default()).await;
    assert_eq!(
        ask(place.connect().await, b"\0\x02hi\0\x01a").await,
        b"\0\x02HI\0\x01A"
    );
    let raw = TcpStream::connect(place.locals[1].trim_start_matches("tcp://"))
        .await
        .unwrap();
    assert_eq!(ask(raw, b"\0\x02hi").await, b"\0\x02HI");
    place.drain().await;
}

/// Row M4: one request, one answer, close; the answer arrives although the peer had more to say.
#[tokio::test]
async fn an_answer_survives_our_closing_first() {
    let options = Options {
        requests: Some(1),
        ..Options::default()
    };
    let mut place = Place::tcp(Upper::default(), options).await;
    for _ in 0..20 {
        let mut stream = place.connect().await;
        stream.write_all(b"once").await.unwrap();
        let mut answer = vec![0; 4];
        stream.read_exact(&mut answer).await.unwrap();
        // Unread bytes in the server's socket would make its close a reset.
        stream.write_all(&vec![b'x'; 100_000]).await.unwrap();
        let mut rest = vec![];
        within(stream.read_to_end(&mut rest)).await.unwrap();
        assert_eq!((&answer[..], &rest[..]), (&b"ONCE"[..], &b""[..]));
    }
    let reasons = place.until(Kind::Closed, 20).await;
    assert!(
        reasons
            .iter()
            .all(|reason| reason == "closed by the service"),
        "{reasons:?}"
    );
    place.drain().await;
}

#[tokio::test]
async fn a_reset_costs_one_connection() {
    let mut place = Place::tcp(Echo, Options::default()).await;
    let mut other = place.connect().await;
    let mut victim = place.connect().await;
    victim.write_all(b"half of a mess").await.unwrap();
    victim.read_exact(&mut [0; 14]).await.unwrap();
    victim.set_zero_linger().unwrap();
    drop(victim);
    assert_eq!(place.until(Kind::Closed, 1).await, ["reset by the peer"]);
    other.write_all(b"fine").await.unwrap();
    let mut answer = [0; 4];
    within(other.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"fine");
    place.drain().await;
}

#[tokio::test]
async fn the_ports_are_free_as_soon_as_the_drain_begins() {
    let place = Place::tcp(Echo, Options::default()).await;
    let address = place.address();
    let mut stream = place.connect().await;
    stream.write_all(b"hi").await.unwrap();
    stream.read_exact(&mut [0; 2]).await.unwrap();
    let summary = place.drain().await;
    assert_eq!(
        (
            summary.accepted,
            summary.read_messages,
            summary.written_messages
        ),
        (1, 1, 1)
    );
    assert_eq!(
        stream.read(&mut [0; 2]).await.unwrap(),
        0,
        "an idle peer sees the end"
    );
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn once_serves_one_peer_and_ends() {
    let options = Options {
        once: true,
        ..Options::default()
    };
    let place = Place::at(&["tcp://127.0.0.1:0", "tcp://127.0.0.1:0"], Echo, options).await;
    assert_eq!(ask(place.connect().await, b"only").await, b"only");
    assert_eq!(place.ended().await.accepted, 1);
}

#[tokio::test]
async fn a_limit_turns_a_connection_away_and_says_so() {
    let options = Options {
        max_connections: 2,
        ..Options::default()
    };
    let mut place = Place::tcp(Echo, options).await;
    let held = [place.connect().await, place.connect().await];
    place.until(Kind::Accepted, 2).await;
    let mut third = place.connect().await;
    assert_eq!(within(third.read(&mut [0; 1])).await.unwrap(), 0);
    let told = place.until(Kind::Refused, 1).await.remove(0);
    assert_eq!(
        told,
        format!(
            "tcp://{}\n2 connections are the limit",
            third.local_addr().unwrap()
        )
    );
    drop(held);
    place.until(Kind::Closed, 2).await;
    assert_eq!(ask(place.connect().await, b"again").await, b"again");
    assert_eq!(place.drain().await.refused, 1);
}

#[tokio::test]
async fn a_reload_is_for_those_who_come_after_it() {
    let mut place = Place::tcp(Echo, Options::default()).await;
    let mut early = place.connect().await;
    place.until(Kind::Accepted, 1).await;
    assert_eq!(place.control.open(), 1);
    let allow_from = vec!["192.0.2.0/24".parse().unwrap()];
    place.control.reload(Options {
        allow_from,
        ..Options::default()
    });
    let mut late = place.connect().await;
    assert_eq!(within(late.read(&mut [0; 1])).await.unwrap(), 0);
    assert!(place.until(Kind::Refused, 1).await[0].ends_with("not in --allow-from"));
    early.write_all(b"x").await.unwrap();
    within(early.read_exact(&mut [0; 1])).await.unwrap();
    place.drain().await;
}
