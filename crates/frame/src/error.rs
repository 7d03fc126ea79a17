//! Why bytes stopped being frames, why a message cannot become one, why a spec text is none.

use std::fmt;

use thiserror::Error;

use crate::explain::Evidence;

/// Who has to change something for an error to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Whoever called us, or typed the framing.
    Caller,
    /// What lies between the two ends. No framing can tell; the rooms above can.
    Path,
    /// The other end.
    Peer,
}

/// A count with its noun.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} byte{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

/// Why a byte stream stopped being frames. Offsets count bytes from the start of that direction;
/// `at` is where the frame begins.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// A length was announced that the limits forbid; nothing was sized by it.
    #[error(
        "frame at byte {at} announces {}{}, the limit is {limit}{evidence}",
        Bytes(*announced),
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
    #[error("frame at byte {at} is longer than the limit of {}{evidence}", Bytes(*limit))]
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
    #[error("stream ended at least {} before the end of the frame at byte {at}", Bytes(*missing))]
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
    ///
    /// Framings that end at a delimiter find their way back, those with a length don't.
    pub fn is_resumable(&self) -> bool {
        match self {
            Self::Unending { .. } => true,
            Self::Malformed { fault, .. } => fault.is_resumable(),
            Self::TooLong { .. } | Self::Truncated { .. } => false,
        }
    }

    /// Who has to change something for this to stop.
    pub fn blame(&self) -> Blame {
        match self {
            Self::TooLong { .. }
            | Self::Unending { .. }
            | Self::Malformed { .. }
            | Self::Truncated { .. } => Blame::Peer,
        }
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
    /// Another byte belongs there.
    #[error("found {}, allowed is {allowed}", shown(*found))]
    Misplaced {
        /// The byte that stands there.
        found: u8,
        /// What may stand there.
        allowed: &'static str,
    },
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
    /// A decimal length that begins with a zero it does not need.
    #[error("the length has a leading zero")]
    LeadingZero,
    /// A varint with more bytes than its number needs.
    #[error("the varint ends in a zero byte that its number does not need")]
    Overlong,
    /// A number above 2^64 - 1.
    #[error("the length does not fit 64 bits")]
    Overflow,
    /// A header of text that does not end.
    #[error("the header is longer than {}", Bytes(*limit as u64))]
    LongHeader {
        /// The limit that it passed.
        limit: usize,
    },
    /// A header without the field that matters.
    #[error("the header has no Content-Length")]
    NoContentLength,
    /// Two different lengths in one header.
    #[error("the header gives two lengths, {first} and {second}")]
    TwoLengths {
        /// The one that stands first.
        first: u64,
        /// The one that differs.
        second: u64,
    },
    /// A JSON header that cannot be read.
    #[error(transparent)]
    Json(#[from] JsonFault),
    /// A SLIP escape that means nothing.
    #[error("found {} after the escape byte db, allowed are dc and dd", shown(*.0))]
    BadEscape(u8),
    /// A COBS code that points past the frame's end.
    #[error("the code {code} points {} past the end of the frame", Bytes(*past as u64))]
    PastEnd {
        /// The code byte.
        code: u8,
        /// By how much it misses.
        past: usize,
    },
}

/// The offset in its frame of a byte that does not fit, and what is wrong with it.
pub(crate) type Misfit = (usize, Fault);

impl Fault {
    /// Framings that end at a reserved byte find their way back; the others don't.
    fn is_resumable(&self) -> bool {
        matches!(self, Self::BadEscape(_) | Self::PastEnd { .. })
    }
}

/// A byte in hex, and as a character if it is a printable one.
fn shown(byte: u8) -> String {
    match byte {
        0x20..=0x7e => format!("{byte:02x} \"{}\"", char::from(byte)),
        _ => format!("{byte:02x}"),
    }
}

/// What is wrong with a JSON header.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonFault {
    /// The text ended too early.
    #[error("the JSON header ends before its object does")]
    Ended,
    /// Another byte belongs there.
    #[error("the header is no JSON object: found {}, allowed is {allowed}", shown(*found))]
    Misplaced {
        /// The byte that stands there.
        found: u8,
        /// What may stand there.
        allowed: &'static str,
    },
    /// Arrays and objects in each other beyond the limit.
    #[error("the JSON header is nested deeper than {limit} levels")]
    Deep {
        /// The limit that it passed.
        limit: u32,
    },
    /// Text in another encoding.
    #[error("the JSON header is not UTF-8")]
    NotUtf8,
    /// A `size` or `file_size` that no body can have.
    #[error("the header's {field} is no whole number of bytes from 0 to 2^64 - 1")]
    BadSize {
        /// Which field.
        field: &'static str,
    },
    /// Sizes that contradict each other.
    #[error("the header gives two sizes, {first} and {second}")]
    TwoSizes {
        /// The one that stands first.
        first: u64,
        /// The one that differs.
        second: u64,
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
    #[error("the message has {}, this framing carries exactly {size}", Bytes(*len))]
    WrongSize {
        /// The message's length.
        len: u64,
        /// The only length that fits.
        size: u64,
    },
    /// The framing has no way to write a message without bytes.
    #[error("this framing cannot carry an empty message")]
    Empty,
    /// The message is longer than the limit.
    #[error("the message has {}, the limit is {limit}", Bytes(*len))]
    TooLong {
        /// The message's length.
        len: u64,
        /// The limit that it passes.
        limit: u64,
    },
    /// The length does not fit the bytes that announce it.
    #[error("the message has {}, the length field can announce {most}", Bytes(*len))]
    TooLongForWidth {
        /// The message's length.
        len: u64,
        /// The longest message whose length fits.
        most: u64,
    },
    /// The message is shorter than `off=` or `adj=` demand.
    #[error("the message has {}, this framing needs at least {least}", Bytes(*len))]
    TooShort {
        /// The message's length.
        len: u64,
        /// The shortest message that this framing can carry.
        least: u64,
    },
    /// The message does not begin with a JSON header.
    #[error("the message does not begin with a JSON header, it breaks at byte {at}: {fault}")]
    BadHeader {
        /// The byte at which it stops being one.
        at: usize,
        /// What is wrong with it.
        fault: JsonFault,
    },
    /// The JSON header announces another body than the one that follows it.
    #[error("the JSON header announces a body of {}, behind it are {len}", Bytes(*announced))]
    WrongBody {
        /// The header's `size`.
        announced: u64,
        /// What is there.
        len: u64,
    },
    /// The framing cannot announce a body ahead of its bytes.
    #[error("this framing cannot stream a body, only framings with a length can")]
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
#[error("framing {text:?} breaks at byte {at}: {problem}")]
pub struct SpecError {
    /// The whole text.
    pub text: String,
    /// The byte of `text` at which it stops making sense.
    pub at: usize,
    /// What is wrong there and what is allowed.
    pub problem: SpecProblem,
}

impl SpecError {
    /// Who has to change something for this to stop.
    pub fn blame(&self) -> Blame {
        Blame::Caller
    }
}

/// What is wrong at the byte at which a spec text breaks.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpecProblem {
    /// No such framing.
    #[error("no framing is called {name:?}; known are {}", known.join(", "))]
    UnknownName {
        /// What stands there.
        name: String,
        /// All names.
        known: &'static [&'static str],
    },
    /// No such modifier, or not with this framing.
    #[error("{modifier:?} cannot follow {name}; allowed is {}", Listed(allowed))]
    UnknownModifier {
        /// What stands there.
        modifier: String,
        /// The framing's name.
        name: String,
        /// What may follow it.
        allowed: &'static [&'static str],
    },
    /// One modifier given twice.
    #[error("{0} is given twice")]
    Twice(&'static str),
    /// A value that is not of the kind that is needed.
    #[error("{found:?} is no {wanted}")]
    NotA {
        /// What stands there.
        found: String,
        /// What is needed.
        wanted: &'static str,
    },
    /// A number outside its range.
    #[error("{what} is {value}, allowed is {least} to {most}")]
    OutOfRange {
        /// Whose number.
        what: &'static str,
        /// The number.
        value: i128,
        /// The least that is allowed.
        least: i128,
        /// The most that is allowed.
        most: i128,
    },
    /// An escape that means nothing.
    #[error("\\{} is no escape; known are \\n \\r \\t \\0 \\\\ \\, and \\xNN", .0.escape_debug())]
    BadEscape(String),
    /// Modifiers with which no message fits the limit or the length field.
    #[error("with these modifiers no message fits: {0}")]
    NothingFits(&'static str),
}

/// `max=SIZE, off=N` or "nothing".
struct Listed<'a>(&'a [&'static str]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            f.write_str("nothing")
        } else {
            f.write_str(&self.0.join(", "))
        }
    }
}
