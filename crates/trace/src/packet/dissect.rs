//! Taking a frame apart: link, IP and its extensions, and what they carry.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use etherparse::{
    ArpPacketSlice, Ethernet2HeaderSlice, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice,
    Ipv6HeaderSlice, UdpHeaderSlice,
};

use super::{
    Body, Damage, Fragment, Link, Net, Packet, Part, Quoted, Tcp, TcpFlags, TcpOptions, Udp,
};

/// Link types that are taken apart (<https://www.tcpdump.org/linktypes.html>).
pub mod link_type {
    /// BSD loopback: an address family of four bytes.
    pub const NULL: u32 = 0;
    /// Ethernet.
    pub const ETHERNET: u32 = 1;
    /// IP without a link's header.
    pub const RAW: u32 = 101;
    /// OpenBSD loopback.
    pub const LOOP: u32 = 108;
    /// Linux cooked, version 1.
    pub const LINUX_SLL: u32 = 113;
    /// IPv4 without a link's header.
    pub const IPV4: u32 = 228;
    /// IPv6 without a link's header.
    pub const IPV6: u32 = 229;
    /// What Wireshark exports of protocols inside of others; the calls of programs in our files.
    pub const UPPER_PDU: u32 = 252;
    /// Linux cooked, version 2.
    pub const LINUX_SLL2: u32 = 276;
}

