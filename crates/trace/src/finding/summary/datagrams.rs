//! The sentence about datagrams.

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

/// Packets on the wire, if they are more than datagrams: some were fragmented.
fn packets(view: &View<'_>, way: usize, tally: &Tally) -> Option<u64> {
    let packets = view.way(way).wire.len() as u64;
    (packets > tally.segments).then_some(packets)
}

fn sent_en(view: &View<'_>, way: usize, tally: &Tally) -> String {
    let sender = &view.who[way][0];
    let sent = match (tally.writes, tally.segments) {
        (0, 0) => return format!("what {sender} sent was not watched"),
        (0, segments) => format!("{} from {sender}", of(segments, "datagram")),
        (writes, _) => format!(
            "{} ({}) by {sender}",
            of(writes, "datagram"),
            bytes(tally.written)
        ),
    };
    match packets(view, way, tally) {
        Some(packets) => format!("{sent} went as {}", of(packets, "packet")),
        None => sent,
    }
}

fn taken_en(view: &View<'_>, way: usize, tally: &Tally) -> String {
    if !view.is_watched(1 - way) {
        return String::new();
    }
    let receiver = &view.who[1 - way][0];
    match (tally.reads, tally.writes.max(tally.segments)) {
        (0, _) => format!("{receiver} read none of them"),
        (reads, 0) => format!("{receiver} took {}", of(reads, "datagram")),
        (1, 1) => format!("{receiver} took it in one read"),
        (reads, sent) if reads == sent => format!("{receiver} took each in one read"),
        (reads, _) => format!("{receiver} took {} of them", count(reads)),
    }
}

fn sent_zh(view: &View<'_>, way: usize, tally: &Tally) -> String {
    let sender = &view.who[way][1];
    let sent = match (tally.writes, tally.segments) {
        (0, 0) => return format!("{sender}的发送未被观察"),
        (0, segments) => format!("来自{sender}的 {} 个数据报", count(segments)),
        (writes, _) => {
            format!(
                "{sender}发出 {} 个数据报（{} 字节）",
                count(writes),
                count(tally.written)
            )
        }
    };
    match packets(view, way, tally) {
        Some(packets) => format!("{sent}，在线路上是 {} 个包", count(packets)),
        None => sent,
    }
}

fn taken_zh(view: &View<'_>, way: usize, tally: &Tally) -> String {
    if !view.is_watched(1 - way) {
        return String::new();
    }
    let receiver = &view.who[1 - way][1];
    match (tally.reads, tally.writes.max(tally.segments)) {
        (0, _) => format!("{receiver}一个也没有读"),
        (reads, sent) if reads == sent => format!("{receiver}每读一次正好得到一个"),
        (reads, _) => format!("{receiver}读到 {} 个", count(reads)),
    }
}
