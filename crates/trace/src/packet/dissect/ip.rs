//! The headers of IP and their extensions.

use etherparse::{Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice};

use super::Dissector;
use crate::packet::{Damage, Fragment, Net, Part};

/// Protocol numbers of extension headers (IANA).
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;
/// Extension headers beyond these are not followed: nobody sends so many.
const EXTENSION_LIMIT: usize = 16;

impl Dissector<'_> {
    /// Reads the header of IP and its extensions; what it carries lies behind.
    pub(super) fn ip(&mut self) -> Result<Net, Damage> {
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
}
