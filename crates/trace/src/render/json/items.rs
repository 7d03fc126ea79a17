//! What happened, entry by entry.

use std::collections::HashMap;

use super::{ENDS, Line, WAYS, told};
use crate::packet::{Body, TcpFlags, dissect};
use crate::timeline::{Flow, Move, SegmentNote};
use crate::{Call, Fact, FactId, Finding, Gauge, Kind, Side, TcpState, Time, Timeline};

/// Something that gets a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Entry {
    /// A flow begins: its index.
    Flow(u32),
    /// A write: flow, way, index.
    Write(u32, u8, u32),
    /// A segment: the same.
    Segment(u32, u8, u32),
    /// A read: the same.
    Read(u32, u8, u32),
    /// A call or a packet without bytes: flow, index.
    Life(u32, u32),
    /// Buffers: flow, index.
    Gauge(u32, u32),
    /// What no flow claims.
    Apart(FactId),
    /// A finding: its index.
    Finding(u32),
}

/// Every entry with its time, in the order of time; what happened at one time in the order of
/// [`Entry`].
pub(super) fn in_order(timeline: &Timeline<'_>, findings: &[Finding]) -> Vec<(Time, Entry)> {
    let time = |fact: FactId| timeline.session.event(fact).time;
    let mut all = Vec::with_capacity(timeline.session.len());
    for (number, flow) in (0..).zip(&timeline.flows) {
        all.push((flow.span.start, Entry::Flow(number)));
        for (way, lanes) in (0..).zip(&flow.ways) {
            let writes = (0..).zip(&lanes.writes);
            all.extend(writes.map(|(at, call)| (time(call.fact), Entry::Write(number, way, at))));
            let wire = (0..).zip(&lanes.wire);
            all.extend(wire.map(|(at, one)| (time(one.fact), Entry::Segment(number, way, at))));
            let reads = (0..).zip(&lanes.reads);
            all.extend(reads.map(|(at, call)| (time(call.fact), Entry::Read(number, way, at))));
        }
        let life = (0..).zip(&flow.life);
        all.extend(life.map(|(at, life)| (time(life.fact), Entry::Life(number, at))));
        let gauges = (0..).zip(&flow.gauges);
        all.extend(gauges.map(|(at, gauge)| (time(gauge.fact), Entry::Gauge(number, at))));
    }
    all.extend(
        timeline
            .apart
            .iter()
            .map(|fact| (time(*fact), Entry::Apart(*fact))),
    );
    let span = timeline.session.span().unwrap_or_default();
    let found = (0..).zip(findings);
    all.extend(found.map(|(at, finding)| {
        let time = finding.at.clamp(span.start, span.end);
        (time, Entry::Finding(at))
    }));
    all.sort_unstable();
    all
}

/// The sides of a session by their numbers.
pub(super) type Sides<'t> = HashMap<u64, &'t Side>;

/// The line of an entry that happened; flows and findings have lines of their own.
pub(super) fn line(timeline: &Timeline<'_>, sides: &Sides<'_>, time: Time, entry: Entry) -> Line {
    let flow = |number: u32| &timeline.flows[number as usize];
    match entry {
        Entry::Write(number, way, at) => {
            let flow = flow(number);
            let call = &flow.ways[usize::from(way)].writes[at as usize];
            moved(timeline, sides, flow, way, call, false)
        }
        Entry::Read(number, way, at) => {
            let flow = flow(number);
            let call = &flow.ways[usize::from(way)].reads[at as usize];
            moved(timeline, sides, flow, way, call, true)
        }
        Entry::Segment(number, way, at) => segment(timeline, flow(number), way, at, time),
        Entry::Life(number, at) => {
            let flow = flow(number);
            let life = flow.life[at as usize];
            life_of(timeline, sides, Some((flow, life.end)), life.fact)
        }
        Entry::Gauge(number, at) => {
            let flow = flow(number);
            gauge(timeline, flow, at, time)
        }
        Entry::Apart(fact) => life_of(timeline, sides, None, fact),
        Entry::Flow(_) | Entry::Finding(_) => Line::new(time, "other"),
    }
}

