//! The wire of conversations: a length, a JSON header, a body (docs/wire.md).
//!
//! Both sides of `exec` and `files` speak it. Nothing here knows what a header means: the messages
//! are in `exec/message.rs` and `files/message.rs`.

mod reader;
mod writer;

use std::io;

use sockeye_frame::{Blame, DecodeError};
use thiserror::Error;

pub use reader::{WireHeader, WireReader};
pub use writer::WireWriter;
pub(crate) use writer::write_header;

/// The longest header.
pub const HEADER_LIMIT: usize = 256 * 1024;

/// The longest body that we send at once; those that we read may have any size.
pub const BODY_AT_ONCE: usize = 256 * 1024;

/// The framing, as docs/framings.md writes it. Bodies are passed on as they come, so that their
/// limit is what a number can hold.
const FRAMING: &str = "json-header,max=256KiB,max-body=2EiB";

/// Why a connection stopped being frames.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WireError {
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What came is no frame.
    #[error(transparent)]
    Frame(DecodeError),
    /// A web browser, or whatever else speaks HTTP, was sent here.
    #[error("this is an HTTP request, which no program of ours makes: `{line}`")]
    Http {
        /// The beginning of its first line.
        line: String,
    },
    /// The header is JSON, but no message that is known here.
    #[error("the header at byte {at} is no message: {source}")]
    Header {
        /// Where the frame begins.
        at: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl WireError {
    /// Who has to change something for this to stop.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Io(_) => Blame::Path,
            Self::Frame(error) => error.blame(),
            Self::Http { .. } | Self::Header { .. } => Blame::Peer,
        }
    }
}

/// The methods of HTTP (RFC 9110 §9.1, RFC 5789) as a request line begins with them, and the
/// beginning of an HTTP/2 connection (RFC 9113 §3.4).
const METHODS: [&[u8]; 10] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"CONNECT ",
    b"OPTIONS ",
    b"TRACE ",
    b"PATCH ",
    b"PRI * HTTP",
];

/// Whether bytes begin as a request of HTTP does. Web pages can make a browser send such requests to
/// any port of this machine, with a body that they choose.
pub fn is_http(bytes: &[u8]) -> bool {
    METHODS.iter().any(|method| bytes.starts_with(method))
}

/// Bytes of a request line that are told of.
const LINE_SHOWN: usize = 80;

/// The error for bytes that begin as HTTP.
fn http(bytes: &[u8]) -> WireError {
    let line = bytes.split(|byte| b"\r\n".contains(byte)).next();
    let line = line.unwrap_or_default();
    let shown = &line[..line.len().min(LINE_SHOWN)];
    WireError::Http {
        line: String::from_utf8_lossy(shown).into_owned(),
    }
}

#[cfg(test)]
mod tests;
