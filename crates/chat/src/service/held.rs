//! One member's connection, as a future of its own.
//!
//! A poll writes what waits, then reads into a buffer of its thread and gives all the lines that
//! came to the world in one turn. Only what is left over (the beginning of a line, lines that have
//! to wait) is copied into the connection, which therefore holds no buffer while it is idle.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use sockeye_net::{Errno, MessageReceiver, ReadHalf};
use sockeye_service::{BoxFuture, LINGER_BYTES, LINGER_TIMEOUT, Outcome as Ended, Timer, is_http};
use tokio::time::Instant;

use super::Chat;
use super::cut::{Cut, Cutter};
use super::door::{Door, Who};
use super::flood::{BACKLOG_BYTES, Bucket};
use crate::irc::LINE_BYTES;
use crate::outbox::{End, Outbox};
use crate::world::{MemberId, Outcome, Then, World};

/// Bytes that one read asks for.
const READ: usize = 16 * 1024;

/// Lines that one turn takes: whoever has more to say lets others speak in between.
const LINES: usize = 128;

/// Steps that one poll goes before others get their turn.
const STEPS: usize = 8;

/// What is said last still leaves for this long.
const FAREWELL: Duration = Duration::from_secs(5);

thread_local! {
    static INPUT: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into_boxed_slice());
}

/// Where lines come from.
pub(super) enum Source {
    Bytes(ReadHalf),
    /// Each message is a line.
    Messages(MessageReceiver),
}

/// What holds the next line up.
enum Hold {
    Nothing,
    /// The line is said again once all that was drafted is settled.
    Drafts(Box<[u8]>),
    /// What is done outside of the world.
    Job(BoxFuture<Outcome>),
    /// It has said too much.
    Flood(Instant),
}

/// Where a connection stands.
enum Phase {
    Open,
    /// It has said its last line; what it has asked for is still done.
    HalfClosed,
    /// What was said last leaves, until then.
    Closing {
        until: Instant,
    },
    /// What the peer still sends is thrown away until it closes, because a close with unread bytes
    /// is a reset that can destroy what it was told (RFC 9293, section 3.10.4).
    Lingering {
        until: Instant,
        left: u64,
    },
}

/// One member's connection.
pub(super) struct Held {
    chat: Arc<Chat>,
    id: MemberId,
    outbox: Arc<Outbox>,
    source: Source,
    cutter: Cutter,
    /// What was read and not taken.
    rest: Vec<u8>,
    /// Whole lines may stand in `rest`.
    stalled: bool,
    hold: Hold,
    phase: Phase,
    bucket: Bucket,
    timer: Timer,
    lines: u64,
    /// Tells who came and went.
    door: Door,
    /// Who it is said to be, once it is in; none again when it is said to be gone.
    who: Option<Box<Who>>,
    /// Why it ended.
    reason: Option<Box<str>>,
}

impl Held {
    pub(super) fn new(
        chat: Arc<Chat>,
        id: MemberId,
        outbox: Arc<Outbox>,
        source: Source,
        bucket: Bucket,
        door: Door,
    ) -> Self {
        Self {
            chat,
            id,
            outbox,
            source,
            cutter: Cutter::new(),
            rest: Vec::new(),
            stalled: false,
            hold: Hold::Nothing,
            phase: Phase::Open,
            bucket,
            timer: Timer::default(),
            lines: 0,
            door,
            who: None,
            reason: None,
        }
    }

