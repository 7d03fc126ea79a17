//! The second machine's facts, put among the first one's under numbers of their own.

use std::collections::{HashMap, HashSet};

use super::matching::addresses;
use super::packets::{packets_of, wire_facts};
use crate::session::{Fact, FactId, Process, Session, Side};
use crate::timeline::Flow;
use crate::{Address, ConnId, Interface, Kind, Time, Timeline};

/// Processes of the second machine whose numbers the first has too are told of with so much more.
pub const FOREIGN_PIDS: u32 = 10_000_000;
/// Set in the cookies of the second machine's sockets.
const FOREIGN_SOCKET: u64 = 1 << 63;

/// Puts the second machine's facts among the first one's.
pub(super) struct Foreign {
    ahead_ns: i64,
    conns: u64,
    interfaces: u64,
    pids: HashSet<u32>,
    /// Addresses of sides that are others where the first machine is.
    translated: HashMap<u64, [Address; 2]>,
    /// Packets that the first machine has too.
    pub(super) known: HashSet<FactId>,
}

impl Foreign {
    pub(super) fn new(
        timelines: &[Timeline<'_>; 2],
        pairs: &[(usize, usize)],
        ahead_ns: i64,
    ) -> Self {
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

    pub(super) fn push(&self, fact: &Fact<'_>, session: &mut Session) {
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

/// The same moment by a clock that is not ahead.
pub(super) fn shifted(time: Time, ahead_ns: i64) -> Time {
    let nanos = i128::from(time.as_nanos()) - i128::from(ahead_ns);
    Time::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
}
