//! Dialling with TLS.

use std::path::Path;
use std::sync::Arc;

use rustls::client::{ClientConfig, Resumption, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::SingleCertAndKey;
use rustls::{KeyLogFile, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;

use super::carrier::Carrier;
use super::failure::{of_handshake, of_tls};
use super::verifier::{Rule, Verifier};
use super::{Tls, identity, protocols, provider};
use crate::connect::{Limit, reach};
use crate::context::Net;
use crate::endpoint::{Endpoint, Host, HostPort};
use crate::error::NetError;
use crate::name::Name;
use crate::options::{Authorities, OptionKey};
use crate::secure::HandshakeError;
use crate::stream::{ByteLink, Raw};
use crate::trust::{Fingerprint, FirstUse};

/// What a dialler brings to the handshake, and its judgement afterwards.
#[derive(Debug)]
pub(crate) struct Dialling {
    pub(crate) config: ClientConfig,
    /// Whom we ask for.
    pub(crate) server_name: ServerName<'static>,
    pub(crate) judge: Judge,
}

/// Says whether a server's key will do, and if not, why.
#[derive(Clone, Debug)]
pub(crate) struct Judge {
    net: Net,
    endpoint: Endpoint,
    /// `HOST:PORT` as typed, where a pin is looked up.
    place: String,
    verifier: Arc<Verifier>,
}

impl Dialling {
    /// Trusts by `pin=`, by `ca=`, or by whom we know as `at`; shows our identity unless `ca=` is
    /// written without `cert=`, since whom an authority vouches for is no acquaintance of ours.
    pub(crate) fn new(net: &Net, endpoint: &Endpoint, at: &HostPort) -> Result<Self, NetError> {
        let settings = &endpoint.settings;
        let provider = provider();
        let place = place(at);
        let rule = rule(net, endpoint, &place)?;
        let verifier = Arc::new(Verifier::new(rule, &provider));
        let shows = settings.authorities().is_none() || settings.has(OptionKey::Cert);
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| NetError::unfit(endpoint, error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as _);
        let mut config = if shows {
            let certified = identity(net, endpoint)?.certified();
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
        } else {
            builder.with_no_client_auth()
        };
        config.alpn_protocols = protocols(endpoint);
        config.key_log = Arc::new(KeyLogFile::new());
        // Each dialler has its own rule, and what another one has checked is nothing to it.
        config.resumption = Resumption::disabled();
        let server_name = server_name(endpoint, at, &mut config)?;
        let judge = Judge {
            net: net.clone(),
            endpoint: endpoint.clone(),
            place,
            verifier,
        };
        Ok(Self {
            config,
            server_name,
            judge,
        })
    }
}

impl Judge {
    /// The last word, after the handshake has proved this key: pins it on first use, where that is
    /// wanted.
    pub(crate) fn accept(&self, key: Option<Fingerprint>) -> Result<(), NetError> {
        let settings = &self.endpoint.settings;
        if settings.has(OptionKey::Pin) || settings.has(OptionKey::Ca) {
            return Ok(());
        }
        let key = key.ok_or_else(|| self.untrusted("it showed no certificate".into()))?;
        self.net.trust.check(&self.endpoint, &self.place, key)
    }

    /// Why a handshake failed.
    pub(crate) fn error(&self, source: HandshakeError) -> NetError {
        if let Some(got) = self.verifier.refused() {
            return self.of_refused(got);
        }
        let distrusted = self.verifier.distrusted();
        match distrusted.map_or(source, |error| of_tls(&error)) {
            HandshakeError::Distrusted { why } => self.untrusted(why),
            source => NetError::Handshake {
                endpoint: self.endpoint.to_string(),
                source,
            },
        }
    }

    /// Why a key was turned down before it was proved.
    fn of_refused(&self, got: Fingerprint) -> NetError {
        let endpoint = self.endpoint.to_string();
        if self.endpoint.settings.has(OptionKey::Pin) {
            return NetError::WrongKey { endpoint, got };
        }
        let checked = self.net.trust.check(&self.endpoint, &self.place, got);
        // Whoever pinned this key meanwhile: the handshake failed all the same.
        let unknown = || NetError::Unknown {
            endpoint,
            place: self.place.clone(),
            fingerprint: got,
        };
        checked.err().unwrap_or_else(unknown)
    }

    fn untrusted(&self, why: String) -> NetError {
        NetError::Untrusted {
            endpoint: self.endpoint.to_string(),
            why,
        }
    }
}

/// `HOST:PORT` as typed; the name of this machine where no host was.
fn place(at: &HostPort) -> String {
    match at.host {
        Host::Unspecified => format!("localhost:{}", at.port),
        _ => at.to_string(),
    }
}

/// What the server's key has to be.
fn rule(net: &Net, endpoint: &Endpoint, place: &str) -> Result<Rule, NetError> {
    let settings = &endpoint.settings;
    let pin = settings.pin();
    if let Some(from) = settings.authorities() {
        return Ok(Rule::Vouched(authorities(endpoint, from)?, pin));
    }
    if let Some(pin) = pin {
        return Ok(Rule::Pinned(pin));
    }
    let failed = |source| NetError::Trust {
        endpoint: endpoint.to_string(),
        source,
    };
    // Where there is no folder, nobody is known and nobody can be pinned.
    let Ok(known) = net.trust.known_peers() else {
        return Ok(Rule::Unknown);
    };
    let known = known.pin_of(place).map_err(failed)?;
    Ok(match (known, net.trust.first_use) {
        (Some(pin), _) => Rule::Known(Some(pin.fingerprint)),
        (None, FirstUse::Pin) => Rule::Known(None),
        (None, FirstUse::Refuse) => Rule::Unknown,
    })
}

/// Who may vouch for a server.
fn authorities(
    endpoint: &Endpoint,
    from: &Authorities,
) -> Result<Arc<WebPkiServerVerifier>, NetError> {
    let mut roots = RootCertStore::empty();
    match from {
        Authorities::System => {
            // One that cannot be read keeps nobody from trusting the others.
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
        Authorities::File(path) => {
            for root in read_authorities(endpoint, path)? {
                let added = roots.add(root);
                added.map_err(|error| unusable(endpoint, path, &error))?;
            }
        }
    }
    if roots.is_empty() {
        let why = format!("ca={from} names no certificate authority");
        return Err(NetError::unfit(endpoint, why));
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| NetError::unfit(endpoint, error.to_string()))
}

fn read_authorities(
    endpoint: &Endpoint,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, NetError> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    found.map_err(|error| unusable(endpoint, path, &error))
}

fn unusable(endpoint: &Endpoint, path: &Path, error: &impl std::fmt::Display) -> NetError {
    NetError::unfit(endpoint, format!("ca={}: {error}", path.display()))
}

/// Whom to ask for: `sni=`, or the endpoint's host. A host that TLS has no word for is asked for by
/// no name, which only matters to those who check names.
fn server_name(
    endpoint: &Endpoint,
    at: &HostPort,
    config: &mut ClientConfig,
) -> Result<ServerName<'static>, NetError> {
    let host = match (endpoint.settings.text(OptionKey::Sni), &at.host) {
        (Some(name), _) => name.to_owned(),
        (None, Host::Unspecified) => "localhost".into(),
        (None, host) => match host.ip() {
            Some(address) => return Ok(ServerName::from(address)),
            None => host.to_string(),
        },
    };
    match ServerName::try_from(host) {
        Ok(name) => Ok(name),
        Err(_) if endpoint.settings.has(OptionKey::Ca) || endpoint.settings.has(OptionKey::Sni) => {
            Err(NetError::unfit(
                endpoint,
                "TLS knows host names in ASCII only: write sni=xn--… as the registry has it",
            ))
        }
        Err(_) => {
            config.enable_sni = false;
            Ok(ServerName::from(std::net::IpAddr::from([0, 0, 0, 0])))
        }
    }
}

/// Dials `tls://`.
pub(crate) async fn connect(
    net: &Net,
    endpoint: &Endpoint,
    at: &HostPort,
) -> Result<ByteLink, NetError> {
    let limit = Limit::of(&endpoint.settings);
    // Before anything is dialled: what is wrong with our own files is found out at home.
    let dialling = Dialling::new(net, endpoint, at)?;
    let tunnel = reach(net, endpoint, at, limit).await?;
    let failed = |error| NetError::system(crate::error::Operation::Connect, endpoint, error);
    let peer = Name::tls(tunnel.stream.peer_addr().map_err(failed)?);
    let shake = handshake(dialling, tunnel.stream, tunnel.ahead);
    let tls = timeout_at(limit.until, shake)
        .await
        .unwrap_or_else(|_| Err(silent(endpoint, limit)))?;
    Ok(ByteLink::new(
        Raw::Layered(Box::new(tls)),
        peer,
        &net.recorder,
    ))
}

/// There is a connection, and nobody completes the handshake on it.
fn silent(endpoint: &Endpoint, limit: Limit) -> NetError {
    NetError::Handshake {
        endpoint: endpoint.to_string(),
        source: HandshakeError::Timeout { after: limit.after },
    }
}

/// Runs the dialler's side of a handshake, for as long as the peer takes.
async fn handshake(dialling: Dialling, stream: TcpStream, ahead: Vec<u8>) -> Result<Tls, NetError> {
    let Dialling {
        config,
        server_name,
        judge,
    } = dialling;
    let carrier = Carrier::new(stream, ahead);
    let connect = TlsConnector::from(Arc::new(config)).connect(server_name, carrier);
    match connect.into_fallible().await {
        Ok(stream) => {
            let tls = Tls::new(stream.into());
            judge.accept(crate::layered::Layered::key(&tls))?;
            Ok(tls)
        }
        Err((error, carrier)) => Err(judge.error(of_handshake(&error, carrier.first_words()))),
    }
}
