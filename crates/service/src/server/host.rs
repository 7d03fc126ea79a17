//! What all connections of a server share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use sockeye_net::Name;
use sockeye_trace::{Closing, ConnId, Event, Kind, Recorder};
use tokio::sync::Notify;

use super::census::{Census, Place};
use super::options::Options;
use crate::mailbox::Lost;

/// Why nobody else is let in.
pub(crate) const ONE_PEER: &str = "one peer is served";

/// What all connections of a server share.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) recorder: Recorder,
    pub(crate) census: Arc<Census>,
    /// Connections keep what was valid when they came.
    options: RwLock<Arc<Options>>,
    /// The one peer has come that is served where only one is.
    has_one: AtomicBool,
    /// Tells of it.
    one_came: Notify,
    accepted: AtomicU64,
    refused: AtomicU64,
    read_bytes: AtomicU64,
    written_bytes: AtomicU64,
    read_messages: AtomicU64,
    written_messages: AtomicU64,
}

/// What a server came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Connections that were accepted and served, and sessions of datagram peers.
    pub accepted: u64,
    /// Connections that a limit turned away.
    pub refused: u64,
    /// Bytes read from peers.
    pub read_bytes: u64,
    /// Bytes written to peers.
    pub written_bytes: u64,
    /// Messages read.
    pub read_messages: u64,
    /// Messages written.
    pub written_messages: u64,
}

/// What passed between peers and us.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moved {
    pub(crate) read_bytes: u64,
    pub(crate) written_bytes: u64,
    pub(crate) read_messages: u64,
    pub(crate) written_messages: u64,
}

impl Host {
    pub(crate) fn new(options: Options, recorder: Recorder) -> Self {
        Self {
            recorder,
            census: Arc::default(),
            options: RwLock::new(Arc::new(options)),
            has_one: AtomicBool::new(false),
            one_came: Notify::new(),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
            read_messages: AtomicU64::new(0),
            written_messages: AtomicU64::new(0),
        }
    }

    /// How new peers are treated.
    pub(crate) fn options(&self) -> Arc<Options> {
        Arc::clone(&self.options.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Treats peers that come from now on in another way.
    pub(crate) fn set_options(&self, options: Options) {
        *self.options.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(options);
    }

    /// Takes a place for a peer that connected, unless a limit turns it away.
    pub(crate) fn admit(
        &self,
        options: &Options,
        conn: ConnId,
        peer: &Name,
        local: impl FnOnce() -> Name,
    ) -> Option<Place> {
        self.admit_if(options, conn, peer, local, || self.is_the_one())
    }

    /// The same for a peer that has still to complete its handshake. Where one peer is served, it is
    /// the first that has done so.
    pub(crate) fn admit_candidate(
        &self,
        options: &Options,
        conn: ConnId,
        peer: &Name,
        local: impl FnOnce() -> Name,
    ) -> Option<Place> {
        self.admit_if(options, conn, peer, local, || !self.has_one())
    }

    fn admit_if(
        &self,
        options: &Options,
        conn: ConnId,
        peer: &Name,
        local: impl FnOnce() -> Name,
        may_be_the_one: impl FnOnce() -> bool,
    ) -> Option<Place> {
        let address = peer.socket_addr().map(|address| address.ip());
        let place = match options.refusal_of(address) {
            Some(limit) => Err(limit.to_owned()),
            None if options.once && !may_be_the_one() => Err(ONE_PEER.to_owned()),
            None => self
                .census
                .enter(options.max_connections)
                .ok_or_else(|| format!("{} connections are the limit", options.max_connections)),
        };
        match place {
            Ok(place) => {
                self.on_accepted();
                if self.recorder.is_on() {
                    let event = Event::new(Kind::Accepted, conn, self.recorder.now());
                    self.recorder
                        .record(event, format!("{peer}\n{}", local()).as_bytes());
                }
                Some(place)
            }
            Err(limit) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                if self.recorder.is_on() {
                    let event = Event::new(Kind::Refused, conn, self.recorder.now());
                    self.recorder
                        .record(event, format!("{peer}\n{limit}").as_bytes());
                }
                None
            }
        }
    }

    /// Records what happens to the server itself; `errno` says why, if anything failed.
    pub(crate) fn record_life(&self, kind: Kind, errno: i32) {
        if self.recorder.is_on() {
            let event = Event::new(kind, ConnId::default(), self.recorder.now());
            self.recorder.record(event.with_result(-errno), &[]);
        }
    }

    /// Whether a new peer may be served where only one is. The first one that asks is.
    pub(crate) fn is_the_one(&self) -> bool {
        let first = !self.has_one.swap(true, Ordering::AcqRel);
        if first {
            self.one_came.notify_one();
            self.census.wake();
        }
        first
    }

    /// Whether the one peer has come that is served where only one is.
    pub(crate) fn has_one(&self) -> bool {
        self.has_one.load(Ordering::Acquire)
    }

    /// Waits until the one peer has come that is served where only one is.
    pub(crate) async fn until_one_came(&self) {
        self.one_came.notified().await;
    }

    /// A peer is served.
    pub(crate) fn on_accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// A limit turned a peer away.
    pub(crate) fn on_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds what a connection came to, and tells the recorder.
    pub(crate) fn on_closed(&self, conn: ConnId, closing: impl FnOnce() -> Closing) {
        if self.recorder.is_on() {
            let event = Event::new(Kind::Closed, conn, self.recorder.now());
            self.recorder.record(event, &closing().to_payload());
        }
    }

    /// Tells that messages for a peer were lost.
    pub(crate) fn on_lost(&self, conn: ConnId, lost: &Lost) {
        if self.recorder.is_on() {
            let event = Event::new(Kind::Dropped, conn, self.recorder.now());
            self.recorder.record(event, lost.to_string().as_bytes());
        }
    }

    /// Adds what passed between peers and us.
    pub(crate) fn add(&self, moved: Moved) {
        self.read_bytes
            .fetch_add(moved.read_bytes, Ordering::Relaxed);
        self.written_bytes
            .fetch_add(moved.written_bytes, Ordering::Relaxed);
        self.read_messages
            .fetch_add(moved.read_messages, Ordering::Relaxed);
        self.written_messages
            .fetch_add(moved.written_messages, Ordering::Relaxed);
    }

    /// What the server came to so far. Connections add to it when they close.
    pub(crate) fn summary(&self) -> Summary {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Summary {
            accepted: read(&self.accepted),
            refused: read(&self.refused),
            read_bytes: read(&self.read_bytes),
            written_bytes: read(&self.written_bytes),
            read_messages: read(&self.read_messages),
            written_messages: read(&self.written_messages),
        }
    }
}
