//! `netstring`: `5:hello,`.
//!
//! Source: D. J. Bernstein, "Netstrings" (1997): decimal digits without leading zeros, a colon,
//! the bytes, a comma.

use crate::counted::{Awaited, Read, malformed};
use crate::decimal;
use crate::error::{DecodeError, Fault};

pub(crate) const TAIL: u8 = b',';

/// What a byte in the place of the tail is told.
pub(crate) const TAIL_ALLOWED: &str = "the comma that ends a netstring";

pub(crate) fn read(src: &[u8], at: u64) -> Result<Read, DecodeError> {
    let read = decimal::read(src, "a digit of the length");
    match read.map_err(|(i, fault)| malformed(src, at, i, fault))? {
        None => Ok(Read::More {
            at_least: if src.is_empty() { 2 } else { 1 },
            seen: 0,
        }),
        Some((number, digits)) if src[digits] == b':' => Ok(Read::Whole(Awaited {
            announced: number,
            own: 0..0,
            start: digits + 1,
            body: number,
        })),
        Some((_, digits)) => {
            let fault = Fault::Misplaced {
                found: src[digits],
                allowed: "a digit or a colon",
            };
            Err(malformed(src, at, digits, fault))
        }
    }
}

pub(crate) fn put(number: u64, out: &mut Vec<u8>) {
    decimal::put(number, out);
    out.push(b':');
}
