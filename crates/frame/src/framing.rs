//! A framing as a value: which rule, which limits, and how to encode by it.

use crate::codec::{Decoder, Step};
use crate::counted::Header;
use crate::delimited::Delimiter;
use crate::error::Unencodable;

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
    Counted(Header),
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

    /// The limit that a body must pass to be refused.
    pub(crate) fn last(self) -> u64 {
        self.max_body.unwrap_or(self.max)
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

    /// Appends the frame of `message` to `out`, or leaves `out` alone and says why it cannot.
    ///
    /// `raw` appends the message as it is, of any length.
    #[inline]
    pub fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Unencodable> {
        self.fits(message.len())?;
        match &self.kind {
            Kind::Raw => out.extend_from_slice(message),
            Kind::Delimited(delimiter) => delimiter.encode(message, out)?,
            Kind::Counted(header) => header.encode(message, out)?,
        }
        Ok(())
    }

    /// Lets `write` append a message to `out` and makes a frame of it where it lies.
    pub fn encode_with(
        &self,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Unencodable> {
        let start = out.len();
        let ahead = match &self.kind {
            Kind::Raw | Kind::Delimited(_) => 0,
            Kind::Counted(header) => header.reserved(),
        };
        out.resize(start + ahead, 0);
        write(out);
        let sealed = self
            .fits(out.len() - start - ahead)
            .and_then(|()| match &self.kind {
                Kind::Raw => Ok(()),
                Kind::Delimited(delimiter) => delimiter.seal(out, start),
                Kind::Counted(header) => header.seal(out, start),
            });
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed
    }

    /// Appends what goes ahead of a body of `body` bytes that the caller sends piecemeal; after
    /// the body comes [`encode_tail`](Self::encode_tail).
    ///
    /// `header` is the message's own part ahead of the body, as [`Step::Head`] gives it.
    pub fn encode_head(
        &self,
        header: &[u8],
        body: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), Unencodable> {
        let Kind::Counted(rule) = &self.kind else {
            return Err(Unencodable::NotStreamed);
        };
        if header.len() as u64 > self.limits.max {
            return Err(Unencodable::TooLong {
                len: header.len() as u64,
                limit: self.limits.max,
            });
        }
        if body > self.limits.last() {
            return Err(Unencodable::TooLong {
                len: body,
                limit: self.limits.last(),
            });
        }
        rule.encode_head(header, body, out)
    }

    /// Appends what follows a streamed body.
    pub fn encode_tail(&self, out: &mut Vec<u8>) {
        if let Kind::Counted(rule) = &self.kind {
            out.extend(rule.tail());
        }
    }

    /// Whether the bytes of this frame in `src` are exactly those that `encode` writes for its
    /// message, so that an echo may pass them on as they came.
    #[inline]
    pub fn is_canonical(&self, src: &[u8], step: &Step) -> bool {
        let Step::Frame { payload, used, .. } = step else {
            return false;
        };
        match &self.kind {
            Kind::Delimited(Delimiter::Crlf) => *used == payload.end + 2 && *used <= src.len(),
            _ => true,
        }
    }

    #[inline]
    fn fits(&self, len: usize) -> Result<(), Unencodable> {
        let limit = self.limits.max.max(self.limits.last());
        if len as u64 > limit && !self.is_raw() {
            return Err(Unencodable::TooLong {
                len: len as u64,
                limit,
            });
        }
        Ok(())
    }
}