/// Raw IP as files of classic pcap number it on most systems, and on OpenBSD.
const DLT_RAW: [u32; 2] = [12, 14];
/// EtherTypes (IANA).
pub(super) const ETHER_IPV4: u16 = 0x0800;
pub(super) const ETHER_ARP: u16 = 0x0806;
pub(super) const ETHER_IPV6: u16 = 0x86dd;
const ETHER_TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// Tags and extension headers beyond these are not followed: nobody sends so many.
const TAG_LIMIT: usize = 4;
const EXTENSION_LIMIT: usize = 16;
/// IP protocol numbers (IANA).
pub(super) const ICMP: u8 = 1;
pub(super) const IGMP: u8 = 2;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
pub(super) const ICMPV6: u8 = 58;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;

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

    fn link(&mut self, kind: u32, link: &mut Link) -> Result<(), Damage> {
        match kind {
            link_type::ETHERNET => self.ethernet(link),
            link_type::LINUX_SLL => {
                let head = self.peek::<16>(Part::Link)?;
                link.source = six(&head[6..12], u16::from_be_bytes([head[4], head[5]]));
                link.protocol = u16::from_be_bytes([head[14], head[15]]);
                self.pass(16);
                self.tags(link)
            }
            link_type::LINUX_SLL2 => {
                let head = self.peek::<20>(Part::Link)?;
                link.source = six(&head[12..18], u16::from(head[11]));
                link.protocol = u16::from_be_bytes([head[0], head[1]]);
                self.pass(20);
                self.tags(link)
            }
            link_type::NULL | link_type::LOOP => {
                let family = self.peek::<4>(Part::Link)?;
                // In the byte order of whoever captured: whichever reads as a small number.
                let family = u32::from_le_bytes(*family).min(u32::from_be_bytes(*family));
                // AF_INET everywhere; AF_INET6 of Linux, NetBSD, FreeBSD and macOS.
                link.protocol = match family {
                    2 => ETHER_IPV4,
                    10 | 24 | 28 | 30 => ETHER_IPV6,
                    _ => 0,
                };
                self.pass(4);
                Ok(())
            }
            link_type::RAW | link_type::IPV4 | link_type::IPV6 => self.raw(link),
            kind if DLT_RAW.contains(&kind) => self.raw(link),
            kind => Err(Damage::LinkType(kind)),
        }
    }

    fn raw(&self, link: &mut Link) -> Result<(), Damage> {
        let [first] = self.peek::<1>(Part::Ip)?;
        link.protocol = match first >> 4 {
            4 => ETHER_IPV4,
            6 => ETHER_IPV6,
            version => return Err(Damage::Version(version)),
        };
        Ok(())
    }

    fn ethernet(&mut self, link: &mut Link) -> Result<(), Damage> {
        let header = Ethernet2HeaderSlice::from_slice(self.rest())
            .map_err(|_| self.missing(14, Part::Link))?;
        link.source = Some(header.source());
        link.destination = Some(header.destination());
        link.protocol = header.ether_type().0;
        self.pass(header.slice().len());
        self.tags(link)
    }

    /// Passes VLAN tags by (IEEE 802.1Q, 802.1ad).
    fn tags(&mut self, link: &mut Link) -> Result<(), Damage> {
        for _ in 0..TAG_LIMIT {
            if !ETHER_TAGS.contains(&link.protocol) {
                break;
            }
            let [a, b, c, d] = *self.peek::<4>(Part::Link)?;
            link.vlan.get_or_insert(u16::from_be_bytes([a, b]) & 0x0fff);
            link.protocol = u16::from_be_bytes([c, d]);
            self.pass(4);
        }
        Ok(())
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

    fn arp(&mut self) -> Result<Body, Damage> {
        let arp =
            ArpPacketSlice::from_slice(self.rest()).map_err(|_| self.missing(28, Part::Arp))?;
        let address = |bytes: &[u8]| {
            <[u8; 4]>::try_from(bytes).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)))
        };
        let (Ok(sender), Ok(target)) = (
            address(arp.sender_protocol_addr()),
            address(arp.target_protocol_addr()),
        ) else {
            return Ok(Body::Link(ETHER_ARP));
        };
        self.pass(arp.slice().len());
        Ok(Body::Arp {
            operation: arp.operation().0,
            sender,
            target,
        })
    }

    /// Reads the header of IP and its extensions; what it carries lies behind.
    fn ip(&mut self) -> Result<Net, Damage> {
        let [first] = self.peek::<1>(Part::Ip)?;
        let mut net = match first >> 4 {
            4 => self.ipv4()?,
            6 => self.ipv6()?,
            version => return Err(Damage::Version(version)),
        };
        self.extensions(&mut net)?;
        if let Some(fragment) = &mut net.fragment {
            fragment.len = (self.end - self.at) as u32;
        }
        Ok(net)
    }

    fn ipv4(&mut self) -> Result<Net, Damage> {
        let head = self.peek::<20>(Part::Ip)?;
        let length = usize::from(head[0] & 15) * 4;
        if length < 20 {
            return Err(Damage::Lies(Part::Ip));
        }
        let header =
            Ipv4HeaderSlice::from_slice(self.rest()).map_err(|_| self.missing(length, Part::Ip))?;
        // 0: a super-segment above 64 KiB, or one whose length the hardware would have filled in.
        match usize::from(header.total_len()) {
            0 => {}
            total if total < length => self.oddity = Some(Damage::Lies(Part::Ip)),
            total => self.bound(total, Part::Ip),
        }
        self.pass(length);
        Ok(Net {
            source: header.source_addr().into(),
            destination: header.destination_addr().into(),
            protocol: header.protocol().0,
            id: Some(header.identification().into()),
            fragment: header.is_fragmenting_payload().then(|| Fragment {
                offset: header.fragments_offset().byte_offset().into(),
                len: 0,
                more: header.more_fragments(),
            }),
            ttl: header.ttl(),
        })
    }

    fn ipv6(&mut self) -> Result<Net, Damage> {
        let header =
            Ipv6HeaderSlice::from_slice(self.rest()).map_err(|_| self.missing(40, Part::Ip))?;
        let net = Net {
            source: header.source_addr().into(),
            destination: header.destination_addr().into(),
            protocol: header.next_header().0,
            id: None,
            fragment: None,
            ttl: header.hop_limit(),
        };
        self.pass(40);
        // 0: a jumbogram (RFC 2675), or a super-segment above 64 KiB.
        match usize::from(header.payload_length()) {
            0 => {}
            length => self.bound(length, Part::Ip),
        }
        Ok(net)
    }

    /// Passes extension headers by, up to the first that is none (RFC 8200, section 4).
    fn extensions(&mut self, net: &mut Net) -> Result<(), Damage> {
        let v6 = net.source.is_ipv6();
        for _ in 0..EXTENSION_LIMIT {
            let length = match net.protocol {
                HOP_BY_HOP | ROUTING | DESTINATION | MOBILITY if v6 => {
                    let [next, length] = *self.peek::<2>(Part::Extension)?;
                    net.protocol = next;
                    (usize::from(length) + 1) * 8
                }
                // The authentication header counts words of four bytes, less two (RFC 4302).
                AUTHENTICATION if net.fragment.is_none_or(|fragment| fragment.offset == 0) => {
                    let [next, length] = *self.peek::<2>(Part::Extension)?;
                    net.protocol = next;
                    (usize::from(length) + 2) * 4
                }
                FRAGMENT if v6 => {
                    let header = Ipv6FragmentHeaderSlice::from_slice(self.rest())
                        .map_err(|_| self.missing(8, Part::Extension))?;
                    net.protocol = header.next_header().0;
                    net.id = Some(header.identification());
                    // An atomic fragment (RFC 6946) is a whole datagram.
                    net.fragment = header.is_fragmenting_payload().then(|| Fragment {
                        offset: header.fragment_offset().byte_offset().into(),
                        len: 0,
                        more: header.more_fragments(),
                    });
                    self.pass(8);
                    if net.fragment.is_some_and(|fragment| fragment.offset > 0) {
                        return Ok(());
                    }
                    continue;
                }
                _ => return Ok(()),
            };
            if self.rest().len() < length {
                return Err(self.missing(length, Part::Extension));
            }
            self.pass(length);
        }
        Err(Damage::Lies(Part::Extension))
    }

    fn tcp(&mut self) -> Result<Tcp, Damage> {
        let head = self.peek::<20>(Part::Tcp)?;
        let length = usize::from(head[12] >> 4) * 4;
        if length < 20 {
            return Err(Damage::Lies(Part::Tcp));
        }
        if self.at + length > self.end {
            return Err(Damage::Ends(Part::Tcp));
        }
        // Of options that the snap length cut, those that were kept are read.
        let rest = self.rest();
        let options = &rest[20..length.min(rest.len())];
        self.pass(length);
        Ok(Tcp {
            source: u16::from_be_bytes([head[0], head[1]]),
            destination: u16::from_be_bytes([head[2], head[3]]),
            seq: word(&head[4..]),
            ack: word(&head[8..]),
            flags: TcpFlags(head[13]),
            window: u16::from_be_bytes([head[14], head[15]]),
            header_len: length as u8,
            options: tcp_options(options),
        })
    }

    fn udp(&mut self, net: &Net) -> Result<Udp, Damage> {
        let header =
            UdpHeaderSlice::from_slice(self.rest()).map_err(|_| self.missing(8, Part::Udp))?;
        let carried = self.end - self.at - 8;
        let len = match usize::from(header.length()) {
            // A datagram above 64 KiB (RFC 2675), which only offloading makes.
            0 => carried,
            1..8 => {
                self.oddity = Some(Damage::Lies(Part::Udp));
                carried
            }
            length if net.fragment.is_some() => length - 8,
            length => {
                self.bound(length, Part::Udp);
                self.end - self.at - 8
            }
        };
        self.pass(8);
        Ok(Udp {
            source: header.source_port(),
            destination: header.destination_port(),
            len: len as u32,
        })
    }

    fn icmp(&mut self, v6: bool, quoted: &mut Option<Quoted>) -> Result<Body, Damage> {
        let [kind, code, ..] = *self.peek::<4>(Part::Icmp)?;
        self.pass(8);
        // Unreachable, source quench, redirect, time exceeded, bad parameter (RFC 792); of ICMPv6
        // the types below 128 that RFC 4443 gives.
        let is_error = if v6 {
            matches!(kind, 1..=4)
        } else {
            matches!(kind, 3 | 4 | 5 | 11 | 12)
        };
        if is_error {
            *quoted = self.quoted();
        }
        Ok(Body::Icmp { v6, kind, code })
    }

    /// The beginning of a packet behind an error of ICMP; its lengths speak of bytes that are not there.
    fn quoted(&self) -> Option<Quoted> {
        let mut inner = Self {
            bytes: self.bytes,
            at: self.at,
            end: self.end,
            oddity: None,
        };
        let net = inner.ip().ok()?;
        let has_ports = matches!(net.protocol, TCP | UDP)
            && net.fragment.is_none_or(|fragment| fragment.offset == 0);
        let ports = inner
            .rest()
            .first_chunk::<4>()
            .filter(|_| has_ports)
            .map(|[a, b, c, d]| (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])));
        Some(Quoted { net, ports })
    }
}

