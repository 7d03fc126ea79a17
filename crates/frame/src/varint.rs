//! `varint`: an unsigned LEB128 length, seven bits a byte, lowest first, then the payload.
//!
//! Source: the Protocol Buffers encoding (base 128 varints). That encoding lets a number be
//! written in several ways; here only the shortest is read, so that every message has one frame.

use crate::counted::{Awaited, Read};
use crate::error::{DecodeError, Fault};
use crate::explain::Evidence;

/// 64 bits in groups of seven.
const MOST_BYTES: usize = 10;

#[inline]
pub(crate) fn read(src: &[u8], at: u64) -> Result<Read, DecodeError> {
    let mut number = 0;
    for (i, byte) in src.iter().take(MOST_BYTES).enumerate() {
        // The tenth byte has room for bit 63 only.
        if i == MOST_BYTES - 1 && *byte > 1 {
            return Err(malformed(src, at, i, Fault::Overflow));
        }
        number |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            if *byte == 0 && i > 0 {
                return Err(malformed(src, at, i, Fault::Overlong));
            }
            return Ok(Read::Whole(Awaited {
                announced: number,
                own: 0..0,
                start: i + 1,
                body: number,
            }));
        }
    }
    Ok(Read::More {
        at_least: 1,
        seen: 0,
    })
}

#[cold]
fn malformed(src: &[u8], at: u64, i: usize, fault: Fault) -> DecodeError {
    let evidence = Evidence::header(&src[..=i], None);
    DecodeError::Malformed {
        at,
        byte: at + i as u64,
        fault,
        evidence,
    }
}

#[inline]
pub(crate) fn put(mut number: u64, out: &mut Vec<u8>) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
