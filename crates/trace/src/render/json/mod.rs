//! JSON Lines of a timeline: one object for each thing that happened. The schema is docs/events.md.

mod items;
mod line;

use std::io::{self, Write};

pub use line::Line;

use crate::timeline::{Flow, Way};
use crate::{Finding, Kind, Time, Timeline, Weight, WireSource};
use items::Entry;

/// The names of the two ways.
const WAYS: [&str; 2] = ["to_server", "to_client"];
/// The names of the two ends.
const ENDS: [&str; 2] = ["client", "server"];

/// Writes the timeline as JSON Lines, in the order of time.
///
/// - **Output:** the same bytes for the same session, on every machine.
pub fn write(timeline: &Timeline<'_>, findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    let span = timeline.session.span().unwrap_or_default();
    let mut put = |line: &Line| out.write_all(line.finish().as_bytes());
    put(&recorded(timeline, span.start))?;
    for process in &timeline.processes {
        let mut line = Line::new(span.start, "program");
        line.number("pid", process.pid.into());
        if process.parent != 0 {
            line.number("parent", process.parent.into());
        }
        line.put_some("role", told(&process.role))
            .put("program", &process.name)
            .list("command", &process.command)
            .put_some("ended", told(&process.ended));
        put(&line)?;
    }
    let sides = timeline.sides.iter().map(|side| (side.id, side)).collect();
    for (time, entry) in items::in_order(timeline, findings) {
        put(&match entry {
            Entry::Flow(flow) => describe(timeline, &timeline.flows[flow as usize]),
            Entry::Finding(index) => found(&findings[index as usize], timeline, time),
            entry => items::line(timeline, &sides, time, entry),
        })?;
    }
    for gap in &timeline.gaps {
        let mut line = Line::new(span.end, "gap");
        line.put("what", &gap.what);
        if gap.count > 0 {
            line.number("count", gap.count);
        }
        if gap.pid > 0 {
            line.number("pid", gap.pid.into());
        }
        line.put_some("detail", told(&gap.detail));
        put(&line)?;
    }
    put(&observed(timeline, span.end))
}

