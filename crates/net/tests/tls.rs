//! TLS between our own two ends, and what comes to a TLS port that is no TLS.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sockeye_net::trust::{Fingerprint, FirstUse, Trust};
use sockeye_net::{
    ByteLink, Endpoint, HANDSHAKE_TIMEOUT, Handshake, HandshakeError, Link, Listener, Moment, Net,
    NetError, SecureListener, connect, describe_asked, listen,
};
use sockeye_trace::Recorder;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Somebody with a key and acquaintances of his own.
struct Person {
    net: Net,
    home: TempDir,
}

impl Person {
    fn new() -> Self {
        Self::who(FirstUse::Refuse)
    }

    fn trusting() -> Self {
        Self::who(FirstUse::Pin)
    }

    fn who(first_use: FirstUse) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut net = Net::new(Recorder::new());
        net.trust = Arc::new(Trust::at(home.path()).with_first_use(first_use));
        Self { net, home }
    }

    fn key(&self) -> Fingerprint {
        self.net.trust.identity().unwrap().fingerprint()
    }

    /// The same person, of whom no first use is believed any more.
    fn careful(&self) -> Net {
        let mut net = self.net.clone();
        net.trust = Arc::new(Trust::at(self.home.path()));
        net
    }

    async fn listens(&self, text: &str) -> SecureListener {
        match listen(&self.net, &endpoint(text))
            .await
            .expect(text)
            .remove(0)
        {
            Listener::Secure(listener) => listener,
            other => panic!("no secure listener: {other:?}"),
        }
    }
}

