//! `tiny-writes`: many small writes in a row that one write could have been.
//!
//! Each write is a system call, and with `TCP_NODELAY` each is a packet of 40 bytes of headers and
//! more. Programs write so that have no buffer between them and the socket (a loop over bytes,
//! `fprintf` to an unbuffered stream). What a person types comes slowly, and what waits for answers
//! reads between its writes: neither is meant.

use std::time::Duration;

use crate::Weight;
use crate::timeline::Move;

use super::Topic;
use super::found::{Found, Told};
use super::view::View;
use super::words::{bytes, count, duration, of};

pub(super) const TINY_WRITES: Topic = Topic {
    name: "tiny-writes",
    title: ["many tiny writes", "大量零碎的写入"],
};

/// Writes up to this size are tiny.
const TINY: u64 = 16;
/// So many in a row are many.
const MANY: usize = 16;
/// A pause from which on a write is no longer in a row with the one before it: watching makes calls
/// slower, and nobody types this fast.
const PAUSE: Duration = Duration::from_millis(10);

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    if !view.flow.transport.is_stream() {
        return;
    }
    for way in 0..2 {
        // What the same end read, to tell a dialogue from a row.
        let reads = &view.reads[1 - way];
        let mut answers = reads.iter().map(|read| view.time(read.fact)).peekable();
        let mut row: Vec<&Move> = Vec::new();
        for write in &view.writes[way] {
            let event = view.event(write.fact);
            let mut answered = false;
            while answers.next_if(|at| *at <= event.began()).is_some() {
                answered = true;
            }
            let follows = row
                .last()
                .is_some_and(|last| event.began().since(view.time(last.fact)) < PAUSE && !answered);
            if !follows {
                tell(view, way, &row, found);
                row.clear();
            }
            if write.bytes.end - write.bytes.start <= TINY {
                row.push(write);
            } else {
                tell(view, way, &row, found);
                row.clear();
            }
        }
        tell(view, way, &row, found);
    }
}

fn tell(view: &View<'_>, way: usize, row: &[&Move], found: &mut Found) {
    let [first, .., last] = row else { return };
    if row.len() < MANY {
        return;
    }
    let bytes_of_all = first.bytes.start..last.bytes.end;
    let place = view.place(way, bytes_of_all.clone(), view.event(first.fact).began());
    found.add(&TINY_WRITES, Weight::Notice, place, || {
        let [sender, sender_zh] = &view.who[way];
        let (calls, all) = (row.len() as u64, bytes_of_all.end - bytes_of_all.start);
        let took = duration(view.time(last.fact).since(view.event(first.fact).began()));
        Told {
            facts: row
                .iter()
                .take(Topic::FACTS)
                .map(|write| write.fact)
                .collect(),
            sentence: [
                format!(
                    "{} of {sender} in {took} moved {}: gather them in a buffer and write once.",
                    of(calls, "write"),
                    bytes(all),
                ),
                format!(
                    "{sender_zh}在 {took} 内写了 {} 次，一共才 {} 字节：先放进缓冲区，一次写出。",
                    count(calls),
                    count(all),
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

    fn script(writes: usize, each: impl Fn(&mut Script, usize)) -> Script {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        for _ in 0..writes {
            script.write(tcp, CLIENT, b"x");
            each(&mut script, tcp);
        }
        script
    }

    #[test]
    fn a_write_for_each_byte_is_told_once() {
        let found = only(script(200, |_, _| {}), &TINY_WRITES);
        assert_eq!(
            found.sentence,
            [
                "200 writes of the client (python3) in 2.00 ms moved 200 bytes: gather them in \
                a buffer and write once.",
                "客户端（python3）在 2.00 ms 内写了 200 次，一共才 200 字节：先放进缓冲区，一次\
                写出。",
            ]
        );
        assert_eq!((found.bytes, found.facts.len()), (0..200, Topic::FACTS));
    }

    #[test]
    fn few_slow_and_answered_writes_are_not() {
        assert!(told(script(MANY - 1, |_, _| {}), &TINY_WRITES).is_empty());
        assert_eq!(told(script(MANY, |_, _| {}), &TINY_WRITES).len(), 1);
        let typed = script(40, |script, _| _ = script.wait(50_000));
        assert!(told(typed, &TINY_WRITES).is_empty());
        let dialogue = script(40, |script, tcp| {
            script.read(tcp, SERVER, 8, 1);
            script.write(tcp, SERVER, b"x");
            script.read(tcp, CLIENT, 8, 1);
        });
        assert!(told(dialogue, &TINY_WRITES).is_empty());
    }

    #[test]
    fn a_large_write_ends_the_row() {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        for index in 0..40 {
            let size = if index % 10 == 9 { 1000 } else { 1 };
            script.write(tcp, CLIENT, &vec![b'x'; size]);
        }
        assert!(told(script, &TINY_WRITES).is_empty());
    }
}
