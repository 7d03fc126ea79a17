//! A stream of bytes over TLS.

use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use super::carrier::Carrier;
use super::failure::of_stream;
use super::proved;
use crate::layered::Layered;
use crate::name::Name;
use crate::trust::Fingerprint;

/// TLS over TCP, after its handshake.
pub(crate) struct Tls {
    stream: TlsStream<Carrier>,
    key: Option<Fingerprint>,
}

impl Tls {
    pub(super) fn new(stream: TlsStream<Carrier>) -> Self {
        let (_, state) = stream.get_ref();
        let key = proved(state.peer_certificates());
        Self { stream, key }
    }

    fn carrier(&self) -> &Carrier {
        self.stream.get_ref().0
    }
}

impl Layered for Tls {
    fn local(&self) -> Name {
        let carrier = self.carrier().stream();
        // It fails only where the connection is gone, and then its place is unknown.
        let gone = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
        Name::tls(carrier.local_addr().unwrap_or(gone))
    }

    fn key(&self) -> Option<Fingerprint> {
        self.key
    }

    fn set_reset_on_drop(&mut self, reset: bool) -> io::Result<()> {
        self.carrier().set_reset_on_drop(reset)
    }
}

impl AsFd for Tls {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.carrier().as_fd()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (carrier, state) = self.stream.get_ref();
        f.debug_struct("Tls")
            .field("carrier", carrier)
            .field("version", &state.protocol_version())
            .field("key", &self.key)
            .finish()
    }
}

impl AsyncRead for Tls {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        read.map_err(of_stream)
    }
}

impl AsyncWrite for Tls {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        written.map_err(of_stream)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        written.map_err(of_stream)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx).map_err(of_stream)
    }

    /// Says close_notify and half-closes the TCP connection; the peer may go on sending (RFC 8446
    /// §6.1).
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        shut.map_err(of_stream)
    }
}
