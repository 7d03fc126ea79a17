//! `line`, `crlf`, `nul` and `delim:TEXT`: a byte string that content never holds ends a message.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use memchr::{memchr, memmem};

use crate::codec::{State, Step};
use crate::effort;
use crate::error::{DecodeError, Unencodable};
use crate::explain::{Evidence, Expected};

/// What ends a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Delimiter {
    /// One byte.
    Byte(u8),
    /// LF, and one CR before it is dropped; what is sent ends with CR LF.
    Crlf,
    /// Two bytes or more.
    Text(Arc<Needle>),
}

/// What fits the fastest cache beside its copy.
const PART: usize = 8 << 10;

/// A delimiter of several bytes, prepared for searching once for all connections.
#[derive(Debug)]
pub(crate) struct Needle {
    bytes: Vec<u8>,
    finder: memmem::Finder<'static>,
    /// How many bytes of its beginning may end a message so that a delimiter begins there, the
    /// most first: after a message that ends in FF, FF FF FF would take that byte.
    overlaps: Vec<usize>,
}

impl Needle {
    fn new(bytes: &[u8]) -> Self {
        let repeats = |begun: &usize| bytes[*begun..] == bytes[..bytes.len() - begun];
        Self {
            bytes: bytes.to_vec(),
            finder: memmem::Finder::new(bytes).into_owned(),
            overlaps: (1..bytes.len()).rev().filter(repeats).collect(),
        }
    }
}

impl PartialEq for Needle {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Needle {}

impl Hash for Needle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl Delimiter {
    /// The delimiter that `bytes` spell; they are not empty.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        match bytes {
            [byte] => Self::Byte(*byte),
            _ => Self::Text(Arc::new(Needle::new(bytes))),
        }
    }

    /// What is sent after a message.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Byte(byte) => std::slice::from_ref(byte),
            Self::Crlf => b"\r\n",
            Self::Text(needle) => &needle.bytes,
        }
    }

    /// Where the first delimiter in `src` begins and how long it is.
    #[inline]
    fn find(&self, src: &[u8]) -> Option<(usize, usize)> {
        match self {
            Self::Byte(byte) => memchr(*byte, src).map(|at| (at, 1)),
            Self::Crlf => memchr(b'\n', src).map(|at| (at, 1)),
            Self::Text(needle) => needle.finder.find(src).map(|at| (at, needle.bytes.len())),
        }
    }

    /// The same in what was not looked at before.
    #[inline]
    fn find_in_fresh(&self, src: &[u8]) -> Option<(usize, usize)> {
        let found = self.find(src);
        effort::look(found.map_or(src.len(), |(at, len)| at + len));
        found
    }

    /// How many bytes at the end of a searched stretch may belong to a delimiter that is not
    /// complete yet.
    fn overlap(&self) -> usize {
        match self {
            Self::Byte(_) | Self::Crlf => 0,
            Self::Text(needle) => needle.bytes.len() - 1,
        }
    }

    /// Refuses a message in which the delimiter stands, or begins so that it ends in the
    /// delimiter that follows.
    fn permits(&self, message: &[u8]) -> Result<(), Unencodable> {
        if let Some((at, _)) = self.find(message) {
            return Err(Unencodable::DelimiterInside { at });
        }
        let Self::Text(needle) = self else {
            return Ok(());
        };
        for &begun in &needle.overlaps {
            if message.ends_with(&needle.bytes[..begun]) {
                let at = message.len() - begun;
                return Err(Unencodable::DelimiterInside { at });
            }
        }
        Ok(())
    }

    /// Appends the frame of `message`.
    #[inline]
    pub(crate) fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Unencodable> {
        let Self::Byte(byte) = *self else {
            self.permits(message)?;
            out.extend_from_slice(message);
            out.extend_from_slice(self.bytes());
            return Ok(());
        };
        out.reserve(message.len() + 1);
        if message.len() > PART {
            return self.encode_in_parts(byte, message, out);
        }
        if holds(message, byte) {
            return self.permits(message);
        }
        out.extend_from_slice(message);
        out.push(byte);
        Ok(())
    }

    /// Searches and copies a long message in parts, so that each is in the cache for the second.
    #[inline(never)]
    fn encode_in_parts(
        &self,
        byte: u8,
        message: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Unencodable> {
        let start = out.len();
        for part in message.chunks(PART) {
            if holds(part, byte) {
                out.truncate(start);
                return self.permits(message);
            }
            out.extend_from_slice(part);
        }
        out.push(byte);
        Ok(())
    }

    /// Ends the message that lies in `out` from `start` on.
    pub(crate) fn seal(&self, out: &mut Vec<u8>, start: usize) -> Result<(), Unencodable> {
        self.permits(&out[start..])?;
        out.extend_from_slice(self.bytes());
        Ok(())
    }
}

