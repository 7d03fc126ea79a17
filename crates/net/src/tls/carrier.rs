//! The TCP connection below TLS.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::secure::FIRST_WORDS;
use crate::stream::{Extra, take_extra};

/// A TCP connection that remembers its peer's first words, for the error if they are no TLS.
#[derive(Debug)]
pub(crate) struct Carrier {
    stream: TcpStream,
    /// What came through a proxy behind its answer.
    ahead: Extra,
    first: [u8; FIRST_WORDS],
    heard: usize,
}

impl Carrier {
    pub(crate) fn new(stream: TcpStream, ahead: Vec<u8>) -> Self {
        Self {
            stream,
            ahead: (!ahead.is_empty()).then(|| Box::new((ahead, 0))),
            first: [0; FIRST_WORDS],
            heard: 0,
        }
    }

    /// What came first.
    pub(crate) fn first_words(&self) -> &[u8] {
        &self.first[..self.heard]
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn set_reset_on_drop(&self, reset: bool) -> io::Result<()> {
        SockRef::from(&self.stream).set_linger(reset.then_some(Duration::ZERO))
    }
}

impl AsyncRead for Carrier {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if this.ahead.is_none() || !take_extra(&mut this.ahead, buf) {
            ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        }
        if this.heard < FIRST_WORDS {
            let came = &buf.filled()[before..];
            let count = came.len().min(FIRST_WORDS - this.heard);
            this.first[this.heard..][..count].copy_from_slice(&came[..count]);
            this.heard += count;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Carrier {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsFd for Carrier {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
