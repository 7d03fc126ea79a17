//! Between a connection and its clerk: jobs that wait, answers that wait, and who works.
//!
//! The clerk blocks on the disk, so he works on a thread for that, but only while there is something
//! to do: neither a connection that is idle nor a peer that does not read what it asked for keeps a
//! thread. Whoever makes work possible, by a job or by room for answers, calls him.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, watch};

use super::buffer::{Buffer, Buffers};
use super::clerk::Clerk;
use crate::files::message::{Answer, Refusal, Request};

/// Bytes of answers that wait to be written; the clerk goes on when there are fewer.
const ANSWERS: usize = 1 << 20;

/// What an answer is counted as, beside its body.
const AN_ANSWER: usize = 256;

/// What the peer sent.
#[derive(Debug)]
pub(super) enum Job {
    /// A request, how many bytes of body belong to it and follow, and the room it takes.
    Request(Request, u64, Option<OwnedSemaphorePermit>),
    /// Some of these bytes.
    Body(Buffer),
    /// The connection broke off, or what came is no frame: this is told, and nothing follows.
    Last(Option<Refusal>),
}

/// An answer with its body.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) answer: Answer,
    pub(super) body: Option<Buffer>,
}

impl Reply {
    fn cost(&self) -> usize {
        AN_ANSWER + self.body.as_ref().map_or(0, |body| body.bytes().len())
    }
}

/// What a connection and its clerk share.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) buffers: Buffers,
    jobs: Mutex<VecDeque<Job>>,
    replies: Mutex<Replies>,
    /// Wakes the outlet: there is a reply, or there will be none any more.
    replied: Notify,
    /// The clerk will give no more answers.
    complete: watch::Sender<bool>,
    clerk: Mutex<Clerk>,
    /// The clerk has a thread.
    works: AtomicBool,
    /// He has something to go on with even if no job waits.
    goes_on: AtomicBool,
}

#[derive(Debug, Default)]
struct Replies {
    waiting: VecDeque<Reply>,
    /// What those and the one that is being written cost.
    bytes: usize,
    /// Nobody takes them any more.
    unread: bool,
    /// The peer may never read them: what finds no room is left out, and the others wait until it
    /// pauses. Whoever closes with an unread answer destroys what it has still to send.
    optional: bool,
    /// It pauses.
    paused: bool,
}

impl Replies {
    fn are_held(&self) -> bool {
        self.optional && !self.paused
    }
}

impl Desk {
    pub(super) fn new(clerk: Clerk) -> Arc<Self> {
        Arc::new(Self {
            buffers: Buffers::default(),
            jobs: Mutex::default(),
            replies: Mutex::default(),
            replied: Notify::new(),
            complete: watch::Sender::new(false),
            clerk: Mutex::new(clerk),
            works: AtomicBool::new(false),
            goes_on: AtomicBool::new(false),
        })
    }

    /// Leaves a job.
    pub(super) fn ask(self: &Arc<Self>, job: Job) {
        self.jobs().push_back(job);
        self.call();
    }

    /// Gets the clerk to work, if he can and does not already.
    fn call(self: &Arc<Self>) {
        if self.can_work() && !self.works.swap(true, Ordering::SeqCst) {
            let desk = Arc::clone(self);
            tokio::task::spawn_blocking(move || desk.work());
        }
    }

    fn can_work(&self) -> bool {
        let something = self.goes_on.load(Ordering::SeqCst) || !self.jobs().is_empty();
        something && !*self.complete.borrow() && self.has_room()
    }

    fn work(self: Arc<Self>) {
        loop {
            {
                let mut clerk = self.clerk.lock().unwrap_or_else(PoisonError::into_inner);
                clerk.work(&self);
            }
            self.works.store(false, Ordering::SeqCst);
            // What came between his last look and now found him at work.
            if !self.can_work() || self.works.swap(true, Ordering::SeqCst) {
                return;
            }
        }
    }

    /// The clerk takes the next job.
    pub(super) fn take(&self) -> Option<Job> {
        self.jobs().pop_front()
    }

    /// The clerk says whether he has something to go on with.
    pub(super) fn goes_on(&self, goes_on: bool) {
        self.goes_on.store(goes_on, Ordering::SeqCst);
    }

    /// Whether one more answer may be given.
    pub(super) fn has_room(&self) -> bool {
        let replies = self.replies();
        replies.bytes < ANSWERS || replies.unread || replies.optional
    }

    /// Whether somebody may still take answers.
    pub(super) fn is_read(&self) -> bool {
        !self.replies().unread
    }

    /// The peer speaks as those do that may never read an answer, or as those that will.
    pub(super) fn answers_are_optional(&self, optional: bool) {
        let mut replies = self.replies();
        (replies.optional, replies.paused) = (optional, false);
    }

    /// The peer pauses, or sends no more: if it reads at all, then now.
    pub(super) fn pauses(&self) {
        self.replies().paused = true;
        self.replied.notify_one();
    }

    /// The clerk gives an answer.
    pub(super) fn reply(&self, reply: Reply) {
        {
            let mut replies = self.replies();
            let full = replies.bytes >= ANSWERS;
            if replies.unread || replies.optional && full {
                drop(replies);
                reply
                    .body
                    .into_iter()
                    .for_each(|body| self.buffers.give(body));
                return;
            }
            replies.bytes += reply.cost();
            replies.waiting.push_back(reply);
        }
        self.replied.notify_one();
    }

    /// The clerk will give no more answers.
    pub(super) fn complete(&self) {
        self.complete.send_replace(true);
        self.replied.notify_one();
    }

    /// Whether all was done and said.
    pub(super) fn is_idle(&self) -> bool {
        let idle = !self.works.load(Ordering::SeqCst) && !self.goes_on.load(Ordering::SeqCst);
        idle && self.jobs().is_empty() && self.replies().bytes == 0
    }

    /// The next answer, if there is one already.
    pub(super) fn try_next(&self) -> Option<Reply> {
        let mut replies = self.replies();
        if replies.are_held() {
            return None;
        }
        replies.waiting.pop_front()
    }

    /// Waits for an answer; false: there will be none any more.
    pub(super) async fn has_reply(&self) -> bool {
        loop {
            let replied = self.replied.notified();
            // What is said before it is complete is there when it is.
            let complete = *self.complete.borrow();
            {
                let mut replies = self.replies();
                replies.paused |= complete;
                if !replies.waiting.is_empty() && !replies.are_held() {
                    return true;
                }
            }
            if complete {
                return false;
            }
            replied.await;
        }
    }

    /// An answer was written.
    pub(super) fn written(self: &Arc<Self>, reply: Reply) {
        self.replies().bytes -= reply.cost();
        reply
            .body
            .into_iter()
            .for_each(|body| self.buffers.give(body));
        self.call();
    }

    /// Nobody takes answers any more. What was asked for is still done.
    pub(super) fn nobody_reads(self: &Arc<Self>) {
        {
            let mut replies = self.replies();
            replies.unread = true;
            replies.waiting.clear();
        }
        self.call();
    }

    /// Waits until the clerk has done everything.
    pub(super) async fn completed(&self) {
        // The sender lives as long as we do.
        let _ = self
            .complete
            .subscribe()
            .wait_for(|complete| *complete)
            .await;
    }

    fn jobs(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replies(&self) -> MutexGuard<'_, Replies> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
