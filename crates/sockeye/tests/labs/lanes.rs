//! A run lane by lane, without what depends on the moment: how lanes interleave, acknowledgements that
//! carry nothing, and numbers that the scenario does not promise.

use std::fmt::Write as _;

use sockeye_observe::lab::{Note, Run, Scenario, Told};
use sockeye_trace::packet::TcpFlags;
use sockeye_trace::timeline::{Flow, Move, SegmentNote};
use sockeye_trace::{FactId, Kind, Lang, Time, Timeline, Transport, errno_name};

use crate::page::tests;

/// Conversations that are told lane by lane.
const FLOWS: usize = 2;

/// The lanes of the first conversations, a line each.
pub(crate) fn lanes(scenario: &Scenario, run: Run, timeline: &Timeline<'_>, lang: Lang) -> String {
    let until = end_of_script(timeline);
    let mut text = String::new();
    for flow in timeline.flows.iter().take(FLOWS) {
        let lanes = Lanes {
            scenario,
            run,
            timeline,
            flow,
            until,
        };
        let names = [
            lang.pick("client", "客户端"),
            lang.pick("wire →", "线路 →"),
            lang.pick("wire ←", "线路 ←"),
            lang.pick("server", "服务器"),
        ];
        let items = [lanes.calls(0), lanes.wire(0), lanes.wire(1), lanes.calls(1)];
        if items.iter().all(Vec::is_empty) {
            continue;
        }
        if flow.number > 1 {
            text.push('\n');
        }
        for (name, items) in names
            .iter()
            .zip(items)
            .filter(|(_, items)| !items.is_empty())
        {
            let _ = writeln!(text, "{name}: {}", items.join(" · "));
        }
    }
    text
}

/// When the last step had ended: what comes after it is the end of the lab.
fn end_of_script(timeline: &Timeline<'_>) -> Time {
    let session = timeline.session;
    let steps = session.facts().filter(|(_, fact)| {
        fact.kind() == Kind::Note
            && matches!(serde_json::from_str(fact.text), Ok(Note::Step { .. }))
    });
    let last = steps.map(|(_, fact)| fact.event.time).max();
    assert!(
        Told::of(session).stuck.is_none(),
        "only whole runs have pages"
    );
    last.unwrap_or_default()
}

struct Lanes<'a> {
    scenario: &'a Scenario,
    run: Run,
    timeline: &'a Timeline<'a>,
    flow: &'a Flow,
    until: Time,
}

impl Lanes<'_> {
    /// Whether the scenario promises every number of this lane.
    fn is_promised(&self, way: usize, lane: &str) -> bool {
        let to = if way == 0 { "to-server" } else { "to-client" };
        let value = match self.flow.number {
            1 => format!("{to}.{lane}"),
            number => format!("flow{number}.{to}.{lane}"),
        };
        let expects = self
            .scenario
            .expects
            .iter()
            .filter(|expect| expect.value == value);
        expects
            .flat_map(|expect| tests(expect, self.run))
            .any(|test| test.is.is_some())
    }

    /// The calls of one end, in their order.
    fn calls(&self, end: usize) -> Vec<String> {
        let mut calls: Vec<(Time, FactId, Option<u64>)> = vec![];
        let life = self
            .flow
            .life
            .iter()
            .filter(|life| usize::from(life.end) == end);
        calls.extend(life.map(|life| (self.began(life.fact), life.fact, None)));
        let mut moves = |moves: &[Move], promised: bool| {
            for call in moves {
                let moved = u64::try_from(self.timeline.session.event(call.fact).result).ok();
                let shown = moved.filter(|_| promised);
                calls.push((self.began(call.fact), call.fact, shown));
            }
        };
        moves(&self.flow.ways[end].writes, self.is_promised(end, "writes"));
        moves(
            &self.flow.ways[1 - end].reads,
            self.is_promised(1 - end, "reads"),
        );
        calls.sort();
        let items = calls.into_iter().filter_map(|(_, id, moved)| {
            let event = self.timeline.session.event(id);
            let is_call = matches!(event.kind(), Kind::Called | Kind::Read | Kind::Write);
            if !is_call || event.time > self.until {
                return None;
            }
            let name = event.call().name();
            Some(match moved {
                _ if event.result < 0 => format!("{name} {}", errno_name(-event.result)),
                Some(bytes) => format!("{name} {bytes}"),
                None => name.to_owned(),
            })
        });
        collapse(items)
    }

    fn began(&self, fact: FactId) -> Time {
        self.timeline.session.event(fact).began()
    }

    /// What one way of the wire carried: bytes, and flags that begin or end something.
    fn wire(&self, way: usize) -> Vec<String> {
        let promised = self.is_promised(way, "wire");
        let mut items: Vec<(FactId, u8, String)> = vec![];
        let is_stream = self.flow.transport == Transport::Tcp;
        for segment in &self.flow.ways[way].wire {
            let length = segment.bytes.end - segment.bytes.start;
            if length == 0 && is_stream || segment.note == SegmentNote::Inferred {
                continue;
            }
            let item = if promised {
                length.to_string()
            } else {
                word(segment.note, is_stream).to_owned()
            };
            items.push((segment.fact, 0, item));
            // Whether the last bytes take the FIN along is a race.
            if segment.flags & TcpFlags::FIN != 0 {
                items.push((segment.fact, 1, "FIN".to_owned()));
            }
        }
        let life = self
            .flow
            .life
            .iter()
            .filter(|life| usize::from(life.end) == way);
        for life in life {
            if let Some(flags) = self.flags(life.fact) {
                items.push((life.fact, 0, flags));
            }
        }
        items.sort();
        let in_time = |(id, _, item): (FactId, u8, String)| {
            (self.timeline.session.event(id).time <= self.until).then_some(item)
        };
        collapse(items.into_iter().filter_map(in_time))
    }

    /// The flags of a packet that begins or ends something.
    fn flags(&self, id: FactId) -> Option<String> {
        let fact = self.timeline.session.fact(id);
        if fact.kind() != Kind::Packet {
            return None;
        }
        let packet = sockeye_trace::packet::dissect(1, fact.data, fact.event.result.unsigned_abs());
        let sockeye_trace::packet::Body::Tcp(tcp) = packet.body else {
            return None;
        };
        let names = [
            (TcpFlags::SYN, "SYN"),
            (TcpFlags::FIN, "FIN"),
            (TcpFlags::RST, "RST"),
        ];
        let mut names = names.into_iter().filter(|(flag, _)| tcp.flags.has(*flag));
        let (flag, name) = names.next()?;
        let answers = flag == TcpFlags::SYN && tcp.flags.has(TcpFlags::ACK);
        Some(if answers { "SYN·ACK" } else { name }.to_owned())
    }
}

const fn word(note: SegmentNote, is_stream: bool) -> &'static str {
    match note {
        SegmentNote::Fragment => "fragment",
        _ if is_stream => "data",
        _ => "datagram",
    }
}

/// Equal neighbours once; how many there were is told of numbers, which are promised.
fn collapse(items: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept: Vec<(String, usize)> = vec![];
    for item in items {
        match kept.last_mut() {
            Some((last, count)) if *last == item => *count += 1,
            _ => kept.push((item, 1)),
        }
    }
    let show = |(item, count): (String, usize)| {
        let is_number = item.ends_with(|c: char| c.is_ascii_digit());
        if count > 1 && is_number {
            format!("{item} × {count}")
        } else {
            item
        }
    };
    kept.into_iter().map(show).collect()
}
