//! The timeline: a session's facts joined by what they speak of.
//!
//! A [`Flow`] is one conversation with its two ends and its two ways; each [`Way`] has three lanes,
//! whose entries say which bytes of the stream they touch. Whoever draws asks a flow for its
//! [`Flow::items`]; whoever explains walks the lanes of a way.

mod build;
mod datagram;
mod draft;
mod messages;
mod place;
mod wire;

use std::ops::Range;

use crate::{
    Address, Fact, FactId, Gap, Head, Interface, Lane, Process, Session, Side, Time, Transport,
};

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
    /// How full the buffers were, sampled: facts with a [`crate::Gauge`], and whose end it is.
    pub gauges: Vec<Life>,
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
    /// Bytes that the calls took and gave, and that counters or packets that arrived told of.
    pub written: u64,
    /// See `written`.
    pub carried: u64,
    /// See `written`.
    pub read: u64,
    /// Whether the wire's offsets and the calls' are the same count: false where the recording
    /// began in the middle, and where the calls' bytes are inside of another protocol.
    pub joined: bool,
    /// The messages, by the framing of the session's head, as far as whole payloads tell; empty:
    /// every write is one.
    pub messages: Vec<Range<u64>>,
    /// `wire` in the order of offsets.
    by_offset: Vec<u32>,
    /// The longest of `wire`: how far before an offset a segment that reaches it may begin.
    longest: u64,
}

/// One call that moved bytes, or tried to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The call.
    pub fact: FactId,
    /// The bytes it touched, from the start of this direction; empty where it failed, met the end, or
    /// only peeked.
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
    /// It was taken from the wire on its way ([`crate::Verdict`]): its bytes did not arrive with it.
    pub lost: bool,
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

impl<'s> Timeline<'s> {
    /// Who recorded it.
    pub const fn head(&self) -> &'s Head {
        self.session.head()
    }

    /// One fact.
    pub fn fact(&self, id: FactId) -> Fact<'s> {
        self.session.fact(id)
    }

    /// The process that holds a socket, where it was told of.
    pub fn process_of(&self, side: &Side) -> Option<&Process> {
        self.processes
            .iter()
            .find(|process| process.pid == side.pid && side.pid != 0)
    }

    /// The process at one end of a flow; the first, where several share the socket.
    pub fn process_at(&self, flow: &Flow, end: u8) -> Option<&Process> {
        flow.ends[usize::from(end)]
            .sides
            .iter()
            .find_map(|side| self.process_of(&self.sides[*side as usize]))
    }
}

impl Flow {
    /// All that happened in it, in the order in which it began.
    pub fn items(&self, timeline: &Timeline<'_>) -> Vec<Item> {
        let mut items = Vec::with_capacity(self.len());
        for (way, lanes) in [0, 1].into_iter().zip(&self.ways) {
            let mut add = |lane, end, facts: &mut dyn Iterator<Item = FactId>| {
                for (index, fact) in facts.enumerate() {
                    let event = timeline.session.event(fact);
                    items.push(Item {
                        from: event.began(),
                        to: event.time,
                        lane,
                        end,
                        way,
                        index: index as u32,
                    });
                }
            };
            let other = 1 - way;
            add(
                Lane::AppWrite,
                way,
                &mut lanes.writes.iter().map(|call| call.fact),
            );
            add(
                Lane::Wire,
                way,
                &mut lanes.wire.iter().map(|segment| segment.fact),
            );
            add(
                Lane::AppRead,
                other,
                &mut lanes.reads.iter().map(|call| call.fact),
            );
        }
        for (index, life) in self.life.iter().enumerate() {
            let event = timeline.session.event(life.fact);
            items.push(Item {
                from: event.began(),
                to: event.time,
                lane: Lane::Life,
                end: life.end,
                way: life.end,
                index: index as u32,
            });
        }
        // Pieces of one packet keep their order, and a call stands before the packet that it caused.
        items.sort_by_key(|item| (item.from, item.lane, item.index));
        items
    }

    /// How many items it has.
    pub fn len(&self) -> usize {
        let moves = |way: &Way| way.writes.len() + way.wire.len() + way.reads.len();
        self.life.len() + self.ways.iter().map(moves).sum::<usize>()
    }

