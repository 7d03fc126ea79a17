//! The decode contract: bytes in, steps out, nothing copied and nothing taken.

use std::ops::Range;

use crate::counted::{self, Awaited};
use crate::delimited;
use crate::error::DecodeError;
use crate::fixed;
use crate::framing::{Framing, Kind};
use crate::scratch::Scratch;
use crate::stuffed;

/// What the front of a byte stream holds. All ranges lie in the `src` that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The frame is not complete; call again when this many bytes were appended, or earlier.
    NeedMore {
        /// The least number of bytes that are missing; never 0.
        at_least: usize,
    },
    /// One whole message; [`Decoder::message`] lends it.
    Frame {
        /// The part of the message that stands in the frame's header: the bytes that `off=N`
        /// keeps, the text of a JSON header. Empty in every other framing.
        header: Range<usize>,
        /// The rest of the message, as it stands on the wire.
        payload: Range<usize>,
        /// Bytes that the frame occupies: take them before the next call.
        used: usize,
    },
    /// A message whose body is too long to be held begins (only with `max-body=`).
    Head {
        /// As in [`Step::Frame`]; the body follows it.
        header: Range<usize>,
        /// Bytes that will come as [`Step::Body`]; never 0.
        body: u64,
        /// Bytes to take before the next call.
        used: usize,
    },
    /// A piece of a streamed body.
    Body {
        /// The piece; never empty.
        chunk: Range<usize>,
        /// Bytes of the body that are still to come; 0 ends the message.
        left: u64,
        /// Bytes to take before the next call.
        used: usize,
    },
    /// Bytes that belong to no message: of a frame that was refused, or fill between frames.
    Skipped {
        /// Bytes to take before the next call; never 0.
        used: usize,
    },
}

impl Step {
    /// Bytes to take from the front before the next call.
    #[inline]
    pub fn used(&self) -> usize {
        match *self {
            Self::NeedMore { .. } => 0,
            Self::Frame { used, .. }
            | Self::Head { used, .. }
            | Self::Body { used, .. }
            | Self::Skipped { used } => used,
        }
    }
}

/// What the end of a stream means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The stream ended between two frames, or inside one that was refused already.
    Clean,
    /// The last line had no delimiter. It is a message all the same, as it stands there: of a
    /// delimiter that is cut, the bytes that came stay in it.
    Unterminated {
        /// The message, in the `rest` that was shown.
        payload: Range<usize>,
    },
}

/// Where a decoder stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// At the start of a frame, whose first `seen` bytes hold no end of it (or of its header).
    Scan { seen: usize },
    /// The header was read and the rest of the message is awaited.
    Await(Awaited),
    /// Inside the body of the frame at byte `at`.
    Stream { at: u64, left: u64 },
    /// Inside a refused frame, whose first `seen` bytes hold no end of it.
    Skip { seen: usize },
}

impl State {
    pub(crate) const START: Self = Self::Scan { seen: 0 };
}

/// Cuts one direction of a byte stream into messages.
///
/// The caller shows `src` from the first byte that it has not yet taken, with whatever has come
/// since; the decoder remembers how far it has looked, so that a stream that drips in byte by
/// byte costs no more than one that comes at once.
///
/// ```
/// use sockeye_frame::{Framing, Step};
///
/// let framing: Framing = "u16be".parse()?;
/// let mut decoder = framing.decoder();
/// let src = b"\0\x05hello\0\x03fe";
///
/// let step = decoder.decode(src)?;
/// assert_eq!(decoder.message(src, &step), b"hello");
/// let rest = &src[step.used()..];
/// assert_eq!(decoder.decode(rest)?, Step::NeedMore { at_least: 1 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Decoder {
    framing: Framing,
    at: u64,
    state: State,
    /// Whether no body is held, however short it is.
    piecemeal: bool,
    /// A message that does not stand in one piece on the wire. Given back when all is taken.
    scratch: Scratch,
}

impl Decoder {
    pub(crate) fn new(framing: Framing) -> Self {
        Self {
            framing,
            at: 0,
            state: State::START,
            piecemeal: false,
            scratch: Scratch::default(),
        }
    }

    /// The same decoder, but every body comes piecemeal, as [`Step::Head`] and [`Step::Body`], also
    /// one that is short enough to be held: for readers that pass bodies on as they come. It makes a
    /// difference only where `max-body=` allows bodies to be streamed.
    #[must_use]
    pub fn piecemeal(mut self) -> Self {
        self.piecemeal = self.framing.limits.max_body.is_some();
        self
    }

