//! Why bytes stopped being frames, why a message cannot become one, why a spec text is none.

use thiserror::Error;

use crate::explain::Evidence;

/// Who has to change something for an error to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Whoever called us, or typed the framing.
    Caller,
    /// What lies between the two ends.
    Path,
    /// The other end.
    Peer,
}

/// Why a byte stream stopped being frames. Offsets count bytes from the start of that direction;
/// `at` is where the frame begins.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// A length was announced that the limits forbid; nothing was sized by it.
    #[error(
        "frame at byte {at} announces {announced} bytes{}, the limit is {limit}{evidence}",
        counted(*announced, *length)
    )]
    TooLong {
        /// Where the frame begins.
        at: u64,
        /// The number that stands on the wire.
        announced: u64,
        /// The message's length that follows from it (`incl`, `adj=`, `off=` make them differ).
        length: u64,
        /// The limit that it passed: `max-body=` if given, else `max=`.
        limit: u64,
        /// The header, and a guess at what it is instead.
        evidence: Evidence,
    },
    /// No delimiter came within the limit. Decoding may go on: what follows up to and including
    /// the next delimiter comes as `Step::Skipped`.
    #[error("frame at byte {at} is longer than the limit of {limit} bytes{evidence}")]
    Unending {
        /// Where the frame begins.
        at: u64,
        /// The limit that it passed.
        limit: u64,
        /// How the frame begins, and a guess at what it is instead.
        evidence: Evidence,
    },
    /// A byte stands where the framing does not allow it.
    #[error("frame at byte {at} is broken at byte {byte}: {fault}{evidence}")]
    Malformed {
        /// Where the frame begins.
        at: u64,
        /// The first byte that does not fit.
        byte: u64,
        /// What is wrong with it.
        fault: Fault,
        /// How the frame begins, and a guess at what it is instead.
        evidence: Evidence,
    },
    /// The stream ended inside a frame.
    #[error("stream ended at least {missing} bytes before the end of the frame at byte {at}")]
    Truncated {
        /// Where the frame begins.
        at: u64,
        /// How many bytes are known to be missing.
        missing: u64,
    },
}

fn counted(announced: u64, length: u64) -> String {
    if announced == length {
        String::new()
    } else {
        format!(" (a message of {length})")
    }
}

impl DecodeError {
    /// Whether decoding may go on after this error; the next steps are then `Step::Skipped`.
    pub fn is_resumable(&self) -> bool {
        matches!(self, Self::Unending { .. })
    }

    /// Who has to change something for this to stop.
    pub fn blame(&self) -> Blame {
        Blame::Peer
    }

    /// Where the frame begins that could not be read.
    pub fn at(&self) -> u64 {
        match *self {
            Self::TooLong { at, .. }
            | Self::Unending { at, .. }
            | Self::Malformed { at, .. }
            | Self::Truncated { at, .. } => at,
        }
    }
}

/// What is wrong with a byte that does not fit its framing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A signed length below zero.
    #[error("the length {0} is negative")]
    NegativeLength(i64),
    /// A length that is smaller than what it has to count.
    #[error("the length {announced} is below {least}, which it has to count")]
    ShortLength {
        /// The number that stands on the wire.
        announced: u64,
        /// The least that `incl` and `adj=` permit.
        least: u64,
    },
}

/// Why a framing cannot carry a message. Offsets count from the message's first byte.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unencodable {
    /// The delimiter is part of the message, or would begin inside it.
    #[error("the message holds the delimiter at byte {at}")]
    DelimiterInside {
        /// Where the delimiter begins.
        at: usize,
    },
    /// The framing carries one size only.
    #[error("the message has {len} bytes, this framing carries exactly {size}")]
    WrongSize {
        /// The message's length.
        len: u64,
        /// The only length that fits.
        size: u64,
    },
    /// The message is longer than the limit.
    #[error("the message has {len} bytes, the limit is {limit}")]
    TooLong {
        /// The message's length.
        len: u64,
        /// The limit that it passes.
        limit: u64,
    },
    /// The length does not fit the bytes that announce it.
    #[error("the message has {len} bytes, the length field can announce {most}")]
    TooLongForWidth {
        /// The message's length.
        len: u64,
        /// The longest message whose length fits.
        most: u64,
    },
    /// The message is shorter than `off=` or `adj=` demand.
    #[error("the message has {len} bytes, this framing needs at least {least}")]
    TooShort {
        /// The message's length.
        len: u64,
        /// The shortest message that this framing can carry.
        least: u64,
    },
    /// The framing cannot announce a body ahead of its bytes.
    #[error("this framing cannot stream a body; only framings with a length and max-body= can")]
    NotStreamed,
}

impl Unencodable {
    /// Who has to change something for this to stop.
    pub fn blame(&self) -> Blame {
        Blame::Caller
    }
}

/// Why a text is no framing: what was read, where it broke, what is allowed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("framing \"{text}\" breaks at byte {at}: {problem}")]
pub struct SpecError {
    /// The whole text.
    pub text: String,
    /// The byte of `text` at which it stops making sense.
    pub at: usize,
    /// What is wrong there and what is allowed.
    pub problem: String,
}

impl SpecError {
    /// Who has to change something for this to stop.
    pub fn blame(&self) -> Blame {
        Blame::Caller
    }
}
