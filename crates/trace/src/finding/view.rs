//! One flow as finders see it.

use std::collections::HashMap;
use std::ops::Range;

use crate::timeline::{Flow, Move, Segment, SegmentNote, Way};
use crate::{Event, Fact, FactId, Kind, Side, Time, Timeline, WireSource};

use super::found::Place;
use super::words;

/// What all flows of a session share.
pub(super) struct Context<'t> {
    pub timeline: &'t Timeline<'t>,
    /// Where in `timeline.processes` a process is.
    processes: HashMap<u32, usize>,
}

impl<'t> Context<'t> {
    pub(super) fn new(timeline: &'t Timeline<'_>) -> Self {
        let processes = timeline.processes.iter().enumerate();
        Self {
            timeline,
            processes: processes
                .map(|(index, process)| (process.pid, index))
                .collect(),
        }
    }

    /// What the program that holds a side calls itself.
    fn program(&self, side: &Side) -> Option<&'t str> {
        let process = &self.timeline.processes[*self.processes.get(&side.pid)?];
        let command = process.command.first().map(String::as_str);
        let of_command = command.and_then(|command| command.rsplit('/').next());
        let name = Some(process.name.as_str()).filter(|name| !name.is_empty());
        name.or(of_command).filter(|name| !name.is_empty())
    }
}

/// One flow, and what several finders want to know of it.
pub(super) struct View<'t> {
    context: &'t Context<'t>,
    pub flow: &'t Flow,
    index: u32,
    /// What to call the client and the server, in English and in Chinese.
    pub who: [[String; 2]; 2],
}

impl<'t> View<'t> {
    /// # Panics
    /// If there is no such flow.
    pub(super) fn new(context: &'t Context<'t>, index: usize) -> Self {
        let flow = &context.timeline.flows[index];
        Self {
            context,
            flow,
            index: index as u32,
            who: [0, 1].map(|end| call_it(context, flow, end)),
        }
    }

    pub(super) fn way(&self, way: usize) -> &'t Way {
        &self.flow.ways[way]
    }

    pub(super) fn event(&self, fact: FactId) -> &'t Event {
        self.context.timeline.session.event(fact)
    }

    pub(super) fn fact(&self, fact: FactId) -> Fact<'t> {
        self.context.timeline.session.fact(fact)
    }

    pub(super) fn time(&self, fact: FactId) -> Time {
        self.event(fact).time
    }

    /// Whether the calls of an end were watched.
    pub(super) fn is_watched(&self, end: usize) -> bool {
        !self.flow.ends[end].sides.is_empty()
    }

    /// Where the wire lane comes from.
    pub(super) fn wire_source(&self) -> WireSource {
        self.context.timeline.head().wire
    }

    /// What a finding about a way speaks of.
    pub(super) fn place(&self, way: usize, bytes: Range<u64>, at: Time) -> Place {
        Place {
            flow: Some(self.index),
            way: Some(way as u8),
            bytes,
            at,
        }
    }

    /// Writes that put bytes into the socket.
    pub(super) fn writes(&self, way: usize) -> impl Iterator<Item = &'t Move> {
        let done = |each: &&Move| self.event(each.fact).result >= 0;
        self.way(way).writes.iter().filter(done)
    }

    /// Reads that took bytes out of the socket, or a datagram.
    pub(super) fn reads(&self, way: usize) -> impl Iterator<Item = &'t Move> {
        let stream = self.flow.transport.is_stream();
        let done = move |each: &&Move| {
            let fact = self.fact(each.fact);
            let is_peek = fact.flags & libc::MSG_PEEK.cast_unsigned() != 0;
            let took = fact.event.result > 0 || (!stream && fact.event.result == 0);
            took && !is_peek && fact.kind() == Kind::Read
        };
        self.way(way).reads.iter().filter(done)
    }

    /// Segments that carried bytes which none before them had carried, and datagrams.
    pub(super) fn carriers(&self, way: usize) -> impl Iterator<Item = &'t Segment> {
        self.way(way).wire.iter().filter(|each| carries(each.note))
    }
}

/// Whether a segment carries something new.
fn carries(note: SegmentNote) -> bool {
    use SegmentNote::{Fragment, KeepAlive, Retransmission, WindowProbe};
    !matches!(note, Retransmission | KeepAlive | WindowProbe | Fragment)
}

/// What to call an end: `the client (python3)`.
fn call_it(context: &Context<'_>, flow: &Flow, end: usize) -> [String; 2] {
    let role = [["the client", "客户端"], ["the server", "服务器"]][end];
    let mut sides = flow.ends[end].sides.iter();
    let program = sides.find_map(|side| {
        let side = context.timeline.sides.get(*side as usize)?;
        context.program(side).map(words::name)
    });
    match program {
        Some(name) => [
            format!("{} ({name})", role[0]),
            format!("{}（{name}）", role[1]),
        ],
        None => role.map(str::to_owned),
    }
}
