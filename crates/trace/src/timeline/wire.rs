//! The wire lane of a stream: sequence numbers to offsets, and what is new.

use std::ops::Range;

use super::{Segment, SegmentNote};
use crate::packet::{Body, Packet, Tcp, TcpFlags};
use crate::{Fact, FactId, Time};

/// Holes that are remembered in a direction: what fills an older one counts as sent again.
const HOLES: usize = 64;
/// A super-segment is at most 64 KiB (gso_max_size before big TCP), so in pieces of 536 bytes 123.
const PIECES: u32 = 512;
/// The same packet on two interfaces (a bridge, both ends of a pair) passes them within this time.
const DOUBLED_NS: u64 = 1_000_000;

/// One direction of a TCP connection, as its packets tell it.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The initial sequence number.
    start: Option<u32>,
    /// The start was seen or told of by the other direction; else it is the first packet's.
    anchored: bool,
    /// The offset behind the last byte that was carried.
    next: u64,
    /// What was skipped and has not come yet.
    holes: Vec<Range<u64>>,
    /// Window scale that this direction's SYN announced.
    scale: Option<u8>,
    /// The last window it announced was zero.
    closed_window: bool,
    syn: bool,
    /// The last packet: interface, IP's id, sequence number, length, flags, when.
    last: Option<(u64, Option<u32>, u32, u32, u8, Time)>,
}

impl Stream {
    /// Whether a SYN with this number begins another connection than the one that is known.
    pub(super) fn is_other_start(&self, seq: u32) -> bool {
        self.anchored && self.start != Some(seq)
    }

    /// Whether offsets count from the connection's first byte.
    pub(super) const fn is_anchored(&self) -> bool {
        self.anchored
    }

    /// Whether this packet was the last one too, on another interface.
    pub(super) fn is_doubled(&mut self, fact: &Fact<'_>, packet: &Packet<'_>) -> bool {
        let Body::Tcp(tcp) = &packet.body else {
            return false;
        };
        let this = (
            fact.event.conn().number(),
            packet.net.and_then(|net| net.id),
            tcp.seq,
            packet.payload_len,
            tcp.flags.0,
            fact.event.time,
        );
        let Some(last) = self.last.replace(this) else {
            return false;
        };
        let near = this.5.as_nanos().saturating_sub(last.5.as_nanos()) < DOUBLED_NS;
        let same = (this.1, this.2, this.3, this.4) == (last.1, last.2, last.3, last.4);
        this.0 != last.0 && near && same
    }

    /// Takes a packet. Says whether it carries bytes, or asks for an answer as if it did.
    pub(super) fn segment(
        &mut self,
        id: FactId,
        fact: &Fact<'_>,
        packet: &Packet<'_>,
        other: &mut Self,
        wire: &mut Vec<Segment>,
    ) -> bool {
        let Body::Tcp(tcp) = &packet.body else {
            return false;
        };
        self.learn(tcp, other);
        let offset = self.offset(tcp);
        let window = self.window(tcp, other);
        let length = u64::from(packet.payload_len);
        if length == 0 && !self.is_probe(tcp, offset) {
            return false;
        }
        let bytes = offset..offset.saturating_add(length);
        let note = self.note(&bytes, tcp.flags, other);
        let lost = fact.is_lost();
        let size = fact.event.asked;
        let pieces = match packet.payload_len.checked_div(size) {
            Some(1..) if packet.payload_len > size => packet.payload_len.div_ceil(size),
            _ => 1,
        };
        let pieces = if pieces > PIECES { 1 } else { pieces };
        for piece in 0..pieces {
            let from = bytes.start + u64::from(piece) * u64::from(size);
            let last = piece + 1 == pieces;
            let to = if last {
                bytes.end
            } else {
                from + u64::from(size)
            };
            let only_last = TcpFlags::FIN | TcpFlags::PSH;
            wire.push(Segment {
                fact: id,
                piece: (piece as u16, pieces as u16),
                bytes: from..to,
                datagram: 0,
                note,
                lost,
                flags: if last {
                    tcp.flags.0
                } else {
                    tcp.flags.0 & !only_last
                },
                window,
            });
        }
        true
    }

