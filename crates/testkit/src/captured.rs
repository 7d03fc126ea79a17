//! What a child process wrote so far, and a way to wait for more of it.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// One output of a child, read by a thread of its own so that the child never blocks on us.
#[derive(Clone, Default)]
pub(crate) struct Captured {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    ended: bool,
}

impl Captured {
    pub(crate) fn start(mut from: impl Read + Send + 'static) -> Self {
        let captured = Self::default();
        let writer = captured.clone();
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            loop {
                let got = from.read(&mut chunk).unwrap_or(0);
                let mut state = writer
                    .shared
                    .state
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                state.bytes.extend_from_slice(&chunk[..got]);
                state.ended = got == 0;
                writer.shared.changed.notify_all();
                if got == 0 {
                    return;
                }
            }
        });
        captured
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .bytes
            .clone()
    }

    /// Waits until `look` finds something in all that was written so far; `None` when the output
    /// ended or `deadline` came first.
    pub(crate) fn wait<T>(
        &self,
        deadline: Instant,
        mut look: impl FnMut(&[u8]) -> Option<T>,
    ) -> Option<T> {
        let mut state = self
            .shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = look(&state.bytes) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.ended || left == Duration::ZERO {
                return None;
            }
            state = self
                .shared
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits until the output ended; `false` when `deadline` came first.
    pub(crate) fn wait_end(&self, deadline: Instant) -> bool {
        let mut state = self
            .shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while !state.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return false;
            }
            state = self
                .shared
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }
}