fn endpoint(text: &str) -> Endpoint {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn bytes(link: Link) -> ByteLink {
    match link {
        Link::Bytes(link) => link,
        other => panic!("no byte link: {other:?}"),
    }
}

async fn dial(net: &Net, listener: &SecureListener, options: &str) -> Result<ByteLink, NetError> {
    let to = endpoint(&format!("{}{options}", listener.local()));
    connect(net, &to).await.map(bytes)
}

async fn complete(handshake: Handshake) -> Result<ByteLink, HandshakeError> {
    handshake.complete().await.map(bytes)
}

async fn accepted(listener: &SecureListener) -> Result<ByteLink, HandshakeError> {
    complete(listener.accept().await.unwrap()).await
}

/// Both ends of one link, the dialler's first.
async fn pair(options: &str) -> (ByteLink, ByteLink) {
    let (server, client) = (Person::new(), Person::trusting());
    let listener = server.listens(&format!("tls://127.0.0.1:0{options}")).await;
    let (ours, theirs) = tokio::join!(dial(&client.net, &listener, ""), accepted(&listener));
    (ours.unwrap(), theirs.unwrap())
}

async fn end_of(link: &mut ByteLink) -> Vec<u8> {
    let mut heard = vec![];
    link.read_to_end(&mut heard).await.unwrap();
    heard
}

#[tokio::test]
async fn both_ends_prove_their_keys_and_are_named() {
    let (server, client) = (Person::new(), Person::new());
    let listener = server.listens("tls://127.0.0.1:0").await;
    let pin = format!("?pin={}", server.key());
    let handshake = async {
        let handshake = listener.accept().await.unwrap();
        assert_eq!(handshake.local(), listener.local());
        let (conn, peer) = (handshake.conn(), handshake.peer_name().clone());
        let link = complete(handshake).await.unwrap();
        assert_eq!((link.conn(), link.peer_name()), (conn, &peer));
        link
    };
    let (ours, theirs) = tokio::join!(dial(&client.net, &listener, &pin), handshake);
    let ours = ours.unwrap();
    assert_eq!(ours.peer().key, Some(server.key()));
    assert_eq!(theirs.peer().key, Some(client.key()));
    assert_eq!(ours.peer_name(), listener.local());
    assert_eq!(theirs.local(), *listener.local());
    assert_eq!(&ours.local(), theirs.peer_name());
    let shown = theirs.peer().to_string();
    assert_eq!(shown, format!("{} ({})", theirs.peer_name(), client.key()));
}

#[tokio::test]
async fn a_half_close_goes_through_and_the_answer_comes_back() {
    let (mut ours, mut theirs) = pair("").await;
    ours.write_all(b"question").await.unwrap();
    ours.shutdown().await.unwrap();
    assert_eq!(end_of(&mut theirs).await, b"question");
    theirs.write_all(b"answer").await.unwrap();
    theirs.shutdown().await.unwrap();
    assert_eq!(end_of(&mut ours).await, b"answer");
    assert_eq!((ours.written_bytes(), ours.read_bytes()), (8, 6));
}

#[tokio::test]
async fn what_is_left_without_a_farewell_may_be_cut() {
    let (mut ours, mut theirs) = pair("").await;
    theirs.write_all(b"begun").await.unwrap();
    theirs.flush().await.unwrap();
    drop(theirs);
    let mut heard = vec![];
    let error = ours.read_to_end(&mut heard).await.unwrap_err();
    assert_eq!(heard, b"begun");
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert!(error.to_string().contains("close_notify"), "{error}");
}

#[tokio::test]
async fn halves_half_close_and_join_again() {
    let (ours, theirs) = pair("").await;
    let (read, mut write) = ours.into_split();
    write.write_all(b"one").await.unwrap();
    let mut ours = {
        write.flush().await.unwrap();
        read.reunite(write).expect("of one link")
    };
    ours.write_all(b"two").await.unwrap();
    let (mut read, write) = ours.into_split();
    drop(write);
    let mut theirs = theirs;
    assert_eq!(end_of(&mut theirs).await, b"onetwo");
    theirs.write_all(b"three").await.unwrap();
    theirs.shutdown().await.unwrap();
    let mut heard = vec![];
    read.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"three");
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let (mut ours, theirs) = pair("").await;
    theirs.abort();
    let error = ours.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let (mut ours, theirs) = pair("").await;
    let (read, write) = theirs.into_split();
    write.abort();
    read.abort();
    let error = ours.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

/// Both sides send more than any buffer holds before either has read all of the other's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn much_passes_both_ways_at_once() {
    const SIZE: usize = 24 << 20;
    let (ours, theirs) = pair("").await;
    let run = |link: ByteLink, seed: u8| async move {
        let (mut read, mut write) = link.into_split();
        let sends = tokio::spawn(async move {
            let chunk: Vec<u8> = (0..100_003u32).map(|at| at as u8 ^ seed).collect();
            let mut left = SIZE;
            while left > 0 {
                let size = left.min(chunk.len());
                write.write_all(&chunk[..size]).await.unwrap();
                left -= size;
            }
            write.shutdown().await.unwrap();
        });
        let mut heard = Vec::with_capacity(SIZE);
        read.read_to_end(&mut heard).await.unwrap();
        sends.await.unwrap();
        heard
    };
    let both = async { tokio::join!(tokio::spawn(run(ours, 1)), tokio::spawn(run(theirs, 2))) };
    let both = tokio::time::timeout(Duration::from_mins(1), both);
    let (ours, theirs) = both.await.expect("no deadlock");
    let all = |heard: &[u8], seed: u8| {
        heard.len() == SIZE
            && heard.chunks(100_003).all(|chunk| {
                chunk
                    .iter()
                    .enumerate()
                    .all(|(at, byte)| *byte == at as u8 ^ seed)
            })
    };
    assert!(all(&ours.unwrap(), 2) && all(&theirs.unwrap(), 1));
}