    fn learn(&mut self, tcp: &Tcp, other: &mut Self) {
        if tcp.flags.has(TcpFlags::SYN) {
            (self.start, self.anchored, self.syn) = (Some(tcp.seq), true, true);
            self.scale = tcp.options.scale;
            // The answer to a SYN that was not seen tells its number.
            if tcp.flags.has(TcpFlags::ACK) && !other.anchored {
                (other.start, other.anchored) = (Some(tcp.ack.wrapping_sub(1)), true);
            }
        }
        if self.start.is_none() {
            self.start = Some(tcp.seq.wrapping_sub(1));
        }
    }

    /// The offset of a segment's first byte, unwrapped to the place nearest to what came before.
    fn offset(&self, tcp: &Tcp) -> u64 {
        if tcp.flags.has(TcpFlags::SYN) {
            return 0;
        }
        let start = self.start.unwrap_or_default().wrapping_add(1);
        let low = tcp.seq.wrapping_sub(start);
        let ahead = low.wrapping_sub(self.next as u32).cast_signed();
        self.next.saturating_add_signed(i64::from(ahead))
    }

    /// The window in bytes; both sides must have offered to scale it (RFC 7323 §2.2).
    fn window(&mut self, tcp: &Tcp, other: &Self) -> u32 {
        self.closed_window = tcp.window == 0 && !tcp.flags.has(TcpFlags::RST);
        let scaled = !tcp.flags.has(TcpFlags::SYN) && other.scale.is_some();
        let scale = self.scale.filter(|_| scaled).unwrap_or(0).min(14);
        u32::from(tcp.window) << scale
    }

    /// A segment without bytes in front of what is next: it only wants to be acknowledged
    /// (keep-alive: RFC 9293 §3.8.4; a probe of a closed window looks the same).
    fn is_probe(&self, tcp: &Tcp, offset: u64) -> bool {
        let others = TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST;
        self.anchored && self.next > 0 && tcp.flags.0 & others == 0 && offset + 1 == self.next
    }

    /// What is special about these bytes; they count as carried from now on.
    fn note(&mut self, bytes: &Range<u64>, flags: TcpFlags, other: &Self) -> SegmentNote {
        if bytes.is_empty() {
            return if other.closed_window {
                SegmentNote::WindowProbe
            } else {
                SegmentNote::KeepAlive
            };
        }
        let before = self.next;
        self.next = self.next.max(bytes.end);
        if bytes.start >= before {
            if bytes.start > before && self.holes.len() < HOLES {
                self.holes.push(before..bytes.start);
            }
            return SegmentNote::New;
        }
        if self.fill(bytes) {
            return SegmentNote::OutOfOrder;
        }
        // Other systems probe with a byte that was sent before; what is sent again in earnest is
        // pushed, as it was the first time.
        let probes =
            bytes.end == before && bytes.end - bytes.start == 1 && !flags.has(TcpFlags::PSH);
        match bytes.end > before {
            true => SegmentNote::PartlyRetransmitted,
            false if probes && other.closed_window => SegmentNote::WindowProbe,
            false if probes => SegmentNote::KeepAlive,
            false => SegmentNote::Retransmission,
        }
    }

    /// Takes the bytes out of the holes; says whether there were any to fill.
    fn fill(&mut self, bytes: &Range<u64>) -> bool {
        let mut filled = false;
        let mut left = Vec::with_capacity(self.holes.len());
        for hole in self.holes.drain(..) {
            if bytes.end <= hole.start || bytes.start >= hole.end {
                left.push(hole);
                continue;
            }
            filled = true;
            let rest = [
                hole.start..bytes.start.max(hole.start),
                bytes.end.min(hole.end)..hole.end,
            ];
            left.extend(rest.into_iter().filter(|rest| !rest.is_empty()));
        }
        self.holes = left;
        filled
    }
}
