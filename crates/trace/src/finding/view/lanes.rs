//! The lanes of a way as finders count them.

use std::ops::Range;

use crate::timeline::{Move, Segment, SegmentNote};
use crate::{FactId, Time};

use super::View;

/// Bytes that a segment was the first to carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::finding) struct Piece {
    pub bytes: Range<u64>,
    pub at: Time,
    /// The packet.
    pub fact: FactId,
}

/// What touches bytes of a way.
pub(in crate::finding) trait Touches {
    fn bytes(&self) -> &Range<u64>;
}

impl Touches for Range<u64> {
    fn bytes(&self) -> &Range<u64> {
        self
    }
}

impl Touches for &Move {
    fn bytes(&self) -> &Range<u64> {
        &self.bytes
    }
}

impl Touches for Piece {
    fn bytes(&self) -> &Range<u64> {
        &self.bytes
    }
}

/// Which entries touch `bytes`; the entries lie in the order of bytes.
pub(in crate::finding) fn overlapping<T: Touches>(
    entries: &[T],
    bytes: &Range<u64>,
) -> Range<usize> {
    let first = entries.partition_point(|entry| entry.bytes().end <= bytes.start);
    let after = entries.partition_point(|entry| entry.bytes().start < bytes.end);
    first..after.max(first)
}

/// How many bytes two ranges share.
pub(in crate::finding) fn shared(one: &Range<u64>, other: &Range<u64>) -> u64 {
    let end = one.end.min(other.end);
    end.saturating_sub(one.start.max(other.start))
}

impl View<'_> {
    /// The segments that carried some of these bytes first; none where the packets were not seen or
    /// do not join the calls.
    pub(in crate::finding) fn pieces_of(&self, way: usize, bytes: &Range<u64>) -> &[Piece] {
        if !self.is_captured() || !self.way(way).joined {
            return &[];
        }
        &self.pieces[way][overlapping(&self.pieces[way], bytes)]
    }

    /// The first `most` calls that wrote some of these bytes.
    pub(in crate::finding) fn writes_of(
        &self,
        way: usize,
        bytes: &Range<u64>,
        most: usize,
    ) -> impl Iterator<Item = FactId> {
        let writes = &self.writes[way][overlapping(&self.writes[way], bytes)];
        writes.iter().take(most).map(|each| each.fact)
    }

    /// The read that took this byte.
    pub(in crate::finding) fn reads_of(&self, way: usize, byte: u64) -> Option<&Move> {
        let reads = &self.reads[way];
        let at = overlapping(reads, &(byte..byte + 1));
        reads.get(at.start).copied().filter(|_| !at.is_empty())
    }

    /// The write that made a datagram. Datagrams are numbered in the order in which they were
    /// written.
    pub(in crate::finding) fn datagram(&self, way: usize, number: u32) -> Option<&Move> {
        let writes = &self.writes[way];
        let at = writes.partition_point(|write| write.datagram < number);
        writes
            .get(at)
            .copied()
            .filter(|write| write.datagram == number)
    }

    /// Segments that carried bytes to the other end which none before them had carried, and datagrams.
    pub(in crate::finding) fn carriers(&self, way: usize) -> impl Iterator<Item = &Segment> {
        let stream = self.flow.transport.is_stream();
        let wire = self.way(way).wire.iter();
        wire.filter(move |each| {
            !each.lost
                && (is_first(each.note) || self.makes_up(way, each))
                && !(stream && each.bytes.is_empty())
        })
    }

    /// Whether bytes that were lost on their way arrived with this segment.
    fn makes_up(&self, way: usize, segment: &Segment) -> bool {
        use SegmentNote::{PartlyRetransmitted, Retransmission};
        if !matches!(segment.note, Retransmission | PartlyRetransmitted) {
            return false;
        }
        let lanes = self.way(way);
        let before = lanes.wire_in(segment.bytes.clone());
        let mut before = before.filter(|index| lanes.wire[*index].fact < segment.fact);
        // Only the first that arrives after the loss does: all before it were lost.
        let any = before.clone().next().is_some();
        any && before.all(|index| lanes.wire[index].lost)
    }

    /// The transmissions of a byte before one of them, as they were sent.
    pub(in crate::finding) fn earlier(&self, way: usize, segment: &Segment) -> Vec<&Segment> {
        let lanes = self.way(way);
        let first = segment.bytes.start..segment.bytes.start + 1;
        let mut earlier: Vec<&Segment> = lanes
            .wire_in(first)
            .map(|index| &lanes.wire[index])
            .filter(|each| each.fact < segment.fact)
            .collect();
        earlier.sort_by_key(|each| each.fact);
        earlier
    }
}

