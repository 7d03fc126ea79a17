//! What the blocks of a pcapng file say.

use super::{OFFLOAD_COMMENT, option};
use crate::{Time, packet_flag};

/// The byte order of a section, or of a whole file of classic pcap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    pub(super) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        })
    }

    pub(super) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        })
    }

    fn u64(self, bytes: &[u8]) -> Option<u64> {
        let bytes = *bytes.first_chunk()?;
        Some(match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        })
    }
}

/// The options at the end of a block; what is damaged ends them.
pub(super) fn options(order: Order, bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (code, length) = (order.u16(rest, 0)?, usize::from(order.u16(rest, 2)?));
        let value = rest.get(4..4 + length)?;
        rest = rest
            .get(4 + length.next_multiple_of(4)..)
            .unwrap_or_default();
        (code != option::END).then_some((code, value))
    })
}

/// How an interface's time stamps count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticks {
    /// `if_tsresol`: a power of ten, or of two where the highest bit is set.
    resolution: u8,
    /// `if_tsoffset`: seconds to add.
    offset: i64,
}

impl Ticks {
    /// Microseconds: what counts where a file does not say.
    pub(super) const MICROS: Self = Self {
        resolution: 6,
        offset: 0,
    };
    /// Nanoseconds.
    pub(super) const NANOS: Self = Self {
        resolution: 9,
        offset: 0,
    };

    /// The time of so many ticks; what lies outside of [`Time`]'s span is its nearest end.
    pub(super) fn time(self, ticks: u64) -> Time {
        let ticks = u128::from(ticks);
        let exponent = u32::from(self.resolution & 0x7f);
        let nanos = if self.resolution & 0x80 != 0 {
            // 64 bits of ticks and 30 of a second's nanoseconds fit.
            (ticks * 1_000_000_000) >> exponent
        } else if exponent <= 9 {
            ticks * 10u128.pow(9 - exponent)
        } else {
            // Beyond 10^38 nothing of 64 bits is left.
            10u128
                .checked_pow(exponent - 9)
                .map_or(0, |unit| ticks / unit)
        };
        let nanos = nanos as i128 + i128::from(self.offset) * 1_000_000_000;
        let last = i128::from(u64::MAX);
        Time::from_nanos(nanos.clamp(0, last) as u64)
    }
}

/// An interface description block.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) link_type: u32,
    pub(super) snap: u32,
    pub(super) name: String,
    pub(super) ticks: Ticks,
}

/// Bytes of a name that are kept.
const NAME_LIMIT: usize = 255;

pub(super) fn interface(order: Order, body: &[u8]) -> Option<Described> {
    let mut described = Described {
        link_type: order.u16(body, 0)?.into(),
        snap: order.u32(body, 4)?,
        name: String::new(),
        ticks: Ticks::MICROS,
    };
    for (code, value) in options(order, &body[8..]) {
        match (code, value) {
            (option::IF_NAME, name) => {
                let name = &name[..name.len().min(NAME_LIMIT)];
                described.name = String::from_utf8_lossy(name).into_owned();
            }
            (option::IF_RESOLUTION, [resolution, ..]) => described.ticks.resolution = *resolution,
            (option::IF_OFFSET, offset) => {
                described.ticks.offset = order.u64(offset).map_or(0, u64::cast_signed);
            }
            _ => {}
        }
    }
    Some(described)
}

/// A packet, in whichever kind of block it came.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Captured {
    /// Its interface's number in the section.
    pub(super) interface: u32,
    /// When, in the interface's ticks; none: the block does not say.
    pub(super) ticks: Option<u64>,
    pub(super) original_len: u32,
    /// Where its bytes begin in the block's body, and how many they are.
    pub(super) at: usize,
    pub(super) len: u32,
    /// [`packet_flag`] and the size of pieces.
    pub(super) flags: u32,
    pub(super) gso_size: u32,
}

