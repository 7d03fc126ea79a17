//! What a member should hear, and whether it does.
//!
//! All members hear the same bytes, so these are made once and compared whole. Only where something
//! else comes between (a question whether one is there, a notice) a member's bytes are looked at
//! line by line.

use super::dialect::{Room, ping, pong};
use crate::verb::bench::error::BenchError;
use crate::verb::bench::message::Messages;

/// The connection that speaks.
pub(super) const SPEAKER: u32 = 0;

/// Messages that all have heard and that are kept all the same, so that they need not be moved for
/// each one.
const KEPT: usize = 1024;

/// What everybody hears from some message on.
#[derive(Debug)]
pub(super) struct Stream {
    head: Vec<u8>,
    /// Bytes of one message as it is heard.
    len: usize,
    /// The number of the first message in `bytes`.
    first: u64,
    bytes: Vec<u8>,
}

/// One member's place in it.
#[derive(Debug, Default)]
pub(super) struct Ear {
    /// Messages heard.
    pub(super) heard: u64,
    /// Bytes of the next one that were heard.
    part: usize,
    /// Bytes that do not begin the next message, and are no whole line yet.
    rest: Vec<u8>,
}

/// What a read has brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Took {
    /// Messages that are complete now.
    pub(super) messages: u64,
    /// What the server has to be answered.
    pub(super) answer: Vec<u8>,
}

impl Stream {
    pub(super) fn new(head: Vec<u8>, messages: &Messages, first: u64) -> Self {
        Self {
            len: head.len() + messages.size() + 2,
            head,
            first,
            bytes: Vec::new(),
        }
    }

    /// One more message is said.
    pub(super) fn say(&mut self, number: u64, messages: &Messages) {
        self.bytes.extend_from_slice(&self.head);
        messages.append(SPEAKER, number, 0, &mut self.bytes);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Everybody has heard the messages below `number`.
    pub(super) fn forget(&mut self, number: u64) {
        let old = (number - self.first) as usize;
        if old >= KEPT {
            self.bytes.drain(..old * self.len);
            self.first = number;
        }
    }

    /// From a place in the message `number` on.
    fn from(&self, number: u64, part: usize) -> &[u8] {
        &self.bytes[(number - self.first) as usize * self.len + part..]
    }
}

impl Ear {
    /// A member that has heard all messages below `heard`.
    pub(super) fn after(heard: u64) -> Self {
        Self {
            heard,
            ..Self::default()
        }
    }

    /// Compares what a member has heard.
    pub(super) fn take(
        &mut self,
        conn: u32,
        bytes: &[u8],
        stream: &Stream,
        room: &Room,
        messages: &Messages,
    ) -> Result<Took, BenchError> {
        if self.rest.is_empty() {
            let expected = stream.from(self.heard, self.part);
            if expected.get(..bytes.len()) == Some(bytes) {
                let part = self.part + bytes.len();
                let messages = (part / stream.len) as u64;
                self.heard += messages;
                self.part = part % stream.len;
                let answer = vec![];
                return Ok(Took { messages, answer });
            }
            // What was taken for the beginning of a message may be that of something else.
            let begun = &stream.from(self.heard, 0)[..self.part];
            self.rest.extend_from_slice(begun);
            self.part = 0;
        }
        self.rest.extend_from_slice(bytes);
        self.lines(conn, stream, room, messages)
    }

