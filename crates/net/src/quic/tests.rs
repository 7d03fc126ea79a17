//! Two ends of ours, over loopback.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sockeye_trace::Recorder;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::context::Net;
use crate::endpoint::Endpoint;
use crate::errno::Errno;
use crate::error::NetError;
use crate::link::{Link, Listener};
use crate::secure::{HandshakeError, SecureListener};
use crate::stream::ByteLink;
use crate::trust::{Fingerprint, FirstUse, Trust};

/// Anything that takes longer hangs.
const LONG: Duration = Duration::from_secs(20);

/// Two users who know each other, and a listener of the first.
struct House {
    client: Net,
    endpoint: Endpoint,
    /// The folders of both.
    _homes: [TempDir; 2],
}

impl House {
    async fn open() -> (Self, SecureListener) {
        let ((server, one), (client, other)) = (net(), net());
        let asked: Endpoint = "quic://127.0.0.1:0".parse().unwrap();
        let Listener::Secure(listener) =
            crate::listen(&server, &asked).await.unwrap().pop().unwrap()
        else {
            panic!("QUIC begins with a handshake");
        };
        let endpoint = listener.local().to_string().parse().unwrap();
        let house = Self {
            client,
            endpoint,
            _homes: [one, other],
        };
        (house, listener)
    }

    async fn dial(&self) -> ByteLink {
        let link = crate::connect(&self.client, &self.endpoint);
        bytes(timeout(LONG, link).await.unwrap().unwrap())
    }
}

/// A user who trusts on first use.
fn net() -> (Net, TempDir) {
    let home = tempfile::tempdir().unwrap();
    let trust = Trust::at(home.path()).with_first_use(FirstUse::Pin);
    let net = Net {
        trust: Arc::new(trust),
        ..Net::new(Recorder::new())
    };
    (net, home)
}

fn bytes(link: Link) -> ByteLink {
    match link {
        Link::Bytes(link) => link,
        Link::Messages(_) => panic!("QUIC carries bytes"),
    }
}

/// Accepts for ever and echoes each link.
async fn echo(listener: SecureListener) {
    let mut links = JoinSet::new();
    loop {
        let handshake = listener.accept().await.unwrap();
        links.spawn(async move {
            let Ok(link) = handshake.complete().await else {
                return;
            };
            let (mut read, mut write) = bytes(link).into_split();
            if tokio::io::copy(&mut read, &mut write).await.is_ok() {
                let _ = write.shutdown().await;
            }
        });
    }
}

async fn say(mut link: ByteLink, text: &[u8]) -> io::Result<Vec<u8>> {
    link.write_all(text).await?;
    link.shutdown().await?;
    let mut answer = vec![];
    timeout(LONG, link.read_to_end(&mut answer))
        .await
        .unwrap()?;
    Ok(answer)
}

#[tokio::test]
async fn what_is_said_comes_back_and_both_ends_hear_the_end() {
    let (house, listener) = House::open().await;
    let server = tokio::spawn(echo(listener));
    let link = house.dial().await;
    assert_eq!(link.peer_name().to_string(), house.endpoint.to_string());
    assert!(link.local().to_string().starts_with("quic://127.0.0.1:"));
    assert_eq!(say(link, b"hello").await.unwrap(), b"hello");
    server.abort();
}

#[tokio::test]
async fn a_hundred_streams_share_one_connection() {
    let (house, listener) = House::open().await;
    let server = tokio::spawn(echo(listener));
    let first = house.dial().await;
    let opener = first.opener().unwrap();
    let mut links = JoinSet::new();
    for number in 0..100u32 {
        let (opener, recorder) = (opener.clone(), house.client.recorder.clone());
        links.spawn(async move {
            let link = opener.open(&recorder).await.unwrap();
            let text = number.to_string().repeat(1000);
            assert_eq!(say(link, text.as_bytes()).await.unwrap(), text.as_bytes());
        });
    }
    timeout(LONG, links.join_all()).await.unwrap();
    assert_eq!(say(first, b"still here").await.unwrap(), b"still here");
    server.abort();
}

