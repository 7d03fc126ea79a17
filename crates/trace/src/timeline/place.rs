//! Which flow a socket belongs to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::build::Builder;
use super::draft::{Draft, Reason};
use crate::{Address, Event, Fact, Side, Transport};

/// How many of the latest flows are looked at for one that a failed connect made.
const UNBOUND: usize = 64;

/// Two addresses in a fixed order: the key of a conversation, whoever speaks.
pub(super) type Pair = (SocketAddr, SocketAddr);

/// Where a side's facts go.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// Not looked up yet.
    Unknown,
    /// A flow, and which end of it.
    Flow(u32, u8),
    /// Its peer changes with each datagram.
    EachDatagram,
    /// It listens, or never had a peer.
    Apart,
}

impl Builder<'_> {
    /// Finds, or makes, the flow of a side at its first fact.
    pub(super) fn place(&mut self, number: u32, event: &Event) -> Place {
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
    pub(super) fn datagram_flow(&mut self, number: u32, fact: &Fact<'_>) -> Option<(u32, u8)> {
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

    pub(super) fn open(&mut self, transport: Transport, pair: Pair, event: &Event) -> u32 {
        let flow = self.drafts.len() as u32;
        let addresses = [Address::ip(pair.0), Address::ip(pair.1)];
        self.drafts.push(Draft::new(transport, addresses, event));
        let key = (transport.is_stream(), pair);
        self.pairs.entry(key).or_default().push(flow);
        flow
    }
}

/// The pair in its order, and which of the two `from` is.
pub(super) fn ordered(from: SocketAddr, to: SocketAddr) -> (Pair, u8) {
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
