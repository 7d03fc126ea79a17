//! The headers of links, the tags of VLANs, and ARP.

use std::net::{IpAddr, Ipv4Addr};

use etherparse::{ArpPacketSlice, Ethernet2HeaderSlice};

use super::{Dissector, ETHER_ARP, ETHER_IPV4, ETHER_IPV6, link_type};
use crate::packet::{Body, Damage, Link, Part};

/// Raw IP as files of classic pcap number it on most systems, and on OpenBSD.
const DLT_RAW: [u32; 2] = [12, 14];
/// EtherTypes of VLAN tags (IANA).
const ETHER_TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// Tags beyond these are not followed: nobody sends so many.
const TAG_LIMIT: usize = 4;

impl Dissector<'_> {
    pub(super) fn link(&mut self, kind: u32, link: &mut Link) -> Result<(), Damage> {
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

    pub(super) fn arp(&mut self) -> Result<Body, Damage> {
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
}

/// An address of the link, if it has six bytes.
fn six(bytes: &[u8], length: u16) -> Option<[u8; 6]> {
    <[u8; 6]>::try_from(bytes).ok().filter(|_| length == 6)
}