    /// Takes whole lines of what was left.
    fn lines(
        &mut self,
        conn: u32,
        stream: &Stream,
        room: &Room,
        messages: &Messages,
    ) -> Result<Took, BenchError> {
        let mut took = Took::default();
        let mut rest = std::mem::take(&mut self.rest);
        let mut at = 0;
        while let Some(len) = memchr::memchr(b'\n', &rest[at..]) {
            let line = trimmed(&rest[at..at + len]);
            at += len + 1;
            if let Some((_, text)) = room.text(line, messages.size()) {
                let said = stream.from(self.heard, 0);
                if said.is_empty() {
                    return Err(super::super::wire::unasked(conn, line));
                }
                messages.check_whole(SPEAKER, self.heard, text)?;
                self.heard += 1;
                took.messages += 1;
            } else if let Some(asked) = ping(line) {
                took.answer.extend(pong(asked));
            }
        }
        rest.drain(..at);
        if stream.from(self.heard, 0).starts_with(&rest) {
            self.part = rest.len();
            rest.clear();
        }
        self.rest = rest;
        Ok(took)
    }
}

/// A line without the CR at its end.
pub(super) fn trimmed(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::dialect::Dialect;
    use super::*;

    /// Five messages as a member hears them, with what servers say between.
    fn heard(room: &Room, messages: &Messages) -> (Stream, Vec<u8>) {
        let mut head = b":b!bench@host ".to_vec();
        room.append_head(messages.size(), &mut head);
        let mut stream = Stream::new(head, messages, 3);
        for number in 3..8 {
            stream.say(number, messages);
        }
        let mut wire = vec![];
        for (at, between) in [
            "",
            "PING :x\r\n",
            "",
            ":irc.x NOTICE b :a\r\n:b JOIN #r\r\n",
            "PING\n",
        ]
        .iter()
        .enumerate()
        {
            wire.extend_from_slice(between.as_bytes());
            wire.extend_from_slice(&stream.bytes[at * stream.len..(at + 1) * stream.len]);
        }
        (stream, wire)
    }

    proptest! {
        #[test]
        fn messages_are_counted_however_they_are_cut(cuts in prop::collection::vec(1usize..90, 1..20)) {
            let (room, messages) = (Room::new(Dialect::Irc), Messages::new(20));
            let (stream, wire) = heard(&room, &messages);
            let mut ear = Ear::after(3);
            let (mut rest, mut counted, mut answers) = (&wire[..], 0, vec![]);
            for cut in cuts.into_iter().cycle().take(wire.len()) {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                let took = ear.take(1, now, &stream, &room, &messages).unwrap();
                counted += took.messages;
                answers.extend(took.answer);
                rest = later;
            }
            prop_assert_eq!((counted, ear.heard, ear.rest.len()), (5, 8, 0));
            prop_assert_eq!(answers, b"PONG :x\r\nPONG\r\n");
        }
    }

    /// A message that is lost, comes twice, or in another order is no message that was due.
    #[test]
    fn what_is_lost_or_comes_twice_is_found() {
        let (room, messages) = (Room::new(Dialect::Irc), Messages::new(20));
        let (stream, _) = heard(&room, &messages);
        let one = |number: usize| &stream.bytes[(number - 3) * stream.len..][..stream.len];
        let changed = one(3).to_ascii_lowercase();
        for wire in [
            [one(4), one(5)],
            [one(3), one(3)],
            [one(3), one(5)],
            [&changed, one(4)],
        ] {
            let wrong = Ear::after(3).take(1, &wire.concat(), &stream, &room, &messages);
            let is_changed = wire[0] == changed;
            // In lower case it is not even the command of a message, and so the next one is.
            assert!(
                matches!(wrong, Err(BenchError::Wrong(_))),
                "{wrong:?} {is_changed}"
            );
        }
        let more = [one(7), one(7)].concat();
        let wrong = Ear::after(7).take(1, &more, &stream, &room, &messages);
        assert!(
            matches!(wrong, Err(BenchError::Unasked { .. })),
            "{wrong:?}"
        );
    }

    #[test]
    fn what_all_have_heard_is_forgotten() {
        let (room, messages) = (Room::new(Dialect::Irc), Messages::new(20));
        let (mut stream, _) = heard(&room, &messages);
        for number in 8..3 + 2 * KEPT as u64 {
            stream.say(number, &messages);
            stream.forget(number);
        }
        assert!(stream.bytes.len() <= (KEPT + 1) * stream.len);
        let number = 2 + 2 * KEPT as u64;
        let last = stream.from(number, 0).to_vec();
        let took = Ear::after(number).take(1, &last, &stream, &room, &messages);
        assert_eq!(took.unwrap().messages, 1);
    }
}
