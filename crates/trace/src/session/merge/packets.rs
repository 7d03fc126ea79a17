//! The packets of a conversation, told apart wherever they were seen.

use super::COMPARED;
use crate::packet::{Body, dissect};
use crate::session::packet_flag;
use crate::timeline::Flow;
use crate::{Fact, FactId, Kind, Time, Timeline};

/// What tells one TCP packet from all others, wherever it is seen. Addresses may be translated on the
/// way, so they are no part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PacketKey {
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    pub(super) len: u32,
}

pub(super) struct Seen {
    pub(super) key: PacketKey,
    pub(super) outgoing: bool,
}

pub(super) fn seen(timeline: &Timeline<'_>, fact: &Fact<'_>) -> Option<Seen> {
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

/// The packets of a flow that are told apart from all others of it, with their times and who sent them.
pub(super) fn packets_of<'t>(
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

pub(super) fn wire_facts(timeline: &Timeline<'_>, flow: &Flow) -> Vec<FactId> {
    let wire = flow
        .ways
        .iter()
        .flat_map(|way| way.wire.iter().map(|segment| segment.fact));
    let life = flow.life.iter().map(|life| life.fact);
    let life = life.filter(|id| timeline.session.event(*id).kind() == Kind::Packet);
    wire.chain(life).collect()
}