/// A text, unless it is empty.
fn told(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn recorded(timeline: &Timeline<'_>, at: Time) -> Line {
    let head = timeline.head();
    let wire = match head.wire {
        WireSource::None => "none",
        WireSource::Captured => "captured",
        WireSource::Inferred => "inferred",
    };
    let mut line = Line::new(at, "recorded");
    line.put("verb", &head.verb)
        .list("command", &head.command)
        .put("host", &head.host)
        .put("wire", wire)
        .put_some("wire_note", told(&head.wire_note))
        .number("payload_cap_bytes", head.payload_cap)
        .put_some("frame", told(&head.frame));
    if timeline.session.is_cut() {
        line.raw("cut", true);
    }
    line
}

fn describe(timeline: &Timeline<'_>, flow: &Flow) -> Line {
    let mut line = Line::new(flow.span.start, "flow");
    line.number("flow", flow.number.into())
        .put("transport", flow.transport.name());
    let names = [("client", "client_pids"), ("server", "server_pids")];
    for (end, (address, _)) in flow.ends.iter().zip(names) {
        line.put_some(address, told(&end.address.to_string()));
    }
    for (end, (_, pids)) in flow.ends.iter().zip(names) {
        let mut all: Vec<u32> = end
            .sides
            .iter()
            .filter_map(|side| timeline.sides.get(*side as usize))
            .map(|side| side.pid)
            .filter(|pid| *pid != 0)
            .collect();
        all.sort_unstable();
        all.dedup();
        if !all.is_empty() {
            line.raw(pids, serde_json::Value::from(all));
        }
    }
    for (way, name) in flow.ways.iter().zip(WAYS) {
        line.raw(name, totals(way));
    }
    line
}

fn totals(way: &Way) -> String {
    let Way {
        written,
        carried,
        read,
        joined,
        ..
    } = way;
    let [writes, segments, reads] = [way.writes.len(), way.wire.len(), way.reads.len()];
    format!(
        "{{\"writes\":{writes},\"written_bytes\":{written},\"segments\":{segments},\
         \"carried_bytes\":{carried},\"reads\":{reads},\"read_bytes\":{read},\"joined\":{joined}}}"
    )
}

fn found(finding: &Finding, timeline: &Timeline<'_>, at: Time) -> Line {
    let weight = match finding.weight {
        Weight::Note => "note",
        Weight::Notice => "notice",
        Weight::Trouble => "trouble",
    };
    let mut line = Line::new(at, "finding");
    line.put("finding", finding.name).put("weight", weight);
    let flow = finding
        .flow
        .and_then(|flow| timeline.flows.get(flow as usize));
    if let Some(flow) = flow {
        line.number("flow", flow.number.into());
    }
    if let Some(way) = finding.way {
        line.put("way", WAYS[usize::from(way)]);
    }
    if !finding.bytes.is_empty() {
        line.number("off_bytes", finding.bytes.start)
            .number("len_bytes", finding.bytes.end - finding.bytes.start);
    }
    line.number("count", finding.count.into())
        .put("sentence", &finding.sentence[0])
        .put("sentence_zh", &finding.sentence[1]);
    line
}

fn observed(timeline: &Timeline<'_>, at: Time) -> Line {
    let (mut stops, mut spent) = (0, 0);
    for (_, fact) in timeline.session.facts() {
        if fact.kind() == Kind::Cost {
            stops += fact.event.offset;
            spent += fact.event.offset * u64::from(fact.event.asked);
        }
    }
    let mut line = Line::new(at, "observed");
    line.number("facts", timeline.session.len() as u64);
    if let Some(each) = u64::checked_div(spent, stops) {
        line.number("stops", stops).number("stop_ns", each);
    }
    let dropped = timeline.interfaces.iter().map(|one| one.dropped).sum();
    line.number("dropped_packets", dropped)
        .number("lost_facts", timeline.session.lost());
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::TcpFlags;
    use crate::sample::{CLIENT, SERVER, Script};
    use crate::{Session, finding};

    fn lines(session: &Session) -> String {
        let timeline = Timeline::build(session);
        let findings = finding::find(&timeline);
        let mut out = vec![];
        write(&timeline, &findings, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn sample() -> Session {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        script.write(tcp, CLIENT, b"hello");
        script.write(tcp, CLIENT, b"\xff");
        script.super_segment(tcp, CLIENT, 0..6, 4);
        script.read(tcp, SERVER, 1024, 6);
        script.fail(tcp, SERVER, Kind::Read, 1024, 104);
        let udp = script.udp();
        script.write(udp, CLIENT, b"question");
        script.datagram(udp, CLIENT, b"question");
        script.receive(udp, SERVER, 4, b"question");
        script.session()
    }

    #[test]
    fn every_kind_of_line() {
        insta::assert_snapshot!(lines(&sample()));
    }

    #[test]
    fn a_verdict_is_told_of_packets_with_and_without_bytes() {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        script.write(tcp, CLIENT, b"ping");
        script.verdict("dropped by drop:nth=4");
        script.segment(tcp, CLIENT, 0..4);
        script.verdict("delayed 20ms by delay:20ms");
        script.packet(tcp, CLIENT, TcpFlags::FIN, 0..0);
        let text = lines(&script.session());
        let told = |ev: &str| {
            let start = format!("\"ev\":\"{ev}\"");
            let line = text.lines().rfind(|line| line.contains(&start));
            let line: serde_json::Value = serde_json::from_str(line.unwrap()).unwrap();
            (line["verdict"].clone(), line["lost"].clone())
        };
        assert_eq!(
            told("segment"),
            ("dropped by drop:nth=4".into(), true.into())
        );
        let late = "delayed 20ms by delay:20ms";
        assert_eq!(told("packet"), (late.into(), false.into()));
    }

    #[test]
    fn lines_are_json_come_in_order_and_are_the_same_each_time() {
        let text = lines(&sample());
        assert_eq!(text, lines(&sample()));
        let times: Vec<String> = text
            .lines()
            .map(|line| {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(value["v"], 1);
                value["t"].as_str().unwrap().to_owned()
            })
            .collect();
        assert!(times.is_sorted(), "{times:?}");
    }
}