fn caller(line: &mut Line, side: Option<&Side>, fact: &Fact<'_>) {
    if let Some(side) = side {
        if side.pid != 0 {
            line.number("pid", side.pid.into());
        }
        if side.fd >= 0 {
            line.raw("fd", side.fd);
        }
    }
    if fact.thread != 0 {
        line.number("thread", fact.thread.into());
    }
}

fn state(line: &mut Line, fact: &Fact<'_>) {
    if fact.state != TcpState::Unknown {
        line.put("state", fact.state.name());
    }
}

fn moved(
    timeline: &Timeline<'_>,
    sides: &Sides<'_>,
    flow: &Flow,
    way: u8,
    call: &Move,
    reads: bool,
) -> Line {
    let fact = timeline.session.fact(call.fact);
    let name = if reads { "app_read" } else { "app_write" };
    let mut line = Line::new(fact.event.time, name);
    line.number("flow", flow.number.into())
        .put("way", WAYS[usize::from(way)]);
    line.put(
        "call",
        match fact.call() {
            Call::Untold if reads => "read",
            Call::Untold => "write",
            call => call.name(),
        },
    );
    let conn = fact.event.conn().number();
    caller(&mut line, sides.get(&conn).copied(), &fact);
    let is_stream = flow.transport.is_stream();
    if is_stream {
        line.number("off_bytes", call.bytes.start);
    }
    match u64::try_from(fact.event.result) {
        Ok(bytes) => line.number("len_bytes", bytes),
        Err(_) => line.errno(fact.event.result.saturating_neg()),
    };
    line.number("asked_bytes", fact.event.asked.into())
        .number("took_ns", fact.event.took_ns.into());
    let lanes = &flow.ways[usize::from(way)];
    if !is_stream {
        line.number("datagram", u64::from(call.datagram) + 1);
    } else if !call.bytes.is_empty()
        && let Some(message) = lanes.message_at(call.bytes.start)
    {
        line.number("message", message as u64 + 1);
    }
    if fact.flags != 0 {
        line.number("flags", fact.flags.into());
    }
    state(&mut line, &fact);
    if !fact.data.is_empty() {
        line.data(fact.data)
            .put_some("text", std::str::from_utf8(fact.data).ok());
    }
    line
}

fn segment(timeline: &Timeline<'_>, flow: &Flow, way: u8, at: u32, time: Time) -> Line {
    let segment = &flow.ways[usize::from(way)].wire[at as usize];
    let mut line = Line::new(time, "segment");
    line.number("flow", flow.number.into())
        .put("way", WAYS[usize::from(way)])
        .number("off_bytes", segment.bytes.start)
        .number("len_bytes", segment.bytes.end - segment.bytes.start)
        .put_some("note", note(segment.note));
    let is_stream = flow.transport.is_stream();
    if is_stream && segment.note != SegmentNote::Inferred {
        line.put("tcp_flags", &flags(TcpFlags(segment.flags)));
        line.number("window_bytes", segment.window.into());
    }
    if segment.piece.1 > 1 {
        line.number("piece", u64::from(segment.piece.0) + 1)
            .number("pieces", segment.piece.1.into());
    }
    if !is_stream {
        line.number("datagram", u64::from(segment.datagram) + 1);
    }
    verdict(&mut line, &timeline.session.fact(segment.fact));
    line
}

/// What was done to a packet on its way.
fn verdict(line: &mut Line, fact: &Fact<'_>) {
    if let Some(verdict) = fact.verdict() {
        line.put("verdict", verdict.as_str())
            .raw("lost", verdict.is_lost());
    }
}

fn note(note: SegmentNote) -> Option<&'static str> {
    Some(match note {
        SegmentNote::New => return None,
        SegmentNote::Retransmission => "retransmission",
        SegmentNote::PartlyRetransmitted => "partly-retransmitted",
        SegmentNote::OutOfOrder => "out-of-order",
        SegmentNote::Fragment => "fragment",
        SegmentNote::Inferred => "inferred",
        SegmentNote::KeepAlive => "keep-alive",
        SegmentNote::WindowProbe => "window-probe",
    })
}

