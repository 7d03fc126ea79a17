//! `json-header`: a 4-byte little-endian length, a JSON object of that length, then the body.
//!
//! The body's length is the object's `size`, or its `file_size`, else 0. The object's exact text
//! belongs to the message, so that whatever else it says (names, digests, types) arrives as it
//! was sent.

use crate::counted::{Awaited, Read, malformed};
use crate::effort;
use crate::error::{DecodeError, Fault, JsonFault, Unencodable};
use crate::explain::Evidence;
use crate::json::{self, Broken};

/// `struct.pack('<i', …)`.
const WIDTH: usize = 4;

pub(crate) fn read(src: &[u8], at: u64, max: u64) -> Result<Read, DecodeError> {
    let Some(field) = src.first_chunk::<WIDTH>() else {
        return Ok(Read::More {
            at_least: WIDTH - src.len(),
            seen: 0,
        });
    };
    let announced = u64::from(u32::from_le_bytes(*field));
    if announced > max {
        let evidence = Evidence::header(field, None);
        return Err(DecodeError::TooLong {
            at,
            announced,
            length: announced,
            limit: max,
            evidence,
        });
    }
    let start = WIDTH + announced as usize;
    let Some(text) = src.get(WIDTH..start) else {
        return Ok(Read::More {
            at_least: start - src.len(),
            seen: 0,
        });
    };
    effort::look(text.len());
    let body = match header(text) {
        Ok((end, body)) => match text[end..].iter().position(|byte| !json::is_space(*byte)) {
            None => body,
            Some(i) => {
                let fault = JsonFault::Misplaced {
                    found: text[end + i],
                    allowed: "the end",
                };
                return Err(malformed(src, at, WIDTH + end + i, Fault::Json(fault)));
            }
        },
        Err(Broken { at: i, fault }) => {
            return Err(malformed(src, at, WIDTH + i, Fault::Json(fault)));
        }
    };
    Ok(Read::Whole(Awaited {
        announced: body,
        own: WIDTH..start,
        start,
        body,
    }))
}

/// Where the object at the front of `text` ends, and the length of the body that it announces.
fn header(text: &[u8]) -> Result<(usize, u64), Broken> {
    let mut size: Option<u64> = None;
    let end = json::object(text, |member| {
        let field = match () {
            () if json::spells(member.key, b"size") => "size",
            () if json::spells(member.key, b"file_size") => "file_size",
            () => return Ok(()),
        };
        let second = json::whole_number(member.value).ok_or(JsonFault::BadSize { field })?;
        match size.replace(second) {
            Some(first) if first != second => Err(JsonFault::TwoSizes { first, second }),
            _ => Ok(()),
        }
    })?;
    Ok((end, size.unwrap_or(0)))
}

/// How many bytes of the message are its header. White space after the object belongs to it as
/// far as the body's length leaves room.
pub(crate) fn own(message: &[u8]) -> Result<usize, Unencodable> {
    let (end, body) =
        header(message).map_err(|Broken { at, fault }| Unencodable::BadHeader { at, fault })?;
    let behind = message.len() - end;
    let wrong = Unencodable::WrongBody {
        announced: body,
        len: behind as u64,
    };
    let spaces = usize::try_from(body)
        .ok()
        .and_then(|body| behind.checked_sub(body));
    match spaces {
        Some(n)
            if message[end..end + n]
                .iter()
                .all(|byte| json::is_space(*byte)) =>
        {
            Ok(end + n)
        }
        _ => Err(wrong),
    }
}

/// Whether `text` is a header and announces `body` bytes.
pub(crate) fn announces(text: &[u8], body: u64) -> Result<(), Unencodable> {
    let (end, announced) =
        header(text).map_err(|Broken { at, fault }| Unencodable::BadHeader { at, fault })?;
    if let Some(i) = text[end..].iter().position(|byte| !json::is_space(*byte)) {
        let fault = JsonFault::Misplaced {
            found: text[end + i],
            allowed: "the end",
        };
        return Err(Unencodable::BadHeader { at: end + i, fault });
    }
    if announced != body {
        return Err(Unencodable::WrongBody {
            announced,
            len: body,
        });
    }
    Ok(())
}

pub(crate) fn put(own: usize, out: &mut Vec<u8>) -> Result<(), Unencodable> {
    let Ok(length) = u32::try_from(own) else {
        return Err(Unencodable::TooLongForWidth {
            len: own as u64,
            most: u32::MAX.into(),
        });
    };
    out.extend_from_slice(&length.to_le_bytes());
    Ok(())
}
