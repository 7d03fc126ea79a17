//! Connects that failed: their sockets never had a peer, so that the timeline leaves them apart.

use std::collections::HashMap;

use crate::{Address, Call, FactId, Kind, Time, Timeline, Transport};

use super::steps::{Step, What};

/// The calls that connect.
pub(in crate::finding) const CONNECTS: [Call; 2] = [Call::Connect, Call::UringConnect];

/// A connect that failed.
#[derive(Clone, Debug)]
pub(in crate::finding) struct Attempt {
    pub fact: FactId,
    pub from: Time,
    pub at: Time,
    pub errno: i32,
    /// Where it was to lead.
    pub to: Address,
    pub pid: u32,
}

impl Attempt {
    pub(super) const fn step(&self) -> Step {
        Step {
            fact: self.fact,
            at: self.at,
            end: 0,
            what: What::Called(Call::Connect, -self.errno),
        }
    }
}

/// The attempts whose packets a flow has, by its index, and those that nobody saw packets of.
pub(super) fn of_session(timeline: &Timeline<'_>) -> (HashMap<u32, Attempt>, Vec<Attempt>) {
    let mut flows: HashMap<&Address, Vec<u32>> = HashMap::new();
    for (index, flow) in timeline.flows.iter().enumerate() {
        if flow.transport == Transport::Tcp && flow.ends[0].sides.is_empty() {
            let there = flows.entry(&flow.ends[1].address).or_default();
            there.push(index as u32);
        }
    }
    let (mut of_flows, mut alone) = (HashMap::new(), Vec::new());
    for attempt in attempts(timeline) {
        let there = flows.get(&attempt.to).map_or(&[][..], Vec::as_slice);
        // Flows stand in the order of time.
        let first =
            there.partition_point(|flow| timeline.flows[*flow as usize].span.start < attempt.from);
        let flow = there[first..]
            .iter()
            .copied()
            .find(|flow| !of_flows.contains_key(flow));
        match flow.filter(|flow| timeline.flows[*flow as usize].span.start <= attempt.at) {
            Some(flow) => _ = of_flows.insert(flow, attempt),
            None => alone.push(attempt),
        }
    }
    (of_flows, alone)
}

fn attempts(timeline: &Timeline<'_>) -> impl Iterator<Item = Attempt> {
    let sides = timeline.sides.iter();
    let sides: HashMap<u64, _> = sides.map(|side| (side.id, side)).collect();
    timeline.apart.iter().filter_map(move |fact| {
        let event = timeline.session.event(*fact);
        let failed = event.kind() == Kind::Called && event.result < 0;
        if !failed || !CONNECTS.contains(&event.call()) {
            return None;
        }
        let side = sides.get(&event.conn().number())?;
        let is_stream = side.transport.is_stream();
        let text = timeline.session.fact(*fact).text;
        let to = text.split([',', ' ']).next().unwrap_or_default().parse();
        let to = to.unwrap_or_default();
        is_stream.then(|| Attempt {
            fact: *fact,
            from: event.began(),
            at: event.time,
            errno: event.result.saturating_neg(),
            to,
            pid: side.pid,
        })
    })
}
