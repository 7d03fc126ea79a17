//! `coalesced`: what was written apart was read together, or travelled together (粘包).
//!
//! Two causes, which look the same to the reader. The sender's kernel puts several small writes
//! into one segment, because an earlier one is not yet acknowledged (Nagle's algorithm, RFC 9293
//! §3.7.4) or because the window is full. Or they come apart and lie in the receiver's buffer until
//! the program reads: recv(2) gives what is there, up to the size it was asked for.

use crate::timeline::Move;
use crate::{FactId, Weight};

use super::Topic;
use super::found::{Found, Told};
use super::view::{Piece, View, overlapping, shared};
use super::words::{bytes, count, of, sizes};

pub(super) const COALESCED: Topic = Topic {
    name: "coalesced",
    title: ["several messages at once", "粘包：几条消息连在一起"],
};

/// Writes of this size and above are bulk data, whose cuts mean nothing to either program as long
/// as no framing says otherwise: two segments of Ethernet's usual MSS.
const BULK: u64 = 2 * 1460;

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    for way in 0..2 {
        if view.messages[way].len() < 2 || !view.way(way).joined {
            continue;
        }
        for read in &view.reads[way] {
            in_a_read(view, way, read, found);
        }
        for piece in view.pieces_of(way, &(0..u64::MAX)) {
            in_a_segment(view, way, piece, found);
        }
    }
}

fn in_a_read(view: &View<'_>, way: usize, read: &Move, found: &mut Found) {
    let messages = &view.messages[way][overlapping(&view.messages[way], &read.bytes)];
    if messages.len() < 2 {
        return;
    }
    let longest = messages.iter().map(|each| each.end - each.start).max();
    let is_bulk = !view.is_framed(way) && longest >= Some(BULK);
    let weight = if is_bulk {
        Weight::Note
    } else {
        Weight::Notice
    };
    let place = view.place(way, read.bytes.clone(), view.time(read.fact));
    found.add(&COALESCED, weight, place, || {
        let pieces = view.pieces_of(way, &read.bytes);
        let [sender, reader] = [&view.who[way], &view.who[1 - way]];
        let length = read.bytes.end - read.bytes.start;
        let several = count(messages.len() as u64);
        let [noun, noun_zh] = if view.is_framed(way) {
            ["messages", "条消息"]
        } else {
            ["writes", "次写入"]
        };
        let [why, why_zh] = why(pieces);
        Told {
            facts: facts(view, way, read, pieces),
            sentence: [
                format!(
                    "One read gave {} {} of {several} {noun} by {}{why}.",
                    reader[0],
                    bytes(length),
                    sender[0],
                ),
                format!(
                    "{}一次读到 {} 字节，来自{}的 {several} {noun_zh}{why_zh}。",
                    reader[1],
                    count(length),
                    sender[1],
                ),
            ],
        }
    });
}

/// Who put them together, where the wire tells.
fn why(pieces: &[Piece]) -> [String; 2] {
    match pieces.len() as u64 {
        0 => [String::new(), String::new()],
        1 => [
            ": they had travelled in one segment".to_owned(),
            "：它们在线路上已合成一个报文段".to_owned(),
        ],
        segments => [
            format!(
                ": they came in {} and lay in the receive buffer until then",
                of(segments, "segment")
            ),
            format!(
                "：它们分 {} 个报文段到达，在接收缓冲区里等到了这次读取",
                count(segments)
            ),
        ],
    }
}

fn facts(view: &View<'_>, way: usize, read: &Move, pieces: &[Piece]) -> Vec<FactId> {
    let wire = pieces.iter().take(Topic::FACTS / 4).map(|piece| piece.fact);
    let mut facts: Vec<FactId> = view.writes_of(way, &read.bytes, Topic::FACTS / 2).collect();
    facts.extend(wire);
    facts.push(read.fact);
    // A packet stands for several pieces.
    facts.dedup();
    facts
}

