//! The driver of connections: one hand-written future each, for streams and for sockets that keep
//! the boundaries of messages.
//!
//! A poll borrows the thread's buffers, reads what is there, answers it into one batch, and writes
//! that at once, before it waits for anything. Only what is left over (the beginning of a frame,
//! output that the kernel did not take) is copied into the connection, which therefore holds no
//! buffer while it is idle. While output waits, nothing is read: that is the backpressure.

mod limits;
mod output;
#[cfg(test)]
mod tests;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use sockeye_frame::DecodeError;
use sockeye_trace::{Closing, ConnId, Event, Kind, Time};
use tokio::time::Instant;

use super::census::{Place, Stage};
use super::host::{Host, Moved};
use super::lent::{Lent, Pending, READ, READ_UNANSWERED, lend};
use super::options::{LINGER_BYTES, LINGER_TIMEOUT, Options};
use super::pause::Pause;
use super::reason::Reason;
use super::timer::{Timer, after};
use crate::dialogue::{Dialogue, Stop};
use crate::mailbox::{Emptied, End, Mailbox};
use crate::out::Outbox;
use crate::spare;

/// Steps that one poll goes before others get their turn; each moves a buffer at most.
const TURN: usize = 8;

/// A peer that cannot hear that we have sent our last message, nor end the conversation itself, is
/// listened to until it has been silent for this long.
const QUIET: Duration = Duration::from_secs(2);

/// The beginning of a frame is put in front of the next read up to this size: copying it is cheaper
/// than a second buffer. Beyond it the frame grows in the connection, so that a frame that drips in
/// is not copied again and again.
const FRONT: usize = 4096;

/// What the driver needs of a connection.
pub(crate) trait Stream: Unpin {
    /// Reads into `buf`; none after the last byte, or the last message.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<Option<usize>>>;
    /// All of the message that was just read, where the buffer was too small for it.
    fn overflow(&mut self) -> Option<Vec<u8>> {
        None
    }
    /// Writes as much of `bytes` as there is room for; a message whole or not at all.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Whether what was written may wait for a flush, and the peer has to be told of the end in
    /// words: its protocol takes the bare end of the socket for a cut.
    fn is_layered(&self) -> bool;
    /// Makes closing a reset, where that exists.
    fn reset_on_drop(&mut self);
    /// Whether what is read and written are messages, whole.
    fn keeps_messages(&self) -> bool;
    /// Whether the peer can say that it has sent its last byte, and hear that we have.
    fn has_end(&self) -> bool;
    /// Bytes read and written so far.
    fn moved(&self) -> (u64, u64);
    fn conn(&self) -> ConnId;
}

/// One connection with the responder that answers it.
pub(crate) struct StreamDriver<S: Stream> {
    link: S,
    dialogue: Dialogue,
    host: Arc<Host>,
    options: Arc<Options>,
    place: Place,
    phase: Phase,
    /// The responder wants to be told when all is sent.
    goes_on: bool,
    /// The last read was answered.
    answered: bool,
    /// The peer has sent its last byte.
    peer_done: bool,
    /// Where others leave messages for the peer.
    mail: Option<Arc<Mailbox>>,
    /// Nothing more will be left there.
    mail_done: bool,
    /// Our direction was shut down although the peer's goes on.
    write_done: bool,
    /// `rest` may hold whole frames: the batch was full.
    stalled: bool,
    /// What was read and not taken.
    rest: Vec<u8>,
    pending: Pending,
    /// Wakes the task for the nearest deadline, if there is any.
    timer: Timer,
    /// How long nothing may be read or written.
    idle_limit: Option<Duration>,
    /// When anything was last read or written; only kept where an idle limit asks for it.
    last_used: Option<Instant>,
    /// Where the frame in `rest` begins, and until when it has to be complete.
    frame: Option<(u64, Instant)>,
    pause: Option<Box<Pause>>,
    reason: Option<Box<Reason>>,
}

/// Where a connection stands.
#[derive(Debug)]
enum Phase {
    /// The responder does not know of it yet.
    New,
    /// Reads and answers.
    Open,
    /// The peer has sent its last byte and the responder goes on.
    HalfClosed,
    /// What was pushed is still sent; then our direction is shut down.
    Closing,
    /// What the peer still sends is thrown away until it closes.
    Lingering { left: u64, until: Instant },
}

