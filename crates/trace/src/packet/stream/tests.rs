//! Segments in any order, lost, cut, and at random.

use proptest::prelude::*;

use super::held::PIECE_COST;
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
        let (mut stream, mut told) = (Stream::starting_at(0).with_limit(limit), Told::default());
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
