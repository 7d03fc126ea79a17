//! The messages of a way, by the session's framing.

use std::ops::Range;

use sockeye_frame::{Framing, Step};

use super::{Move, Way};
use crate::Session;

/// Cuts what was written (or, where nobody watched the writer, what was read) into messages, as far as
/// the bytes were kept.
pub(super) fn find(session: &Session, way: &Way) -> Vec<Range<u64>> {
    let Ok(framing) = session.head().frame.parse::<Framing>() else {
        return Vec::new();
    };
    if framing.is_raw() {
        return Vec::new();
    }
    let moves = if way.writes.is_empty() {
        &way.reads
    } else {
        &way.writes
    };
    cut(&framing, &whole(session, moves))
}

/// The bytes from the start on, until one is missing.
fn whole(session: &Session, moves: &[Move]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for call in moves {
        let data = session.fact(call.fact).data;
        let len = call.bytes.end - call.bytes.start;
        if len == 0 {
            continue;
        }
        if call.bytes.start != bytes.len() as u64 {
            break;
        }
        bytes.extend_from_slice(&data[..data.len().min(len as usize)]);
        if (data.len() as u64) < len {
            break;
        }
    }
    bytes
}

fn cut(framing: &Framing, bytes: &[u8]) -> Vec<Range<u64>> {
    let mut decoder = framing.decoder();
    let (mut messages, mut at, mut began) = (Vec::new(), 0, 0);
    while at < bytes.len() {
        let Ok(step) = decoder.decode(&bytes[at..]) else {
            break;
        };
        let ends = match step {
            Step::NeedMore { .. } => break,
            Step::Frame { .. } => true,
            Step::Body { left, .. } => left == 0,
            Step::Head { .. } | Step::Skipped { .. } => false,
        };
        at += step.used();
        if ends {
            messages.push(began as u64..at as u64);
        }
        if ends || matches!(step, Step::Skipped { .. }) {
            began = at;
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_include_their_frames() {
        let line = Framing::line();
        assert_eq!(cut(&line, b"one\ntwo\nthr"), [0..4, 4..8]);
        let Ok(length) = "u16be".parse::<Framing>() else {
            panic!("a framing");
        };
        assert_eq!(cut(&length, b"\0\x02hi\0\x00\0\x05hel"), [0..4, 4..6]);
    }
}
