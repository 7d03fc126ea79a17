//! `netstring`: `5:hello,`.
//!
//! Source: D. J. Bernstein, "Netstrings" (1997): decimal digits without leading zeros, a colon,
//! the bytes, a comma.

use crate::counted::Read;
use crate::decimal;
use crate::error::DecodeError;

pub(crate) const TAIL: u8 = b',';

/// What a byte in the place of the tail is told.
pub(crate) const TAIL_ALLOWED: &str = "the comma that ends a netstring";

pub(crate) fn read(src: &[u8], at: u64) -> Result<Read, DecodeError> {
    let digits = "a digit of the length";
    decimal::read_until(src, at, digits, b':', "a digit or a colon")
}

pub(crate) fn put(number: u64, out: &mut Vec<u8>) {
    decimal::put(number, out);
    out.push(b':');
}
