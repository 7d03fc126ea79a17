//! One direction of a TCP connection, put together from its segments in whatever order they came.
//!
//! ```
//! use sockeye_trace::packet::stream::{Part, Segment, Stream};
//!
//! let mut stream = Stream::starting_at(1000);
//! let mut text = vec![];
//! for (seq, bytes) in [(1005, b" world"), (1000, b"hello ")] {
//!     let segment = Segment { seq, bytes, len: 6, ..Segment::default() };
//!     stream.on_segment(&segment, &mut |part| {
//!         if let Part::Bytes { bytes, .. } = part {
//!             text.extend_from_slice(bytes);
//!         }
//!     });
//! }
//! // The byte that both carry counts once.
//! assert_eq!(text, b"hello world");
//! ```

mod held;
mod segment;

use std::ops::Range;

use super::TcpFlags;
use held::{Held, Piece};

pub use segment::{Part, Segment};

/// Bytes that are held for a hole to fill, by default: more than a usual window.
pub const HELD_LIMIT: usize = 8 << 20;
/// Once the receiver has acknowledged bytes of a hole, they will not be sent again: so many more
/// packets are waited for, as captures may swap neighbours, then the hole is a gap.
pub const PATIENCE: u32 = 16;

/// One direction of a connection.
///
/// Input is [`Stream::on_segment`], and [`Stream::on_ack`] with what the other direction acknowledges;
/// [`Stream::finish`] ends a capture. Each tells at once what it completes.
///
/// - **Limits:** [`HELD_LIMIT`] bytes wait for a hole to fill; beyond that the hole becomes a gap.
#[derive(Debug)]
pub struct Stream {
    /// The sequence number of the first byte, once known.
    base: Option<u32>,
    /// Whether `base` is the true start (a SYN was seen, or somebody told).
    from_start: bool,
    /// All before it was told.
    next: u64,
    /// What came beyond a hole.
    held: Held,
    limit: usize,
    /// Where the stream ends, once a FIN told.
    fin: Option<u64>,
    /// How far the receiver has acknowledged.
    acked: u64,
    /// Packets since the hole was acknowledged.
    waited: u32,
    ended: bool,
}

impl Default for Stream {
    fn default() -> Self {
        Self::new()
    }
}

impl Stream {
    /// A stream of which nothing is known: it begins behind its SYN, or else with the first segment.
    pub fn new() -> Self {
        Self {
            base: None,
            from_start: false,
            next: 0,
            held: Held::default(),
            limit: HELD_LIMIT,
            fin: None,
            acked: 0,
            waited: 0,
            ended: false,
        }
    }

    /// A stream whose first byte has this sequence number (the SYN's plus one).
    pub fn starting_at(first: u32) -> Self {
        Self {
            base: Some(first),
            from_start: true,
            ..Self::new()
        }
    }

    /// The same with another limit of bytes that wait.
    #[must_use]
    pub const fn with_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// How far it was told.
    pub const fn offset(&self) -> u64 {
        self.next
    }

    /// Whether its first byte is the connection's first.
    pub const fn is_from_start(&self) -> bool {
        self.from_start
    }

    /// Bytes that wait for a hole to fill, with what holding them costs.
    pub const fn held(&self) -> usize {
        self.held.cost()
    }

    /// Whether its end was told.
    pub const fn is_over(&self) -> bool {
        self.ended
    }

    /// Whether this segment opens another connection over the same ports: time for another stream.
    pub fn is_reopened_by(&self, segment: &Segment<'_>) -> bool {
        let opens = segment.flags.has(TcpFlags::SYN);
        opens
            && self
                .base
                .is_some_and(|base| base != segment.seq.wrapping_add(1))
    }

