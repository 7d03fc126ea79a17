//! A connection as long as anybody needs it, and a little longer.
//!
//! Behind TCP the kernel goes on sending when a socket is closed or its process gone. QUIC lives in
//! our process: a connection must stay until the peer has what was written, and the process until
//! its connections have said that they end.

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use quinn::{Connection, RecvStream, SendStream, StoppedError, VarInt};
use sockeye_trace::Recorder;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::error::{broken, unwritten};
use super::socket::Socket;
use super::stream::QuicStream;
use super::{Code, LINGER_TIMEOUT, PREFACE, SETTLE_TIMEOUT};
use crate::stream::ByteLink;

/// How long a farewell may take to leave, if the socket has no room.
pub(super) const FAREWELL_TIMEOUT: Duration = Duration::from_millis(200);

/// How often other tasks get their turn before the wait for a farewell becomes a slow one.
const FAREWELL_TURNS: usize = 64;

/// What goes on after links were dropped; shared by all that one [`Net`](crate::Net) opened.
#[derive(Debug, Default)]
pub struct Afterlife {
    /// Connections that still have to deliver something, or to say that they end.
    open: AtomicUsize,
    ended: Notify,
}

/// Holds the end of the process up until it is dropped.
#[derive(Debug)]
struct Holding(Arc<Afterlife>);

impl Afterlife {
    fn hold(self: &Arc<Self>) -> Holding {
        self.open.fetch_add(1, Ordering::AcqRel);
        Holding(Arc::clone(self))
    }

    /// Waits until nothing is left to be delivered, at most [`SETTLE_TIMEOUT`] long.
    pub(crate) async fn over(&self) {
        let all = async {
            loop {
                let ended = self.ended.notified();
                tokio::pin!(ended);
                ended.as_mut().enable();
                if self.open.load(Ordering::Acquire) == 0 {
                    return;
                }
                ended.await;
            }
        };
        let _ = timeout(SETTLE_TIMEOUT, all).await;
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
        self.0.ended.notify_waiters();
    }
}

/// A connection that ends, politely, when nobody holds it any more.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) connection: Connection,
    pub(super) socket: Arc<Socket>,
    runtime: Handle,
    afterlife: Arc<Afterlife>,
    /// Streams that are open.
    streams: AtomicUsize,
    stream_ended: Notify,
}

impl Life {
    pub(super) fn new(
        connection: Connection,
        socket: Arc<Socket>,
        afterlife: &Arc<Afterlife>,
    ) -> Arc<Self> {
        Arc::new(Self {
            connection,
            socket,
            runtime: Handle::current(),
            afterlife: Arc::clone(afterlife),
            streams: AtomicUsize::new(0),
            stream_ended: Notify::new(),
        })
    }

    /// Waits until no stream has been open for so long.
    pub(super) async fn deserted(&self, limit: Duration) {
        loop {
            let ended = self.stream_ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.streams.load(Ordering::Acquire) == 0 {
                // A new one is seen by whoever waits for streams, and that one asks again.
                return tokio::time::sleep(limit).await;
            }
            ended.await;
        }
    }

    /// Opens a stream towards a listener.
    pub(super) async fn open(self: &Arc<Self>) -> io::Result<QuicStream> {
        let opened = self.connection.open_bi().await;
        let (mut send, receive) = opened.map_err(|error| broken(&error))?;
        let written = send.write_all(&[PREFACE]).await;
        written.map_err(|error| unwritten(&error))?;
        Ok(QuicStream::new(send, receive, Part::of(self)))
    }

    /// Stays until the peer has what was written to a stream that was let go.
    fn linger(self: &Arc<Self>, taken: impl Future<Output = Taken> + Send + 'static) {
        let mut taken = Box::pin(taken);
        if taken.as_mut().now_or_never().is_some() {
            return;
        }
        let (life, holding) = (Arc::clone(self), self.afterlife.hold());
        self.runtime.spawn(async move {
            let _ = timeout(LINGER_TIMEOUT, taken).await;
            drop(life);
            drop(holding);
        });
    }
}

/// What became of the end of a stream.
type Taken = Result<Option<VarInt>, StoppedError>;

impl Drop for Life {
    fn drop(&mut self) {
        if self.connection.close_reason().is_some() {
            // The peer has ended it, or is gone.
            return;
        }
        let connection = self.connection.clone();
        let said = connection.stats().udp_tx.datagrams;
        connection.close(Code::Done.into(), b"");
        let holding = self.afterlife.hold();
        self.runtime.spawn(async move {
            let _ = timeout(FAREWELL_TIMEOUT, farewell(&connection, said)).await;
            drop(holding);
        });
    }
}

/// Waits until the connection's task has told the peer that it ends: of a closed connection nothing
/// else leaves (RFC 9000, section 10.2), and so far it had sent so many datagrams.
async fn farewell(connection: &Connection, said: u64) {
    let mut turns = 0;
    // Counted and given to the kernel in one turn of that task.
    while connection.stats().udp_tx.datagrams == said {
        turns += 1;
        if turns < FAREWELL_TURNS {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// One stream's part in the life of its connection.
#[derive(Debug)]
pub(super) struct Part(Arc<Life>);

impl Part {
    pub(super) fn of(life: &Arc<Life>) -> Self {
        life.streams.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(life))
    }

    pub(super) fn life(&self) -> &Arc<Life> {
        &self.0
    }

    /// The stream is let go, having been ended: what was written is still delivered.
    pub(super) fn linger(&self, send: &SendStream) {
        self.0.linger(send.stopped());
    }
}

impl AsFd for Part {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.socket.as_fd()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::AcqRel);
        self.0.stream_ended.notify_waiters();
    }
}

/// Ends a stream on which nothing can be said.
pub(super) fn turn_away(send: &mut SendStream, receive: &mut RecvStream, code: Code) {
    // Either fails only where the stream has ended already.
    let _ = send.reset(code.into());
    let _ = receive.stop(code.into());
}

/// Opens further links to the same listener over a connection that stands, without a handshake.
///
/// The connection stays as long as a link or an opener of it does, but a listener ends one on which no
/// stream has been open for [`STREAMLESS_TIMEOUT`](super::STREAMLESS_TIMEOUT).
#[derive(Clone, Debug)]
pub struct Opener {
    life: Arc<Life>,
}

impl Opener {
    pub(super) fn new(life: &Arc<Life>) -> Self {
        Self {
            life: Arc::clone(life),
        }
    }

    /// Waits until the connection is over, and says why.
    pub async fn closed(&self) -> io::Error {
        broken(&self.life.connection.closed().await)
    }

    /// Opens one more link, of which `recorder` hears. Waits while as many are open as the listener
    /// allows.
    ///
    /// **Errors:** the connection is lost, or the listener has ended it.
    pub async fn open(&self, recorder: &Recorder) -> io::Result<ByteLink> {
        let stream = self.life.open().await?;
        Ok(stream.into_link(recorder, recorder.next_conn()))
    }
}
