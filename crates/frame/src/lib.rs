//! Framings: how a byte stream becomes messages and back.
//!
//! A [`Framing`] is read from a spec text (`line`, `u32be,max=64KiB`), makes a [`Decoder`] for each
//! direction of a stream, and encodes messages. It is pure: it sees bytes, never sockets.

#![forbid(unsafe_code)]

mod cobs;
mod codec;
mod content_length;
mod counted;
mod decimal;
mod delimited;
mod effort;
mod error;
mod explain;
mod fixed;
mod framing;
mod json;
mod json_header;
#[cfg(any(test, feature = "laws"))]
#[doc(hidden)]
pub mod laws;
mod length;
mod names;
mod netstring;
mod octet_count;
mod scratch;
mod show;
mod size;
mod slip;
mod spec;
mod stuffed;
mod varint;

pub use codec::{Decoder, Finish, Step};
pub use error::{Blame, DecodeError, Fault, JsonFault, SpecError, SpecProblem, Unencodable};
pub use explain::{Evidence, Guess};
pub use framing::{DEFAULT_MAX, Framing};
pub use size::{ByteSize, SizeError};

/// Runs the page's example.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/framings.md")]
struct Page;
