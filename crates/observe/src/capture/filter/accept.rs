//! A filter asked about a packet that was taken apart, as packets of a file are.

use std::net::IpAddr;

use sockeye_trace::packet::{Body, Packet};

use super::{Clause, End, Filter, Test, What, compile::WITH_PORTS};

impl Filter {
    /// Whether the packet is wanted: what [`Filter::compile`]'s program says of it as well.
    pub fn accepts(&self, packet: &Packet<'_>) -> bool {
        let passes = |clause: &Clause| clause.0.iter().any(|test| test.passes(packet));
        self.clauses.iter().all(passes)
    }
}

impl Test {
    fn passes(&self, packet: &Packet<'_>) -> bool {
        let protocol = packet.net.map(|net| net.protocol);
        let has = match self.what {
            What::Port { first, last, end } => {
                if !protocol.is_some_and(|protocol| WITH_PORTS.contains(&protocol.into())) {
                    false
                } else if is_later_fragment(packet) {
                    return true;
                } else {
                    let inside = |port| (first..=last).contains(&port);
                    ports(packet).is_some_and(|(from, to)| end.holds(inside(from), inside(to)))
                }
            }
            What::Host {
                address,
                prefix,
                end,
            } => {
                let inside = |other| shares(address, other, prefix);
                hosts(packet).is_some_and(|(from, to)| end.holds(inside(from), inside(to)))
            }
            What::Protocol(number) => protocol == Some(number),
            What::Arp => matches!(packet.body, Body::Arp { .. }),
            What::Version { v6 } => packet.net.is_some_and(|net| net.source.is_ipv6() == v6),
        };
        has != self.not
    }
}

impl End {
    fn holds(self, source: bool, destination: bool) -> bool {
        match self {
            Self::Either => source || destination,
            Self::Source => source,
            Self::Destination => destination,
        }
    }
}

fn is_later_fragment(packet: &Packet<'_>) -> bool {
    let fragment = packet.net.and_then(|net| net.fragment);
    fragment.is_some_and(|fragment| fragment.offset > 0)
}

/// The ports; protocols that are not taken apart have them in the same place as TCP.
fn ports(packet: &Packet<'_>) -> Option<(u16, u16)> {
    packet.ports().or_else(|| {
        let header = packet.bytes.get(packet.transport_at..)?;
        let header: &[u8; 4] = header.first_chunk()?;
        let port = |high, low| u16::from_be_bytes([high, low]);
        Some((port(header[0], header[1]), port(header[2], header[3])))
    })
}

fn hosts(packet: &Packet<'_>) -> Option<(IpAddr, IpAddr)> {
    match (packet.net, &packet.body) {
        (Some(net), _) => Some((net.source, net.destination)),
        (None, Body::Arp { sender, target, .. }) => Some((*sender, *target)),
        _ => None,
    }
}

/// Whether two addresses of one family have their first bits in common.
fn shares(one: IpAddr, other: IpAddr, prefix: u8) -> bool {
    let differing = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        _ => return false,
    };
    differing >= u32::from(prefix)
}
