//! Two ends of ours, over loopback.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use quinn::ConnectionError;
use sockeye_trace::Recorder;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::config::Times;
use super::connection::FAREWELL_TIMEOUT;
use super::crypto::{self, Client};
use super::listen::QuicListener;
use super::{Code, MAX_STREAMS, UNPROVEN_HANDSHAKES};
use crate::context::Net;
use crate::datagram::listen::udp_sockets;
use crate::endpoint::Endpoint;
use crate::errno::Errno;
use crate::error::NetError;
use crate::link::Link;
use crate::secure::{HandshakeError, SecureListener};
use crate::stream::ByteLink;
use crate::trust::{Fingerprint, FirstUse, Identity, Trust};

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
        Self::open_with(Times::default()).await
    }

    async fn open_with(times: Times) -> (Self, SecureListener) {
        let (house, listener) = Self::open_bare(times).await;
        (house, listener.into())
    }

    async fn open_bare(times: Times) -> (Self, QuicListener) {
        let ((server, one), (client, other)) = (net(), net());
        let asked: Endpoint = "quic://127.0.0.1:0".parse().unwrap();
        let at = asked.place.host_port().unwrap();
        let sockets = udp_sockets(&server, &asked, at).await.unwrap();
        let socket = sockets.into_iter().next().unwrap();
        let config = crypto::server(&server, &asked).unwrap();
        let listener = QuicListener::new(socket, config, times, &server).unwrap();
        let house = Self {
            client,
            endpoint: format!("quic://{}", listener.local()).parse().unwrap(),
            _homes: [one, other],
        };
        (house, listener)
    }

    async fn dial(&self) -> ByteLink {
        let link = crate::connect(&self.client, &self.endpoint);
        bytes(timeout(LONG, link).await.unwrap().unwrap())
    }
}

impl House {
    /// A connection of which nothing is ours but the handshake, with these bytes on its first stream.
    async fn dial_raw(&self, first: &[u8]) -> quinn::Connection {
        let at = self.endpoint.place.host_port().unwrap();
        let client = Client::new(&self.client, &self.endpoint, at).unwrap();
        let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let config = quinn::ClientConfig::new(client.config);
        let to = at.to_string().parse().unwrap();
        let connecting = endpoint.connect_with(config, to, &client.server_name);
        let connection = connecting.unwrap().await.unwrap();
        let (mut send, _receive) = connection.open_bi().await.unwrap();
        send.write_all(first).await.unwrap();
        connection
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

#[tokio::test]
async fn a_stream_that_begins_with_another_byte_is_ended() {
    let (house, listener) = House::open().await;
    let accepted = tokio::spawn(async move { listener.accept().await.unwrap().complete().await });
    let link = house.dial_raw(b"G").await;
    let Err(HandshakeError::Foreign { got, .. }) = accepted.await.unwrap() else {
        panic!("it is no conversation");
    };
    assert_eq!(got, b"G");
    let ended = timeout(LONG, link.closed()).await.unwrap();
    let ConnectionError::ApplicationClosed(close) = &ended else {
        panic!("{ended:?}");
    };
    assert_eq!(close.error_code, Code::BadPreface.into());
}

/// A listener that ends lets those finish who are being answered.
#[tokio::test]
async fn the_last_bytes_arrive_although_both_link_and_listener_are_gone() {
    let (house, listener) = House::open().await;
    let text: Vec<u8> = (0..1_000_000u32).map(|at| (at % 251) as u8).collect();
    let sent = text.clone();
    let server = tokio::spawn(async move {
        let handshake = listener.accept().await.unwrap();
        let mut link = bytes(handshake.complete().await.unwrap());
        link.write_all(&sent).await.unwrap();
        link.shutdown().await.unwrap();
    });
    let mut link = house.dial().await;
    timeout(LONG, server).await.unwrap().unwrap();
    // Nobody listens any more: who comes now is turned away.
    let error = failure(&house.client, &house.endpoint.to_string()).await;
    assert!(matches!(error, NetError::Handshake { .. }), "{error:?}");
    let mut got = vec![];
    timeout(LONG, link.read_to_end(&mut got))
        .await
        .unwrap()
        .unwrap();
    assert!(got == text, "{} of {} bytes", got.len(), text.len());
    drop(link);
    timeout(LONG, house.client.settled()).await.unwrap();
}

#[tokio::test]
async fn much_goes_both_ways_at_once() {
    let (house, listener) = House::open().await;
    let server = tokio::spawn(echo(listener));
    let (mut read, mut write) = house.dial().await.into_split();
    let text: Vec<u8> = (0..8_000_000u32).map(|at| (at % 253) as u8).collect();
    let sent = text.clone();
    let sender = tokio::spawn(async move {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    });
    let mut got = vec![];
    timeout(LONG, read.read_to_end(&mut got))
        .await
        .unwrap()
        .unwrap();
    assert!(got == text, "{} of {} bytes", got.len(), text.len());
    sender.await.unwrap();
    server.abort();
}

#[tokio::test]
async fn two_hundred_connections_are_served_at_once() {
    let (house, listener) = House::open().await;
    let server = tokio::spawn(echo(listener));
    let mut links = vec![];
    for _ in 0..200 {
        links.push(house.dial().await);
    }
    for (number, link) in links.into_iter().enumerate() {
        let text = number.to_string();
        assert_eq!(say(link, text.as_bytes()).await.unwrap(), text.as_bytes());
    }
    server.abort();
}

/// What stands for a peer that is killed: its runtime is gone, and so says nothing.
#[tokio::test]
async fn a_peer_that_is_gone_without_a_word_is_noticed() {
    let times = Times {
        idle: Duration::from_millis(400),
        keep_alive: Duration::from_millis(100),
        ..Times::default()
    };
    let (house, listener) = House::open_with(times).await;
    let (client, endpoint) = (house.client.clone(), house.endpoint.clone());
    let (gone, away) = tokio::sync::oneshot::channel::<()>();
    let peer = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let link = runtime
            .block_on(crate::connect(&client, &endpoint))
            .unwrap();
        runtime.block_on(away).unwrap();
        runtime.shutdown_background();
        drop(link);
    });
    let mut link = bytes(listener.accept().await.unwrap().complete().await.unwrap());
    let mut byte = [0];
    // As long as it lives it may be silent for longer than the limit.
    let silent = timeout(2 * times.idle, link.read(&mut byte)).await;
    assert!(silent.is_err(), "{silent:?}");
    gone.send(()).unwrap();
    peer.join().unwrap();
    let read = timeout(LONG, link.read(&mut byte)).await.unwrap();
    let error = read.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ETIMEDOUT), "{error}");
}

