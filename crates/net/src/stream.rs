//! Links that carry ordered bytes.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::{SocketAddrAny, getpeername, getsockname};
use socket2::SockRef;
use sockeye_trace::{ConnId, Recorder};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::endpoint::UnixKind;
use crate::exec::Program;
use crate::half::{RawRead, RawWrite, ReadHalf, WriteHalf};
use crate::layered::{self, Layered};
use crate::name::{Name, Peer};
use crate::pair::Pair;
use crate::quic::Opener;
use crate::tally::Tally;

/// A stream of ordered bytes over whatever carries one: TCP, TLS, QUIC, a Unix stream socket, our own
/// standard input and output, a program, an inherited descriptor.
///
/// It counts what passes and tells the recorder, and adds no system call to what reading and writing
/// need. Over a bare socket it holds no buffer; where [`ByteLink::is_layered`], what was written may
/// wait in it for a flush. A read that returns 0 bytes means that the peer has sent its last one.
/// Dropping it closes the connection.
#[derive(Debug)]
pub struct ByteLink {
    pub(crate) raw: Raw,
    pub(crate) tally: Tally,
    pub(crate) peer: Name,
    pub(crate) extra: Extra,
}

/// What carries the bytes.
#[derive(Debug)]
pub(crate) enum Raw {
    Tcp(TcpStream),
    Unix(UnixStream),
    Pair(Box<Pair>),
    /// A protocol of its own over a socket.
    Layered(Box<dyn Layered>),
}

/// Bytes that were read before the link was handed over (behind a proxy's answer), and how many of
/// them are taken. A pointer, because nearly no link has any.
pub(crate) type Extra = Option<Box<(Vec<u8>, usize)>>;

/// Hands out bytes that were read earlier.
pub(crate) fn take_extra(extra: &mut Extra, buf: &mut ReadBuf<'_>) -> bool {
    let Some(held) = extra else { return false };
    let (bytes, at) = &mut **held;
    let count = buf.remaining().min(bytes.len() - *at);
    buf.put_slice(&bytes[*at..*at + count]);
    *at += count;
    if *at == bytes.len() {
        *extra = None;
    }
    true
}

impl ByteLink {
    pub(crate) fn new(raw: Raw, peer: Name, recorder: &Recorder) -> Self {
        let tally = Tally::new(recorder.clone(), recorder.next_conn());
        Self {
            raw,
            tally,
            peer,
            extra: None,
        }
    }

    /// A link over a TCP connection that was made elsewhere.
    pub fn from_tcp(stream: TcpStream, recorder: &Recorder) -> io::Result<Self> {
        let peer = Name::tcp(stream.peer_addr()?);
        Ok(Self::new(Raw::Tcp(stream), peer, recorder))
    }

    /// A link over a Unix stream socket that was made elsewhere.
    pub fn from_unix(stream: UnixStream, recorder: &Recorder) -> io::Result<Self> {
        let peer = unix_name(getpeername(&stream)?.as_ref());
        Ok(Self::new(Raw::Unix(stream), peer, recorder))
    }

    /// The same link with bytes that are read before any other.
    pub(crate) fn with_read_ahead(mut self, bytes: Vec<u8>) -> Self {
        self.extra = (!bytes.is_empty()).then(|| Box::new((bytes, 0)));
        self
    }

    /// The other end.
    pub fn peer_name(&self) -> &Name {
        &self.peer
    }

    /// The other end and, of a Unix socket, its process and user, for which the kernel is asked; of a
    /// secure link the key that it has proved to hold.
    pub fn peer(&self) -> Peer {
        match &self.raw {
            Raw::Unix(stream) => Peer::with_credentials(self.peer.clone(), stream),
            Raw::Tcp(_) | Raw::Pair(_) => Peer::from(self.peer.clone()),
            Raw::Layered(layer) => Peer::from(self.peer.clone()).with_key(layer.key()),
        }
    }

    /// Our end. Asks the kernel, because hardly anybody wants to know. What is no socket has one
    /// name for both ends.
    pub fn local(&self) -> Name {
        let found = match &self.raw {
            Raw::Tcp(stream) => stream.local_addr().map(Name::tcp),
            Raw::Unix(stream) => Ok(unix_name(getsockname(stream).ok().as_ref())),
            Raw::Pair(_) => Ok(self.peer.clone()),
            Raw::Layered(layer) => Ok(layer.local()),
        };
        found.unwrap_or_else(|_| self.peer.clone())
    }

    /// The number of this connection in every event.
    pub fn conn(&self) -> ConnId {
        self.tally.conn
    }

    /// Whether a protocol of its own lies between this link and the socket. Such a link has to be
    /// flushed, and shut down before it is dropped: an end without that looks cut off to the peer.
    #[inline]
    pub fn is_layered(&self) -> bool {
        matches!(self.raw, Raw::Layered(_))
    }

    /// What opens further links over the same connection: of QUIC, where each is a stream.
    pub fn opener(&self) -> Option<Opener> {
        match &self.raw {
            Raw::Layered(layer) => layer.opener(),
            Raw::Tcp(_) | Raw::Unix(_) | Raw::Pair(_) => None,
        }
    }

    /// Bytes read so far.
    pub fn read_bytes(&self) -> u64 {
        self.tally.read
    }

    /// Bytes written so far.
    pub fn written_bytes(&self) -> u64 {
        self.tally.written
    }

    /// The recorder that hears of this link.
    pub fn recorder(&self) -> &Recorder {
        self.tally.recorder()
    }

    /// How the program at the other end came out, once it has: `exited with status 3`.
    pub fn program_outcome(&self) -> Option<String> {
        self.program().and_then(Program::outcome)
    }

