//! TLS against ends that are not ours: thieves of certificates, resumed sessions, old versions, noise.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, ServerConfig,
    SignatureScheme, SupportedProtocolVersion,
};
use sockeye_net::trust::{Identity, Trust};
use sockeye_net::{
    Endpoint, HandshakeError, Link, Listener, Net, NetError, SecureListener, connect, listen,
};
use sockeye_trace::Recorder;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn person() -> (Net, TempDir) {
    let home = tempfile::tempdir().unwrap();
    let mut net = Net::new(Recorder::new());
    net.trust = Arc::new(Trust::at(home.path()));
    (net, home)
}

async fn listener(net: &Net) -> SecureListener {
    let endpoint: Endpoint = "tls://127.0.0.1:0".parse().unwrap();
    match listen(net, &endpoint).await.unwrap().remove(0) {
        Listener::Secure(listener) => listener,
        other => panic!("{other:?}"),
    }
}

/// The certificate of one identity with the key of another.
fn stolen(shown: &Identity, held: &Identity) -> Arc<SingleCertAndKey> {
    let certificates = shown.certificates().to_vec();
    let key = Arc::clone(&held.certified().key);
    let stolen = Arc::new(CertifiedKey::new(certificates, key));
    Arc::new(SingleCertAndKey::from(stolen))
}

/// A client that trusts everybody.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn client(
    shows: Arc<SingleCertAndKey>,
    version: &'static SupportedProtocolVersion,
) -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting(provider())))
        .with_client_cert_resolver(shows)
}

fn server_name() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

