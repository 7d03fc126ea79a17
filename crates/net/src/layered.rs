//! What carries bytes and is no bare socket: TLS, QUIC, the messages of a WebSocket laid end to end.

use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::name::Name;
use crate::quic::Opener;
use crate::trust::Fingerprint;

/// A stream of bytes over a protocol of its own.
///
/// `poll_shutdown` says in that protocol that no more will come, and reading goes on. What was
/// written may wait in the layer until it is flushed. A layer that is dropped without a shutdown
/// lets the peer know, as far as its protocol can, that it was cut off. Its descriptor is that of the
/// socket below.
pub(crate) trait Layered:
    AsyncRead + AsyncWrite + AsFd + fmt::Debug + Send + Sync + Unpin
{
    /// Our end.
    fn local(&self) -> Name;

    /// The key whose possession the peer has proved, if it showed one.
    fn key(&self) -> Option<Fingerprint>;

    /// Makes dropping this a reset, or takes that back.
    fn set_reset_on_drop(&mut self, reset: bool) -> io::Result<()>;

    /// What opens further links over the same connection, where one carries several.
    fn opener(&self) -> Option<Opener> {
        None
    }
}

/// What two halves share. A lock, because such a layer has one state for both directions; it is
/// held while one call runs and never across a wait.
#[derive(Debug)]
struct Shared(Mutex<Box<dyn Layered>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Box<dyn Layered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The direction peer → us of such a layer.
#[derive(Debug)]
pub(crate) struct LayeredRead(Arc<Shared>);

/// The direction us → peer. Dropping it half-closes, as far as that can be done without waiting.
#[derive(Debug)]
pub(crate) struct LayeredWrite {
    shared: Arc<Shared>,
    /// Dropping this half says nothing to the peer: it was shut down, or shall not be.
    silent: bool,
}

/// Both directions as values of their own.
pub(crate) fn split(layer: Box<dyn Layered>) -> (LayeredRead, LayeredWrite) {
    let shared = Arc::new(Shared(Mutex::new(layer)));
    let write = LayeredWrite {
        shared: Arc::clone(&shared),
        silent: false,
    };
    (LayeredRead(shared), write)
}

/// Joins the halves of one layer.
pub(crate) fn unite(read: LayeredRead, mut write: LayeredWrite) -> Option<Box<dyn Layered>> {
    write.silent = true;
    drop(write);
    let shared = Arc::try_unwrap(read.0).ok()?;
    Some(
        shared
            .0
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner),
    )
}

impl LayeredRead {
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut **self.0.lock()).poll_read(cx, buf)
    }

    pub(crate) fn set_reset_on_drop(&self, reset: bool) {
        // It fails only where the connection is gone already.
        let _ = self.0.lock().set_reset_on_drop(reset);
    }
}

impl LayeredWrite {
    pub(crate) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut layer = self.shared.lock();
        Pin::new(&mut **layer).poll_write_vectored(cx, slices)
    }

    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut layer = self.shared.lock();
        Pin::new(&mut **layer).poll_flush(cx)
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.silent = true;
        let mut layer = self.shared.lock();
        Pin::new(&mut **layer).poll_shutdown(cx)
    }

    /// Lets this direction go without a half-close, and the other with a reset.
    pub(crate) fn abort(mut self) {
        self.silent = true;
        let _ = self.shared.lock().set_reset_on_drop(true);
    }
}

impl Drop for LayeredWrite {
    fn drop(&mut self) {
        if !self.silent {
            let mut cx = Context::from_waker(Waker::noop());
            // Where there is no room for a last word now, the end of the socket has to do.
            let _ = self.poll_shutdown(&mut cx);
        }
    }
}
