//! A WebSocket as a byte stream: its messages laid end to end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::Bytes;

use super::WebSocket;
use crate::layered::Layered;
use crate::name::Name;
use crate::trust::Fingerprint;

/// Bytes that one message of ours has at most: a quarter of what a receiver takes unless it was told
/// otherwise, by [`MESSAGE_LIMIT`](super::MESSAGE_LIMIT) with us and with most others.
const MESSAGE: usize = 256 * 1024;

/// The messages of a WebSocket laid end to end, as bytes: each write is a binary message, and where
/// messages begin and end means nothing.
///
/// A WebSocket has no half-close: shutting it down closes it for both directions, and what the peer
/// sends before it has heard of that is still read. Where answers are awaited ([`WebSocketBytes::patient`])
/// it is closed when it is dropped.
#[derive(Debug)]
pub(crate) struct WebSocketBytes {
    socket: WebSocket,
    /// What is left of the message that came last.
    rest: Bytes,
    local: Name,
    /// Shutting down does not close it.
    is_patient: bool,
}

impl WebSocketBytes {
    pub(crate) fn new(mut socket: WebSocket, local: Name) -> Self {
        socket.set_binary();
        Self {
            socket,
            rest: Bytes::new(),
            local,
            is_patient: false,
        }
    }

    /// The same for conversations in which whoever asks has said all before it has heard all: a
    /// close would keep the server from answering, so a client closes when it is dropped.
    pub(crate) fn patient(self) -> Self {
        Self {
            is_patient: self.socket.is_client(),
            ..self
        }
    }
}

impl AsyncRead for WebSocketBytes {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // An empty message is no end.
        while this.rest.is_empty() {
            match ready!(this.socket.poll_next(cx))? {
                Some(message) => this.rest = message,
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = this.rest.len().min(buf.remaining());
        buf.put_slice(&this.rest.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WebSocketBytes {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let message = &bytes[..bytes.len().min(MESSAGE)];
        let sent = ready!(self.get_mut().socket.poll_send(cx, message));
        Poll::Ready(sent.map(|()| message.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().socket.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_patient {
            this.socket.poll_flush(cx)
        } else {
            this.socket.poll_close(cx)
        }
    }
}

impl AsFd for WebSocketBytes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.stream().as_fd()
    }
}

impl Layered for WebSocketBytes {
    fn local(&self) -> Name {
        self.local.clone()
    }

    fn key(&self) -> Option<Fingerprint> {
        self.socket.stream().peer().key
    }

    fn set_reset_on_drop(&mut self, reset: bool) -> io::Result<()> {
        self.socket.set_silent(reset).set_reset_on_drop(reset)
    }
}
