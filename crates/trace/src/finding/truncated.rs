//! `truncated-datagram`: a datagram was longer than the reader's buffer.
//!
//! A receive takes one whole datagram; what does not fit into the buffer is thrown away (recv(2)),
//! and only recvmsg(2) tells so (`MSG_TRUNC`). With `MSG_TRUNC` among its own flags, a receive
//! returns the datagram's real length.

use crate::Weight;
use crate::timeline::Move;

use super::Topic;
use super::found::{Found, Told};
use super::view::View;
use super::words::{bytes, count};

pub(super) const TRUNCATED_DATAGRAM: Topic = Topic {
    name: "truncated-datagram",
    title: ["a datagram was cut off", "数据报被截断"],
};

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    if view.flow.transport.is_stream() {
        return;
    }
    for way in 0..2 {
        for read in &view.reads[way] {
            one(view, way, read, found);
        }
    }
}

fn one(view: &View<'_>, way: usize, read: &Move, found: &mut Found) {
    let fact = view.fact(read.fact);
    let room = u64::from(fact.event.asked);
    let got = fact.moved().min(room);
    let write = view.datagram(way, read.datagram);
    let whole = write.map_or(0, |write| write.bytes.end - write.bytes.start);
    let whole = whole.max(fact.moved());
    let is_flagged = fact.flags & libc::MSG_TRUNC.cast_unsigned() != 0;
    if whole <= got && !(is_flagged && write.is_none() && got == room) {
        return;
    }
    let lost = whole - got;
    let start = read.bytes.start;
    let place = view.place(way, start + got..start + whole, fact.event.time);
    found.add(&TRUNCATED_DATAGRAM, Weight::Trouble, place, || {
        let [reader, reader_zh] = &view.who[1 - way];
        let facts = write
            .map(|write| write.fact)
            .into_iter()
            .chain([read.fact])
            .collect();
        let sentence = if lost > 0 {
            [
                format!(
                    "A datagram of {} met a read of {reader} with room for {}: the last {} are \
                    lost.",
                    bytes(whole),
                    count(room),
                    bytes(lost),
                ),
                format!(
                    "一个 {} 字节的数据报遇到{reader_zh}只给 {} 字节空间的读取：最后 {} 字节丢\
                    了。",
                    count(whole),
                    count(room),
                    count(lost),
                ),
            ]
        } else {
            [
                format!(
                    "A datagram was longer than the {} that a read of {reader} had room for: \
                    the rest is lost.",
                    bytes(room),
                ),
                format!(
                    "一个数据报比{reader_zh}读取时给的 {} 字节还长：其余的丢\
                了。",
                    count(room)
                ),
            ]
        };
        Told { facts, sentence }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::check::{only, told};
    use crate::sample::{CLIENT, SERVER, Script};

    fn script(size: usize, room: u32, written: bool) -> Script {
        let mut script = Script::new();
        let udp = script.udp();
        let bytes = vec![b'x'; size];
        if written {
            script.write(udp, CLIENT, &bytes);
        }
        script.receive(udp, SERVER, room, &bytes);
        script
    }

    #[test]
    fn what_did_not_fit_is_lost() {
        let found = only(script(2000, 1024, true), &TRUNCATED_DATAGRAM);
        assert_eq!(
            found.sentence,
            [
                "A datagram of 2,000 bytes met a read of the server (python3) with room for \
                1,024: the last 976 bytes are lost.",
                "一个 2,000 字节的数据报遇到服务器（python3）只给 1,024 字节空间的读取：最后 \
                976 字节丢了。",
            ]
        );
        assert_eq!((found.bytes, found.facts.len()), (1024..2000, 2));
    }

    #[test]
    fn the_kernels_word_is_enough() {
        let found = told(script(2000, 1024, false), &TRUNCATED_DATAGRAM);
        assert_eq!(
            found,
            [
                "A datagram was longer than the 1,024 bytes that a read of the server (python3) \
                had room for: the rest is lost."
            ]
        );
    }

    #[test]
    fn what_fits_exactly_is_whole() {
        assert!(told(script(1024, 1024, true), &TRUNCATED_DATAGRAM).is_empty());
        assert!(told(script(0, 1024, true), &TRUNCATED_DATAGRAM).is_empty());
        assert_eq!(told(script(1025, 1024, true), &TRUNCATED_DATAGRAM).len(), 1);
    }
}