/// The names of flags, in the order in which people say them.
fn flags(flags: TcpFlags) -> String {
    let names = [
        (TcpFlags::SYN, "SYN"),
        (TcpFlags::FIN, "FIN"),
        (TcpFlags::RST, "RST"),
        (TcpFlags::PSH, "PSH"),
        (TcpFlags::ACK, "ACK"),
        (TcpFlags::URG, "URG"),
        (TcpFlags::ECE, "ECE"),
        (TcpFlags::CWR, "CWR"),
    ];
    let set: Vec<&str> = names
        .iter()
        .filter(|(bit, _)| flags.has(*bit))
        .map(|(_, name)| *name)
        .collect();
    set.join(",")
}

fn life_of(
    timeline: &Timeline<'_>,
    sides: &Sides<'_>,
    flow: Option<(&Flow, u8)>,
    id: FactId,
) -> Line {
    let fact = timeline.session.fact(id);
    if fact.kind() == Kind::Packet {
        return packet(timeline, flow, &fact);
    }
    let mut line = Line::new(fact.event.time, "called");
    if let Some((flow, end)) = flow {
        line.number("flow", flow.number.into())
            .put("end", ENDS[usize::from(end)]);
    }
    let kind = format!("{:?}", fact.kind()).to_lowercase();
    line.put(
        "call",
        match (fact.kind(), fact.call()) {
            (_, Call::Untold) => &kind,
            (_, call) => call.name(),
        },
    );
    let conn = fact.event.conn().number();
    caller(&mut line, sides.get(&conn).copied(), &fact);
    match u64::try_from(fact.event.result) {
        Ok(result) => line.number("result", result),
        Err(_) => line.errno(fact.event.result.saturating_neg()),
    };
    line.put_some("arguments", told(fact.text))
        .number("took_ns", fact.event.took_ns.into());
    state(&mut line, &fact);
    line
}

fn packet(timeline: &Timeline<'_>, flow: Option<(&Flow, u8)>, fact: &Fact<'_>) -> Line {
    let number = fact.event.conn().number();
    let mut interfaces = timeline.interfaces.iter();
    let interface = interfaces.find(|interface| interface.number == number);
    let link = interface.map_or(1, |interface| interface.link_type);
    let packet = dissect(link, fact.data, fact.event.result.unsigned_abs());
    let mut line = Line::new(fact.event.time, "packet");
    if let Some((flow, end)) = flow {
        line.number("flow", flow.number.into())
            .put("way", WAYS[usize::from(end)]);
    }
    line.number("original_bytes", packet.original_len.into());
    match interface {
        Some(interface) => line.put("interface", &interface.name),
        None => line.put("interface", &number.to_string()),
    };
    let protocol = match &packet.body {
        Body::Tcp(_) => "tcp",
        Body::Udp(_) => "udp",
        Body::Fragment => "fragment",
        Body::Icmp { v6: false, .. } => "icmp",
        Body::Icmp { .. } => "icmpv6",
        Body::Igmp { .. } => "igmp",
        Body::Arp { .. } => "arp",
        Body::Damaged(_) => "damaged",
        _ => "other",
    };
    line.put("protocol", protocol);
    if let Body::Tcp(tcp) = &packet.body {
        line.put("tcp_flags", &flags(tcp.flags))
            .number("seq", tcp.seq.into())
            .number("ack", tcp.ack.into());
    }
    verdict(&mut line, fact);
    line
}

fn gauge(timeline: &Timeline<'_>, flow: &Flow, at: u32, time: Time) -> Line {
    let life = flow.gauges[at as usize];
    let gauge = Gauge::from_payload(timeline.session.fact(life.fact).data).unwrap_or_default();
    let mut line = Line::new(time, "gauge");
    line.number("flow", flow.number.into())
        .put("end", ENDS[usize::from(life.end)]);
    for (name, value) in [
        ("unread_bytes", gauge.unread),
        ("unsent_bytes", gauge.unsent),
        ("unacked_bytes", gauge.unacked),
        ("send_memory_bytes", gauge.send_memory),
        ("send_limit_bytes", gauge.send_limit),
        ("recv_memory_bytes", gauge.recv_memory),
        ("recv_limit_bytes", gauge.recv_limit),
    ] {
        line.number(name, value.into());
    }
    line
}
