//! Over datagrams.

use std::net::Ipv4Addr;
use std::time::Duration;

use sockeye_service::Options;
use sockeye_service::reply::{Chargen, Daytime, Echo, Upper};
use sockeye_trace::Kind;
use tokio::net::{UdpSocket, UnixDatagram};

use crate::place::{Place, within};

/// A client of the server.
async fn client(place: &Place) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket.connect(place.address()).await.unwrap();
    socket
}

async fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 1 << 16];
    let got = within(socket.recv(&mut buffer)).await.unwrap();
    buffer[..got].to_vec()
}

#[tokio::test]
async fn each_datagram_is_answered_by_one() {
    let place = Place::udp(Upper::default(), Options::default());
    let clients = [client(&place).await, client(&place).await];
    let long = vec![b'x'; 60_000];
    for socket in &clients {
        for message in [&b"hi"[..], b"", "grüße".as_bytes(), &long] {
            socket.send(message).await.unwrap();
        }
    }
    for socket in &clients {
        let want = [
            &b"HI"[..],
            b"",
            "GRÜSSE".as_bytes(),
            &long.to_ascii_uppercase(),
        ];
        for want in want {
            assert!(receive(socket).await == want);
        }
    }
    let summary = place.drain().await;
    assert_eq!(
        (
            summary.accepted,
            summary.read_messages,
            summary.written_messages
        ),
        (2, 8, 8)
    );
}

#[tokio::test]
async fn sessions_open_and_close() {
    let idle_timeout = Some(Duration::from_millis(20));
    let mut place = Place::udp(
        Echo,
        Options {
            idle_timeout,
            ..Options::default()
        },
    );
    let socket = client(&place).await;
    socket.send(b"x").await.unwrap();
    receive(&socket).await;
    assert_eq!(place.until(Kind::Closed, 1).await, ["idle for 20ms"]);
    assert_eq!(place.until(Kind::SessionOpened, 1).await.len(), 1);
    place.drain().await;
}

#[tokio::test]
async fn the_farewell_ends_a_session_and_once_the_server() {
    let quit_on = Some(b"exit"[..].into());
    let place = Place::udp(
        Upper::default(),
        Options {
            quit_on,
            once: true,
            ..Options::default()
        },
    );
    let (first, second) = (client(&place).await, client(&place).await);
    first.send(b"a").await.unwrap();
    assert_eq!(receive(&first).await, b"A");
    second.send(b"b").await.unwrap();
    first.send(b"exit").await.unwrap();
    assert_eq!(receive(&first).await, b"exit");
    assert_eq!(place.ended().await.accepted, 1);
    assert!(
        second.try_recv(&mut [0; 9]).is_err(),
        "only one peer is served"
    );
}

#[tokio::test]
async fn once_ends_when_the_one_peer_is_silent() {
    let place = Place::udp(
        Echo,
        Options {
            once: true,
            idle_timeout: Some(Duration::from_millis(20)),
            ..Options::default()
        },
    );
    let socket = client(&place).await;
    socket.send(b"x").await.unwrap();
    assert_eq!(receive(&socket).await, b"x");
    assert_eq!(place.ended().await.accepted, 1);
}

/// What the guard refuses never left, so it is not counted as written.
#[tokio::test]
async fn refused_answers_are_not_counted() {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = format!("unix-dgram:{}", dir.path().join("socket").display());
    let mut place = Place::at(&[&endpoint], Echo, Options::default()).await;
    let unnamed = UnixDatagram::unbound().unwrap();
    unnamed.connect(place.path(0)).unwrap();
    unnamed.send(b"whom would one answer?").await.unwrap();
    assert_eq!(place.until(Kind::Dropped, 1).await.len(), 1);
    let summary = place.drain().await;
    assert_eq!((summary.read_messages, summary.written_messages), (1, 0));
}

#[tokio::test]
async fn daytime_and_chargen_answer_datagrams() {
    let place = Place::udp(Daytime::default(), Options::default());
    let socket = client(&place).await;
    socket.send(b"what is the time, please?").await.unwrap();
    let text = String::from_utf8(receive(&socket).await).unwrap();
    assert!(text.contains(", 2") && text.ends_with("\r\n"), "{text:?}");
    place.drain().await;

    let place = Place::udp(Chargen, Options::default());
    let socket = client(&place).await;
    socket.send(&[0; 30]).await.unwrap();
    assert_eq!(
        receive(&socket).await,
        br##" !"#$%&'()*+,-./0123456789:;<="##
    );
    place.drain().await;
}

#[tokio::test]
async fn peers_from_elsewhere_are_not_answered() {
    let allow_from = vec!["192.0.2.0/24".parse().unwrap()];
    let mut place = Place::udp(
        Echo,
        Options {
            allow_from,
            ..Options::default()
        },
    );
    let socket = client(&place).await;
    for _ in 0..10 {
        socket.send(b"x").await.unwrap();
    }
    let told = place.until(Kind::Refused, 1).await;
    let local = socket.local_addr().unwrap();
    assert_eq!(
        told,
        [format!("udp://{local}\nits address is not in --allow-from")],
        "a flood is told of once a second"
    );
    assert_eq!(place.drain().await.accepted, 0);
}

#[tokio::test]
async fn a_reload_is_for_the_next_datagram() {
    let mut place = Place::udp(Echo, Options::default());
    let socket = client(&place).await;
    socket.send(b"x").await.unwrap();
    assert_eq!(receive(&socket).await, b"x");
    let allow_from = vec!["192.0.2.0/24".parse().unwrap()];
    place.control.reload(Options {
        allow_from,
        ..Options::default()
    });
    socket.send(b"y").await.unwrap();
    place.until(Kind::Refused, 1).await;
    place.drain().await;
}

/// The tutorial's slow reader: what it does not read in time waits in the kernel, datagram by
/// datagram.
#[tokio::test]
async fn a_slow_reader_takes_datagrams_one_by_one_and_cuts_them() {
    let second = Duration::from_millis(20);
    let options = Options {
        read_pause: Some(second..=second),
        read_size: std::num::NonZeroUsize::new(4),
        ..Options::default()
    };
    let mut place = Place::udp(Echo, options);
    let socket = client(&place).await;
    let started = std::time::Instant::now();
    for message in [&b"one"[..], b"", b"three"] {
        socket.send(message).await.unwrap();
    }
    for want in [&b"one"[..], b"", b"thre"] {
        assert_eq!(receive(&socket).await, want);
    }
    assert!(started.elapsed() >= 3 * second, "{:?}", started.elapsed());
    assert_eq!(place.until(Kind::Truncated, 1).await.len(), 1);
    place.drain().await;
}
