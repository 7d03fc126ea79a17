//! Super-segments, cut as the network card cuts them.

use super::{Body, Packet, TcpFlags};

/// More pieces than these no kernel hands over at once (`GSO_MAX_SEGS` is 65535); a packet that
/// claims more is drawn as one.
pub const PIECE_LIMIT: u32 = 65_535;

/// One packet of the several that a super-segment stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which one, from 0.
    pub index: u32,
    /// Of how many.
    pub count: u32,
    /// Where its bytes begin in what the packet carries.
    pub offset: u32,
    /// How many bytes it carries.
    pub len: u32,
    /// Its sequence number (TCP; else 0).
    pub seq: u32,
    /// Its flags (TCP; else none): PSH and FIN on the last piece, CWR on the first.
    pub flags: TcpFlags,
    /// Its length on the wire, without the check sum that the hardware adds.
    pub frame_len: u32,
}

/// The pieces of a packet, in order: at least one.
#[derive(Clone, Debug)]
pub struct Pieces {
    next: u32,
    count: u32,
    size: u32,
    payload_len: u32,
    headers: u32,
    frame_len: u32,
    seq: u32,
    flags: TcpFlags,
}

impl Packet<'_> {
    /// The packets that this one stands for: pieces of `gso_size` bytes, the last one shorter. With 0,
    /// and for what is neither TCP nor UDP, the packet itself.
    pub fn pieces(&self, gso_size: u32) -> Pieces {
        let (seq, flags, header) = match &self.body {
            Body::Tcp(tcp) => (tcp.seq, tcp.flags, u32::from(tcp.header_len)),
            Body::Udp(_) => (0, TcpFlags::default(), 8),
            _ => (0, TcpFlags::default(), 0),
        };
        let pieces = match gso_size {
            0 => 1,
            size => self.payload_len.div_ceil(size).max(1),
        };
        let whole = header == 0 || pieces > PIECE_LIMIT;
        Pieces {
            next: 0,
            count: if whole { 1 } else { pieces },
            size: if whole { 0 } else { gso_size },
            payload_len: self.payload_len,
            headers: self.transport_at as u32 + header,
            frame_len: self.original_len,
            seq,
            flags,
        }
    }
}

impl Iterator for Pieces {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if self.next >= self.count {
            return None;
        }
        let index = self.next;
        self.next += 1;
        let last = self.next == self.count;
        // Below `payload_len`, which has 32 bits.
        let offset = index * self.size;
        let len = if last {
            self.payload_len - offset
        } else {
            self.size
        };
        let mut flags = self.flags.0;
        if !last {
            flags &= !(TcpFlags::PSH | TcpFlags::FIN);
        }
        if index > 0 {
            flags &= !TcpFlags::CWR;
        }
        Some(Piece {
            index,
            count: self.count,
            offset,
            len,
            seq: self.seq.wrapping_add(offset),
            flags: TcpFlags(flags),
            frame_len: if self.count == 1 {
                self.frame_len
            } else {
                self.headers + len
            },
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.count - self.next) as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Pieces {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{dissect, link_type};
    use etherparse::PacketBuilder;

    fn segment(payload: usize) -> Vec<u8> {
        let mut bytes = vec![];
        PacketBuilder::ethernet2([2; 6], [3; 6])
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .tcp(1, 2, u32::MAX - 1447, 100)
            .ack(1)
            .psh()
            .fin()
            .cwr()
            .write(&mut bytes, &vec![0; payload])
            .unwrap();
        bytes
    }

    #[test]
    fn a_super_segment_is_cut_as_a_card_cuts_it() {
        let bytes = segment(3000);
        let packet = dissect(link_type::ETHERNET, &bytes, bytes.len() as u32);
        let pieces: Vec<_> = packet.pieces(1448).collect();
        let seen: Vec<_> = pieces
            .iter()
            .map(|piece| (piece.offset, piece.len, piece.seq, piece.frame_len))
            .collect();
        assert_eq!(
            seen,
            [
                (0, 1448, u32::MAX - 1447, 1502),
                (1448, 1448, 0, 1502),
                (2896, 104, 1448, 158)
            ]
        );
        let flags: Vec<_> = pieces
            .iter()
            .map(|piece| piece.flags.as_tcpdump())
            .collect();
        assert_eq!(format!("{flags:?}"), r#"["[.W]", "[.]", "[FP.]"]"#);
        assert!(pieces.iter().all(|piece| piece.count == 3));
    }

    #[test]
    fn whatever_is_one_packet_stays_one() {
        let check = |payload: usize, size: u32| {
            let bytes = segment(payload);
            let packet = dissect(link_type::ETHERNET, &bytes, bytes.len() as u32);
            let pieces: Vec<_> = packet.pieces(size).collect();
            let [piece] = pieces[..] else {
                panic!("{pieces:?}");
            };
            assert_eq!(piece.frame_len as usize, bytes.len());
            assert_eq!(piece.len as usize, payload);
            assert_eq!(piece.flags.as_tcpdump().as_str(), "[FP.W]");
        };
        check(3000, 0);
        check(3000, 3000);
        check(3000, 9000);
        check(0, 1448);
    }

    #[test]
    fn a_claim_of_too_many_pieces_is_one_packet() {
        let mut bytes = segment(10);
        bytes[16..18].fill(0);
        let packet = dissect(link_type::ETHERNET, &bytes, PIECE_LIMIT + 54);
        assert_eq!(packet.pieces(1).len(), PIECE_LIMIT as usize);
        let packet = dissect(link_type::ETHERNET, &bytes, PIECE_LIMIT + 55);
        assert_eq!(packet.pieces(1).len(), 1);
        let packet = dissect(link_type::ETHERNET, &bytes, u32::MAX);
        assert_eq!(packet.pieces(70_000).last().unwrap().index, 61_356);
    }
}
