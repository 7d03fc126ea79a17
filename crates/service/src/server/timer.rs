//! The one clock of a connection that needs one.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is set seldom and asked often.
///
/// It is boxed and made only when something is waited for, because most connections wait for
/// nothing but their peer. Moving the deadline back costs nothing: the timer fires at the old one
/// and is set again then.
#[derive(Debug, Default)]
pub struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// Whether `deadline` has come; otherwise the task will be woken then, or a little earlier.
    pub fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// Whether it is set and has not fired.
    pub(crate) fn is_running(&self) -> bool {
        self.sleep.as_ref().is_some_and(|sleep| !sleep.is_elapsed())
    }

    /// Nothing is waited for any more.
    #[inline]
    pub fn clear(&mut self) {
        if self.sleep.is_some() {
            self.sleep = None;
        }
    }
}

/// When something that began has to be over.
pub(crate) fn after(begun: Instant, limit: Duration) -> Instant {
    // Thirty years stand for ever, as in tokio: an instant cannot hold every duration.
    begun + limit.min(Duration::from_hours(24 * 365 * 30))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_moves_back_is_kept_and_so_is_one_that_moves_forth() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut timer = Timer::default();
        let early = poll_fn(|cx| Poll::Ready(timer.poll(cx, start + 5 * second))).await;
        assert!(early.is_pending());
        poll_fn(|cx| timer.poll(cx, start + 9 * second)).await;
        assert_eq!(start.elapsed(), 9 * second);
        let late = poll_fn(|cx| Poll::Ready(timer.poll(cx, start + 60 * second))).await;
        assert!(late.is_pending());
        poll_fn(|cx| timer.poll(cx, start + 10 * second)).await;
        assert_eq!(start.elapsed(), 10 * second);
    }
}
