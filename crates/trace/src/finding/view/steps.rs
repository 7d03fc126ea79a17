//! The life of a flow: calls that move no bytes, and packets that carry none.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::packet::{self, Body, Packet, TcpFlags};
use crate::timeline::Flow;
use crate::{Call, Event, FactId, Kind, Time, Timeline};

use super::View;

/// Something in the life of a flow.
#[derive(Clone, Copy, Debug)]
pub(in crate::finding) struct Step {
    pub fact: FactId,
    pub at: Time,
    /// Whose it is: 0 the client's, 1 the server's.
    pub end: usize,
    pub what: What,
}

#[derive(Clone, Copy, Debug)]
pub(in crate::finding) enum What {
    /// A call and its result.
    Called(Call, i32),
    /// A segment without bytes.
    Segment(Header),
    /// One of our own sockets met the end of the stream.
    PeerClosed,
    /// Anything else.
    Other,
}

/// What the header of such a segment says.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::finding) struct Header {
    pub flags: TcpFlags,
    pub seq: u32,
    pub ack: u32,
    /// The MSS, in a SYN.
    pub mss: Option<u16>,
    /// As it stands there, not scaled.
    pub window: u16,
    /// Bytes beyond a hole are acknowledged.
    pub has_sack: bool,
}

/// A socket's last close.
#[derive(Clone, Copy, Debug)]
pub(in crate::finding) struct Closed {
    pub fact: FactId,
    pub at: Time,
    /// The end of the process closed it.
    pub by_exit: bool,
}

pub(super) fn of_flow(timeline: &Timeline<'_>, flow: &Flow) -> Vec<Step> {
    let steps = flow.life.iter().map(|life| {
        let event = timeline.session.event(life.fact);
        Step {
            fact: life.fact,
            at: event.time,
            end: usize::from(life.end.min(1)),
            what: what(timeline, life.fact, event),
        }
    });
    steps.collect()
}

fn what(timeline: &Timeline<'_>, fact: FactId, event: &Event) -> What {
    match event.kind() {
        Kind::Called => What::Called(event.call(), event.result),
        Kind::Packet => of_packet(&dissected(timeline, fact)),
        Kind::PeerClosed => What::PeerClosed,
        _ => What::Other,
    }
}

fn of_packet(packet: &Packet<'_>) -> What {
    match &packet.body {
        Body::Tcp(tcp) => What::Segment(Header {
            flags: tcp.flags,
            seq: tcp.seq,
            ack: tcp.ack,
            mss: tcp.options.mss,
            window: tcp.window,
            has_sack: tcp.options.sack[0] != (0, 0),
        }),
        _ => What::Other,
    }
}

/// What ICMP said found nobody, by the addresses it had been sent from and to.
pub(super) fn unreachable(
    timeline: &Timeline<'_>,
) -> HashMap<(SocketAddr, SocketAddr), Vec<(Time, FactId)>> {
    /// Destination unreachable, port unreachable: RFC 792, and RFC 4443 §3.1.
    const PORT_UNREACHABLE: [(bool, u8, u8); 2] = [(false, 3, 3), (true, 1, 4)];
    let mut told: HashMap<_, Vec<_>> = HashMap::new();
    for fact in &timeline.apart {
        let event = timeline.session.event(*fact);
        if event.kind() != Kind::Packet {
            continue;
        }
        let packet = dissected(timeline, *fact);
        let Body::Icmp { v6, kind, code } = packet.body else {
            continue;
        };
        let Some(quoted) = packet.quoted else {
            continue;
        };
        let (true, Some((source, destination))) =
            (PORT_UNREACHABLE.contains(&(v6, kind, code)), quoted.ports)
        else {
            continue;
        };
        let at = |ip: IpAddr, port| SocketAddr::new(ip.to_canonical(), port);
        let from = at(quoted.net.source, source);
        let to = at(quoted.net.destination, destination);
        told.entry((from, to))
            .or_default()
            .push((event.time, *fact));
    }
    told
}

/// A captured packet, taken apart.
fn dissected<'t>(timeline: &'t Timeline<'_>, fact: FactId) -> Packet<'t> {
    let fact = timeline.session.fact(fact);
    let number = fact.event.conn().number();
    let interface = timeline
        .interfaces
        .iter()
        .find(|each| each.number == number);
    let link_type = interface.map_or(1, |interface| interface.link_type);
    packet::dissect(
        link_type,
        fact.data,
        fact.event.result.max(0).cast_unsigned(),
    )
}

impl Step {
    /// The flags of a segment; none for what is no segment.
    pub(in crate::finding) const fn flags(&self) -> TcpFlags {
        match self.what {
            What::Segment(header) => header.flags,
            _ => TcpFlags(0),
        }
    }

    /// Whether it is this call, and it succeeded.
    pub(in crate::finding) fn did(&self, call: Call) -> bool {
        matches!(self.what, What::Called(which, result) if which == call && result >= 0)
    }
}

impl View<'_> {
    /// The first segment of an end with one of these flags.
    pub(in crate::finding) fn first_flagged(&self, end: usize, flag: u8) -> Option<(Time, FactId)> {
        let mut steps = self.steps.iter();
        let step = steps.find(|step| step.end == end && step.flags().has(flag));
        let mut wire = self.way(end).wire.iter();
        let segment = wire.find(|segment| TcpFlags(segment.flags).has(flag));
        let step = step.map(|step| (step.at, step.fact));
        let segment = segment.map(|segment| (self.time(segment.fact), segment.fact));
        step.into_iter().chain(segment).min()
    }

    /// When an end closed its socket for good: the last process that held it did.
    pub(in crate::finding) fn closed(&self, end: usize) -> Option<Closed> {
        let holders = &self.flow.ends[end].sides;
        let mut open: Vec<u64> = holders
            .iter()
            .filter_map(|side| self.context.timeline.sides.get(*side as usize))
            .map(|side| side.id)
            .collect();
        let mut last = None;
        for step in self
            .steps
            .iter()
            .filter(|step| step.end == end && step.did(Call::Close))
        {
            let fact = self.fact(step.fact);
            if fact.text == "duplicate" {
                continue;
            }
            let conn = fact.event.conn().number();
            open.retain(|side| *side != conn);
            last = Some(Closed {
                fact: step.fact,
                at: step.at,
                by_exit: fact.text == "exit",
            });
        }
        last.filter(|_| open.is_empty())
    }

    /// When an end said that it has written its last byte, without closing.
    pub(in crate::finding) fn shut_down(&self, end: usize) -> Option<&Step> {
        let mut steps = self.steps.iter();
        steps.find(|step| {
            let text = || self.fact(step.fact).text;
            step.end == end
                && step.did(Call::Shutdown)
                && (text().contains("SHUT_WR") || text().contains("SHUT_RDWR"))
        })
    }
}
