//! What there is to see of a run: the values that expectations speak of.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use sockeye_trace::packet::{Body, Packet, TcpFlags, dissect, link_type};
use sockeye_trace::timeline::{Flow, Move, Segment, SegmentNote, Way};
use sockeye_trace::{Address, Fact, FactId, Finding, Kind, Timeline, Transport, Verdict};

use super::check::Told;
use super::note::{Done, Note, Seen};
use super::scenario::Value;
use super::script::Host;
use super::value::{OfLook, OfStep, OfWay, Part, Subject, What};

/// `MSG_PEEK` of recv(2).
const PEEK: u32 = 2;
/// The server's address on the lab's wire.
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
/// Hosts' windows are scaled by at most this (RFC 7323 §2.3).
const SCALE_MAX: u8 = 14;

/// A run, for whoever asks for values.
pub(super) struct Sight<'a> {
    timeline: &'a Timeline<'a>,
    findings: &'a [Finding],
    told: &'a Told,
}

/// One packet of a flow.
struct Passed<'a> {
    id: FactId,
    fact: Fact<'a>,
    packet: Packet<'a>,
    to: Host,
}

impl<'a> Sight<'a> {
    pub(super) fn new(timeline: &'a Timeline<'a>, findings: &'a [Finding], told: &'a Told) -> Self {
        Self {
            timeline,
            findings,
            told,
        }
    }

    /// The value; none where there was nothing to look at.
    pub(super) fn of(&self, subject: &Subject) -> Option<Value> {
        let whole = self.whole(subject)?;
        match subject.part {
            None => Some(whole),
            Some(part) => part_of(&whole, part),
        }
    }