    /// Whether nothing happened in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What an item stands for.
    pub fn fact_of(&self, item: &Item) -> FactId {
        let (way, index) = (&self.ways[usize::from(item.way)], item.index as usize);
        match item.lane {
            Lane::AppWrite => way.writes[index].fact,
            Lane::Wire => way.wire[index].fact,
            Lane::AppRead => way.reads[index].fact,
            Lane::Life => self.life[index].fact,
        }
    }

    /// Its name for people: `tcp 127.0.0.1:40000 → 127.0.0.1:5000`.
    pub fn label(&self) -> String {
        let end = |end: &End| match &end.address {
            Address::None => "?".to_owned(),
            address => address.to_string(),
        };
        format!(
            "{} {} → {}",
            self.transport.name(),
            end(&self.ends[0]),
            end(&self.ends[1])
        )
    }
}

impl Way {
    /// Which message a byte belongs to: an index of `messages`, or of `writes` where there are none.
    pub fn message_at(&self, offset: u64) -> Option<usize> {
        if self.messages.is_empty() {
            return self
                .writes_in(offset..offset + 1)
                .find(|index| !self.writes[*index].bytes.is_empty());
        }
        let index = self
            .messages
            .partition_point(|message| message.end <= offset);
        let message = self.messages.get(index)?;
        message.contains(&offset).then_some(index)
    }

    /// The writes that touch any of these bytes, as indices.
    pub fn writes_in(&self, bytes: Range<u64>) -> Range<usize> {
        moves_in(&self.writes, &bytes)
    }

    /// The reads that touch any of these bytes, as indices.
    pub fn reads_in(&self, bytes: Range<u64>) -> Range<usize> {
        moves_in(&self.reads, &bytes)
    }

    /// The segments that carry any of these bytes, as indices in the order of offsets.
    pub fn wire_in(&self, bytes: Range<u64>) -> impl Iterator<Item = usize> + Clone {
        let first = self.by_offset.partition_point(|index| {
            self.wire[*index as usize].bytes.start + self.longest < bytes.start
        });
        self.by_offset[first..]
            .iter()
            .map(|index| *index as usize)
            .take_while({
                let end = bytes.end;
                move |index| self.wire[*index].bytes.start < end
            })
            .filter(move |index| self.wire[*index].bytes.end > bytes.start)
    }

    /// Whether nothing happened in it.
    pub const fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.wire.is_empty() && self.reads.is_empty()
    }

    /// Puts the lanes in order once all is in them. Each byte of a stream belongs to the first call
    /// that claims it, whatever a damaged recording says.
    fn settle(&mut self, stream: bool) {
        for moves in [&mut self.writes, &mut self.reads] {
            if !moves.is_sorted_by_key(|call| call.bytes.start) {
                moves.sort_by_key(|call| call.bytes.start);
            }
            let mut taken = 0;
            for call in moves.iter_mut().filter(|_| stream) {
                call.bytes.start = call.bytes.start.max(taken);
                call.bytes.end = call.bytes.end.max(call.bytes.start);
                taken = call.bytes.end;
            }
        }
        let len = |bytes: &Range<u64>| bytes.end - bytes.start;
        self.longest = self
            .wire
            .iter()
            .map(|segment| len(&segment.bytes))
            .max()
            .unwrap_or(0);
        self.by_offset = (0..self.wire.len() as u32).collect();
        self.by_offset
            .sort_by_key(|index| self.wire[*index as usize].bytes.start);
        let end = |moves: &[Move]| moves.iter().map(|call| call.bytes.end).max().unwrap_or(0);
        self.written = end(&self.writes);
        self.read = end(&self.reads);
        self.carried = self
            .wire
            .iter()
            .filter(|segment| !segment.lost)
            .map(|segment| segment.bytes.end)
            .max()
            .unwrap_or(0);
    }
}

/// Calls are in the order of offsets and never overlap: a peeking read touches no bytes.
fn moves_in(moves: &[Move], bytes: &Range<u64>) -> Range<usize> {
    let first = moves.partition_point(|call| call.bytes.end <= bytes.start);
    let last = moves.partition_point(|call| call.bytes.start < bytes.end);
    first..last.max(first)
}

#[cfg(test)]
mod tests;
