//! Waking a thread that waits for its tracees.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// The signal that interrupts waitpid: ignored where nobody handles it, and of no other use to us.
const BELL: Signal = Signal::SIGURG;
/// A signal may come just before the wait begins, so it is sent again until it was heard.
const AGAIN: Duration = Duration::from_millis(2);

/// Makes [`Tracer::run`](super::Tracer::run) come back with [`Notice::Woken`](super::Notice::Woken);
/// usable from any thread.
#[derive(Clone, Debug, Default)]
pub struct Waker {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    wanted: AtomicBool,
    /// The thread that waits; 0 while none does.
    waiting: AtomicI32,
}

impl Waker {
    /// Prepares the process for being woken: a handler for `SIGURG` that does nothing.
    #[allow(unsafe_code)]
    pub(super) fn install() -> io::Result<Self> {
        extern "C" fn heard(_: libc::c_int) {}
        // No SA_RESTART: waitpid shall return.
        let action = SigAction::new(
            SigHandler::Handler(heard),
            SaFlags::empty(),
            SigSet::empty(),
        );
        // SAFETY: the handler does nothing, which is async-signal-safe.
        unsafe { sigaction(BELL, &action) }?;
        Ok(Self::default())
    }

    /// Wakes the tracer; returns once it has noticed, or at once where it is not waiting (its next
    /// wait then comes back immediately).
    #[allow(unsafe_code)]
    pub fn wake(&self) {
        self.shared.wanted.store(true, Ordering::SeqCst);
        while self.shared.wanted.load(Ordering::SeqCst) {
            let thread = self.shared.waiting.load(Ordering::SeqCst);
            if thread == 0 {
                return;
            }
            // SAFETY: tgkill takes numbers; a thread that is gone is an error that changes nothing.
            unsafe {
                libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, BELL as i32);
            }
            thread::sleep(AGAIN);
        }
    }

    /// Whether somebody called since the last time this said so.
    pub(super) fn take(&self) -> bool {
        self.shared.wanted.load(Ordering::Relaxed)
            && self.shared.wanted.swap(false, Ordering::SeqCst)
    }

    /// Says that the calling thread waits from now on, until the returned value is dropped.
    pub(super) fn waiting(&self) -> Waiting {
        let thread = nix::unistd::gettid().as_raw();
        self.shared.waiting.store(thread, Ordering::SeqCst);
        Waiting(Arc::clone(&self.shared))
    }
}

/// A thread waits while this lives.
pub(super) struct Waiting(Arc<Shared>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.store(0, Ordering::SeqCst);
    }
}
