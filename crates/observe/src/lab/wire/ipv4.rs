//! What the wire has to know of IPv4 where it makes packets or cuts them: where the headers lie, and
//! their check sums (RFC 1071).

use sockeye_trace::packet::TcpFlags;

/// An Ethernet header without a tag.
pub(super) const ETHERNET: usize = 14;
const IPV4: [u8; 2] = [8, 0];
/// Hops that a new packet may take: what Linux says too (ip-sysctl.rst, `ip_default_ttl`).
const TTL: u8 = 64;
/// Must not be cut into fragments (RFC 791).
const DONT_FRAGMENT: u8 = 0x40;

/// Where the parts of a frame lie that carries IPv4.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) protocol: u8,
    /// Where the header of what IP carries begins.
    pub(super) transport: usize,
    /// It is no fragment, or the first one.
    pub(super) first: bool,
}

/// A segment of TCP.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tcp {
    pub(super) source: u16,
    pub(super) destination: u16,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: TcpFlags,
    /// What it takes of the sequence numbers.
    pub(super) length: u32,
}

impl Segment {
    /// Of a frame whose headers of Ethernet and IPv4 are whole; others are none of ours.
    pub(super) fn read(frame: &[u8]) -> Option<Self> {
        let ip = frame.get(ETHERNET..)?;
        let fixed: &[u8; 20] = ip.first_chunk()?;
        let header = usize::from(fixed[0] & 15) * 4;
        if frame[12..ETHERNET] != IPV4 || fixed[0] >> 4 != 4 || header < 20 || ip.len() < header {
            return None;
        }
        Some(Self {
            protocol: fixed[9],
            transport: ETHERNET + header,
            first: u16::from_be_bytes([fixed[6] & 0x1f, fixed[7]]) == 0,
        })
    }

    /// What TCP says in the same frame.
    pub(super) fn tcp(&self, frame: &[u8]) -> Option<Tcp> {
        if i32::from(self.protocol) != libc::IPPROTO_TCP || !self.first {
            return None;
        }
        let tcp: &[u8; 20] = frame.get(self.transport..)?.first_chunk()?;
        let half = |at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
        let word = |at: usize| u32::from(half(at)) << 16 | u32::from(half(at + 2));
        let flags = TcpFlags(tcp[13]);
        let payload = total(frame).saturating_sub(self.transport + self.tcp_header(frame)?);
        let marks = u32::from(flags.has(TcpFlags::SYN)) + u32::from(flags.has(TcpFlags::FIN));
        Some(Tcp {
            source: half(0),
            destination: half(2),
            seq: word(4),
            ack: word(8),
            flags,
            length: payload as u32 + marks,
        })
    }

    /// The length of TCP's header, if all of it is there.
    pub(super) fn tcp_header(&self, frame: &[u8]) -> Option<usize> {
        let header = usize::from(*frame.get(self.transport + 12)? >> 4) * 4;
        (header >= 20 && self.transport + header <= frame.len()).then_some(header)
    }
}

/// Where the packet of a frame ends: short frames may have something behind it.
fn total(frame: &[u8]) -> usize {
    let total = u16::from_be_bytes([frame[ETHERNET + 2], frame[ETHERNET + 3]]);
    frame.len().min(ETHERNET + usize::from(total))
}

/// Writes a header of IPv4 without options.
pub(super) fn write_ip(
    made: &mut Vec<u8>,
    length: usize,
    protocol: libc::c_int,
    from: [u8; 4],
    to: [u8; 4],
) {
    let at = made.len();
    let [high, low] = (length as u16).to_be_bytes();
    made.extend_from_slice(&[
        0x45,
        0,
        high,
        low,
        0,
        0,
        DONT_FRAGMENT,
        0,
        TTL,
        protocol as u8,
    ]);
    made.extend_from_slice(&[0, 0]);
    made.extend_from_slice(&from);
    made.extend_from_slice(&to);
    write_ip_sum(&mut made[at..]);
}

/// Puts the check sum of a header of IPv4 in its place.
pub(super) fn write_ip_sum(ip: &mut [u8]) {
    let header = (usize::from(ip[0] & 15) * 4).min(ip.len());
    ip[10..12].fill(0);
    let sum = check_sum(0, &ip[..header]);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// Puts the check sum of TCP or UDP in its place: from `transport` to the end of the frame.
pub(super) fn write_transport_sum(frame: &mut [u8], transport: usize, protocol: libc::c_int) {
    let at = transport + if protocol == libc::IPPROTO_TCP { 16 } else { 6 };
    if at + 2 > frame.len() {
        return;
    }
    frame[at..at + 2].fill(0);
    let (headers, segment) = frame.split_at(transport);
    // The pseudo header: both addresses, the protocol, the length (RFC 9293, 3.1).
    let addresses = sum_of(&headers[ETHERNET + 12..ETHERNET + 20]);
    let pseudo = addresses + protocol as u64 + segment.len() as u64;
    let sum = match check_sum(pseudo, segment) {
        // 0 would say that there is none (RFC 768).
        0 if protocol == libc::IPPROTO_UDP => u16::MAX,
        sum => sum,
    };
    frame[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

/// The check sum of bytes, going on from a sum of 16-bit words.
pub(super) fn check_sum(begun: u64, bytes: &[u8]) -> u16 {
    let mut sum = begun + sum_of(bytes);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The sum of big-endian words of 16 bits, added up as words of 32, which folds to the same.
fn sum_of(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let sum: u64 = words
        .iter()
        .map(|word| u64::from(u32::from_be_bytes(*word)))
        .sum();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    sum + u64::from(u32::from_be_bytes(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1071, section 3.
    #[test]
    fn sums_are_those_of_the_standard() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(check_sum(0, &bytes), !0xddf2);
        assert_eq!(check_sum(0, &[0x12]), !0x1200);
        assert_eq!(check_sum(0, &[]), u16::MAX);
    }

    #[test]
    fn what_is_no_whole_ipv4_is_none() {
        assert!(Segment::read(&[0; 14]).is_none());
        let mut frame = vec![0; 60];
        frame[12] = 8;
        frame[ETHERNET] = 0x44;
        assert!(Segment::read(&frame).is_none(), "a header of 16 bytes");
        frame[ETHERNET] = 0x4f;
        assert!(Segment::read(&frame).is_none(), "a header of 60 bytes");
        frame[ETHERNET] = 0x45;
        frame[ETHERNET + 9] = 6;
        let segment = Segment::read(&frame).unwrap();
        assert!(segment.tcp(&frame).is_none(), "a header of TCP of 0 bytes");
    }
}
