//! Why a handshake failed.

use std::fmt;
use std::time::Duration;

use sockeye_frame::Blame;
use thiserror::Error;

use crate::errno::Errno;

/// Bytes of a peer's first words that an error repeats.
pub(crate) const FIRST_WORDS: usize = 16;

/// Why a connection that was open did not become a link.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The peer took too long.
    #[error("the handshake was not complete within {after:?}")]
    Timeout {
        /// How long was waited.
        after: Duration,
    },
    /// The peer has sent its last byte in the middle.
    #[error("the peer closed the connection during the handshake")]
    Closed,
    /// The connection broke.
    #[error("the connection broke during the handshake: {0}")]
    Broken(Errno),
    /// What came first does not belong to this protocol.
    #[error("the peer does not speak {protocol}: got {}", Words(got))]
    Foreign {
        /// What we speak.
        protocol: &'static str,
        /// The first of what came.
        got: Vec<u8>,
    },
    /// The peer has ended the handshake and said why.
    #[error("the peer refused the handshake: {why}")]
    Refused {
        /// What it said, such as TLS's `bad_certificate (42)`.
        why: String,
    },
    /// The peer broke the rules of the handshake, or offered nothing that we could agree to.
    #[error("the handshake failed: {why}")]
    Failed {
        /// What was wrong.
        why: String,
    },
    /// What a client asked for is nothing that is here for it; it was told so in HTTP.
    #[error("turned away with {status}: {why}")]
    Turned {
        /// The status that it was answered with.
        status: u16,
        /// What it was told besides.
        why: String,
    },
    /// The server answered in HTTP that it does not become a WebSocket.
    #[error(
        "the server answers {status} instead of becoming a WebSocket{}",
        Besides(why)
    )]
    Answered {
        /// Its status, in words too.
        status: String,
        /// The first line of what it said besides; may be empty.
        why: String,
    },
    /// The peer's certificate is not to be trusted.
    #[error("the peer's certificate is not trusted: {why}")]
    Distrusted {
        /// What is wrong with it.
        why: String,
    },
}

impl HandshakeError {
    /// Who has to change something for this to stop.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Timeout { .. } | Self::Broken(_) => Blame::Path,
            _ => Blame::Peer,
        }
    }
}

/// Bytes in hex, and as text where they are some.
struct Words<'a>(&'a [u8]);

impl fmt::Display for Words<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(FIRST_WORDS)];
        for (at, byte) in shown.iter().enumerate() {
            let blank = if at == 0 { "" } else { " " };
            write!(out, "{blank}{byte:02x}")?;
        }
        if shown.len() < self.0.len() {
            out.write_str(" …")?;
        }
        if shown.iter().any(u8::is_ascii_graphic) {
            write!(out, ", ASCII \"{}\"", shown.escape_ascii())?;
        }
        Ok(())
    }
}

/// What was said besides, if anything.
struct Besides<'a>(&'a str);

impl fmt::Display for Besides<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colon = if self.0.is_empty() { "" } else { ": " };
        write!(out, "{colon}{}", self.0)
    }
}