    fn whole(&self, subject: &Subject) -> Option<Value> {
        match &subject.what {
            What::Way(host, of) => self.of_way(self.flow(subject.flow)?, *host, *of),
            What::Packets => {
                let arrow = |passed: &Passed<'_>| match passed.to {
                    Host::Server => format!("> {}", mark(&passed.packet)),
                    Host::Client => format!("< {}", mark(&passed.packet)),
                };
                let packets = self.packets(self.flow(subject.flow)?);
                Some(texts(packets.iter().map(arrow)))
            }
            What::Step(name, of) => self.of_step(name, *of),
            What::Look(name, of) => self.of_look(name, *of),
            What::Counter(host, name) => self.counter(*host, name),
            What::Findings => {
                let mut names: Vec<&str> = vec![];
                for finding in self.findings {
                    if !names.contains(&finding.name) {
                        names.push(finding.name);
                    }
                }
                Some(texts(names.into_iter().map(str::to_owned)))
            }
            What::Flows => Some(number(self.timeline.flows.len())),
        }
    }

    fn flow(&self, number: usize) -> Option<&'a Flow> {
        self.timeline.flows.get(number.checked_sub(1)?)
    }

    /// The end that is the server's host: who the lab says it is, whoever spoke first.
    fn server_end(&self, flow: &Flow) -> usize {
        let is_server = |end: usize| {
            let role = self.timeline.process_at(flow, end as u8);
            match role.map(|process| &*process.role) {
                Some("server") => true,
                Some("client") => false,
                _ => socket(&flow.ends[end].address).is_some_and(|at| at.ip() == SERVER),
            }
        };
        usize::from(!is_server(0) || is_server(1))
    }

    fn of_way(&self, flow: &'a Flow, to: Host, of: OfWay) -> Option<Value> {
        let server = self.server_end(flow);
        // ways[0] goes to ends[1].
        let way = match to {
            Host::Server => &flow.ways[1 - server],
            Host::Client => &flow.ways[server],
        };
        let is_stream = flow.transport == Transport::Tcp;
        let packets = || {
            let all = self.packets(flow).into_iter();
            all.filter(move |passed| passed.to == to)
        };
        Some(match of {
            OfWay::Writes => self.moved(&way.writes, is_stream),
            OfWay::Reads => self.moved(&way.reads, is_stream),
            OfWay::Wire => wire(way, is_stream),
            OfWay::Packets => texts(packets().map(|passed| mark(&passed.packet))),
            OfWay::Retransmissions => number(again(way) + again_bare(way, packets())),
            OfWay::Fragments => number(
                packets()
                    .filter(|passed| is_fragment(&passed.packet))
                    .count(),
            ),
            OfWay::Dropped => {
                let lost = |passed: &Passed<'_>| {
                    Verdict::of(passed.fact.text).is_some_and(Verdict::is_lost)
                };
                number(packets().filter(lost).count())
            }
            OfWay::Verdicts => {
                let told = packets().filter(|passed| !passed.fact.text.is_empty());
                texts(told.map(|passed| passed.fact.text.to_owned()))
            }
            OfWay::Windows => self.windows(flow, to),
            OfWay::Mss => {
                let mut syns = packets().filter_map(|passed| match passed.packet.body {
                    Body::Tcp(tcp) if tcp.flags.has(TcpFlags::SYN) => Some(tcp.options.mss),
                    _ => None,
                });
                number(syns.next()?.unwrap_or(0).into())
            }
        })
    }

    fn moved(&self, calls: &[Move], is_stream: bool) -> Value {
        let facts = calls.iter().map(|call| self.timeline.fact(call.fact));
        let moved = facts.filter(|fact| {
            let some = fact.event.result > 0 || !is_stream && fact.event.result == 0;
            some && fact.flags & PEEK == 0
        });
        numbers(moved.map(|fact| fact.event.result.into()))
    }

    /// The packets of a flow, and the errors of ICMP that speak of it, in the order of time.
    fn packets(&self, flow: &Flow) -> Vec<Passed<'a>> {
        let server = self.server_end(flow);
        let other = |end: usize| {
            if end == server {
                Host::Client
            } else {
                Host::Server
            }
        };
        let mut found: Vec<(FactId, Host)> = vec![];
        for (way, lanes) in flow.ways.iter().enumerate() {
            found.extend(lanes.wire.iter().map(|segment| (segment.fact, other(way))));
        }
        let life = flow.life.iter();
        found.extend(life.map(|life| (life.fact, other(life.end.into()))));
        let mut packets: Vec<Passed<'_>> = found
            .into_iter()
            .filter_map(|(id, to)| self.packet(id, to))
            .collect();
        packets.extend(self.errors(flow, server));
        packets.sort_by_key(|passed| passed.id);
        packets.dedup_by_key(|passed| passed.id);
        packets
    }

    /// Errors of ICMP that quote a packet of this flow; they go to whoever sent it.
    fn errors(&self, flow: &Flow, server: usize) -> Vec<Passed<'a>> {
        let ends = [0, 1].map(|end: usize| socket(&flow.ends[end].address));
        let apart = self.timeline.apart.iter();
        let mut errors = vec![];
        for passed in apart.filter_map(|id| self.packet(*id, Host::Client)) {
            let Some(quoted) = passed.packet.quoted else {
                continue;
            };
            let Some((source, destination)) = quoted.ports else {
                continue;
            };
            let from = Some((quoted.net.source, source).into());
            let to = Some((quoted.net.destination, destination).into());
            let Some(sender) = (0..2).find(|end| ends[*end] == from && ends[1 - end] == to) else {
                continue;
            };
            let to = if sender == server {
                Host::Server
            } else {
                Host::Client
            };
            errors.push(Passed { to, ..passed });
        }
        errors
    }

    fn packet(&self, id: FactId, to: Host) -> Option<Passed<'a>> {
        let fact = self.timeline.session.fact(id);
        if fact.kind() != Kind::Packet {
            return None;
        }
        let number = fact.event.conn().number();
        let mut interfaces = self.timeline.interfaces.iter();
        let interface = interfaces.find(|interface| interface.number == number);
        let link = interface.map_or(link_type::ETHERNET, |interface| interface.link_type);
        let length = u32::try_from(fact.event.result).unwrap_or(0);
        let packet = dissect(link, fact.data, length);
        Some(Passed {
            id,
            fact,
            packet,
            to,
        })
    }

    /// What the packets of a way announce: bytes that their sender would take (RFC 7323 §2.2).
    fn windows(&self, flow: &Flow, to: Host) -> Value {
        let packets = self.packets(flow);
        let scale_of = |host: Host| {
            packets.iter().find_map(|passed| match passed.packet.body {
                Body::Tcp(tcp) if passed.to == host && tcp.flags.has(TcpFlags::SYN) => {
                    tcp.options.scale
                }
                _ => None,
            })
        };
        let both = (scale_of(Host::Client), scale_of(Host::Server));
        let scale = match (both, to) {
            ((Some(scale), Some(_)), Host::Client) | ((Some(_), Some(scale)), Host::Server) => {
                scale.min(SCALE_MAX)
            }
            _ => 0,
        };
        let own = packets.iter().filter(|passed| passed.to == to);
        numbers(own.filter_map(|passed| match passed.packet.body {
            Body::Tcp(tcp) if tcp.flags.has(TcpFlags::RST) => None,
            Body::Tcp(tcp) if tcp.flags.has(TcpFlags::SYN) => Some(tcp.window.into()),
            Body::Tcp(tcp) => Some(i64::from(tcp.window) << scale),
            _ => None,
        }))
    }

    fn of_step(&self, name: &str, of: OfStep) -> Option<Value> {
        let done = self.told.notes.iter().find_map(|note| match note {
            Note::Step {
                name: own, done, ..
            } if own == name => Some(done),
            _ => None,
        })?;
        let text = |text: &String| Value::Text(text.clone());
        let all = |of: fn(&Done) -> &String| texts(done.iter().map(|done| of(done).clone()));
        Some(match of {
            OfStep::Result => Value::Number(done.first()?.result),
            OfStep::Errno => text(&done.first()?.errno),
            OfStep::Data => text(&done.first()?.data),
            OfStep::Call => text(&done.first()?.call),
            OfStep::Results => numbers(done.iter().map(|done| done.result)),
            OfStep::Errnos => all(|done| &done.errno),
            OfStep::Datas => all(|done| &done.data),
            OfStep::Calls => all(|done| &done.call),
        })
    }

    fn of_look(&self, name: &str, of: OfLook) -> Option<Value> {
        let sockets = self.told.notes.iter().find_map(|note| match note {
            Note::Look {
                name: own, sockets, ..
            } if own == name => Some(sockets),
            _ => None,
        })?;
        let of_each = |of: fn(&Seen) -> i64| numbers(sockets.iter().map(of));
        Some(match of {
            OfLook::Count => number(sockets.len()),
            OfLook::States => texts(sockets.iter().map(|seen| seen.state.clone())),
            OfLook::Timers => texts(sockets.iter().map(|seen| seen.timer.clone())),
            OfLook::Ports => of_each(|seen| seen.port.into()),
            OfLook::Peers => of_each(|seen| seen.peer.into()),
            OfLook::Unread => of_each(|seen| seen.unread.into()),
            OfLook::Unacked => of_each(|seen| seen.unacked.into()),
            OfLook::TimerMs => of_each(|seen| seen.timer_ms.into()),
            OfLook::Orphans => of_each(|seen| seen.orphan.into()),
        })
    }

    /// By how much a counter grew: by nothing, where others were told of and not this one.
    fn counter(&self, host: Host, name: &str) -> Option<Value> {
        self.told.notes.iter().find_map(|note| match note {
            Note::Counters { host: own, grown } if *own == host => {
                Some(Value::Number(grown.get(name).copied().unwrap_or(0)))
            }
            _ => None,
        })
    }
}

