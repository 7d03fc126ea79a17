//! Packets that the wire makes by itself, as a router or a firewall would.

use std::net::Ipv4Addr;

use super::ipv4::{ETHERNET, Segment, check_sum, write_ip, write_transport_sum};
use sockeye_trace::packet::TcpFlags;

/// Whose errors of ICMP are: a router that no host knows.
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);

/// What a packet of ICMP may be long at most, quotation included (RFC 1812, 4.3.2.3).
const ICMP_LIMIT: usize = 576;
const IP_HEADER: usize = 20;
const ICMP_HEADER: usize = 8;
/// Destination unreachable, fragmentation needed (RFC 792).
const UNREACHABLE: u8 = 3;
const FRAGMENTATION_NEEDED: u8 = 4;
/// Messages of ICMP up to here that are answers or errors are not complained about (RFC 1122, 3.2.2).
const ICMP_ECHO: u8 = 8;

/// What tells the sender of a frame that it may send no more than `mtu` bytes (RFC 1191, section 4);
/// none where nobody may be told (RFC 1122, 3.2.2).
pub(super) fn fragmentation_needed(frame: &[u8], mtu: u32) -> Option<Vec<u8>> {
    let segment = Segment::read(frame)?;
    let ip = &frame[ETHERNET..];
    let complains = i32::from(segment.protocol) == libc::IPPROTO_ICMP
        && frame
            .get(segment.transport)
            .is_none_or(|kind| *kind != ICMP_ECHO);
    if !segment.first || complains {
        return None;
    }
    let quoted = &ip[..ip.len().min(ICMP_LIMIT - IP_HEADER - ICMP_HEADER)];
    let mut made = answering(frame);
    let sender = [ip[12], ip[13], ip[14], ip[15]];
    let length = IP_HEADER + ICMP_HEADER + quoted.len();
    write_ip(
        &mut made,
        length,
        libc::IPPROTO_ICMP,
        ROUTER.octets(),
        sender,
    );
    let [high, low] = u16::try_from(mtu).unwrap_or(u16::MAX).to_be_bytes();
    let at = made.len();
    made.extend_from_slice(&[UNREACHABLE, FRAGMENTATION_NEEDED, 0, 0, 0, 0, high, low]);
    made.extend_from_slice(quoted);
    let sum = check_sum(0, &made[at..]);
    made[at + 2..at + 4].copy_from_slice(&sum.to_be_bytes());
    Some(made)
}

/// Resets for both ends of a segment's connection: first for whom it was sent to, then for its sender.
/// None for what is no segment of TCP, and for resets.
pub(super) fn resets(frame: &[u8]) -> Option<[Vec<u8>; 2]> {
    let segment = Segment::read(frame)?;
    let tcp = segment.tcp(frame)?;
    if tcp.flags.has(TcpFlags::RST) {
        return None;
    }
    let ip = &frame[ETHERNET..];
    let (from, to) = (
        [ip[12], ip[13], ip[14], ip[15]],
        [ip[16], ip[17], ip[18], ip[19]],
    );
    // In its place: the receiver takes a reset for true that has the number it expects (RFC 5961, 3.2).
    let mut forward = frame[..ETHERNET].to_vec();
    let flags = TcpFlags::RST | tcp.flags.0 & TcpFlags::ACK;
    write_ip(&mut forward, IP_HEADER + RESET, libc::IPPROTO_TCP, from, to);
    write_reset(
        &mut forward,
        (tcp.source, tcp.destination),
        (tcp.seq, tcp.ack),
        flags,
    );
    // What its sender expects next is what it acknowledges; who has heard nothing yet expects its own
    // number to be acknowledged (RFC 9293, 3.10.7.3).
    let mut back = answering(frame);
    let (numbers, flags) = if tcp.flags.has(TcpFlags::ACK) {
        ((tcp.ack, 0), TcpFlags::RST)
    } else {
        let next = tcp.seq.wrapping_add(tcp.length);
        ((0, next), TcpFlags::RST | TcpFlags::ACK)
    };
    write_ip(&mut back, IP_HEADER + RESET, libc::IPPROTO_TCP, to, from);
    write_reset(&mut back, (tcp.destination, tcp.source), numbers, flags);
    Some([forward, back])
}