impl<S: Stream> StreamDriver<S> {
    pub(crate) fn new(
        link: S,
        dialogue: Dialogue,
        host: Arc<Host>,
        options: Arc<Options>,
        place: Place,
    ) -> Self {
        let number = link.conn().number();
        let pause = options.read_pause.clone();
        Self {
            pause: pause.map(|range| Box::new(Pause::new(range, options.seed, number))),
            idle_limit: options.idle_timeout,
            last_used: options.idle_timeout.map(|_| Instant::now()),
            mail: dialogue.mailbox(),
            mail_done: false,
            write_done: false,
            link,
            dialogue,
            host,
            options,
            place,
            phase: Phase::New,
            goes_on: false,
            answered: true,
            peer_done: false,
            stalled: false,
            rest: Vec::new(),
            pending: Pending::default(),
            timer: Timer::default(),
            frame: None,
            reason: None,
        }
    }

    /// Goes on as far as it can without waiting; says why when the connection is over.
    fn run(
        &mut self,
        cx: &mut Context<'_>,
        lent: &mut Lent,
        draining: bool,
    ) -> Poll<io::Result<()>> {
        for _ in 0..TURN {
            // Ahead of everything else: what waits to be written holds reading up.
            if !self.pending.is_empty() {
                ready!(self.flush(cx))?;
            }
            if self.link.is_layered() {
                ready!(self.link.poll_flush(cx))?;
            }
            if self.has_mail() {
                ready!(self.collect(cx, lent))?;
                continue;
            }
            match self.phase {
                Phase::New => {
                    self.phase = Phase::Open;
                    if let Some(mail) = &self.mail {
                        mail.wakes(cx.waker());
                    }
                    self.push(cx, lent, Dialogue::open)?;
                }
                Phase::Open | Phase::HalfClosed if self.goes_on && !draining => {
                    self.goes_on = false;
                    self.push(cx, lent, Dialogue::drained)?;
                }
                Phase::Open if self.mail_done && !self.write_done => {
                    ready!(self.link.poll_flush(cx))?;
                    if self.link.has_end() {
                        ready!(self.link.poll_shutdown(cx))?;
                    } else {
                        // It cannot be told without ending its direction too: it has this long to
                        // answer.
                        self.idle_limit = Some(QUIET);
                        self.last_used = Some(Instant::now());
                    }
                    self.write_done = true;
                }
                Phase::Open if self.stalled => self.resume(cx, &mut lent.outbox)?,
                Phase::Open => match self.read(cx, lent)? {
                    Poll::Ready(()) => {}
                    // Whatever had come is answered, so closing here destroys nothing.
                    Poll::Pending if draining => {
                        self.peer_done = true;
                        self.close(Reason::Drained);
                    }
                    Poll::Pending => return Poll::Pending,
                },
                // Others may still have something to say to the peer.
                Phase::HalfClosed if self.mail.is_some() && !self.mail_done && !draining => {
                    return Poll::Pending;
                }
                // All is sent, and the responder had nothing to add to it.
                Phase::HalfClosed => self.close(Reason::Peer),
                Phase::Closing => {
                    ready!(self.link.poll_flush(cx))?;
                    if self.peer_done && self.link.is_layered() {
                        return self.link.poll_shutdown(cx);
                    }
                    if self.peer_done {
                        return Poll::Ready(Ok(()));
                    }
                    ready!(self.link.poll_shutdown(cx))?;
                    let until = after(Instant::now(), LINGER_TIMEOUT);
                    self.phase = Phase::Lingering {
                        left: LINGER_BYTES,
                        until,
                    };
                }
                Phase::Lingering { .. } if draining => return Poll::Ready(Ok(())),
                Phase::Lingering { ref mut left, .. } => {
                    match ready!(self.link.poll_read(cx, &mut lent.input))? {
                        Some(got) if *left > got as u64 => *left -= got as u64,
                        _ => return Poll::Ready(Ok(())),
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Lets the responder push something that answers no message.
    fn push(
        &mut self,
        cx: &mut Context<'_>,
        lent: &mut Lent,
        ask: impl FnOnce(&mut Dialogue, Time, &mut Outbox),
    ) -> io::Result<()> {
        lent.outbox.clear();
        let now = self.now();
        ask(&mut self.dialogue, now, &mut lent.outbox);
        self.deliver(cx, &mut lent.outbox, &[])
    }

    #[inline]
    fn has_mail(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::HalfClosed)
            && self.mail.as_ref().is_some_and(|mail| mail.has_mail())
    }

    /// Sends what others left for the peer.
    fn collect(&mut self, cx: &mut Context<'_>, lent: &mut Lent) -> Poll<io::Result<()>> {
        let Some(mail) = &self.mail else {
            return Poll::Ready(Ok(()));
        };
        lent.outbox.clear();
        let Emptied { lost, end } = mail.empty_into(&mut lent.outbox);
        if let Some(lost) = lost {
            self.host.on_lost(self.link.conn(), &lost);
        }
        match end {
            Some(End::Broken(reason)) => {
                self.link.reset_on_drop();
                self.reason
                    .get_or_insert_with(|| Box::new(Reason::Refused(reason)));
                // Whoever breaks off wants nothing sent any more.
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            Some(End::Finished) => self.mail_done = true,
            None => {}
        }
        Poll::Ready(self.deliver(cx, &mut lent.outbox, &[]))
    }

    /// Reads once and answers what came.
    fn read(&mut self, cx: &mut Context<'_>, lent: &mut Lent) -> io::Result<Poll<()>> {
        let pauses = |pause: &Pause| pause.until() > Instant::now();
        if self.pause.as_deref().is_some_and(pauses)
            || self.mail.as_ref().is_some_and(|mail| mail.is_held())
        {
            return Ok(Poll::Pending);
        }
        let Lent { input, outbox } = lent;
        let front = if self.rest.len() <= FRONT {
            self.rest.len()
        } else {
            0
        };
        let size = match self.options.read_size {
            Some(size) => size.get(),
            None if self.answered => READ,
            None => READ_UNANSWERED,
        };
        let room = &mut input[front..(front + size).min(READ)];
        let got = match self.link.poll_read(cx, room) {
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(Err(error)) if self.ends_between_messages(&error) => None,
            Poll::Ready(got) => got?,
        };
        self.touch();
        let Some(got) = got else {
            return self.on_end(cx, outbox).map(Poll::Ready);
        };
        if let Some(pause) = &mut self.pause {
            pause.again();
        }
        if let Some(whole) = self.link.overflow() {
            self.rest = whole;
            self.resume(cx, outbox)?;
        } else if self.rest.len() > FRONT {
            spare::reserve(&mut self.rest, got);
            self.rest.extend_from_slice(&input[..got]);
            self.resume(cx, outbox)?;
        } else {
            if front > 0 {
                input[..front].copy_from_slice(&self.rest);
            }
            let src = &input[..front + got];
            let used = self.digest(cx, src, outbox)?;
            let left = &src[used..];
            if left.is_empty() {
                self.rest = Vec::new();
            } else {
                self.rest.clear();
                spare::reserve(&mut self.rest, left.len());
                self.rest.extend_from_slice(left);
            }
        }
        Ok(Poll::Ready(()))
    }

    /// Whether the peer has gone without the farewell of its protocol, and nothing can have been cut
    /// off that counts: half the world closes its TLS connections so. In the middle of a message it
    /// stays an error, since somebody else may have cut the rest of it off.
    fn ends_between_messages(&self, error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::UnexpectedEof
            && self.link.is_layered()
            && self.rest.is_empty()
    }

    /// Answers what was read and not taken.
    fn resume(&mut self, cx: &mut Context<'_>, outbox: &mut Outbox) -> io::Result<()> {
        let mut src = std::mem::take(&mut self.rest);
        let used = self.digest(cx, &src, outbox)?;
        let left = src.len() - used;
        if used == 0 {
            self.rest = src;
        } else if left * 2 < src.capacity() {
            // What is left of a large frame shall not hold the room that the whole one needed.
            self.rest = src[used..].to_vec();
            spare::give(src);
        } else {
            src.drain(..used);
            self.rest = src;
        }
        Ok(())
    }

    /// Decodes and answers `src` batch by batch; returns how much of it was taken.
    fn digest(
        &mut self,
        cx: &mut Context<'_>,
        src: &[u8],
        outbox: &mut Outbox,
    ) -> io::Result<usize> {
        let now = self.now();
        let mut used = 0;
        self.stalled = false;
        self.answered = false;
        loop {
            let batch = &src[used..];
            outbox.clear();
            let taken = self.dialogue.take(now, batch, outbox);
            used += taken.used;
            self.deliver(cx, outbox, batch)?;
            match taken.stop {
                Stop::Hungry => return Ok(used),
                Stop::Over => return Ok(src.len()),
                Stop::Full if self.pending.is_empty() => {}
                Stop::Full => {
                    self.stalled = used < src.len();
                    return Ok(used);
                }
                Stop::Bad(error) => {
                    self.on_bad_frame(error);
                    if matches!(self.phase, Phase::Closing) {
                        return Ok(src.len());
                    }
                    if !self.pending.is_empty() {
                        self.stalled = used < src.len();
                        return Ok(used);
                    }
                }
            }
        }
    }

    /// The peer has sent its last byte.
    fn on_end(&mut self, cx: &mut Context<'_>, outbox: &mut Outbox) -> io::Result<()> {
        self.peer_done = true;
        self.phase = Phase::HalfClosed;
        let rest = std::mem::take(&mut self.rest);
        outbox.clear();
        let finished = self.dialogue.half_close(self.now(), &rest, outbox);
        if let Err(error) = finished {
            self.on_bad_frame(error);
        }
        self.deliver(cx, outbox, &rest)
    }

    fn on_bad_frame(&mut self, error: DecodeError) {
        if self.host.recorder.is_on() {
            let event = Event::new(Kind::BadFrame, self.link.conn(), self.host.recorder.now());
            self.host
                .recorder
                .record(event.with_offset(error.at()), error.to_string().as_bytes());
        }
        if !error.is_resumable() || matches!(self.phase, Phase::Closing) {
            self.reason = None;
            self.close(Reason::BadFrame(error));
        }
    }

    #[inline]
    fn now(&self) -> Time {
        if self.dialogue.needs_time() {
            self.host.recorder.now()
        } else {
            Time::default()
        }
    }

    /// Ends the conversation when everything pushed has been sent.
    fn close(&mut self, reason: Reason) {
        self.reason.get_or_insert_with(|| Box::new(reason));
        self.phase = Phase::Closing;
        self.stalled = false;
        self.rest = Vec::new();
    }

    #[inline]
    fn touch(&mut self) {
        if let Some(last_used) = &mut self.last_used {
            *last_used = Instant::now();
        }
    }

    /// The connection is over. The first reason is the one that counts.
    fn end(&mut self, reason: Reason) -> Poll<()> {
        self.reason.get_or_insert_with(|| Box::new(reason));
        Poll::Ready(())
    }
}

impl<S: Stream> Future for StreamDriver<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            let stage = this.place.stage(cx.waker());
            if stage == Stage::Over {
                return this.end(Reason::Cut);
            }
            match lend(|lent| this.run(cx, lent, stage == Stage::Draining)) {
                Poll::Ready(Ok(())) => return this.end(Reason::Peer),
                Poll::Ready(Err(error)) => {
                    let reason = Reason::Broken(error);
                    this.dialogue.broken(&reason.to_string());
                    return this.end(reason);
                }
                Poll::Pending => {}
            }
            let limit = ready!(this.poll_limits(cx));
            if let Some(reason) = this.on_limit(limit) {
                return this.end(reason);
            }
        }
    }
}

impl<S: Stream> Drop for StreamDriver<S> {
    /// A connection ends here, also when its task was thrown away.
    fn drop(&mut self) {
        if let Some(mail) = &self.mail {
            mail.close();
        }
        let (read_bytes, written_bytes) = self.link.moved();
        let Dialogue {
            read_messages,
            written_messages,
            ..
        } = self.dialogue;
        self.host.add(Moved {
            read_bytes,
            written_bytes,
            read_messages,
            written_messages,
        });
        let reason = self.reason.take();
        self.host.on_closed(self.link.conn(), || Closing {
            read_bytes,
            written_bytes,
            read_messages,
            written_messages,
            reason: reason.map_or(Reason::Cut, |reason| *reason).to_string(),
        });
    }
}
