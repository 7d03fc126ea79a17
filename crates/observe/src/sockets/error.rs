//! Why the kernel did not tell.

use std::io;

use thiserror::Error;

/// Why a question about sockets has no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DiagError {
    /// There is no way to ask.
    #[error("cannot open a netlink socket to ask about sockets")]
    Open(#[source] io::Error),
    /// The kernel refused: `ENOENT` where it was built without that part, or its module is missing.
    #[error("the kernel does not tell about these sockets")]
    Ask(#[source] io::Error),
    /// The answer makes no sense.
    #[error("the kernel's answer about sockets cannot be read")]
    Answer,
}

impl DiagError {
    /// The kernel's error number, where it gave one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Open(error) | Self::Ask(error) => error.raw_os_error(),
            Self::Answer => None,
        }
    }
}
