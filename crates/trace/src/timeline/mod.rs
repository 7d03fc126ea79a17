//! The timeline: a session's facts joined by what they speak of.
//!
//! A [`Flow`] is one conversation with its two ends and its two ways; each [`Way`] has three lanes,
//! whose entries say which bytes of the stream they touch. Whoever draws asks a flow for its
//! [`Flow::items`]; whoever explains walks the lanes of a way.

use std::ops::Range;

use crate::{Address, FactId, Gap, Head, Interface, Lane, Process, Session, Side, Time, Transport};

/// A session, joined.
#[derive(Debug)]
pub struct Timeline<'s> {
    /// What it was made of.
    pub session: &'s Session,
    /// The processes, in the order in which they appeared.
    pub processes: Vec<Process>,
    /// Every socket of every process, by its number.
    pub sides: Vec<Side>,
    /// The interfaces.
    pub interfaces: Vec<Interface>,
    /// The conversations, in the order in which they began.
    pub flows: Vec<Flow>,
    /// Facts that belong to no flow: listening sockets, packets of others.
    pub apart: Vec<FactId>,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
}

/// One conversation: a TCP connection, or the datagrams between two addresses.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Its number, from 1, as people see it.
    pub number: u32,
    /// What it speaks.
    pub transport: Transport,
    /// Its ends: the client (who connected, or spoke first), then the server.
    pub ends: [End; 2],
    /// Its ways: `ways[0]` from client to server, `ways[1]` back.
    pub ways: [Way; 2],
    /// Calls that move no bytes, and packets that carry none, in the order of time.
    pub life: Vec<Life>,
    /// When the first thing of it happened, and the last.
    pub span: Range<Time>,
}

/// One end of a flow.
#[derive(Clone, Debug, Default)]
pub struct End {
    /// Where it is.
    pub address: Address,
    /// The sides that were watched there (several where processes share a socket), as indices of
    /// [`Timeline::sides`].
    pub sides: Vec<u32>,
}

/// One direction of a flow.
#[derive(Clone, Debug, Default)]
pub struct Way {
    /// What the sender's program wrote.
    pub writes: Vec<Move>,
    /// What the wire carried, captured or inferred.
    pub wire: Vec<Segment>,
    /// What the receiver's program read.
    pub reads: Vec<Move>,
    /// Bytes that the calls took and gave, and that packets or counters told of.
    pub written: u64,
    /// See `written`.
    pub carried: u64,
    /// See `written`.
    pub read: u64,
    /// Whether the wire's offsets and the calls' are the same count: false where the recording
    /// began in the middle.
    pub joined: bool,
}

/// One call that moved bytes, or tried to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The call.
    pub fact: FactId,
    /// The bytes it touched, from the start of this direction; empty where it failed or met the end.
    /// Datagrams count as if laid end to end, by their length when they were written.
    pub bytes: Range<u64>,
    /// Of datagrams: which one, from 0; the same in all three lanes. Of streams: 0.
    pub datagram: u32,
}

/// One TCP segment, one datagram or fragment of one, or a piece of a super-segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The packet.
    pub fact: FactId,
    /// Which piece of the packet, and of how many: a packet that stands for several segments
    /// (segmentation offload) is drawn as the pieces it stands for.
    pub piece: (u16, u16),
    /// The bytes it carries.
    pub bytes: Range<u64>,
    /// Of datagrams: which one.
    pub datagram: u32,
    /// What is special about it.
    pub note: SegmentNote,
    /// Its TCP flags ([`crate::packet::TcpFlags`] as bits).
    pub flags: u8,
    /// The window it announces, scaled, in bytes, where the scale is known.
    pub window: u32,
}

/// What is special about a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SegmentNote {
    /// Nothing: new bytes, in order.
    #[default]
    New,
    /// All of it was carried before.
    Retransmission,
    /// Part of it was carried before.
    PartlyRetransmitted,
    /// It came after bytes that follow it.
    OutOfOrder,
    /// A fragment of a datagram that is not its first.
    Fragment,
    /// Not seen: told of by counters.
    Inferred,
    /// A keep-alive probe: a byte before what is next.
    KeepAlive,
    /// A probe of a window that is closed.
    WindowProbe,
}

/// A call or packet that carries no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// What it was.
    pub fact: FactId,
    /// Whose it is: 0 the client's end, 1 the server's. Of a packet: who sent it.
    pub end: u8,
}

/// One entry of a flow, for whoever draws it in the order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// When it began and when it was over; packets are points.
    pub from: Time,
    /// See `from`.
    pub to: Time,
    /// The lane.
    pub lane: Lane,
    /// The end whose call it is (0 client, 1 server); of a packet, who sent it.
    pub end: u8,
    /// The direction whose bytes it touches (an index of [`Flow::ways`]), and where in that lane.
    pub way: u8,
    /// Index in `writes`, `wire` or `reads` of that way, or in [`Flow::life`].
    pub index: u32,
}

impl Timeline<'_> {
    /// Who recorded it.
    pub fn head(&self) -> &Head {
        self.session.head()
    }
}