    /// Goes on as far as it can without waiting; ready when the connection is over.
    fn run(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..STEPS {
            match self.phase {
                Phase::Open | Phase::HalfClosed => {
                    if let Poll::Ready(end) = self.outbox.poll_flush(cx) {
                        if self.on_end(end) {
                            return Poll::Ready(());
                        }
                        continue;
                    }
                    ready!(self.step(cx));
                }
                Phase::Closing { until } => {
                    let closed = self.poll_closed(cx);
                    if closed.is_pending() && self.timer.poll(cx, until).is_pending() {
                        return Poll::Pending;
                    }
                    match closed {
                        Poll::Ready(true) => {
                            self.timer.clear();
                            self.phase = Phase::Lingering {
                                until: Instant::now() + LINGER_TIMEOUT,
                                left: LINGER_BYTES,
                            };
                        }
                        // It does not read what it is told, or is gone.
                        _ => return Poll::Ready(()),
                    }
                }
                Phase::Lingering { until, left } => {
                    let got = INPUT.with_borrow_mut(|input| self.source.poll_read(cx, input));
                    match got {
                        Poll::Pending if self.chat.is_over() => return Poll::Ready(()),
                        Poll::Pending => return self.timer.poll(cx, until),
                        Poll::Ready(Ok(Some(got))) if left > got as u64 => {
                            let left = left - got as u64;
                            self.phase = Phase::Lingering { until, left };
                        }
                        Poll::Ready(_) => return Poll::Ready(()),
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// One step of an open connection: what is held up first, then the lines that came, then more
    /// of them.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.hold {
            Hold::Nothing => {}
            Hold::Drafts(_) => {
                ready!(self.outbox.poll_settled(cx));
                self.say_again();
                return Poll::Ready(());
            }
            Hold::Job(job) => {
                let outcome = ready!(job.as_mut().poll(cx));
                self.hold = Hold::Nothing;
                let id = self.id;
                let chat = Arc::clone(&self.chat);
                let then = chat.with_world(|world| {
                    let then = world.on_outcome(id, outcome);
                    self.look(world);
                    then
                });
                self.obey(then, &[]);
                return Poll::Ready(());
            }
            Hold::Flood(until) => {
                let until = *until;
                if self.timer.poll(cx, until).is_ready() {
                    self.timer.clear();
                    self.hold = Hold::Nothing;
                    return Poll::Ready(());
                }
                // It is heard on only so far as to see that it goes, or goes too far.
                return self.hear_on(cx);
            }
        }
        if self.stalled {
            let mut rest = std::mem::take(&mut self.rest);
            let used = self.turn(&rest);
            if used == rest.len() {
                rest = Vec::new();
            } else {
                rest.drain(..used);
            }
            self.rest = rest;
            return Poll::Ready(());
        }
        if matches!(self.phase, Phase::HalfClosed) {
            self.leave("Connection closed");
            return Poll::Ready(());
        }
        self.read(cx)
    }

    /// Reads once, and says what came.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        INPUT.with_borrow_mut(|input| {
            match ready!(self.source.poll_read(cx, input)) {
                Ok(Some(got)) => self.take(&input[..got]),
                Ok(None) => self.on_last(),
                Err(error) => self.on_broken(&error),
            }
            Poll::Ready(())
        })
    }

    /// Says what came behind what was there.
    fn take(&mut self, came: &[u8]) {
        if self.rest.is_empty() {
            let used = self.turn(came);
            self.rest.extend_from_slice(&came[used..]);
        } else {
            self.rest.extend_from_slice(came);
            self.stalled = true;
        }
    }

    /// While it is held up: what comes waits, up to a limit.
    fn hear_on(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if matches!(self.phase, Phase::HalfClosed) {
            return Poll::Pending;
        }
        INPUT.with_borrow_mut(|input| {
            match ready!(self.source.poll_read(cx, input)) {
                Ok(Some(got)) => self.rest.extend_from_slice(&input[..got]),
                Ok(None) => self.on_last(),
                Err(error) => self.on_broken(&error),
            }
            if self.rest.len() > BACKLOG_BYTES {
                self.expel("Excess Flood");
            }
            Poll::Ready(())
        })
    }

    /// Gives lines to the world; returns how many bytes were taken.
    fn turn(&mut self, src: &[u8]) -> usize {
        let mut used = 0;
        self.stalled = false;
        let chat = Arc::clone(&self.chat);
        let now_ms = chat.uptime_ms();
        chat.with_world(|world| {
            for _ in 0..LINES {
                if let Some(wait) = self.bucket.wait(now_ms) {
                    self.hold = Hold::Flood(Instant::now() + wait);
                    self.stalled = true;
                    return;
                }
                let goes_on = match self.cutter.cut(src, &mut used) {
                    Cut::Line(line) => self.say(world, line),
                    Cut::TooLong => {
                        self.bucket.take(LINE_BYTES);
                        world.on_long_line(self.id);
                        true
                    }
                    Cut::Nothing => return,
                };
                if !goes_on {
                    return;
                }
            }
            self.stalled = true;
        });
        used
    }

    /// Gives one line to the world; whether the next one may be said.
    fn say(&mut self, world: &mut World, line: &[u8]) -> bool {
        if self.lines == 0 && is_http(line) {
            // Web pages can make a browser send requests to any port of this machine.
            self.reason = Some("this is an HTTP request".into());
            world.leave(self.id, "HTTP is not spoken here");
            return false;
        }
        self.bucket.take(line.len());
        self.lines += 1;
        let then = world.on_line(self.id, line);
        self.look(world);
        self.obey(then, line)
    }

    /// Tells once that it was let in.
    fn look(&mut self, world: &World) {
        if self.who.is_none()
            && let Some(who) = world.who(self.id)
        {
            self.door.came(&who);
            self.who = Some(Box::new(who));
        }
    }

    /// The line that had to wait is said.
    fn say_again(&mut self) {
        let Hold::Drafts(line) = std::mem::replace(&mut self.hold, Hold::Nothing) else {
            return;
        };
        let id = self.id;
        let chat = Arc::clone(&self.chat);
        let then = chat.with_world(|world| {
            let then = world.on_line(id, &line);
            self.look(world);
            then
        });
        self.obey(then, &line);
    }

