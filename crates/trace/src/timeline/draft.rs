//! Flows while facts are still coming in.

use super::datagram::Datagrams;
use super::messages;
use super::wire::Stream;
use super::{End, Flow, Life, Move, Segment, SegmentNote, Way};
use crate::{Address, Event, Fact, FactId, Kind, Session, Side, Time, Transport};

/// `MSG_PEEK` of recv(2).
pub(super) const PEEK: u32 = 0x2;
/// `MSG_TRUNC` of recv(2).
pub(super) const TRUNCATED: u32 = 0x20;

/// What tells which end is the client, from the weakest reason to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    Port,
    SpokeFirst,
    Accepted,
    Connected,
    Syn,
}

/// A flow while facts are still coming in.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) transport: Transport,
    pub(super) ends: [End; 2],
    /// The cookies of the sockets at each end: another socket at the same address is another flow.
    pub(super) sockets: [u64; 2],
    pub(super) ways: [Way; 2],
    pub(super) life: Vec<Life>,
    pub(super) gauges: Vec<Life>,
    pub(super) streams: [Stream; 2],
    pub(super) datagrams: [Datagrams; 2],
    pub(super) client: (Reason, u8),
    pub(super) from: Time,
    pub(super) to: Time,
}

impl Draft {
    pub(super) fn new(transport: Transport, addresses: [Address; 2], event: &Event) -> Self {
        let port = |address: &Address| address.port().unwrap_or(0);
        // Services have the lower port nearly always: what is left where nothing else tells.
        let client = u8::from(port(&addresses[1]) > port(&addresses[0]));
        Self {
            transport,
            ends: addresses.map(|address| End {
                address,
                sides: Vec::new(),
            }),
            sockets: [0; 2],
            ways: Default::default(),
            life: Vec::new(),
            gauges: Vec::new(),
            streams: Default::default(),
            datagrams: Default::default(),
            client: (Reason::Port, client),
            from: event.began(),
            to: event.time,
        }
    }

    pub(super) fn touch(&mut self, event: &Event) {
        self.from = self.from.min(event.began());
        self.to = self.to.max(event.time);
    }

    pub(super) fn client_is(&mut self, reason: Reason, end: u8) {
        if reason > self.client.0 {
            self.client = (reason, end);
        }
    }

    /// The flow, once all facts are in.
    pub(super) fn settle(self, session: &Session, sides: &[Side], number: u32) -> Flow {
        let client = self.client.1;
        let mut flow = Flow {
            number,
            transport: self.transport,
            ends: self.ends,
            ways: self.ways,
            life: self.life,
            gauges: self.gauges,
            span: self.from..self.to,
        };
        if !self.transport.is_stream() {
            for (way, datagrams) in flow.ways.iter_mut().zip(self.datagrams) {
                datagrams.join(session, way);
            }
        }
        for (index, stream) in self.streams.iter().enumerate() {
            let way = &mut flow.ways[index];
            way.settle(self.transport.is_stream());
            let ends = [&flow.ends[index], &flow.ends[1 - index]];
            let told = ends.iter().flat_map(|end| &end.sides).all(|side| {
                let side = &sides[*side as usize];
                !side.midway && side.inside.is_empty()
            });
            let known = !self.transport.is_stream() || way.wire.is_empty() || stream.is_anchored();
            way.joined = told && (known || way.wire.iter().all(Segment::is_inferred));
            way.messages = messages::find(session, way);
        }
        if client == 1 {
            flow.ends.swap(0, 1);
            flow.ways.swap(0, 1);
            for life in flow.life.iter_mut().chain(&mut flow.gauges) {
                life.end = 1 - life.end;
            }
        }
        flow
    }
}

impl Segment {
    /// Whether counters told of it and nobody saw it.
    pub fn is_inferred(&self) -> bool {
        self.note == SegmentNote::Inferred
    }
}

/// No stream is as long: what a file says beyond is not believed, so that nothing overflows.
const LONGEST: u64 = 1 << 60;

pub(super) fn moved(id: FactId, fact: &Fact<'_>) -> Move {
    let start = fact.event.offset.min(LONGEST);
    let touched = if fact.kind() == Kind::Read && fact.flags & PEEK != 0 {
        0
    } else {
        fact.moved()
    };
    Move {
        fact: id,
        bytes: start..start.saturating_add(touched),
        datagram: 0,
    }
}

pub(super) fn inferred(id: FactId, fact: &Fact<'_>) -> Segment {
    let start = fact.event.offset.min(LONGEST);
    Segment {
        fact: id,
        piece: (
            0,
            u16::try_from(fact.event.asked).unwrap_or(u16::MAX).max(1),
        ),
        bytes: start..start.saturating_add(fact.moved()),
        datagram: 0,
        note: SegmentNote::Inferred,
        lost: false,
        flags: 0,
        window: 0,
    }
}
