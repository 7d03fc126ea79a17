//! What ends a WebSocket other than its closing handshake.

use std::io;

use sockeye_frame::Blame;
use thiserror::Error;
use tokio_tungstenite::tungstenite::Error as Tungstenite;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::errno::Errno;

/// Characters of a peer's reason for closing that are told: all that a close frame can hold.
const REASON: usize = 123;

/// Why a WebSocket ended before all was said.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebSocketError {
    /// The peer's message is longer than what is taken.
    #[error("a WebSocket message of {size} bytes or more is too long, the limit is {limit}")]
    TooLong {
        /// Bytes that it has at least.
        size: usize,
        /// Bytes that a message may have.
        limit: usize,
    },
    /// A text message of the peer is no text.
    #[error("a WebSocket text message is not UTF-8")]
    NotText,
    /// The peer does what RFC 6455 forbids.
    #[error("the peer does not keep to the WebSocket protocol: {what}")]
    Protocol {
        /// What it did.
        what: String,
    },
    /// The peer closed and says that something was wrong.
    #[error("the peer closed the WebSocket with code {code}{}", Reason(reason))]
    Closed {
        /// The code, RFC 6455, section 7.4.
        code: u16,
        /// What it adds to it; may be empty.
        reason: String,
    },
    /// The connection ended, but nobody closed the WebSocket.
    #[error("the connection ended without the closing handshake of WebSocket")]
    Unclosed,
}

impl WebSocketError {
    /// What a close frame of the peer means: nothing where it is content.
    pub(super) fn of_close(frame: Option<&CloseFrame>) -> Option<Self> {
        let frame = frame?;
        match frame.code {
            CloseCode::Normal | CloseCode::Away | CloseCode::Status => None,
            code => Some(Self::Closed {
                code: code.into(),
                reason: frame.reason.chars().take(REASON).collect(),
            }),
        }
    }

    /// What reading ended with, where that is not the connection's own failure.
    pub(super) fn of(error: Tungstenite) -> Result<Self, io::Error> {
        Ok(match error {
            Tungstenite::Io(error) => return Err(error),
            Tungstenite::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
                Self::TooLong {
                    size,
                    limit: max_size,
                }
            }
            Tungstenite::Utf8(_) => Self::NotText,
            Tungstenite::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Unclosed,
            Tungstenite::Protocol(error) => Self::Protocol {
                what: lower_first(&error.to_string()),
            },
            other => Self::Protocol {
                what: lower_first(&other.to_string()),
            },
        })
    }

    /// The code that tells the peer why we close; none where it cannot hear it.
    pub(super) fn close_code(&self) -> Option<CloseCode> {
        match self {
            Self::TooLong { .. } => Some(CloseCode::Size),
            Self::NotText => Some(CloseCode::Invalid),
            Self::Protocol { .. } => Some(CloseCode::Protocol),
            Self::Closed { .. } | Self::Unclosed => None,
        }
    }

    /// Who has to change something for this to stop.
    pub fn blame(&self) -> Blame {
        match self {
            Self::TooLong { .. }
            | Self::NotText
            | Self::Protocol { .. }
            | Self::Closed { .. }
            | Self::Unclosed => Blame::Peer,
        }
    }

    /// The kernel's number that comes closest, for events.
    pub(crate) fn errno(&self) -> Errno {
        Errno::new(match self {
            Self::TooLong { .. } => libc::EMSGSIZE,
            Self::NotText => libc::EILSEQ,
            Self::Protocol { .. } => libc::EPROTO,
            Self::Closed { .. } => libc::ECONNABORTED,
            Self::Unclosed => libc::ECONNRESET,
        })
    }

    /// The one in an error of a link, if that is what it is.
    pub(crate) fn within(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<WebSocketError> for io::Error {
    fn from(error: WebSocketError) -> Self {
        Self::other(error)
    }
}

/// Our errors begin in lower case.
fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

struct Reason<'a>(&'a str);

impl std::fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, ": {}", self.0)
    }
}
