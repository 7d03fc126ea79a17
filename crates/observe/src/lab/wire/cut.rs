//! Super-segments cut into what they stand for, as a network device with offload would: rules are to
//! see true packets.

use sockeye_trace::packet::TcpFlags;

use super::ipv4::{ETHERNET, Segment, write_ip_sum, write_transport_sum};

/// The header of UDP.
const UDP: usize = 8;

/// Gives each packet that a frame stands for to `each`, with its check sums filled in.
///
/// - **Input:** the frame, the size of its pieces (0: it is one), and room that is kept.
pub(super) fn cut(frame: &[u8], piece: usize, room: &mut Vec<u8>, mut each: impl FnMut(&[u8])) {
    let Some((segment, headers)) = headers(frame) else {
        return each(frame);
    };
    let payload = &frame[headers..];
    let piece = if piece == 0 { usize::MAX } else { piece };
    let count = payload.len().div_ceil(piece).max(1);
    for number in 0..count {
        let start = number * piece.min(payload.len());
        let end = start.saturating_add(piece).min(payload.len());
        room.clear();
        room.extend_from_slice(&frame[..headers]);
        room.extend_from_slice(&payload[start..end]);
        place(room, &segment, number, start, number + 1 == count);
        each(room);
    }
}

/// Where the parts lie, and where the payload begins, of what can be cut.
fn headers(frame: &[u8]) -> Option<(Segment, usize)> {
    let segment = Segment::read(frame).filter(|segment| segment.first)?;
    let header = match i32::from(segment.protocol) {
        libc::IPPROTO_TCP => segment.tcp_header(frame)?,
        libc::IPPROTO_UDP => UDP,
        _ => return None,
    };
    let headers = segment.transport + header;
    (headers <= frame.len()).then_some((segment, headers))
}

/// Makes the headers of a piece its own.
fn place(packet: &mut [u8], segment: &Segment, number: usize, start: usize, last: bool) {
    let length = (packet.len() - ETHERNET) as u16;
    let transport = segment.transport;
    let ip = &mut packet[ETHERNET..];
    ip[2..4].copy_from_slice(&length.to_be_bytes());
    let id = u16::from_be_bytes([ip[4], ip[5]]).wrapping_add(number as u16);
    ip[4..6].copy_from_slice(&id.to_be_bytes());
    write_ip_sum(ip);
    if i32::from(segment.protocol) == libc::IPPROTO_TCP {
        let seq = &mut packet[transport + 4..transport + 8];
        let number_of = u32::from_be_bytes([seq[0], seq[1], seq[2], seq[3]]);
        seq.copy_from_slice(&number_of.wrapping_add(start as u32).to_be_bytes());
        if !last {
            packet[transport + 13] &= !(TcpFlags::FIN | TcpFlags::PSH);
        }
        if number > 0 {
            packet[transport + 13] &= !TcpFlags::CWR;
        }
    } else {
        let length = (packet.len() - transport) as u16;
        packet[transport + 4..transport + 6].copy_from_slice(&length.to_be_bytes());
    }
    write_transport_sum(packet, transport, i32::from(segment.protocol));
}

#[cfg(test)]
mod tests {
    use sockeye_trace::packet::{Body, dissect};

    use super::super::ipv4::{check_sum, write_ip};
    use super::*;

    fn frame(protocol: libc::c_int, header: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![2, 0, 10, 0, 0, 2, 2, 0, 10, 0, 0, 1, 8, 0];
        let length = 20 + header.len() + payload.len();
        write_ip(&mut frame, length, protocol, [10, 0, 0, 1], [10, 0, 0, 2]);
        frame.extend_from_slice(header);
        frame.extend_from_slice(payload);
        frame
    }

    fn pieces(frame: &[u8], piece: usize) -> Vec<Vec<u8>> {
        let mut pieces = vec![];
        cut(frame, piece, &mut vec![], |packet| {
            pieces.push(packet.to_vec());
        });
        pieces
    }

    /// Sums over what has its check sum in place are all ones.
    fn is_sound(packet: &[u8], protocol: u64) -> bool {
        let (ip, segment) = packet[ETHERNET..].split_at(20);
        let pseudo: u64 = [12, 14, 16, 18]
            .iter()
            .map(|at| u64::from(u16::from_be_bytes([ip[*at], ip[at + 1]])))
            .sum();
        check_sum(0, ip) == 0 && check_sum(pseudo + protocol + segment.len() as u64, segment) == 0
    }

    #[test]
    fn segments_of_tcp_follow_one_another() {
        let mut header = [0; 20];
        header[4..8].copy_from_slice(&(u32::MAX - 999).to_be_bytes());
        header[12] = 5 << 4;
        header[13] = TcpFlags::FIN | TcpFlags::PSH | TcpFlags::ACK | TcpFlags::CWR;
        let payload: Vec<u8> = (0..2500_u32).map(|number| number as u8).collect();
        let pieces = pieces(&frame(libc::IPPROTO_TCP, &header, &payload), 1000);
        let seen: Vec<_> = pieces
            .iter()
            .map(|packet| {
                assert!(is_sound(packet, 6));
                let read = dissect(1, packet, packet.len() as u32);
                let Body::Tcp(tcp) = &read.body else {
                    panic!("{read:?}");
                };
                assert_eq!(read.oddity, None);
                let id = read.net.and_then(|net| net.id);
                (tcp.seq, tcp.flags.0, read.payload_len, id)
            })
            .collect();
        let first = u32::MAX - 999;
        let expected = [
            (first, 0x90, 1000, Some(0)),
            (0, 0x10, 1000, Some(1)),
            (1000, 0x19, 500, Some(2)),
        ];
        assert_eq!(seen, expected);
        let joined: Vec<u8> = pieces
            .iter()
            .flat_map(|packet| packet[54..].to_vec())
            .collect();
        assert_eq!(joined, payload);
    }

    #[test]
    fn datagrams_have_headers_of_their_own() {
        let pieces = pieces(
            &frame(libc::IPPROTO_UDP, &[0, 9, 0, 7, 0, 0, 0, 0], &[5; 250]),
            100,
        );
        let lengths: Vec<_> = pieces.iter().map(|packet| packet[39]).collect();
        assert_eq!(lengths, [108, 108, 58]);
        assert!(pieces.iter().all(|packet| is_sound(packet, 17)));
    }

    #[test]
    fn what_is_one_piece_gets_its_check_sum() {
        let header = [0, 9, 0, 7, 0, 11, 0xaa, 0xbb];
        let pieces = pieces(&frame(libc::IPPROTO_UDP, &header, b"abc"), 0);
        assert_eq!(pieces.len(), 1);
        assert!(is_sound(&pieces[0], 17));
    }

    #[test]
    fn what_cannot_be_cut_stays_as_it_is() {
        for frame in [vec![], vec![0; 10], frame(libc::IPPROTO_TCP, &[0; 19], &[])] {
            assert_eq!(pieces(&frame, 100), [frame]);
        }
    }
}
