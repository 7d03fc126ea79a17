//! What is on its way, and what is inside.

use std::cell::OnceCell;

use sockeye_trace::packet::{Body, Packet, TcpFlags, dissect, link_type};

/// Which way a chunk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// From the client to the server.
    ToServer,
    /// Back.
    ToClient,
}

impl Way {
    /// Where counts of both ways stand.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// What the bytes of a chunk are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A packet, from its Ethernet header on.
    Packet,
    /// A piece of a byte stream, which may be cut and put together.
    Stream,
}

/// What is on its way.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// Which way it goes.
    pub way: Way,
    /// Which conversation it belongs to, as far as the driver knows; 0 where there is but one.
    /// Conversations of packets are told apart by their addresses and ports beside that.
    pub peer: u64,
    /// What the bytes are.
    pub content: Content,
    /// All of it.
    pub bytes: &'a [u8],
}

/// A chunk and what is inside, taken apart when somebody asks.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) chunk: Chunk<'a>,
    packet: OnceCell<Packet<'a>>,
}

impl<'a> View<'a> {
    pub(crate) const fn new(chunk: Chunk<'a>) -> Self {
        Self {
            chunk,
            packet: OnceCell::new(),
        }
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.chunk.content == Content::Stream
    }

    /// The packet; none of a stream.
    pub(crate) fn packet(&self) -> Option<&Packet<'a>> {
        let bytes = self.chunk.bytes;
        let take_apart = || {
            let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            dissect(link_type::ETHERNET, bytes, len)
        };
        (!self.is_stream()).then(|| self.packet.get_or_init(take_apart))
    }

    /// What TCP, UDP or another protocol of IP carries; all of a stream's chunk.
    pub(crate) fn payload(&self) -> &'a [u8] {
        let bytes = self.chunk.bytes;
        self.packet()
            .map_or(bytes, |packet| &bytes[packet.payload.clone()])
    }

    pub(crate) fn tcp_flags(&self) -> Option<TcpFlags> {
        match &self.packet()?.body {
            Body::Tcp(tcp) => Some(tcp.flags),
            _ => None,
        }
    }
}
