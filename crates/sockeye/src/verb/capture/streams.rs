//! What TCP connections and UDP sockets say to each other, message by message.

mod cutter;
mod teller;

use std::collections::HashMap;
use std::net::SocketAddr;

use sockeye_trace::Time;
use sockeye_trace::packet::stream::{Part, Segment, Stream};
use sockeye_trace::packet::{Body, Packet, Tcp, TcpFlags};

use self::cutter::Cutter;
use self::teller::Teller;
use super::args::Capture;
use crate::catalogue::Lang;

/// Conversations that are followed at once; beyond that those that were quiet longest are given up.
const CONVERSATIONS: usize = 2048;
/// Bytes of one direction that wait for a lost segment to come again; beyond that it is a gap.
const HELD: usize = 1 << 20;

/// Who speaks to whom.
#[derive(Clone, Debug)]
pub(super) struct Conversation {
    /// From 1, in the order in which they were first seen.
    pub(super) number: u64,
    /// TCP; else UDP.
    pub(super) tcp: bool,
    /// Who began.
    pub(super) client: SocketAddr,
    /// Whom the client speaks to.
    pub(super) server: SocketAddr,
}

/// A direction of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    ToServer,
    ToClient,
}

impl Way {
    /// Its name in JSON.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ToServer => "to-server",
            Self::ToClient => "to-client",
        }
    }

    const fn back(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }
}

impl Conversation {
    pub(super) const fn protocol(&self) -> &'static str {
        if self.tcp { "TCP" } else { "UDP" }
    }
}

/// A conversation and how far it got.
#[derive(Debug)]
struct Flow {
    of: Conversation,
    to_server: Direction,
    to_client: Direction,
    /// When it was last heard of, in packets.
    heard: u64,
}

#[derive(Debug)]
struct Direction {
    stream: Stream,
    cutter: Cutter,
}

impl Flow {
    fn direction(&mut self, way: Way) -> &mut Direction {
        match way {
            Way::ToServer => &mut self.to_server,
            Way::ToClient => &mut self.to_client,
        }
    }

    /// Nothing more will come: what is left of each direction is told.
    fn finish(&mut self, time: Time, teller: &mut Teller, out: &mut Vec<u8>) {
        for way in [Way::ToServer, Way::ToClient] {
            let of = self.of.clone();
            let Direction { stream, cutter } = self.direction(way);
            stream.finish(&mut |part| {
                cutter.part(part, &mut |piece| teller.piece(&of, way, time, &piece, out));
            });
            cutter.finish(&mut |piece| teller.piece(&of, way, time, &piece, out));
        }
    }
}

/// Both ends, the smaller one first, and whether it is TCP.
type Key = (SocketAddr, SocketAddr, bool);

/// Follows every conversation of a capture.
#[derive(Debug)]
pub(super) struct Streams {
    flows: HashMap<Key, Flow>,
    teller: Teller,
    /// What a new direction is cut by.
    cutter: Cutter,
    conversations: u64,
    packets: u64,
    last: Time,
}

impl Streams {
    pub(super) fn new(args: &Capture, lang: Lang) -> Self {
        Self {
            flows: HashMap::new(),
            teller: Teller::new(args, lang),
            cutter: Cutter::new(args.frame.as_ref()),
            conversations: 0,
            packets: 0,
            last: Time::default(),
        }
    }

    /// Takes a packet and writes what it completes.
    ///
    /// `piece`: the size of the pieces that it stands for, as datagrams that go out together do.
    pub(super) fn packet(
        &mut self,
        packet: &Packet<'_>,
        piece: u32,
        time: Time,
        out: &mut Vec<u8>,
    ) {
        self.packets += 1;
        self.last = time;
        let (Some(net), Some((from, to))) = (packet.net, packet.ports()) else {
            return;
        };
        let source = SocketAddr::new(net.source, from);
        let destination = SocketAddr::new(net.destination, to);
        match &packet.body {
            Body::Tcp(tcp) => self.segment(packet, tcp, (source, destination), time, out),
            _ => self.datagrams(packet, piece, (source, destination), time, out),
        }
    }

