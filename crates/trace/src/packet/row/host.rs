//! Addresses as the table shows them.

use std::fmt;
use std::net::IpAddr;

use crate::packet::{Body, Packet};

/// An address as the table shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// Of IP.
    Ip(IpAddr),
    /// Of the link.
    Mac([u8; 6]),
    /// None.
    None,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Mac(address) => {
                let mut text = String::with_capacity(17);
                for (index, byte) in address.iter().enumerate() {
                    let colon = if index == 0 { "" } else { ":" };
                    fmt::Write::write_fmt(&mut text, format_args!("{colon}{byte:02x}"))?;
                }
                f.pad(&text)
            }
            Self::None => f.pad("-"),
        }
    }
}

/// Who sent a packet, and whom it is for.
pub(super) fn hosts(packet: &Packet<'_>) -> (Host, Host) {
    if let Some(net) = packet.net {
        return (Host::Ip(net.source), Host::Ip(net.destination));
    }
    if let Body::Arp { sender, target, .. } = packet.body {
        return (Host::Ip(sender), Host::Ip(target));
    }
    let mac = |address: Option<[u8; 6]>| address.map_or(Host::None, Host::Mac);
    (mac(packet.link.source), mac(packet.link.destination))
}
