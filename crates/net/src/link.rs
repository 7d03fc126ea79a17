//! What listening and connecting end in.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use sockeye_trace::ConnId;

use crate::datagram;
use crate::listen::StreamListener;
use crate::message::MessageLink;
use crate::name::{Name, Peer};
use crate::secure::SecureListener;
use crate::seqpacket::SeqpacketListener;
use crate::stream::ByteLink;

/// An open connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum Link {
    /// Ordered bytes; a framing makes messages of them.
    Bytes(ByteLink),
    /// Whole messages.
    Messages(MessageLink),
}

/// Where peers come from.
#[derive(Debug)]
#[non_exhaustive]
pub enum Listener {
    /// Accepts byte links.
    Stream(StreamListener),
    /// Accepts links of sequenced packets.
    Seqpacket(SeqpacketListener),
    /// Accepts connections that become links by a handshake: TLS, QUIC, WebSocket.
    Secure(SecureListener),
    /// Takes the datagrams of every peer.
    Datagram(datagram::Socket),
    /// Has its one peer already: stdio, a program, a connected socket.
    Ready(Link),
}

impl Link {
    /// The other end.
    pub fn peer_name(&self) -> &Name {
        match self {
            Self::Bytes(link) => link.peer_name(),
            Self::Messages(link) => link.peer_name(),
        }
    }

    /// The other end, with its process and user where the kernel knows them.
    pub fn peer(&self) -> Peer {
        match self {
            Self::Bytes(link) => link.peer(),
            Self::Messages(link) => link.peer(),
        }
    }

    /// Our end.
    pub fn local(&self) -> Name {
        match self {
            Self::Bytes(link) => link.local(),
            Self::Messages(link) => link.local().clone(),
        }
    }

    /// The number of this connection in every event.
    pub fn conn(&self) -> ConnId {
        match self {
            Self::Bytes(link) => link.conn(),
            Self::Messages(link) => link.conn(),
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Bytes(link) => link.as_fd(),
            Self::Messages(link) => link.as_fd(),
        }
    }
}

impl Listener {
    /// The address that it really has.
    pub fn local(&self) -> io::Result<Name> {
        match self {
            Self::Stream(listener) => Ok(listener.local().clone()),
            Self::Seqpacket(listener) => Ok(listener.local().clone()),
            Self::Secure(listener) => Ok(listener.local().clone()),
            Self::Datagram(socket) => Ok(socket.local().clone()),
            Self::Ready(link) => Ok(link.local()),
        }
    }
}
