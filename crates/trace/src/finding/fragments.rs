//! `ip-fragments`: a datagram was larger than the link's MTU and went in parts.
//!
//! IP cuts what is larger than the MTU into fragments (RFC 791 §3.2), and the receiver puts them
//! together again; if one is lost, the whole datagram is. Only the first carries the ports, so
//! firewalls and the balancing of load see the others as strangers.

use crate::timeline::{Segment, SegmentNote};
use crate::{Transport, Weight};

use super::Topic;
use super::found::{Found, Told};
use super::view::View;
use super::words::{bytes, count, of, sizes};

pub(super) const IP_FRAGMENTS: Topic = Topic {
    name: "ip-fragments",
    title: ["a datagram in fragments", "IP 分片"],
};

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    if !matches!(view.flow.transport, Transport::Udp | Transport::Raw) {
        return;
    }
    for way in 0..2 {
        let wire = &view.way(way).wire;
        // The parts of one datagram follow each other, but for what comes between.
        let mut parts: Vec<&Segment> = wire.iter().collect();
        parts.sort_by_key(|part| part.datagram);
        for datagram in parts.chunk_by(|a, b| a.datagram == b.datagram) {
            one(view, way, datagram, found);
        }
    }
}

fn one(view: &View<'_>, way: usize, parts: &[&Segment], found: &mut Found) {
    let others = parts
        .iter()
        .filter(|part| part.note == SegmentNote::Fragment);
    let [first, ..] = parts else { return };
    if others.count() == 0 {
        return;
    }
    let start = parts.iter().map(|part| part.bytes.start).min().unwrap_or(0);
    let end = parts.iter().map(|part| part.bytes.end).max().unwrap_or(0);
    let place = view.place(way, start..end, view.time(first.fact));
    found.add(&IP_FRAGMENTS, Weight::Notice, place, || {
        let [sender, sender_zh] = &view.who[way];
        let write = view.datagram(way, first.datagram);
        let length = write.map_or(end - start, |write| write.bytes.end - write.bytes.start);
        let lengths = sizes(parts.iter().map(|part| part.bytes.end - part.bytes.start));
        let several = parts.len() as u64;
        let write = write.map(|write| write.fact);
        Told {
            facts: write
                .into_iter()
                .chain(parts.iter().map(|part| part.fact))
                .collect(),
            sentence: [
                format!(
                    "A datagram of {} by {sender} went as {} ({lengths}): if one is lost, all \
                    of it is.",
                    bytes(length),
                    of(several, "IP fragment"),
                ),
                format!(
                    "{sender_zh}的一个 {} 字节的数据报被分成 {} 个 IP 分片（{lengths}）：丢一片\
                    就全丢。",
                    count(length),
                    count(several),
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

    fn script(size: usize) -> Script {
        let mut script = Script::new();
        let udp = script.udp();
        let bytes = vec![b'x'; size];
        script.write(udp, CLIENT, &bytes);
        script.datagram(udp, CLIENT, &bytes);
        script
    }

    #[test]
    fn a_datagram_above_the_mtu_goes_in_parts() {
        let found = only(script(2000), &IP_FRAGMENTS);
        assert_eq!(
            found.sentence,
            [
                "A datagram of 2,000 bytes by the client (python3) went as 2 IP fragments \
                (1,472 + 528): if one is lost, all of it is.",
                "客户端（python3）的一个 2,000 字节的数据报被分成 2 个 IP 分片（1,472 + 528）：\
                丢一片就全丢。",
            ]
        );
        assert_eq!((found.bytes, found.facts.len()), (0..2000, 3));
    }

    #[test]
    fn one_that_fits_goes_whole() {
        assert!(told(script(1472), &IP_FRAGMENTS).is_empty());
        assert_eq!(told(script(1473), &IP_FRAGMENTS).len(), 1);
    }
}
