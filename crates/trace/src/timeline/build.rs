//! From facts to flows: who talks to whom, and whose each fact is.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::datagram::Datagrams;
use super::messages;
use super::wire::Stream;
use super::{End, Flow, Life, Move, Segment, SegmentNote, Timeline, Way};
use crate::packet::{self, Body, Packet, TcpFlags};
use crate::{Address, Call, Event, Fact, FactId, Kind, Process, Session, Side, Time, Transport};

/// `MSG_PEEK` of recv(2).
pub(super) const PEEK: u32 = 0x2;
/// `MSG_TRUNC` of recv(2).
pub(super) const TRUNCATED: u32 = 0x20;

/// `LINKTYPE_ETHERNET`, where nobody said.
const ETHERNET: u32 = 1;
/// How many of the latest flows are looked at for one that a failed connect made.
const UNBOUND: usize = 64;

/// Two addresses in a fixed order: the key of a conversation, whoever speaks.
type Pair = (SocketAddr, SocketAddr);

/// What tells which end is the client, from the weakest reason to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    Port,
    SpokeFirst,
    Accepted,
    Connected,
    Syn,
}

/// A flow while facts are still coming in.
#[derive(Debug)]
struct Draft {
    transport: Transport,
    ends: [End; 2],
    /// The cookies of the sockets at each end: another socket at the same address is another flow.
    sockets: [u64; 2],
    ways: [Way; 2],
    life: Vec<Life>,
    gauges: Vec<Life>,
    streams: [Stream; 2],
    datagrams: [Datagrams; 2],
    client: (Reason, u8),
    from: Time,
    to: Time,
}

impl Draft {
    fn new(transport: Transport, addresses: [Address; 2], event: &Event) -> Self {
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

    fn touch(&mut self, event: &Event) {
        self.from = self.from.min(event.began());
        self.to = self.to.max(event.time);
    }

    fn client_is(&mut self, reason: Reason, end: u8) {
        if reason > self.client.0 {
            self.client = (reason, end);
        }
    }
}

/// Where a side's facts go.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Not looked up yet.
    Unknown,
    /// A flow, and which end of it.
    Flow(u32, u8),
    /// Its peer changes with each datagram.
    EachDatagram,
    /// It listens, or never had a peer.
    Apart,
}

