//! Any bytes under any framing: nothing panics, cuts never change messages, what encode accepts
//! comes out again, and the work stays linear.
//!
//! The input is a spec text, LF, then a byte whose lowest bit says what follows, the number of cuts,
//! the cuts, and the stream or the messages: each with its length in a byte ahead of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sockeye_frame::{Framing, laws};

fuzz_target!(|data: &[u8]| {
    check(data);
});

fn check(data: &[u8]) -> Option<()> {
    let (spec, rest) = data.split_at(data.iter().position(|byte| *byte == b'\n')?);
    let framing: Framing = std::str::from_utf8(spec).ok()?.parse().ok()?;
    let [_, mode, count, rest @ ..] = rest else {
        return None;
    };
    let (cuts, rest) = rest.split_at_checked(usize::from(count % 16))?;
    let cuts: Vec<_> = cuts.iter().map(|cut| usize::from(*cut)).collect();
    if mode & 1 == 0 {
        laws::cuts_never_change_messages(&framing, rest, &cuts);
    } else {
        laws::decode_inverts_encode(&framing, &messages(rest), &cuts);
    }
    Some(())
}

fn messages(mut rest: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = vec![];
    while let [length, behind @ ..] = rest {
        let (message, behind) = behind.split_at(usize::from(*length).min(behind.len()));
        messages.push(message.to_vec());
        rest = behind;
    }
    messages
}
