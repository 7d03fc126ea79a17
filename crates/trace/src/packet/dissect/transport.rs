//! What IP carries: TCP and its options, UDP, and the errors of ICMP.

use etherparse::UdpHeaderSlice;

use super::{Dissector, TCP, UDP};
use crate::packet::{Body, Damage, Net, Part, Quoted, Tcp, TcpFlags, TcpOptions, Udp};

impl Dissector<'_> {
    pub(super) fn tcp(&mut self) -> Result<Tcp, Damage> {
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

    pub(super) fn udp(&mut self, net: &Net) -> Result<Udp, Damage> {
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

    pub(super) fn icmp(&mut self, v6: bool, quoted: &mut Option<Quoted>) -> Result<Body, Damage> {
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

fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().copied().map_or(0, u32::from_be_bytes)
}

/// Reads the options of TCP (IANA's list of kinds), passing by those that are not known: Fast Open,
/// MPTCP or a signature may stand ahead of the time stamps.
pub(super) fn tcp_options(mut rest: &[u8]) -> TcpOptions {
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
