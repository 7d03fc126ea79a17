//! The cells of the lane in the middle: arrows from one end to the other.

use super::TextOptions;
use super::messages::Messages;
use super::paint::{Line, Span, Style};
use super::payload::escape;
use crate::packet::{Body, Packet, Tcp, TcpFlags, dissect};
use crate::timeline::{Flow, Segment, SegmentNote};
use crate::{ConnId, Fact, FactId, Kind, Lang, Timeline, Verdict};

/// Columns of an arrow that its label cannot have: a space at both sides, a piece of its line at both
/// ends and its head.
const ARROW: usize = 5;

/// Lines that a rule has at most: the longest that is of any use.
const RULE_LINES: usize = 4;

/// Acts of one verdict that are drawn; a rule acts on a packet once.
const ACTS: usize = 8;

/// What the wire's cells need to know of a flow: where its two ways begin.
#[derive(Debug)]
pub(super) struct Wire<'t, 's> {
    timeline: &'t Timeline<'s>,
    flow: &'t Flow,
    /// The sequence number of the first byte of each way.
    bases: [Option<u32>; 2],
    /// The end of what was acknowledged last, of each way: what brings 32 bits to 64.
    acked: [u64; 2],
}

impl<'t, 's> Wire<'t, 's> {
    pub(super) fn new(timeline: &'t Timeline<'s>, flow: &'t Flow) -> Self {
        let mut wire = Self {
            timeline,
            flow,
            bases: [None; 2],
            acked: [0; 2],
        };
        for life in flow.life.iter().take(8) {
            let syn = wire
                .tcp(life.fact)
                .filter(|tcp| tcp.flags.has(TcpFlags::SYN));
            if let Some(tcp) = syn {
                wire.bases[usize::from(life.end)].get_or_insert(tcp.seq.wrapping_add(1));
            }
        }
        for way in 0..2 {
            let first = flow.ways[way]
                .wire
                .iter()
                .find(|segment| segment.piece.0 == 0);
            let tcp = first.and_then(|first| Some((first, wire.tcp(first.fact)?)));
            if let (None, Some((first, tcp))) = (wire.bases[way], tcp) {
                wire.bases[way] = Some(tcp.seq.wrapping_sub(first.bytes.start as u32));
                wire.acked[way] = first.bytes.start;
            }
        }
        wire
    }

