//! What goes to one member, from whichever thread.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::irc::Caps;

/// Lines that are the same for many: encoded once, lent to all.
pub type Shared = Arc<[u8]>;

/// Bytes that may wait for one member. Whoever reads more slowly is dropped: nobody waits for him.
pub const SENDQ_BYTES: usize = 1024 * 1024;

/// Where a member's lines go: whole lines, any number of them in a call.
pub trait Wire: Send {
    /// Writes as much as there is room for; wakes `cx` when there is room again.
    fn poll_write(&mut self, cx: &mut Context<'_>, lines: &[u8]) -> Poll<io::Result<usize>>;
    /// Whether whoever has something to say may write at once; else the member's own task writes.
    fn is_direct(&self) -> bool;
}

/// What goes to one member.
pub struct Outbox {
    caps: AtomicU32,
    /// Drafts of this member that are not settled.
    drafts: AtomicU32,
    state: Mutex<State>,
}

struct State {
    wire: Box<dyn Wire>,
    /// What did not fit, or waits for the task.
    queue: VecDeque<Shared>,
    /// Bytes of the first one in the queue that have left.
    sent: usize,
    queued_bytes: usize,
    limit: usize,
    waker: Waker,
    end: Option<End>,
}

/// Why nothing more is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// All is said; what waits is still sent.
    Said,
    /// More waits than may.
    Slow,
    /// The connection broke.
    Broken(String),
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}

impl Outbox {
    /// Sends over `wire`, with at most `limit` bytes waiting.
    pub fn new(wire: Box<dyn Wire>, limit: usize) -> Arc<Self> {
        let state = State {
            wire,
            queue: VecDeque::new(),
            sent: 0,
            queued_bytes: 0,
            limit,
            waker: Waker::noop().clone(),
            end: None,
        };
        Arc::new(Self {
            caps: AtomicU32::new(0),
            drafts: AtomicU32::new(0),
            state: Mutex::new(state),
        })
    }

    /// What the member has asked for.
    pub fn caps(&self) -> Caps {
        Caps(self.caps.load(Ordering::Relaxed))
    }

    /// It asks for something else.
    pub fn set_caps(&self, caps: Caps) {
        self.caps.store(caps.0, Ordering::Relaxed);
    }

    /// Drafts of this member that are not settled.
    pub fn drafts(&self) -> u32 {
        self.drafts.load(Ordering::Relaxed)
    }

    /// One more.
    pub(crate) fn drafted(&self) {
        self.drafts.fetch_add(1, Ordering::Relaxed);
    }

    /// One less; its task is woken at the last.
    pub(crate) fn settled(&self) {
        if self.drafts.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.lock().waker.wake_by_ref();
        }
    }

    /// Sends lines that others get too: at once if nothing waits and there is room.
    pub fn send(&self, lines: &Shared) {
        let mut state = self.lock();
        let sent = state.try_now(lines);
        if sent < lines.len() {
            state.keep(Arc::clone(lines), sent);
        }
    }

    /// Sends lines that nobody else gets.
    pub fn send_own(&self, lines: &[u8]) {
        let mut state = self.lock();
        let sent = state.try_now(lines);
        if sent < lines.len() {
            state.keep(lines[sent..].into(), 0);
        }
    }

    /// Nothing more will be said.
    pub fn finish(&self) {
        let mut state = self.lock();
        state.end.get_or_insert(End::Said);
        state.waker.wake_by_ref();
    }

    /// Writes what waits; ready with the reason when nothing more is to be sent. For the member's
    /// own task, which is woken from now on.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<End> {
        let mut state = self.lock();
        if !state.waker.will_wake(cx.waker()) {
            state.waker.clone_from(cx.waker());
        }
        state.flush()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic leaves nothing half done that could harm more than its own member.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Writes as much of `lines` as can be written now; all of it where nothing is sent any more.
    fn try_now(&mut self, lines: &[u8]) -> usize {
        if self.end.is_some() {
            return lines.len();
        }
        if !self.queue.is_empty() || !self.wire.is_direct() {
            return 0;
        }
        let waker = self.waker.clone();
        match self
            .wire
            .poll_write(&mut Context::from_waker(&waker), lines)
        {
            Poll::Ready(Ok(sent)) => sent,
            Poll::Ready(Err(error)) => {
                self.broke(&error);
                lines.len()
            }
            Poll::Pending => 0,
        }
    }

    fn keep(&mut self, lines: Shared, sent: usize) {
        let first = self.queue.is_empty();
        self.queued_bytes += lines.len() - sent;
        if self.queued_bytes > self.limit {
            self.end.get_or_insert(End::Slow);
            self.queue = VecDeque::new();
            self.queued_bytes = 0;
            self.waker.wake_by_ref();
            return;
        }
        if first {
            self.sent = sent;
            // Its task writes the rest, and hears from the socket when it can.
            self.waker.wake_by_ref();
        }
        self.queue.push_back(lines);
    }

    fn flush(&mut self) -> Poll<End> {
        let waker = self.waker.clone();
        while let Some(lines) = self.queue.front() {
            let left = &lines[self.sent..];
            let wrote = match self.wire.poll_write(&mut Context::from_waker(&waker), left) {
                Poll::Ready(Ok(wrote)) => wrote,
                Poll::Ready(Err(error)) => {
                    self.broke(&error);
                    break;
                }
                Poll::Pending => return Poll::Pending,
            };
            self.queued_bytes -= wrote;
            self.sent += wrote;
            if self.sent == lines.len() {
                self.sent = 0;
                self.queue.pop_front();
            }
        }
        // An idle member holds no queue.
        self.queue = VecDeque::new();
        match &self.end {
            Some(end) => Poll::Ready(end.clone()),
            None => Poll::Pending,
        }
    }

    fn broke(&mut self, error: &io::Error) {
        self.end.get_or_insert(End::Broken(error.to_string()));
        self.queue = VecDeque::new();
        self.queued_bytes = 0;
        self.waker.wake_by_ref();
    }
}
