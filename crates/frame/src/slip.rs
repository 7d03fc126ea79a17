//! `slip`: a message ends with the byte END; END and ESC inside it are written as two bytes.
//!
//! Source: RFC 1055. As its own receiver does, this one drops empty messages, which is what an END
//! ahead of a message makes of whatever was there before.

use memchr::{memchr, memchr2};

use crate::error::{Fault, Misfit, Unencodable};

pub(crate) const END: u8 = 0xc0;
const ESC: u8 = 0xdb;
const ESC_END: u8 = 0xdc;
const ESC_ESC: u8 = 0xdd;

/// The longest a message of `max` bytes gets, without its END.
pub(crate) fn longest(max: usize) -> usize {
    max.saturating_mul(2)
}

/// Whether the message stands on the wire as it is.
pub(crate) fn is_plain(stuffed: &[u8]) -> bool {
    memchr(ESC, stuffed).is_none()
}

/// Appends the message to `out`; an error gives the offset of the byte that does not fit.
pub(crate) fn unstuff(mut stuffed: &[u8], out: &mut Vec<u8>) -> Result<(), Misfit> {
    let len = stuffed.len();
    while let Some(i) = memchr(ESC, stuffed) {
        out.extend_from_slice(&stuffed[..i]);
        let at = len - stuffed.len() + i + 1;
        match stuffed.get(i + 1) {
            Some(&ESC_END) => out.push(END),
            Some(&ESC_ESC) => out.push(ESC),
            Some(found) => return Err((at, Fault::BadEscape(*found))),
            None => return Err((at, Fault::BadEscape(END))),
        }
        stuffed = &stuffed[i + 2..];
    }
    out.extend_from_slice(stuffed);
    Ok(())
}

/// Appends the frame of `message`.
pub(crate) fn encode(mut message: &[u8], out: &mut Vec<u8>) -> Result<(), Unencodable> {
    if message.is_empty() {
        return Err(Unencodable::Empty);
    }
    out.reserve(message.len() + 1);
    while let Some(i) = memchr2(END, ESC, message) {
        out.extend_from_slice(&message[..i]);
        out.push(ESC);
        out.push(if message[i] == END { ESC_END } else { ESC_ESC });
        message = &message[i + 1..];
    }
    out.extend_from_slice(message);
    out.push(END);
    Ok(())
}
