//! `summary`: what became of the bytes of one way, in one sentence.
//!
//! A TCP stream has no messages. The sender's kernel cuts what was written into segments as the
//! window, the MSS and Nagle's algorithm want it (RFC 9293 §3.7, §3.8), and a read takes whatever
//! has arrived and fits into its buffer (recv(2)). The three counts side by side show that none of
//! them follows from the others. Datagrams are counted the same way, and there they should agree.

mod datagrams;
mod stream;

use crate::timeline::{Move, Segment};
use crate::{FactId, Weight};

use crate::finding::found::{Found, Place, Told};
use crate::finding::view::View;
use crate::finding::words;
use crate::finding::{Finding, Topic};

/// The headline of a way.
pub(super) const SUMMARY: Topic = Topic {
    name: "summary",
    title: ["what became of the bytes", "字节的去向"],
};

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    for way in 0..2 {
        if let Some((place, told)) = tell(view, way) {
            found.add(&SUMMARY, Weight::Note, place, || told);
        }
    }
}

/// The headline of one way; none if it carried nothing.
pub(super) fn of_way(view: &View<'_>, way: usize) -> Option<Finding> {
    let (place, told) = tell(view, way)?;
    Some(Finding {
        name: SUMMARY.name,
        weight: Weight::Note,
        flow: place.flow,
        way: place.way,
        bytes: place.bytes,
        facts: told.facts,
        at: place.at,
        count: 1,
        sentence: told.sentence,
    })
}

/// What is counted of a way.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    /// Messages, where the framing is known.
    messages: Option<u64>,
    /// All bytes were kept, so that these are all messages.
    is_whole: bool,
    writes: u64,
    written: u64,
    /// What the wire carried for the first time.
    segments: u64,
    carried: u64,
    reads: u64,
    read: u64,
}

impl Tally {
    fn new(view: &View<'_>, way: usize) -> Self {
        let total = |moves: &[&Move]| {
            let bytes = moves.iter().map(|each| view.event(each.fact).result);
            let bytes = bytes.map(|result| u64::from(result.max(0).cast_unsigned()));
            (moves.len() as u64, bytes.sum())
        };
        let (writes, written) = total(&view.writes[way]);
        let (reads, read) = total(&view.reads[way]);
        Self {
            messages: view
                .is_framed(way)
                .then_some(view.messages[way].len() as u64),
            is_whole: view.is_whole(way),
            writes,
            written,
            segments: view.carriers(way).map(segments).sum(),
            carried: view.way(way).carried,
            reads,
            read,
        }
    }

    /// Bytes that were written or carried, as far as anybody saw.
    fn known(&self) -> u64 {
        self.written.max(self.carried)
    }

    fn is_empty(&self) -> bool {
        self.writes == 0 && self.segments == 0 && self.reads == 0
    }
}

/// How many segments an entry stands for: counters tell of several in one.
fn segments(segment: &Segment) -> u64 {
    if segment.is_inferred() {
        u64::from(segment.piece.1)
    } else {
        1
    }
}

fn tell(view: &View<'_>, way: usize) -> Option<(Place, Told)> {
    let tally = Tally::new(view, way);
    if tally.is_empty() {
        return None;
    }
    let facts = facts(view, way);
    let first = facts.iter().map(|fact| view.time(*fact)).min()?;
    let all = view.way(way);
    let length = all.written.max(all.carried).max(all.read);
    let sentence = if view.flow.transport.is_stream() {
        stream::sentence(view, way, &tally)
    } else {
        datagrams::sentence(view, way, &tally)
    };
    Some((view.place(way, 0..length, first), Told { facts, sentence }))
}

/// The first calls and packets of each lane.
fn facts(view: &View<'_>, way: usize) -> Vec<FactId> {
    const EACH: usize = Topic::FACTS / 3;
    let writes = view.writes[way].iter().map(|each| each.fact).take(EACH);
    let reads = view.reads[way].iter().map(|each| each.fact).take(EACH);
    let mut wire: Vec<FactId> = view
        .carriers(way)
        .map(|each| each.fact)
        .take(EACH)
        .collect();
    // A packet stands for several pieces.
    wire.dedup();
    writes.chain(wire).chain(reads).collect()
}

