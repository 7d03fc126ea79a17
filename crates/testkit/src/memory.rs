//! Two connected ends in memory that behave as a stream socket does.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One end of a byte stream in memory, with half-close, reset and backpressure.
///
/// Unlike a kernel's socket, dropping an end with unread bytes does not reset the other one.
#[derive(Debug)]
pub struct MemoryLink {
    incoming: Arc<Mutex<Pipe>>,
    outgoing: Arc<Mutex<Pipe>>,
}

/// One direction.
#[derive(Debug, Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// The writer half-closed or went away: what is left can be read, then comes the end.
    ended: bool,
    /// The reader went away: writing is in vain.
    unread: bool,
    /// Either end reset the stream: nothing can be read or written any more.
    reset: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl MemoryLink {
    /// Two connected ends; each direction holds at most `capacity` bytes that were not yet read.
    pub fn pair(capacity: usize) -> (Self, Self) {
        assert!(
            capacity > 0,
            "a link that holds nothing cannot carry anything"
        );
        let pipe = || {
            Arc::new(Mutex::new(Pipe {
                capacity,
                ..Pipe::default()
            }))
        };
        let (there, back) = (pipe(), pipe());
        (
            Self {
                incoming: Arc::clone(&back),
                outgoing: Arc::clone(&there),
            },
            Self {
                incoming: there,
                outgoing: back,
            },
        )
    }

    /// Resets the stream, as `SO_LINGER` with 0 seconds does: the other end's next read and write
    /// fail with `ConnectionReset`, and what it had not read is lost.
    pub fn reset(self) {
        for pipe in [&self.incoming, &self.outgoing] {
            let mut pipe = lock(pipe);
            pipe.bytes.clear();
            pipe.reset = true;
            pipe.wake();
        }
    }
}

impl Pipe {
    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()]
            .into_iter()
            .flatten()
        {
            waker.wake();
        }
    }
}

impl AsyncRead for MemoryLink {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut pipe = lock(&self.incoming);
        if pipe.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if pipe.bytes.is_empty() && !pipe.ended {
            pipe.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let take = pipe.bytes.len().min(buf.remaining());
        for byte in pipe.bytes.drain(..take) {
            buf.put_slice(&[byte]);
        }
        pipe.wake();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MemoryLink {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut pipe = lock(&self.outgoing);
        if pipe.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if pipe.unread || pipe.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = pipe.capacity - pipe.bytes.len();
        if room == 0 && !buf.is_empty() {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let taken = room.min(buf.len());
        pipe.bytes.extend(&buf[..taken]);
        pipe.wake();
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pipe = lock(&self.outgoing);
        pipe.ended = true;
        pipe.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for MemoryLink {
    fn drop(&mut self) {
        let mut outgoing = lock(&self.outgoing);
        outgoing.ended = true;
        outgoing.wake();
        drop(outgoing);
        let mut incoming = lock(&self.incoming);
        incoming.unread = true;
        incoming.wake();
    }
}

fn lock(pipe: &Mutex<Pipe>) -> MutexGuard<'_, Pipe> {
    pipe.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_half_close_leaves_the_other_direction_open() {
        let (mut a, mut b) = MemoryLink::pair(64);
        a.write_all(b"question").await.unwrap();
        a.shutdown().await.unwrap();
        let mut text = String::new();
        b.read_to_string(&mut text).await.unwrap();
        b.write_all(b"answer").await.unwrap();
        drop(b);
        a.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "questionanswer");
    }

    #[tokio::test]
    async fn a_reset_is_an_error_and_loses_what_was_not_read() {
        let (mut a, mut b) = MemoryLink::pair(64);
        b.write_all(b"lost").await.unwrap();
        b.reset();
        let error = a.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let error = a.write_u8(0).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_full_link_takes_part_of_a_write_and_then_waits_for_a_reader() {
        let (mut a, mut b) = MemoryLink::pair(4);
        assert_eq!(a.write(b"hello").await.unwrap(), 4);
        let (wrote, read) = tokio::join!(a.write(b"o"), b.read_u8());
        assert_eq!((wrote.unwrap(), read.unwrap()), (1, b'h'));
    }

    #[tokio::test]
    async fn writing_to_an_end_that_is_gone_is_a_broken_pipe() {
        let (mut a, b) = MemoryLink::pair(4);
        drop(b);
        assert_eq!(
            a.write(b"x").await.unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
        assert_eq!(a.read(&mut [0; 4]).await.unwrap(), 0);
    }
}