/// Whether `byte` is in `part`. Calling a search routine costs more than searching a few words.
#[inline]
fn holds(part: &[u8], byte: u8) -> bool {
    const FEW: usize = 32;
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    let Some(last) = part.last_chunk().filter(|_| part.len() <= FEW) else {
        return memchr(byte, part).is_some();
    };
    // A byte of `x` is zero where `byte` is, and taking one from it borrows into its high bit.
    let hits = |word: &[u8; 8]| {
        let x = u64::from_ne_bytes(*word) ^ (ONES * u64::from(byte));
        x.wrapping_sub(ONES) & !x & HIGHS
    };
    part.as_chunks()
        .0
        .iter()
        .fold(hits(last), |sum, word| sum | hits(word))
        != 0
}

/// The next message, or what is missing of it, or the bytes of a refused one.
#[inline]
pub(crate) fn decode(
    delimiter: &Delimiter,
    max: usize,
    state: &mut State,
    at: u64,
    src: &[u8],
) -> Result<Step, DecodeError> {
    let State::Scan { seen } = *state else {
        return Ok(skip(delimiter, state, src));
    };
    // A message of exactly `max` bytes has its delimiter within this window, a longer one not:
    // so it does not depend on how much has come whether a message is refused.
    let window = max.saturating_add(delimiter.bytes().len());
    let searched = &src[..src.len().min(window)];
    let fresh = searched.get(seen..).unwrap_or_default();
    if let Some((found, len)) = delimiter.find_in_fresh(fresh) {
        let (end, used) = (seen + found, seen + found + len);
        let end = match delimiter {
            Delimiter::Crlf if end > 0 && src[end - 1] == b'\r' => end - 1,
            _ => end,
        };
        if end <= max {
            *state = State::START;
            return Ok(Step::Frame {
                header: 0..0,
                payload: 0..end,
                used,
            });
        }
        *state = State::Skip { seen: seen + found };
        return Err(unending(at, max, &src[..end]));
    }
    let seen = searched.len().saturating_sub(delimiter.overlap()).max(seen);
    if searched.len() == window {
        *state = State::Skip { seen };
        return Err(unending(at, max, searched));
    }
    *state = State::Scan { seen };
    Ok(Step::NeedMore { at_least: 1 })
}

/// Leaves out what was refused, up to and including its delimiter.
#[cold]
fn skip(delimiter: &Delimiter, state: &mut State, src: &[u8]) -> Step {
    let seen = if let State::Skip { seen } = *state {
        seen
    } else {
        0
    };
    let fresh = src.get(seen..).unwrap_or_default();
    if let Some((found, len)) = delimiter.find_in_fresh(fresh) {
        *state = State::START;
        return Step::Skipped {
            used: seen + found + len,
        };
    }
    *state = State::Skip { seen: 0 };
    match src.len().saturating_sub(delimiter.overlap()) {
        0 => Step::NeedMore { at_least: 1 },
        used => Step::Skipped { used },
    }
}

/// Whether what was left without a delimiter is within the limit.
pub(crate) fn finish(max: usize, at: u64, rest: &[u8]) -> Result<(), DecodeError> {
    if rest.len() > max {
        Err(unending(at, max, rest))
    } else {
        Ok(())
    }
}

#[cold]
fn unending(at: u64, max: usize, src: &[u8]) -> DecodeError {
    DecodeError::Unending {
        at,
        limit: max as u64,
        evidence: Evidence::beginning(src, Expected::Text),
    }
}
