//! `split` and `short-read`: one message came in pieces (分包).
//!
//! A write larger than the MSS becomes several segments; a read ends where its buffer ends or where
//! nothing more has arrived (recv(2)). `short-read` is the second kind, where the program had given
//! room for all of the message and got a part of it: whoever takes one read for one message is
//! wrong there. `split` is every other message in pieces.

use std::ops::Range;

use crate::timeline::Move;
use crate::{FactId, Weight};

use super::Topic;
use super::found::{Found, Told};
use super::view::{Piece, View, overlapping, shared};
use super::words::{bytes, count, of, sizes};

pub(super) const SPLIT: Topic = Topic {
    name: "split",
    title: ["one message in pieces", "分包：一条消息分成几块"],
};

pub(super) const SHORT_READ: Topic = Topic {
    name: "short-read",
    title: ["a read ended inside a message", "一次读取停在消息中间"],
};

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    for way in [0, 1].into_iter().filter(|way| view.way(*way).joined) {
        for message in &view.messages[way] {
            let reads = &view.reads[way][overlapping(&view.reads[way], message)];
            let short = reads.len() > 1 && is_short(view, message, reads[0]);
            if short {
                short_read(view, way, message, reads, found);
            }
            split(view, way, message, if short { &[] } else { reads }, found);
        }
    }
}

/// Whether the read got a part of a message that it had room for.
fn is_short(view: &View<'_>, message: &Range<u64>, read: &Move) -> bool {
    let event = view.event(read.fact);
    let room = u64::from(event.asked);
    let got = u64::from(event.result.max(0).cast_unsigned());
    let before = message.start.saturating_sub(read.bytes.start);
    let from = message.start.max(read.bytes.start);
    let wanted = message.end.saturating_sub(from);
    got < room && room.saturating_sub(before) >= wanted
}

fn short_read(
    view: &View<'_>,
    way: usize,
    message: &Range<u64>,
    reads: &[&Move],
    found: &mut Found,
) {
    let (read, next) = (reads[0], view.event(reads[1].fact));
    let left = message.end.saturating_sub(read.bytes.end);
    // Whoever asks for exactly the rest knows where the message ends.
    let knows = u64::from(next.asked) == left;
    let weight = if knows { Weight::Note } else { Weight::Notice };
    let place = view.place(way, message.clone(), view.time(read.fact));
    found.add(&SHORT_READ, weight, place, || {
        let mut facts: Vec<FactId> = view.writes_of(way, message, 2).collect();
        facts.extend(reads.iter().take(Topic::FACTS - 2).map(|read| read.fact));
        let [reader, reader_zh] = &view.who[1 - way];
        let asked = u64::from(view.event(read.fact).asked);
        let got = shared(&read.bytes, message);
        let whole = message.end - message.start;
        let (end, end_zh) = if knows {
            (
                ", and the next read asked for exactly that",
                "，下一次读取正好要了剩下的字节",
            )
        } else {
            (" in a later read", "，在后面的读取中才到")
        };
        Told {
            facts,
            sentence: [
                format!(
                    "A read of {reader} with room for {} got the first {} of {} that belong \
                    together; {} followed{end}.",
                    bytes(asked),
                    count(got),
                    count(whole),
                    count(left),
                ),
                format!(
                    "{reader_zh}给了 {} 字节的空间，却只读到一条 {} 字节消息的前 {} 字节；还有 \
                    {} 字节{end_zh}。",
                    count(asked),
                    count(whole),
                    count(got),
                    count(left),
                ),
            ],
        }
    });
}

fn split(view: &View<'_>, way: usize, message: &Range<u64>, reads: &[&Move], found: &mut Found) {
    let pieces = view.pieces_of(way, message);
    let [in_segments, in_reads] = [pieces.len() > 1, reads.len() > 1];
    if !in_segments && !in_reads {
        return;
    }
    let weight = if in_reads && view.is_framed(way) {
        Weight::Notice
    } else {
        Weight::Note
    };
    let at = view
        .writes_of(way, message, 1)
        .next()
        .map(|write| view.time(write));
    let place = view.place(way, message.clone(), at.unwrap_or(view.flow.span.start));
    found.add(&SPLIT, weight, place, || {
        let mut facts: Vec<FactId> = view.writes_of(way, message, 2).collect();
        facts.extend(pieces.iter().take(7).map(|piece| piece.fact));
        facts.dedup();
        facts.extend(reads.iter().take(7).map(|read| read.fact));
        let length = message.end - message.start;
        let [sender, sender_zh] = &view.who[way];
        let (head, head_zh) = if view.is_framed(way) {
            (
                "message",
                format!("{sender_zh}的一条 {} 字节的消息", count(length)),
            )
        } else {
            (
                "write",
                format!("{sender_zh}一次写入 {} 字节", count(length)),
            )
        };
        let segments = in_segments.then(|| by_segments(pieces, message));
        let takes = in_reads.then(|| by_reads(view, way, reads, message));
        let parts: Vec<[String; 2]> = segments.into_iter().chain(takes).collect();
        let [en, zh] = [0, 1].map(|lang| parts.iter().map(move |part| &*part[lang]));
        Told {
            facts,
            sentence: [
                format!(
                    "A {head} of {} by {sender} {}.",
                    bytes(length),
                    en.collect::<Vec<_>>().join(" and ")
                ),
                format!("{head_zh}，{}。", zh.collect::<Vec<_>>().join("，")),
            ],
        }
    });
}