/// The header of TCP without options.
const RESET: usize = 20;

fn write_reset(made: &mut Vec<u8>, ports: (u16, u16), numbers: (u32, u32), flags: u8) {
    let at = made.len();
    made.extend_from_slice(&ports.0.to_be_bytes());
    made.extend_from_slice(&ports.1.to_be_bytes());
    made.extend_from_slice(&numbers.0.to_be_bytes());
    made.extend_from_slice(&numbers.1.to_be_bytes());
    made.extend_from_slice(&[(RESET as u8 / 4) << 4, flags, 0, 0, 0, 0, 0, 0]);
    write_transport_sum(made, at, libc::IPPROTO_TCP);
}

/// The Ethernet header of an answer.
fn answering(frame: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(ICMP_LIMIT + ETHERNET);
    made.extend_from_slice(&frame[6..12]);
    made.extend_from_slice(&frame[..6]);
    made.extend_from_slice(&frame[12..ETHERNET]);
    made
}

#[cfg(test)]
mod tests {
    use sockeye_trace::packet::{Body, dissect};

    use super::*;

    /// A segment of a client at 10.0.0.1:5000 to a server at 10.0.0.2:80.
    fn segment(flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![2, 0, 10, 0, 0, 2, 2, 0, 10, 0, 0, 1, 8, 0];
        let length = IP_HEADER + RESET + payload.len();
        let (from, to) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        write_ip(&mut frame, length, libc::IPPROTO_TCP, from, to);
        write_reset(&mut frame, (5000, 80), (1000, 2000), flags);
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn a_reset_fits_what_its_receiver_expects() {
        let read = |frame: &[u8]| {
            let packet = dissect(1, frame, frame.len() as u32);
            let Body::Tcp(tcp) = packet.body else {
                panic!("{packet:?}");
            };
            (tcp.source, tcp.seq, tcp.ack, tcp.flags.0)
        };
        let [forward, back] = resets(&segment(TcpFlags::ACK | TcpFlags::PSH, b"abc")).unwrap();
        assert_eq!(read(&forward), (5000, 1000, 2000, 0x14));
        assert_eq!(read(&back), (80, 2000, 0, 0x04));
        let [forward, back] = resets(&segment(TcpFlags::SYN, b"")).unwrap();
        assert_eq!(read(&forward), (5000, 1000, 2000, 0x04));
        assert_eq!(read(&back), (80, 0, 1001, 0x14));
        assert_eq!(resets(&segment(TcpFlags::RST, b"")), None);
    }

    #[test]
    fn an_error_of_icmp_quotes_what_did_not_fit() {
        let frame = segment(TcpFlags::ACK, &[7; 1400]);
        let made = fragmentation_needed(&frame, 1200).unwrap();
        let packet = dissect(1, &made, made.len() as u32);
        assert_eq!(made.len(), ETHERNET + ICMP_LIMIT);
        let (v6, kind, code) = (false, UNREACHABLE, FRAGMENTATION_NEEDED);
        assert_eq!(packet.body, Body::Icmp { v6, kind, code });
        assert_eq!(packet.quoted.unwrap().ports, Some((5000, 80)));
        assert_eq!(check_sum(0, &made[ETHERNET..][..IP_HEADER]), 0);
        assert_eq!(check_sum(0, &made[ETHERNET + IP_HEADER..]), 0);
        assert_eq!(
            made[ETHERNET + IP_HEADER + 6..][..2],
            1200_u16.to_be_bytes()
        );
        // Of errors nobody complains.
        assert_eq!(fragmentation_needed(&made, 100), None);
        assert_eq!(fragmentation_needed(b"short", 100), None);
    }
}