    fn program(&self) -> Option<&Program> {
        match &self.raw {
            Raw::Pair(pair) => pair.source.program(),
            Raw::Tcp(_) | Raw::Unix(_) | Raw::Layered(_) => None,
        }
    }

    /// Reads what is there into `buf`; 0 bytes mean that the peer has sent its last one.
    #[inline]
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        self.poll_read_buf(cx, &mut buf)
            .map_ok(|()| buf.filled().len())
    }

    /// The same into a buffer that need not be initialised.
    #[inline]
    pub fn poll_read_buf(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self {
            raw, tally, extra, ..
        } = self;
        tally.read(buf, |buf| {
            if extra.is_some() && take_extra(extra, buf) {
                return Poll::Ready(Ok(()));
            }
            match raw {
                Raw::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
                Raw::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
                Raw::Pair(pair) => pair.source.poll_read(cx, buf),
                Raw::Layered(layer) => Pin::new(&mut **layer).poll_read(cx, buf),
            }
        })
    }

    /// Writes as much of `bytes` as there is room for.
    #[inline]
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { raw, tally, .. } = self;
        tally.write(&[IoSlice::new(bytes)], bytes.len(), || match raw {
            Raw::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Raw::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Raw::Pair(pair) => pair.sink.poll_write(cx, bytes),
            Raw::Layered(layer) => Pin::new(&mut **layer).poll_write(cx, bytes),
        })
    }

    /// Writes as much of several slices as there is room for, with one call.
    pub fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { raw, tally, .. } = self;
        let offered = slices.iter().map(|slice| slice.len()).sum();
        tally.write(slices, offered, || match raw {
            Raw::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Raw::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Raw::Pair(pair) => pair.sink.poll_write(cx, first_filled(slices)),
            Raw::Layered(layer) => Pin::new(&mut **layer).poll_write_vectored(cx, slices),
        })
    }

    /// Waits until nothing written is left in our own process. Sockets hold nothing there.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.raw {
            Raw::Pair(pair) => pair.sink.poll_flush(cx),
            Raw::Layered(layer) => Pin::new(&mut **layer).poll_flush(cx),
            Raw::Tcp(_) | Raw::Unix(_) => Poll::Ready(Ok(())),
        }
    }

    /// Half-closes: the peer reads the end after what was written; reading goes on.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = match &mut self.raw {
            Raw::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Raw::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Raw::Pair(pair) => pair.sink.poll_shutdown(cx),
            Raw::Layered(layer) => Pin::new(&mut **layer).poll_shutdown(cx),
        };
        self.tally.shutdown(result)
    }

    /// Makes dropping this link a reset: the peer's next read fails instead of seeing the end
    /// (`SO_LINGER` with 0 seconds, socket(7)). Of a program it makes a kill; a Unix socket has no
    /// reset, there it does nothing.
    pub fn set_reset_on_drop(&mut self, reset: bool) -> io::Result<()> {
        match &mut self.raw {
            Raw::Tcp(stream) => SockRef::from(&*stream).set_linger(reset.then_some(Duration::ZERO)),
            Raw::Unix(_) => Ok(()),
            Raw::Pair(pair) => {
                pair.source.kill_on_drop(reset);
                Ok(())
            }
            Raw::Layered(layer) => layer.set_reset_on_drop(reset),
        }
    }

    /// Ends the connection by a reset.
    pub fn abort(mut self) {
        // It fails only where the connection is gone already.
        let _ = self.set_reset_on_drop(true);
    }

    /// Both directions as values of their own, for two tasks.
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        let (read, write) = match self.raw {
            Raw::Tcp(stream) => {
                let (read, write) = stream.into_split();
                (RawRead::Tcp(read), RawWrite::Tcp(write))
            }
            Raw::Unix(stream) => {
                let (read, write) = stream.into_split();
                (RawRead::Unix(read), RawWrite::Unix(write))
            }
            Raw::Pair(pair) => (RawRead::Pair(pair.source), RawWrite::Pair(pair.sink)),
            Raw::Layered(layer) => {
                let (read, write) = layered::split(layer);
                (RawRead::Layered(read), RawWrite::Layered(write))
            }
        };
        (
            ReadHalf {
                raw: read,
                tally: self.tally.clone(),
                peer: self.peer,
                extra: self.extra,
            },
            WriteHalf {
                raw: write,
                tally: self.tally,
            },
        )
    }
}

fn unix_name(address: Option<&SocketAddrAny>) -> Name {
    Name::unix_any(UnixKind::Stream, address)
}

/// The first slice that holds anything.
pub(crate) fn first_filled<'a>(slices: &'a [IoSlice<'_>]) -> &'a [u8] {
    slices
        .iter()
        .find(|slice| !slice.is_empty())
        .map_or(&[], |slice| &**slice)
}

impl AsFd for ByteLink {
    /// The descriptor that is read; of a stream socket also the one that is written, of a layer the
    /// socket below.
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.raw {
            Raw::Tcp(stream) => stream.as_fd(),
            Raw::Unix(stream) => stream.as_fd(),
            Raw::Pair(pair) => pair.source.as_fd(),
            Raw::Layered(layer) => layer.as_fd(),
        }
    }
}

tokio_read!(ByteLink);
tokio_write!(ByteLink, Raw);

#[cfg(test)]
mod tests {
    use super::*;

    /// An idle connection may cost 0.7 KiB beyond its task; this is our share of it.
    #[test]
    fn a_link_is_small() {
        assert!(
            size_of::<ByteLink>() <= 144,
            "{} bytes",
            size_of::<ByteLink>()
        );
    }
}
