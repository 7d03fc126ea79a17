//! A room: one member speaks, all the others hear it.
//!
//! The speaker writes `batch` lines at a time, and never has more than `depth` out that some member
//! has not heard; or, at a rate, each line when it is due. Members that are stuck hear nothing of it
//! and are not waited for: what is measured is what they cost the others.
//!
//! That everybody is in is known before the first line is said. Whether a server tells everybody yet
//! is not, where it does not greet: so everybody is gathered, as in [`fanout`](super::fanout).

mod dialect;
mod ear;
mod enter;
mod gather;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::RecvFlags;

pub(super) use dialect::{AROUND_TEXT, Dialect, Room};
use dialect::{ping, pong};
use ear::{Ear, SPEAKER, Stream, trimmed};
pub(super) use enter::enter;

use super::error::{BenchError, Ending};
use super::pace::Pace;
use super::plan::Load;
use super::poller::Poller;
use super::tally::Tally;

const READ: usize = 256 << 10;
/// How long all may take to hear the first message before another is said; doubled each time.
const GATHER: Duration = Duration::from_millis(20);

/// What a run in a room is made of.
#[derive(Clone, Debug)]
pub(super) struct Chat {
    /// Lines that the speaker writes at once.
    pub(super) batch: u64,
    /// Members beside the connections that never read.
    pub(super) stuck: usize,
    /// Bytes of a line as the speaker of IRC writes it.
    pub(super) line_bytes: usize,
}

/// Somebody who hears.
struct Member {
    socket: OwnedFd,
    ear: Ear,
    /// What it has to answer the server, and the socket has not taken.
    unsent: Vec<u8>,
    /// While all are gathered: the end of what it has heard.
    tail: Vec<u8>,
}

struct Engine<'a> {
    load: &'a Load<'a>,
    room: &'a Room,
    chat: &'a Chat,
    poller: Poller,
    speaker: OwnedFd,
    /// What the speaker has still to write.
    unsent: Vec<u8>,
    /// The beginning of a line that the speaker hears.
    rest: Vec<u8>,
    blocked: bool,
    members: Vec<Member>,
    stream: Stream,
    said: u64,
    /// When messages were said or due, up to which number.
    said_at: VecDeque<(u64, u64)>,
    /// How many members have heard each message from `all_heard` on.
    ears: VecDeque<usize>,
    all_heard: u64,
    /// The timetable, the first number in it, and when it begins.
    timetable: Option<(Pace, u64, u64)>,
    tally: Tally,
}

/// Runs a room of `sockets`: the speaker, those who hear, and those who are stuck.
pub(super) fn run(
    load: &Load<'_>,
    chat: &Chat,
    room: &Room,
    sockets: Vec<(u32, OwnedFd)>,
) -> Result<Tally, BenchError> {
    let poller = Poller::new()?;
    let mut sockets = sockets.into_iter().map(|(_, socket)| socket);
    let Some(speaker) = sockets.next() else {
        return Ok(Tally::default());
    };
    poller.add(&speaker, 0, true, false)?;
    let mut members = Vec::new();
    for socket in sockets.by_ref().take(load.plan.connections - 1) {
        poller.add(&socket, members.len() + 1, true, false)?;
        members.push(Member {
            socket,
            ear: Ear::default(),
            unsent: Vec::new(),
            tail: Vec::new(),
        });
    }
    // They stay open until the run is over.
    let _stuck: Vec<OwnedFd> = sockets.collect();
    let engine = Engine {
        load,
        room,
        chat,
        poller,
        speaker,
        unsent: Vec::new(),
        rest: Vec::new(),
        blocked: false,
        members,
        stream: Stream::new(Vec::new(), &load.plan.messages, 0),
        said: 0,
        said_at: VecDeque::new(),
        ears: VecDeque::new(),
        all_heard: 0,
        timetable: None,
        tally: Tally::default(),
    };
    engine.run()
}

