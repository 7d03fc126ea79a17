//! One flow as finders see it.

mod attempts;
mod lanes;
mod steps;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::ops::Range;

use crate::timeline::{Flow, Move, Way};
use crate::{Event, Fact, FactId, Kind, Time, Timeline, Transport, WireSource};

use super::found::Place;
use super::words;

pub(super) use attempts::{Attempt, CONNECTS};
pub(super) use lanes::{Piece, overlapping, shared};
pub(super) use steps::{Closed, Step, What};

/// What all flows of a session share.
pub(super) struct Context<'t> {
    pub timeline: &'t Timeline<'t>,
    /// Where in `timeline.processes` a process is.
    processes: HashMap<u32, usize>,
    /// What ICMP said could not be delivered, by the addresses it was sent from and to.
    unreachable: HashMap<(SocketAddr, SocketAddr), Vec<(Time, FactId)>>,
    /// Connects that failed, by the flow that has their packets.
    attempts: HashMap<u32, Attempt>,
    /// Those whose packets nobody saw.
    pub alone: Vec<Attempt>,
    /// When each side last found nothing to read.
    pub empty: HashMap<u64, Time>,
    /// Ports of TCP where somebody answered.
    pub answered: HashSet<u16>,
    /// When the last thing happened.
    pub until: Time,
}

impl<'t> Context<'t> {
    pub(super) fn new(timeline: &'t Timeline<'_>) -> Self {
        let processes = timeline.processes.iter().enumerate();
        let facts = 0..timeline.session.len() as u32;
        let times = facts.map(|fact| timeline.session.event(FactId(fact)).time);
        let (attempts, alone) = attempts::of_session(timeline);
        Self {
            timeline,
            attempts,
            alone,
            answered: answered(timeline),
            empty: empty(timeline),
            processes: processes
                .map(|(index, process)| (process.pid, index))
                .collect(),
            unreachable: steps::unreachable(timeline),
            until: times.max().unwrap_or_default(),
        }
    }

    /// Where ICMP said that nobody waits for what went from one address to another.
    pub(super) fn unreachable(&self, from: SocketAddr, to: SocketAddr) -> &[(Time, FactId)] {
        self.unreachable.get(&(from, to)).map_or(&[], Vec::as_slice)
    }

    /// What a program calls itself.
    pub(super) fn program_of(&self, pid: u32) -> Option<&'t str> {
        let process = &self.timeline.processes[*self.processes.get(&pid)?];
        let command = process.command.first().map(String::as_str);
        let of_command = command.and_then(|command| command.rsplit('/').next());
        let name = Some(process.name.as_str()).filter(|name| !name.is_empty());
        name.or(of_command).filter(|name| !name.is_empty())
    }
}

