//! Values of options that are addresses: our own, groups, proxies.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::endpoint::{EndpointError, HostPort, Interface, UnixName, shown};

/// Our own address, for those who dial: `bind=:8889`, `bind=127.0.0.2`, `bind=@name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BindAddress {
    /// A host and a port; an empty host is any address, port 0 any port.
    Inet(HostPort),
    /// A Unix name.
    Unix(UnixName),
}

/// A multicast group to join: `239.1.1.1`, or `ff02::fb@eth0`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    /// The group's address.
    pub address: IpAddr,
    /// Where it is joined; otherwise where `mcast-if` says, or where the routes lead.
    pub interface: Option<Interface>,
}

/// A proxy to dial through: `socks5://HOST:PORT`, `http://USER@HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proxy {
    /// What it speaks.
    pub kind: ProxyKind,
    /// As whom we log in, if it asks. The password never stands beside it.
    pub user: Option<Box<str>>,
    /// Where it listens.
    pub at: HostPort,
}

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyKind {
    /// SOCKS 5 (RFC 1928).
    Socks5,
    /// HTTP with `CONNECT` (RFC 9110 §9.3.6).
    Http,
}

/// Reads `ADDRESS` or `ADDRESS@INTERFACE`.
pub(super) fn group(text: &str) -> Option<Group> {
    let (address, interface) = match text.split_once('@') {
        Some((address, interface)) => (address, Some(interface.parse().ok()?)),
        None => (text, None),
    };
    let bare = address
        .strip_prefix('[')
        .and_then(|v6| v6.strip_suffix(']'))
        .unwrap_or(address);
    let address: IpAddr = bare.parse().ok()?;
    address
        .is_multicast()
        .then_some(Group { address, interface })
}

impl FromStr for Proxy {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let kinds = [ProxyKind::Socks5, ProxyKind::Http];
        let found = kinds.into_iter().find_map(|kind| {
            let at = text.strip_prefix(kind.scheme())?.strip_prefix("://")?;
            Some((kind, at.strip_suffix('/').unwrap_or(at)))
        });
        let Some((kind, at)) = found else {
            let scheme = text.split(':').next().unwrap_or_default();
            return Err(EndpointError::UnknownProxy {
                scheme: shown(scheme),
            });
        };
        let (user, at) = match at.rsplit_once('@') {
            Some((user, at)) => (Some(user), at),
            None => (None, at),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err(EndpointError::PasswordWritten);
        }
        Ok(Self {
            kind,
            user: user.filter(|user| !user.is_empty()).map(Into::into),
            at: at.parse()?,
        })
    }
}

impl ProxyKind {
    const fn scheme(self) -> &'static str {
        match self {
            Self::Socks5 => "socks5",
            Self::Http => "http",
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://", self.kind.scheme())?;
        if let Some(user) = &self.user {
            write!(out, "{user}@")?;
        }
        self.at.fmt(out)
    }
}

impl fmt::Display for Group {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(out)?;
        self.interface
            .as_ref()
            .map_or(Ok(()), |interface| write!(out, "@{interface}"))
    }
}

impl fmt::Display for BindAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(HostPort { host, port: 0 }) => host.fmt(out),
            Self::Inet(address) => address.fmt(out),
            Self::Unix(name) => name.fmt(out),
        }
    }
}
