//! A WebSocket that two halves of a message link share.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio_tungstenite::tungstenite::Bytes;

use super::WebSocket;
use crate::trust::Fingerprint;

/// A WebSocket for two tasks. One lock, because the codec has one state for both directions; it is
/// held while one call runs and never across a wait.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// What both ends have agreed to speak.
    subprotocol: Option<Box<str>>,
    /// The descriptor of the socket below.
    fd: RawFd,
}

#[derive(Debug)]
struct State {
    socket: WebSocket,
    /// The message that came last, whole, where the reader's buffer was too small for it.
    overflow: Option<Bytes>,
}

impl Shared {
    pub(crate) fn new(mut socket: WebSocket) -> Self {
        Self {
            subprotocol: socket.take_subprotocol(),
            fd: socket.stream().as_fd().as_raw_fd(),
            state: Mutex::new(State {
                socket,
                overflow: None,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next message into `buf` and says how long it is; if that is longer than `buf`, all
    /// of it is there for [`Shared::take_overflow`] until the next call.
    pub(crate) fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<Option<usize>>> {
        let mut state = self.lock();
        state.overflow = None;
        let Some(message) = ready!(state.socket.poll_next(cx))? else {
            return Poll::Ready(Ok(None));
        };
        let (full_len, len) = (message.len(), message.len().min(buf.len()));
        buf[..len].copy_from_slice(&message[..len]);
        state.overflow = (full_len > len).then_some(message);
        Poll::Ready(Ok(Some(full_len)))
    }

    pub(crate) fn take_overflow(&self) -> Option<Vec<u8>> {
        self.lock().overflow.take().map(Vec::from)
    }

    pub(crate) fn poll_send(&self, cx: &mut Context<'_>, message: &[u8]) -> Poll<io::Result<()>> {
        self.lock().socket.poll_send(cx, message)
    }

    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock().socket.poll_flush(cx)
    }

    pub(crate) fn poll_close(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock().socket.poll_close(cx)
    }

    /// The key whose possession the peer has proved, over TLS.
    pub(crate) fn key(&self) -> Option<Fingerprint> {
        self.lock().socket.stream().peer().key
    }

    pub(crate) fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Leaves without a word, and by a reset.
    pub(crate) fn reset_on_drop(&self) {
        // It fails only where the connection is gone already.
        let _ = self.lock().socket.set_silent(true).set_reset_on_drop(true);
    }

    /// The WebSocket itself, when nobody else shares it any more.
    pub(crate) fn into_inner(self) -> WebSocket {
        let state = self.state.into_inner();
        state.unwrap_or_else(PoisonError::into_inner).socket
    }
}

impl AsFd for Shared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is that of the socket below the WebSocket, which stays in `state`
        // and keeps its socket open for as long as `self` is there.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }
}