#[tokio::test]
async fn a_connection_without_a_stream_is_ended() {
    let times = Times {
        streamless: Duration::from_millis(100),
        ..Times::default()
    };
    let (house, listener) = House::open_with(times).await;
    let server = tokio::spawn(echo(listener));
    let link = house.dial().await;
    let opener = link.opener().unwrap();
    assert_eq!(say(link, b"hello").await.unwrap(), b"hello");
    let ended = timeout(LONG, opener.closed()).await.unwrap();
    assert_eq!(ended.raw_os_error(), Some(libc::ECONNRESET), "{ended}");
    let refused = opener.open(&house.client.recorder).await;
    assert!(refused.is_err(), "{refused:?}");
    server.abort();
}

#[tokio::test]
async fn more_streams_than_the_limit_wait() {
    let (house, listener) = House::open().await;
    let server = tokio::spawn(echo(listener));
    let first = house.dial().await;
    let opener = first.opener().unwrap();
    let recorder = &house.client.recorder;
    let mut links = vec![first];
    while links.len() < MAX_STREAMS as usize {
        let link = timeout(LONG, opener.open(recorder)).await.unwrap();
        links.push(link.unwrap());
    }
    let mut next = Box::pin(opener.open(recorder));
    let waits = timeout(Duration::from_millis(100), &mut next).await;
    assert!(waits.is_err(), "{waits:?}");
    // Room is announced once an eighth of the streams have ended.
    for link in links.split_off(links.len() - MAX_STREAMS as usize / 4) {
        assert_eq!(say(link, b"done").await.unwrap(), b"done");
    }
    timeout(LONG, next).await.unwrap().unwrap();
    server.abort();
}

#[tokio::test]
async fn a_reset_is_seen_as_one() {
    let (house, listener) = House::open().await;
    let accept = async || bytes(listener.accept().await.unwrap().complete().await.unwrap());
    let (link, mut accepted) = tokio::join!(house.dial(), accept());
    let opener = link.opener().unwrap();
    let (second, mut other) = tokio::join!(opener.open(&house.client.recorder), accept());
    second.unwrap().abort();
    let read = timeout(LONG, other.read(&mut [0])).await.unwrap();
    let error = read.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ECONNRESET), "{error}");
    // The other stream of the connection is none the worse for it.
    drop(link);
    let read = timeout(LONG, accepted.read(&mut [0])).await.unwrap();
    assert_eq!(read.unwrap(), 0);
}

