//! What can go wrong before a server is one of several.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Why a server cannot be one of several.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// The place is not one of NATS.
    #[error("`{given}` is no place of NATS: {why}")]
    Place {
        /// As it was written, without what may be secret.
        given: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The credentials cannot be read.
    #[error("cannot read the credentials in {path}", path = path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The credentials are not as they have to be.
    #[error("the credentials in {from}: {why}")]
    BadCredentials {
        /// The file, or the environment.
        from: String,
        /// What is wrong with them.
        why: String,
    },
    /// NATS was not reached in time.
    #[error("NATS at {place} was not reached within {within:?}: {why}")]
    Unreachable {
        /// Where it was looked for.
        place: String,
        /// How long.
        within: Duration,
        /// What came last.
        why: String,
    },
    /// NATS does not do what is asked of it.
    #[error("NATS cannot keep messages for {network}: {why}")]
    Streams {
        /// What all servers together are called.
        network: String,
        /// What it says.
        why: String,
    },
    /// The stream is not the one that this server has read so far.
    #[error(
        "the stream {stream} ends at {theirs}, but this server has read it up to {ours} already: it \
         was made anew or an old one was put back; begin with another store to take it as it is"
    )]
    Reset {
        /// The stream.
        stream: String,
        /// How far this server has read.
        ours: u64,
        /// Where it ends.
        theirs: u64,
    },
    /// The history is of another stream.
    #[error(
        "the history here is a copy of a stream that is not {stream} as it is now: that was made \
         anew, or is another one; begin with another store to take it as it is"
    )]
    OtherStream {
        /// The stream.
        stream: String,
    },
    /// The history is of a server that was alone.
    #[error(
        "the history here is of a server that was alone, and what it has is not in the stream; begin \
         with another store"
    )]
    Alone,
    /// What was read could not be kept here.
    #[error("what other servers have said cannot be kept here: {0}")]
    Cache(String),
}
