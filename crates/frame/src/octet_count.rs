//! `octet-count`: `5 hello`, as syslog travels over TCP and TLS.
//!
//! Source: RFC 6587, section 3.4.1: `MSG-LEN SP SYSLOG-MSG`, and MSG-LEN begins with a digit other
//! than 0, so that there is no empty message.

use crate::counted::{Read, malformed};
use crate::decimal;
use crate::error::{DecodeError, Fault};

const FIRST: &str = "a digit from 1 to 9";

pub(crate) fn read(src: &[u8], at: u64) -> Result<Read, DecodeError> {
    if src.first() == Some(&b'0') {
        return Err(malformed(
            src,
            at,
            0,
            Fault::Misplaced {
                found: b'0',
                allowed: FIRST,
            },
        ));
    }
    decimal::read_until(src, at, FIRST, b' ', "a digit or a space")
}

pub(crate) fn put(number: u64, out: &mut Vec<u8>) {
    decimal::put(number, out);
    out.push(b' ');
}
