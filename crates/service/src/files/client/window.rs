//! What was asked and not answered yet. Answers come in the order of the requests, so a queue is all
//! that is needed to know what an answer is about.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Requests that may be without an answer. Enough that a line of 100 ms carries 40,000 small files a
/// second; each is a name in memory.
pub(super) const WINDOW: usize = 4096;

/// The queue, with its two ends in different threads.
#[derive(Debug)]
pub(super) struct Window<T> {
    state: Mutex<State<T>>,
    /// There is room, or the window was closed.
    room: Condvar,
    /// The last one has been asked.
    last: Notify,
}

#[derive(Debug)]
struct State<T> {
    asked: VecDeque<T>,
    /// Nothing more will be asked.
    is_last: bool,
    /// Nothing more will be answered.
    is_closed: bool,
}

/// Nothing more will be answered: the connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

impl<T> Window<T> {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                asked: VecDeque::new(),
                is_last: false,
                is_closed: false,
            }),
            room: Condvar::new(),
            last: Notify::new(),
        }
    }

    /// Whether the next [`ask`](Self::ask) would have to wait.
    pub(super) fn is_full(&self) -> bool {
        self.lock().asked.len() >= WINDOW
    }

    /// Notes a request that is about to be sent; waits while there are too many.
    pub(super) fn ask(&self, request: T) -> Result<(), Gone> {
        let full = |state: &mut State<T>| state.asked.len() >= WINDOW && !state.is_closed;
        let state = self.room.wait_while(self.lock(), full);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return Err(Gone);
        }
        state.asked.push_back(request);
        Ok(())
    }

    /// That was the last request.
    pub(super) fn finish(&self) {
        self.lock().is_last = true;
        self.last.notify_one();
    }

    /// Waits until the last request has been asked.
    pub(super) async fn finished(&self) {
        while !self.lock().is_last {
            self.last.notified().await;
        }
    }

    /// Whether the last request has been asked.
    pub(super) fn is_finished(&self) -> bool {
        self.lock().is_last
    }

    /// Whether everything was asked and answered.
    pub(super) fn is_over(&self) -> bool {
        let state = self.lock();
        state.is_last && state.asked.is_empty()
    }

    /// Whether nothing waits for an answer.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().asked.is_empty()
    }

    /// What the next answer is about.
    pub(super) fn answered(&self) -> Option<T> {
        let answered = self.lock().asked.pop_front();
        self.room.notify_one();
        answered
    }

    /// Nothing more will be answered.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        // Whoever waits for an answer through what it asked hears of the end.
        state.asked.clear();
        self.room.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