#[tokio::test]
async fn each_end_knows_the_key_of_the_other() {
    let (house, listener) = House::open().await;
    let accepted = tokio::spawn(async move {
        let link = listener.accept().await.unwrap().complete().await.unwrap();
        link.peer().key
    });
    let link = house.dial().await;
    let ours = house.client.trust.identity().unwrap().fingerprint();
    assert_eq!(accepted.await.unwrap(), Some(ours));
    let theirs = link.peer().key.unwrap();
    let place = house.endpoint.place.host_port().unwrap().to_string();
    let known = house.client.trust.known_peers().unwrap();
    assert_eq!(known.pin_of(&place).unwrap().unwrap().fingerprint, theirs);
}

#[tokio::test]
async fn keys_that_are_unknown_or_have_changed_are_refused() {
    let (house, listener) = House::open().await;
    let server = tokio::spawn(echo(listener));
    let home = tempfile::tempdir().unwrap();
    let stranger = Net {
        trust: Arc::new(Trust::at(home.path())),
        ..house.client.clone()
    };
    let refused = crate::connect(&stranger, &house.endpoint).await;
    assert!(
        matches!(refused, Err(NetError::Unknown { .. })),
        "{refused:?}"
    );

    let place = house.endpoint.place.host_port().unwrap().to_string();
    let other = Fingerprint::of_spki(b"another key");
    let known = house.client.trust.known_peers().unwrap();
    known.pin(&place, other).unwrap();
    let refused = crate::connect(&house.client, &house.endpoint).await;
    assert!(
        matches!(refused, Err(NetError::KeyChanged(_))),
        "{refused:?}"
    );
    server.abort();
}

/// Fails to dial, and says how.
async fn failure(net: &Net, endpoint: &str) -> NetError {
    let endpoint: Endpoint = endpoint.parse().unwrap();
    let failed = timeout(LONG, crate::connect(net, &endpoint)).await.unwrap();
    failed.expect_err("nobody speaks to us there")
}

#[tokio::test]
async fn a_port_where_nobody_listens_refuses_at_once() {
    let (net, _home) = net();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    drop(socket);
    let error = failure(
        &net,
        &format!("quic://127.0.0.1:{port}?connect-timeout=10s"),
    )
    .await;
    assert_eq!(
        error.errno(),
        Some(Errno::new(libc::ECONNREFUSED)),
        "{error}"
    );
}

#[tokio::test]
async fn silence_is_waited_for_as_long_as_was_said() {
    let (net, _home) = net();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let error = failure(
        &net,
        &format!("quic://127.0.0.1:{port}?connect-timeout=300ms"),
    )
    .await;
    assert!(matches!(error, NetError::Timeout { .. }), "{error:?}");
}

/// Answers each datagram.
async fn answer_udp(reply: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> u16 {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut buf = [0; 2048];
        while let Ok((len, from)) = socket.recv_from(&mut buf).await {
            let _ = socket.send_to(&reply(&buf[..len]), from).await;
        }
    });
    port
}

#[tokio::test]
async fn what_answers_in_another_tongue_is_said_to() {
    let (net, _home) = net();
    let greets = answer_udp(|_| b"hello".to_vec()).await;
    let echoes = answer_udp(<[u8]>::to_vec).await;
    for (port, start) in [(greets, "68 65 6c 6c 6f"), (echoes, "c")] {
        let error = failure(
            &net,
            &format!("quic://127.0.0.1:{port}?connect-timeout=500ms"),
        )
        .await;
        let NetError::Handshake { source, .. } = &error else {
            panic!("{error:?}");
        };
        let text = source.to_string();
        let expected = format!("the peer does not speak QUIC: got {start}");
        assert!(text.starts_with(&expected), "{text}");
    }
}

#[tokio::test]
async fn ends_that_speak_for_other_purposes_do_not_meet() {
    let (house, listener) = House::open().await;
    let server = tokio::spawn(echo(listener));
    let error = failure(&house.client, &format!("{}?alpn=h3", house.endpoint)).await;
    assert!(error.to_string().contains("cannot open"), "{error}");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("ALPN"), "{source}");
    server.abort();
}

#[tokio::test]
async fn who_is_not_admitted_is_refused_at_once() {
    let (house, listener) = House::open().await;
    let server = tokio::spawn(async move {
        loop {
            // Dropped before it is completed, as a server does whose limits are reached.
            drop(listener.accept().await.unwrap());
        }
    });
    let error = failure(&house.client, &house.endpoint.to_string()).await;
    let NetError::Handshake { source, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(
        matches!(source, HandshakeError::Refused { .. }),
        "{source:?}"
    );
    server.abort();
}