/// One sentence of parts, those that are empty left out.
fn joined(parts: &[String; 2], between: &str, end: &str) -> String {
    let parts: Vec<&str> = parts
        .iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    words::capital(&parts.join(between)) + end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::check::{only, told};
    use crate::sample::{CLIENT, SERVER, Script};
    use crate::{Kind, Transport};

    #[test]
    fn writes_segments_and_reads_are_counted() {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        for text in ["a", "bb", "ccc"] {
            script.write(tcp, CLIENT, text.as_bytes());
        }
        script.segment(tcp, CLIENT, 0..6);
        script.read(tcp, SERVER, 4, 4);
        script.read(tcp, SERVER, 4, 2);
        let summary = only(script, &SUMMARY);
        assert_eq!(
            summary.sentence,
            [
                "3 writes (6 bytes) by the client (python3) became 1 segment; the server \
                (python3) took 2 pieces.",
                "客户端（python3）写入 3 次（6 字节），在线路上合成 1 个报文段；服务器（\
                python3）分 2 次读完。",
            ]
        );
        assert_eq!(
            (summary.bytes, summary.way, summary.facts.len()),
            (0..6, Some(0), 6)
        );
    }

    #[test]
    fn messages_are_counted_where_the_framing_is_known() {
        let mut script = Script::new();
        script.head().frame = "line".into();
        let tcp = script.connected_tcp();
        script.write(tcp, CLIENT, b"one\ntwo\n");
        script.write(tcp, CLIENT, b"three\n");
        script.segment(tcp, CLIENT, 0..8);
        script.segment(tcp, CLIENT, 8..14);
        // Sent again: the same bytes are no other segment.
        script.segment(tcp, CLIENT, 8..14);
        script.read(tcp, SERVER, 64, 8);
        let summary = only(script, &SUMMARY);
        assert_eq!(
            summary.sentence,
            [
                "3 messages in 2 writes (14 bytes) by the client (python3) became 2 segments; \
                the server (python3) took 8 of them in 1 piece.",
                "客户端（python3）用 2 次写入发出 3 条消息（14 字节），在线路上成为 2 个报文段；\
                服务器（python3）分 1 次读走其中 8 字节。",
            ]
        );
    }

    #[test]
    fn what_was_not_seen_is_not_claimed() {
        let mut script = Script::new();
        let tcp = script.talk(Transport::Tcp, true);
        script.write(tcp, CLIENT, b"hello");
        script.fail(tcp, SERVER, Kind::Read, 64, libc::EAGAIN);
        let summary = told(script, &SUMMARY);
        assert_eq!(
            summary,
            [
                "1 write (5 bytes) by the client (python3) went over a wire that was not \
                watched; the server (python3) read none of them."
            ]
        );
        assert!(told(Script::new(), &SUMMARY).is_empty());
    }

    #[test]
    fn datagrams_agree_but_for_fragments_and_losses() {
        let mut script = Script::new();
        let udp = script.udp();
        for size in [5, 2000, 7] {
            let bytes = vec![b'x'; size];
            script.write(udp, CLIENT, &bytes);
            script.datagram(udp, CLIENT, &bytes);
            if size != 7 {
                script.receive(udp, SERVER, 4096, &bytes);
            }
        }
        let summary = only(script, &SUMMARY);
        assert_eq!(
            summary.sentence,
            [
                "3 datagrams (2,012 bytes) by the client (python3) went as 4 packets; the \
                server (python3) took 2 of them.",
                "客户端（python3）发出 3 个数据报（2,012 字节），在线路上是 4 个包；服务器（\
                python3）读到 2 个。",
            ]
        );
    }
}
