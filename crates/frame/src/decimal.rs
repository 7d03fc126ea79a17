//! Lengths in decimal digits, as netstring, octet-count and Content-Length write them.

use std::io::Write as _;

use crate::error::{Fault, Misfit};

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

pub(crate) fn put(number: u64, out: &mut Vec<u8>) {
    write!(out, "{number}").expect("a vector takes what is written to it");
}
