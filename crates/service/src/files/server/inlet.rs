//! The direction peer → us: frames become jobs for the clerk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::clerk::bad_request;
use super::desk::{Desk, Job};
use crate::files::message::{Code, Refusal, Request};
use crate::{Denied, Grant, LinkReader, WireError, WireReader};

/// A peer that sends plain uploads and nothing more for so long may wait for an answer.
const PAUSE: Duration = Duration::from_millis(10);

/// How long the peer may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For a header, once it has begun, and between two pieces of a body.
    pub(super) frame: Duration,
    /// Between two requests, while nothing is under way.
    pub(super) idle: Option<Duration>,
}

/// Why no more is read.
#[derive(Debug)]
pub(super) enum Ended {
    /// The peer sends no more.
    Peer,
    /// The clerk has ended it.
    Clerk,
    /// The server ends.
    Drained,
    /// The peer may not any more.
    Lost(Denied),
    /// Nothing was asked for so long.
    Idle(Duration),
    /// A frame was begun and did not go on for so long.
    Slow(Duration),
    /// What came is no frame, or no request.
    Wire(WireError),
}

impl Ended {
    /// What the peer is told, if anything.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let say = |code, message: String| {
            Some(Refusal {
                code,
                message,
                ..Refusal::default()
            })
        };
        match self {
            // Whoever sent HTTP here learns nothing from us.
            Self::Peer
            | Self::Clerk
            | Self::Idle(_)
            | Self::Wire(WireError::Http { .. } | WireError::Io(_)) => None,
            Self::Drained => say(Code::Ending, "the server ends".into()),
            Self::Lost(denied) => say(Code::Denied, denied.to_string()),
            Self::Slow(_) => Some(bad_request(self.to_string())),
            Self::Wire(error) => Some(bad_request(error.to_string())),
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Peer => Ok(()),
            Self::Clerk => f.write_str("a request that makes no sense"),
            Self::Drained => f.write_str("the server ends"),
            Self::Lost(denied) => denied.fmt(f),
            Self::Idle(limit) => write!(f, "idle for {limit:?}"),
            Self::Slow(limit) => write!(f, "a frame did not go on for {limit:?}"),
            Self::Wire(error) => error.fmt(f),
        }
    }
}

/// Whether a file is being received: then even a server that ends waits for the rest of it.
#[derive(Debug, Default)]
struct Under {
    way: AtomicBool,
    changed: Notify,
}

impl Under {
    fn set(&self, way: bool) {
        self.way.store(way, Ordering::Release);
        self.changed.notify_one();
    }

    async fn nothing(&self) {
        loop {
            let changed = self.changed.notified();
            if !self.way.load(Ordering::Acquire) {
                return;
            }
            changed.await;
        }
    }
}

/// Reads until there is nothing more to read.
pub(super) async fn read(
    link: &mut LinkReader,
    desk: &Arc<Desk>,
    limits: Limits,
    draining: impl Future<Output = ()>,
    mut grant: Grant,
    requests: &mut u64,
) -> Ended {
    let under = Under::default();
    let drained = async {
        draining.await;
        under.nothing().await;
    };
    let mut inlet = Inlet {
        requests,
        plain: false,
        reader: WireReader::new(link),
        desk,
        limits,
        under: &under,
    };
    tokio::select! {
        ended = inlet.read() => ended,
        () = desk.completed() => Ended::Clerk,
        () = drained => Ended::Drained,
        denied = grant.lost() => Ended::Lost(denied),
    }
}

struct Inlet<'a> {
    reader: WireReader<&'a mut LinkReader>,
    desk: &'a Arc<Desk>,
    limits: Limits,
    under: &'a Under,
    requests: &'a mut u64,
    /// The last request was a plain upload.
    plain: bool,
}

impl Inlet<'_> {
    async fn read(&mut self) -> Ended {
        let mut more = false;
        loop {
            let (request, size, length) = match self.next().await {
                Ok(Some(next)) => next,
                Ok(None) => return Ended::Peer,
                Err(ended) => return ended,
            };
            more = match &request {
                Request::Put(put) => put.more,
                Request::Data => more,
                _ => false,
            };
            *self.requests += 1;
            self.plain = matches!(request, Request::Plain(_));
            self.under.set(true);
            let has_content =
                matches!(request, Request::Put(_) | Request::Plain(_) | Request::Data);
            let size = if has_content { size } else { 0 };
            let room = self.desk.buffers.room_for(length).await;
            self.desk.ask(Job::Request(request, size, room));
            if has_content && let Err(ended) = self.content().await {
                return ended;
            }
            self.under.set(more);
        }
    }

    /// The next request, how long its body is, and how long its header.
    async fn next(&mut self) -> Result<Option<(Request, u64, usize)>, Ended> {
        let Limits { frame, idle } = self.limits;
        let wait = idle.map_or(frame, |idle| idle.min(frame));
        let mut first = self.plain;
        let (mut since, mut begun) = (Instant::now(), false);
        loop {
            let now = if first { PAUSE.min(wait) } else { wait };
            match timeout(now, self.reader.next()).await {
                Ok(Ok(None)) => return Ok(None),
                Ok(Ok(Some(header))) => {
                    let request = Request::read(header.text).map_err(|source| {
                        let at = header.at;
                        Ended::Wire(WireError::Header { at, source })
                    })?;
                    return Ok(Some((request, header.size, header.text.len())));
                }
                Ok(Err(error)) => return Err(Ended::Wire(error)),
                Err(_) if std::mem::take(&mut first) => {
                    self.desk.pauses();
                    continue;
                }
                Err(_) => {}
            }
            // A header may have begun at any time of this wait: it is given the next one too.
            let was = std::mem::replace(
                &mut begun,
                self.reader.get_ref().read_bytes() > self.reader.offset(),
            );
            if was && begun {
                return Err(Ended::Slow(wait));
            }
            if begun || !self.desk.is_idle() {
                since = Instant::now();
            }
            self.desk.buffers.forget();
            if let Some(idle) = idle.filter(|idle| since.elapsed() >= *idle) {
                return Err(Ended::Idle(idle));
            }
        }
    }

    /// Passes a body on.
    async fn content(&mut self) -> Result<(), Ended> {
        while self.reader.left() > 0 {
            let mut buffer = self.desk.buffers.take(self.reader.left()).await;
            let mut ended = None;
            while !buffer.rest().is_empty() {
                let read = timeout(self.limits.frame, self.reader.read_body(buffer.rest()));
                match read.await {
                    Ok(Ok(0)) => break,
                    Ok(Ok(got)) => buffer.filled += got,
                    Ok(Err(error)) => ended = Some(Ended::Wire(error)),
                    Err(_) => ended = Some(Ended::Slow(self.limits.frame)),
                }
                if ended.is_some() {
                    break;
                }
            }
            // What came is kept, also of a connection that breaks.
            self.desk.ask(Job::Body(buffer));
            if let Some(ended) = ended {
                return Err(ended);
            }
        }
        Ok(())
    }
}

/// Reads and throws away for a while what comes after our end: a close with unread bytes would be a
/// reset, which can destroy our last answer on its way.
pub(super) async fn linger(mut link: impl AsyncRead + Unpin, time: Duration, bytes: u64) {
    use tokio::io::AsyncReadExt as _;
    let all = async {
        let mut link = (&mut link).take(bytes);
        tokio::io::copy(&mut link, &mut tokio::io::sink()).await
    };
    // Whatever it comes to, the connection is over.
    let _ = timeout(time, all).await;
}
