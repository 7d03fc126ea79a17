//! The direction us → peer.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use sockeye_frame::Framing;
use sockeye_trace::ConnId;

use super::LinkError;
use crate::errno::Errno;
use crate::half::WriteHalf;

/// Messages to the peer. Dropping it half-closes.
#[derive(Debug)]
pub struct Outgoing {
    sink: Sink,
    /// What was fed, from `at` on not sent.
    buf: Vec<u8>,
    at: usize,
    messages: u64,
}

#[derive(Debug)]
enum Sink {
    Bytes { half: WriteHalf, framing: Framing },
}

impl Outgoing {
    pub(super) fn over_bytes(half: WriteHalf, framing: &Framing) -> Self {
        Self {
            sink: Sink::Bytes {
                half,
                framing: framing.clone(),
            },
            buf: vec![],
            at: 0,
            messages: 0,
        }
    }

    /// The number of this link in every event.
    pub fn conn(&self) -> ConnId {
        match &self.sink {
            Sink::Bytes { half, .. } => half.conn(),
        }
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        match &self.sink {
            Sink::Bytes { half, .. } => half.written_bytes(),
        }
    }

    /// Messages taken so far.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Bytes that were fed and not sent: whoever feeds faster than he flushes watches it.
    pub fn unwritten(&self) -> usize {
        self.buf.len() - self.at
    }

    /// Takes one message; [`Outgoing::flush`] sends all that were taken at once.
    ///
    /// **Errors:** [`LinkError::Unencodable`]; nothing of it is taken then.
    pub fn feed(&mut self, message: &[u8]) -> Result<(), LinkError> {
        let Sink::Bytes { framing, .. } = &self.sink;
        framing.encode(message, &mut self.buf)?;
        self.messages += 1;
        Ok(())
    }

    /// Takes what goes ahead of a body that is streamed; the body's pieces follow by
    /// [`Outgoing::feed_body`], the last of them with `left` 0.
    pub fn feed_head(&mut self, header: &[u8], body: u64) -> Result<(), LinkError> {
        let Sink::Bytes { framing, .. } = &self.sink;
        Ok(framing.encode_head(header, body, &mut self.buf)?)
    }

    /// Takes a piece of a streamed body, of which `left` bytes are still to come.
    pub fn feed_body(&mut self, chunk: &[u8], left: u64) {
        let Sink::Bytes { framing, .. } = &self.sink;
        self.buf.extend_from_slice(chunk);
        if left == 0 {
            framing.encode_tail(&mut self.buf);
            self.messages += 1;
        }
    }

    /// Sends what was taken; the next call goes on with what the kernel had no room for.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        let failed = |error: std::io::Error| LinkError::Write(Errno::of(&error));
        let Sink::Bytes { half, .. } = &mut self.sink;
        while self.at < self.buf.len() {
            match ready!(half.poll_write(cx, &self.buf[self.at..])).map_err(failed)? {
                0 => return Poll::Ready(Err(LinkError::Write(Errno::new(libc::EPIPE)))),
                count => self.at += count,
            }
        }
        self.buf = vec![];
        self.at = 0;
        half.poll_flush(cx).map_err(failed)
    }

    /// Waits until everything that was taken is sent. Dropping the future loses nothing: the next
    /// call goes on.
    pub async fn flush(&mut self) -> Result<(), LinkError> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Sends one message, after those that were taken before. Once taken it leaves whole, with the
    /// next call if this one is dropped.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), LinkError> {
        self.feed(message)?;
        self.flush().await
    }

    /// Sends what was taken and half-closes: the peer reads the end; reading goes on.
    pub async fn finish(&mut self) -> Result<(), LinkError> {
        self.flush().await?;
        let Sink::Bytes { half, .. } = &mut self.sink;
        let shut = poll_fn(|cx| half.poll_shutdown(cx)).await;
        shut.map_err(|error| LinkError::Write(Errno::of(&error)))
    }

    /// The direction itself, and what was taken and not sent.
    pub fn into_bytes(mut self) -> (WriteHalf, Vec<u8>) {
        let Sink::Bytes { half, .. } = self.sink;
        self.buf.drain(..self.at);
        (half, self.buf)
    }

    /// Lets this direction go without a half-close, so that, once the other is gone too, the peer
    /// sees a reset.
    pub fn abort(self) {
        let Sink::Bytes { half, .. } = self.sink;
        half.abort();
    }
}
