//! Cutting packets: segments of TCP into smaller ones, packets of IPv4 into fragments.

use sockeye_trace::packet::{Body, Packet, TcpFlags};

/// The next protocol of both checks sums below (IANA).
const TCP: u8 = 6;

/// Flags and offset of a fragment (RFC 791, section 3.1).
const DONT_FRAGMENT: u16 = 0x4000;
const MORE: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;

/// The segment in pieces, cut at these offsets of its payload: each with headers of its own, sequence
/// numbers and check sums right. None of what is no whole segment of TCP.
pub(crate) fn cut(packet: &Packet<'_>, cuts: &[usize]) -> Option<Vec<Vec<u8>>> {
    let Body::Tcp(tcp) = &packet.body else {
        return None;
    };
    let payload = &packet.bytes[packet.payload.clone()];
    let whole = payload.len() == packet.payload_len as usize && packet.oddity.is_none();
    // An urgent pointer speaks of bytes that another piece would have.
    if !whole || tcp.flags.has(TcpFlags::URG) || packet.net?.fragment.is_some() {
        return None;
    }
    let headers = &packet.bytes[..packet.payload.start];
    let ends = cuts.iter().copied().chain([payload.len()]);
    let mut start = 0;
    let mut pieces = vec![];
    for end in ends {
        let mut piece = headers.to_vec();
        piece.extend_from_slice(payload.get(start..end)?);
        let seq = tcp.seq.wrapping_add(start as u32);
        let last = end == payload.len();
        address(&mut piece, packet, (pieces.len() as u16, seq, last))?;
        pieces.push(piece);
        start = end;
    }
    Some(pieces)
}

/// Makes the headers of a piece right: which piece it is, where it begins, whether it is the last.
fn address(
    piece: &mut [u8],
    packet: &Packet<'_>,
    (index, seq, last): (u16, u32, bool),
) -> Option<()> {
    let (net_at, at) = (packet.net_at, packet.transport_at);
    let v4 = piece.get(net_at)? >> 4 == 4;
    if v4 {
        let id = u16::from_be_bytes([piece[net_at + 4], piece[net_at + 5]]);
        piece[net_at + 4..net_at + 6].copy_from_slice(&id.wrapping_add(index).to_be_bytes());
        set_ipv4_length(piece, net_at, at)?;
    } else {
        // The payload of IPv6 begins behind its forty bytes (RFC 8200, section 3).
        let len = u16::try_from(piece.len().checked_sub(net_at + 40)?).ok()?;
        piece[net_at + 4..net_at + 6].copy_from_slice(&len.to_be_bytes());
    }
    let (_, tcp) = piece.split_at_mut(at);
    tcp.get_mut(4..8)?.copy_from_slice(&seq.to_be_bytes());
    if !last {
        tcp[13] &= !(TcpFlags::FIN | TcpFlags::PSH);
    }
    tcp.get_mut(16..18)?.copy_from_slice(&[0, 0]);
    let sum = sum(tcp) + pseudo_header(&piece[net_at..], v4, piece.len() - at)?;
    piece[at + 16..at + 18].copy_from_slice(&folded(sum).to_be_bytes());
    Some(())
}

/// The packet in fragments that a link of this MTU carries; none of what must not be fragmented, or fits,
/// or is not whole.
pub(crate) fn fragments(packet: &Packet<'_>, mtu: usize) -> Option<Vec<Vec<u8>>> {
    let net_at = packet.net_at;
    let header = packet.bytes.get(net_at..net_at + 20)?;
    let header_len = usize::from(header[0] & 0xf) * 4;
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let flags = u16::from_be_bytes([header[6], header[7]]);
    if header[0] >> 4 != 4 || flags & DONT_FRAGMENT != 0 || packet.oddity.is_some() {
        return None;
    }
    let body = packet.bytes.get(net_at + header_len..net_at + total)?;
    // Offsets count eight bytes.
    let size = mtu.checked_sub(header_len)? & !7;
    if size == 0 || total <= mtu {
        return None;
    }
    let mut fragments = vec![];
    for (index, part) in body.chunks(size).enumerate() {
        let mut fragment = packet.bytes[..net_at + header_len].to_vec();
        fragment.extend_from_slice(part);
        let offset = usize::from(flags & OFFSET) + index * size / 8;
        let more = flags & MORE != 0 || index * size + part.len() < body.len();
        let flags = u16::try_from(offset).ok().filter(|at| *at <= OFFSET)?;
        let flags = if more { flags | MORE } else { flags };
        fragment[net_at + 6..net_at + 8].copy_from_slice(&flags.to_be_bytes());
        set_ipv4_length(&mut fragment, net_at, net_at + header_len)?;
        fragments.push(fragment);
    }
    Some(fragments)
}

/// Writes the length of an IPv4 packet that ends with `bytes`, and the check sum of its header.
fn set_ipv4_length(bytes: &mut [u8], net_at: usize, header_end: usize) -> Option<()> {
    let len = u16::try_from(bytes.len().checked_sub(net_at)?).ok()?;
    let header = bytes.get_mut(net_at..header_end)?;
    header.get_mut(2..4)?.copy_from_slice(&len.to_be_bytes());
    header.get_mut(10..12)?.copy_from_slice(&[0, 0]);
    let sum = folded(sum(header));
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    Some(())
}

/// What a TCP check sum covers beside the segment (RFC 9293, section 3.1).
fn pseudo_header(net: &[u8], v4: bool, len: usize) -> Option<u64> {
    let addresses = if v4 { net.get(12..20) } else { net.get(8..40) };
    Some(sum(addresses?) + u64::from(TCP) + len as u64)
}

/// The sum of 16-bit words (RFC 1071).
fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks(2).map(|word| match word {
        [high, low] => u64::from(u16::from_be_bytes([*high, *low])),
        odd => u64::from(odd[0]) << 8,
    });
    words.sum()
}

fn folded(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
