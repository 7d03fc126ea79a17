//! One direction of a connection, from any segments in any order: every byte that is told is the one
//! that was sent there, bytes and gaps lie end to end, and what waits stays within its limit.
//!
//! The input is the first sequence number, a limit, then steps of six bytes: what, where, how long,
//! how much of it was captured.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sockeye_trace::packet::TcpFlags;
use sockeye_trace::packet::stream::{Part, Segment, Stream};

/// What was sent: as far as an offset and a length of 16 bits each reach.
static SENT: LazyLock<Vec<u8>> = LazyLock::new(|| (0..0x2_0000).map(byte).collect());

fuzz_target!(|data: &[u8]| {
    let [a, b, c, d, limit, steps @ ..] = data else {
        return;
    };
    let first = u32::from_be_bytes([*a, *b, *c, *d]);
    let limit = usize::from(*limit) * 64;
    let sent = &*SENT;
    let mut stream = Stream::starting_at(first).with_limit(limit);
    let (mut told, mut over) = (0, false);
    let mut hear = |part: Part<'_>| {
        assert!(!over, "nothing follows the end");
        match part {
            Part::Bytes { offset, bytes } => {
                assert_eq!(offset, told);
                for (index, got) in bytes.iter().enumerate() {
                    assert_eq!(*got, byte(offset + index as u64));
                }
                told += bytes.len() as u64;
            }
            Part::Gap { offset, len } => {
                assert_eq!(offset, told);
                assert!(len > 0);
                told += len;
            }
            Part::End { offset, .. } => {
                assert_eq!(offset, told);
                over = true;
            }
        }
    };
    for step in steps.chunks_exact(6) {
        let at = usize::from(u16::from_be_bytes([step[1], step[2]]));
        let len = usize::from(u16::from_be_bytes([step[3], step[4]]));
        let kept = len.min(usize::from(step[5]) * 16);
        let seq = first.wrapping_add(at as u32);
        match step[0] % 8 {
            6 => stream.on_ack(seq, &mut hear),
            7 => {
                let flags = TcpFlags(step[0] >> 3 & (TcpFlags::FIN | TcpFlags::RST));
                let segment = Segment {
                    seq,
                    flags,
                    ..Segment::default()
                };
                stream.on_segment(&segment, &mut hear);
            }
            _ => {
                let segment = Segment {
                    seq,
                    flags: TcpFlags(TcpFlags::ACK),
                    bytes: &sent[at..at + kept],
                    len: len as u32,
                };
                stream.on_segment(&segment, &mut hear);
            }
        }
        assert!(stream.held() <= limit);
    }
    stream.finish(&mut hear);
    assert_eq!(stream.held(), 0);
});

/// What stands at each offset; no two neighbourhoods are alike.
fn byte(at: u64) -> u8 {
    ((at as u32).wrapping_mul(2_654_435_761) >> 24) as u8
}
