//! Lengths in decimal digits, as netstring, octet-count and Content-Length write them.

use std::io::Write as _;

use crate::counted::{Awaited, Read, malformed};
use crate::error::{DecodeError, Fault, Misfit};

/// The number at the front of `src` and how many digits it has, or `None` if only digits have
/// come yet. An error gives the offset of the byte that does not fit.
pub(crate) fn read(src: &[u8], first: &'static str) -> Result<Option<(u64, usize)>, Misfit> {
    let mut number: u64 = 0;
    for (i, byte) in src.iter().enumerate() {
        if !byte.is_ascii_digit() {
            if i == 0 {
                return Err((
                    0,
                    Fault::Misplaced {
                        found: *byte,
                        allowed: first,
                    },
                ));
            }
            return Ok(Some((number, i)));
        }
        if i > 0 && src[0] == b'0' {
            return Err((0, Fault::LeadingZero));
        }
        number = number
            .checked_mul(10)
            .and_then(|number| number.checked_add(u64::from(byte - b'0')))
            .ok_or((i, Fault::Overflow))?;
    }
    Ok(None)
}

/// A header that is a length and the byte `end`; `first` and `then` say what may stand at its begin
/// and after a digit.
#[inline]
pub(crate) fn read_until(
    src: &[u8],
    at: u64,
    first: &'static str,
    end: u8,
    then: &'static str,
) -> Result<Read, DecodeError> {
    match read(src, first).map_err(|(i, fault)| malformed(src, at, i, fault))? {
        None => Ok(Read::More {
            at_least: if src.is_empty() { 2 } else { 1 },
            seen: 0,
        }),
        Some((number, digits)) if src[digits] == end => Ok(Read::Whole(Awaited {
            announced: number,
            own: 0..0,
            start: digits + 1,
            body: number,
        })),
        Some((_, digits)) => {
            let fault = Fault::Misplaced {
                found: src[digits],
                allowed: then,
            };
            Err(malformed(src, at, digits, fault))
        }
    }
}

pub(crate) fn put(number: u64, out: &mut Vec<u8>) {
    write!(out, "{number}").expect("a vector takes what is written to it");
}
