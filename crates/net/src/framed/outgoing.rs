//! The direction us → peer.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use sockeye_frame::{Framing, Unencodable};
use sockeye_trace::ConnId;

use super::LinkError;
use crate::errno::Errno;
use crate::half::WriteHalf;
use crate::message::MessageSender;

/// The longest message that is put together from pieces for a message link. No socket carries more
/// unless its buffers were made larger (`net.core.wmem_max`, 208 KiB).
const MESSAGE: usize = 256 * 1024;

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
    Bytes {
        half: WriteHalf,
        framing: Framing,
    },
    Messages {
        sender: MessageSender,
        /// Where in the buffer each message ends.
        ends: VecDeque<usize>,
        /// A message whose body comes in pieces is being put together.
        is_open: bool,
    },
}

impl Outgoing {
    pub(super) fn over_bytes(half: WriteHalf, framing: &Framing) -> Self {
        let framing = framing.clone();
        Self::new(Sink::Bytes { half, framing })
    }

    pub(super) fn over_messages(sender: MessageSender) -> Self {
        Self::new(Sink::Messages {
            sender,
            ends: VecDeque::new(),
            is_open: false,
        })
    }

    fn new(sink: Sink) -> Self {
        Self {
            sink,
            buf: vec![],
            at: 0,
            messages: 0,
        }
    }

    /// The number of this link in every event.
    pub fn conn(&self) -> ConnId {
        match &self.sink {
            Sink::Bytes { half, .. } => half.conn(),
            Sink::Messages { sender, .. } => sender.conn(),
        }
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        match &self.sink {
            Sink::Bytes { half, .. } => half.written_bytes(),
            Sink::Messages { sender, .. } => sender.sent().1,
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
        match &mut self.sink {
            Sink::Bytes { framing, .. } => framing.encode(message, &mut self.buf)?,
            Sink::Messages { ends, .. } => {
                self.buf.extend_from_slice(message);
                ends.push_back(self.buf.len());
            }
        }
        self.messages += 1;
        Ok(())
    }

    /// Takes what goes ahead of a body that is streamed; the body's pieces follow by
    /// [`Outgoing::feed_body`], the last of them with `left` 0. A message link puts them together,
    /// for there a message leaves at once.
    ///
    /// **Errors:** as for [`Outgoing::feed`]; the body's pieces are passed over then.
    pub fn feed_head(&mut self, header: &[u8], body: u64) -> Result<(), LinkError> {
        match &mut self.sink {
            Sink::Bytes { framing, .. } => framing.encode_head(header, body, &mut self.buf)?,
            Sink::Messages { is_open, .. } => {
                let (len, limit) = (body.saturating_add(header.len() as u64), MESSAGE as u64);
                *is_open = len <= limit;
                if !*is_open {
                    return Err(Unencodable::TooLong { len, limit }.into());
                }
                self.buf.extend_from_slice(header);
            }
        }
        Ok(())
    }

    /// Takes a piece of a streamed body, of which `left` bytes are still to come.
    pub fn feed_body(&mut self, chunk: &[u8], left: u64) {
        if let Sink::Messages { is_open: false, .. } = self.sink {
            return;
        }
        self.buf.extend_from_slice(chunk);
        if left == 0 {
            match &mut self.sink {
                Sink::Bytes { framing, .. } => framing.encode_tail(&mut self.buf),
                Sink::Messages { ends, is_open, .. } => {
                    ends.push_back(self.buf.len());
                    *is_open = false;
                }
            }
            self.messages += 1;
        }
    }

    /// Sends what was taken; the next call goes on with what the kernel had no room for.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        let failed = |error: std::io::Error| LinkError::writing(&error);
        match &mut self.sink {
            Sink::Bytes { half, .. } => {
                while self.at < self.buf.len() {
                    match ready!(half.poll_write(cx, &self.buf[self.at..])).map_err(failed)? {
                        0 => return Poll::Ready(Err(LinkError::Write(Errno::new(libc::EPIPE)))),
                        count => self.at += count,
                    }
                }
                ready!(half.poll_flush(cx)).map_err(failed)?;
            }
            Sink::Messages { sender, ends, .. } => {
                while let Some(end) = ends.front().copied() {
                    let sent = ready!(sender.poll_send(cx, &self.buf[self.at..end]));
                    // One that cannot be sent is lost; those behind it can still go.
                    ends.pop_front();
                    self.at = end;
                    sent.map_err(failed)?;
                }
                ready!(sender.poll_flush(cx)).map_err(failed)?;
                if self.at < self.buf.len() {
                    // The beginning of a message whose body is still to come.
                    return Poll::Ready(Ok(()));
                }
            }
        }
        self.buf = vec![];
        self.at = 0;
        Poll::Ready(Ok(()))
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
        let shut = match &mut self.sink {
            Sink::Bytes { half, .. } => poll_fn(|cx| half.poll_shutdown(cx)).await,
            Sink::Messages { sender, .. } => sender.shutdown(),
        };
        shut.map_err(|error| LinkError::writing(&error))
    }

    /// The direction itself, and what was taken and not sent. Nothing on a message link.
    pub fn into_bytes(mut self) -> Option<(WriteHalf, Vec<u8>)> {
        let Sink::Bytes { half, .. } = self.sink else {
            return None;
        };
        self.buf.drain(..self.at);
        Some((half, self.buf))
    }

    /// Lets this direction go without a half-close, so that, once the other is gone too, the peer
    /// sees a reset.
    pub fn abort(self) {
        if let Sink::Bytes { half, .. } = self.sink {
            half.abort();
        }
    }
}
