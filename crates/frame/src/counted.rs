//! What all framings with a length ahead of the payload have in common.

use std::ops::Range;

use crate::codec::{State, Step};
use crate::error::{DecodeError, Fault, Unencodable};
use crate::explain::{Evidence, Expected};
use crate::framing::Limits;
use crate::length::LengthField;
use crate::{content_length, json_header, netstring, octet_count, varint};

/// How a length is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Header {
    Length(LengthField),
    Varint,
    Netstring,
    OctetCount,
    ContentLength,
    Json,
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
    fn read(&self, src: &[u8], seen: usize, at: u64, limits: Limits) -> Result<Read, DecodeError> {
        match self {
            Self::Length(field) => field.read(src, at),
            Self::Varint => varint::read(src, at),
            Self::Netstring => netstring::read(src, at),
            Self::OctetCount => octet_count::read(src, at),
            Self::ContentLength => content_length::read(src, seen, at),
            Self::Json => json_header::read(src, at, limits.max),
        }
    }

    /// What a header that passes the limit looks like.
    fn evidence(&self, header: &[u8], limits: Limits) -> Evidence {
        match self {
            Self::Length(field) => Evidence::header(header, field.otherwise(header, limits.max)),
            Self::Varint | Self::Json => Evidence::header(header, None),
            Self::Netstring | Self::OctetCount | Self::ContentLength => {
                Evidence::beginning(header, Expected::Text)
            }
        }
    }

    /// What follows the body.
    #[inline]
    pub(crate) fn tail(&self) -> &'static [u8] {
        match self {
            Self::Netstring => &[netstring::TAIL],
            _ => &[],
        }
    }

    /// How many bytes of the message stand in the header.
    #[inline]
    fn own(&self, message: &[u8]) -> Result<usize, Unencodable> {
        match self {
            Self::Length(field) => field.own(message),
            Self::Json => json_header::own(message),
            Self::OctetCount if message.is_empty() => Err(Unencodable::Empty),
            _ => Ok(0),
        }
    }

    /// Appends the length of a message with `own` bytes in its header and `body` behind it.
    #[inline]
    fn put_length(&self, own: usize, body: u64, out: &mut Vec<u8>) -> Result<(), Unencodable> {
        match self {
            Self::Length(field) => return field.put(body, out),
            Self::Varint => varint::put(body, out),
            Self::Netstring => netstring::put(body, out),
            Self::OctetCount => octet_count::put(body, out),
            Self::ContentLength => content_length::put(body, out),
            Self::Json => return json_header::put(own, out),
        }
        Ok(())
    }

    /// How many of the `own` bytes go ahead of the length: all with `off=`; a JSON header follows.
    #[inline]
    fn ahead(&self, own: usize) -> usize {
        if matches!(self, Self::Json) { 0 } else { own }
    }

    /// Appends the frame of `message`.
    #[inline]
    pub(crate) fn encode(
        &self,
        limits: Limits,
        message: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Unencodable> {
        let own = self.own(message)?;
        let body = (message.len() - own) as u64;
        limits.permit(own, body)?;
        let (before, after) = message.split_at(self.ahead(own));
        let start = out.len();
        out.extend_from_slice(before);
        self.put_length(own, body, out)
            .inspect_err(|_| out.truncate(start))?;
        out.extend_from_slice(after);
        out.extend_from_slice(self.tail());
        Ok(())
    }

    /// Makes a frame of the message that lies in `out` from `start` on.
    pub(crate) fn seal(
        &self,
        limits: Limits,
        out: &mut Vec<u8>,
        start: usize,
    ) -> Result<(), Unencodable> {
        let own = self.own(&out[start..])?;
        let body = (out.len() - start - own) as u64;
        limits.permit(own, body)?;
        let end = out.len();
        self.put_length(own, body, out)?;
        let length = out.len() - end;
        out[start + self.ahead(own)..].rotate_right(length);
        out.extend_from_slice(self.tail());
        Ok(())
    }

    /// Appends what goes ahead of a body that is sent piecemeal.
    pub(crate) fn encode_head(
        &self,
        limits: Limits,
        own: &[u8],
        body: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), Unencodable> {
        match self {
            Self::Json => json_header::announces(own, body)?,
            Self::Length(field) => field.permit_own(own)?,
            _ if !own.is_empty() => {
                return Err(Unencodable::WrongSize {
                    len: own.len() as u64,
                    size: 0,
                });
            }
            Self::OctetCount if body == 0 => return Err(Unencodable::Empty),
            _ => {}
        }
        limits.permit(own.len(), body)?;
        let (start, (before, after)) = (out.len(), own.split_at(self.ahead(own.len())));
        out.extend_from_slice(before);
        self.put_length(own.len(), body, out)
            .inspect_err(|_| out.truncate(start))?;
        out.extend_from_slice(after);
        Ok(())
    }
}

