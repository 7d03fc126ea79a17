//! What goes into a stream, and what comes out.

use crate::packet::{Body, Packet, TcpFlags};

/// A segment, as far as its stream is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Its sequence number.
    pub seq: u32,
    /// Its flags: SYN, FIN and RST count here.
    pub flags: TcpFlags,
    /// What was captured of its bytes.
    pub bytes: &'a [u8],
    /// How many it carried.
    pub len: u32,
}

impl<'a> Segment<'a> {
    /// The segment of a packet, if it is one.
    pub fn of(packet: &Packet<'a>) -> Option<Self> {
        match &packet.body {
            Body::Tcp(tcp) => Some(Self {
                seq: tcp.seq,
                flags: tcp.flags,
                bytes: &packet.bytes[packet.payload.clone()],
                len: packet.payload_len,
            }),
            _ => None,
        }
    }
}

/// What comes out: every byte once, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Bytes, from `offset` on.
    Bytes {
        /// Where they begin in this direction.
        offset: u64,
        /// They.
        bytes: &'a [u8],
    },
    /// Bytes that were never seen.
    Gap {
        /// Where they begin.
        offset: u64,
        /// How many.
        len: u64,
    },
    /// Nothing more will come.
    End {
        /// How long the stream was.
        offset: u64,
        /// The connection was reset, rather than closed.
        reset: bool,
    },
}
