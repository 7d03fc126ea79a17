//! Two machines' records of the same conversations as one session.
//!
//! Each machine has a clock of its own. What one end sent cannot have arrived before: each packet and
//! each message bounds the difference of the two clocks from one side, and what went both ways
//! bounds it from both. The estimate is the middle, its error half of the width, as in NTP
//! (RFC 5905, section 8); drift is not looked for.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use super::{Fact, FactId, Head, Process, Session, Side, WireSource, packet_flag};
use crate::packet::{Body, TcpFlags, dissect};
use crate::timeline::{Flow, Move, Way};
use crate::{Address, ConnId, Interface, Kind, Lang, Time, Timeline};

/// Processes of the second machine whose numbers the first has too are told of with so much more.
pub const FOREIGN_PIDS: u32 = 10_000_000;
/// Set in the cookies of the second machine's sockets.
const FOREIGN_SOCKET: u64 = 1 << 63;
/// Packets of each machine that are compared.
const COMPARED: usize = 100_000;

/// What joining came to.
#[derive(Debug)]
pub struct Merged {
    /// Both, on the first one's clock.
    pub session: Session,
    /// How the second clock stands to the first.
    pub clock: ClockDifference,
    /// Conversations that both saw.
    pub joined: usize,
    /// Conversations of the first and of the second that the other has no counterpart of.
    pub alone: [usize; 2],
}

/// How much the second machine's clock is ahead of the first one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockDifference {
    /// Nanoseconds; below zero: it is behind.
    pub ahead_ns: i64,
    /// How wrong that can be; none: it is bounded from one side only, or not at all.
    pub error_ns: Option<u64>,
    /// What it was told by.
    pub told_by: Evidence,
}

/// What tells how two clocks stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// So many packets that both machines captured.
    Packets(usize),
    /// So many messages that one wrote and the other read, and connections that one asked for and the
    /// other accepted.
    Calls(usize),
    /// Nothing: the clocks are taken for equal.
    Nothing,
}

impl ClockDifference {
    /// In words, for `host`, whose clock it is.
    pub fn words(&self, host: &str, lang: Lang) -> String {
        let span = |nanos: u64| match nanos {
            0..1_000 => format!("{nanos} ns"),
            1_000..1_000_000 => format!("{}.{} µs", nanos / 1_000, nanos % 1_000 / 100),
            1_000_000..1_000_000_000 => {
                format!("{}.{:03} ms", nanos / 1_000_000, nanos % 1_000_000 / 1_000)
            }
            _ => format!(
                "{}.{:06} s",
                nanos / 1_000_000_000,
                nanos % 1_000_000_000 / 1_000
            ),
        };
        let far = span(self.ahead_ns.unsigned_abs());
        let side = if self.ahead_ns < 0 {
            lang.pick("behind", "慢")
        } else {
            lang.pick("ahead", "快")
        };
        let error = match self.error_ns {
            Some(error) => format!("± {}", span(error)),
            None => lang.pick("error unknown", "误差未知").to_owned(),
        };
        let by = match (self.told_by, lang) {
            (Evidence::Packets(count), Lang::En) => format!("by {count} packets that both saw"),
            (Evidence::Packets(count), Lang::Zh) => format!("依据双方都抓到的 {count} 个包"),
            (Evidence::Calls(count), Lang::En) => format!("by {count} calls of both ends"),
            (Evidence::Calls(count), Lang::Zh) => format!("依据两端的 {count} 次调用"),
            (Evidence::Nothing, Lang::En) => {
                return format!("the clock of {host} is taken for right: nothing tells otherwise");
            }
            (Evidence::Nothing, Lang::Zh) => {
                return format!("{host} 的时钟按一致处理：没有可比对的事件");
            }
        };
        match lang {
            Lang::En => format!("the clock of {host} was {far} {side} ({error}, {by})"),
            Lang::Zh => format!("{host} 的时钟{side} {far}（{error}，{by}）"),
        }
    }
}