struct Builder<'s> {
    session: &'s Session,
    sides: Vec<Side>,
    numbers: HashMap<u64, u32>,
    places: Vec<Place>,
    drafts: Vec<Draft>,
    /// The flows of a pair of IP addresses, in the order in which they began.
    pairs: HashMap<(bool, Pair), Vec<u32>>,
    /// The flows of a pair of Unix sockets.
    twins: HashMap<(u64, u64), u32>,
    /// The flow of each datagram that was seen to come in fragments.
    fragments: HashMap<(IpAddr, IpAddr, u32), (u32, u8)>,
    /// The link type of each interface.
    links: HashMap<u64, u32>,
    apart: Vec<FactId>,
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
        let mut seen = std::collections::HashSet::new();
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

    /// Finds, or makes, the flow of a side at its first fact.
    fn place(&mut self, number: u32, event: &Event) -> Place {
        let side = &self.sides[number as usize];
        let place = match (side.transport, &side.local, &side.peer) {
            _ if side.listening => Place::Apart,
            (Transport::Unix | Transport::UnixSeqpacket | Transport::UnixDgram, ..) => {
                self.place_unix(number, event)
            }
            (Transport::Tcp | Transport::Quic, Address::Ip(local), Address::Ip(peer))
                if local.port() != 0 =>
            {
                let (local, peer) = (*local, *peer);
                self.place_pair(number, local, peer, event)
            }
            (Transport::Tcp, _, Address::Ip(peer)) => {
                let peer = *peer;
                self.place_unbound(number, peer, event)
            }
            (Transport::Udp | Transport::Raw, ..) => Place::EachDatagram,
            _ => Place::Apart,
        };
        self.places[number as usize] = place;
        place
    }

    fn place_pair(
        &mut self,
        number: u32,
        local: SocketAddr,
        peer: SocketAddr,
        event: &Event,
    ) -> Place {
        let (pair, end) = ordered(local, peer);
        let Side {
            socket, transport, ..
        } = self.sides[number as usize];
        let current = self
            .pairs
            .get(&(true, pair))
            .and_then(|flows| flows.last().copied());
        let flow = match current {
            Some(flow) if self.fits(flow, end, socket) => flow,
            _ => self.open(transport, pair, event),
        };
        self.join(flow, end, number)
    }

    /// Whether a socket may be the one at that end of that flow.
    fn fits(&self, flow: u32, end: u8, socket: u64) -> bool {
        let held = self.drafts[flow as usize].sockets[usize::from(end)];
        held == 0 || held == socket
    }

    fn join(&mut self, flow: u32, end: u8, number: u32) -> Place {
        let draft = &mut self.drafts[flow as usize];
        let held = &mut draft.sockets[usize::from(end)];
        *held = (*held).max(self.sides[number as usize].socket);
        draft.ends[usize::from(end)].sides.push(number);
        Place::Flow(flow, end)
    }

    /// A side that never learned its own port, because connecting failed: the flow whose SYN went out
    /// while it tried, else one of its own.
    fn place_unbound(&mut self, number: u32, peer: SocketAddr, event: &Event) -> Place {
        let latest = self.drafts.iter().enumerate().rev().take(UNBOUND);
        let found = latest.into_iter().find_map(|(flow, draft)| {
            let server = draft
                .ends
                .iter()
                .position(|end| end.address == Address::ip(peer))?;
            let began = draft.from >= event.began() && draft.from <= event.time;
            let end = 1 - server;
            (began && draft.ends[end].sides.is_empty()).then_some((flow as u32, end as u8))
        });
        if let Some((flow, end)) = found {
            return self.join(flow, end, number);
        }
        let addresses = [Address::None, Address::ip(peer)];
        self.drafts
            .push(Draft::new(Transport::Tcp, addresses, event));
        self.join(self.drafts.len() as u32 - 1, 0, number)
    }

    fn place_unix(&mut self, number: u32, event: &Event) -> Place {
        let side = &self.sides[number as usize];
        let (socket, twin, transport) = (side.socket, side.twin, side.transport);
        let end = u8::from(socket > twin);
        let key = (socket.min(twin), socket.max(twin));
        let known = self.twins.get(&key).copied().filter(|_| socket != 0);
        let flow = known.unwrap_or_else(|| {
            let (local, peer) = (side.local.clone(), side.peer.clone());
            let addresses = if end == 0 {
                [local, peer]
            } else {
                [peer, local]
            };
            let mut draft = Draft::new(transport, addresses, event);
            draft.client = (Reason::Port, end);
            self.drafts.push(draft);
            let flow = self.drafts.len() as u32 - 1;
            self.twins.insert(key, flow);
            flow
        });
        let address = &mut self.drafts[flow as usize].ends[usize::from(end)].address;
        if address.is_none() {
            *address = self.sides[number as usize].local.clone();
        }
        self.join(flow, end, number)
    }

    /// The flow of one datagram of a socket, which may talk to many.
    fn datagram_flow(&mut self, number: u32, fact: &Fact<'_>) -> Option<(u32, u8)> {
        let side = &self.sides[number as usize];
        let other = match fact.text.parse() {
            Ok(Address::Ip(other)) => other,
            _ => match side.peer {
                Address::Ip(other) => other,
                _ => return None,
            },
        };
        let transport = side.transport;
        let local = match side.local {
            Address::Ip(local) => local,
            _ => unspecified(&other),
        };
        let local = match local.ip() {
            // Bound to every address: what it answers on this machine comes from the loopback.
            ip if ip.is_unspecified() && other.ip().is_loopback() => {
                SocketAddr::new(other.ip(), local.port())
            }
            _ => local,
        };
        let (pair, end) = ordered(local, other);
        let known = self
            .pairs
            .get(&(false, pair))
            .and_then(|flows| flows.last().copied());
        let flow = known.unwrap_or_else(|| self.open(transport, pair, &fact.event));
        let sides = &mut self.drafts[flow as usize].ends[usize::from(end)].sides;
        if !sides.contains(&number) {
            sides.push(number);
        }
        Some((flow, end))
    }

    fn open(&mut self, transport: Transport, pair: Pair, event: &Event) -> u32 {
        let flow = self.drafts.len() as u32;
        let addresses = [Address::ip(pair.0), Address::ip(pair.1)];
        self.drafts.push(Draft::new(transport, addresses, event));
        let key = (transport.is_stream(), pair);
        self.pairs.entry(key).or_default().push(flow);
        flow
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
            flows.push(self.settle(draft, index as u32 + 1));
        }
        flows
    }

    fn settle(&self, draft: Draft, number: u32) -> Flow {
        let client = draft.client.1;
        let mut flow = Flow {
            number,
            transport: draft.transport,
            ends: draft.ends,
            ways: draft.ways,
            life: draft.life,
            gauges: draft.gauges,
            span: draft.from..draft.to,
        };
        if !draft.transport.is_stream() {
            for (way, datagrams) in flow.ways.iter_mut().zip(draft.datagrams) {
                datagrams.join(self.session, way);
            }
        }
        for (index, stream) in draft.streams.iter().enumerate() {
            let way = &mut flow.ways[index];
            way.settle();
            let ends = [&flow.ends[index], &flow.ends[1 - index]];
            let told = ends.iter().flat_map(|end| &end.sides).all(|side| {
                let side = &self.sides[*side as usize];
                !side.midway && side.inside.is_empty()
            });
            let known = !draft.transport.is_stream() || way.wire.is_empty() || stream.is_anchored();
            way.joined = told && (known || way.wire.iter().all(Segment::is_inferred));
            way.messages = messages::find(self.session, way);
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

fn moved(id: FactId, fact: &Fact<'_>) -> Move {
    let start = fact.event.offset;
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

fn inferred(id: FactId, fact: &Fact<'_>) -> Segment {
    let start = fact.event.offset;
    Segment {
        fact: id,
        piece: (
            0,
            u16::try_from(fact.event.asked).unwrap_or(u16::MAX).max(1),
        ),
        bytes: start..start.saturating_add(fact.moved()),
        datagram: 0,
        note: SegmentNote::Inferred,
        flags: 0,
        window: 0,
    }
}

/// The pair in its order, and which of the two `from` is.
fn ordered(from: SocketAddr, to: SocketAddr) -> (Pair, u8) {
    if from <= to {
        ((from, to), 0)
    } else {
        ((to, from), 1)
    }
}

fn unspecified(like: &SocketAddr) -> SocketAddr {
    let ip = match like {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(ip, 0)
}
