//! Why a connection ended, for people.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::time::Duration;

use sockeye_frame::{DecodeError, Unencodable};
use sockeye_net::HandshakeError;

use crate::out::Ending;

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum Reason {
    /// The peer closed, and all was answered.
    Peer,
    /// The service closed: all was said.
    Service,
    /// The service does not take what the peer did.
    Refused(Cow<'static, str>),
    /// What the peer sent is no frame.
    BadFrame(DecodeError),
    /// The framing cannot carry the answer.
    Unsendable(Unencodable),
    /// Nothing moved for so long.
    Idle(Duration),
    /// A frame was begun and not completed for so long.
    SlowFrame(Duration),
    /// The server drains.
    Drained,
    /// The server ended before all was sent.
    Cut,
    /// It never became a conversation.
    Handshake(HandshakeError),
    /// The connection broke.
    Broken(io::Error),
}

impl Reason {
    /// What a responder's ending comes to. If the peer has closed already, it was the peer.
    pub(crate) fn of(ending: Ending, peer_done: bool) -> Self {
        match ending {
            Ending::Close if peer_done => Self::Peer,
            Ending::Close => Self::Service,
            Ending::Refuse(reason) => Self::Refused(reason),
            Ending::Unsendable(error) => Self::Unsendable(error),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer => Ok(()),
            Self::Service => f.write_str("closed by the service"),
            Self::Refused(reason) => f.write_str(reason),
            Self::BadFrame(error) => error.fmt(f),
            Self::Unsendable(error) => write!(f, "the answer cannot be framed: {error}"),
            Self::Idle(limit) => write!(f, "idle for {limit:?}"),
            Self::SlowFrame(limit) => write!(f, "a frame was not complete within {limit:?}"),
            Self::Drained => f.write_str("the server ends"),
            Self::Cut => f.write_str("the server ended before all was sent"),
            Self::Handshake(error) => error.fmt(f),
            Self::Broken(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                f.write_str("reset by the peer")
            }
            Self::Broken(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                f.write_str("the peer closed while it was being answered")
            }
            Self::Broken(error) => error.fmt(f),
        }
    }
}