    /// Says what the front of `src` holds.
    ///
    /// After a step with `used`, the caller shows what follows those bytes. After an error that
    /// [is resumable](DecodeError::is_resumable) it may go on with the same bytes; after any
    /// other error the answer stays the same.
    #[inline]
    pub fn decode(&mut self, src: &[u8]) -> Result<Step, DecodeError> {
        let limits = self.framing.limits;
        let step = match &self.framing.kind {
            Kind::Raw => raw(limits.held(), src),
            Kind::Delimited(delimiter) => {
                delimited::decode(delimiter, limits.held(), &mut self.state, self.at, src)?
            }
            Kind::Fixed(size) => fixed::decode(*size, src),
            Kind::Counted(header) => {
                let step = counted::decode(
                    header,
                    limits,
                    self.piecemeal,
                    &mut self.state,
                    self.at,
                    src,
                )?;
                self.scratch.join(src, &step);
                step
            }
            Kind::Stuffed(stuffing) => {
                let (state, scratch) = (&mut self.state, &mut self.scratch);
                scratch.rest(src);
                stuffed::decode(*stuffing, limits.held(), state, scratch, self.at, src)?
            }
        };
        self.at += step.used() as u64;
        Ok(step)
    }

    /// The message of a [`Step::Frame`] that `decode` just found in `src`: lent from `src`, or
    /// from the decoder where it does not stand in one piece on the wire. Other steps have none.
    #[inline]
    pub fn message<'a>(&'a self, src: &'a [u8], step: &Step) -> &'a [u8] {
        match step {
            Step::Frame { .. } if self.scratch.in_use => &self.scratch.bytes,
            Step::Frame {
                header, payload, ..
            } if header.is_empty() => &src[payload.clone()],
            Step::Frame {
                header, payload, ..
            } => &src[header.start..payload.end],
            _ => &[],
        }
    }

    /// Appends the frame of the message that `decode` just found in `src`, as
    /// [`Framing::encode`] writes it. An echo that forwards so neither copies the message twice
    /// nor searches it for what a decoded message cannot hold.
    #[inline]
    pub fn forward(&self, src: &[u8], step: &Step, out: &mut Vec<u8>) {
        if self.framing.is_canonical(src, step) {
            out.extend_from_slice(&src[..step.used()]);
        } else if let Step::Frame { .. } = step {
            let encoded = self.framing.encode(self.message(src, step), out);
            encoded.expect("what a framing decodes it can encode");
        }
    }

    /// Says what it means that no more bytes will come after `rest`, for which the last
    /// [`decode`](Self::decode) answered [`Step::NeedMore`].
    pub fn finish(&mut self, rest: &[u8]) -> Result<Finish, DecodeError> {
        let Step::NeedMore { at_least } = self.decode(rest)? else {
            debug_assert!(
                false,
                "the caller decodes until more is needed, then finishes"
            );
            return Ok(Finish::Clean);
        };
        let missing = at_least as u64;
        match (&self.state, &self.framing.kind) {
            (State::Stream { at, left }, _) => {
                let missing = (left - rest.len() as u64).max(missing);
                Err(DecodeError::Truncated { at: *at, missing })
            }
            (State::Skip { .. }, _) => Ok(Finish::Clean),
            _ if rest.is_empty() => Ok(Finish::Clean),
            (_, Kind::Delimited(_)) => {
                delimited::finish(self.framing.limits.held(), self.at, rest)?;
                Ok(Finish::Unterminated {
                    payload: 0..rest.len(),
                })
            }
            _ => Err(DecodeError::Truncated {
                at: self.at,
                missing,
            }),
        }
    }

    /// Bytes taken so far.
    #[inline]
    pub fn offset(&self) -> u64 {
        self.at
    }

    /// The framing that is decoded.
    #[inline]
    pub fn framing(&self) -> &Framing {
        &self.framing
    }
}

/// Under `raw` whatever came is a message, or its first `max` bytes are.
#[inline]
fn raw(max: usize, src: &[u8]) -> Step {
    if src.is_empty() {
        return Step::NeedMore { at_least: 1 };
    }
    let used = src.len().min(max);
    Step::Frame {
        header: 0..0,
        payload: 0..used,
        used,
    }
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use super::*;

    /// Ten thousand connections hold ten thousand decoders, and every message is a step.
    #[test]
    fn decoders_and_steps_stay_small() {
        assert!(size_of::<Decoder>() <= 192, "{}", size_of::<Decoder>());
        assert!(size_of::<Result<Step, DecodeError>>() <= 56);
    }

    #[test]
    fn memory_is_given_back_when_nothing_is_left() {
        for spec in ["cobs", "u8,off=1"] {
            let framing: Framing = spec.parse().unwrap();
            let (mut decoder, mut wire) = (framing.decoder(), vec![]);
            framing.encode(b"hello", &mut wire).unwrap();
            let step = decoder.decode(&wire).unwrap();
            assert_eq!(decoder.message(&wire, &step), b"hello");
            assert!(decoder.scratch.bytes.capacity() > 0);
            assert_eq!(
                decoder.decode(b""),
                Ok(Step::NeedMore {
                    at_least: if spec == "cobs" { 1 } else { 2 }
                })
            );
            assert_eq!(decoder.scratch.bytes.capacity(), 0, "{spec}");
        }
    }
}
