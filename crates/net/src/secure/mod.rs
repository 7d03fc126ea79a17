//! Listeners whose connections begin with a handshake: TLS, QUIC, WebSocket.
//!
//! Accepting is cheap and says who comes, so that limits are applied first. The handshake itself
//! runs in the task of its connection: a peer that is silent in it costs its own place and nobody
//! else's time.

mod error;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sockeye_trace::ConnId;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub(crate) use error::FIRST_WORDS;
pub use error::HandshakeError;

use crate::link::Link;
use crate::name::Name;

/// How long a peer may take for its handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How many handshakes run side by side where only one peer is wanted.
const SUITORS: usize = 64;

/// A socket whose connections become links by a handshake.
///
/// Dropping it closes the socket.
pub struct SecureListener {
    accepts: Box<dyn Accepts>,
    local: Name,
}

/// What accepts connections that begin with a handshake.
pub(crate) trait Accepts: AsFd + Send + Sync {
    /// Waits for one connection; cancelling loses none. The handshake does not run here.
    ///
    /// **Errors:** what is wrong with this process or machine; accepting may go on later.
    fn accept(&self) -> BoxFuture<'_, io::Result<Handshake>>;
}

/// A connection that was accepted and is no link yet. Dropping it closes it.
pub struct Handshake {
    conn: ConnId,
    peer: Name,
    local: Name,
    complete: BoxFuture<'static, Result<Link, HandshakeError>>,
}

impl SecureListener {
    pub(crate) fn new(accepts: impl Accepts + 'static, local: Name) -> Self {
        Self {
            accepts: Box::new(accepts),
            local,
        }
    }

    /// The address that it really has.
    pub fn local(&self) -> &Name {
        &self.local
    }

    /// Waits for one connection. Cancelling loses none.
    ///
    /// **Errors:** what is wrong with this process or machine, such as `EMFILE`; accepting may go
    /// on later.
    pub async fn accept(&self) -> io::Result<Handshake> {
        self.accepts.accept().await
    }

    /// Waits for the first peer that completes its handshake; several may be at it. Tells
    /// `on_failure` of those that fail.
    pub async fn first_link(
        &self,
        mut on_failure: impl FnMut(&Name, &HandshakeError),
    ) -> io::Result<Link> {
        let mut suitors = JoinSet::new();
        loop {
            tokio::select! {
                handshake = self.accept(), if suitors.len() < SUITORS => {
                    let handshake = handshake?;
                    suitors.spawn(async {
                        let peer = handshake.peer_name().clone();
                        (peer, handshake.complete().await)
                    });
                }
                Some(done) = suitors.join_next() => match done {
                    Ok((_, Ok(link))) => return Ok(link),
                    Ok((peer, Err(error))) => on_failure(&peer, &error),
                    Err(panic) => std::panic::resume_unwind(panic.into_panic()),
                },
            }
        }
    }
}

impl AsFd for SecureListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.accepts.as_fd()
    }
}

impl fmt::Debug for SecureListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecureListener({})", self.local)
    }
}

impl Handshake {
    /// `complete` is bounded in time by whoever waits for it.
    pub(crate) fn new(
        conn: ConnId,
        peer: Name,
        local: Name,
        complete: impl Future<Output = Result<Link, HandshakeError>> + Send + 'static,
    ) -> Self {
        Self {
            conn,
            peer,
            local,
            complete: Box::pin(complete),
        }
    }

    /// The number of this connection in every event; the link keeps it.
    pub fn conn(&self) -> ConnId {
        self.conn
    }

    /// The other end.
    pub fn peer_name(&self) -> &Name {
        &self.peer
    }

    /// Our end.
    pub fn local(&self) -> &Name {
        &self.local
    }

    /// Runs the handshake, for at most [`HANDSHAKE_TIMEOUT`].
    pub async fn complete(self) -> Result<Link, HandshakeError> {
        let after = HANDSHAKE_TIMEOUT;
        let done = timeout(after, self.complete).await;
        done.unwrap_or(Err(HandshakeError::Timeout { after }))
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handshake({} from {})", self.conn.number(), self.peer)
    }
}