/// One flow, and what several finders want to know of it.
pub(super) struct View<'t> {
    pub context: &'t Context<'t>,
    pub flow: &'t Flow,
    index: u32,
    /// What to call the client and the server, in English and in Chinese.
    pub who: [[String; 2]; 2],
    /// Where its wire lanes come from.
    pub wire: WireSource,
    /// The life of the flow, its packets taken apart.
    pub steps: Vec<Step>,
    /// The calls that put something into each way, and those that took something out of it, in the
    /// order of bytes.
    pub writes: [Vec<&'t Move>; 2],
    /// See `writes`.
    pub reads: [Vec<&'t Move>; 2],
    /// The messages of each way, in the order of bytes: by the framing, or else the writes. Of
    /// streams only.
    pub messages: [Vec<Range<u64>>; 2],
    /// Which segment carried which bytes first, in the order of bytes. Of streams only.
    pub pieces: [Vec<Piece>; 2],
}

impl<'t> View<'t> {
    /// # Panics
    /// If there is no such flow.
    pub(super) fn new(context: &'t Context<'t>, index: usize) -> Self {
        let flow = &context.timeline.flows[index];
        let mut view = Self {
            context,
            flow,
            index: index as u32,
            who: [0, 1].map(|end| call_it(context, flow, end)),
            wire: WireSource::None,
            steps: steps::of_flow(context.timeline, flow),
            writes: Default::default(),
            reads: Default::default(),
            messages: Default::default(),
            pieces: Default::default(),
        };
        if let Some(attempt) = context.attempts.get(&view.index) {
            let after = view.steps.partition_point(|step| step.at <= attempt.at);
            view.steps.insert(after, attempt.step());
            if let Some(name) = context.program_of(attempt.pid) {
                view.who[0] = role(0, name);
            }
        }
        view.wire = view.wire_source();
        view.writes = [0, 1].map(|way| lanes::writes(&view, way));
        view.reads = [0, 1].map(|way| lanes::reads(&view, way));
        if flow.transport.is_stream() {
            view.messages = [0, 1].map(|way| lanes::messages(&view, way));
            view.pieces = [0, 1].map(|way| lanes::pieces(&view, way));
        }
        view
    }

    fn wire_source(&self) -> WireSource {
        let mut lanes = self.flow.ways.iter().flat_map(|way| &way.wire);
        let is_header = |step: &Step| matches!(step.what, What::Segment(_));
        match lanes.next() {
            Some(segment) if segment.is_inferred() => WireSource::Inferred,
            Some(_) => WireSource::Captured,
            None if self.steps.iter().any(is_header) => WireSource::Captured,
            None => WireSource::None,
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

    /// Whether the messages of a way are known by their framing; else each write counts as one.
    pub(super) fn is_framed(&self, way: usize) -> bool {
        !self.way(way).messages.is_empty()
    }

    /// Whether all bytes were kept that the messages of a way are found in.
    pub(super) fn is_whole(&self, way: usize) -> bool {
        let moves = [&self.writes[way], &self.reads[way]];
        let told = moves.into_iter().find(|moves| !moves.is_empty());
        told.into_iter().flatten().all(|each| {
            let event = self.event(each.fact);
            event.payload >= event.result.max(0).cast_unsigned()
        })
    }

    /// Whether packets of this flow were captured, as against told of by counters or not at all.
    pub(super) fn is_captured(&self) -> bool {
        self.wire == WireSource::Captured
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

    /// What a finding about the whole flow speaks of.
    pub(super) fn whole(&self, at: Time) -> Place {
        Place {
            flow: Some(self.index),
            at,
            ..Place::default()
        }
    }
}

/// When a socket without a peer was last asked in vain: such calls belong to no flow.
fn empty(timeline: &Timeline<'_>) -> HashMap<u64, Time> {
    let events = timeline
        .apart
        .iter()
        .map(|fact| timeline.session.event(*fact));
    let in_vain =
        events.filter(|event| event.kind() == Kind::Read && event.result == -libc::EAGAIN);
    // The last one counts: facts stand in the order of time.
    in_vain
        .map(|event| (event.conn().number(), event.began()))
        .collect()
}

/// The ports of servers that talked.
fn answered(timeline: &Timeline<'_>) -> HashSet<u16> {
    let flows = timeline.flows.iter();
    let talked = flows.filter(|flow| flow.transport == Transport::Tcp && !flow.ways[1].is_empty());
    talked
        .filter_map(|flow| flow.ends[1].address.port())
        .collect()
}

/// What to call an end: `the client (python3)`.
fn call_it(context: &Context<'_>, flow: &Flow, end: usize) -> [String; 2] {
    let mut sides = flow.ends[end].sides.iter();
    let program = sides.find_map(|side| {
        let side = context.timeline.sides.get(*side as usize)?;
        context.program_of(side.pid)
    });
    match program {
        Some(name) => role(end, name),
        None => ROLES[end].map(str::to_owned),
    }
}

const ROLES: [[&str; 2]; 2] = [["the client", "客户端"], ["the server", "服务器"]];

fn role(end: usize, program: &str) -> [String; 2] {
    let ([en, zh], name) = (ROLES[end], words::name(program));
    [format!("{en} ({name})"), format!("{zh}（{name}）")]
}
