//! The direction us → peer.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use serde::Serialize;
use tokio::io::AsyncWrite;

/// Writes frames. The header and its body leave in one vectored write, and the body is not copied.
///
/// A frame is either staged whole ([`feed`](Self::feed)) or begun, its body then being
/// [pushed](Self::push) piece by piece. Dropping a wait of [`push`](Self::push) or
/// [`flush`](Self::flush) loses nothing, and both may be begun again.
#[derive(Debug)]
pub struct WireWriter<W> {
    io: W,
    /// Headers, and bodies that were fed; from `from` on they are not written yet.
    staged: Vec<u8>,
    from: usize,
    /// Bytes of the body that was begun and are still to be pushed.
    owed: u64,
    /// Something was written and not flushed.
    unflushed: bool,
}

/// Above this size what was staged is not kept for the next frame.
const STAGE: usize = 4096;

impl<W: AsyncWrite + Unpin> WireWriter<W> {
    /// Writes frames to `io`.
    pub fn new(io: W) -> Self {
        Self {
            io,
            staged: Vec::new(),
            from: 0,
            owed: 0,
            unflushed: false,
        }
    }

    /// Stages a whole frame with a copy of its body. Writes nothing.
    ///
    /// # Panics
    /// While the body of another frame is owed, or if `header` is no JSON object.
    pub fn feed(&mut self, header: &impl Serialize, body: &[u8]) {
        self.begin(header, body.len() as u64);
        self.staged.extend_from_slice(body);
        self.owed = 0;
    }

    /// Stages the header of a frame whose body of `size` bytes will be pushed; adds that size to it.
    /// Writes nothing.
    ///
    /// # Panics
    /// As for [`feed`](Self::feed).
    pub fn begin(&mut self, header: &impl Serialize, size: u64) {
        assert!(self.owed == 0, "a frame is completed before the next one");
        write_header(&mut self.staged, header, size);
        self.owed = size;
    }

    /// Bytes of the body that was begun and are still to be pushed.
    pub fn owed(&self) -> u64 {
        self.owed
    }

    /// Whether everything was written and flushed.
    pub fn is_flushed(&self) -> bool {
        self.from == self.staged.len() && !self.unflushed
    }

    /// Bytes that are staged and not written.
    pub fn staged(&self) -> usize {
        self.staged.len() - self.from
    }

    /// Writes what is staged and the beginning of `body`, the next bytes of the body that was begun;
    /// says how many of `body` were taken. None are only if `body` is empty, and then all that was
    /// staged is written.
    ///
    /// # Errors
    /// When the connection breaks.
    ///
    /// # Panics
    /// If `body` is longer than what is owed.
    pub async fn push(&mut self, body: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_push(cx, body)).await
    }

    /// [`push`](Self::push) for a poll of one's own.
    ///
    /// # Errors
    /// As there.
    pub fn poll_push(&mut self, cx: &mut Context<'_>, body: &[u8]) -> Poll<io::Result<usize>> {
        assert!(
            body.len() as u64 <= self.owed,
            "more body than was announced"
        );
        loop {
            let head = &self.staged[self.from..];
            if head.is_empty() && body.is_empty() {
                return Poll::Ready(Ok(0));
            }
            let io = Pin::new(&mut self.io);
            let wrote = if head.is_empty() {
                ready!(io.poll_write(cx, body))?
            } else if body.is_empty() {
                ready!(io.poll_write(cx, head))?
            } else {
                let slices = [IoSlice::new(head), IoSlice::new(body)];
                ready!(io.poll_write_vectored(cx, &slices))?
            };
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            let of_body = wrote.saturating_sub(head.len());
            self.from += wrote - of_body;
            self.unstage();
            if of_body > 0 {
                self.owed -= of_body as u64;
                return Poll::Ready(Ok(of_body));
            }
        }
    }

    /// Writes everything that is staged, also what lies in the layers below.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// [`flush`](Self::flush) for a poll of one's own.
    ///
    /// # Errors
    /// As there.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_push(cx, &[]))?;
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    /// Writes a whole frame. A wait for this that is dropped leaves a frame unfinished, after which
    /// only the connection's end makes sense.
    ///
    /// # Errors
    /// When the connection breaks.
    ///
    /// # Panics
    /// As for [`feed`](Self::feed).
    pub async fn send(&mut self, header: &impl Serialize, body: &[u8]) -> io::Result<()> {
        self.begin(header, body.len() as u64);
        let mut rest = body;
        while !rest.is_empty() {
            let taken = self.push(rest).await?;
            rest = &rest[taken..];
        }
        self.flush().await
    }

    /// Flushes, then tells the peer that no more frames will come.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.flush().await?;
        poll_fn(|cx| Pin::new(&mut self.io).poll_shutdown(cx)).await
    }

    /// What is written to.
    pub fn get_ref(&self) -> &W {
        &self.io
    }

    /// Forgets what is written.
    fn unstage(&mut self) {
        if self.from == self.staged.len() {
            self.staged.clear();
            self.staged.shrink_to(STAGE);
            self.from = 0;
        }
    }
}

/// Appends the header of a frame, with the size of its body in it.
///
/// # Panics
/// If `header` is no JSON object.
pub(crate) fn write_header(out: &mut Vec<u8>, header: &impl Serialize, size: u64) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    serde_json::to_writer(&mut *out, header).expect("a header is plain data");
    assert!(out.last() == Some(&b'}'), "a header is a JSON object");
    if size > 0 {
        out.pop();
        let comma = if out.last() == Some(&b'{') { "" } else { "," };
        let size = format!("{comma}\"size\":{size}}}");
        out.extend_from_slice(size.as_bytes());
    }
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}
