//! `content-length`: a block of header lines that gives the length, an empty line, the body, as
//! LSP and DAP speak.
//!
//! Source: Language Server Protocol 3.17, "Base Protocol"; the grammar of a line is RFC 9110,
//! sections 5.1 and 8.6. Other fields are read over and do not belong to the message.

use crate::counted::{Awaited, Read, malformed};
use crate::decimal;
use crate::effort;
use crate::error::{DecodeError, Fault, Misfit};

/// The longest header block that is waited for.
pub(crate) const HEADER_LIMIT: usize = 8 << 10;

const FIELD: &[u8] = b"Content-Length";
const END: &[u8] = b"\r\n\r\n";

pub(crate) fn read(src: &[u8], seen: usize, at: u64) -> Result<Read, DecodeError> {
    let window = &src[..src.len().min(HEADER_LIMIT)];
    let error = |(i, fault)| malformed(src, at, i, fault);
    if let Some(start) = find_end(window, seen).map_err(error)? {
        let length = length(&window[..start]).map_err(error)?;
        let awaited = Awaited {
            announced: length,
            own: 0..0,
            start,
            body: length,
        };
        return Ok(Read::Whole(awaited));
    }
    if window.len() == HEADER_LIMIT {
        return Err(error((
            HEADER_LIMIT,
            Fault::LongHeader {
                limit: HEADER_LIMIT,
            },
        )));
    }
    // The empty line is missing at least, if not a part of it has come.
    let begun = (1..END.len())
        .rev()
        .find(|n| window.ends_with(&END[..*n]))
        .unwrap_or(0);
    Ok(Read::More {
        at_least: END.len() - begun,
        seen: window.len(),
    })
}

/// Where the body begins, once the empty line has come. What can be no header is refused at its
/// first byte, so that nobody waits for the end of something else.
fn find_end(window: &[u8], seen: usize) -> Result<Option<usize>, Misfit> {
    for (i, &byte) in window.iter().enumerate().skip(seen) {
        effort::look(1);
        let after_cr = i > 0 && window[i - 1] == b'\r';
        match byte {
            b'\n' if !after_cr => return Err(misplaced(i, byte, "CR LF at the end of a line")),
            b'\n' if window[..=i].ends_with(END) => return Ok(Some(i + 1)),
            b'\n' => {}
            _ if after_cr => return Err(misplaced(i, byte, "LF after CR")),
            b'\t' | b'\r' | 0x20..=0x7e | 0x80.. => {}
            _ => return Err(misplaced(i, byte, "the text of a header field")),
        }
    }
    Ok(None)
}

/// The length that a whole header block gives.
fn length(block: &[u8]) -> Result<u64, Misfit> {
    let mut length = None;
    let mut at = 0;
    for line in block[..block.len() - 2].split_inclusive(|byte| *byte == b'\n') {
        let (name, value) = field(&line[..line.len() - 2], at)?;
        if name.eq_ignore_ascii_case(FIELD) {
            let second = number(value, at + name.len() + 1)?;
            match length {
                Some(first) if first != second => {
                    return Err((at, Fault::TwoLengths { first, second }));
                }
                _ => length = Some(second),
            }
        }
        at += line.len();
    }
    length.ok_or((at, Fault::NoContentLength))
}

/// The name and the value of a line that begins at byte `at`.
fn field(line: &[u8], at: usize) -> Result<(&[u8], &[u8]), Misfit> {
    let end = line
        .iter()
        .position(|byte| !is_token(*byte))
        .unwrap_or(line.len());
    match line.get(end) {
        Some(b':') if end > 0 => Ok((&line[..end], &line[end + 1..])),
        Some(found) if end == 0 => Err(misplaced(at, *found, "the name of a header field")),
        Some(found) => Err(misplaced(
            at + end,
            *found,
            "a colon after the field's name",
        )),
        None => Err(misplaced(at + end, b'\r', "a colon after the field's name")),
    }
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A number between optional white space; leading zeros are allowed (`1*DIGIT`).
fn number(value: &[u8], at: usize) -> Result<u64, Misfit> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value
        .iter()
        .position(|byte| !blank(byte))
        .unwrap_or(value.len());
    let mut number: u64 = 0;
    let mut end = start;
    while let Some(digit) = value.get(end).filter(|byte| byte.is_ascii_digit()) {
        number = number
            .checked_mul(10)
            .and_then(|number| number.checked_add(u64::from(digit - b'0')))
            .ok_or((at + end, Fault::Overflow))?;
        end += 1;
    }
    match value[end..].iter().position(|byte| !blank(byte)) {
        Some(i) => Err(misplaced(
            at + end + i,
            value[end + i],
            "a digit of the length",
        )),
        None if end == start => Err(misplaced(at + value.len(), b'\r', "a digit of the length")),
        None => Ok(number),
    }
}

fn misplaced(i: usize, found: u8, allowed: &'static str) -> Misfit {
    (i, Fault::Misplaced { found, allowed })
}

pub(crate) fn put(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(FIELD);
    out.extend_from_slice(b": ");
    decimal::put(number, out);
    out.extend_from_slice(END);
}

/// Whether `header` is what [`put`] writes: other spellings mean the same.
pub(crate) fn is_canonical(header: &[u8]) -> bool {
    let digits = header
        .strip_prefix(FIELD)
        .and_then(|rest| rest.strip_prefix(b": "))
        .and_then(|rest| rest.strip_suffix(END));
    match digits {
        Some(b"0") => true,
        Some([first, rest @ ..]) => {
            matches!(first, b'1'..=b'9') && rest.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}