    fn packet(&self, fact: &Fact<'s>) -> Option<Packet<'s>> {
        (fact.kind() == Kind::Packet).then(|| {
            let link = link_type(self.timeline, fact.event.conn());
            dissect(link, fact.data, fact.event.result.unsigned_abs())
        })
    }

    fn tcp(&self, fact: FactId) -> Option<Tcp> {
        let fact = self.timeline.session.fact(fact);
        match self.packet(&fact)?.body {
            Body::Tcp(tcp) => Some(tcp),
            _ => None,
        }
    }

    /// The offset that an acknowledgement of `way`'s bytes speaks of.
    fn ack(&mut self, way: usize, number: u32) -> Option<u64> {
        let relative = number.wrapping_sub(self.bases[way]?);
        let near = self.acked[way];
        // The nearest of all offsets that look like this in 32 bits.
        let step = relative.wrapping_sub(near as u32).cast_signed();
        let offset = near.saturating_add_signed(step.into());
        self.acked[way] = near.max(offset);
        Some(offset)
    }

    /// A segment, a datagram, or a fragment of one, and what was done to it on its way.
    pub(super) fn segment(
        &self,
        way: u8,
        segment: &Segment,
        width: usize,
        options: &TextOptions,
    ) -> Vec<Line> {
        let lanes = &self.flow.ways[usize::from(way)];
        let is_tcp = self.flow.transport.is_stream();
        let messages = Messages::new(lanes, way, is_tcp);
        let (label, mut style) = messages.label(&segment.bytes, segment.datagram);
        let len = segment.bytes.end - segment.bytes.start;
        let range = format!("[{}..{})", segment.bytes.start, segment.bytes.end);
        let note = note(segment.note, options.lang);
        if !matches!(
            segment.note,
            SegmentNote::New | SegmentNote::Inferred | SegmentNote::Fragment
        ) {
            style = Style::Bad;
        }
        // What begins or ends a direction is told for as long as there is room for anything.
        let turn = flags(segment.flags & !TcpFlags::PSH);
        let flags = flags(segment.flags);
        let labels = if is_tcp {
            vec![
                join(&[note, &flags, &len.to_string(), &range, &label]),
                join(&[note, &flags, &len.to_string(), &range]),
                join(&[note, &turn, &len.to_string(), &range]),
                join(&[note, &turn, &range]),
                join(&[&turn, &range]),
                if turn.is_empty() {
                    range
                } else {
                    join(&[&turn, &len.to_string()])
                },
            ]
        } else {
            let bytes = options.lang.pick("bytes", "字节");
            vec![
                join(&[&label, note, &len.to_string(), bytes]),
                join(&[&label, note, &len.to_string()]),
                label,
            ]
        };
        let head = Head::of(way == 0, segment.lost);
        let inferred = segment.note == SegmentNote::Inferred;
        let style = if segment.lost { Style::Bad } else { style };
        let fact = self.timeline.fact(segment.fact);
        with_verdict(
            arrow(head, with_wait(labels, &fact), style, inferred, width),
            &fact,
            width,
            options,
        )
    }

    /// A packet that carries no bytes, and what was done to it on its way.
    pub(super) fn bare(
        &mut self,
        fact: &Fact<'s>,
        end: u8,
        width: usize,
        options: &TextOptions,
    ) -> Vec<Line> {
        let head = Head::of(end == 0, fact.is_lost());
        let Some(packet) = self.packet(fact) else {
            return vec![arrow(head, vec![String::new()], Style::Dim, true, width)];
        };
        let (labels, style) = match packet.body {
            Body::Tcp(tcp) => self.bare_tcp(&tcp, end, options),
            Body::Icmp { v6, kind, code } => {
                let name = if v6 { "ICMPv6" } else { "ICMP" };
                (
                    vec![format!("{name} {kind}/{code}"), name.into()],
                    Style::Mark,
                )
            }
            Body::Fragment => (
                vec![options.lang.pick("fragment", "分片").into()],
                Style::Dim,
            ),
            _ => (vec![format!("{}", packet.original_len)], Style::Dim),
        };
        let style = if fact.is_lost() { Style::Bad } else { style };
        with_verdict(
            arrow(head, with_wait(labels, fact), style, false, width),
            fact,
            width,
            options,
        )
    }

    fn bare_tcp(&mut self, tcp: &Tcp, end: u8, options: &TextOptions) -> (Vec<String>, Style) {
        let mut flags = flags(tcp.flags.0);
        let opens = tcp.flags.has(TcpFlags::SYN);
        if opens && tcp.flags.has(TcpFlags::ACK) {
            flags += "·ACK";
        }
        let ack = tcp.flags.has(TcpFlags::ACK) && !tcp.flags.has(TcpFlags::RST) && !opens;
        let ack = ack
            .then(|| self.ack(usize::from(1 - end), tcp.ack))
            .flatten();
        let ack = ack.map_or(String::new(), |offset| format!("ack {offset}"));
        let closed = tcp.window == 0 && !opens && !tcp.flags.has(TcpFlags::RST);
        let window = if closed {
            options.lang.pick("window 0", "窗口 0")
        } else {
            ""
        };
        let mss = tcp.options.mss.filter(|_| opens);
        let mss = mss.map_or(String::new(), |mss| format!("mss {mss}"));
        let style = match () {
            () if tcp.flags.has(TcpFlags::RST) => Style::Bad,
            () if closed => Style::Mark,
            () if flags.is_empty() => Style::Dim,
            () => Style::Bold,
        };
        let labels = vec![
            join(&[&flags, &ack, window, &mss]),
            join(&[&flags, &ack, window]),
            join(&[&flags, window]),
            if flags.is_empty() { ack } else { flags },
        ];
        (labels, style)
    }
}

/// Pieces of a super-segment that are not drawn one by one.
pub(super) fn pieces(way: u8, segment: &Segment, count: u16, width: usize) -> Line {
    let len = segment.bytes.end - segment.bytes.start;
    let labels = vec![format!("⋮ {count} × {len}"), format!("⋮ {count}")];
    let inferred = segment.note == SegmentNote::Inferred;
    let head = Head::of(way == 0, segment.lost);
    arrow(head, labels, Style::Dim, inferred, width)
}

/// Labels with how long their packet was made to wait, and behind them those without.
fn with_wait(labels: Vec<String>, fact: &Fact<'_>) -> Vec<String> {
    let verdict = fact.verdict().filter(|verdict| !verdict.is_lost());
    let Some(wait) = verdict.and_then(Verdict::waited) else {
        return labels;
    };
    let long = labels
        .iter()
        .map(|label| join(&[label, &format!("+{wait}")]));
    long.collect::<Vec<_>>().into_iter().chain(labels).collect()
}

/// The arrow of a packet, and below it what was done to the packet on its way.
fn with_verdict(arrow: Line, fact: &Fact<'_>, width: usize, options: &TextOptions) -> Vec<Line> {
    let Some(verdict) = fact.verdict() else {
        return vec![arrow];
    };
    let (mark, style) = if verdict.is_lost() {
        ("✗", Style::Bad)
    } else {
        ("·", Style::Dim)
    };
    let mut lines = vec![arrow];
    // How long it waited stands on the arrow.
    let acts = verdict.acts().filter(|(act, _)| act.waits().is_none());
    let acts = acts.take(ACTS);
    for (act, rule) in acts {
        let one = Verdict::words_of(act, rule, options.lang);
        let one = Span::new(escape(&format!("{mark} {one}")), style);
        if one.width() <= width {
            lines.push(centred(one, width));
            continue;
        }
        // The rule is what people look for: it gets a line of its own.
        let act = format!("{mark} {}", act.words(options.lang));
        for text in std::iter::once(act).chain(broken(&escape(rule), width)) {
            let text = super::paint::shorten(&text, width);
            lines.push(centred(Span::new(text, style), width));
        }
    }
    lines
}

/// A rule in lines of this width, broken behind commas where it has any.
fn broken(rule: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for piece in rule.split_inclusive(',') {
        let line = lines.last_mut().expect("there is one always");
        let both = Span::plain(format!("{line}{piece}"));
        if line.is_empty() || both.width() <= width {
            line.push_str(piece);
        } else {
            lines.push(piece.to_owned());
        }
    }
    // A file may hold any text here.
    lines.truncate(RULE_LINES);
    lines
}

fn centred(span: Span, width: usize) -> Line {
    let room = width.saturating_sub(span.width());
    let before = room / 2;
    let mut line = Line::default();
    line.push(Span::plain(" ".repeat(before)))
        .push(span)
        .push(Span::plain(" ".repeat(room - before)));
    line
}

/// Where an arrow points, and whether it gets there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Head {
    Right,
    Left,
    /// What it stands for was lost: the arrow has no head.
    None,
}

