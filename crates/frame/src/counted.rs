//! What all framings with a length ahead of the payload have in common.

use std::ops::Range;

use crate::codec::{State, Step};
use crate::error::{DecodeError, Unencodable};
use crate::explain::Evidence;
use crate::framing::Limits;
use crate::length::LengthField;

/// How a length is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Header {
    Length(LengthField),
}

/// What a header said: the message is `own` followed by the `body` bytes from `start` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Awaited {
    /// The number on the wire.
    pub(crate) announced: u64,
    /// The part of the message that stands in the header.
    pub(crate) own: Range<usize>,
    /// Where the body begins.
    pub(crate) start: usize,
    pub(crate) body: u64,
}

/// What the front of a stream holds of a header.
pub(crate) enum Read {
    /// Not all of it; the first `seen` bytes need not be looked at again.
    More { at_least: usize, seen: usize },
    /// All of it.
    Whole(Awaited),
}

impl Header {
    #[inline]
    fn read(&self, src: &[u8], _seen: usize, at: u64) -> Result<Read, DecodeError> {
        match self {
            Self::Length(field) => field.read(src, at),
        }
    }

    /// What follows the payload.
    pub(crate) fn tail(&self) -> Option<u8> {
        match self {
            Self::Length(_) => None,
        }
    }

    #[inline]
    pub(crate) fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Unencodable> {
        match self {
            Self::Length(field) => field.encode(message, out),
        }
    }

    /// Bytes to leave free ahead of a message that [`seal`](Self::seal) is to make a frame of.
    pub(crate) fn reserved(&self) -> usize {
        match self {
            Self::Length(field) => field.width(),
        }
    }

    /// Makes a frame of the message that lies in `out` behind the reserved bytes at `start`.
    pub(crate) fn seal(&self, out: &mut [u8], start: usize) -> Result<(), Unencodable> {
        match self {
            Self::Length(field) => field.seal(&mut out[start..]),
        }
    }

    pub(crate) fn encode_head(
        &self,
        own: &[u8],
        body: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), Unencodable> {
        match self {
            Self::Length(field) => field.encode_head(own, body, out),
        }
    }
}

#[inline]
pub(crate) fn decode(
    header: &Header,
    limits: Limits,
    state: &mut State,
    at: u64,
    src: &[u8],
) -> Result<Step, DecodeError> {
    let awaited = match state {
        State::Scan { seen } => match header.read(src, *seen, at)? {
            Read::Whole(awaited) => awaited,
            Read::More { at_least, seen } => {
                *state = State::Scan { seen };
                return Ok(Step::NeedMore { at_least });
            }
        },
        State::Await(awaited) => awaited.clone(),
        State::Stream { .. } | State::Skip { .. } => return Ok(stream(state, src)),
    };
    let length = awaited.body.saturating_add(awaited.own.len() as u64);
    // The peer chose this number: it is checked before it sizes anything of ours.
    if length > limits.max {
        return begin_stream(limits, state, at, src, &awaited, length);
    }
    let end = awaited.start + awaited.body as usize;
    if src.len() < end {
        *state = State::Await(awaited);
        return Ok(Step::NeedMore {
            at_least: end - src.len(),
        });
    }
    *state = State::START;
    Ok(Step::Frame {
        header: awaited.own,
        payload: awaited.start..end,
        used: end,
    })
}

#[cold]
fn begin_stream(
    limits: Limits,
    state: &mut State,
    at: u64,
    src: &[u8],
    awaited: &Awaited,
    length: u64,
) -> Result<Step, DecodeError> {
    let held = awaited.own.len() as u64;
    if held > limits.max || limits.max_body.is_none_or(|most| awaited.body > most) {
        let evidence = Evidence::header(src, awaited.start);
        let (announced, limit) = (awaited.announced, limits.last());
        return Err(DecodeError::TooLong {
            at,
            announced,
            length,
            limit,
            evidence,
        });
    }
    *state = State::Stream {
        at,
        left: awaited.body,
    };
    Ok(Step::Head {
        header: awaited.own.clone(),
        body: awaited.body,
        used: awaited.start,
    })
}

/// The next piece of a body that is not held.
fn stream(state: &mut State, src: &[u8]) -> Step {
    let State::Stream { left, .. } = state else {
        return Step::NeedMore { at_least: 1 };
    };
    let used = usize::try_from(*left).map_or(src.len(), |left| src.len().min(left));
    if used == 0 {
        return Step::NeedMore { at_least: 1 };
    }
    *left -= used as u64;
    let left = *left;
    if left == 0 {
        *state = State::START;
    }
    Step::Body {
        chunk: 0..used,
        left,
        used,
    }
}
