//! `cobs`: a message is written without zero bytes, so that a zero byte can end it.
//!
//! Source: Cheshire and Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Transactions on
//! Networking 7(2), 1999. A code byte n stands ahead of n - 1 bytes and, unless n is 255 or they
//! are the last, for the zero behind them.

use memchr::memchr;

use crate::error::{Fault, Misfit};

pub(crate) const END: u8 = 0;

/// The most bytes that one code byte can announce.
const BLOCK: usize = 254;

/// The longest a message of `max` bytes gets, without its zero. It costs a code byte for each
/// block and one more where the last block is full and an encoder closes it all the same.
pub(crate) fn longest(max: usize) -> usize {
    max.saturating_add(max / BLOCK + 1)
}

/// Appends the message to `out`; an error gives the offset of the byte that does not fit.
pub(crate) fn unstuff(stuffed: &[u8], out: &mut Vec<u8>) -> Result<(), Misfit> {
    let mut at = 0;
    while let Some(&code) = stuffed.get(at) {
        let next = at + usize::from(code);
        let Some(block) = stuffed.get(at + 1..next) else {
            return Err((
                at,
                Fault::PastEnd {
                    code,
                    past: next - stuffed.len(),
                },
            ));
        };
        out.extend_from_slice(block);
        if code < 0xff && next < stuffed.len() {
            out.push(0);
        }
        at = next;
    }
    Ok(())
}

/// Whether this is how [`encode`] writes the message: an encoder may also close a full last block
/// with the code 1.
pub(crate) fn is_canonical(stuffed: &[u8]) -> bool {
    let (mut at, mut full) = (0, false);
    while let Some(&code) = stuffed.get(at) {
        at += usize::from(code.max(1));
        if at == stuffed.len() {
            return !(full && code == 1);
        }
        full = code == 0xff;
    }
    true
}

/// Appends the frame of `message`.
pub(crate) fn encode(mut message: &[u8], out: &mut Vec<u8>) {
    out.reserve(longest(message.len()) + 1);
    loop {
        let window = &message[..message.len().min(BLOCK)];
        let (block, rest) = match memchr(0, window) {
            Some(zero) => (&window[..zero], Some(&message[zero + 1..])),
            None if message.len() > BLOCK => (window, Some(&message[BLOCK..])),
            None => (window, None),
        };
        out.push(block.len() as u8 + 1);
        out.extend_from_slice(block);
        match rest {
            Some(rest) => message = rest,
            None => break,
        }
    }
    out.push(END);
}
