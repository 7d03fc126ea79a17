//! `short-write`: a write took less than it was given.
//!
//! send(2) on a non-blocking socket, or with a time limit, takes what fits into the send buffer and
//! returns how much that was; the rest is the caller's to send again. A blocking send waits until
//! all of it is taken, unless a signal interrupts it. sendfile(2) and splice(2) are asked for "up
//! to" a count, so nothing is short there.

use crate::timeline::Move;
use crate::{Call, Weight};

use super::Topic;
use super::found::{Found, Told};
use super::view::View;
use super::words::{bytes, count};

pub(super) const SHORT_WRITE: Topic = Topic {
    name: "short-write",
    title: [
        "a write took less than it was given",
        "一次写入只写进一部分",
    ],
};

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    if !view.flow.transport.is_stream() {
        return;
    }
    for way in 0..2 {
        let writes = &view.writes[way];
        for (index, write) in writes.iter().enumerate() {
            one(view, way, write, writes.get(index + 1).copied(), found);
        }
    }
}

fn one(view: &View<'_>, way: usize, write: &Move, next: Option<&Move>, found: &mut Found) {
    let event = view.event(write.fact);
    let (asked, took) = (u64::from(event.asked), write.bytes.end - write.bytes.start);
    if took >= asked || matches!(event.call(), Call::Sendfile | Call::SpliceOut) {
        return;
    }
    let left = asked - took;
    let next_asked = next.map(|next| u64::from(view.event(next.fact).asked));
    let (weight, [then, then_zh]) = match next_asked {
        Some(again) if again == left => (
            Weight::Note,
            [
                "The next write offered exactly the rest",
                "下一次写入正好补上了剩下的字节",
            ],
        ),
        Some(_) => (
            Weight::Notice,
            [
                "The next write was of another size: see whether the rest was sent again",
                "下一次写入的长度不同：请检查剩下的字节是否补发",
            ],
        ),
        None => (
            Weight::Trouble,
            [
                "Nothing was written after it: the rest is lost",
                "此后再没有写入：剩下的字节丢了",
            ],
        ),
    };
    let place = view.place(way, write.bytes.clone(), event.time);
    found.add(&SHORT_WRITE, weight, place, || {
        let [sender, sender_zh] = &view.who[way];
        let call = event.call().name();
        let call = if call.is_empty() { "write" } else { call };
        Told {
            facts: [write]
                .into_iter()
                .chain(next)
                .map(|each| each.fact)
                .collect(),
            sentence: [
                format!(
                    "A {call} of {sender} took {} of {}. {then}.",
                    count(took),
                    bytes(asked)
                ),
                format!(
                    "{sender_zh}的一次 {call} 给了 {} 字节，只写进 {} 字节。{then_zh}。",
                    count(asked),
                    count(took)
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

    /// A write of 10 000 bytes of which 2 048 are taken, and what is written after it.
    fn script(next: &[usize]) -> Script {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        script.write_some(tcp, CLIENT, &[b'x'; 10_000], 2048);
        for size in next {
            script.write(tcp, CLIENT, &vec![b'x'; *size]);
        }
        script
    }

    #[test]
    fn the_rest_may_be_lost() {
        let found = only(script(&[]), &SHORT_WRITE);
        assert_eq!(
            found.sentence,
            [
                "A sendto of the client (python3) took 2,048 of 10,000 bytes. Nothing was \
                written after it: the rest is lost.",
                "客户端（python3）的一次 sendto 给了 10,000 字节，只写进 2,048 字节。此后再没有\
                写入：剩下的字节丢了。",
            ]
        );
        assert_eq!((found.weight, found.bytes), (Weight::Trouble, 0..2048));
    }

    #[test]
    fn who_sends_the_rest_does_it_right() {
        assert_eq!(only(script(&[7952]), &SHORT_WRITE).weight, Weight::Note);
        assert_eq!(only(script(&[7951]), &SHORT_WRITE).weight, Weight::Notice);
    }

    #[test]
    fn what_was_taken_whole_is_not_short() {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        script.write(tcp, CLIENT, b"hello");
        script.fail(tcp, CLIENT, crate::Kind::Write, 5, libc::EAGAIN);
        assert!(told(script, &SHORT_WRITE).is_empty());
    }
}