    /// The end of the capture.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        let mut flows: Vec<Flow> = self.flows.drain().map(|(_, flow)| flow).collect();
        flows.sort_by_key(|flow| flow.of.number);
        for mut flow in flows {
            flow.finish(self.last, &mut self.teller, out);
        }
    }

    fn segment(
        &mut self,
        packet: &Packet<'_>,
        tcp: &Tcp,
        ends: (SocketAddr, SocketAddr),
        time: Time,
        out: &mut Vec<u8>,
    ) {
        let Some(segment) = Segment::of(packet) else {
            return;
        };
        let opens = tcp.flags.has(TcpFlags::SYN);
        let key = key(ends, true);
        if opens && self.is_reopened(key, ends.0, &segment) {
            self.give_up(key, time, out);
        }
        if !self.flows.contains_key(&key) {
            // A stray acknowledgement or end tells of no conversation that could be followed.
            if !opens && segment.len == 0 {
                return;
            }
            let answers = opens && tcp.flags.has(TcpFlags::ACK);
            // Without its beginning: servers have the smaller ports.
            let backwards = answers || (!opens && ends.0.port() < ends.1.port());
            let (client, server) = if backwards { (ends.1, ends.0) } else { ends };
            self.open(key, client, server, !opens, time, out);
        }
        let Self {
            flows,
            teller,
            packets,
            ..
        } = self;
        let Some(flow) = flows.get_mut(&key) else {
            return;
        };
        flow.heard = *packets;
        let way = if ends.0 == flow.of.client {
            Way::ToServer
        } else {
            Way::ToClient
        };
        let of = flow.of.clone();
        let Direction { stream, cutter } = flow.direction(way);
        stream.on_segment(&segment, &mut |part: Part<'_>| {
            cutter.part(part, &mut |piece| teller.piece(&of, way, time, &piece, out));
        });
        if tcp.flags.has(TcpFlags::ACK) {
            let way = way.back();
            let Direction { stream, cutter } = flow.direction(way);
            stream.on_ack(tcp.ack, &mut |part: Part<'_>| {
                cutter.part(part, &mut |piece| teller.piece(&of, way, time, &piece, out));
            });
        }
    }

    fn datagrams(
        &mut self,
        packet: &Packet<'_>,
        piece: u32,
        ends: (SocketAddr, SocketAddr),
        time: Time,
        out: &mut Vec<u8>,
    ) {
        let key = key(ends, false);
        if !self.flows.contains_key(&key) {
            self.open(key, ends.0, ends.1, false, time, out);
        }
        let Some(flow) = self.flows.get_mut(&key) else {
            return;
        };
        flow.heard = self.packets;
        let way = if ends.0 == flow.of.client {
            Way::ToServer
        } else {
            Way::ToClient
        };
        let bytes = &packet.bytes[packet.payload.clone()];
        let (of, teller) = (&flow.of, &mut self.teller);
        let pieces = packet.pieces(piece);
        if pieces.len() == 1 {
            let len = match &packet.body {
                Body::Udp(udp) => udp.len.max(packet.payload_len),
                _ => packet.payload_len,
            };
            return teller.datagram(of, way, time, bytes, len, out);
        }
        for piece in pieces {
            let from = (piece.offset as usize).min(bytes.len());
            let to = (from + piece.len as usize).min(bytes.len());
            teller.datagram(of, way, time, &bytes[from..to], piece.len, out);
        }
    }

    fn is_reopened(&self, key: Key, source: SocketAddr, segment: &Segment<'_>) -> bool {
        self.flows.get(&key).is_some_and(|flow| {
            let stream = if source == flow.of.client {
                &flow.to_server.stream
            } else {
                &flow.to_client.stream
            };
            stream.is_reopened_by(segment)
        })
    }

    fn open(
        &mut self,
        key: Key,
        client: SocketAddr,
        server: SocketAddr,
        midway: bool,
        time: Time,
        out: &mut Vec<u8>,
    ) {
        if self.flows.len() >= CONVERSATIONS {
            self.make_room(time, out);
        }
        self.conversations += 1;
        let of = Conversation {
            number: self.conversations,
            tcp: key.2,
            client,
            server,
        };
        self.teller.opened(&of, midway, time, out);
        let direction = || Direction {
            stream: Stream::new().with_limit(HELD),
            cutter: self.cutter.clone(),
        };
        let flow = Flow {
            of,
            to_server: direction(),
            to_client: direction(),
            heard: self.packets,
        };
        self.flows.insert(key, flow);
    }

    /// Gives up the half of the conversations that was quiet longest.
    fn make_room(&mut self, time: Time, out: &mut Vec<u8>) {
        let mut heard: Vec<(u64, Key)> = self
            .flows
            .iter()
            .map(|(key, flow)| (flow.heard, *key))
            .collect();
        heard.sort_unstable();
        for (_, key) in heard.into_iter().take(CONVERSATIONS / 2) {
            self.give_up(key, time, out);
        }
    }

    fn give_up(&mut self, key: Key, time: Time, out: &mut Vec<u8>) {
        if let Some(mut flow) = self.flows.remove(&key) {
            flow.finish(time, &mut self.teller, out);
        }
    }
}

fn key((one, other): (SocketAddr, SocketAddr), tcp: bool) -> Key {
    (one.min(other), one.max(other), tcp)
}
