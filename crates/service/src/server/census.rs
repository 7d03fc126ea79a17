//! Who is connected: the count that limits look at, and whom to wake when the server drains.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use tokio::sync::{Notify, watch};

/// How long the connections may go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Stage {
    /// As they like.
    #[default]
    Open,
    /// Until what they have to send is sent.
    Draining,
    /// Not at all.
    Over,
}

/// Everybody who is connected to one server.
#[derive(Debug, Default)]
pub(crate) struct Census {
    /// A [`Stage`]; read at every poll, so it stands outside the lock.
    stage: AtomicU8,
    /// Connections that are open.
    count: AtomicUsize,
    /// Sockets that serve many peers; no limit counts them.
    sockets: AtomicUsize,
    wakers: Mutex<Wakers>,
    /// The same for those who wait for it in several places.
    announced: watch::Sender<Stage>,
    /// Somebody left.
    left: Notify,
}

/// One waker a connection, in places that are used again.
#[derive(Debug, Default)]
struct Wakers {
    places: Vec<Option<Waker>>,
    free: Vec<usize>,
}

/// A connection's place in the census; dropping it leaves.
#[derive(Debug)]
pub(crate) struct Place {
    census: Arc<Census>,
    /// Where the waker stands, once there is one.
    waker: Option<usize>,
    is_socket: bool,
}

impl Census {
    /// Takes a place for a new connection, unless `limit` are taken.
    pub(crate) fn enter(self: &Arc<Self>, limit: usize) -> Option<Place> {
        let grown = |count: usize| (count < limit).then_some(count + 1);
        self.count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown)
            .ok()?;
        Some(Place {
            census: self.clone(),
            waker: None,
            is_socket: false,
        })
    }

    /// Takes a place for a socket that serves many peers.
    pub(crate) fn enter_socket(self: &Arc<Self>) -> Place {
        self.sockets.fetch_add(1, Ordering::Relaxed);
        Place {
            census: self.clone(),
            waker: None,
            is_socket: true,
        }
    }

    /// Connections that are open.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Where the server stands.
    #[inline]
    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Open,
            1 => Stage::Draining,
            _ => Stage::Over,
        }
    }

    /// Goes on to `stage` and wakes everybody so that they see it.
    pub(crate) fn announce(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::AcqRel);
        self.announced.send_replace(self.stage());
        self.wake();
    }

    /// Where the server stands, for those who wait for it in several places.
    pub(crate) fn watch(&self) -> watch::Receiver<Stage> {
        self.announced.subscribe()
    }

    /// Wakes everybody.
    pub(crate) fn wake(&self) {
        let wakers: Vec<Waker> = self.wakers().places.iter().flatten().cloned().collect();
        for waker in wakers {
            waker.wake();
        }
    }

    /// Waits until somebody leaves. Ask what you wait for between making this future and awaiting
    /// it, so that nobody slips out unnoticed.
    pub(crate) fn left(&self) -> tokio::sync::futures::Notified<'_> {
        self.left.notified()
    }

    /// Waits until nobody is connected any more.
    pub(crate) async fn empty(&self) {
        loop {
            let left = self.left();
            tokio::pin!(left);
            left.as_mut().enable();
            if self.count() + self.sockets.load(Ordering::Relaxed) == 0 {
                return;
            }
            left.await;
        }
    }

    fn wakers(&self) -> MutexGuard<'_, Wakers> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Where the server stands; `waker` will be woken when that changes. Only the first waker is
    /// kept: a connection stays in the task in which it was first polled.
    #[inline]
    pub(crate) fn stage(&mut self, waker: &Waker) -> Stage {
        if self.waker.is_none() {
            self.register(waker.clone());
        }
        self.census.stage()
    }

    fn register(&mut self, waker: Waker) {
        let mut wakers = self.census.wakers();
        let place = wakers.free.pop().unwrap_or_else(|| {
            wakers.places.push(None);
            wakers.places.len() - 1
        });
        wakers.places[place] = Some(waker);
        drop(wakers);
        self.waker = Some(place);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(place) = self.waker {
            let mut wakers = self.census.wakers();
            wakers.places[place] = None;
            wakers.free.push(place);
        }
        let count = if self.is_socket {
            &self.census.sockets
        } else {
            &self.census.count
        };
        count.fetch_sub(1, Ordering::Relaxed);
        self.census.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_used_again() {
        let census = Arc::new(Census::default());
        let places: Vec<Place> = (0..3).map(|_| census.enter(3).unwrap()).collect();
        assert!(census.enter(3).is_none());
        drop(places);
        assert_eq!(census.count(), 0);
        for _ in 0..10 {
            let mut place = census.enter(1).unwrap();
            assert_eq!(place.stage(Waker::noop()), Stage::Open);
        }
        assert_eq!(
            census.wakers().places.len(),
            1,
            "a place that was left is taken again"
        );
    }

    #[tokio::test]
    async fn draining_wakes_everybody_and_the_last_one_ends_it() {
        let census = Arc::new(Census::default());
        let mut tasks = vec![];
        for _ in 0..3 {
            let mut place = census.enter(3).unwrap();
            tasks.push(tokio::spawn(std::future::poll_fn(move |cx| {
                match place.stage(cx.waker()) {
                    Stage::Open => std::task::Poll::Pending,
                    stage => std::task::Poll::Ready(stage),
                }
            })));
        }
        tokio::task::yield_now().await;
        census.announce(Stage::Draining);
        census.empty().await;
        for task in tasks {
            assert_eq!(task.await.unwrap(), Stage::Draining);
        }
        census.announce(Stage::Open);
        assert_eq!(census.stage(), Stage::Draining, "there is no way back");
    }
}
