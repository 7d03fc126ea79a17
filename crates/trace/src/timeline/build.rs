//! From facts to flows: who talks to whom, and whose each fact is.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use super::draft::{Draft, Reason, inferred, moved};
use super::place::{Pair, Place, ordered};
use super::{Flow, Life, Timeline};
use crate::packet::{self, Body, Packet, TcpFlags};
use crate::{Call, Fact, FactId, Kind, Process, Session, Side, Transport};

/// `LINKTYPE_ETHERNET`, where nobody said.
const ETHERNET: u32 = 1;

pub(super) struct Builder<'s> {
    pub(super) session: &'s Session,
    pub(super) sides: Vec<Side>,
    pub(super) numbers: HashMap<u64, u32>,
    pub(super) places: Vec<Place>,
    pub(super) drafts: Vec<Draft>,
    /// The flows of a pair of IP addresses, in the order in which they began.
    pub(super) pairs: HashMap<(bool, Pair), Vec<u32>>,
    /// The flows of a pair of Unix sockets.
    pub(super) twins: HashMap<(u64, u64), u32>,
    /// The flow of each datagram that was seen to come in fragments.
    pub(super) fragments: HashMap<(IpAddr, IpAddr, u32), (u32, u8)>,
    /// The link type of each interface.
    pub(super) links: HashMap<u64, u32>,
    pub(super) apart: Vec<FactId>,
}

impl<'s> Timeline<'s> {
    /// Joins a session's facts, which have to be in the order of time ([`Session::sort`]).
    ///
    /// Every call and packet ends up in exactly one flow, or in [`Timeline::apart`]. Takes a few
    /// hundred nanoseconds a fact.
    pub fn build(session: &'s Session) -> Self {
        let mut timeline = Timeline {
            session,
            processes: Vec::new(),
            sides: Vec::new(),
            interfaces: Vec::new(),
            flows: Vec::new(),
            apart: Vec::new(),
            gaps: Vec::new(),
        };
        let mut builder = Builder::new(session);
        for (_, fact) in session.facts() {
            match fact.kind() {
                Kind::Side => builder.learn(fact.describes().unwrap_or_default()),
                Kind::Process => learn_process(&mut timeline.processes, &fact),
                Kind::Interface => timeline.interfaces.extend(fact.describes()),
                Kind::Gap => timeline.gaps.extend(fact.describes()),
                _ => {}
            }
        }
        // Of an interface too the last word counts: it has the drops.
        let mut seen = HashSet::new();
        timeline.interfaces.reverse();
        timeline
            .interfaces
            .retain(|interface| seen.insert(interface.number));
        timeline.interfaces.reverse();
        for interface in &timeline.interfaces {
            builder.links.insert(interface.number, interface.link_type);
        }
        for (id, fact) in session.facts() {
            builder.take(id, &fact);
        }
        timeline.flows = builder.finish();
        timeline.apart = builder.apart;
        timeline.sides = builder.sides;
        timeline
    }
}

fn learn_process(processes: &mut Vec<Process>, fact: &Fact<'_>) {
    let Some(process) = fact.describes::<Process>() else {
        return;
    };
    match processes.iter_mut().find(|known| known.pid == process.pid) {
        Some(known) => *known = process,
        None => processes.push(process),
    }
}

impl<'s> Builder<'s> {
    fn new(session: &'s Session) -> Self {
        Self {
            session,
            sides: Vec::new(),
            numbers: HashMap::new(),
            places: Vec::new(),
            drafts: Vec::new(),
            pairs: HashMap::new(),
            twins: HashMap::new(),
            fragments: HashMap::new(),
            links: HashMap::new(),
            apart: Vec::new(),
        }
    }

    fn learn(&mut self, side: Side) {
        if let Some(known) = self.numbers.get(&side.id) {
            self.sides[*known as usize] = side;
            return;
        }
        self.numbers.insert(side.id, self.sides.len() as u32);
        self.sides.push(side);
        self.places.push(Place::Unknown);
    }

    fn take(&mut self, id: FactId, fact: &Fact<'_>) {
        match fact.kind() {
            Kind::Packet => self.packet(id, fact),
            Kind::Read | Kind::Write => self.call(id, fact, true),
            Kind::Called
            | Kind::PeerClosed
            | Kind::Shutdown
            | Kind::Closed
            | Kind::Inferred
            | Kind::Gauged => self.call(id, fact, false),
            _ => {}
        }
    }

