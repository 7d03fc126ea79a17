//! `lost-datagram`: a datagram was written and never read.
//!
//! UDP promises nothing (RFC 768): the network may drop a datagram, and the receiver's kernel does
//! when the receive buffer is full (udp(7)). Told only where the receiver's program was watched.
//! One that was overtaken (later ones were read) is lost; one at the end may still lie in the
//! buffer.

use std::collections::HashSet;

use crate::Weight;
use crate::timeline::Move;

use super::Topic;
use super::found::{Found, Told};
use super::view::View;
use super::words::bytes;

pub(super) const LOST_DATAGRAM: Topic = Topic {
    name: "lost-datagram",
    title: ["a datagram was never read", "数据报没有被读到"],
};

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    if view.flow.transport.is_stream() {
        return;
    }
    for way in [0, 1].into_iter().filter(|way| view.is_watched(1 - way)) {
        let read: HashSet<u32> = view.reads[way].iter().map(|each| each.datagram).collect();
        let carried: HashSet<u32> = view
            .way(way)
            .wire
            .iter()
            .map(|each| each.datagram)
            .collect();
        let last = read.iter().max().copied();
        for write in &view.writes[way] {
            if !read.contains(&write.datagram) {
                let on_wire = view
                    .is_captured()
                    .then(|| carried.contains(&write.datagram));
                one(
                    view,
                    way,
                    write,
                    last > Some(write.datagram),
                    on_wire,
                    found,
                );
            }
        }
    }
}

fn one(
    view: &View<'_>,
    way: usize,
    write: &Move,
    overtaken: bool,
    on_wire: Option<bool>,
    found: &mut Found,
) {
    let weight = if overtaken {
        Weight::Trouble
    } else {
        Weight::Notice
    };
    let place = view.place(way, write.bytes.clone(), view.time(write.fact));
    found.add(&LOST_DATAGRAM, weight, place, || {
        let wire = view.way(way).wire.iter();
        let packets = wire
            .filter(|each| each.datagram == write.datagram)
            .map(|each| each.fact);
        let [sender, sender_zh] = &view.who[way];
        let [reader, reader_zh] = &view.who[1 - way];
        let length = write.bytes.end - write.bytes.start;
        let [seen, seen_zh] = match on_wire {
            Some(true) => [" was seen on the wire, and", "在线路上出现过，但"],
            Some(false) => [" was not seen on the wire, and", "没有出现在线路上，"],
            None => ["", ""],
        };
        let [end, end_zh] = if overtaken {
            [
                ", though it read later ones: it is lost",
                "，而后面的却读到了：它丢了",
            ]
        } else {
            [" before the recording ended", "（直到记录结束）"]
        };
        Told {
            facts: [write.fact].into_iter().chain(packets).collect(),
            sentence: [
                format!(
                    "A datagram of {} by {sender}{seen} was never read by \
                {reader}{end}.",
                    bytes(length)
                ),
                format!(
                    "{sender_zh}的一个 {length} 字节的数据报{seen_zh}{reader_zh}一直没有读到\
                它{end_zh}。"
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

    /// Three datagrams of which these are carried and these are read.
    fn script(carried: [bool; 3], read: [bool; 3]) -> Script {
        let mut script = Script::new();
        let udp = script.udp();
        for (index, text) in ["first", "other", "third"].into_iter().enumerate() {
            script.write(udp, CLIENT, text.as_bytes());
            if carried[index] {
                script.datagram(udp, CLIENT, text.as_bytes());
            }
            if read[index] {
                script.receive(udp, SERVER, 64, text.as_bytes());
            }
        }
        script
    }

    #[test]
    fn one_that_others_overtook_is_lost() {
        let found = only(script([true; 3], [true, false, true]), &LOST_DATAGRAM);
        assert_eq!(
            found.sentence,
            [
                "A datagram of 5 bytes by the client (python3) was seen on the wire, and was \
                never read by the server (python3), though it read later ones: it is lost.",
                "客户端（python3）的一个 5 字节的数据报在线路上出现过，但服务器（python3）一直没\
                有读到它，而后面的却读到了：它丢了。",
            ]
        );
        assert_eq!((found.weight, found.bytes), (Weight::Trouble, 5..10));
        let unseen = only(
            script([true, false, true], [true, false, true]),
            &LOST_DATAGRAM,
        );
        assert!(unseen.sentence[0].contains("was not seen on the wire"));
    }

    #[test]
    fn the_last_one_may_still_wait() {
        let found = only(script([true; 3], [true, true, false]), &LOST_DATAGRAM);
        assert_eq!(found.weight, Weight::Notice);
        assert!(
            found.sentence[0]
                .ends_with("was never read by the server (python3) before the recording ended.")
        );
    }

    #[test]
    fn nothing_is_said_of_a_reader_that_nobody_watched() {
        assert!(told(script([true; 3], [true; 3]), &LOST_DATAGRAM).is_empty());
        assert!(told(script([true; 3], [false; 3]), &LOST_DATAGRAM).is_empty());
    }
}