    /// Takes a segment of this direction.
    pub fn on_segment(&mut self, segment: &Segment<'_>, out: &mut dyn FnMut(Part<'_>)) {
        if self.ended {
            return;
        }
        // A SYN counts as one, ahead of the first byte.
        let syn = segment.flags.has(TcpFlags::SYN);
        let first = segment.seq.wrapping_add(u32::from(syn));
        if syn && self.next == 0 && self.held.is_empty() {
            self.base = Some(first);
            self.from_start = true;
        }
        let base = *self.base.get_or_insert(first);
        let from = self.place(first.wrapping_sub(base));
        let to = from + i64::from(segment.len);
        if segment.flags.has(TcpFlags::FIN)
            && let Ok(end) = u64::try_from(to)
            && end >= self.next
        {
            self.fin.get_or_insert(end);
        }
        self.take(from, segment, out);
        if segment.flags.has(TcpFlags::RST) {
            self.end(true, out);
        }
        self.advance(out);
        self.wait(out);
    }

    /// Takes the acknowledgement number of a segment of the other direction.
    pub fn on_ack(&mut self, ack: u32, out: &mut dyn FnMut(Part<'_>)) {
        let Some(base) = self.base.filter(|_| !self.ended) else {
            return;
        };
        if let Ok(acked) = u64::try_from(self.place(ack.wrapping_sub(base))) {
            // A FIN is acknowledged as one byte more.
            let bytes = self.fin.map_or(acked, |fin| acked.min(fin));
            self.acked = self.acked.max(bytes);
        }
        self.wait(out);
    }

    /// Ends it: what waits is told, with the gaps between.
    pub fn finish(&mut self, out: &mut dyn FnMut(Part<'_>)) {
        if !self.ended {
            self.flush(out);
            self.advance(out);
        }
    }

    /// Where a number lies that is `low` beyond the base, as near as possible to what is next.
    fn place(&self, low: u32) -> i64 {
        let ahead = low.wrapping_sub(self.next as u32).cast_signed();
        // Streams stay far below 2^63 bytes.
        self.next as i64 + i64::from(ahead)
    }

    /// Tells or holds the new bytes of a segment that begins at `from`.
    fn take(&mut self, from: i64, segment: &Segment<'_>, out: &mut dyn FnMut(Part<'_>)) {
        // What lies before the start, or beyond the end, is not the stream's.
        let skipped = u64::try_from(from.saturating_neg()).unwrap_or(0);
        let start = u64::try_from(from).unwrap_or(0);
        let len = u64::from(segment.len).saturating_sub(skipped);
        let end = self
            .fin
            .map_or(start + len, |fin| (start + len).min(fin.max(start)));
        let seen = start + (segment.bytes.len() as u64).saturating_sub(skipped);
        let seen = seen.min(end);
        let bytes = segment.bytes.get(skipped as usize..).unwrap_or_default();
        let of = |range: Range<u64>| {
            &bytes[(range.start - start) as usize..(range.end - start) as usize]
        };

        // In order, and nothing waits: no copy.
        if start <= self.next && self.held.is_empty() {
            let new = self.next.max(start)..seen.max(self.next);
            if new.start < new.end {
                out(Part::Bytes {
                    offset: new.start,
                    bytes: of(new.clone()),
                });
                self.next = new.end;
            }
            self.gap_to(end, out);
            return;
        }
        for hole in self.held.holes(start.max(self.next)..seen) {
            self.held.put(hole.start, Piece::Bytes(of(hole).to_vec()));
        }
        for hole in self.held.holes(seen.max(self.next)..end) {
            self.held
                .put(hole.start, Piece::Unseen(hole.end - hole.start));
        }
        self.advance(out);
        while self.held.cost() > self.limit {
            self.skip_hole(out);
        }
    }

    /// Tells what waits and is next, and the end.
    fn advance(&mut self, out: &mut dyn FnMut(Part<'_>)) {
        while let Some(piece) = self.held.take(self.next) {
            match &piece {
                Piece::Bytes(bytes) => out(Part::Bytes {
                    offset: self.next,
                    bytes,
                }),
                Piece::Unseen(len) => out(Part::Gap {
                    offset: self.next,
                    len: *len,
                }),
            }
            self.next += piece.len();
        }
        if self.fin.is_some_and(|fin| fin <= self.next) {
            // Whatever waits would lie beyond the end.
            self.held.clear();
            self.end(false, out);
        }
    }

    /// Gives a hole up once it can no longer fill.
    fn wait(&mut self, out: &mut dyn FnMut(Part<'_>)) {
        // Only up to what is known to exist: an acknowledgement may lie.
        let known = self.held.end().unwrap_or(0);
        let acked = self.acked.min(known);
        if self.ended || acked <= self.next {
            self.waited = 0;
            return;
        }
        self.waited += 1;
        if self.waited < PATIENCE {
            return;
        }
        self.waited = 0;
        while self.next < acked && !self.ended {
            let known = self.held.start().unwrap_or(acked);
            self.gap_to(known.min(acked), out);
            self.advance(out);
        }
    }

    /// Gives up the hole ahead of what waits.
    fn skip_hole(&mut self, out: &mut dyn FnMut(Part<'_>)) {
        if let Some(start) = self.held.start() {
            self.gap_to(start, out);
        }
        self.advance(out);
    }

    fn gap_to(&mut self, end: u64, out: &mut dyn FnMut(Part<'_>)) {
        let end = self.fin.map_or(end, |fin| end.min(fin));
        if end > self.next {
            out(Part::Gap {
                offset: self.next,
                len: end - self.next,
            });
            self.next = end;
        }
    }

    fn flush(&mut self, out: &mut dyn FnMut(Part<'_>)) {
        while !self.held.is_empty() {
            self.skip_hole(out);
        }
    }

    fn end(&mut self, reset: bool, out: &mut dyn FnMut(Part<'_>)) {
        self.flush(out);
        // Flushing may have reached the FIN.
        if !self.ended {
            self.ended = true;
            out(Part::End {
                offset: self.next,
                reset,
            });
        }
    }
}

#[cfg(test)]
mod tests;
