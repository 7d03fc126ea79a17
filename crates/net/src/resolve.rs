//! Names to addresses, as an input: tests bring their own resolver and need no hosts file.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;

use thiserror::Error;

use crate::context::Net;
use crate::endpoint::{Host, HostPort};
use crate::error::{NetError, Operation};

/// What [`Resolve::resolve`] gives back.
pub type Resolving<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<SocketAddr>, ResolveError>> + Send + 'a>>;

/// Turns a host's name into its addresses.
pub trait Resolve: fmt::Debug + Send + Sync {
    /// The addresses of `host`, best first (RFC 6724), each with `port`.
    ///
    /// **Errors:** a name without any address is an error, never an empty list.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a>;
}

/// Why a name has no address.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{reason}")]
pub struct ResolveError {
    /// What the resolver says, for people.
    pub reason: String,
}

/// The addresses of an endpoint's host that may be used, best first; never none.
pub(crate) async fn addresses(
    net: &Net,
    endpoint: &impl fmt::Display,
    at: &HostPort,
) -> Result<Vec<SocketAddr>, NetError> {
    let known = at.host.with_port(at.port);
    let known = known.map_err(|error| NetError::system(Operation::Open, endpoint, error))?;
    let mut found = match (&at.host, known) {
        (_, Some(address)) => vec![address],
        (Host::Name(name), None) => {
            let host = name.as_str();
            let found = net.resolver.resolve(host, at.port).await;
            found.map_err(|source| NetError::Resolve {
                host: host.to_owned(),
                endpoint: endpoint.to_string(),
                source,
            })?
        }
        (_, None) => {
            let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            loopback.map(|ip| SocketAddr::new(ip, at.port)).to_vec()
        }
    };
    // A hosts file may name an address twice, and nobody can listen on it twice.
    let mut seen = HashSet::new();
    found.retain(|address| net.families.allow(address.ip()) && seen.insert(*address));
    if found.is_empty() {
        let (endpoint, families) = (endpoint.to_string(), net.families);
        return Err(NetError::NoAddress { endpoint, families });
    }
    Ok(found)
}

/// The system's resolver: `/etc/hosts`, DNS, and whatever nsswitch.conf names.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        let host = host.to_owned();
        Box::pin(async move {
            // getaddrinfo blocks; a thread of the runtime's blocking pool waits for it.
            tokio::task::spawn_blocking(move || look_up(&host, port))
                .await
                .unwrap_or_else(|_| {
                    Err(ResolveError {
                        reason: "the look-up was cut short".into(),
                    })
                })
        })
    }
}

fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
    let found = (host, port).to_socket_addrs().map_err(|error| {
        let text = error.to_string();
        // "failed to lookup address information: Name or service not known": keep what differs.
        let reason = text
            .rsplit_once(": ")
            .map_or(text.as_str(), |(_, reason)| reason);
        ResolveError {
            reason: reason.to_lowercase(),
        }
    })?;
    let addresses: Vec<SocketAddr> = found.collect();
    if addresses.is_empty() {
        return Err(ResolveError {
            reason: "the name has no address".into(),
        });
    }
    Ok(addresses)
}

/// A fixed table, for tests and for names that must not leave the machine.
#[derive(Clone, Debug, Default)]
pub struct StaticResolver {
    names: HashMap<String, Vec<IpAddr>>,
}

impl StaticResolver {
    /// A table without names.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same table with one more name.
    #[must_use]
    pub fn with(mut self, host: &str, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.names
            .insert(host.to_owned(), addresses.into_iter().collect());
        self
    }
}

impl Resolve for StaticResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        let found = match self.names.get(host) {
            Some(addresses) if !addresses.is_empty() => Ok(addresses
                .iter()
                .map(|ip| SocketAddr::new(*ip, port))
                .collect()),
            _ => Err(ResolveError {
                reason: "the name is not in the table".into(),
            }),
        };
        Box::pin(std::future::ready(found))
    }
}

/// Which families of IP addresses may be used: `-4`, `-6`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Families {
    /// Both.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl Families {
    /// Whether an address may be used.
    pub fn allow(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

impl fmt::Display for Families {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "IPv4 or IPv6",
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_system_knows_addresses_as_names_of_themselves() {
        let found = SystemResolver.resolve("127.0.0.1", 7).await;
        assert_eq!(found, Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 7))]));
    }

    #[tokio::test]
    async fn an_unknown_name_says_so() {
        // RFC 6761, section 6.4: .invalid never exists.
        let error = SystemResolver
            .resolve("no-such-host.invalid", 7)
            .await
            .unwrap_err();
        assert!(
            !error.reason.is_empty() && !error.reason.contains("lookup"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_table_answers_what_it_holds() {
        let v6 = IpAddr::from(Ipv6Addr::LOCALHOST);
        let table = StaticResolver::new().with("here", [v6]);
        assert_eq!(
            table.resolve("here", 9).await,
            Ok(vec![SocketAddr::new(v6, 9)])
        );
        assert!(table.resolve("there", 9).await.is_err());
        assert!(Families::V6.allow(v6) && !Families::V4.allow(v6));
    }
}
