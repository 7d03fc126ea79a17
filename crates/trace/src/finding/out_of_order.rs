//! `out-of-order`: a segment came after bytes that follow it.
//!
//! The receiver's kernel keeps what came early and gives the program nothing until the hole is
//! filled (RFC 9293 §3.10.7.4), so the programs notice a pause at most. Packets overtake each other
//! where they can take several paths; a segment that was lost before it reached the place of the
//! capture looks the same when it is sent again.

use crate::Weight;
use crate::timeline::{Segment, SegmentNote};

use super::Topic;
use super::found::{Found, Told};
use super::view::View;
use super::words::{bytes, count, duration};

pub(super) const OUT_OF_ORDER: Topic = Topic {
    name: "out-of-order",
    title: ["overtaken on the way", "乱序到达"],
};

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    for way in 0..2 {
        for segment in &view.way(way).wire {
            if segment.note == SegmentNote::OutOfOrder && segment.piece.0 == 0 {
                one(view, way, segment, found);
            }
        }
    }
}

fn one(view: &View<'_>, way: usize, segment: &Segment, found: &mut Found) {
    let at = view.time(segment.fact);
    let place = view.place(way, segment.bytes.clone(), at);
    found.add(&OUT_OF_ORDER, Weight::Notice, place, || {
        let pieces = &view.pieces[way];
        let behind = pieces.partition_point(|piece| piece.bytes.start < segment.bytes.end);
        let overtook = pieces.get(behind).filter(|piece| piece.at < at);
        let after = overtook.map(|piece| duration(at.since(piece.at)));
        let [late, late_zh] = after.map_or_else(Default::default, |after| {
            [format!(" {after}"), format!("晚了 {after}，")]
        });
        let [sender, sender_zh] = &view.who[way];
        let length = segment.bytes.end - segment.bytes.start;
        let start = count(segment.bytes.start);
        Told {
            facts: overtook
                .map(|piece| piece.fact)
                .into_iter()
                .chain([segment.fact])
                .collect(),
            sentence: [
                format!(
                    "{} by {sender} from byte {start} on came{late} after bytes that follow \
                    them: overtaken, or lost before this place and sent again.",
                    bytes(length),
                ),
                format!(
                    "{sender_zh}从第 {start} 字节起的 {} 字节{late_zh}排在了后面的字节之后：途中\
                    被超过，或在抓包点之前丢失后重发。",
                    count(length),
                ),
            ],
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::check::{only, told};
    use crate::sample::{CLIENT, Script};

    fn script(segments: [std::ops::Range<u64>; 3]) -> Script {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        script.write(tcp, CLIENT, b"one two three");
        for segment in segments {
            script.segment(tcp, CLIENT, segment);
        }
        script
    }

    #[test]
    fn what_was_overtaken_is_told_with_its_delay() {
        let found = only(script([0..4, 8..13, 4..8]), &OUT_OF_ORDER);
        assert_eq!(
            found.sentence,
            [
                "4 bytes by the client (python3) from byte 4 on came 10.0 µs after bytes that \
                follow them: overtaken, or lost before this place and sent again.",
                "客户端（python3）从第 4 字节起的 4 字节晚了 10.0 µs，排在了后面的字节之后：途中\
                被超过，或在抓包点之前丢失后重发。",
            ]
        );
        assert_eq!(found.bytes, 4..8);
    }

    #[test]
    fn order_is_not_told() {
        assert!(told(script([0..4, 4..8, 8..13]), &OUT_OF_ORDER).is_empty());
    }
}
