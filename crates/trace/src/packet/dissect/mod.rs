//! Taking a frame apart: link, IP and its extensions, and what they carry.

mod ip;
mod link;
pub mod link_type;
mod transport;

use std::ops::Range;

use super::{Body, Damage, Link, Packet, Part};

/// EtherTypes (IANA).
pub(super) const ETHER_IPV4: u16 = 0x0800;
pub(super) const ETHER_ARP: u16 = 0x0806;
pub(super) const ETHER_IPV6: u16 = 0x86dd;
/// IP protocol numbers (IANA).
const ICMP: u8 = 1;
const IGMP: u8 = 2;
const TCP: u8 = 6;
const UDP: u8 = 17;
pub(super) const ICMPV6: u8 = 58;

/// Takes a frame apart. Never panics and allocates nothing, whatever the bytes.
///
/// - **Input:** the link type of pcap, the bytes that were captured, and the frame's length on the wire.
pub fn dissect(link_type: u32, bytes: &[u8], original_len: u32) -> Packet<'_> {
    let wire = (original_len as usize).max(bytes.len());
    let mut packet = Packet {
        bytes,
        original_len: u32::try_from(wire).unwrap_or(u32::MAX),
        link: Link {
            kind: link_type,
            ..Link::default()
        },
        net_at: 0,
        transport_at: 0,
        net: None,
        body: Body::Link(0),
        payload: bytes.len()..bytes.len(),
        payload_len: 0,
        quoted: None,
        oddity: None,
    };
    let mut reader = Dissector {
        bytes,
        at: 0,
        end: wire,
        oddity: None,
    };
    match reader.link(link_type, &mut packet.link) {
        Ok(()) => {
            packet.net_at = reader.at;
            packet.transport_at = reader.at;
            packet.body = reader.network(&mut packet).unwrap_or_else(Body::Damaged);
        }
        Err(damage) => packet.body = Body::Damaged(damage),
    }
    packet.payload = reader.have();
    packet.payload_len = u32::try_from(reader.end - reader.at).unwrap_or(u32::MAX);
    packet.oddity = reader.oddity;
    packet
}

/// A place in a frame. `at <= end` always; `end` may lie beyond what was captured.
struct Dissector<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where what encloses this place ends on the wire.
    end: usize,
    oddity: Option<Damage>,
}

impl<'a> Dissector<'a> {
    /// What is left and was captured.
    fn have(&self) -> Range<usize> {
        let end = self.end.min(self.bytes.len());
        self.at.min(end)..end
    }

    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.have()]
    }

    /// Why `need` bytes from here on are not there.
    fn missing(&self, need: usize, part: Part) -> Damage {
        if self.at + need <= self.end {
            Damage::Cut(part)
        } else {
            Damage::Ends(part)
        }
    }

    /// The next `N` bytes; stays where it is.
    fn peek<const N: usize>(&self, part: Part) -> Result<&'a [u8; N], Damage> {
        self.rest()
            .first_chunk()
            .ok_or_else(|| self.missing(N, part))
    }

    /// Passes a header by: never beyond the end.
    fn pass(&mut self, bytes: usize) {
        self.at = (self.at + bytes).min(self.end);
    }

    /// Ends what follows after `bytes` of it, where that fits; else says that `part` lies.
    fn bound(&mut self, bytes: usize, part: Part) {
        match self.at.checked_add(bytes) {
            Some(end) if end <= self.end => self.end = end,
            _ => self.oddity = Some(Damage::Lies(part)),
        }
    }

    fn network(&mut self, packet: &mut Packet<'_>) -> Result<Body, Damage> {
        match packet.link.protocol {
            ETHER_IPV4 | ETHER_IPV6 => {}
            ETHER_ARP => return self.arp(),
            other => return Ok(Body::Link(other)),
        }
        let net = self.ip()?;
        packet.net = Some(net);
        packet.transport_at = self.at;
        if net.fragment.is_some_and(|fragment| fragment.offset > 0) {
            return Ok(Body::Fragment);
        }
        match net.protocol {
            TCP => self.tcp().map(Body::Tcp),
            UDP => self.udp(&net).map(Body::Udp),
            ICMP | ICMPV6 => self.icmp(net.protocol == ICMPV6, &mut packet.quoted),
            IGMP => {
                let [kind, ..] = *self.peek::<8>(Part::Igmp)?;
                self.pass(8);
                Ok(Body::Igmp { kind })
            }
            other => Ok(Body::Other(other)),
        }
    }
}

#[cfg(test)]
mod tests;
