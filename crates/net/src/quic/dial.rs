//! Dialling.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, ConnectionError, Endpoint, TokioRuntime};
use socket2::{Domain, Protocol, Type};
use tokio::time::timeout_at;

use super::config::{Times, endpoint as endpoint_config, transport};
use super::connection::Life;
use super::crypto::{self, Client};
use super::error::failed;
use super::socket::Socket;
use crate::connect::{Failure, Limit, Source, apply, targets, unbound, unreached};
use crate::context::Net;
use crate::endpoint::{Endpoint as Place, HostPort};
use crate::errno::Errno;
use crate::error::NetError;
use crate::eyeballs::{interleave, race};
use crate::name::Name;
use crate::options::Moment;
use crate::secure::HandshakeError;
use crate::stream::ByteLink;

/// Opens a connection to `to`, and the first stream of it. Of several addresses the first that
/// completes its handshake wins.
pub(crate) async fn connect(
    net: &Net,
    endpoint: &Place,
    to: &HostPort,
) -> Result<ByteLink, NetError> {
    let limit = Limit::of(&endpoint.settings);
    // Before anything is dialled: what is wrong with our own files is found out at home.
    let client = Client::new(net, endpoint, to)?;
    let (from, addresses) = targets(net, endpoint, to, limit).await?;
    let dialler = Dialler {
        net,
        endpoint,
        from,
        limit,
        client,
    };
    let raced = race(interleave(addresses), limit.until, |address| {
        dialler.attempt(address)
    });
    let life = raced
        .await
        .map_err(|failed| unreached(endpoint, limit, failed))?;
    let opened = timeout_at(limit.until, life.open()).await;
    let stream = opened.map_err(|_| limit.error(endpoint))?;
    let stream = stream.map_err(|error| dialler.failed(HandshakeError::Broken(error.into())))?;
    Ok(stream.into_link(&net.recorder, net.recorder.next_conn()))
}

/// What all addresses of an endpoint are dialled with.
struct Dialler<'a> {
    net: &'a Net,
    endpoint: &'a Place,
    from: Source,
    limit: Limit,
    client: Client,
}

impl Dialler<'_> {
    /// Tries one address.
    async fn attempt(&self, to: SocketAddr) -> Result<Arc<Life>, Failure> {
        let socket = self.socket(to)?;
        let endpoint = Endpoint::new_with_abstract_socket(
            endpoint_config(),
            None,
            Arc::<Socket>::clone(&socket),
            Arc::new(TokioRuntime),
        )?;
        let mut config = ClientConfig::new(Arc::<QuicClientConfig>::clone(&self.client.config));
        config.transport_config(transport(to, 1, 0, Times::default()));
        let connecting = endpoint
            .connect_with(config, to, &self.client.server_name)
            .map_err(|error| NetError::unfit(self.endpoint, error.to_string()))
            .map_err(Failure::Setting)?;
        let done = async {
            tokio::select! {
                done = connecting => done.map_err(|error| self.refused(&error)),
                said = socket.unreachable() => Err(said.map_or_else(Failure::from, Failure::System)),
            }
        };
        match timeout_at(self.limit.until, done).await {
            Ok(connection) => {
                let life = Life::new(connection?, socket, &self.net.afterlife);
                let key = crypto::key_of(&life.connection);
                let accepted = self.client.judge.accept(key);
                accepted.map(|()| life).map_err(Failure::Setting)
            }
            Err(_) => match socket.foreign() {
                Some(got) => {
                    let protocol = "QUIC";
                    let foreign = HandshakeError::Foreign { protocol, got };
                    Err(Failure::Setting(self.failed(foreign)))
                }
                // Whoever races the addresses sees the time end as well.
                None => pending().await,
            },
        }
    }

    /// What became of an attempt that failed.
    fn refused(&self, error: &ConnectionError) -> Failure {
        match error {
            ConnectionError::TimedOut => Failure::System(Errno::new(libc::ETIMEDOUT)),
            error => Failure::Setting(self.failed(failed(error))),
        }
    }

    fn failed(&self, source: HandshakeError) -> NetError {
        self.client.judge.error(source)
    }

    /// A socket that hears `to` alone.
    fn socket(&self, to: SocketAddr) -> Result<Arc<Socket>, Failure> {
        let Self { endpoint, from, .. } = self;
        let socket =
            socket2::Socket::new(Domain::for_address(to), Type::DGRAM, Some(Protocol::UDP))?;
        apply(endpoint, &socket, Moment::Dial).map_err(Failure::Setting)?;
        if let Some(own) = from.address(to) {
            let bound = socket.bind(&own.into());
            bound.map_err(|error| unbound(endpoint, &Name::udp(own), error))?;
        }
        socket.connect(&to.into())?;
        let socket = Socket::new(socket)?;
        // The kernel may give a free port of our own machine to the very socket that dials it.
        if socket.local() == to {
            return Err(Failure::System(Errno::new(libc::ECONNREFUSED)));
        }
        Ok(socket)
    }
}
