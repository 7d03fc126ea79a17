//! Reaching a target through proxies, one after the other.

mod http;
mod reply;
mod socks5;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

pub use reply::ProxyError;

use crate::connect::Limit;
use crate::context::{Net, Secret};
use crate::endpoint::{Endpoint, Host, HostPort};
use crate::error::NetError;
use crate::options::{Proxy, ProxyKind};

/// What one reply of a proxy may have at most. An HTTP answer with its header fields is the longest.
pub(crate) const MAX_REPLY: usize = 16 * 1024;

/// A connection that goes through proxies, and what came through it already.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub(crate) stream: TcpStream,
    /// Bytes that arrived behind a reply and belong to whoever comes next.
    pub(crate) ahead: Vec<u8>,
}

/// Connects to the first proxy and asks each for the next, the last for the target.
pub(crate) async fn connect(
    net: &Net,
    endpoint: &Endpoint,
    hops: &[&Proxy],
    target: &HostPort,
    limit: Limit,
) -> Result<Tunnel, NetError> {
    check_target(endpoint, target)?;
    let (first, rest) = hops.split_first().expect("called where there is a proxy");
    let stream = crate::connect::tcp(net, endpoint, &first.at, limit).await?;
    let mut tunnel = Tunnel {
        stream,
        ahead: vec![],
    };
    let targets = rest.iter().map(|hop| &hop.at).chain([target]);
    for (place, (hop, target)) in hops.iter().zip(targets).enumerate() {
        let asked = timeout_at(
            limit.until,
            tunnel.ask(hop, target, net.proxy_password.as_ref()),
        );
        asked
            .await
            .unwrap_or(Err(ProxyError::Timeout))
            .map_err(|source| NetError::Proxy {
                hop: if hops.len() > 1 {
                    format!("{hop} (proxy {} of {})", place + 1, hops.len())
                } else {
                    hop.to_string()
                },
                target: target.to_string(),
                source,
            })?;
    }
    Ok(tunnel)
}

fn check_target(endpoint: &Endpoint, target: &HostPort) -> Result<(), NetError> {
    let why = match &target.host {
        Host::Unspecified | Host::Any => "a proxy needs a host to go to",
        Host::V6 { scope: Some(_), .. } => "an interface of ours means nothing to a proxy",
        _ if target.port == 0 => "a proxy needs a port to go to",
        _ => return Ok(()),
    };
    Err(NetError::unfit(endpoint, why))
}

impl Tunnel {
    async fn ask(
        &mut self,
        hop: &Proxy,
        target: &HostPort,
        password: Option<&Secret>,
    ) -> Result<(), ProxyError> {
        let login = match (&hop.user, password) {
            (None, _) => None,
            (Some(user), Some(password)) => Some((user.as_ref(), password.reveal())),
            (Some(_), None) => return Err(ProxyError::NoPassword),
        };
        match hop.kind {
            ProxyKind::Socks5 => socks5::ask(self, target, login).await,
            ProxyKind::Http => http::ask(self, target, login).await,
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), ProxyError> {
        self.stream
            .write_all(bytes)
            .await
            .map_err(|error| ProxyError::Broken(error.into()))
    }

    /// Reads until `parse` has found a reply at the front of what has come, and takes that off.
    ///
    /// - **Output of `parse`:** the reply and its length, nothing while it is incomplete.
    async fn reply<T>(
        &mut self,
        parse: impl Fn(&[u8]) -> Result<Option<(T, usize)>, ProxyError>,
    ) -> Result<T, ProxyError> {
        loop {
            if let Some((reply, used)) = parse(&self.ahead)? {
                self.ahead.drain(..used);
                return Ok(reply);
            }
            if self.ahead.len() >= MAX_REPLY {
                return Err(ProxyError::TooLong { limit: MAX_REPLY });
            }
            let room = MAX_REPLY - self.ahead.len();
            let read = (&mut self.stream)
                .take(room as u64)
                .read_buf(&mut self.ahead)
                .await;
            if read.map_err(|error| ProxyError::Broken(error.into()))? == 0 {
                return Err(ProxyError::Closed {
                    after: self.ahead.len(),
                });
            }
        }
    }
}
