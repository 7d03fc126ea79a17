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
pub struct FramedWriter {
    sink: Sink,
    /// What is queued, from `at` on not sent.
    buf: Vec<u8>,
    at: usize,
}

#[derive(Debug)]
enum Sink {
    Bytes { half: WriteHalf, framing: Framing },
}

impl FramedWriter {
    pub(super) fn bytes(half: WriteHalf, framing: &Framing) -> Self {
        Self {
            sink: Sink::Bytes {
                half,
                framing: framing.clone(),
            },
            buf: vec![],
            at: 0,
        }
    }

    /// The number of this link in every event.
    pub fn conn(&self) -> ConnId {
        match &self.sink {
            Sink::Bytes { half, .. } => half.conn(),
        }
    }

    /// Bytes written so far.
    pub fn written_bytes(&self) -> u64 {
        match &self.sink {
            Sink::Bytes { half, .. } => half.written_bytes(),
        }
    }

    /// Bytes that are queued and not sent: whoever queues faster than he flushes watches it.
    pub fn queued(&self) -> usize {
        self.buf.len() - self.at
    }

    /// Queues one message; [`FramedWriter::flush`] sends all that are queued at once.
    ///
    /// **Errors:** [`LinkError::Message`]; nothing is queued then.
    pub fn queue(&mut self, message: &[u8]) -> Result<(), LinkError> {
        let Sink::Bytes { framing, .. } = &self.sink;
        Ok(framing.encode(message, &mut self.buf)?)
    }

    /// Queues what goes ahead of a body that is streamed; the body's pieces follow by
    /// [`FramedWriter::queue_body`], the last of them with `left` 0.
    pub fn queue_head(&mut self, header: &[u8], body: u64) -> Result<(), LinkError> {
        let Sink::Bytes { framing, .. } = &self.sink;
        Ok(framing.encode_head(header, body, &mut self.buf)?)
    }

    /// Queues a piece of a streamed body, of which `left` bytes are still to come.
    pub fn queue_body(&mut self, chunk: &[u8], left: u64) {
        let Sink::Bytes { framing, .. } = &self.sink;
        self.buf.extend_from_slice(chunk);
        if left == 0 {
            framing.encode_tail(&mut self.buf);
        }
    }

    /// Sends what is queued; what the kernel does not take stays queued.
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

    /// Waits until everything that is queued is sent. Dropping the future loses nothing: what is
    /// left stays queued.
    pub async fn flush(&mut self) -> Result<(), LinkError> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Sends one message, after those that are queued.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), LinkError> {
        self.queue(message)?;
        self.flush().await
    }

    /// Sends what is queued and half-closes: the peer reads the end; reading goes on.
    pub async fn finish(&mut self) -> Result<(), LinkError> {
        self.flush().await?;
        let Sink::Bytes { half, .. } = &mut self.sink;
        let shut = poll_fn(|cx| half.poll_shutdown(cx)).await;
        shut.map_err(|error| LinkError::Write(Errno::of(&error)))
    }

    pub(super) fn into_bytes(self) -> WriteHalf {
        let Sink::Bytes { half, .. } = self.sink;
        half
    }

    /// Lets this direction go without a half-close, so that, once the other is gone too, the peer
    /// sees a reset.
    pub fn abort(self) {
        let Sink::Bytes { half, .. } = self.sink;
        half.abort();
    }
}
