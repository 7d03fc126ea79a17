//! A link as messages, for conversations.

mod reader;
mod writer;

use sockeye_frame::{Blame, DecodeError, Framing, Unencodable};
use sockeye_trace::ConnId;
use thiserror::Error;

pub use reader::FramedReader;
pub use writer::FramedWriter;

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
    reader: FramedReader,
    writer: FramedWriter,
    peer: Peer,
}

/// What [`Framed::next`] found. Lent until the next call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message<'a> {
    /// A whole message.
    Whole(&'a [u8]),
    /// The last message of a stream, which ended without the delimiter that belongs behind it.
    Unterminated(&'a [u8]),
    /// A message whose end was cut off because it did not fit the reader, and its full length.
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
        /// How many bytes will come as [`Message::Body`].
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
    Refused(DecodeError),
}

impl<'a> Message<'a> {
    /// The message, unless it is streamed or was refused.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Whole(bytes) | Self::Unterminated(bytes) | Self::Truncated { bytes, .. } => {
                Some(bytes)
            }
            Self::Head { .. } | Self::Body { .. } | Self::Refused(_) => None,
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
    /// What came is no frame, and where the next one begins cannot be known.
    #[error(transparent)]
    Frame(#[from] DecodeError),
    /// The framing cannot carry the message. Nothing of it was sent.
    #[error(transparent)]
    Message(#[from] Unencodable),
}

impl LinkError {
    /// Who has to change something for this to stop.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Read(errno) | Self::Write(errno) => match errno.number() {
                libc::EMSGSIZE => Blame::Caller,
                libc::ETIMEDOUT | libc::EHOSTUNREACH | libc::ENETUNREACH => Blame::Path,
                _ => Blame::Peer,
            },
            Self::Frame(error) => error.blame(),
            Self::Message(error) => error.blame(),
        }
    }

    /// The number that the kernel gave.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Read(errno) | Self::Write(errno) => Some(*errno),
            Self::Frame(_) | Self::Message(_) => None,
        }
    }
}

impl Framed {
    /// Cuts the bytes of a link into messages by `framing`; on a message link it means nothing.
    pub fn new(link: Link, framing: &Framing) -> Self {
        let peer = link.peer();
        let (reader, writer) = match link {
            Link::Bytes(link) => {
                let (read, write) = link.into_split();
                (
                    FramedReader::bytes(read, framing),
                    FramedWriter::bytes(write, framing),
                )
            }
        };
        Self {
            reader,
            writer,
            peer,
        }
    }

    /// The other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The number of this link in every event.
    pub fn conn(&self) -> ConnId {
        self.reader.conn()
    }

    /// See [`FramedReader::next`].
    pub async fn next(&mut self) -> Result<Option<Message<'_>>, LinkError> {
        self.reader.next().await
    }

    /// See [`FramedWriter::send`].
    pub async fn send(&mut self, message: &[u8]) -> Result<(), LinkError> {
        self.writer.send(message).await
    }

    /// See [`FramedWriter::queue`].
    pub fn queue(&mut self, message: &[u8]) -> Result<(), LinkError> {
        self.writer.queue(message)
    }

    /// See [`FramedWriter::flush`].
    pub async fn flush(&mut self) -> Result<(), LinkError> {
        self.writer.flush().await
    }

    /// See [`FramedWriter::finish`].
    pub async fn finish(&mut self) -> Result<(), LinkError> {
        self.writer.finish().await
    }

    /// Both directions, one after the other, without giving them away.
    pub fn both(&mut self) -> (&mut FramedReader, &mut FramedWriter) {
        (&mut self.reader, &mut self.writer)
    }

    /// Both directions as values of their own, for two tasks.
    pub fn split(self) -> (FramedReader, FramedWriter) {
        (self.reader, self.writer)
    }

    /// The byte link below, and what was read from it and belongs to no message taken so far.
    /// Messages that are queued are lost: flush first. Nothing on a message link.
    pub fn into_bytes(self) -> Option<(ByteLink, Vec<u8>)> {
        let (read, rest) = self.reader.into_bytes();
        let link = read.reunite(self.writer.into_bytes());
        Some((link.expect("both are halves of one link"), rest))
    }

    /// Ends the link by a reset.
    pub fn abort(self) {
        self.reader.abort();
        self.writer.abort();
    }
}
