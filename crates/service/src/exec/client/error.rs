//! Why a command did not run to its end.

use std::io;
use std::time::Duration;

use sockeye_frame::Blame;
use thiserror::Error;

use crate::exec::message::Failure;
use crate::wire::WireError;

/// Why it is not known how a command ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExecError {
    /// The server answered with an error.
    #[error("the server {}: {}", verb(.0), .0.message)]
    Refused(Failure),
    /// The command was asked for, and nothing is heard of it.
    #[error("the server did not start the command within {after:?}")]
    Silent {
        /// How long was waited.
        after: Duration,
    },
    /// The connection broke, or the server does not speak the protocol.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The connection ended before the command did.
    #[error("the connection ended before the command did")]
    Lost,
    /// The server said something that makes no sense at this point.
    #[error("the server said `{said}` {when}")]
    Unexpected {
        /// The type of its message.
        said: &'static str,
        /// Why it makes no sense.
        when: &'static str,
    },
    /// The input for the command could not be read.
    #[error("cannot read the input for the command")]
    Input(#[source] io::Error),
}

/// Nobody need be told that a command which could not be started was refused.
fn verb(failure: &Failure) -> &'static str {
    match &*failure.code {
        "denied" | "not_allowed" => "refuses",
        _ => "says",
    }
}

impl ExecError {
    /// Who has to change something for this to stop.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Refused(_) | Self::Input(_) => Blame::Caller,
            Self::Silent { .. } | Self::Lost => Blame::Path,
            Self::Wire(error) => error.blame(),
            Self::Unexpected { .. } => Blame::Peer,
        }
    }
}
