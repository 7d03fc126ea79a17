//! Where lines leave: over bytes as they are, as messages one by one.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use sockeye_net::{MessageSender, WriteHalf};

use crate::outbox::Wire;

/// A stream of bytes: a bare socket is written by whoever speaks, a layer by its member's task.
pub(super) struct Bytes(pub(super) WriteHalf);

impl Wire for Bytes {
    fn poll_write(&mut self, cx: &mut Context<'_>, lines: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, lines)
    }

    fn is_direct(&self) -> bool {
        self.0.is_bare()
    }

    fn try_write(&mut self, lines: &[u8]) -> Poll<io::Result<usize>> {
        self.0.try_write(lines)
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write_vectored(cx, pieces)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_shutdown(cx)
    }

    fn written(&self) -> u64 {
        self.0.written_bytes()
    }
}

/// Messages: each line is one, without its CR LF
/// (<https://ircv3.net/specs/extensions/websocket>).
pub(super) struct Messages(pub(super) MessageSender);

impl Wire for Messages {
    fn poll_write(&mut self, cx: &mut Context<'_>, lines: &[u8]) -> Poll<io::Result<usize>> {
        let mut taken = 0;
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let message = line.strip_suffix(b"\r\n").unwrap_or(line);
            match self.0.poll_send(cx, message) {
                Poll::Ready(Ok(())) => taken += line.len(),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if taken > 0 => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(taken))
    }

    fn is_direct(&self) -> bool {
        false
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_close(cx)
    }

    fn written(&self) -> u64 {
        self.0.sent().1
    }
}