impl Head {
    const fn of(to_right: bool, lost: bool) -> Self {
        match (lost, to_right) {
            (true, _) => Self::None,
            (false, true) => Self::Right,
            (false, false) => Self::Left,
        }
    }
}

/// The link type of an interface; Ethernet where nobody told.
pub(super) fn link_type(timeline: &Timeline<'_>, number: ConnId) -> u32 {
    let mut known = timeline.interfaces.iter();
    let known = known.find(|interface| interface.number == number.number());
    known.map_or(1, |interface| interface.link_type)
}

fn join(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts
        .iter()
        .copied()
        .filter(|part| !part.is_empty())
        .collect();
    parts.join(" ")
}

/// The flags that say something: the ACK that every segment but the first carries does not.
fn flags(bits: u8) -> String {
    let names = [
        (TcpFlags::SYN, "SYN"),
        (TcpFlags::FIN, "FIN"),
        (TcpFlags::RST, "RST"),
        (TcpFlags::PSH, "PSH"),
        (TcpFlags::URG, "URG"),
    ];
    let set: Vec<&str> = names
        .iter()
        .filter(|(bit, _)| TcpFlags(bits).has(*bit))
        .map(|(_, name)| *name)
        .collect();
    set.join("·")
}

fn note(note: SegmentNote, lang: Lang) -> &'static str {
    match note {
        SegmentNote::New | SegmentNote::Inferred => "",
        SegmentNote::Retransmission => lang.pick("resent", "重传"),
        SegmentNote::PartlyRetransmitted => lang.pick("partly resent", "部分重传"),
        SegmentNote::OutOfOrder => lang.pick("out of order", "乱序"),
        SegmentNote::Fragment => lang.pick("fragment", "分片"),
        SegmentNote::KeepAlive => lang.pick("keep-alive", "保活"),
        SegmentNote::WindowProbe => lang.pick("window probe", "窗口探测"),
    }
}