#[tokio::test]
async fn a_stranger_is_pinned_once_and_guarded_from_then_on() {
    let (server, other, client) = (Person::new(), Person::new(), Person::trusting());
    let listener = server.listens("tls://127.0.0.1:0").await;
    let careful = client.careful();
    let (failed, ends) = tokio::join!(dial(&careful, &listener, ""), accepted(&listener));
    match failed.unwrap_err() {
        NetError::Unknown {
            place, fingerprint, ..
        } => {
            assert_eq!(fingerprint, server.key());
            assert_eq!(format!("tls://{place}"), listener.local().to_string());
        }
        other => panic!("{other:?}"),
    }
    let ends = ends.unwrap_err().to_string();
    assert!(
        ends.starts_with("the peer refused the handshake: "),
        "{ends}"
    );

    let (pinned, _) = tokio::join!(dial(&client.net, &listener, ""), accepted(&listener));
    pinned.unwrap();
    assert_eq!(
        client.net.trust.take_pinned().unwrap().fingerprint,
        server.key()
    );
    let (known, _) = tokio::join!(dial(&careful, &listener, ""), accepted(&listener));
    known.unwrap();

    // Somebody else at the same place.
    let port = listener.local().socket_addr().unwrap().port();
    drop(listener);
    let listener = other.listens(&format!("tls://127.0.0.1:{port}")).await;
    for net in [&careful, &client.net] {
        let (changed, _) = tokio::join!(dial(net, &listener, ""), accepted(&listener));
        let changed = changed.unwrap_err();
        assert!(matches!(changed, NetError::KeyChanged(_)), "{changed:?}");
        assert!(changed.is_untrusted());
    }
}

#[tokio::test]
async fn another_key_than_the_pinned_one_is_refused() {
    let (server, client) = (Person::new(), Person::trusting());
    let listener = server.listens("tls://127.0.0.1:0").await;
    let pin = format!("?pin={}", client.key());
    let (failed, _) = tokio::join!(dial(&client.net, &listener, &pin), accepted(&listener));
    match failed.unwrap_err() {
        NetError::WrongKey { got, .. } => assert_eq!(got, server.key()),
        other => panic!("{other:?}"),
    }
    assert!(client.net.trust.take_pinned().is_none());
}

#[tokio::test]
async fn authorities_vouch_for_names() {
    let (server, client) = (Person::new(), Person::new());
    let listener = server.listens("tls://127.0.0.1:0").await;
    server.key();
    let ca = server.home.path().join("cert.pem");
    let ca = format!("?ca={}", ca.display());
    let both = |options: String| {
        let (listener, net) = (&listener, &client.net);
        async move { tokio::join!(dial(net, listener, &options), accepted(listener)) }
    };
    // Our self-signed certificate is its own authority, for the names in it.
    let (ours, theirs) = both(ca.clone()).await;
    assert_eq!(ours.unwrap().peer().key, Some(server.key()));
    assert_eq!(
        theirs.unwrap().peer().key,
        None,
        "who trusts by ca= shows nothing unasked"
    );
    let (failed, _) = both(format!("{ca}&sni=example.org")).await;
    let failed = failed.unwrap_err();
    assert!(matches!(failed, NetError::Untrusted { .. }), "{failed:?}");
    let (failed, _) = both(format!("{ca}&pin={}", client.key())).await;
    assert!(matches!(failed.unwrap_err(), NetError::WrongKey { .. }));
    let (failed, _) = both("?ca=system".into()).await;
    let failed = failed.unwrap_err();
    assert!(
        failed.to_string().contains("nobody whom we trust"),
        "{failed}"
    );
}

#[tokio::test]
async fn protocols_are_agreed_upon_or_the_handshake_fails() {
    let (server, client) = (Person::new(), Person::trusting());
    let listener = server.listens("tls://127.0.0.1:0?alpn=a,b").await;
    let (ours, _) = tokio::join!(
        dial(&client.net, &listener, "?alpn=c,b"),
        accepted(&listener)
    );
    ours.unwrap();
    let (failed, ends) = tokio::join!(dial(&client.net, &listener, "?alpn=c"), accepted(&listener));
    let failed = sources(&failed.unwrap_err());
    assert!(failed.contains("no_application_protocol (120)"), "{failed}");
    let ends = ends.unwrap_err().to_string();
    assert!(ends.contains("alpn="), "{ends}");
}