/// Joins what two machines recorded. The first one's clock, numbers and packets stay; of what both
/// captured, its packets are kept.
pub fn merge(first: &Session, second: &Session, lang: Lang) -> Merged {
    let timelines = [Timeline::build(first), Timeline::build(second)];
    let pairs = matched(&timelines);
    let clock = clock(&timelines, &pairs);
    let mut session = Session::new(head([first, second], clock, &pairs, &timelines, lang));
    for (_, fact) in first.facts() {
        session.push(&fact);
    }
    let foreign = Foreign::new(&timelines, &pairs, clock.ahead_ns);
    for (id, fact) in second.facts() {
        if !foreign.known.contains(&id) {
            foreign.push(&fact, &mut session);
        }
    }
    session.cut = first.cut || second.cut;
    session.lost += first.lost + second.lost;
    session.sort();
    Merged {
        session,
        clock,
        joined: pairs.len(),
        alone: [0, 1].map(|which| timelines[which].flows.len() - pairs.len()),
    }
}

fn head(
    sessions: [&Session; 2],
    clock: ClockDifference,
    pairs: &[(usize, usize)],
    timelines: &[Timeline<'_>; 2],
    lang: Lang,
) -> Head {
    let [first, second] = sessions.map(Session::head);
    let host = match &*second.host {
        "" => lang.pick("the second machine", "第二台机器"),
        host => host,
    };
    let mut notes = vec![clock.words(host, lang)];
    let alone: usize = timelines
        .iter()
        .map(|one| one.flows.len() - pairs.len())
        .sum();
    if alone > 0 {
        notes.push(match lang {
            Lang::En => format!("{alone} conversations were seen by one machine only"),
            Lang::Zh => format!("{alone} 个会话只有一台机器看到"),
        });
    }
    notes.extend(
        [first, second]
            .iter()
            .filter(|head| !head.wire_note.is_empty())
            .map(|head| {
                let host = &head.host;
                format!("{host}: {}", head.wire_note)
            }),
    );
    let wires = [first.wire, second.wire];
    let has = |wire| wires.contains(&wire);
    Head {
        host: format!("{} + {}", first.host, second.host),
        wire: match () {
            () if has(WireSource::Captured) => WireSource::Captured,
            () if has(WireSource::Inferred) => WireSource::Inferred,
            () => WireSource::None,
        },
        wire_note: notes.join("; "),
        frame: [&first.frame, &second.frame]
            .into_iter()
            .find(|frame| !frame.is_empty())
            .cloned()
            .unwrap_or_default(),
        ..first.clone()
    }
}

/// The flows that are the same conversation: of the first, of the second.
fn matched(timelines: &[Timeline<'_>; 2]) -> Vec<(usize, usize)> {
    let [first, second] = timelines;
    let mut by_address: HashMap<_, Vec<usize>> = HashMap::new();
    let mut by_start = HashMap::new();
    for (index, flow) in first.flows.iter().enumerate().rev() {
        if let Some(key) = key(flow) {
            by_address.entry(key).or_default().push(index);
        }
        if let Some(starts) = starts(first, flow) {
            by_start.insert(starts, index);
        }
    }
    let mut taken = HashSet::new();
    let mut pairs = Vec::new();
    for (index, flow) in second.flows.iter().enumerate() {
        // Through a translator of addresses the sequence numbers stay as they are.
        let same = starts(second, flow).and_then(|starts| by_start.get(&starts).copied());
        let same = same.or_else(|| key(flow).and_then(|key| by_address.get_mut(&key)?.pop()));
        if let Some(same) = same.filter(|same| taken.insert(*same)) {
            pairs.push((same, index));
        }
    }
    pairs
}

/// The addresses of a flow, whoever is the client.
fn key(flow: &Flow) -> Option<(&'static str, SocketAddr, SocketAddr)> {
    let [one, other] = addresses(flow)?;
    Some((flow.transport.name(), one.min(other), one.max(other)))
}

fn addresses(flow: &Flow) -> Option<[SocketAddr; 2]> {
    match (&flow.ends[0].address, &flow.ends[1].address) {
        (Address::Ip(client), Address::Ip(server)) => Some([*client, *server]),
        _ => None,
    }
}

/// The first sequence numbers of both ways, where the handshake was captured.
fn starts(timeline: &Timeline<'_>, flow: &Flow) -> Option<[u32; 2]> {
    let mut starts = [None; 2];
    for life in flow.life.iter().take(8) {
        let fact = timeline.fact(life.fact);
        if let Some(seen) = seen(timeline, &fact).filter(|seen| seen.key.flags & TcpFlags::SYN != 0)
        {
            starts[usize::from(life.end)].get_or_insert(seen.key.seq);
        }
    }
    Some([starts[0]?, starts[1]?])
}

/// What tells one TCP packet from all others, wherever it is seen. Addresses may be translated on the
/// way, so they are no part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct PacketKey {
    seq: u32,
    ack: u32,
    flags: u8,
    len: u32,
}

struct Seen {
    key: PacketKey,
    outgoing: bool,
}

fn seen(timeline: &Timeline<'_>, fact: &Fact<'_>) -> Option<Seen> {
    if fact.kind() != Kind::Packet {
        return None;
    }
    let number = fact.event.conn().number();
    let mut interfaces = timeline.interfaces.iter();
    let link = interfaces.find(|interface| interface.number == number);
    let link = link.map_or(1, |interface| interface.link_type);
    let packet = dissect(link, fact.data, fact.event.result.unsigned_abs());
    let Body::Tcp(tcp) = packet.body else {
        return None;
    };
    Some(Seen {
        key: PacketKey {
            seq: tcp.seq,
            ack: tcp.ack,
            flags: tcp.flags.0,
            len: packet.payload_len,
        },
        outgoing: fact.flags & packet_flag::OUTGOING != 0,
    })
}

/// Bounds of how much the second clock is ahead.
#[derive(Clone, Copy, Debug, Default)]
struct Bounds {
    least: Option<i64>,
    most: Option<i64>,
    count: usize,
}

impl Bounds {
    /// Something left the first machine and reached the second: it cannot be further ahead.
    fn there(&mut self, sent: Time, got: Time) {
        let ahead = difference(got, sent);
        self.most = Some(self.most.map_or(ahead, |most| most.min(ahead)));
        self.count += 1;
    }

    /// Something left the second machine and reached the first.
    fn back(&mut self, sent: Time, got: Time) {
        let ahead = difference(sent, got);
        self.least = Some(self.least.map_or(ahead, |least| least.max(ahead)));
        self.count += 1;
    }

    fn estimate(self, told_by: fn(usize) -> Evidence) -> Option<ClockDifference> {
        let (ahead_ns, error_ns) = match (self.least, self.most) {
            (None, None) => return None,
            // Bounded from one side: what went there took no time at all, as far as we know.
            (Some(one), None) | (None, Some(one)) => (one, None),
            (Some(least), Some(most)) => {
                let width = most.saturating_sub(least);
                (
                    least.saturating_add(width / 2),
                    Some(width.unsigned_abs().div_ceil(2)),
                )
            }
        };
        Some(ClockDifference {
            ahead_ns,
            error_ns,
            told_by: told_by(self.count),
        })
    }
}

fn difference(later: Time, earlier: Time) -> i64 {
    let difference = i128::from(later.as_nanos()) - i128::from(earlier.as_nanos());
    i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
}

fn clock(timelines: &[Timeline<'_>; 2], pairs: &[(usize, usize)]) -> ClockDifference {
    let mut packets = Bounds::default();
    let mut calls = Bounds::default();
    for &(one, other) in pairs {
        let flows = [&timelines[0].flows[one], &timelines[1].flows[other]];
        bounds_of_packets(timelines, flows, &mut packets);
        bounds_of_calls(timelines, flows, &mut calls);
    }
    packets
        .estimate(Evidence::Packets)
        .or_else(|| calls.estimate(Evidence::Calls))
        .unwrap_or(ClockDifference {
            ahead_ns: 0,
            error_ns: None,
            told_by: Evidence::Nothing,
        })
}

/// The packets of a flow that are told apart from all others of it, with their times and who sent them.
fn packets_of<'t>(
    timeline: &'t Timeline<'_>,
    flow: &'t Flow,
) -> impl Iterator<Item = (Seen, Time, u8)> + 't {
    let life = flow.life.iter().map(|life| (life.fact, life.end));
    let ways = flow.ways.iter().zip([0, 1]);
    let wire = ways.flat_map(|(way, end)| {
        let whole = way.wire.iter().filter(|segment| segment.piece.0 == 0);
        whole.map(move |segment| (segment.fact, end))
    });
    life.chain(wire).take(COMPARED).filter_map(|(id, end)| {
        let fact = timeline.fact(id);
        seen(timeline, &fact).map(|seen| (seen, fact.event.time, end))
    })
}