/// What travelled together though it was read apart, or by nobody who was watched.
fn in_a_segment(view: &View<'_>, way: usize, piece: &Piece, found: &mut Found) {
    let messages = &view.messages[way][overlapping(&view.messages[way], &piece.bytes)];
    // One read on both sides of where a message begins: the read has told of it.
    let is_told = |begin: u64| {
        let both = begin.saturating_sub(1)..begin + 1;
        overlapping(&view.reads[way], &both).len() == 1
    };
    let begins = messages.iter().skip(1).map(|message| message.start);
    let read_up_to = view.reads[way].last().map_or(0, |read| read.bytes.end);
    if messages.len() < 2 || begins.into_iter().any(|at| at < read_up_to && is_told(at)) {
        return;
    }
    let place = view.place(way, piece.bytes.clone(), piece.at);
    found.add(&COALESCED, Weight::Note, place, || {
        let mut facts: Vec<FactId> = view
            .writes_of(way, &piece.bytes, Topic::FACTS - 1)
            .collect();
        facts.push(piece.fact);
        let several = messages.len() as u64;
        let lengths = sizes(messages.iter().map(|message| shared(message, &piece.bytes)));
        let [noun, noun_zh] = if view.is_framed(way) {
            ["message", "条消息"]
        } else {
            ["write", "次写入"]
        };
        let [sender, sender_zh] = &view.who[way];
        Told {
            facts,
            sentence: [
                format!(
                    "One segment carried {} by {sender} ({lengths} bytes).",
                    of(several, noun)
                ),
                format!(
                    "一个报文段装下了{sender_zh}的 {} {noun_zh}（{lengths} 字节）。",
                    count(several)
                ),
            ],
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::check::{only, told};
    use crate::sample::{CLIENT, SERVER, Script};

    /// Two writes, carried in segments that end there, and reads of these sizes.
    fn script(ends: &[u64], reads: &[usize]) -> Script {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        script.write(tcp, CLIENT, b"hello");
        script.write(tcp, CLIENT, b"feng");
        let mut at = 0;
        for end in ends {
            script.segment(tcp, CLIENT, at..*end);
            at = *end;
        }
        for read in reads {
            script.read(tcp, SERVER, 1024, *read);
        }
        script
    }

    #[test]
    fn the_wire_tells_who_put_them_together() {
        let together = only(script(&[9], &[9]), &COALESCED);
        assert_eq!(
            together.sentence,
            [
                "One read gave the server (python3) 9 bytes of 2 writes by the client \
                (python3): they had travelled in one segment.",
                "服务器（python3）一次读到 9 字节，来自客户端（python3）的 2 次写入：它们在线路\
                上已合成一个报文段。",
            ]
        );
        assert_eq!((together.bytes, together.weight), (0..9, Weight::Notice));
        assert_eq!(together.facts.len(), 4);
        let apart = only(script(&[5, 9], &[9]), &COALESCED);
        assert!(apart.sentence[0].ends_with(
            "by the client (python3): they came in 2 segments and lay in the receive buffer \
            until then."
        ));
    }

    #[test]
    fn together_on_the_wire_and_read_apart_is_a_note() {
        let found = only(script(&[9], &[5, 4]), &COALESCED);
        assert_eq!(
            found.sentence[0],
            "One segment carried 2 writes by the client (python3) (5 + 4 bytes)."
        );
        assert_eq!(found.weight, Weight::Note);
    }

    #[test]
    fn what_stayed_apart_is_not_told() {
        assert!(told(script(&[5, 9], &[5, 4]), &COALESCED).is_empty());
        assert!(told(script(&[5, 9], &[2, 3, 4]), &COALESCED).is_empty());
    }

    #[test]
    fn bulk_data_is_only_a_note() {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        script.write(tcp, CLIENT, &[b'x'; 4000]);
        script.write(tcp, CLIENT, &[b'x'; 4000]);
        script.read(tcp, SERVER, 8000, 8000);
        assert_eq!(only(script, &COALESCED).weight, Weight::Note);
    }
}