/// What segments carry; of datagrams, empty ones too.
fn wire(way: &Way, is_stream: bool) -> Value {
    let length = |segment: &Segment| (segment.bytes.end - segment.bytes.start) as i64;
    let carried = way.wire.iter().filter(|segment| {
        segment.note != SegmentNote::Inferred && (!is_stream || !segment.bytes.is_empty())
    });
    numbers(carried.map(length))
}

/// How many segments carry what was carried before.
fn again(way: &Way) -> usize {
    let again = [
        SegmentNote::Retransmission,
        SegmentNote::PartlyRetransmitted,
    ];
    let segments = way.wire.iter();
    segments
        .filter(|segment| again.contains(&segment.note))
        .count()
}

/// How many packets without bytes are a SYN or FIN that was there before.
fn again_bare<'a>(way: &Way, packets: impl Iterator<Item = Passed<'a>>) -> usize {
    let mut seen: Vec<(u32, u8)> = vec![];
    let mut count = 0;
    for passed in packets {
        let Body::Tcp(tcp) = passed.packet.body else {
            continue;
        };
        let sign = tcp.flags.0 & (TcpFlags::SYN | TcpFlags::FIN);
        let in_lane = way.wire.iter().any(|segment| segment.fact == passed.id);
        // A FIN stands behind the bytes of its segment.
        let key = (tcp.seq.wrapping_add(passed.packet.payload_len), sign);
        if sign == 0 {
            continue;
        }
        if seen.contains(&key) && !in_lane {
            count += 1;
        }
        seen.push(key);
    }
    count
}

fn is_fragment(packet: &Packet<'_>) -> bool {
    packet.net.is_some_and(|net| net.fragment.is_some())
}

/// The letters of flags, in the order of tcpdump(8).
const LETTERS: [(u8, char); 8] = [
    (TcpFlags::FIN, 'F'),
    (TcpFlags::SYN, 'S'),
    (TcpFlags::RST, 'R'),
    (TcpFlags::PSH, 'P'),
    (TcpFlags::ACK, 'A'),
    (TcpFlags::URG, 'U'),
    (TcpFlags::ECE, 'E'),
    (TcpFlags::CWR, 'W'),
];

/// A packet in a word: its flags, or what it is.
fn mark(packet: &Packet<'_>) -> String {
    match &packet.body {
        Body::Tcp(tcp) => {
            let set = LETTERS.iter().filter(|(flag, _)| tcp.flags.has(*flag));
            set.map(|(_, letter)| *letter).collect()
        }
        _ if is_fragment(packet) => "frag".into(),
        Body::Udp(_) => "udp".into(),
        Body::Icmp { .. } => "icmp".into(),
        _ => "other".into(),
    }
}

fn socket(address: &Address) -> Option<SocketAddr> {
    match address {
        Address::Ip(address) => Some(*address),
        _ => None,
    }
}

fn part_of(whole: &Value, part: Part) -> Option<Value> {
    let Value::List(items) = whole else {
        return None;
    };
    let all = items.iter().filter_map(|item| match item {
        Value::Number(number) => Some(*number),
        _ => None,
    });
    match part {
        Part::Count => Some(number(items.len())),
        Part::Sum => Some(Value::Number(all.sum())),
        Part::Min => all.min().map(Value::Number),
        Part::Max => all.max().map(Value::Number),
        Part::First => items.first().cloned(),
        Part::Last => items.last().cloned(),
    }
}

fn number(count: usize) -> Value {
    Value::Number(i64::try_from(count).unwrap_or(i64::MAX))
}

fn numbers(all: impl Iterator<Item = i64>) -> Value {
    Value::List(all.map(Value::Number).collect())
}

fn texts(all: impl Iterator<Item = String>) -> Value {
    Value::List(all.map(Value::Text).collect())
}