#[tokio::test]
async fn socket_options_are_those_of_the_connection_below() {
    let (server, client) = (Person::new(), Person::trusting());
    let listener = server
        .listens("tls://127.0.0.1:0?nodelay=0&keepalive")
        .await;
    let options = "?keepidle=7s&keepalive";
    let (ours, theirs) = tokio::join!(dial(&client.net, &listener, options), accepted(&listener));
    let asked = endpoint(&format!("{}{options}", listener.local()));
    let scheme = asked.place.scheme();
    let report = describe_asked(ours.unwrap(), &asked.settings, scheme, Moment::Dial).unwrap();
    assert_eq!(
        report.got("nodelay"),
        Some("1"),
        "as on every TCP socket\n{report}"
    );
    assert_eq!(report.got("keepidle"), Some("7s"));
    assert_eq!(
        report.got("socket"),
        Some("AF_INET, SOCK_STREAM, IPPROTO_TCP")
    );
    let report = sockeye_net::describe(theirs.unwrap()).unwrap();
    assert_eq!(report.got("nodelay"), Some("0"));
    assert_eq!(report.got("keepalive"), Some("1"));
}

#[tokio::test]
async fn what_our_own_files_lack_is_found_before_anything_is_dialled() {
    let (server, client) = (Person::new(), Person::new());
    server.key();
    let here = server.home.path().display();
    let check = |options: String, part: &'static str| {
        let net = &client.net;
        async move {
            // Nobody listens on port 1: whoever dials would be told that.
            let to = endpoint(&format!("tls://127.0.0.1:1?{options}"));
            let error = sources(&connect(net, &to).await.unwrap_err());
            assert!(error.contains(part), "{options}: {error}");
        }
    };
    check("cert=/nowhere/x.pem".into(), "/nowhere/x.pem").await;
    check(format!("key={here}/key.pem"), "write cert= too").await;
    check(format!("cert={here}/cert.pem"), "key").await;
    check("ca=/nowhere/ca.pem".into(), "ca=/nowhere/ca.pem").await;
    check(
        format!("ca={here}/key.pem"),
        "names no certificate authority",
    )
    .await;
    check("ca=system&sni=bücher.example".into(), "xn--").await;
    let failed = listen(&client.net, &endpoint("tls://127.0.0.1:0?cert=/nowhere")).await;
    assert!(matches!(failed.unwrap_err(), NetError::Trust { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_holds_nobody_up_and_is_left_in_the_end() {
    let (server, client) = (Person::new(), Person::trusting());
    let listener = server.listens("tls://127.0.0.1:0").await;
    let address = listener.local().socket_addr().unwrap();
    let _silent = TcpStream::connect(address).await.unwrap();
    let silent = tokio::spawn(accepted_owned(listener.accept().await.unwrap()));
    let (ours, theirs) = tokio::join!(dial(&client.net, &listener, ""), accepted(&listener));
    assert!(ours.is_ok() && theirs.is_ok());
    let after = HANDSHAKE_TIMEOUT;
    let error = silent.await.unwrap().unwrap_err();
    assert_eq!(error, HandshakeError::Timeout { after });
    assert_eq!(
        error.to_string(),
        "the handshake was not complete within 10s"
    );
}

async fn accepted_owned(handshake: Handshake) -> Result<ByteLink, HandshakeError> {
    complete(handshake).await
}

/// Where one peer is wanted, 64 silent ones fill the places until their time is over.
#[tokio::test(start_paused = true)]
async fn so_many_try_at_once_where_one_is_wanted() {
    let (server, client) = (Person::new(), Person::trusting());
    let listener = server.listens("tls://127.0.0.1:0").await;
    let address = listener.local().socket_addr().unwrap();
    let mut silent = vec![];
    for _ in 0..64 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let started = tokio::time::Instant::now();
    let mut failed = 0;
    let first = listener.first_link(|_, error| {
        assert!(matches!(error, HandshakeError::Timeout { .. }), "{error}");
        failed += 1;
    });
    let (link, ours) = tokio::join!(first, dial(&client.net, &listener, ""));
    assert_eq!(link.unwrap().peer().key, Some(client.key()));
    ours.unwrap();
    assert!(failed > 0 && started.elapsed() >= HANDSHAKE_TIMEOUT);
}

/// What a listener says of a peer that sends this and closes.
async fn heard(words: &[u8]) -> HandshakeError {
    let server = Person::new();
    let listener = server.listens("tls://127.0.0.1:0").await;
    let address = listener.local().socket_addr().unwrap();
    let mut peer = TcpStream::connect(address).await.unwrap();
    peer.write_all(words).await.unwrap();
    peer.shutdown().await.unwrap();
    accepted(&listener).await.unwrap_err()
}

#[tokio::test]
async fn who_does_not_speak_tls_to_us_is_quoted() {
    let error = heard(b"GET / HTTP/1.1\r\n\r\n").await.to_string();
    assert_eq!(
        error,
        "the peer does not speak TLS: got 47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a, \
         ASCII \"GET / HTTP/1.1\\r\\n\""
    );
    let error = heard(b"\0\0\0\x05").await.to_string();
    assert_eq!(error, "the peer does not speak TLS: got 00 00 00 05");
    assert_eq!(heard(b"").await, HandshakeError::Closed);
    assert_eq!(
        heard(b"\x16\x03\x01\x02\x00\x01").await,
        HandshakeError::Closed
    );
    let error = heard(b"\x15\x03\x01\x00\x02\x02\x2a").await.to_string();
    assert_eq!(
        error,
        "the peer refused the handshake: bad_certificate (42)"
    );
}

/// What a dialler says of a server that answers the first bytes by this.
async fn told(answer: impl AsyncFnOnce(TcpStream)) -> NetError {
    let client = Person::trusting();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = endpoint(&format!("tls://{}", listener.local_addr().unwrap()));
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        answer(stream).await;
    };
    let (dialled, ()) = tokio::join!(connect(&client.net, &to), serve);
    dialled.unwrap_err()
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_quoted() {
    let error = told(async |mut stream| {
        stream
            .write_all(b"220 mail.example ESMTP\r\n")
            .await
            .unwrap();
        let _ = stream.read_u8().await;
    })
    .await;
    let error = sources(&error);
    assert!(
        error.contains("does not speak TLS: got 32 32 30"),
        "{error}"
    );
    let error = told(async |mut stream| {
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    })
    .await;
    let error = sources(&error);
    assert!(error.contains("an echo, not TLS"), "{error}");
    let error = sources(&told(async |stream| drop(stream)).await);
    assert!(error.contains("during the handshake"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn connect_timeout_covers_the_handshake() {
    let client = Person::trusting();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let to = endpoint(&format!("tls://{address}?connect-timeout=3s"));
    let error = connect(&client.net, &to).await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    let error = sources(&error);
    assert!(
        error.contains("the handshake was not complete within 3s"),
        "{error}"
    );
}

#[tokio::test]
async fn proxies_carry_tls() {
    let (server, client) = (Person::new(), Person::trusting());
    let listener = server.listens("tls://127.0.0.1:0").await;
    let target = listener.local().socket_addr().unwrap();
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let via = format!("?via=http://{}", proxy.local_addr().unwrap());
    tokio::spawn(one_tunnel(proxy, target));
    let (ours, theirs) = tokio::join!(dial(&client.net, &listener, &via), accepted(&listener));
    let (mut ours, mut theirs) = (ours.unwrap(), theirs.unwrap());
    ours.write_all(b"through").await.unwrap();
    ours.shutdown().await.unwrap();
    assert_eq!(end_of(&mut theirs).await, b"through");
    let pinned = client.net.trust.take_pinned().unwrap();
    assert_eq!(
        pinned.place,
        target.to_string(),
        "the target's key, not the proxy's"
    );
}

/// An HTTP proxy for one tunnel.
async fn one_tunnel(proxy: TcpListener, target: SocketAddr) {
    let (mut near, _) = proxy.accept().await.unwrap();
    let mut asked = vec![];
    while !asked.ends_with(b"\r\n\r\n") {
        asked.push(near.read_u8().await.unwrap());
    }
    assert!(asked.starts_with(format!("CONNECT {target} ").as_bytes()));
    near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let mut far = TcpStream::connect(target).await.unwrap();
    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
}

/// An error with what it comes from.
fn sources(error: &NetError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
