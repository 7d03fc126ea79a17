//! A link as messages, for conversations.

mod incoming;
mod outgoing;

use std::io;

use sockeye_frame::{Blame, DecodeError, Framing, Unencodable};
use sockeye_trace::ConnId;
use thiserror::Error;

pub use incoming::Incoming;
pub use outgoing::Outgoing;

use crate::errno::Errno;
use crate::link::Link;
use crate::name::Peer;
use crate::stream::ByteLink;

/// A link as messages: over bytes a framing makes them, on a message link they are there already.
///
/// Memory is held only while something waits in it: the beginning of a frame, or what the peer has
/// not taken yet.
#[derive(Debug)]
pub struct Framed {
    incoming: Incoming,
    outgoing: Outgoing,
    peer: Peer,
}

/// What [`Framed::next`] found. Lent until the next call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arrival<'a> {
    /// A whole message.
    Message(&'a [u8]),
    /// The last message of a stream, which ended without the delimiter that belongs behind it.
    Unterminated(&'a [u8]),
    /// A message whose end was cut off because it was longer than what is read at once.
    Truncated {
        /// What is left of it.
        bytes: &'a [u8],
        /// How long it was.
        full_len: usize,
    },
    /// A message begins whose body is too long to be held.
    Head {
        /// What stands ahead of the body and belongs to the message.
        header: &'a [u8],
        /// How many bytes will come as [`Arrival::Body`].
        body: u64,
    },
    /// A piece of such a body.
    Body {
        /// The piece.
        chunk: &'a [u8],
        /// How many bytes are still to come; 0 ends the message.
        left: u64,
    },
    /// A frame that broke the rules was passed over; the next one can be read.
    Oversized(DecodeError),
}

impl<'a> Arrival<'a> {
    /// The message, unless it is streamed or was refused.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Message(bytes) | Self::Unterminated(bytes) | Self::Truncated { bytes, .. } => {
                Some(bytes)
            }
            Self::Head { .. } | Self::Body { .. } | Self::Oversized(_) => None,
        }
    }
}

/// Why a message could not be read or written.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkError {
    /// The link broke while reading. A message link can go on after it.
    #[error("cannot read from the peer")]
    Read(#[source] Errno),
    /// The link broke while writing. A message link can go on after it, without that message.
    #[error("cannot write to the peer")]
    Write(#[source] Errno),
    /// The protocol between the link and its socket broke, or ended without saying so.
    #[error("{0}")]
    Protocol(String),
    /// What came is no frame, and where the next one begins cannot be known.
    #[error(transparent)]
    Frame(#[from] DecodeError),
    /// The framing cannot carry the message. Nothing of it was sent.
    #[error(transparent)]
    Unencodable(#[from] Unencodable),
}

impl LinkError {
    /// What a failed read comes to.
    pub fn reading(error: &io::Error) -> Self {
        Self::told(error).unwrap_or_else(|| Self::Read(Errno::of(error)))
    }

    /// What a failed write comes to.
    pub fn writing(error: &io::Error) -> Self {
        Self::told(error).unwrap_or_else(|| Self::Write(Errno::of(error)))
    }

    /// An error that no system call brought has its own words: a layer of the link chose them.
    fn told(error: &io::Error) -> Option<Self> {
        error.get_ref().map(|own| Self::Protocol(own.to_string()))
    }

    /// Who has to change something for this to stop.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Read(errno) | Self::Write(errno) => match errno.number() {
                libc::EMSGSIZE => Blame::Caller,
                libc::ETIMEDOUT | libc::EHOSTUNREACH | libc::ENETUNREACH => Blame::Path,
                _ => Blame::Peer,
            },
            Self::Protocol(_) => Blame::Peer,
            Self::Frame(error) => error.blame(),
            Self::Unencodable(error) => error.blame(),
        }
    }

    /// The number that the kernel gave.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Read(errno) | Self::Write(errno) => Some(*errno),
            Self::Protocol(_) | Self::Frame(_) | Self::Unencodable(_) => None,
        }
    }
}

impl Framed {
    /// Cuts the bytes of a link into messages by `framing`; on a message link it means nothing.
    pub fn new(link: Link, framing: &Framing) -> Self {
        let peer = link.peer();
        let (incoming, outgoing) = match link {
            Link::Bytes(link) => {
                let (read, write) = link.into_split();
                (
                    Incoming::over_bytes(read, framing),
                    Outgoing::over_bytes(write, framing),
                )
            }
            Link::Messages(link) => {
                let (receiver, sender) = link.into_split();
                (
                    Incoming::over_messages(receiver),
                    Outgoing::over_messages(sender),
                )
            }
        };
        Self {
            incoming,
            outgoing,
            peer,
        }
    }

    /// The same, reading at most `bytes` at once (1 byte to 256 KiB): under `raw` no message is
    /// longer then, and a datagram that is longer is cut.
    #[must_use]
    pub fn with_read_size(mut self, bytes: usize) -> Self {
        self.incoming.set_read_size(bytes);
        self
    }

    /// The other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The number of this link in every event.
    pub fn conn(&self) -> ConnId {
        self.incoming.conn()
    }

    /// See [`Incoming::next`].
    pub async fn next(&mut self) -> Result<Option<Arrival<'_>>, LinkError> {
        self.incoming.next().await
    }

    /// See [`Outgoing::send`].
    pub async fn send(&mut self, message: &[u8]) -> Result<(), LinkError> {
        self.outgoing.send(message).await
    }

    /// See [`Outgoing::feed`].
    pub fn feed(&mut self, message: &[u8]) -> Result<(), LinkError> {
        self.outgoing.feed(message)
    }

    /// See [`Outgoing::flush`].
    pub async fn flush(&mut self) -> Result<(), LinkError> {
        self.outgoing.flush().await
    }

    /// See [`Outgoing::finish`].
    pub async fn finish(&mut self) -> Result<(), LinkError> {
        self.outgoing.finish().await
    }

    /// Both directions, one after the other, without giving them away.
    pub fn both(&mut self) -> (&mut Incoming, &mut Outgoing) {
        (&mut self.incoming, &mut self.outgoing)
    }

    /// Both directions as values of their own, for two tasks.
    pub fn split(self) -> (Incoming, Outgoing) {
        (self.incoming, self.outgoing)
    }

    /// The byte link below, and what was read from it and belongs to no message taken so far.
    /// What was fed and not flushed is lost. Nothing on a message link.
    pub fn into_bytes(self) -> Option<(ByteLink, Vec<u8>)> {
        let (read, rest) = self.incoming.into_bytes()?;
        let (write, _) = self.outgoing.into_bytes()?;
        let link = read.reunite(write);
        Some((link.expect("both are halves of one link"), rest))
    }

    /// Ends the link by a reset.
    pub fn abort(self) {
        self.incoming.abort();
        self.outgoing.abort();
    }
}
