//! What two records of the same conversations tell about their clocks.

use std::collections::{HashMap, HashSet};

use super::bounds::Bounds;
use super::packets::{PacketKey, packets_of};
use super::{COMPARED, ClockDifference, Evidence};
use crate::packet::TcpFlags;
use crate::timeline::{Flow, Move, Way};
use crate::{Event, Time, Timeline};

pub(super) fn clock(timelines: &[Timeline<'_>; 2], pairs: &[(usize, usize)]) -> ClockDifference {
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
    let called = |which: usize, end, is_kind| called(&timelines[which], flows[which], end, is_kind);
    let connect = called(client, 0, |name| name.ends_with("connect"));
    let accept = called(server, 1, |name| name.contains("accept"));
    if let (Some(connect), Some(accept)) = (connect, accept) {
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

/// The first call of one end whose name is of this kind.
fn called(
    timeline: &Timeline<'_>,
    flow: &Flow,
    end: u8,
    is_kind: fn(&str) -> bool,
) -> Option<Event> {
    flow.life.iter().find_map(|life| {
        let fact = timeline.fact(life.fact);
        (life.end == end && is_kind(fact.call().name())).then_some(fact.event)
    })
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