impl Engine<'_> {
    fn run(mut self) -> Result<Tally, BenchError> {
        let mut buffer = vec![0; READ];
        if self.gather(&mut buffer)? {
            return Ok(self.tally);
        }
        let span = self.load.span;
        self.begin(span.now());
        loop {
            let now = span.now();
            self.say(now)?;
            let silent = self.all_heard == self.said;
            if self.load.stopped() || now >= span.give_up || (now >= span.until && silent) {
                return Ok(self.finish());
            }
            let count = self.poller.wait(self.patience(now))?;
            for at in 0..count {
                let ready = self.poller.ready(at);
                let over = match ready.token {
                    0 => self.on_speaker(ready.readable, &mut buffer)?,
                    token => self.hear(token - 1, ready.readable, &mut buffer)?,
                };
                if over {
                    return Ok(self.tally);
                }
            }
        }
    }

    /// All are gathered: from here on it counts.
    fn begin(&mut self, now: u64) {
        self.all_heard = self.said;
        for member in &mut self.members {
            member.ear = Ear::after(self.said);
            member.tail = Vec::new();
        }
        if let Some(rate) = self.load.plan.rate {
            self.timetable = Some((Pace::new(rate, 1), self.said, now));
        }
    }

    fn finish(mut self) -> Tally {
        let missing = |member: &Member| self.said - member.ear.heard;
        self.tally.unanswered = self.members.iter().map(missing).sum();
        if let Some((pace, first, began)) = self.timetable {
            let due = pace.due(self.load.span.until.saturating_sub(began));
            self.tally.unsent = due.saturating_sub(self.said - first);
        }
        self.tally
    }

    /// How long to wait at most: until the next line is due, or some end.
    fn patience(&self, now: u64) -> Duration {
        let patience = self.load.span.patience(now);
        let room = self.said < self.all_heard + self.load.plan.depth;
        match self.timetable {
            Some((pace, first, began)) if room && now < self.load.span.until => {
                let due = began + pace.intended(0, self.said - first);
                patience.min(Duration::from_nanos(due.saturating_sub(now)))
            }
            _ => patience,
        }
    }

    /// Says what may be said now.
    fn say(&mut self, now: u64) -> Result<(), BenchError> {
        let most = self.all_heard + self.load.plan.depth;
        while now < self.load.span.until && !self.blocked {
            let until = match self.timetable {
                Some((pace, first, began)) => {
                    (first + pace.due(now.saturating_sub(began))).min(most)
                }
                None => Some(self.said + self.chat.batch)
                    .filter(|until| *until <= most)
                    .unwrap_or(self.said),
            };
            if until <= self.said {
                return Ok(());
            }
            self.said_at_once(until, now);
            if self.write()? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Puts the lines below `until` together.
    fn said_at_once(&mut self, until: u64, now: u64) {
        let messages = &self.load.plan.messages;
        for number in self.said..until {
            self.stream.say(number, messages);
            line(self.room, messages, number, &mut self.unsent);
            self.ears.push_back(0);
            if let Some((pace, first, began)) = self.timetable {
                let due = began + pace.intended(0, number - first);
                self.said_at.push_back((number + 1, due));
            }
        }
        if self.timetable.is_none() {
            self.said_at.push_back((until, now));
        }
        self.said = until;
    }

    /// True: the run is over.
    fn write(&mut self) -> Result<bool, BenchError> {
        match enter::say(&self.speaker, &mut self.unsent) {
            Ok(done) => {
                if done == self.blocked {
                    self.blocked = !done;
                    self.poller.change(&self.speaker, 0, true, self.blocked)?;
                }
                Ok(false)
            }
            Err(error) => Ok(self.broke(error.into())),
        }
    }

    /// What the server says to the speaker: it may ask, and it may end.
    fn on_speaker(&mut self, readable: bool, buffer: &mut [u8]) -> Result<bool, BenchError> {
        if readable {
            match rustix::net::recv(&self.speaker, &mut *buffer, RecvFlags::empty()) {
                Ok((_, 0)) => return Ok(self.broke(Ending::Closed)),
                Ok((_, got)) => self.rest.extend_from_slice(&buffer[..got]),
                Err(rustix::io::Errno::AGAIN) => return Ok(false),
                Err(errno) => return Ok(self.broke(errno.into())),
            }
            let mut at = 0;
            while let Some(len) = memchr::memchr(b'\n', &self.rest[at..]) {
                if let Some(asked) = ping(trimmed(&self.rest[at..at + len])) {
                    self.unsent.extend(pong(asked));
                }
                at += len + 1;
            }
            self.rest.drain(..at);
        }
        self.write()
    }

    fn hear(
        &mut self,
        index: usize,
        readable: bool,
        buffer: &mut [u8],
    ) -> Result<bool, BenchError> {
        let member = &mut self.members[index];
        if !readable {
            return self.answer(index);
        }
        let got = match rustix::net::recv(&member.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((_, 0)) => return Ok(self.broke(Ending::Closed)),
            Ok((_, got)) => got,
            Err(rustix::io::Errno::AGAIN) => return Ok(false),
            Err(errno) => return Ok(self.broke(errno.into())),
        };
        let from = member.ear.heard;
        let took = member.ear.take(
            index as u32 + 1,
            &buffer[..got],
            &self.stream,
            self.room,
            &self.load.plan.messages,
        )?;
        if took.messages > 0 {
            self.heard(from, took.messages);
        }
        if took.answer.is_empty() {
            return Ok(false);
        }
        self.members[index].unsent.extend(took.answer);
        self.answer(index)
    }

    /// Somebody has heard some more.
    fn heard(&mut self, from: u64, count: u64) {
        let span = self.load.span;
        let now = span.now();
        if span.counts(now) {
            let mut from = from;
            let end = from + count;
            for (until, at) in &self.said_at {
                if from < *until && from < end {
                    let some = end.min(*until) - from;
                    let bytes = some * self.chat.line_bytes as u64;
                    self.tally.answered(some, bytes, now.saturating_sub(*at));
                    from += some;
                }
            }
        }
        self.load.progress(count);
        for number in from..from + count {
            self.ears[(number - self.all_heard) as usize] += 1;
        }
        while self.ears.front() == Some(&self.members.len()) {
            self.ears.pop_front();
            self.all_heard += 1;
        }
        self.stream.forget(self.all_heard);
        let is_past = |(until, _): &(u64, u64)| *until <= self.all_heard;
        while self.said_at.front().is_some_and(is_past) {
            self.said_at.pop_front();
        }
    }

    /// Answers the server what a member was asked.
    fn answer(&mut self, index: usize) -> Result<bool, BenchError> {
        let member = &mut self.members[index];
        match enter::say(&member.socket, &mut member.unsent) {
            Ok(done) => {
                self.poller.change(&member.socket, index + 1, true, !done)?;
                Ok(false)
            }
            Err(error) => Ok(self.broke(error.into())),
        }
    }

    /// One member less and nobody hears all any more: the run is over.
    fn broke(&mut self, why: Ending) -> bool {
        if self.load.span.now() < self.load.span.until {
            self.tally.broke(why);
        }
        true
    }
}

/// Appends the message `number` as the speaker says it.
fn line(room: &Room, messages: &super::message::Messages, number: u64, out: &mut Vec<u8>) {
    room.append_head(messages.size(), out);
    messages.append(SPEAKER, number, 0, out);
    out.extend_from_slice(b"\r\n");
}
