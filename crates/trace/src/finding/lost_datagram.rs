//! `lost-datagram`: a datagram was written and never read.
//!
//! UDP promises nothing (RFC 768): the network may drop a datagram, and the receiver's kernel does
//! when the receive buffer is full (udp(7)). Told only where the receiver's program was watched.
//! One that was overtaken (later ones were read) is lost; one at the end may still lie in the
//! buffer. Where the recording knows what became of packets on their way, it says what took it.

use std::collections::{HashMap, HashSet};

use crate::timeline::Move;
use crate::{Event, Time, Weight};

use super::Topic;
use super::found::{Found, Told};
use super::view::View;
use super::words::{bytes, count};

pub(super) const LOST_DATAGRAM: Topic = Topic {
    name: "lost-datagram",
    title: ["a datagram was never read", "数据报没有被读到"],
};

/// Why a datagram that was not read cannot be read any more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// Later ones were read.
    Overtaken,
    /// The program asked afterwards, and nothing was there.
    Empty,
    /// It was taken from the wire, or one of its fragments was.
    Taken,
    /// It may still come.
    No,
}

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    if view.flow.transport.is_stream() {
        return;
    }
    for way in [0, 1].into_iter().filter(|way| view.is_watched(1 - way)) {
        let read: HashSet<u32> = view.reads[way].iter().map(|each| each.datagram).collect();
        let wire = view.way(way).wire.iter();
        let carried: HashMap<u32, Time> = wire
            .map(|each| (each.datagram, view.time(each.fact)))
            .collect();
        let taken = taken(view, way);
        let last = read.iter().max().copied();
        let empty = found_empty(view, way);
        for write in &view.writes[way] {
            if read.contains(&write.datagram) {
                continue;
            }
            let seen = carried.get(&write.datagram);
            let gone = if taken.contains_key(&write.datagram) {
                Gone::Taken
            } else if last > Some(write.datagram) {
                Gone::Overtaken
            } else if seen.is_some_and(|seen| empty > Some(*seen)) {
                Gone::Empty
            } else {
                Gone::No
            };
            let on_wire = view.is_captured().then_some(seen.is_some());
            let rule = taken.get(&write.datagram).copied();
            one(view, way, write, gone, (on_wire, rule), found);
        }
    }
}

/// The rules that took datagrams, or fragments of them, from the wire.
fn taken<'t>(view: &View<'t>, way: usize) -> HashMap<u32, &'t str> {
    let lost = view.way(way).wire.iter().filter(|each| each.lost);
    lost.filter_map(|each| Some((each.datagram, view.fact(each.fact).verdict()?.lost_to()?)))
        .collect()
}

/// When the receiver last asked and nothing was there.
fn found_empty(view: &View<'_>, way: usize) -> Option<Time> {
    let context = view.context;
    let sides = view.flow.ends[1 - way].sides.iter();
    let sides = sides.filter_map(|side| context.timeline.sides.get(*side as usize));
    let apart = sides.filter_map(|side| context.empty.get(&side.id).copied());
    let events = view.way(way).reads.iter().map(|read| view.event(read.fact));
    let in_vain = events.filter(|event| event.result == -libc::EAGAIN);
    apart.chain(in_vain.map(Event::began)).max()
}

fn one(
    view: &View<'_>,
    way: usize,
    write: &Move,
    gone: Gone,
    (on_wire, rule): (Option<bool>, Option<&str>),
    found: &mut Found,
) {
    let weight = if gone == Gone::No {
        Weight::Notice
    } else {
        Weight::Trouble
    };
    let place = view.place(way, write.bytes.clone(), view.time(write.fact));
    found.add(&LOST_DATAGRAM, weight, place, || {
        let wire = view.way(way).wire.iter();
        let packets = wire.filter(|each| each.datagram == write.datagram);
        let [sender, sender_zh] = &view.who[way];
        let [reader, reader_zh] = &view.who[1 - way];
        let length = write.bytes.end - write.bytes.start;
        let rule = rule.unwrap_or_default();
        let taken = [
            format!(" was taken from the wire ({rule}), and"),
            format!("在线路上被取走（{rule}），"),
        ];
        let [seen, seen_zh] = match on_wire {
            _ if gone == Gone::Taken => [&*taken[0], &*taken[1]],
            Some(true) => [" was seen on the wire, and", "在线路上出现过，但"],
            Some(false) => [" was not seen on the wire, and", "没有出现在线路上，"],
            None => ["", ""],
        };
        let [end, end_zh] = match gone {
            Gone::Overtaken => [
                ", though it read later ones: it is lost",
                "，而后面的却读到了：它丢了",
            ],
            Gone::Empty => [
                ", which later found nothing to read: it is lost",
                "，后来再读时已没有数据：它丢了",
            ],
            Gone::Taken => [": it is lost", "：它丢了"],
            Gone::No => [" before the recording ended", "（直到记录结束）"],
        };
        Told {
            facts: [write.fact]
                .into_iter()
                .chain(packets.map(|each| each.fact))
                .collect(),
            sentence: [
                format!(
                    "A datagram of {} by {sender}{seen} was never read by {reader}{end}.",
                    bytes(length)
                ),
                format!(
                    "{sender_zh}的一个 {} 字节的数据报{seen_zh}{reader_zh}一直没有读到它\
                    {end_zh}。",
                    count(length)
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
    fn one_that_the_wire_took_is_lost_and_the_rule_is_named() {
        let mut script = script([true; 3], [true; 3]);
        let udp = 0;
        script.write(udp, CLIENT, b"first");
        script.verdict("delayed 1ms by delay:1ms; dropped by loss:50%");
        script.datagram(udp, CLIENT, b"first");
        let found = only(script, &LOST_DATAGRAM);
        assert_eq!(
            found.sentence,
            [
                "A datagram of 5 bytes by the client (python3) was taken from the wire (loss:50%), \
                and was never read by the server (python3): it is lost.",
                "客户端（python3）的一个 5 字节的数据报在线路上被取走（loss:50%），服务器（python3）\
                一直没有读到它：它丢了。",
            ]
        );
        assert_eq!(found.weight, Weight::Trouble);
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
    fn one_that_was_asked_for_in_vain_is_lost() {
        let mut script = script([true; 3], [true, true, false]);
        script.fail(0, SERVER, crate::Kind::Read, 64, libc::EAGAIN);
        let found = only(script, &LOST_DATAGRAM);
        assert_eq!(found.weight, Weight::Trouble);
        assert!(found.sentence[0].ends_with(", which later found nothing to read: it is lost."));
    }

    #[test]
    fn nothing_is_said_of_a_reader_that_nobody_watched() {
        assert!(told(script([true; 3], [true; 3]), &LOST_DATAGRAM).is_empty());
        assert!(told(script([true; 3], [false; 3]), &LOST_DATAGRAM).is_empty());
    }
}
