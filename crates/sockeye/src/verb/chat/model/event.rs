//! What goes into the model and what comes out of it.

use super::conversation::{ContactId, ConversationId, ServerId};

/// Something that happened outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// At a server.
    Server(ServerId, FromServer),
    /// At a plain contact.
    Contact(ContactId, FromContact),
}

/// What a session with a server tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FromServer {
    /// It is dialled.
    Dialling,
    /// There is a connection, on which nothing was said.
    Connected {
        /// Nobody in between can read: passwords may be said.
        is_private: bool,
        /// It is encrypted, and our key is known to the server.
        is_secure: bool,
    },
    /// A line, without CR LF.
    Line(String),
    /// There is none any more, or it could not be made.
    Lost {
        why: String,
        /// When it is dialled again, in milliseconds from now; none: not by itself.
        again_in_ms: Option<u64>,
    },
}

/// What a plain contact tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FromContact {
    /// It can be written to; its address.
    Open { peer: String },
    /// A message, with the address that it came from.
    Said { from: String, text: String },
    /// The oldest of what was written and not told of yet has left.
    Sent,
    /// That could not be sent, or something else went wrong; it can be tried again.
    Failed { why: String },
    /// The connection is over.
    Closed { why: String },
}

/// What has to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Dial, and dial again whenever it is lost.
    Connect(ServerId),
    /// Say a line, written without CR LF.
    Send(ServerId, Vec<u8>),
    /// Hang up and stay away.
    Disconnect(ServerId),
    /// One message to a plain contact, which is connected first if it is not.
    Datagram(ContactId, String),
    /// The person wants to leave.
    Quit,
}

/// What is new for whoever looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// A message with this number.
    Message(ConversationId, u64),
    /// What became of one of ours.
    Delivery(ConversationId, u64),
    /// A word to the person at the keyboard, about what was typed.
    Hint(String),
    /// A server's state.
    Server(ServerId),
    /// Another conversation is current, or none.
    Current(Option<ConversationId>),
}
