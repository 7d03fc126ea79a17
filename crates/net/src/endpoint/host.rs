//! Hosts and ports.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::str::FromStr;

use super::error::{EndpointError, shown};
use super::interface::Interface;
use super::port::{bad_port, port_number, split_port};

/// The longest host name, in bytes (RFC 1123 §2.1; RFC 1035 §2.3.4 counts two more on the wire).
const NAME_LIMIT: usize = 253;
/// The longest label between two dots, in bytes (RFC 1035 §2.3.4).
const LABEL_LIMIT: usize = 63;

/// A host and a port: `NAME:PORT`, `IPV4:PORT`, `[IPV6]:PORT`, `*:PORT` or `:PORT`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// Which machine, or which of our own addresses.
    pub host: Host,
    /// Which port; 0 lets the kernel choose.
    pub port: u16,
}

/// Which machine to dial, or which of our own addresses to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// Nothing written. A listener takes 127.0.0.1 and ::1, a dialler means the same two, and in
    /// `bind=` it is any address.
    Unspecified,
    /// `*`: every address of IPv4 and IPv6, by one dual-stack socket.
    Any,
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, for link-local ones with the interface it is meant on.
    V6 {
        /// The address.
        address: Ipv6Addr,
        /// What stood after `%`.
        scope: Option<Interface>,
    },
    /// A name for the resolver.
    Name(HostName),
}

/// A name that a resolver may be asked for; never empty, never an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostName(Box<str>);

impl HostPort {
    /// Joins the two.
    pub fn new(host: Host, port: u16) -> Self {
        Self { host, port }
    }
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> Self {
        let host = match address {
            SocketAddr::V4(v4) => Host::V4(*v4.ip()),
            SocketAddr::V6(v6) => Host::V6 {
                address: *v6.ip(),
                scope: scope_of(&v6),
            },
        };
        Self::new(host, address.port())
    }
}

fn scope_of(address: &SocketAddrV6) -> Option<Interface> {
    (address.scope_id() != 0).then(|| Interface::from_index(address.scope_id()))
}

impl FromStr for HostPort {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = split_port(text)?;
        let host = host_before_port(host, text)?;
        let Some(port) = port_number(port) else {
            return Err(bad_port(text, port));
        };
        Ok(Self { host, port })
    }
}

/// Reads what stands before the colon of the port.
pub(super) fn host_before_port(host: &str, text: &str) -> Result<Host, EndpointError> {
    if is_bare_v6(host) {
        let port = text.rsplit_once(':').map_or("PORT", |(_, port)| port);
        return Err(EndpointError::NeedsBrackets {
            text: shown(text),
            hint: shown(&format!("[{host}]:{port}")),
        });
    }
    host.parse()
}

/// Whether the text is meant as an IPv6 address and lacks its brackets.
fn is_bare_v6(text: &str) -> bool {
    let address = text.split('%').next().unwrap_or_default();
    let is_of_v6 = |b: u8| b.is_ascii_hexdigit() || b == b':' || b == b'.';
    address.contains(':') && address.bytes().all(is_of_v6)
}

/// The host as it stands before a port.
pub(super) fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.into()
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.host, self.port)
    }
}

impl Host {
    /// The address itself, where the host is one; `*` and the empty host are none.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::V4(address) => Some(IpAddr::V4(*address)),
            Self::V6 { address, .. } => Some(IpAddr::V6(*address)),
            Self::Unspecified | Self::Any | Self::Name(_) => None,
        }
    }

    /// The socket address with this port, where the host is an address. Asks the kernel for the
    /// index of a scope.
    pub fn with_port(&self, port: u16) -> io::Result<Option<SocketAddr>> {
        Ok(match self {
            Self::V4(address) => Some((*address, port).into()),
            Self::V6 { address, scope } => {
                let scope = scope.as_ref().map_or(Ok(0), Interface::index)?;
                Some(SocketAddrV6::new(*address, port, 0, scope).into())
            }
            Self::Unspecified | Self::Any | Self::Name(_) => None,
        })
    }
}

impl FromStr for Host {
    type Err = EndpointError;

    /// Reads a host as it stands before a port, so IPv6 in brackets.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" => return Ok(Self::Unspecified),
            "*" => return Ok(Self::Any),
            _ => {}
        }
        if let Some(v6) = text.strip_prefix('[') {
            return v6
                .strip_suffix(']')
                .map_or_else(|| Err(bad_v6(text)), |v6| host_v6(v6, text));
        }
        if is_bare_v6(text) {
            let hint = shown(&bracketed(text));
            return Err(EndpointError::NeedsBrackets {
                text: shown(text),
                hint,
            });
        }
        if let Ok(v4) = text.parse() {
            return Ok(Self::V4(v4));
        }
        text.parse().map(Self::Name)
    }
}

fn host_v6(inside: &str, text: &str) -> Result<Host, EndpointError> {
    let (address, scope) = match inside.split_once('%') {
        Some((address, scope)) => (address, Some(Interface::from_scope(scope)?)),
        None => (inside, None),
    };
    let address = address.parse().map_err(|_| bad_v6(text))?;
    Ok(Host::V6 { address, scope })
}

fn bad_v6(text: &str) -> EndpointError {
    EndpointError::BadAddress {
        text: shown(text),
        family: "IPv6",
    }
}

impl fmt::Display for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unspecified => Ok(()),
            Self::Any => out.write_str("*"),
            Self::V4(address) => address.fmt(out),
            Self::V6 {
                address,
                scope: None,
            } => write!(out, "[{address}]"),
            Self::V6 {
                address,
                scope: Some(scope),
            } => {
                write!(out, "[{address}%{}]", scope.as_scope())
            }
            Self::Name(name) => name.fmt(out),
        }
    }
}

impl HostName {
    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = EndpointError;

    /// Lenient: underscores and any letters of any script pass, for what matters is that the
    /// resolver finds the name. What no name can hold is refused here, where it can be explained.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |why| EndpointError::BadHost {
            text: shown(text),
            why,
        };
        if text.len() > NAME_LIMIT {
            return Err(bad("a name has at most 253 bytes (RFC 1123)"));
        }
        if text.chars().any(char::is_whitespace) {
            return Err(bad("a name has no blanks"));
        }
        let is_allowed = |c: char| match c {
            '-' | '_' | '.' => true,
            c if c.is_ascii() => c.is_ascii_alphanumeric(),
            c => !super::error::is_unprintable(c),
        };
        if text.contains(':') {
            return Err(bad("one colon stands before the port, and none in a name"));
        }
        if !text.chars().all(is_allowed) {
            return Err(bad("a name has letters, digits, `-`, `_` and dots"));
        }
        let mut labels = text.strip_suffix('.').unwrap_or(text).split('.');
        if labels
            .clone()
            .any(|label| label.is_empty() || label.len() > LABEL_LIMIT)
        {
            return Err(bad("between two dots stand 1 to 63 bytes (RFC 1035)"));
        }
        // RFC 1123 §2.1: the last label of a name is never all digits, so this was an address.
        if labels
            .next_back()
            .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()))
        {
            return Err(EndpointError::BadAddress {
                text: shown(text),
                family: "IPv4",
            });
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}
