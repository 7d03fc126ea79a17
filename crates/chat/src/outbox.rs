//! What goes to one member, from whichever thread.
//!
//! Whoever holds the world may say something to a member and takes the outbox for that long: first
//! the world, then an outbox, never the other way round, and never two outboxes. Nobody waits with
//! one in hand: what finds no room in the socket stays here for the member's own task.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use crate::irc::Caps;

/// Lines that are the same for many: encoded once, lent to all.
pub type Shared = Arc<[u8]>;

/// Bytes that may wait for one member. Whoever reads more slowly is dropped: nobody waits for him.
pub const SENDQ_BYTES: usize = 1024 * 1024;

/// Pieces that leave with one call, as many as fit a page of the kernel's own table of them
/// (`UIO_FASTIOV` is 8, `IOV_MAX` 1024; more than this gain nothing).
const PIECES: usize = 64;

/// Where a member's lines go: whole lines, any number of them in a call.
pub trait Wire: Send {
    /// Writes as much as there is room for; wakes `cx` when there is room again. Only the member's
    /// own task calls it, but for wires that are direct and have no other way.
    fn poll_write(&mut self, cx: &mut Context<'_>, lines: &[u8]) -> Poll<io::Result<usize>>;

    /// Whether whoever has something to say may write at once; else the member's own task writes.
    fn is_direct(&self) -> bool;

    /// Writes for whoever speaks, where that may be: as much as there is room for now. Nobody is
    /// woken when there is more.
    fn try_write(&mut self, lines: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write(&mut Context::from_waker(Waker::noop()), lines)
    }

    /// Writes several pieces with one call, where that can be done.
    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write(cx, pieces.first().map_or(&[], |piece| piece))
    }

    /// Waits until nothing written is left in our own process.
    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Tells the peer that this was all.
    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Bytes written so far.
    fn written(&self) -> u64 {
        0
    }
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
    /// Whether whoever speaks may write: asked of the wire once.
    is_direct: bool,
    /// What did not fit, or waits for the task.
    queue: VecDeque<Shared>,
    /// Bytes of the first one in the queue that have left.
    sent: usize,
    queued_bytes: usize,
    limit: usize,
    /// The member's own task.
    waker: Waker,
    /// It wants to hear when no draft is left.
    awaits_drafts: bool,
    end: Option<End>,
    /// Why the member was sent away, as others were told.
    farewell: Option<Box<str>>,
}

/// Why nothing more is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// All is said; what waits is still sent.
    Said,
    /// More waits than may.
    Slow,
    /// The connection broke.
    Broken(Box<str>),
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
            is_direct: wire.is_direct(),
            wire,
            queue: VecDeque::new(),
            sent: 0,
            queued_bytes: 0,
            limit,
            waker: Waker::noop().clone(),
            awaits_drafts: false,
            end: None,
            farewell: None,
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
        self.drafts.load(Ordering::Acquire)
    }

    /// One more.
    pub(crate) fn drafted(&self) {
        self.drafts.fetch_add(1, Ordering::Relaxed);
    }

    /// One less; its task is woken at the last, if it waits for that.
    pub(crate) fn settled(&self) {
        if self.drafts.fetch_sub(1, Ordering::AcqRel) == 1 {
            let mut state = self.lock();
            if std::mem::take(&mut state.awaits_drafts) {
                state.waker.wake_by_ref();
            }
        }
    }

    /// Waits until no draft is left. For the member's own task.
    pub fn poll_settled(&self, cx: &mut Context<'_>) -> Poll<()> {
        {
            let mut state = self.lock();
            state.wake_with(cx);
            state.awaits_drafts = true;
        }
        // The last one may have been settled before the lock was taken; nobody rings then.
        if self.drafts() > 0 {
            return Poll::Pending;
        }
        self.lock().awaits_drafts = false;
        Poll::Ready(())
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

    /// Nothing more will be said, for this reason.
    pub(crate) fn part(&self, why: &str) {
        self.lock().farewell.get_or_insert_with(|| why.into());
        self.finish();
    }

    /// Why the member was sent away, if it was.
    pub(crate) fn farewell(&self) -> Option<Box<str>> {
        self.lock().farewell.clone()
    }

    /// Writes what waits; ready with the reason when nothing more is to be sent. For the member's
    /// own task, which is woken from now on.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<End> {
        let mut state = self.lock();
        state.wake_with(cx);
        state.flush(cx)
    }

    /// Tells the peer that this was all, once [`poll_flush`](Self::poll_flush) is ready.
    pub fn poll_close(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock().wire.poll_close(cx)
    }

    /// Bytes that were written so far.
    pub fn written(&self) -> u64 {
        self.lock().wire.written()
    }

    /// Bytes that wait.
    pub fn queued_bytes(&self) -> usize {
        self.lock().queued_bytes
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic leaves nothing half done that could harm more than its own member.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake_with(&mut self, cx: &Context<'_>) {
        if !self.waker.will_wake(cx.waker()) {
            self.waker.clone_from(cx.waker());
        }
    }

    /// Writes as much of `lines` as can be written now; all of it where nothing is sent any more.
    #[inline]
    fn try_now(&mut self, lines: &[u8]) -> usize {
        if self.end.is_some() {
            return lines.len();
        }
        if !self.queue.is_empty() || !self.is_direct {
            return 0;
        }
        match self.wire.try_write(lines) {
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
            self.give_up(End::Slow);
            return;
        }
        if first {
            self.sent = sent;
            // Its task writes the rest, and hears from the socket when it can.
            self.waker.wake_by_ref();
        }
        self.queue.push_back(lines);
    }

    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        while !self.queue.is_empty() {
            match ready!(self.write_queue(cx)) {
                Ok(0) => self.broke(&io::ErrorKind::WriteZero.into()),
                Ok(wrote) => self.took(wrote),
                Err(error) => self.broke(&error),
            }
        }
        if !self.is_direct
            && !matches!(self.end, Some(End::Slow | End::Broken(_)))
            && let Err(error) = ready!(self.wire.poll_flush(cx))
        {
            self.broke(&error);
        }
        match &self.end {
            Some(end) => Poll::Ready(end.clone()),
            None => Poll::Pending,
        }
    }

    fn write_queue(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.queue.len() == 1 {
            return self.wire.poll_write(cx, &self.queue[0][self.sent..]);
        }
        let mut pieces = [IoSlice::new(&[]); PIECES];
        let count = self.queue.len().min(PIECES);
        for (piece, lines) in pieces.iter_mut().zip(&self.queue) {
            *piece = IoSlice::new(lines);
        }
        pieces[0] = IoSlice::new(&self.queue[0][self.sent..]);
        self.wire.poll_write_vectored(cx, &pieces[..count])
    }

    /// Forgets what has left.
    fn took(&mut self, wrote: usize) {
        self.queued_bytes -= wrote;
        self.sent += wrote;
        while let Some(lines) = self.queue.front()
            && self.sent >= lines.len()
        {
            self.sent -= lines.len();
            self.queue.pop_front();
        }
        if self.queue.is_empty() {
            // An idle member holds no queue.
            self.queue = VecDeque::new();
        }
    }

    fn broke(&mut self, error: &io::Error) {
        self.give_up(End::Broken(error.to_string().into()));
    }

    /// Nothing of what waits is sent any more.
    fn give_up(&mut self, why: End) {
        // Also where all was said: the rest of it finds no way.
        self.end = Some(why);
        self.queue = VecDeque::new();
        (self.sent, self.queued_bytes) = (0, 0);
        self.waker.wake_by_ref();
    }
}