fn bounds_of_packets(timelines: &[Timeline<'_>; 2], flows: [&Flow; 2], bounds: &mut Bounds) {
    // What is there twice was sent again: which of the two arrived is not known.
    let mut first: HashMap<(PacketKey, u8), Option<(Time, bool)>> = HashMap::new();
    for (seen, time, end) in packets_of(&timelines[0], flows[0]) {
        first
            .entry((seen.key, end))
            .and_modify(|known| *known = None)
            .or_insert(Some((time, seen.outgoing)));
    }
    let mut met = HashSet::new();
    let client_is_first = client_is_first(timelines, flows);
    for (seen, time, end) in packets_of(&timelines[1], flows[1]) {
        let Some(Some((there, outgoing))) = first.get(&(seen.key, end)) else {
            continue;
        };
        if !met.insert((seen.key, end)) {
            continue;
        }
        let from_first = if *outgoing == seen.outgoing {
            // Neither capture says which way it went.
            (end == 0) == client_is_first
        } else {
            *outgoing
        };
        if from_first {
            bounds.there(*there, time);
        } else {
            bounds.back(time, *there);
        }
    }
}

/// Whether the first machine is the client's: it holds that end, or waits longer for the answer to
/// its SYN.
fn client_is_first(timelines: &[Timeline<'_>; 2], flows: [&Flow; 2]) -> bool {
    let held = |which: usize, end: usize| !flows[which].ends[end].sides.is_empty();
    match (held(0, 0) || held(1, 1), held(0, 1) || held(1, 0)) {
        (true, false) => true,
        (false, true) => false,
        _ => {
            let waits = [0, 1].map(|which| {
                let mut syn = [None; 2];
                for (seen, time, end) in packets_of(&timelines[which], flows[which]).take(8) {
                    if seen.key.flags & TcpFlags::SYN != 0 {
                        syn[usize::from(end)].get_or_insert(time);
                    }
                }
                match syn {
                    [Some(asked), Some(answered)] => answered.since(asked),
                    _ => std::time::Duration::ZERO,
                }
            });
            waits[0] >= waits[1]
        }
    }
}

fn bounds_of_calls(timelines: &[Timeline<'_>; 2], flows: [&Flow; 2], bounds: &mut Bounds) {
    let client_is_first = client_is_first(timelines, flows);
    let (client, server) = if client_is_first { (0, 1) } else { (1, 0) };
    let mut bound = |from: usize, sent: Time, got: Time| {
        if from == 0 {
            bounds.there(sent, got);
        } else {
            bounds.back(sent, got);
        }
    };
    let called = |which: usize, end: u8, connects: bool| {
        let mut life = flows[which].life.iter();
        life.find_map(|life| {
            let fact = timelines[which].fact(life.fact);
            let name = fact.call().name();
            let fits = if connects {
                name.ends_with("connect")
            } else {
                name.contains("accept")
            };
            (life.end == end && fits).then_some(fact.event)
        })
    };
    if let (Some(connect), Some(accept)) = (called(client, 0, true), called(server, 1, false)) {
        bound(client, connect.began(), accept.time);
    }
    for way in 0..2 {
        let (from, to) = if way == 0 {
            (client, server)
        } else {
            (server, client)
        };
        let sent = &flows[from].ways[way];
        let got = &flows[to].ways[way];
        let mut any = |write: &Move, read: &Move| {
            let [sent, got] = [(from, write), (to, read)]
                .map(|(which, call)| timelines[which].session.event(call.fact));
            bound(from, sent.began(), got.time);
        };
        each_answered(sent, got, flows[0].transport.is_stream(), &mut any);
    }
}

/// Each write with the read that got its last byte, or its datagram.
fn each_answered(sent: &Way, got: &Way, is_stream: bool, each: &mut dyn FnMut(&Move, &Move)) {
    for write in sent.writes.iter().take(COMPARED) {
        if write.bytes.is_empty() {
            continue;
        }
        let read = if is_stream {
            let last = write.bytes.end - 1..write.bytes.end;
            got.reads_in(last).next().map(|index| &got.reads[index])
        } else {
            got.reads
                .get(write.datagram as usize)
                .filter(|read| read.datagram == write.datagram)
        };
        if let Some(read) = read {
            each(write, read);
        }
    }
}

/// Puts the second machine's facts among the first one's.
struct Foreign {
    ahead_ns: i64,
    conns: u64,
    interfaces: u64,
    pids: HashSet<u32>,
    /// Addresses of sides that are others where the first machine is.
    translated: HashMap<u64, [Address; 2]>,
    /// Packets that the first machine has too.
    known: HashSet<FactId>,
}

impl Foreign {
    fn new(timelines: &[Timeline<'_>; 2], pairs: &[(usize, usize)], ahead_ns: i64) -> Self {
        let [first, second] = timelines;
        let mut foreign = Self {
            ahead_ns,
            conns: largest_conn(first),
            interfaces: first
                .interfaces
                .iter()
                .map(|one| one.number)
                .max()
                .unwrap_or(0),
            pids: first.processes.iter().map(|process| process.pid).collect(),
            translated: HashMap::new(),
            known: HashSet::new(),
        };
        for &(one, other) in pairs {
            let flows = [&first.flows[one], &second.flows[other]];
            foreign.translate(second, flows);
            let seen = packets_of(first, flows[0]).next().is_some()
                || flows[0].ways.iter().any(|way| !way.wire.is_empty());
            if seen {
                foreign.known.extend(wire_facts(second, flows[1]));
            }
        }
        foreign
    }

    fn translate(&mut self, second: &Timeline<'_>, flows: [&Flow; 2]) {
        let (Some(ours), Some(theirs)) = (addresses(flows[0]), addresses(flows[1])) else {
            return;
        };
        if ours == theirs || ours == [theirs[1], theirs[0]] {
            return;
        }
        for end in 0..2 {
            for side in &flows[1].ends[end].sides {
                let ends = [ours[end], ours[1 - end]].map(Address::Ip);
                self.translated
                    .insert(second.sides[*side as usize].id, ends);
            }
        }
    }

    fn push(&self, fact: &Fact<'_>, session: &mut Session) {
        let mut fact = *fact;
        let number = fact.event.conn().number();
        let wire = matches!(fact.kind(), Kind::Packet | Kind::Interface);
        let base = if wire { self.interfaces } else { self.conns };
        if number > 0 {
            fact.event = fact
                .event
                .with_conn(ConnId::new(number.saturating_add(base).min(ConnId::MAX)));
        }
        fact.event.time = shifted(fact.event.time, self.ahead_ns);
        let text = self.described(&fact);
        if let Some(text) = &text {
            fact.text = text;
        }
        session.push(&fact);
    }

    fn described(&self, fact: &Fact<'_>) -> Option<String> {
        match fact.kind() {
            Kind::Side => {
                let mut side: Side = fact.describes()?;
                if let Some([local, peer]) = self.translated.get(&side.id) {
                    side.local = local.clone();
                    side.peer = peer.clone();
                }
                side.id = side.id.saturating_add(self.conns).min(ConnId::MAX);
                side.pid = self.pid(side.pid);
                for cookie in [&mut side.socket, &mut side.twin] {
                    if *cookie != 0 {
                        *cookie |= FOREIGN_SOCKET;
                    }
                }
                serde_json::to_string(&side).ok()
            }
            Kind::Process => {
                let mut process: Process = fact.describes()?;
                process.pid = self.pid(process.pid);
                process.parent = self.pid(process.parent);
                serde_json::to_string(&process).ok()
            }
            Kind::Interface => {
                let mut interface: Interface = fact.describes()?;
                interface.number = interface
                    .number
                    .saturating_add(self.interfaces)
                    .min(ConnId::MAX);
                serde_json::to_string(&interface).ok()
            }
            _ => None,
        }
    }

    fn pid(&self, pid: u32) -> u32 {
        if self.pids.contains(&pid) {
            pid.saturating_add(FOREIGN_PIDS)
        } else {
            pid
        }
    }
}

/// The largest number of a connection of a session.
fn largest_conn(timeline: &Timeline<'_>) -> u64 {
    let sides = timeline.sides.iter().map(|side| side.id);
    let facts = timeline.session.facts();
    let calls = facts.filter(|(_, fact)| !matches!(fact.kind(), Kind::Packet | Kind::Interface));
    let calls = calls.map(|(_, fact)| fact.event.conn().number());
    sides.chain(calls).max().unwrap_or(0)
}

fn wire_facts(timeline: &Timeline<'_>, flow: &Flow) -> Vec<FactId> {
    let wire = flow
        .ways
        .iter()
        .flat_map(|way| way.wire.iter().map(|segment| segment.fact));
    let life = flow.life.iter().map(|life| life.fact);
    let life = life.filter(|id| timeline.session.event(*id).kind() == Kind::Packet);
    wire.chain(life).collect()
}

fn shifted(time: Time, ahead_ns: i64) -> Time {
    let nanos = i128::from(time.as_nanos()) - i128::from(ahead_ns);
    Time::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
