//! How many packets of each kind have come to the wire.

use std::sync::atomic::{AtomicU64, Ordering};

use sockeye_fault::Way;
use sockeye_trace::packet::TcpFlags;

/// Kinds of TCP segments: by their flags, with payload and without.
const KINDS: usize = 512;
const WITH_PAYLOAD: usize = 256;

/// Counts of packets, by way and kind.
#[derive(Debug)]
pub(super) struct Counts {
    ways: [Box<[AtomicU64]>; 2],
    /// What is not TCP, or none of its first fragments.
    others: [AtomicU64; 2],
    others_with_payload: [AtomicU64; 2],
}

/// What has come to the wire since it was laid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Way, flags and whether there was payload, and how many such; flags none: not TCP.
    kinds: Vec<(Way, Option<TcpFlags>, bool, u64)>,
}

impl Passed {
    /// How many packets there were.
    ///
    /// - **Input:** to whom, none: both; TCP flags, as `S`, `SA`, `F`, `R`, or `data`: with payload;
    ///   empty: all. `S` alone is a segment that opens a connection; other flags may be set beside
    ///   those that are named.
    pub fn count(&self, to: Option<Way>, flags: &str) -> u64 {
        let counted = self.kinds.iter().filter(|(way, of, payload, _)| {
            to.is_none_or(|to| to == *way) && is_kind(flags, *of, *payload)
        });
        counted.map(|(.., count)| count).sum()
    }
}

fn is_kind(wanted: &str, flags: Option<TcpFlags>, payload: bool) -> bool {
    match (wanted, flags) {
        ("", _) => true,
        ("data", _) => payload,
        (_, None) => false,
        (_, Some(flags)) => {
            let set = wanted.bytes().fold(0, |set, letter| set | flag(letter));
            let opens = set & (TcpFlags::SYN | TcpFlags::ACK) == TcpFlags::SYN;
            set != 0 && flags.has(set) && !(opens && flags.has(TcpFlags::ACK))
        }
    }
}

/// A letter that stands for no flag stands for all: nothing has them.
fn flag(letter: u8) -> u8 {
    match letter {
        b'F' => TcpFlags::FIN,
        b'S' => TcpFlags::SYN,
        b'R' => TcpFlags::RST,
        b'P' => TcpFlags::PSH,
        b'A' => TcpFlags::ACK,
        b'U' => TcpFlags::URG,
        _ => u8::MAX,
    }
}

impl Counts {
    pub(super) fn new() -> Self {
        let kinds = || (0..KINDS).map(|_| AtomicU64::new(0)).collect();
        Self {
            ways: [kinds(), kinds()],
            others: Default::default(),
            others_with_payload: Default::default(),
        }
    }

    /// Counts a frame. Only the wire does.
    pub(super) fn count(&self, way: Way, frame: &[u8]) {
        let (flags, payload) = kind(frame);
        let way = way as usize;
        let place = match (flags, payload) {
            (Some(flags), payload) => {
                &self.ways[way][usize::from(flags.0) + usize::from(payload) * WITH_PAYLOAD]
            }
            (None, false) => &self.others[way],
            (None, true) => &self.others_with_payload[way],
        };
        // With one writer nothing is lost between reading and writing.
        place.store(place.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    pub(super) fn passed(&self) -> Passed {
        let mut kinds = vec![];
        let mut add = |way, flags, payload, place: &AtomicU64| {
            let count = place.load(Ordering::Relaxed);
            if count > 0 {
                kinds.push((way, flags, payload, count));
            }
        };
        for way in [Way::ToServer, Way::ToClient] {
            for (kind, place) in self.ways[way as usize].iter().enumerate() {
                let flags = TcpFlags((kind % WITH_PAYLOAD) as u8);
                add(way, Some(flags), kind >= WITH_PAYLOAD, place);
            }
            add(way, None, false, &self.others[way as usize]);
            add(way, None, true, &self.others_with_payload[way as usize]);
        }
        Passed { kinds }
    }
}

/// The flags of a segment of TCP over IPv4, and whether a packet carries anything for programs.
fn kind(frame: &[u8]) -> (Option<TcpFlags>, bool) {
    const ETHERNET: usize = 14;
    const IPV4: [u8; 2] = [8, 0];
    let Some(ip) = frame.get(ETHERNET..) else {
        return (None, false);
    };
    let &[
        version,
        _,
        high,
        low,
        _,
        _,
        fragment,
        offset,
        _,
        protocol,
        ..,
    ] = ip
    else {
        return (None, false);
    };
    if frame[12..ETHERNET] != IPV4 {
        return (None, false);
    }
    let header = usize::from(version & 15) * 4;
    // Of a super-segment that is longer than the field can say, 0 stands there.
    let total = match usize::from(u16::from_be_bytes([high, low])) {
        0 => ip.len(),
        total => total,
    };
    let first = u16::from_be_bytes([fragment & 0x1f, offset]) == 0;
    match i32::from(protocol) {
        libc::IPPROTO_TCP if first => {
            let Some(&[offset, flags]) = ip.get(header + 12..header + 14) else {
                return (None, false);
            };
            let headers = header + usize::from(offset >> 4) * 4;
            (Some(TcpFlags(flags)), total > headers)
        }
        libc::IPPROTO_UDP if first => (None, total > header + 8),
        libc::IPPROTO_UDP | libc::IPPROTO_TCP => (None, total > header),
        _ => (None, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_named_by_their_letters() {
        let check = |wanted: &str, flags: u8, payload, expected| {
            let is = is_kind(wanted, Some(TcpFlags(flags)), payload);
            assert_eq!(is, expected, "{wanted} {flags:#x}");
        };
        check("S", 0x02, false, true);
        check("S", 0x12, false, false);
        check("SA", 0x12, false, true);
        check("SA", 0x10, false, false);
        check("F", 0x11, false, true);
        check("FA", 0x19, true, true);
        check("R", 0x14, false, true);
        check("data", 0x18, true, true);
        check("data", 0x10, false, false);
        check("", 0x10, false, true);
        check("X", 0x02, false, false);
        assert!(is_kind("data", None, true));
        assert!(!is_kind("S", None, true));
    }
}