/// An address of the link, if it has six bytes.
fn six(bytes: &[u8], length: u16) -> Option<[u8; 6]> {
    <[u8; 6]>::try_from(bytes).ok().filter(|_| length == 6)
}

fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().copied().map_or(0, u32::from_be_bytes)
}

/// Reads the options of TCP (IANA's list of kinds), passing by those that are not known: Fast Open,
/// MPTCP or a signature may stand ahead of the time stamps.
fn tcp_options(mut rest: &[u8]) -> TcpOptions {
    let mut options = TcpOptions::default();
    loop {
        let (kind, length) = match *rest {
            [] | [0, ..] | [_] => return options,
            [1, ..] => {
                rest = &rest[1..];
                continue;
            }
            [kind, length, ..] => (kind, usize::from(length)),
        };
        let Some((option, behind)) = rest.split_at_checked(length) else {
            return options;
        };
        rest = behind;
        match (kind, option) {
            // A length that does not even count itself: where the next one begins is not known.
            (_, [] | [_]) => return options,
            (2, [_, _, a, b]) => options.mss = Some(u16::from_be_bytes([*a, *b])),
            (3, [_, _, scale]) => options.scale = Some(*scale),
            (4, [_, _]) => options.sack_permitted = true,
            (5, [_, _, blocks @ ..]) => {
                for (place, block) in options.sack.iter_mut().zip(blocks.chunks_exact(8)) {
                    *place = (word(block), word(&block[4..]));
                }
            }
            (8, [_, _, stamps @ ..]) if stamps.len() == 8 => {
                options.timestamps = Some((word(stamps), word(&stamps[4..])));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    use super::*;

    fn tcp(payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![];
        PacketBuilder::ethernet2([2; 6], [3; 6])
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .tcp(40000, 5000, 1000, 64240)
            .ack(77)
            .psh()
            // NOP, NOP, time stamps.
            .options_raw(&[1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8])
            .unwrap()
            .write(&mut bytes, payload)
            .unwrap();
        bytes
    }

    fn udp(payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![];
        PacketBuilder::ethernet2([2; 6], [3; 6])
            .ipv6([1; 16], [2; 16], 64)
            .udp(40000, 5000)
            .write(&mut bytes, payload)
            .unwrap();
        bytes
    }

    #[test]
    fn a_segment_of_the_tutorial() {
        let bytes = tcp(&[7; 1448]);
        let packet = dissect(1, &bytes, bytes.len() as u32);
        let Body::Tcp(segment) = packet.body else {
            panic!("{packet:?}");
        };
        assert_eq!((segment.source, segment.destination), (40000, 5000));
        assert_eq!(
            (segment.seq, segment.ack, segment.header_len),
            (1000, 77, 32)
        );
        assert_eq!(segment.flags, TcpFlags(TcpFlags::ACK | TcpFlags::PSH));
        assert_eq!(segment.options.timestamps, Some((9, 8)));
        assert_eq!((packet.net_at, packet.transport_at), (14, 34));
        assert_eq!((packet.payload, packet.payload_len), (66..1514, 1448));
        assert_eq!(packet.oddity, None);
    }

    #[test]
    fn a_snap_length_hides_bytes_and_no_numbers() {
        let bytes = tcp(&[7; 1448]);
        let packet = dissect(1, &bytes[..70], 1514);
        assert_eq!((packet.payload.clone(), packet.payload_len), (66..70, 1448));
        // Inside the options: the ports are there, the stamps are not.
        let packet = dissect(1, &bytes[..60], 1514);
        let Body::Tcp(segment) = packet.body else {
            panic!("{packet:?}");
        };
        assert_eq!((segment.source, segment.options.timestamps), (40000, None));
        assert_eq!((packet.payload, packet.payload_len), (60..60, 1448));
        let packet = dissect(1, &bytes[..40], 1514);
        assert_eq!(packet.body, Body::Damaged(Damage::Cut(Part::Tcp)));
        assert!(packet.net.is_some());
        let packet = dissect(1, &bytes[..40], 40);
        assert_eq!(packet.body, Body::Damaged(Damage::Ends(Part::Tcp)));
        assert_eq!(packet.oddity, Some(Damage::Lies(Part::Ip)));
    }

    #[test]
    fn padding_is_not_payload_and_a_length_of_zero_is_all_there_is() {
        let mut bytes = udp(&[7; 1]);
        bytes.extend([0; 20]);
        let packet = dissect(1, &bytes, bytes.len() as u32);
        assert_eq!((packet.payload, packet.payload_len), (62..63, 1));
        // A super-datagram: neither IP nor UDP can say its length.
        let mut bytes = udp(&[7; 3000]);
        bytes[18..20].fill(0);
        bytes[58..60].fill(0);
        let packet = dissect(1, &bytes, bytes.len() as u32);
        assert!(matches!(packet.body, Body::Udp(Udp { len: 3000, .. })));
        assert_eq!((packet.payload_len, packet.oddity), (3000, None));
        // Lengths that lie are bounded.
        bytes[58..60].fill(255);
        let packet = dissect(1, &bytes, bytes.len() as u32);
        assert_eq!(packet.payload_len, 3000);
        assert_eq!(packet.oddity, Some(Damage::Lies(Part::Udp)));
    }

    #[test]
    fn unknown_options_are_passed_by() {
        let raw = [
            34, 4, 1, 2, 30, 6, 0, 0, 0, 0, 2, 4, 5, 180, 3, 3, 7, 4, 2, 5, 10, 0, 0, 0, 1, 0, 0,
            0, 2,
        ];
        let options = tcp_options(&raw);
        assert_eq!((options.mss, options.scale), (Some(1460), Some(7)));
        assert!(options.sack_permitted);
        assert_eq!(options.sack[..2], [(1, 2), (0, 0)]);
        assert_eq!(tcp_options(&[8, 0, 3, 3, 7]), TcpOptions::default());
        assert_eq!(tcp_options(&[8, 1, 3, 3, 7]), TcpOptions::default());
    }

    #[test]
    fn an_error_quotes_what_it_speaks_of() {
        let inner = &tcp(b"lost")[14..];
        let mut bytes = vec![];
        PacketBuilder::ipv4([10, 0, 0, 2], [10, 0, 0, 1], 64)
            .icmpv4_raw(3, 3, [0; 4])
            .write(&mut bytes, &inner[..28])
            .unwrap();
        let packet = dissect(link_type::RAW, &bytes, bytes.len() as u32);
        assert!(matches!(
            packet.body,
            Body::Icmp {
                v6: false,
                kind: 3,
                code: 3
            }
        ));
        let quoted = packet.quoted.unwrap();
        assert_eq!(quoted.ports, Some((40000, 5000)));
        assert_eq!(quoted.net.source, IpAddr::from([10, 0, 0, 1]));
        // An error about the error is not our affair.
        assert_eq!(packet.oddity, None);
    }

    #[test]
    fn fragments_of_both_versions() {
        let mut first = vec![];
        PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .udp(40000, 5000)
            .write(&mut first, &[7; 1472])
            .unwrap();
        // 2000 bytes in all; id 9, more fragments.
        first[24..26].copy_from_slice(&2008u16.to_be_bytes());
        first[4..8].copy_from_slice(&[0, 9, 0x20, 0]);
        let packet = dissect(link_type::RAW, &first, 1500);
        assert!(matches!(packet.body, Body::Udp(Udp { len: 2000, .. })));
        assert_eq!((packet.payload, packet.payload_len), (28..1500, 1472));
        let whole = Fragment {
            offset: 0,
            len: 1480,
            more: true,
        };
        assert_eq!(packet.net.unwrap().fragment, Some(whole));
        assert_eq!((packet.net.unwrap().id, packet.oddity), (Some(9), None));

        // A later fragment of IPv6, behind hop-by-hop options.
        let mut later = vec![0x60, 0, 0, 0, 0, 36, 0, 64];
        later.extend([1; 16].into_iter().chain([2; 16]));
        later.extend([44, 0, 1, 4, 0, 0, 0, 0]);
        later.extend([17, 0, 5, 200, 0, 1, 0, 2]);
        later.extend([9; 20]);
        let packet = dissect(link_type::RAW, &later, later.len() as u32);
        assert_eq!(packet.body, Body::Fragment);
        let net = packet.net.unwrap();
        assert_eq!((net.id, net.protocol), (Some(0x10002), UDP));
        assert_eq!(
            net.fragment,
            Some(Fragment {
                offset: 1480,
                len: 20,
                more: false
            })
        );
        assert_eq!((packet.payload, packet.payload_len), (56..76, 20));
    }

    #[test]
    fn every_link_finds_the_same_packet() {
        let ip = &udp(b"hi")[14..];
        let mut tagged = udp(b"hi");
        tagged.splice(12..12, [0x88, 0xa8, 0, 5, 0x81, 0, 0x20, 7]);
        let behind = |head: &[u8]| [head, ip].concat();
        let frames = [
            (1, tagged),
            (101, ip.to_vec()),
            (229, ip.to_vec()),
            (0, behind(&[10, 0, 0, 0])),
            (108, behind(&[0, 0, 0, 24])),
            (
                113,
                behind(&[0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 0x86, 0xdd]),
            ),
            (
                276,
                behind(&[
                    0x86, 0xdd, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0,
                ]),
            ),
        ];
        for (kind, frame) in frames {
            let packet = dissect(kind, &frame, frame.len() as u32);
            assert!(
                matches!(
                    packet.body,
                    Body::Udp(Udp {
                        source: 40000,
                        len: 2,
                        ..
                    })
                ),
                "{packet:?}"
            );
            assert_eq!(&frame[packet.payload], b"hi");
            assert_eq!(packet.link.vlan, (kind == 1).then_some(5));
        }
        let packet = dissect(147, b"x", 1);
        assert_eq!(packet.body, Body::Damaged(Damage::LinkType(147)));
    }

    #[test]
    fn who_asks_for_whom() {
        let mut frame = [0xff; 6].to_vec();
        frame.extend([2, 0, 0, 0, 0, 1, 8, 6]);
        frame.extend([
            0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
        ]);
        let packet = dissect(1, &frame, 42);
        let (sender, target) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        assert_eq!(
            packet.body,
            Body::Arp {
                operation: 1,
                sender,
                target
            }
        );
        assert_eq!(packet.payload_len, 0);
    }

    proptest! {
        /// Whatever the bytes: no panic, and every range lies in them.
        #[test]
        fn any_bytes_stay_in_bounds(
            kind in prop::sample::select(vec![0u32, 1, 12, 101, 108, 113, 228, 276, 147]),
            mut bytes in prop::collection::vec(any::<u8>(), 0..120),
            like in 0usize..4, original: u16,
        ) {
            // Most random bytes fail at once: begin as a real frame does.
            let real = [vec![], tcp(b"hello"), udp(b"hello"), udp(b"")];
            let shared = real[like].len().min(bytes.len());
            for (place, byte) in bytes.iter_mut().zip(&real[like][..shared]) {
                if *place % 16 != 0 {
                    *place = *byte;
                }
            }
            let packet = dissect(kind, &bytes, original.into());
            prop_assert!(packet.payload.start <= packet.payload.end);
            prop_assert!(packet.payload.end <= bytes.len());
            prop_assert!(packet.payload.len() as u32 <= packet.payload_len);
            prop_assert!(packet.payload_len <= packet.original_len);
            prop_assert!(packet.net_at <= packet.transport_at);
        }
    }
}
