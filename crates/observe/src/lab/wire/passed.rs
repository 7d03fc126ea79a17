//! How many packets of each kind have come to the wire.

use std::sync::atomic::{AtomicU64, Ordering};

use sockeye_fault::{Flags, Way};
use sockeye_trace::packet::TcpFlags;

/// The length of a header of Ethernet.
const ETHERNET: usize = 14;
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
    /// - **Input:** to whom, none: both; which flags of TCP, as rules of faults name them ([`Flags`]), where
    ///   `data` are other packets with payload too; empty: all.
    pub fn count(&self, to: Option<Way>, flags: &str) -> u64 {
        let wanted = flags.parse::<Flags>();
        let is_kind = |of: Option<TcpFlags>, payload: bool| match (of, wanted) {
            _ if flags.is_empty() => true,
            (Some(of), Ok(wanted)) => wanted.fits(of, usize::from(payload)),
            (None, _) => flags == "data" && payload,
            (Some(_), Err(())) => false,
        };
        let counted = self.kinds.iter().filter(|(way, of, payload, _)| {
            to.is_none_or(|to| to == *way) && is_kind(*of, *payload)
        });
        counted.map(|(.., count)| count).sum()
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

    /// A packet of 10.0.0.1 with this protocol, and what it carries.
    fn frame(protocol: libc::c_int, rest: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; ETHERNET];
        frame[12] = 8;
        let total = (20 + rest.len()) as u8;
        frame.extend_from_slice(&[0x45, 0, 0, total, 0, 0, 0, 0, 64, protocol as u8, 0, 0]);
        frame.extend_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend_from_slice(rest);
        frame
    }

    #[test]
    fn packets_are_counted_by_way_and_kind() {
        let counts = Counts::new();
        let tcp = |flags: u8, payload: usize| {
            let mut rest = vec![0; 20 + payload];
            rest[12] = 5 << 4;
            rest[13] = flags;
            frame(libc::IPPROTO_TCP, &rest)
        };
        counts.count(Way::ToServer, &tcp(TcpFlags::SYN, 0));
        counts.count(Way::ToClient, &tcp(TcpFlags::SYN | TcpFlags::ACK, 0));
        counts.count(Way::ToServer, &tcp(TcpFlags::ACK | TcpFlags::PSH, 5));
        counts.count(Way::ToServer, &tcp(TcpFlags::ACK | TcpFlags::PSH, 5));
        counts.count(Way::ToServer, &frame(libc::IPPROTO_UDP, &[0; 12]));
        counts.count(Way::ToServer, &frame(libc::IPPROTO_UDP, &[0; 8]));
        counts.count(Way::ToServer, b"short");
        let passed = counts.passed();
        assert_eq!(passed.count(None, ""), 7);
        assert_eq!(passed.count(Some(Way::ToClient), ""), 1);
        assert_eq!(passed.count(None, "S"), 1);
        assert_eq!(passed.count(None, "SA"), 1);
        assert_eq!(passed.count(Some(Way::ToServer), "data"), 3);
        assert_eq!(passed.count(None, "ack"), 0);
        assert_eq!(passed.count(None, "X"), 0);
    }
}
