//! Conversations: services that own their link, because they need time, processes, disk or other
//! peers.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use sockeye_net::{Link, Name, Peer};
use sockeye_trace::{ConnId, Event, Kind, Recorder};
use tokio::sync::watch;

use crate::server::{Options, Stage};
use crate::{Access, Denied, Grant};

/// A future on the heap.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A service that owns the links of its peers.
pub trait Conversation: Send + Sync {
    /// Speaks with one peer until the connection is over.
    ///
    /// The peer has a place in the server and was announced; whoever it is has still to be asked
    /// ([`Access`](crate::Access)). When the server drains, what is under way may be finished; when
    /// it is [over](Session::over) the conversation ends at once, else it is dropped soon after.
    fn hold(&self, link: Link, session: Session) -> BoxFuture<Outcome>;

    /// Whether it ends in bounded time by itself once the server drains, so that nobody has to watch
    /// that it does: that costs each connection more than some services hold for it.
    fn ends_itself(&self) -> bool {
        false
    }
}

/// One peer's connection, as its conversation needs to know it.
#[derive(Debug)]
pub struct Session {
    /// The other end, with what proves who it is.
    pub peer: Peer,
    /// Our end.
    pub local: Name,
    /// The number of the connection in every event.
    pub conn: ConnId,
    /// Who hears of what happens.
    pub recorder: Recorder,
    /// How the server treats its peers.
    pub options: Arc<Options>,
    stage: watch::Receiver<Stage>,
}

impl Session {
    pub(crate) fn new(
        link: &Link,
        recorder: Recorder,
        options: Arc<Options>,
        stage: watch::Receiver<Stage>,
    ) -> Self {
        Self {
            peer: link.peer(),
            local: link.local(),
            conn: link.conn(),
            recorder,
            options,
            stage,
        }
    }

    /// A session in no server, which never drains: for tests, and for whoever dials.
    pub fn alone(link: &Link, recorder: Recorder) -> Self {
        let (_, stage) = watch::channel(Stage::Open);
        Self::new(link, recorder, Arc::default(), stage)
    }

    /// Waits until the server drains: nothing new is begun from then on.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + use<> {
        until(self.stage.clone(), Stage::Draining)
    }

    /// Waits until the server's patience with those who are not finished is over.
    pub fn over(&self) -> impl Future<Output = ()> + Send + use<> {
        until(self.stage.clone(), Stage::Over)
    }

    /// Lets the peer in, or records why not.
    ///
    /// # Errors
    /// When it may not.
    pub fn admit(&self, access: &Access) -> Result<Grant, Denied> {
        let admitted = access.admit(&self.peer, &self.local);
        if let Err(denied) = &admitted {
            self.record(Kind::Denied, || denied.to_string().into_bytes());
        }
        admitted
    }

    /// Records something about this connection, if anybody observes.
    pub fn record(&self, kind: Kind, payload: impl FnOnce() -> Vec<u8>) {
        if self.recorder.is_on() {
            let event = Event::new(kind, self.conn, self.recorder.now());
            self.recorder.record(event, &payload());
        }
    }
}

async fn until(mut stage: watch::Receiver<Stage>, wanted: Stage) {
    if stage.wait_for(|stage| *stage >= wanted).await.is_err() {
        // There is no server that could drain.
        std::future::pending::<()>().await;
    }
}

/// How a conversation ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Bytes read from the peer.
    pub read_bytes: u64,
    /// Bytes written to the peer.
    pub written_bytes: u64,
    /// Requests, or whatever else counts as a message here.
    pub read_messages: u64,
    /// Answers.
    pub written_messages: u64,
    /// Why it ended, for people; empty when the peer simply closed.
    pub reason: Cow<'static, str>,
}

impl Outcome {
    /// Ended for this reason.
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason: reason.into(),
            ..Self::default()
        }
    }
}
