//! TLS: what both sides bring to the handshake, and streams over it.
//!
//! QUIC and WebSocket use the same: [`server`] and [`Dialling`] say who we are and whom we trust,
//! for whatever carries the handshake.

mod carrier;
mod dialling;
mod failure;
mod layer;
mod listener;
mod verifier;

use std::sync::{Arc, OnceLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::ServerConfig;
use rustls::sign::SingleCertAndKey;
use rustls::{KeyLogFile, pki_types::CertificateDer};

pub(crate) use dialling::{Dialling, Judge, connect};
pub(crate) use failure::of_tls;
pub(crate) use layer::Tls;
pub(crate) use listener::{accept, listen};
use verifier::AnyClient;

use crate::context::Net;
use crate::endpoint::Endpoint;
use crate::error::NetError;
use crate::options::OptionKey;
use crate::trust::{Fingerprint, Identity};

/// The cryptography, made once.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let made = || Arc::new(aws_lc_rs::default_provider());
    Arc::clone(PROVIDER.get_or_init(made))
}

/// What a listener brings to the handshake: who it is, and that it takes a client with any key or
/// none, as long as the client proves to have the one that it shows. What a key may do the service
/// decides.
///
/// Sessions may be resumed; a resumed one has the key that its first handshake has proved.
pub(crate) fn server(net: &Net, endpoint: &Endpoint) -> Result<ServerConfig, NetError> {
    let identity = identity(net, endpoint)?;
    let provider = provider();
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| NetError::unfit(endpoint, error.to_string()))?
        .with_client_cert_verifier(Arc::new(AnyClient::new(&provider)))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified())));
    config.alpn_protocols = protocols(endpoint);
    config.key_log = Arc::new(KeyLogFile::new());
    Ok(config)
}

/// Who we are to the peers of this endpoint: what `cert=` and `key=` say, else this user.
fn identity(net: &Net, endpoint: &Endpoint) -> Result<Arc<Identity>, NetError> {
    let settings = &endpoint.settings;
    let certificate = settings.file(OptionKey::Cert);
    let key = settings.file(OptionKey::Key).or(certificate);
    let found = match (certificate, key) {
        (Some(certificate), Some(key)) => Identity::from_files(certificate, key).map(Arc::new),
        (None, Some(_)) => {
            return Err(NetError::unfit(
                endpoint,
                "key= needs the certificate for it: write cert= too",
            ));
        }
        _ => net.trust.identity(),
    };
    found.map_err(|source| NetError::Trust {
        endpoint: endpoint.to_string(),
        source,
    })
}

/// What `alpn=` offers.
fn protocols(endpoint: &Endpoint) -> Vec<Vec<u8>> {
    let names = endpoint.settings.protocols();
    names.map(|name| name.as_bytes().to_vec()).collect()
}

/// The key that the handshake has proved, of a resumed session the one that its first handshake
/// has. Ask after every handshake: no verifier runs in a resumed one.
pub(crate) fn proved(shown: Option<&[CertificateDer<'_>]>) -> Option<Fingerprint> {
    // The verifiers take no certificate whose key cannot be read.
    Fingerprint::of_certificate(shown?.first()?).ok()
}