#[tokio::test]
async fn a_client_that_shows_a_certificate_without_its_key_is_no_peer() {
    let ((server, _home), (owner, _), (thief, _)) = (person(), person(), person());
    let listener = listener(&server).await;
    let address = listener.local().socket_addr().unwrap();
    let owner = owner.trust.identity().unwrap();
    let thief = thief.trust.identity().unwrap();
    for version in [&TLS12, &TLS13] {
        let config = client(stolen(&owner, &thief), version);
        let client = async {
            let stream = TcpStream::connect(address).await.unwrap();
            let connector = TlsConnector::from(Arc::new(config));
            if let Ok(mut stream) = connector.connect(server_name(), stream).await {
                assert!(stream.read_u8().await.is_err());
            }
        };
        let server = async { listener.accept().await.unwrap().complete().await };
        let (error, ()) = tokio::join!(server, client);
        match error.unwrap_err() {
            HandshakeError::Distrusted { why } => assert!(why.contains("signature"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_server_that_shows_a_pinned_certificate_without_its_key_is_not_trusted() {
    let ((client, _home), (owner, _), (thief, _)) = (person(), person(), person());
    let owner = owner.trust.identity().unwrap();
    let thief = thief.trust.identity().unwrap();
    let pin = owner.fingerprint();
    for version in [&TLS12, &TLS13] {
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(stolen(&owner, &thief));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = format!("tls://{}?pin={pin}", listener.local_addr().unwrap());
        let serve = async {
            let (stream, _) = listener.accept().await.unwrap();
            assert!(
                TlsAcceptor::from(Arc::new(config))
                    .accept(stream)
                    .await
                    .is_err()
            );
        };
        let to: Endpoint = to.parse().unwrap();
        let (error, ()) = tokio::join!(connect(&client, &to), serve);
        let error = error.unwrap_err();
        assert!(matches!(error, NetError::Untrusted { .. }), "{error:?}");
        assert!(
            error.to_string().contains("a signature is wrong"),
            "{error}"
        );
    }
}

/// What may be done with a key is looked up after every handshake, so a resumed session has to say
/// whose it is as well.
#[tokio::test]
async fn a_resumed_session_has_the_key_of_its_first_handshake() {
    let ((server, _home), (peer, _)) = (person(), person());
    let listener = listener(&server).await;
    let address = listener.local().socket_addr().unwrap();
    let peer = peer.trust.identity().unwrap();
    for version in [&TLS12, &TLS13] {
        let shows = Arc::new(SingleCertAndKey::from(peer.certified()));
        let config = Arc::new(client(shows, version));
        let mut kinds = vec![];
        for _ in 0..2 {
            let dial = async {
                let stream = TcpStream::connect(address).await.unwrap();
                let connector = TlsConnector::from(Arc::clone(&config));
                let mut stream = connector.connect(server_name(), stream).await.unwrap();
                // The tickets come with the first bytes.
                assert_eq!(stream.read_u8().await.unwrap(), b'.');
                kinds.push(stream.get_ref().1.handshake_kind().unwrap());
                stream.shutdown().await.unwrap();
            };
            let serve = async {
                let link = listener.accept().await.unwrap().complete().await.unwrap();
                let Link::Bytes(mut link) = link else {
                    panic!("{link:?}")
                };
                assert_eq!(link.peer().key, Some(peer.fingerprint()));
                link.write_all(b".").await.unwrap();
                link.shutdown().await.unwrap();
                let mut rest = vec![];
                link.read_to_end(&mut rest).await.unwrap();
            };
            tokio::join!(dial, serve);
        }
        assert_eq!(kinds[1], HandshakeKind::Resumed, "{version:?}");
    }
}

#[tokio::test]
async fn our_diallers_resume_nothing_and_speak_both_versions() {
    let ((client, _home), (server, _)) = (person(), person());
    let server = server.trust.identity().unwrap();
    for version in [&TLS12, &TLS13] {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(server.certified())));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pin = server.fingerprint();
        let to = format!("tls://{}?pin={pin}", listener.local_addr().unwrap());
        let to: Endpoint = to.parse().unwrap();
        for _ in 0..2 {
            let serve = async {
                let (stream, _) = listener.accept().await.unwrap();
                let stream = acceptor.accept(stream).await.unwrap();
                let state = stream.get_ref().1;
                assert_eq!(state.protocol_version(), Some(version.version));
                assert_ne!(state.handshake_kind(), Some(HandshakeKind::Resumed));
            };
            let (link, ()) = tokio::join!(connect(&client, &to), serve);
            assert_eq!(link.unwrap().peer().key, Some(pin));
        }
    }
}

/// What a client says first.
fn client_hello() -> Vec<u8> {
    let (peer, _home) = person();
    let shows = SingleCertAndKey::from(peer.trust.identity().unwrap().certified());
    let config = client(Arc::new(shows), &TLS13);
    let mut client = ClientConnection::new(Arc::new(config), server_name()).unwrap();
    let mut hello = vec![];
    client.write_tls(&mut hello).unwrap();
    hello
}

/// Noise, records of noise, and greetings with some bytes changed.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let hello = client_hello();
    let bytes = prop::collection::vec(any::<u8>(), 0..600);
    let record = (20u8..=24, 0u8..5, bytes.clone()).prop_map(|(kind, minor, body)| {
        let len = (body.len() as u16).to_be_bytes();
        [&[kind, 3, minor][..], &len, &body].concat()
    });
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6);
    let changed = (changes, any::<prop::sample::Index>()).prop_map(move |(changes, cut)| {
        let mut hello = hello.clone();
        for (at, byte) in changes {
            let at = at.index(hello.len());
            hello[at] = byte;
        }
        hello.truncate(cut.index(hello.len()) + 1);
        hello
    });
    let records = prop::collection::vec(record, 1..4).prop_map(|records| records.concat());
    prop_oneof![bytes, records, changed]
}

/// Nothing that comes to a TLS port in place of a handshake does more than end its own connection.
#[test]
fn noise_ends_its_own_connection_and_nothing_else() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (server, _home) = person();
    let listener = runtime.block_on(listener(&server));
    let address = listener.local().socket_addr().unwrap();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(400));
    runner
        .run(&noise(), |noise| {
            runtime.block_on(async {
                let mut peer = TcpStream::connect(address).await.unwrap();
                peer.write_all(&noise).await.unwrap();
                peer.shutdown().await.unwrap();
                let done = listener.accept().await.unwrap().complete().await;
                match done {
                    Ok(link) => Err(TestCaseError::fail(format!("{link:?} for {noise:?}"))),
                    Err(error) => {
                        prop_assert!(!error.to_string().contains(char::is_control));
                        Ok(())
                    }
                }
            })
        })
        .unwrap();
}