    fn call(&mut self, id: FactId, fact: &Fact<'_>, moves: bool) {
        let Some(side) = self.numbers.get(&fact.event.conn().number()).copied() else {
            return self.apart.push(id);
        };
        let place = match self.places[side as usize] {
            Place::Unknown => self.place(side, &fact.event),
            place => place,
        };
        let (flow, end) = match place {
            Place::Flow(flow, end) => (flow, end),
            Place::EachDatagram if moves => match self.datagram_flow(side, fact) {
                Some(place) => place,
                None => return self.apart.push(id),
            },
            _ => return self.apart.push(id),
        };
        let side = &self.sides[side as usize];
        let draft = &mut self.drafts[flow as usize];
        draft.touch(&fact.event);
        match fact.kind() {
            Kind::Write => {
                draft.client_is(Reason::SpokeFirst, end);
                draft.ways[usize::from(end)].writes.push(moved(id, fact));
            }
            Kind::Read => draft.ways[usize::from(1 - end)].reads.push(moved(id, fact)),
            Kind::Inferred => draft.ways[usize::from(end)].wire.push(inferred(id, fact)),
            Kind::Gauged => draft.gauges.push(Life { fact: id, end }),
            _ => {
                if fact.call() == Call::Connect || fact.call() == Call::UringConnect {
                    draft.client_is(Reason::Connected, end);
                }
                draft.life.push(Life { fact: id, end });
            }
        }
        if side.accepted {
            draft.client_is(Reason::Accepted, 1 - end);
        }
    }

    fn packet(&mut self, id: FactId, fact: &Fact<'_>) {
        let interface = fact.event.conn().number();
        let link = self.links.get(&interface).copied().unwrap_or(ETHERNET);
        let length = u32::try_from(fact.event.result).unwrap_or(0);
        let packet = packet::dissect(link, fact.data, length);
        let Some(net) = packet.net else {
            return self.apart.push(id);
        };
        let address = |ip: IpAddr, port| SocketAddr::new(ip.to_canonical(), port);
        match &packet.body {
            Body::Tcp(tcp) => {
                let from = address(net.source, tcp.source);
                let to = address(net.destination, tcp.destination);
                self.segment(id, fact, &packet, from, to);
            }
            Body::Udp(udp) => {
                let from = address(net.source, udp.source);
                let to = address(net.destination, udp.destination);
                let (pair, end) = ordered(from, to);
                let known = self
                    .pairs
                    .get(&(false, pair))
                    .and_then(|flows| flows.last().copied());
                let flow = known.unwrap_or_else(|| self.open(Transport::Udp, pair, &fact.event));
                if let (Some(_), Some(ident)) = (net.fragment, net.id) {
                    let key = (net.source, net.destination, ident);
                    self.fragments.insert(key, (flow, end));
                }
                let draft = &mut self.drafts[flow as usize];
                draft.touch(&fact.event);
                draft.client_is(Reason::SpokeFirst, end);
                draft.datagrams[usize::from(end)].packet(id, fact, &packet);
            }
            Body::Fragment => {
                let key = net.id.map(|ident| (net.source, net.destination, ident));
                let Some((flow, end)) = key.and_then(|key| self.fragments.get(&key).copied())
                else {
                    return self.apart.push(id);
                };
                let draft = &mut self.drafts[flow as usize];
                draft.touch(&fact.event);
                draft.datagrams[usize::from(end)].packet(id, fact, &packet);
            }
            _ => self.apart.push(id),
        }
    }

    fn segment(
        &mut self,
        id: FactId,
        fact: &Fact<'_>,
        packet: &Packet<'_>,
        from: SocketAddr,
        to: SocketAddr,
    ) {
        let Body::Tcp(tcp) = &packet.body else { return };
        let (pair, end) = ordered(from, to);
        let way = usize::from(end);
        let opens = tcp.flags.has(TcpFlags::SYN) && !tcp.flags.has(TcpFlags::ACK);
        let current = self
            .pairs
            .get(&(true, pair))
            .and_then(|flows| flows.last().copied());
        let flow = match current {
            Some(flow)
                if !(opens && self.drafts[flow as usize].streams[way].is_other_start(tcp.seq)) =>
            {
                flow
            }
            _ => self.open(Transport::Tcp, pair, &fact.event),
        };
        let draft = &mut self.drafts[flow as usize];
        draft.touch(&fact.event);
        if tcp.flags.has(TcpFlags::SYN) {
            let client = if opens { end } else { 1 - end };
            draft.client_is(Reason::Syn, client);
        }
        let (mine, other) = draft.streams.split_at_mut(1);
        let (mine, other) = if end == 0 {
            (&mut mine[0], &mut other[0])
        } else {
            (&mut other[0], &mut mine[0])
        };
        if mine.is_doubled(fact, packet) {
            return self.apart.push(id);
        }
        if !mine.segment(id, fact, packet, other, &mut draft.ways[way].wire) {
            draft.life.push(Life { fact: id, end });
        }
    }

    /// Ends the drafts, oldest first.
    fn finish(&mut self) -> Vec<Flow> {
        let mut drafts = std::mem::take(&mut self.drafts);
        drafts.sort_by_key(|draft| draft.from);
        let mut flows = Vec::with_capacity(drafts.len());
        for (index, draft) in drafts.into_iter().enumerate() {
            flows.push(draft.settle(self.session, &self.sides, index as u32 + 1));
        }
        flows
    }
}