/// Whether a segment carries something new.
fn is_first(note: SegmentNote) -> bool {
    use SegmentNote::{Fragment, KeepAlive, Retransmission, WindowProbe};
    !matches!(note, Retransmission | KeepAlive | WindowProbe | Fragment)
}

/// Writes that put something into the socket. An empty write says nothing in a stream and is a
/// datagram elsewhere.
pub(super) fn writes<'t>(view: &View<'t>, way: usize) -> Vec<&'t Move> {
    let least = i32::from(view.flow.transport.is_stream());
    let all = view.way(way).writes.iter();
    sorted(
        all.filter(|each| view.event(each.fact).result >= least)
            .collect(),
    )
}

/// Reads that took something out of the socket: what only peeks takes nothing.
pub(super) fn reads<'t>(view: &View<'t>, way: usize) -> Vec<&'t Move> {
    let least = i32::from(view.flow.transport.is_stream());
    let all = view.way(way).reads.iter();
    let took = |each: &&Move| {
        let fact = view.fact(each.fact);
        fact.event.result >= least && fact.flags & libc::MSG_PEEK.cast_unsigned() == 0
    };
    sorted(all.filter(took).collect())
}

fn sorted(mut moves: Vec<&Move>) -> Vec<&Move> {
    if !moves.is_sorted_by_key(|each| each.bytes.start) {
        moves.sort_by_key(|each| each.bytes.start);
    }
    moves
}

/// The messages of a stream: by its framing, else its writes.
pub(super) fn messages(view: &View<'_>, way: usize) -> Vec<Range<u64>> {
    let mut messages: Vec<_> = if view.is_framed(way) {
        view.way(way).messages.clone()
    } else {
        view.writes[way]
            .iter()
            .map(|each| each.bytes.clone())
            .collect()
    };
    let mut end = 0;
    messages.retain_mut(|message| apart(message, &mut end));
    messages
}

pub(super) fn pieces(view: &View<'_>, way: usize) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = view
        .carriers(way)
        .map(|each| Piece {
            bytes: each.bytes.clone(),
            at: view.time(each.fact),
            fact: each.fact,
        })
        .collect();
    pieces.sort_by_key(|piece| (piece.bytes.start, piece.at));
    let mut end = 0;
    pieces.retain_mut(|piece| apart(&mut piece.bytes, &mut end));
    pieces
}

/// Takes away what lies before `end`, moves `end` on, and says whether anything is left.
fn apart(bytes: &mut Range<u64>, end: &mut u64) -> bool {
    bytes.start = bytes.start.max(*end);
    *end = (*end).max(bytes.end);
    !bytes.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_are_found() {
        let ranges = [0..3, 3..10, 12..20];
        for (bytes, expected) in [
            (0..1, 0..1),
            (2..4, 0..2),
            (3..10, 1..2),
            (10..12, 2..2),
            (0..100, 0..3),
            (20..30, 3..3),
        ] {
            assert_eq!(overlapping(&ranges, &bytes), expected, "{bytes:?}");
        }
        assert_eq!(shared(&(0..5), &(3..9)), 2);
        assert_eq!(shared(&(0..3), &(3..9)), 0);
    }

    #[test]
    fn no_byte_counts_twice() {
        let mut ranges = vec![0..3, 2..6, 3..5, 7..8];
        let mut end = 0;
        ranges.retain_mut(|range| apart(range, &mut end));
        assert_eq!(ranges, [0..3, 3..6, 7..8]);
    }
}
