//! The TLS inside QUIC: what `tls://` has, but for the protocol's name.

use std::fmt::Display;
use std::sync::Arc;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{Connection, ServerConfig};
use rustls::pki_types::CertificateDer;

use super::ALPN;
use crate::context::Net;
use crate::endpoint::{Endpoint, HostPort};
use crate::error::NetError;
use crate::tls::{self, Dialling, Judge};
use crate::trust::Fingerprint;

/// What a listener brings to its handshakes.
pub(super) fn server(net: &Net, endpoint: &Endpoint) -> Result<ServerConfig, NetError> {
    let mut config = tls::server(net, endpoint)?;
    name_protocol(&mut config.alpn_protocols);
    let config = QuicServerConfig::try_from(config).map_err(|error| unfit(endpoint, &error))?;
    Ok(ServerConfig::with_crypto(Arc::new(config)))
}

/// What a dialler brings to its handshakes, and what it says of their outcome.
pub(super) struct Client {
    pub(super) config: Arc<QuicClientConfig>,
    pub(super) server_name: String,
    pub(super) judge: Judge,
}

impl Client {
    pub(super) fn new(net: &Net, endpoint: &Endpoint, at: &HostPort) -> Result<Self, NetError> {
        let Dialling {
            mut config,
            server_name,
            judge,
        } = Dialling::new(net, endpoint, at)?;
        name_protocol(&mut config.alpn_protocols);
        let config = QuicClientConfig::try_from(config).map_err(|error| unfit(endpoint, &error))?;
        Ok(Self {
            config: Arc::new(config),
            server_name: server_name.to_str().into_owned(),
            judge,
        })
    }
}

/// QUIC always names a protocol (RFC 9001, section 8.1).
fn name_protocol(protocols: &mut Vec<Vec<u8>>) {
    if protocols.is_empty() {
        protocols.push(ALPN.to_vec());
    }
}

fn unfit(endpoint: &Endpoint, error: &impl Display) -> NetError {
    NetError::unfit(endpoint, error.to_string())
}

/// The key that the peer has proved to hold, if it showed one.
pub(super) fn key_of(connection: &Connection) -> Option<Fingerprint> {
    let shown = connection.peer_identity()?;
    let chain = shown.downcast_ref::<Vec<CertificateDer<'static>>>()?;
    tls::proved(Some(chain))
}