/// The next message, or what is missing of it, or the next piece of one that is streamed.
#[inline]
pub(crate) fn decode(
    header: &Header,
    limits: Limits,
    piecemeal: bool,
    state: &mut State,
    at: u64,
    src: &[u8],
) -> Result<Step, DecodeError> {
    let awaited = match state {
        State::Scan { seen } => match header.read(src, *seen, at, limits)? {
            Read::Whole(awaited) => awaited,
            Read::More { at_least, seen } => {
                *state = State::Scan { seen };
                // A streamed message begins with its header alone.
                let tail = if limits.max_body.is_none() {
                    header.tail().len()
                } else {
                    0
                };
                return Ok(Step::NeedMore {
                    at_least: at_least + tail,
                });
            }
        },
        State::Await(awaited) => awaited.clone(),
        State::Stream { .. } | State::Skip { .. } => return stream(header, state, at, src),
    };
    // The peer chose these numbers: they are checked before they size anything of ours.
    let held = limits.holds(awaited.own.len(), awaited.body);
    if !held || piecemeal && awaited.body > 0 {
        return begin_stream(header, limits, state, at, src, &awaited);
    }
    let end = awaited.start + awaited.body as usize;
    let used = end + header.tail().len();
    if src.len() < used {
        *state = State::Await(awaited);
        return Ok(Step::NeedMore {
            at_least: used - src.len(),
        });
    }
    check_tail(header, src, at, at, end)?;
    *state = State::START;
    Ok(Step::Frame {
        header: awaited.own,
        payload: awaited.start..end,
        used,
    })
}

#[cold]
fn begin_stream(
    header: &Header,
    limits: Limits,
    state: &mut State,
    at: u64,
    src: &[u8],
    awaited: &Awaited,
) -> Result<Step, DecodeError> {
    let Awaited {
        announced,
        ref own,
        start,
        body,
    } = *awaited;
    if !limits.streams(own.len(), body) {
        let length = body.saturating_add(own.len() as u64);
        let evidence = header.evidence(&src[..start], limits);
        return Err(DecodeError::TooLong {
            at,
            announced,
            length,
            limit: limits.last(),
            evidence,
        });
    }
    *state = State::Stream { at, left: body };
    Ok(Step::Head {
        header: own.clone(),
        body,
        used: start,
    })
}

/// The next piece of a body that is not held. The last one waits for the tail behind it, so that
/// nobody takes a message for complete that is not.
fn stream(header: &Header, state: &mut State, at: u64, src: &[u8]) -> Result<Step, DecodeError> {
    let State::Stream { at: begun, left } = state else {
        return Ok(Step::NeedMore { at_least: 1 });
    };
    let tail = header.tail().len();
    let mut end = usize::try_from(*left).map_or(src.len(), |left| src.len().min(left));
    let mut used = end;
    if end as u64 == *left {
        if src.len() < end + tail {
            end -= 1;
            used = end;
        } else {
            check_tail(header, src, *begun, at, end)?;
            used += tail;
        }
    }
    if end == 0 {
        return Ok(Step::NeedMore {
            at_least: 1.max(tail),
        });
    }
    *left -= end as u64;
    let left = *left;
    if left == 0 {
        *state = State::START;
    }
    Ok(Step::Body {
        chunk: 0..end,
        left,
        used,
    })
}

/// Whether the tail stands at `end`; `src` begins at byte `at` and its frame at byte `begun`.
#[inline]
fn check_tail(
    header: &Header,
    src: &[u8],
    begun: u64,
    at: u64,
    end: usize,
) -> Result<(), DecodeError> {
    if src[end..].starts_with(header.tail()) {
        return Ok(());
    }
    let fault = Fault::Misplaced {
        found: src[end],
        allowed: netstring::TAIL_ALLOWED,
    };
    let evidence = Evidence::beginning(if begun == at { src } else { &[] }, Expected::Text);
    Err(DecodeError::Malformed {
        at: begun,
        byte: at + end as u64,
        fault,
        evidence,
    })
}

/// The frame that begins at byte `at` with `src` cannot be read from its byte `i` on.
#[cold]
pub(crate) fn malformed(src: &[u8], at: u64, i: usize, fault: Fault) -> DecodeError {
    DecodeError::Malformed {
        at,
        byte: at + i as u64,
        fault,
        evidence: Evidence::beginning(src, Expected::Text),
    }
}