/// An arrow over `width` columns with the first of `labels` that fits.
fn arrow(head: Head, labels: Vec<String>, style: Style, inferred: bool, width: usize) -> Line {
    let room = width.saturating_sub(ARROW);
    let mut last = Span::default();
    for label in labels {
        last = Span::new(label, style);
        if last.width() <= room {
            break;
        }
    }
    last.text = super::paint::shorten(&last.text, room);
    let dash = if inferred { "╌" } else { "─" };
    let label = if last.width() == 0 {
        0
    } else {
        last.width() + 2
    };
    let dashes = width.saturating_sub(label + 1);
    let before = dashes / 2;
    let (before, after) = (dash.repeat(before), dash.repeat(dashes - before));
    let (before, after) = match head {
        Head::Right => (before, after + "→"),
        Head::Left => ("←".to_owned() + &after, before),
        Head::None => (before, after + dash),
    };
    let mut line = Line::default();
    line.push(Span::dim(before));
    if label > 0 {
        line.push(Span::plain(" "))
            .push(last)
            .push(Span::plain(" "));
    }
    line.push(Span::dim(after));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_broken_behind_its_commas() {
        let check = |rule, lines: &[&str]| assert_eq!(broken(rule, 12), lines, "{rule}");
        check("drop:nth=3", &["drop:nth=3"]);
        check("drop:nth=3,to=server", &["drop:nth=3,", "to=server"]);
        check(
            "drop:content=abcdefgh,nth=1",
            &["drop:content=abcdefgh,", "nth=1"],
        );
        check("a,b,c,d,e,f,g,h", &["a,b,c,d,e,f,", "g,h"]);
        check(&"abcdefgh,".repeat(9), &["abcdefgh,"; 4]);
    }

    #[test]
    fn an_arrow_fills_the_wire_and_says_what_fits() {
        let check = |head, labels: &[&str], inferred, expected: &str| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            let line = arrow(head, labels, Style::Plain, inferred, 18);
            assert_eq!(line.width(), 18);
            let text: String = line.0.iter().map(|span| &*span.text).collect();
            assert_eq!(text, expected);
        };
        check(
            Head::Right,
            &["PSH 17 [0..17)"],
            false,
            "─ PSH 17 [0..1… ─→",
        );
        check(
            Head::Right,
            &["PSH 17 [0..17)", "[0..17)"],
            false,
            "──── [0..17) ────→",
        );
        check(Head::Left, &["ack 17"], false, "←───── ack 17 ────");
        check(Head::Right, &["[0..17)"], true, "╌╌╌╌ [0..17) ╌╌╌╌→");
        check(Head::Right, &["乱序 [0..17)"], false, "─ 乱序 [0..17) ──→");
        check(Head::None, &["[0..17)"], false, "──── [0..17) ─────");
        check(Head::Right, &[""], true, "╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌→");
    }
}
