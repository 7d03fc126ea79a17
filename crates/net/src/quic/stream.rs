//! One stream of a connection: a link's bytes.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use quinn::{RecvStream, SendStream};
use sockeye_trace::{ConnId, Recorder};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::{Part, turn_away};
use super::error::{unread, unwritten};
use super::{Code, Opener, crypto};
use crate::layered::Layered;
use crate::name::Name;
use crate::stream::{ByteLink, Raw};
use crate::tally::Tally;
use crate::trust::Fingerprint;

/// A bidirectional stream. Ending our direction is a half-close; dropping it delivers what was
/// written and tells the peer that nothing will be read any more.
#[derive(Debug)]
pub(crate) struct QuicStream {
    send: SendStream,
    receive: RecvStream,
    part: Part,
    /// Dropping it is a reset, for this reason.
    reset: Option<Code>,
}

impl QuicStream {
    pub(super) fn new(send: SendStream, receive: RecvStream, part: Part) -> Self {
        Self {
            send,
            receive,
            part,
            reset: None,
        }
    }

    /// Makes dropping the stream a reset, in both directions, for this reason.
    pub(super) fn set_reset(&mut self, reason: Option<Code>) {
        self.reset = reason;
    }

    /// Reads one byte. An end before it counts as a reset.
    pub(super) async fn read_first(&mut self) -> io::Result<u8> {
        let mut first = [0];
        match self.receive.read(&mut first).await {
            Ok(Some(_)) => Ok(first[0]),
            Ok(None) => Err(io::Error::from_raw_os_error(libc::ECONNRESET)),
            Err(error) => Err(unread(&error)),
        }
    }

    /// Where the peer is.
    pub(super) fn peer(&self) -> SocketAddr {
        self.part.life().connection.remote_address()
    }

    /// Where we are for the peer.
    pub(super) fn local(&self) -> SocketAddr {
        let life = self.part.life();
        let mut local = life.socket.local();
        if let Some(ip) = life.connection.local_ip() {
            local.set_ip(ip);
        }
        local
    }

    /// The stream as a link.
    pub(super) fn into_link(self, recorder: &Recorder, conn: ConnId) -> ByteLink {
        let peer = Name::quic(self.peer());
        ByteLink {
            raw: Raw::Layered(Box::new(self)),
            tally: Tally::new(recorder.clone(), conn),
            peer,
            extra: None,
        }
    }
}

impl Layered for QuicStream {
    fn local(&self) -> Name {
        Name::quic(QuicStream::local(self))
    }

    fn key(&self) -> Option<Fingerprint> {
        crypto::key_of(&self.part.life().connection)
    }

    fn set_reset_on_drop(&mut self, reset: bool) -> io::Result<()> {
        self.reset = reset.then_some(Code::Aborted);
        Ok(())
    }

    fn opener(&self) -> Option<Opener> {
        Some(Opener::new(self.part.life()))
    }
}

impl AsyncRead for QuicStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(self.get_mut().receive.poll_read_buf(cx, buf));
        Poll::Ready(read.map_err(|error| unread(&error)))
    }
}

impl AsyncWrite for QuicStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let send = Pin::new(&mut self.get_mut().send);
        let written = ready!(SendStream::poll_write(send, cx, bytes));
        Poll::Ready(written.map_err(|error| unwritten(&error)))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut taken = 0;
        for slice in slices.iter().filter(|slice| !slice.is_empty()) {
            match self.as_mut().poll_write(cx, slice) {
                Poll::Ready(Ok(count)) => {
                    taken += count;
                    if count < slice.len() {
                        break;
                    }
                }
                // What was taken counts; the next call will wait, or say what is wrong.
                _ if taken > 0 => break,
                other => return other,
            }
        }
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// What is written leaves by itself.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // It fails only where this direction has ended already.
        let _ = self.send.finish();
        Poll::Ready(Ok(()))
    }
}

impl AsFd for QuicStream {
    /// The UDP socket, which other streams and connections may share.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.part.as_fd()
    }
}

impl Drop for QuicStream {
    fn drop(&mut self) {
        if let Some(reason) = self.reset {
            turn_away(&mut self.send, &mut self.receive, reason);
        } else {
            // It fails only where this direction has ended already.
            let _ = self.send.finish();
            self.part.linger(&self.send);
        }
    }
}
