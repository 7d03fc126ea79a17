//! What a run does, once everything on the command line has been checked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::chat::Chat;
use super::message::Messages;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// Messages go out and come back.
    RoundTrip,
    /// Each message has a connection of its own: connect, message, answer, close.
    Reconnect,
    /// Bytes go out, nothing comes back.
    Up,
    /// Bytes come in, nothing goes out.
    Down,
    /// One connection speaks, all the others hear it.
    FanOut,
    /// One member of a room speaks, all the others hear it.
    Chat,
    /// Connections say one message each, or come into a room, and stay open.
    Idle,
}

/// A run against one server.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) job: Job,
    pub(super) connections: usize,
    /// Messages that a connection may have outstanding.
    pub(super) depth: u64,
    pub(super) messages: Messages,
    /// The connections are members of a room.
    pub(super) chat: Option<Chat>,
    /// Messages a second over all connections, for the open loop.
    pub(super) rate: Option<u64>,
    pub(super) duration: Duration,
    pub(super) warmup: Duration,
    /// How long an answer may take before it counts as missing.
    pub(super) timeout: Duration,
    pub(super) threads: usize,
    /// Whether what comes back is looked at, and not only counted.
    pub(super) verify: bool,
    /// Several datagrams leave as one large one that the kernel cuts (UDP_SEGMENT).
    pub(super) gso: bool,
}

impl Plan {
    /// Bytes of a message; in a room, of the line that carries it.
    pub(super) fn size(&self) -> usize {
        let line = self.chat.as_ref().map(|chat| chat.line_bytes);
        line.unwrap_or(self.messages.size())
    }
}

/// The measured part of a run, and the moment that every time in it counts from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    origin: Instant,
    /// When warming up is over, in nanoseconds from the origin; so are all the others.
    pub(super) from: u64,
    /// When nothing more is sent and nothing more counts.
    pub(super) until: u64,
    /// When what is still missing is given up.
    pub(super) give_up: u64,
}

/// Nanoseconds of a duration that is no more than a few centuries.
pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Span {
    pub(super) fn starting_now(plan: &Plan) -> Self {
        let from = nanos(plan.warmup);
        let until = from.saturating_add(nanos(plan.duration));
        let give_up = until.saturating_add(nanos(plan.timeout));
        Self {
            origin: Instant::now(),
            from,
            until,
            give_up,
        }
    }

    /// Nanoseconds since the origin.
    pub(super) fn now(&self) -> u64 {
        nanos(self.origin.elapsed())
    }

    pub(super) fn counts(&self, now: u64) -> bool {
        (self.from..self.until).contains(&now)
    }

    /// How long to wait at most from `now` on, so that every end is noticed in time.
    pub(super) fn patience(&self, now: u64) -> Duration {
        let end = if now < self.until {
            self.until
        } else {
            self.give_up
        };
        Duration::from_nanos(end.saturating_sub(now).min(TICK))
    }
}

/// How often a thread with nothing to do looks whether it should stop, in nanoseconds.
const TICK: u64 = 20_000_000;

/// What the threads of one run share with the one that watches them.
#[derive(Debug)]
pub(super) struct Load<'a> {
    pub(super) plan: &'a Plan,
    pub(super) span: Span,
    /// Set when somebody failed, or the person wants no more.
    pub(super) stop: &'a AtomicBool,
    /// Messages (or, one way, bytes) so far, for the progress line.
    pub(super) done: &'a AtomicU64,
}

impl Load<'_> {
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn progress(&self, done: u64) {
        self.done.fetch_add(done, Ordering::Relaxed);
    }
}
