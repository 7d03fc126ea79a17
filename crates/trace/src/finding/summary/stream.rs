//! The sentence about a stream.

use std::cmp::Ordering;

use crate::WireSource;
use crate::finding::view::View;
use crate::finding::words::{bytes, count, of};

use super::{Tally, joined};

pub(super) fn sentence(view: &View<'_>, way: usize, tally: &Tally) -> [String; 2] {
    [
        joined(
            &[sent_en(view, way, tally), taken_en(view, way, tally)],
            "; ",
            ".",
        ),
        joined(
            &[sent_zh(view, way, tally), taken_zh(view, way, tally)],
            "；",
            "。",
        ),
    ]
}

fn sent_en(view: &View<'_>, way: usize, tally: &Tally) -> String {
    let sender = &view.who[way][0];
    let segments = of(tally.segments, "segment");
    let source = view.wire;
    if tally.writes == 0 {
        return match source {
            WireSource::Captured if tally.segments > 0 => {
                format!("{} from {sender} came in {segments}", bytes(tally.carried))
            }
            _ => format!("what {sender} wrote was not watched"),
        };
    }
    let mut written = of(tally.writes, "write");
    if let Some(messages) = tally.messages {
        let least = if tally.is_whole { "" } else { "at least " };
        written = format!("{least}{} in {written}", of(messages, "message"));
    }
    let written = format!("{written} ({}) by {sender}", bytes(tally.written));
    match source {
        _ if !view.flow.transport.has_wire() => written,
        WireSource::Captured => format!("{written} became {segments}"),
        WireSource::Inferred => format!("{written} became {segments}, by the kernel's counters"),
        WireSource::None => format!("{written} went over a wire that was not watched"),
    }
}

fn taken_en(view: &View<'_>, way: usize, tally: &Tally) -> String {
    if !view.is_watched(1 - way) {
        return String::new();
    }
    let receiver = &view.who[1 - way][0];
    let pieces = of(tally.reads, "piece");
    match (tally.read, tally.known()) {
        (0, _) => format!("{receiver} read none of them"),
        (read, 0) => format!("{receiver} took {} in {pieces}", bytes(read)),
        (read, known) if read < known => {
            format!("{receiver} took {} of them in {pieces}", count(read))
        }
        _ => format!("{receiver} took {pieces}"),
    }
}

fn sent_zh(view: &View<'_>, way: usize, tally: &Tally) -> String {
    let sender = &view.who[way][1];
    let source = view.wire;
    let verb = match tally.segments.cmp(&tally.writes) {
        Ordering::Less => "合成",
        Ordering::Equal => "成为",
        Ordering::Greater => "分成",
    };
    let segments = format!("{verb} {} 个报文段", count(tally.segments));
    if tally.writes == 0 {
        return match source {
            WireSource::Captured if tally.segments > 0 => format!(
                "{sender}的 {} 字节以 {} 个报文段到来",
                count(tally.carried),
                count(tally.segments),
            ),
            _ => format!("{sender}的写入未被观察"),
        };
    }
    let (writes, written) = (count(tally.writes), count(tally.written));
    let written = match tally.messages {
        Some(messages) => {
            let least = if tally.is_whole { "" } else { "至少" };
            let messages = count(messages);
            format!("{sender}用 {writes} 次写入发出{least} {messages} 条消息（{written} 字节）")
        }
        None => format!("{sender}写入 {writes} 次（{written} 字节）"),
    };
    match source {
        _ if !view.flow.transport.has_wire() => written,
        WireSource::Captured => format!("{written}，在线路上{segments}"),
        WireSource::Inferred => format!("{written}，在线路上{segments}（据内核计数器）"),
        WireSource::None => format!("{written}，线路未被观察"),
    }
}

fn taken_zh(view: &View<'_>, way: usize, tally: &Tally) -> String {
    if !view.is_watched(1 - way) {
        return String::new();
    }
    let receiver = &view.who[1 - way][1];
    let reads = count(tally.reads);
    match (tally.read, tally.known()) {
        (0, _) => format!("{receiver}一个字节也没有读"),
        (read, 0) => format!("{receiver}分 {reads} 次读到 {} 字节", count(read)),
        (read, known) if read < known => {
            format!("{receiver}分 {reads} 次读走其中 {} 字节", count(read))
        }
        _ => format!("{receiver}分 {reads} 次读完"),
    }
}