fn by_segments(pieces: &[Piece], message: &Range<u64>) -> [String; 2] {
    let lengths = sizes(pieces.iter().map(|piece| shared(&piece.bytes, message)));
    let several = pieces.len() as u64;
    [
        format!("went as {} ({lengths})", of(several, "segment")),
        format!("在线路上分成 {} 个报文段（{lengths}）", count(several)),
    ]
}

fn by_reads(view: &View<'_>, way: usize, reads: &[&Move], message: &Range<u64>) -> [String; 2] {
    let lengths = sizes(reads.iter().map(|read| shared(&read.bytes, message)));
    let several = reads.len() as u64;
    let [reader, reader_zh] = &view.who[1 - way];
    [
        format!(
            "came out in {} of {reader} ({lengths})",
            of(several, "read")
        ),
        format!("被{reader_zh}分 {} 次读出（{lengths}）", count(several)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::check::{only, told};
    use crate::sample::{CLIENT, SERVER, Script};

    /// A write of 2000 bytes, carried in segments that end there, and reads of what they have room
    /// for and get.
    fn script(ends: &[u64], reads: &[(u32, usize)]) -> Script {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        script.write(tcp, CLIENT, &[b'x'; 2000]);
        let mut at = 0;
        for end in ends {
            script.segment(tcp, CLIENT, at..*end);
            at = *end;
        }
        for (room, got) in reads {
            script.read(tcp, SERVER, *room, *got);
        }
        script
    }

    #[test]
    fn segments_and_reads_are_told_with_their_sizes() {
        let found = only(script(&[1448, 2000], &[(1024, 1024), (1024, 976)]), &SPLIT);
        assert_eq!(
            found.sentence,
            [
                "A write of 2,000 bytes by the client (python3) went as 2 segments (1,448 + \
                552) and came out in 2 reads of the server (python3) (1,024 + 976).",
                "客户端（python3）一次写入 2,000 字节，在线路上分成 2 个报文段（1,448 + 552），\
                被服务器（python3）分 2 次读出（1,024 + 976）。",
            ]
        );
        assert_eq!((found.bytes, found.weight), (0..2000, Weight::Note));
    }

    #[test]
    fn a_read_with_room_for_all_that_got_a_part_is_short() {
        let reads = [(4096, 1448), (4096, 552)];
        let found = only(script(&[1448, 2000], &reads), &SHORT_READ);
        assert_eq!(
            found.sentence,
            [
                "A read of the server (python3) with room for 4,096 bytes got the first 1,448 \
                of 2,000 that belong together; 552 followed in a later read.",
                "服务器（python3）给了 4,096 字节的空间，却只读到一条 2,000 字节消息的前 1,448 \
                字节；还有 552 字节，在后面的读取中才到。",
            ]
        );
        assert_eq!(found.weight, Weight::Notice);
        // The reads are told of there, the segments here.
        let split = told(script(&[1448, 2000], &reads), &SPLIT);
        assert_eq!(
            split,
            ["A write of 2,000 bytes by the client (python3) went as 2 segments (1,448 + 552)."]
        );
    }

    #[test]
    fn who_asks_for_exactly_the_rest_knows_what_it_does() {
        let found = only(script(&[], &[(2000, 1448), (552, 552)]), &SHORT_READ);
        assert_eq!(found.weight, Weight::Note);
        assert!(
            found.sentence[0].ends_with("552 followed, and the next read asked for exactly that.")
        );
    }

    #[test]
    fn a_message_in_one_piece_and_a_read_that_is_full_are_not_short() {
        assert!(told(script(&[2000], &[(2000, 2000)]), &SHORT_READ).is_empty());
        assert!(told(script(&[2000], &[(1999, 1999), (1, 1)]), &SHORT_READ).is_empty());
        assert!(told(script(&[2000], &[(2000, 2000)]), &SPLIT).is_empty());
        // Nothing more came: nobody can say that a later read would have brought it.
        assert!(told(script(&[2000], &[(2000, 1448)]), &SHORT_READ).is_empty());
    }

    #[test]
    fn a_framed_message_over_two_reads_is_a_notice() {
        let mut script = Script::new();
        script.head().frame = "line".into();
        let tcp = script.connected_tcp();
        script.write(tcp, CLIENT, b"hello world\n");
        script.read(tcp, SERVER, 5, 5);
        script.read(tcp, SERVER, 5, 5);
        script.read(tcp, SERVER, 5, 2);
        let found = only(script, &SPLIT);
        assert_eq!(found.weight, Weight::Notice);
        assert_eq!(
            found.sentence[1],
            "客户端（python3）的一条 12 字节的消息，被服务器（python3）分 3 次读出（5 + 5 + 2）。"
        );
    }
}
