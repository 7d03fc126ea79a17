//! `boundary-ignored`: one read held several messages, and the program answered once.
//!
//! TCP keeps no boundaries (RFC 9293 §3.7: a stream of octets), so a program that takes one read
//! for one message answers the first and loses the others. Told only where the framing is known
//! (`--frame`), and only where fewer answers than messages were counted up to the program's next
//! read and in the whole flow: a program may answer two messages in one write, later, or not at
//! all.

use crate::Weight;
use crate::timeline::Move;

use super::Topic;
use super::found::{Found, Told};
use super::view::View;
use super::words::{bytes, count};

pub(super) const BOUNDARY_IGNORED: Topic = Topic {
    name: "boundary-ignored",
    title: [
        "one answer to several messages",
        "一次读到多条消息却只回答一次",
    ],
};

pub(super) fn find(view: &View<'_>, found: &mut Found) {
    for way in [0, 1]
        .into_iter()
        .filter(|way| view.is_framed(*way) && view.way(*way).joined)
    {
        let answers: Vec<&Move> = view.writes[1 - way].clone();
        let given = view.messages[1 - way].len();
        let taken_up_to = view.reads[way].last().map_or(0, |read| read.bytes.end);
        let taken = view.messages[way].partition_point(|message| message.end <= taken_up_to);
        // Where bytes were not kept, nobody can count.
        let is_whole = view.is_whole(way) && view.is_whole(1 - way);
        if given == 0 || given >= taken || !is_whole {
            continue;
        }
        let reads = &view.reads[way];
        for (index, read) in reads.iter().enumerate() {
            let next = reads.get(index + 1).copied();
            one(view, way, [Some(read), next], &answers, found);
        }
    }
}

fn one(
    view: &View<'_>,
    way: usize,
    [read, next]: [Option<&Move>; 2],
    answers: &[&Move],
    found: &mut Found,
) {
    let Some(read) = read else { return };
    // Messages whose last byte came with this read.
    let ended = |at: u64| view.messages[way].partition_point(|message| message.end <= at);
    let complete = (ended(read.bytes.end) - ended(read.bytes.start)) as u64;
    if complete < 2 {
        return;
    }
    let from = view.time(read.fact);
    let until = next.map(|next| view.event(next.fact).began());
    let first = answers.partition_point(|write| view.event(write.fact).began() < from);
    let mut between = answers[first..]
        .iter()
        .take_while(|write| until.is_none_or(|until| view.event(write.fact).began() <= until));
    let (Some(answer), None) = (between.next(), between.next()) else {
        return;
    };
    let messages = &view.messages[1 - way];
    let told = |at: u64| messages.partition_point(|message| message.end <= at);
    let in_answer = told(answer.bytes.end).saturating_sub(told(answer.bytes.start));
    if in_answer != 1 {
        return;
    }
    let place = view.place(way, read.bytes.clone(), from);
    found.add(&BOUNDARY_IGNORED, Weight::Trouble, place, || {
        let [reader, reader_zh] = &view.who[1 - way];
        let length = read.bytes.end - read.bytes.start;
        let mut facts: Vec<_> = view.writes_of(way, &read.bytes, Topic::FACTS - 2).collect();
        facts.extend([read.fact, answer.fact]);
        Told {
            facts,
            sentence: [
                format!(
                    "One read of {} gave {reader} {} whole messages, and it answered once: it \
                    takes a read for a message. Cut the stream by its framing.",
                    bytes(length),
                    count(complete),
                ),
                format!(
                    "{reader_zh}一次读到 {} 字节，里面有 {} 条完整的消息，却只回答了一次：它把一\
                    次读取当成了一条消息。应按分帧规则切分字节流。",
                    count(length),
                    count(complete),
                ),
            ],
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::check::{only, told};
    use crate::sample::{CLIENT, SERVER, Script, Talk};

    fn script(play: impl Fn(&mut Script, Talk)) -> Script {
        let mut script = Script::new();
        script.head().frame = "line".into();
        let tcp = script.connected_tcp();
        script.write(tcp, CLIENT, b"one\n");
        script.write(tcp, CLIENT, b"two\n");
        play(&mut script, tcp);
        script
    }

    #[test]
    fn one_answer_to_two_messages_is_trouble() {
        let found = only(
            script(|script, tcp| {
                script.read(tcp, SERVER, 1024, 8);
                script.write(tcp, SERVER, b"ONE\n");
                script.fail(tcp, SERVER, crate::Kind::Read, 1024, libc::EAGAIN);
            }),
            &BOUNDARY_IGNORED,
        );
        assert_eq!(found.bytes, 0..8);
        assert_eq!(
            found.sentence[0],
            "One read of 8 bytes gave the server (python3) 2 whole messages, and it answered \
            once: it takes a read for a message. Cut the stream by its framing."
        );
    }

    #[test]
    fn two_answers_none_and_answers_in_one_write_are_right() {
        let right: [fn(&mut Script, Talk); 4] = [
            |script, tcp| {
                script.write(tcp, SERVER, b"ONE\n");
                script.write(tcp, SERVER, b"TWO\n");
            },
            |_, _| {},
            |script, tcp| script.write(tcp, SERVER, b"ONE\nTWO\n"),
            // The second answer comes later.
            |script, tcp| {
                script.write(tcp, SERVER, b"ONE\n");
                script.fail(tcp, SERVER, crate::Kind::Read, 1024, libc::EAGAIN);
                script.write(tcp, SERVER, b"TWO\n");
            },
        ];
        for answer in right {
            let script = script(|script, tcp| {
                script.read(tcp, SERVER, 1024, 8);
                answer(script, tcp);
            });
            assert!(told(script, &BOUNDARY_IGNORED).is_empty());
        }
    }

    #[test]
    fn a_read_that_held_one_whole_message_is_right() {
        let script = script(|script, tcp| {
            script.read(tcp, SERVER, 1024, 7);
            script.write(tcp, SERVER, b"ONE\n");
        });
        assert!(told(script, &BOUNDARY_IGNORED).is_empty());
    }

    #[test]
    fn answers_that_were_not_kept_whole_cannot_be_counted() {
        let script = script(|script, tcp| {
            script.read(tcp, SERVER, 1024, 8);
            script.write(tcp, SERVER, b"ONE\n");
            script.fail(tcp, SERVER, crate::Kind::Read, 1024, libc::EAGAIN);
            script.write(tcp, SERVER, &[vec![b'x'; 300], vec![b'\n']].concat());
        });
        assert!(told(script, &BOUNDARY_IGNORED).is_empty());
    }
}
