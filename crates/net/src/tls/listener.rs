//! Listening for TLS.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rustls::server::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::carrier::Carrier;
use super::failure::of_handshake;
use super::{Tls, server};
use crate::context::Net;
use crate::endpoint::{Endpoint, HostPort};
use crate::error::NetError;
use crate::link::{Link, Listener};
use crate::listen::{StreamListener, tcp};
use crate::name::Name;
use crate::secure::{Accepts, Handshake, HandshakeError, SecureListener};
use crate::stream::{ByteLink, Raw};

/// A TCP socket whose connections begin with a handshake of TLS.
struct TlsListener {
    tcp: StreamListener,
    config: Arc<ServerConfig>,
}

/// Opens what `tls://` means.
pub(crate) async fn listen(
    net: &Net,
    endpoint: &Endpoint,
    at: &HostPort,
) -> Result<Vec<Listener>, NetError> {
    let config = Arc::new(server(net, endpoint)?);
    let sockets = tcp::listen(net, endpoint, at).await?;
    let secure = sockets.into_iter().map(|tcp| {
        let local = as_tls(tcp.local());
        let config = Arc::clone(&config);
        Listener::Secure(SecureListener::new(TlsListener { tcp, config }, local))
    });
    Ok(secure.collect())
}

impl Accepts for TlsListener {
    fn accept(&self) -> BoxFuture<'_, io::Result<Handshake>> {
        let accept = async {
            let link = self.tcp.accept().await?;
            let (peer, local) = (as_tls(link.peer_name()), as_tls(&link.local()));
            let config = Arc::clone(&self.config);
            let name = peer.clone();
            Ok(Handshake::new(link.conn(), peer, local, async move {
                secure(link, name, config).await
            }))
        };
        accept.boxed()
    }
}

impl AsFd for TlsListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tcp.as_fd()
    }
}

/// Makes a secure link of a bare one; it keeps its number.
async fn secure(
    link: ByteLink,
    peer: Name,
    config: Arc<ServerConfig>,
) -> Result<Link, HandshakeError> {
    let ByteLink { raw, tally, .. } = link;
    let Raw::Tcp(stream) = raw else {
        unreachable!("a TCP listener accepts TCP connections")
    };
    let tls = accept(stream, config).await?;
    Ok(Link::Bytes(ByteLink {
        raw: Raw::Layered(Box::new(tls)),
        tally,
        peer,
        extra: None,
    }))
}

/// Runs the server's side of a handshake, for as long as the peer takes.
pub(crate) async fn accept(
    stream: TcpStream,
    config: Arc<ServerConfig>,
) -> Result<Tls, HandshakeError> {
    let accept = TlsAcceptor::from(config).accept(Carrier::new(stream, vec![]));
    match accept.into_fallible().await {
        Ok(stream) => Ok(Tls::new(stream.into())),
        Err((error, carrier)) => Err(of_handshake(&error, carrier.first_words())),
    }
}

fn as_tls(name: &Name) -> Name {
    name.socket_addr().map_or_else(|| name.clone(), Name::tls)
}
