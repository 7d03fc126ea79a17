//! What `slip` and `cobs` have in common: a byte that the content is rewritten to avoid ends a
//! message.

use memchr::memchr;

use crate::codec::{State, Step};
use crate::effort;
use crate::error::{DecodeError, Misfit, Unencodable};
use crate::explain::{Evidence, Expected};
use crate::scratch::Scratch;
use crate::{cobs, slip};

/// How the content avoids the byte that ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stuffing {
    Slip,
    Cobs,
}

impl Stuffing {
    fn end(self) -> u8 {
        match self {
            Self::Slip => slip::END,
            Self::Cobs => cobs::END,
        }
    }

    fn find_end(self, src: &[u8]) -> Option<usize> {
        let found = memchr(self.end(), src);
        effort::look(found.map_or(src.len(), |at| at + 1));
        found
    }

    fn longest(self, max: usize) -> usize {
        match self {
            Self::Slip => slip::longest(max),
            Self::Cobs => cobs::longest(max),
        }
    }

    pub(crate) fn encode(self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Unencodable> {
        match self {
            Self::Slip => slip::encode(message, out),
            Self::Cobs => {
                cobs::encode(message, out);
                Ok(())
            }
        }
    }

    pub(crate) fn is_canonical(self, stuffed: &[u8]) -> bool {
        self == Self::Slip || cobs::is_canonical(stuffed)
    }

    /// Takes the message from the wire, unless it stands there as it is, and returns its length.
    fn unstuff(self, stuffed: &[u8], scratch: &mut Scratch) -> Result<usize, Misfit> {
        effort::look(stuffed.len());
        scratch.in_use = !(self == Self::Slip && slip::is_plain(stuffed));
        if !scratch.in_use {
            return Ok(stuffed.len());
        }
        scratch.bytes.clear();
        match self {
            Self::Slip => slip::unstuff(stuffed, &mut scratch.bytes)?,
            Self::Cobs => cobs::unstuff(stuffed, &mut scratch.bytes)?,
        }
        Ok(scratch.bytes.len())
    }
}

/// The next message, or what is missing of it, or the bytes of a refused one.
pub(crate) fn decode(
    stuffing: Stuffing,
    max: usize,
    state: &mut State,
    scratch: &mut Scratch,
    at: u64,
    src: &[u8],
) -> Result<Step, DecodeError> {
    let State::Scan { seen } = *state else {
        return Ok(skip(stuffing, state, src));
    };
    // A message within the limit has its end in this window, however it is written.
    let window = stuffing.longest(max).saturating_add(1);
    let searched = &src[..src.len().min(window)];
    let fresh = searched.get(seen..).unwrap_or_default();
    let Some(found) = stuffing.find_end(fresh) else {
        if searched.len() == window {
            *state = State::Skip { seen: window };
            return Err(unending(at, max, searched));
        }
        *state = State::Scan {
            seen: searched.len(),
        };
        return Ok(Step::NeedMore { at_least: 1 });
    };
    let end = seen + found;
    if end == 0 {
        let fill = src
            .iter()
            .take_while(|byte| **byte == stuffing.end())
            .count();
        return Ok(Step::Skipped { used: fill });
    }
    // Unless the message is good, its end is where decoding goes on.
    *state = State::Skip { seen: end };
    match stuffing.unstuff(&src[..end], scratch) {
        Ok(len) if len <= max => {
            *state = State::START;
            Ok(Step::Frame {
                header: 0..0,
                payload: 0..end,
                used: end + 1,
            })
        }
        Ok(_) => Err(unending(at, max, &src[..end])),
        Err((i, fault)) => {
            let evidence = Evidence::beginning(&src[..end], Expected::Binary);
            Err(DecodeError::Malformed {
                at,
                byte: at + i as u64,
                fault,
                evidence,
            })
        }
    }
}

/// Leaves out what was refused, up to and including its end.
#[cold]
fn skip(stuffing: Stuffing, state: &mut State, src: &[u8]) -> Step {
    let seen = if let State::Skip { seen } = *state {
        seen
    } else {
        0
    };
    let fresh = src.get(seen..).unwrap_or_default();
    if let Some(found) = stuffing.find_end(fresh) {
        *state = State::START;
        return Step::Skipped {
            used: seen + found + 1,
        };
    }
    *state = State::Skip { seen: 0 };
    if src.is_empty() {
        Step::NeedMore { at_least: 1 }
    } else {
        Step::Skipped { used: src.len() }
    }
}

#[cold]
fn unending(at: u64, max: usize, frame: &[u8]) -> DecodeError {
    DecodeError::Unending {
        at,
        limit: max as u64,
        evidence: Evidence::beginning(frame, Expected::Binary),
    }
}