/// An enhanced packet block, or its forerunner.
pub(super) fn enhanced(order: Order, body: &[u8], old: bool) -> Option<Captured> {
    let interface = if old {
        order.u16(body, 0)?.into()
    } else {
        order.u32(body, 0)?
    };
    let ticks = u64::from(order.u32(body, 4)?) << 32 | u64::from(order.u32(body, 8)?);
    let mut packet = Captured {
        interface,
        ticks: Some(ticks),
        len: order.u32(body, 12)?,
        original_len: order.u32(body, 16)?,
        at: 20,
        ..Captured::default()
    };
    let behind = (packet.len as usize).checked_next_multiple_of(4)?;
    for (code, value) in options(order, body.get(20 + behind..)?) {
        match code {
            // Bits 0 and 1: the direction; 2 is outbound.
            option::EPB_FLAGS if order.u32(value, 0).is_some_and(|flags| flags & 3 == 2) => {
                packet.flags |= packet_flag::OUTGOING;
            }
            option::COMMENT => packet.gso_size = offload(value).unwrap_or(packet.gso_size),
            _ => {}
        }
    }
    Some(packet)
}

/// A simple packet block: of the section's first interface, without a time.
pub(super) fn simple(order: Order, body: &[u8], snap: u32) -> Option<Captured> {
    let original_len = order.u32(body, 0)?;
    let kept = if snap == 0 { u32::MAX } else { snap };
    Some(Captured {
        original_len,
        len: original_len.min(kept),
        at: 4,
        ..Captured::default()
    })
}

/// The size of pieces, of the comment that our writer leaves.
fn offload(comment: &[u8]) -> Option<u32> {
    let size = comment.strip_prefix(OFFLOAD_COMMENT.as_bytes())?;
    let size = size.strip_suffix(b" bytes")?;
    std::str::from_utf8(size).ok()?.parse().ok()
}

/// An interface statistics block: which interface, and how many packets it and the system lost.
pub(super) fn statistics(order: Order, body: &[u8]) -> Option<(u32, u64)> {
    let interface = order.u32(body, 0)?;
    let lost = options(order, body.get(12..)?)
        .filter(|(code, _)| matches!(*code, option::ISB_DROPPED | option::ISB_OS_DROPPED))
        .filter_map(|(_, value)| order.u64(value))
        .fold(0, u64::saturating_add);
    Some((interface, lost))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resolution_gives_nanoseconds() {
        let check = |resolution: u8, offset: i64, ticks: u64, nanos: u64| {
            let time = Ticks { resolution, offset }.time(ticks);
            assert_eq!(time, Time::from_nanos(nanos), "{resolution:#x} {ticks}");
        };
        check(6, 0, 1_700_000_000_000_001, 1_700_000_000_000_001_000);
        check(9, 0, 7, 7);
        check(0, 0, 3, 3_000_000_000);
        check(12, 0, 7_999, 7);
        check(127, 0, u64::MAX, 0);
        check(0, 0, u64::MAX, u64::MAX);
        // Binary fractions: a tick of 2^-32 s, and of 2^-1 s.
        check(0x80 | 32, 0, 3 << 31, 1_500_000_000);
        check(0x81, 0, 3, 1_500_000_000);
        check(0xff, 0, u64::MAX, 0);
        check(9, 2, 7, 2_000_000_007);
        check(9, -2, 7, 0);
        check(9, i64::MIN, 7, 0);
        check(9, i64::MAX, 7, u64::MAX);
    }

    #[test]
    fn damaged_options_end_the_list() {
        let list = |bytes: &[u8]| {
            options(Order::Little, bytes)
                .map(|(code, _)| code)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            list(&[1, 0, 1, 0, 7, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]),
            [1, 2]
        );
        assert!(list(&[1, 0, 9, 0, 7]).is_empty());
        assert!(list(&[1, 0]).is_empty());
        // The last one without its padding.
        assert_eq!(list(&[1, 0, 1, 0, 7]), [1]);
    }
}
