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

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Body, Packet, TcpFlags};

/// Bytes that are held for a hole to fill, by default: more than a usual window.
pub const HELD_LIMIT: usize = 8 << 20;
/// What each held piece costs besides its bytes, so that small pieces do not pile up either.
const PIECE_COST: usize = 64;
/// Once the receiver has acknowledged bytes of a hole, they will not be sent again: so many more
/// packets are waited for, as captures may swap neighbours, then the hole is a gap.
pub const PATIENCE: u32 = 16;

/// A segment, as far as its stream is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Its sequence number.
    pub seq: u32,
    /// Its flags: SYN, FIN and RST count here.
    pub flags: TcpFlags,
    /// What was captured of its bytes.
    pub bytes: &'a [u8],
    /// How many it carried.
    pub len: u32,
}

impl<'a> Segment<'a> {
    /// The segment of a packet, if it is one.
    pub fn of(packet: &Packet<'a>) -> Option<Self> {
        match &packet.body {
            Body::Tcp(tcp) => Some(Self {
                seq: tcp.seq,
                flags: tcp.flags,
                bytes: &packet.bytes[packet.payload.clone()],
                len: packet.payload_len,
            }),
            _ => None,
        }
    }
}

/// What comes out: every byte once, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Bytes, from `offset` on.
    Bytes {
        /// Where they begin in this direction.
        offset: u64,
        /// They.
        bytes: &'a [u8],
    },
    /// Bytes that were never seen.
    Gap {
        /// Where they begin.
        offset: u64,
        /// How many.
        len: u64,
    },
    /// Nothing more will come.
    End {
        /// How long the stream was.
        offset: u64,
        /// The connection was reset, rather than closed.
        reset: bool,
    },
}

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
    /// Pieces beyond a hole, by where they begin; they never overlap.
    held: BTreeMap<u64, Held>,
    held_bytes: usize,
    limit: usize,
    /// Where the stream ends, once a FIN told.
    fin: Option<u64>,
    /// How far the receiver has acknowledged.
    acked: u64,
    /// Packets since the hole was acknowledged.
    waited: u32,
    ended: bool,
}

/// A piece beyond a hole.
#[derive(Debug)]
enum Held {
    Bytes(Vec<u8>),
    /// Carried, but not captured (a snap length).
    Unseen(u64),
}

