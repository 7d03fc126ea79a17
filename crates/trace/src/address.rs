//! Where a socket is, and what it speaks.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a socket speaks.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Transport {
    /// TCP (and MPTCP).
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// A stream of a QUIC connection; its packets are UDP's.
    Quic,
    /// Unix streams.
    Unix,
    /// Unix datagrams.
    UnixDgram,
    /// Unix sequenced packets.
    UnixSeqpacket,
    /// Raw IP.
    Raw,
    /// Link layer (packet(7)).
    Packet,
    /// Anything else: netlink, vsock …
    Other,
}

impl Transport {
    /// Its name, as in an endpoint.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Quic => "quic",
            Self::Unix => "unix",
            Self::UnixDgram => "unix-dgram",
            Self::UnixSeqpacket => "unix-seqpacket",
            Self::Raw => "raw",
            Self::Packet => "packet",
            Self::Other => "other",
        }
    }

    /// Whether it is a stream of bytes; elsewhere the kernel keeps messages apart.
    pub const fn is_stream(self) -> bool {
        matches!(self, Self::Tcp | Self::Quic | Self::Unix)
    }

    /// Whether packets of it can be seen on an interface.
    pub const fn has_wire(self) -> bool {
        matches!(self, Self::Tcp | Self::Udp | Self::Raw)
    }
}

/// One end of a flow. As text: `127.0.0.1:5000`, `[::1]:5000`, a path, `@name`, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A Unix socket without a name, or not known.
    #[default]
    None,
    /// An IP address and a port (0 for raw IP). IPv4 in IPv6 is stored as IPv4.
    Ip(SocketAddr),
    /// The name of a Unix socket: a path, or `@name`.
    Unix(String),
}

impl Address {
    /// The address of a socket; IPv4-mapped IPv6 becomes IPv4, as it is on the wire.
    pub fn ip(address: SocketAddr) -> Self {
        Self::Ip(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }

    /// The port, where it has one.
    pub const fn port(&self) -> Option<u16> {
        match self {
            Self::Ip(address) => Some(address.port()),
            _ => None,
        }
    }

    /// Whether it says nothing.
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Ip(address) => address.fmt(f),
            Self::Unix(name) => f.write_str(name),
        }
    }
}

impl FromStr for Address {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.parse() {
            Ok(address) => Self::ip(address),
            Err(_) if text.is_empty() => Self::None,
            Err(_) => Self::Unix(text.to_owned()),
        })
    }
}

impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Ok(address) = String::deserialize(deserializer)?.parse();
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back() {
        for text in ["127.0.0.1:5000", "[::1]:5000", "/run/x.sock", "@name", ""] {
            let Ok(address) = text.parse::<Address>();
            assert_eq!(address.to_string(), text);
        }
        let Ok(mapped) = "[::ffff:127.0.0.1]:7".parse::<Address>();
        assert_eq!(mapped.to_string(), "127.0.0.1:7");
    }
}