    /// Does what the world wants after a line; whether the next one may be said.
    fn obey(&mut self, then: Then, line: &[u8]) -> bool {
        self.hold = match then {
            Then::Go => return true,
            Then::Settle => Hold::Drafts(line.into()),
            Then::Wait(job) => {
                let chat = Arc::clone(&self.chat);
                Hold::Job(Box::pin(async move { chat.run(job).await }))
            }
            Then::Close => {
                self.outbox.finish();
                Hold::Nothing
            }
        };
        // What stands behind it is looked at when it is done.
        self.stalled = true;
        false
    }

    /// The peer has sent its last byte. A line without an end is a line.
    fn on_last(&mut self) {
        self.phase = Phase::HalfClosed;
        if !self.rest.is_empty() {
            self.rest.push(b'\n');
            self.stalled = true;
        }
    }

    fn on_broken(&mut self, error: &io::Error) {
        let why = Errno::of(error).to_string();
        self.reason = Some(why.clone().into());
        self.leave(&why);
    }

    /// Nothing more is sent; whether the connection is over with that.
    fn on_end(&mut self, end: End) -> bool {
        match end {
            End::Said => {
                let until = Instant::now() + FAREWELL;
                self.timer.clear();
                self.leave("Connection closed");
                self.phase = Phase::Closing { until };
                false
            }
            End::Slow => {
                self.reason = Some("it read too slowly: more waited for it than may".into());
                self.leave("Max SendQ exceeded");
                self.source.reset_on_drop();
                true
            }
            End::Broken(why) => {
                self.leave(&why);
                self.reason.get_or_insert(why);
                true
            }
        }
    }

    /// Sends what is left and says that it is all; false where that cannot be done.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        match ready!(self.outbox.poll_flush(cx)) {
            End::Said => Poll::Ready(ready!(self.outbox.poll_close(cx)).is_ok()),
            _ => Poll::Ready(false),
        }
    }

    /// Tells the member why it has to go, and others that it went.
    fn expel(&mut self, why: &str) {
        self.reason = Some(why.into());
        let id = self.id;
        self.chat.with_world(|world| world.close(id, why));
    }

    /// Others hear that the member went.
    fn leave(&mut self, why: &str) {
        let id = self.id;
        // What it is called by now, if it was not sent away before.
        let who = self.chat.left(id, why);
        self.outbox.finish();
        self.hold = Hold::Nothing;
        if let Some(known) = self.who.take() {
            let told = self.outbox.farewell();
            let why = told.as_deref().unwrap_or(why);
            self.door.left(&who.unwrap_or(*known), why);
        }
    }

    fn ended(&mut self) -> Ended {
        Ended {
            read_bytes: self.source.read_bytes(),
            written_bytes: self.outbox.written(),
            read_messages: self.lines,
            written_messages: 0,
            reason: self
                .reason
                .take()
                .map(String::from)
                .unwrap_or_default()
                .into(),
        }
    }
}

impl Future for Held {
    type Output = Ended;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let held = self.get_mut();
        ready!(held.run(cx));
        Poll::Ready(held.ended())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // However it came to its end: nobody who is gone is said to be here.
        self.leave("Connection closed");
    }
}

impl Source {
    /// Reads into `buf`; none after the last byte, or the last message. A message ends a line.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<Option<usize>>> {
        match self {
            Self::Bytes(half) => {
                let got = ready!(half.poll_read(cx, buf))?;
                Poll::Ready(Ok((got > 0).then_some(got)))
            }
            Self::Messages(receiver) => {
                let room = buf.len() - 1;
                let Some(received) = ready!(receiver.poll_recv(cx, &mut buf[..room]))? else {
                    return Poll::Ready(Ok(None));
                };
                // Longer than any line; whatever it was is passed over as one.
                drop(receiver.take_overflow());
                buf[received.len] = b'\n';
                Poll::Ready(Ok(Some(received.len + 1)))
            }
        }
    }

    /// Makes closing a reset, where that exists: nothing that waits in the kernel is kept for
    /// somebody who does not read.
    fn reset_on_drop(&mut self) {
        if let Self::Bytes(half) = self {
            half.set_reset_on_drop();
        }
    }

    fn read_bytes(&self) -> u64 {
        match self {
            Self::Bytes(half) => half.read_bytes(),
            Self::Messages(receiver) => receiver.received().1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An idle member may cost 4 KiB, everything of ours included: this is what its connection holds.
    #[test]
    fn a_member_is_small() {
        let size = size_of::<Held>();
        assert!(size <= 512, "{size} bytes");
    }
}
