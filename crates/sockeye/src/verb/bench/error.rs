//! Why a run could not be finished.

use std::io;

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
    #[error("cannot connect connection {conn} to {endpoint}")]
    Connect {
        conn: usize,
        endpoint: String,
        source: io::Error,
    },
    /// Our own side failed.
    #[error("{doing} failed")]
    Local {
        doing: &'static str,
        source: io::Error,
    },
}

impl BenchError {
    /// For `map_err`: our own side failed.
    pub(super) fn local(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Local { doing, source }
    }
}
