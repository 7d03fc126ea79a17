//! A framing as a value: which rule, which limits, and how to encode by it.

use crate::codec::{Decoder, Step};
use crate::counted::Header;
use crate::delimited::Delimiter;
use crate::error::Unencodable;
use crate::stuffed::Stuffing;
use crate::{content_length, fixed};

/// What a message may hold when no `max=` is given.
pub const DEFAULT_MAX: u64 = 1 << 20;

/// How a byte stream is cut into messages, and messages joined into one.
///
/// Made from its spec text; `Display` prints a text that reads back as the same framing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Framing {
    pub(crate) kind: Kind,
    pub(crate) limits: Limits,
}

/// The rule of a framing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Raw,
    Delimited(Delimiter),
    Fixed(usize),
    Counted(Header),
    Stuffed(Stuffing),
}

/// How long a message may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Limits {
    /// The longest message that is held in memory.
    pub(crate) max: u64,
    /// The longest body that is streamed; where there is none, nothing is.
    pub(crate) max_body: Option<u64>,
}

impl Limits {
    pub(crate) const DEFAULT: Self = Self {
        max: DEFAULT_MAX,
        max_body: None,
    };

    /// The limit that a message must pass to be refused.
    pub(crate) fn last(self) -> u64 {
        self.max_body.unwrap_or(self.max)
    }

    /// Whether a message with `own` bytes in its header and `body` behind it is held.
    #[inline]
    pub(crate) fn holds(self, own: usize, body: u64) -> bool {
        body <= self.max && own as u64 <= self.max - body
    }

    /// Whether such a message is streamed.
    pub(crate) fn streams(self, own: usize, body: u64) -> bool {
        self.max_body.is_some_and(|most| body <= most) && own as u64 <= self.max
    }

    /// Refuses such a message if it is neither held nor streamed.
    #[inline]
    pub(crate) fn permit(self, own: usize, body: u64) -> Result<(), Unencodable> {
        if self.holds(own, body) || self.streams(own, body) {
            return Ok(());
        }
        Err(Unencodable::TooLong {
            len: body.saturating_add(own as u64),
            limit: self.last(),
        })
    }

    /// `max`, which the grammar keeps within an address space.
    #[inline]
    pub(crate) fn held(self) -> usize {
        self.max as usize
    }
}

impl Framing {
    /// No framing: a message is whatever one read returned.
    pub fn raw() -> Self {
        Self {
            kind: Kind::Raw,
            limits: Limits::DEFAULT,
        }
    }

    /// Lines that end with LF.
    pub fn line() -> Self {
        Self {
            kind: Kind::Delimited(Delimiter::Byte(b'\n')),
            limits: Limits::DEFAULT,
        }
    }

    /// A decoder for one direction of one stream. Cheap: it allocates nothing.
    pub fn decoder(&self) -> Decoder {
        Decoder::new(self.clone())
    }

    /// Whether messages have no boundaries of their own on the wire.
    #[inline]
    pub fn is_raw(&self) -> bool {
        matches!(self.kind, Kind::Raw)
    }

    /// The longest message that is held; longer ones are streamed (`max-body=`) or refused.
    #[inline]
    pub fn limit(&self) -> u64 {
        self.limits.max
    }

    /// The longest body that is streamed, if any is.
    pub fn body_limit(&self) -> Option<u64> {
        self.limits.max_body
    }

    /// Appends the frame of `message` to `out`, or leaves `out` alone and says why it cannot.
    ///
    /// `raw` appends the message as it is, of any length.
    #[inline]
    pub fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Unencodable> {
        match &self.kind {
            Kind::Raw => out.extend_from_slice(message),
            Kind::Counted(header) => return header.encode(self.limits, message, out),
            Kind::Delimited(delimiter) => {
                self.limits.permit(0, message.len() as u64)?;
                return delimiter.encode(message, out);
            }
            Kind::Fixed(size) => {
                fixed::permit(*size, message)?;
                out.extend_from_slice(message);
            }
            Kind::Stuffed(stuffing) => {
                self.limits.permit(0, message.len() as u64)?;
                return stuffing.encode(message, out);
            }
        }
        Ok(())
    }

    /// Lets `write` append a message to `out` and makes a frame of it where it lies. What `out`
    /// held before must stay; on error it is all that `out` holds again.
    ///
    /// # Panics
    /// If `write` shortens `out`.
    pub fn encode_with(
        &self,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Unencodable> {
        let start = out.len();
        // A length of fixed width ahead of everything can be left open and filled in.
        let open = match &self.kind {
            Kind::Counted(Header::Length(field)) if field.off == 0 => field.width(),
            _ => 0,
        };
        out.resize(start + open, 0);
        write(out);
        let sealed = self.seal(out, start, open);
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed
    }

    /// Makes a frame of the message that lies in `out` behind `open` bytes at `start`.
    fn seal(&self, out: &mut Vec<u8>, start: usize, open: usize) -> Result<(), Unencodable> {
        let len = (out.len() - start - open) as u64;
        match &self.kind {
            Kind::Raw => {}
            Kind::Delimited(delimiter) => {
                self.limits.permit(0, len)?;
                delimiter.seal(out, start)?;
            }
            Kind::Fixed(size) => fixed::permit(*size, &out[start..])?,
            Kind::Counted(Header::Length(field)) if field.off == 0 => {
                self.limits.permit(0, len)?;
                field.patch(&mut out[start..])?;
            }
            Kind::Counted(header) => header.seal(self.limits, out, start)?,
            Kind::Stuffed(stuffing) => {
                self.limits.permit(0, len)?;
                let message = out.split_off(start);
                stuffing.encode(&message, out)?;
            }
        }
        Ok(())
    }

    /// Appends what goes ahead of a body of `body` bytes that the caller sends piecemeal; after
    /// the body comes [`encode_tail`](Self::encode_tail).
    ///
    /// `header` is the message's own part ahead of the body, as [`Step::Head`] gives it. Short
    /// bodies may be sent so too; the receiver decides by its own limits what it holds.
    pub fn encode_head(
        &self,
        header: &[u8],
        body: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), Unencodable> {
        let Kind::Counted(rule) = &self.kind else {
            return Err(Unencodable::NotStreamed);
        };
        rule.encode_head(self.limits, header, body, out)
    }

    /// Appends what follows a streamed body.
    pub fn encode_tail(&self, out: &mut Vec<u8>) {
        if let Kind::Counted(rule) = &self.kind {
            out.extend_from_slice(rule.tail());
        }
    }

    /// Whether the bytes of this frame in `src` are exactly those that `encode` writes for its
    /// message, so that an echo may pass them on as they came.
    ///
    /// Most framings write a message in one way only and always say yes; `crlf`, `content-length`
    /// and `cobs` read other spellings too.
    #[inline]
    pub fn is_canonical(&self, src: &[u8], step: &Step) -> bool {
        let Step::Frame { payload, used, .. } = step else {
            return false;
        };
        match &self.kind {
            Kind::Delimited(Delimiter::Crlf) => *used == payload.end + 2,
            Kind::Counted(Header::ContentLength) => {
                content_length::is_canonical(&src[..payload.start])
            }
            Kind::Stuffed(stuffing) => stuffing.is_canonical(&src[payload.clone()]),
            Kind::Raw | Kind::Delimited(_) | Kind::Fixed(_) | Kind::Counted(_) => true,
        }
    }
}
