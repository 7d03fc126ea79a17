//! Why a run could not be finished.

use std::fmt;
use std::io;
use std::time::Duration;

use sockeye_net::{Endpoint, Errno, NetError, Operation};

use super::message::Mismatch;

/// Each ends the run at once; what only spoils a figure is counted in the tally instead.
#[derive(Debug, thiserror::Error)]
pub(super) enum BenchError {
    /// The server's answer is not what was sent.
    #[error(transparent)]
    Wrong(#[from] Mismatch),
    /// What came back is no frame.
    #[error("connection {conn}: what came back is no frame")]
    NoFrame {
        conn: u32,
        source: sockeye_frame::DecodeError,
    },
    /// The first byte that the other end sent without being asked.
    #[error(
        "connection {conn}: {bytes} bytes came back that nobody asked for, beginning {start:?}"
    )]
    Unasked {
        conn: u32,
        bytes: usize,
        start: String,
    },
    /// A connection could not be made.
    #[error(transparent)]
    Connect(NetError),
    /// A connection that should stay ended, before its answer came.
    #[error("connection {conn}: {ending}")]
    Ended { conn: u32, ending: Ending },
    /// The server lets nobody in, in its words.
    #[error("connection {conn} is not let in: {}", why.escape_debug())]
    Refused { conn: u32, why: String },
    /// No answer came in time.
    #[error("connection {conn}: no answer within {timeout:?}")]
    Silent { conn: u32, timeout: Duration },
    /// Our own side failed.
    #[error("{doing} failed")]
    Local {
        doing: &'static str,
        source: io::Error,
    },
}

/// How a connection ended that nobody closed on our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The server closed it.
    Closed,
    /// The kernel reported an error.
    Failed(Errno),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the server closed the connection"),
            Self::Failed(errno) => errno.fmt(f),
        }
    }
}

impl<E: Into<Errno>> From<E> for Ending {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl BenchError {
    /// A connection could not be made.
    pub(super) fn connect(endpoint: &Endpoint, source: impl Into<Errno>) -> Self {
        Self::Connect(NetError::System {
            operation: Operation::Connect,
            endpoint: endpoint.to_string(),
            address: None,
            source: source.into(),
        })
    }

    /// For `map_err`: our own side failed.
    pub(super) fn local(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Local { doing, source }
    }
}