impl Held {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Unseen(len) => *len,
        }
    }

    fn cost(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len() + PIECE_COST,
            Self::Unseen(_) => PIECE_COST,
        }
    }
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
            held: BTreeMap::new(),
            held_bytes: 0,
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
        self.held_bytes
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
        for hole in self.holes(start.max(self.next)..seen) {
            self.hold(hole.start, Held::Bytes(of(hole).to_vec()));
        }
        for hole in self.holes(seen.max(self.next)..end) {
            self.hold(hole.start, Held::Unseen(hole.end - hole.start));
        }
        self.advance(out);
        while self.held_bytes > self.limit {
            self.skip_hole(out);
        }
    }

    /// The parts of a range that are not held yet: what came first counts.
    fn holes(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut holes = vec![];
        let mut at = range.start;
        let before = self.held.range(..=at).next_back();
        for (start, held) in before
            .into_iter()
            .chain(self.held.range(at.saturating_add(1)..))
        {
            if *start >= range.end {
                break;
            }
            if at < *start {
                holes.push(at..*start);
            }
            at = at.max(start + held.len());
        }
        if at < range.end {
            holes.push(at..range.end);
        }
        holes
    }

    fn hold(&mut self, at: u64, held: Held) {
        self.held_bytes += held.cost();
        self.held.insert(at, held);
    }

    /// Tells what waits and is next, and the end.
    fn advance(&mut self, out: &mut dyn FnMut(Part<'_>)) {
        while let Some(entry) = self.held.first_entry()
            && *entry.key() == self.next
        {
            let held = entry.remove();
            self.held_bytes -= held.cost();
            match &held {
                Held::Bytes(bytes) => out(Part::Bytes {
                    offset: self.next,
                    bytes,
                }),
                Held::Unseen(len) => out(Part::Gap {
                    offset: self.next,
                    len: *len,
                }),
            }
            self.next += held.len();
        }
        if self.fin.is_some_and(|fin| fin <= self.next) {
            // Whatever waits would lie beyond the end.
            self.held.clear();
            self.held_bytes = 0;
            self.end(false, out);
        }
    }

    /// Gives a hole up once it can no longer fill.
    fn wait(&mut self, out: &mut dyn FnMut(Part<'_>)) {
        // Only up to what is known to exist: an acknowledgement may lie.
        let known = self
            .held
            .last_key_value()
            .map_or(0, |(at, held)| at + held.len());
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
            let known = self.held.keys().next().copied().unwrap_or(acked);
            self.gap_to(known.min(acked), out);
            self.advance(out);
        }
    }

    /// Gives up the hole ahead of what waits.
    fn skip_hole(&mut self, out: &mut dyn FnMut(Part<'_>)) {
        if let Some(start) = self.held.keys().next().copied() {
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What came out: the bytes (0 where there was a gap), which of them were seen, and the end.
    #[derive(Debug, Default)]
    struct Told {
        bytes: Vec<u8>,
        gaps: Vec<Range<u64>>,
        end: Option<(u64, bool)>,
    }

    impl Told {
        fn hear(&mut self, part: Part<'_>) {
            assert_eq!(self.end, None, "nothing follows the end");
            match part {
                Part::Bytes { offset, bytes } => {
                    assert_eq!(offset, self.bytes.len() as u64);
                    assert!(!bytes.is_empty());
                    self.bytes.extend_from_slice(bytes);
                }
                Part::Gap { offset, len } => {
                    assert_eq!(offset, self.bytes.len() as u64);
                    assert!(len > 0);
                    self.gaps.push(offset..offset + len);
                    self.bytes.resize((offset + len) as usize, 0);
                }
                Part::End { offset, reset } => {
                    assert_eq!(offset, self.bytes.len() as u64);
                    self.end = Some((offset, reset));
                }
            }
        }
    }

    fn segment(seq: u32, bytes: &[u8]) -> Segment<'_> {
        Segment {
            seq,
            bytes,
            len: bytes.len() as u32,
            ..Segment::default()
        }
    }

    fn flagged(seq: u32, flags: u8) -> Segment<'static> {
        Segment {
            seq,
            flags: TcpFlags(flags),
            ..Segment::default()
        }
    }

    /// Bytes of which no two neighbourhoods are alike.
    fn text(len: usize) -> Vec<u8> {
        (0..len as u32)
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect()
    }

    proptest! {
        /// Any order, any repetition, any overlap: the same bytes as plain concatenation.
        #[test]
        fn no_order_changes_the_bytes(
            isn: u32, len in 1usize..400,
            cuts in prop::collection::vec((0usize..400, 1usize..90), 0..60),
            order in prop::collection::vec(any::<prop::sample::Index>(), 120),
            step in 1usize..50,
        ) {
            let data = text(len);
            // Enough to cover everything, then anything again.
            let mut ranges: Vec<_> = (0..len).step_by(step).map(|at| at..(at + step).min(len)).collect();
            ranges.extend(cuts.iter().map(|(at, size)| (at % len)..(at % len + size).min(len)));
            for (index, other) in order.iter().enumerate().take(ranges.len()) {
                let other = other.index(ranges.len());
                ranges.swap(index, other);
            }
            let (mut stream, mut told) = (Stream::new(), Told::default());
            stream.on_segment(&flagged(isn, TcpFlags::SYN), &mut |part| told.hear(part));
            let first = isn.wrapping_add(1);
            for (index, range) in ranges.iter().enumerate() {
                if index == ranges.len() / 2 {
                    let fin = flagged(first.wrapping_add(len as u32), TcpFlags::FIN);
                    stream.on_segment(&fin, &mut |part| told.hear(part));
                }
                let segment = segment(first.wrapping_add(range.start as u32), &data[range.clone()]);
                stream.on_segment(&segment, &mut |part| told.hear(part));
            }
            prop_assert_eq!(&told.bytes, &data);
            prop_assert_eq!(told.gaps, vec![]);
            prop_assert_eq!(told.end, Some((len as u64, false)));
            prop_assert_eq!(stream.held(), 0);
        }

        /// Whatever is lost or cut: what is told is right, gaps and bytes make the whole, and what
        /// waits stays within its limit.
        #[test]
        fn losses_are_gaps_and_never_other_bytes(
            isn: u32, limit in 0usize..300,
            segments in prop::collection::vec((0u32..600, 1usize..80, 0usize..80), 1..60),
            acks in prop::collection::vec(0u32..700, 60),
        ) {
            let data = text(700);
            let first = isn.wrapping_add(1);
            let (mut stream, mut told) = (Stream::starting_at(first).with_limit(limit), Told::default());
            for ((at, len, kept), ack) in segments.iter().zip(acks) {
                let bytes = &data[*at as usize..*at as usize + len];
                let segment = Segment {
                    bytes: &bytes[..*kept.min(len)],
                    ..segment(first.wrapping_add(*at), bytes)
                };
                stream.on_segment(&segment, &mut |part| told.hear(part));
                stream.on_ack(first.wrapping_add(ack), &mut |part| told.hear(part));
                prop_assert!(stream.held() <= limit);
            }
            stream.finish(&mut |part| told.hear(part));
            let end = segments.iter().map(|(at, len, _)| *at as usize + len).max().unwrap();
            prop_assert_eq!(told.bytes.len(), end);
            let lost = |at: usize| told.gaps.iter().any(|gap| gap.contains(&(at as u64)));
            for (at, byte) in told.bytes.iter().enumerate() {
                prop_assert!(*byte == data[at] || lost(at), "byte {at}");
            }
        }

        /// Any segments at all: nothing panics, and memory stays within its limit.
        #[test]
        fn any_segments_are_borne(
            segments in prop::collection::vec((any::<u32>(), any::<u8>(), 0usize..40, any::<u32>(), any::<u32>()), 0..80),
        ) {
            let data = [7; 40];
            let mut stream = Stream::new().with_limit(1000);
            let mut told = 0;
            let mut ends = 0;
            let mut hear = |part: Part<'_>| match part {
                Part::Bytes { offset, bytes } => {
                    assert_eq!(offset, told);
                    told += bytes.len() as u64;
                }
                Part::Gap { offset, len } => {
                    assert_eq!(offset, told);
                    told += len;
                }
                Part::End { offset, .. } => {
                    assert_eq!(offset, told);
                    ends += 1;
                }
            };
            for (seq, flags, bytes, len, ack) in segments {
                let flags = TcpFlags(flags);
                stream.on_segment(&Segment { seq, flags, bytes: &data[..bytes], len }, &mut hear);
                stream.on_ack(ack, &mut hear);
                assert!(stream.held() <= 1000);
            }
            stream.finish(&mut hear);
            prop_assert!(ends <= 1);
            prop_assert_eq!(stream.held(), 0);
        }
    }

    #[test]
    fn offsets_count_on_beyond_four_gibibytes() {
        let (mut stream, mut at) = (Stream::starting_at(u32::MAX - 9), 0);
        for round in 0..40u64 {
            // Carried, not captured: 512 MiB at once.
            let seq = (u32::MAX - 9).wrapping_add((round << 29) as u32);
            let segment = Segment {
                seq,
                len: 1 << 29,
                ..Segment::default()
            };
            stream.on_segment(&segment, &mut |part| {
                assert_eq!(
                    part,
                    Part::Gap {
                        offset: at,
                        len: 1 << 29
                    }
                );
                at += 1 << 29;
            });
        }
        assert_eq!(stream.offset(), 20 << 30);
    }

    #[test]
    fn a_hole_that_was_acknowledged_becomes_a_gap() {
        let (mut stream, mut told) = (Stream::starting_at(0), Told::default());
        stream.on_segment(&segment(10, b"later"), &mut |part| told.hear(part));
        for round in 1..=PATIENCE {
            assert_eq!(told.bytes.len(), 0, "{round}");
            stream.on_ack(15, &mut |part| told.hear(part));
        }
        assert_eq!(told.gaps, vec![0..10]);
        assert_eq!(&told.bytes[10..], b"later");
        // Too late now.
        stream.on_segment(&segment(0, b"0123456789"), &mut |part| told.hear(part));
        assert_eq!(told.bytes.len(), 15);
    }

    #[test]
    fn a_hole_fills_until_the_limit_and_not_beyond() {
        let fill = |limit: usize| {
            let (mut stream, mut told) =
                (Stream::starting_at(0).with_limit(limit), Told::default());
            stream.on_segment(&segment(1, b"bc"), &mut |part| told.hear(part));
            stream.on_segment(&segment(0, b"a"), &mut |part| told.hear(part));
            told
        };
        assert_eq!(fill(2 + PIECE_COST).bytes, b"abc");
        assert_eq!(fill(1 + PIECE_COST).gaps, vec![0..1]);
    }

    #[test]
    fn how_streams_end() {
        let check = |segments: &[Segment<'_>], bytes: &[u8], end: Option<(u64, bool)>| {
            let (mut stream, mut told) = (Stream::starting_at(0), Told::default());
            for segment in segments {
                stream.on_segment(segment, &mut |part| told.hear(part));
            }
            assert_eq!((&told.bytes[..], told.end), (bytes, end));
            assert_eq!(stream.is_over(), end.is_some());
        };
        let (fin, rst) = (flagged(2, TcpFlags::FIN), flagged(2, TcpFlags::RST));
        let data = segment(0, b"hi");
        check(&[data], b"hi", None);
        check(&[data, fin, fin, rst], b"hi", Some((2, false)));
        check(&[fin, data], b"hi", Some((2, false)));
        check(&[data, rst, data], b"hi", Some((2, true)));
        // What came ahead of a hole when the connection was reset: told, with the gap.
        check(&[segment(1, b"i"), rst], b"\0i", Some((2, true)));
        // Bytes beyond the FIN are nobody's.
        check(&[segment(0, b"hi..."), fin], b"hi...", None);
        check(
            &[segment(1, b"i..."), fin, segment(0, b"h")],
            b"hi...",
            Some((5, false)),
        );
        check(&[fin, segment(0, b"hi...")], b"hi", Some((2, false)));
        // A keep-alive repeats the byte before what is next.
        check(&[data, segment(1, b"\0"), segment(1, b"")], b"hi", None);
    }

    #[test]
    fn another_connection_over_the_same_ports_is_noticed() {
        let mut stream = Stream::new();
        let syn = flagged(9, TcpFlags::SYN);
        assert!(!stream.is_reopened_by(&syn));
        stream.on_segment(&syn, &mut |_| {});
        assert!(stream.is_from_start() && !stream.is_reopened_by(&syn));
        assert!(stream.is_reopened_by(&flagged(10, TcpFlags::SYN)));
        assert!(!stream.is_reopened_by(&flagged(10, TcpFlags::ACK)));
    }
}
