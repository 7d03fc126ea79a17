//! `fixed:N`: every message has the same size, so the wire needs nothing but the messages.

use crate::codec::Step;
use crate::error::Unencodable;

#[inline]
pub(crate) fn decode(size: usize, src: &[u8]) -> Step {
    match size.checked_sub(src.len()) {
        None | Some(0) => Step::Frame {
            header: 0..0,
            payload: 0..size,
            used: size,
        },
        Some(at_least) => Step::NeedMore { at_least },
    }
}

/// Refuses every message of another size.
#[inline]
pub(crate) fn permit(size: usize, message: &[u8]) -> Result<(), Unencodable> {
    if message.len() == size {
        return Ok(());
    }
    Err(Unencodable::WrongSize {
        len: message.len() as u64,
        size: size as u64,
    })
}
