//! Raw IP places: `ip://HOST?proto=icmp`.

use std::fmt;

use super::error::{EndpointError, shown};
use super::{Endpoint, Host, HostPort, Place, decode_text};
use crate::endpoint::Scheme;
use crate::options::{OptionError, Settings};

/// A host and the protocol that a raw socket carries.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RawPlace {
    /// Which machine, or which of our own addresses.
    pub host: Host,
    /// What the IP header announces.
    pub protocol: RawProtocol,
}

/// A protocol number of IP (IANA, "Assigned Internet Protocol Numbers").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RawProtocol(pub u8);

impl RawProtocol {
    /// Control messages of IPv4 (RFC 792).
    pub const ICMP: Self = Self(1);
    /// Group management of IPv4 (RFC 3376).
    pub const IGMP: Self = Self(2);
    /// Control messages of IPv6 (RFC 4443).
    pub const ICMPV6: Self = Self(58);

    fn read(text: &str) -> Option<Self> {
        match text {
            "icmp" => Some(Self::ICMP),
            "igmp" => Some(Self::IGMP),
            "icmpv6" => Some(Self::ICMPV6),
            number if number.bytes().all(|b| b.is_ascii_digit()) => number.parse().ok().map(Self),
            _ => None,
        }
    }
}

impl fmt::Display for RawProtocol {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ICMP => out.write_str("icmp"),
            Self::IGMP => out.write_str("igmp"),
            Self::ICMPV6 => out.write_str("icmpv6"),
            Self(number) => number.fmt(out),
        }
    }
}

impl fmt::Display for RawPlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ip://{}?proto={}", self.host, self.protocol)
    }
}

/// Reads what follows `ip://`. The protocol is written among the options but belongs to the
/// place, since there is no raw socket without one.
pub(super) fn read(text: &str, host: &str, query: Option<&str>) -> Result<Endpoint, EndpointError> {
    let pairs = query.unwrap_or_default().split('&');
    let is_proto = |pair: &&str| pair.split('=').next() == Some("proto");
    let mut protos = pairs.clone().filter(is_proto);
    let proto = protos.next();
    if protos.next().is_some() {
        return Err(OptionError::Repeated { name: "proto" }.into());
    }
    let value = proto
        .and_then(|pair| pair.split_once('='))
        .map_or("", |(_, value)| value);
    let read = RawProtocol::read(&decode_text(value)?);
    let protocol = read.ok_or_else(|| EndpointError::BadProtocol {
        text: shown(text),
        value: shown(value),
    })?;
    if host.parse::<HostPort>().is_ok() {
        let text = shown(host);
        return Err(EndpointError::BadHost {
            text,
            why: "a raw socket has no port",
        });
    }
    let place = RawPlace {
        host: host.parse()?,
        protocol,
    };
    let rest = pairs.filter(|pair| !is_proto(pair));
    let settings = Settings::from_pairs(rest, Scheme::Ip)?;
    Ok(Endpoint {
        place: Place::Ip(place),
        settings,
    })
}