#[tokio::test]
async fn with_many_handshakes_under_way_addresses_are_proved_first() {
    let (house, listener) = House::open_bare(Times::default()).await;
    let (mut callers, mut diallers) = (vec![], JoinSet::new());
    for number in 0..UNPROVEN_HANDSHAKES + 8 {
        let (client, endpoint) = (house.client.clone(), house.endpoint.clone());
        diallers.spawn(async move { crate::connect(&client, &endpoint).await });
        let caller = timeout(LONG, listener.next()).await.unwrap().unwrap();
        let is_proved = number >= UNPROVEN_HANDSHAKES;
        assert_eq!(caller.is_proved(), is_proved, "{number}");
        callers.push(caller);
    }
    let mut links = JoinSet::new();
    for caller in callers {
        links.spawn(caller.complete());
    }
    for met in timeout(LONG, diallers.join_all()).await.unwrap() {
        met.unwrap();
    }
    for met in timeout(LONG, links.join_all()).await.unwrap() {
        met.unwrap();
    }
}

#[tokio::test]
async fn garbage_and_silence_cost_nothing() {
    let (house, listener) = House::open().await;
    let server = tokio::spawn(echo(listener));
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = house.endpoint.place.host_port().unwrap().to_string();
    socket.connect(at).unwrap();
    socket.set_nonblocking(true).unwrap();
    let (mut sent, mut state) = (0, 0x9e37_79b9_7f4a_7c15_u64);
    for len in (0..1400).cycle().take(2000) {
        let noise = (0..len).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        });
        let noise: Vec<u8> = noise.collect();
        sent += socket.send(&noise).unwrap_or_default();
    }
    let answer = say(house.dial().await, b"still here").await.unwrap();
    assert_eq!(answer, b"still here");
    let (mut got, mut buf) = (0, [0; 2048]);
    while let Ok(len) = socket.recv(&mut buf) {
        got += len;
    }
    assert!(got <= sent, "{got} bytes in answer to {sent}");
    server.abort();
}

#[tokio::test]
async fn a_farewell_is_waited_for_and_no_longer() {
    let (house, listener) = House::open().await;
    let accept = async || bytes(listener.accept().await.unwrap().complete().await.unwrap());
    let (link, mut accepted) = tokio::join!(house.dial(), accept());
    // Only waits make a clock go on that is paused.
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    drop(link);
    house.client.settled().await;
    assert!(began.elapsed() < FAREWELL_TIMEOUT, "{:?}", began.elapsed());
    tokio::time::resume();
    // It has left: the runtime of the dialler is not needed any more.
    let mut byte = [0];
    let read = timeout(LONG, accepted.read(&mut byte)).await.unwrap();
    assert!(matches!(read, Ok(0)), "{read:?}");
}

/// Version Negotiation (RFC 8999, section 6): the two connection IDs change places.
fn other_versions(initial: &[u8]) -> Vec<u8> {
    let id_at = |at: usize| &initial[at..=at + usize::from(initial[at])];
    let theirs = id_at(5);
    let ours = id_at(5 + theirs.len());
    let versions = [0x1a, 0x2a, 0x3a, 0x4a];
    [&[0x80, 0, 0, 0, 0], ours, theirs, &versions].concat()
}

#[tokio::test]
async fn a_peer_of_another_version_is_told_apart() {
    let (net, _home) = net();
    let port = answer_udp(other_versions).await;
    let error = failure(&net, &format!("quic://127.0.0.1:{port}")).await;
    let NetError::Handshake { source, .. } = &error else {
        panic!("{error:?}");
    };
    let text = source.to_string();
    assert!(text.contains("none of our versions of QUIC"), "{text}");
}

#[tokio::test]
async fn who_trusts_by_authority_takes_nobody_whom_none_has_signed() {
    let (house, listener) = House::open().await;
    let server = tokio::spawn(echo(listener));
    // A certificate that has signed nobody but itself. What tls:// says of it is said here, too.
    let home = tempfile::tempdir().unwrap();
    Identity::load_or_make(home.path()).unwrap();
    let (_, authority) = Identity::files(home.path());
    let endpoint = format!("{}?ca={}", house.endpoint, authority.display());
    let error = failure(&house.client, &endpoint).await;
    let NetError::Untrusted { why, .. } = &error else {
        panic!("{error:?}");
    };
    // Each identity has the same name, so that this one seems to have signed the other.
    assert!(why.contains("a signature is wrong"), "{why}");
    server.abort();
}
