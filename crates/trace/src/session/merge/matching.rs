//! Which conversations of two records are the same.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use super::packets::seen;
use crate::packet::TcpFlags;
use crate::timeline::Flow;
use crate::{Address, Timeline};

/// The flows that are the same conversation: of the first, of the second.
pub(super) fn matched(timelines: &[Timeline<'_>; 2]) -> Vec<(usize, usize)> {
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

pub(super) fn addresses(flow: &Flow) -> Option<[SocketAddr; 2]> {
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
