//! The two directions of a byte link, for two tasks.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::SendFlags;
use sockeye_trace::ConnId;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

use crate::exec::Program;
use crate::layered::{self, LayeredRead, LayeredWrite};
use crate::name::Name;
use crate::pair::{Pair, Sink, Source};
use crate::stream::{ByteLink, Extra, Raw, first_filled, take_extra};
use crate::tally::Tally;

/// The direction peer → us.
#[derive(Debug)]
pub struct ReadHalf {
    pub(crate) raw: RawRead,
    pub(crate) tally: Tally,
    pub(crate) peer: Name,
    pub(crate) extra: Extra,
}

/// The direction us → peer. Dropping it half-closes.
#[derive(Debug)]
pub struct WriteHalf {
    pub(crate) raw: RawWrite,
    pub(crate) tally: Tally,
}

#[derive(Debug)]
pub(crate) enum RawRead {
    Tcp(tcp::OwnedReadHalf),
    Unix(unix::OwnedReadHalf),
    Pair(Source),
    Layered(LayeredRead),
}

#[derive(Debug)]
pub(crate) enum RawWrite {
    Tcp(tcp::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
    Pair(Sink),
    Layered(LayeredWrite),
}

/// A socket whose readiness can be asked for.
#[derive(Clone, Copy)]
enum Pollable<'a> {
    Tcp(&'a TcpStream),
    Unix(&'a UnixStream),
}

impl Pollable<'_> {
    /// Runs `call` whenever the socket is ready, until it does not say that it would block.
    fn poll_io(
        self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut call: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let reads = interest.is_readable();
            let result = match self {
                Self::Tcp(stream) => {
                    ready!(if reads {
                        stream.poll_read_ready(cx)
                    } else {
                        stream.poll_write_ready(cx)
                    })?;
                    stream.try_io(interest, || call(stream.as_fd()))
                }
                Self::Unix(stream) => {
                    ready!(if reads {
                        stream.poll_read_ready(cx)
                    } else {
                        stream.poll_write_ready(cx)
                    })?;
                    stream.try_io(interest, || call(stream.as_fd()))
                }
            };
            match result.as_ref().map_err(io::Error::kind) {
                Err(io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                _ => return Poll::Ready(result),
            }
        }
    }
}

impl ReadHalf {
    /// The other end.
    pub fn peer_name(&self) -> &Name {
        &self.peer
    }

    /// The number of this connection in every event.
    pub fn conn(&self) -> ConnId {
        self.tally.conn
    }

    /// Bytes read so far.
    pub fn read_bytes(&self) -> u64 {
        self.tally.read
    }

    /// Reads what is there; 0 bytes mean that the peer has sent its last one.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        self.poll_read_buf(cx, &mut buf)
            .map_ok(|()| buf.filled().len())
    }

    /// The same into a buffer that need not be initialised.
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
                RawRead::Tcp(half) => Pin::new(half).poll_read(cx, buf),
                RawRead::Unix(half) => Pin::new(half).poll_read(cx, buf),
                RawRead::Pair(source) => source.poll_read(cx, buf),
                RawRead::Layered(half) => half.poll_read(cx, buf),
            }
        })
    }

    /// Moves up to `room` bytes out of the socket by a call of the caller's own, such as splice(2),
    /// which is run when there is something to read and run again when it would block.
    ///
    /// `None` where it cannot be done: what is read is no socket, or bytes were read ahead of it.
    pub fn poll_read_with(
        &mut self,
        cx: &mut Context<'_>,
        room: usize,
        call: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Option<Poll<io::Result<usize>>> {
        let socket = match &self.raw {
            _ if self.extra.is_some() => return None,
            RawRead::Tcp(half) => Pollable::Tcp(half.as_ref()),
            RawRead::Unix(half) => Pollable::Unix(half.as_ref()),
            RawRead::Pair(_) | RawRead::Layered(_) => return None,
        };
        Some(
            self.tally
                .read_unseen(room, || socket.poll_io(cx, Interest::READABLE, call)),
        )
    }

    /// Lets this direction go so that, once the other is gone too, the peer sees a reset.
    pub fn abort(self) {
        self.set_reset_on_drop();
    }

    /// Once both directions are gone the peer sees a reset, if it has not seen the end before.
    pub fn set_reset_on_drop(&self) {
        match &self.raw {
            RawRead::Tcp(half) => reset_on_close(half.as_ref()),
            RawRead::Unix(_) => {}
            RawRead::Pair(source) => source.kill_on_drop(true),
            RawRead::Layered(half) => half.set_reset_on_drop(true),
        }
    }

    /// How the program at the other end came out, once it has.
    pub fn program_outcome(&self) -> Option<String> {
        match &self.raw {
            RawRead::Pair(source) => source.program().and_then(Program::outcome),
            RawRead::Tcp(_) | RawRead::Unix(_) | RawRead::Layered(_) => None,
        }
    }

    /// Joins the two directions of one link again; gives both back if they are not of one link.
    pub fn reunite(self, write: WriteHalf) -> Result<ByteLink, Box<(Self, WriteHalf)>> {
        let mut tally = self.tally;
        if tally.conn != write.tally.conn {
            return Err(Box::new((Self { tally, ..self }, write)));
        }
        tally.written = write.tally.written;
        let raw = match (self.raw, write.raw) {
            (RawRead::Tcp(read), RawWrite::Tcp(write)) => {
                Raw::Tcp(read.reunite(write).expect("one connection has one number"))
            }
            (RawRead::Unix(read), RawWrite::Unix(write)) => {
                Raw::Unix(read.reunite(write).expect("one connection has one number"))
            }
            (RawRead::Pair(source), RawWrite::Pair(sink)) => {
                Raw::Pair(Box::new(Pair { source, sink }))
            }
            (RawRead::Layered(read), RawWrite::Layered(write)) => {
                Raw::Layered(layered::unite(read, write).expect("one connection has one number"))
            }
            _ => unreachable!("one connection has one number and one kind"),
        };
        Ok(ByteLink {
            raw,
            tally,
            peer: self.peer,
            extra: self.extra,
        })
    }
}

impl WriteHalf {
    /// The number of this connection in every event.
    pub fn conn(&self) -> ConnId {
        self.tally.conn
    }

    /// Bytes written so far.
    pub fn written_bytes(&self) -> u64 {
        self.tally.written
    }

    /// Writes as much of `bytes` as there is room for.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    /// Writes as much of several slices as there is room for, with one call.
    pub fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { raw, tally } = self;
        let offered = slices.iter().map(|slice| slice.len()).sum();
        tally.write(slices, offered, || match (&mut *raw, slices) {
            (RawWrite::Tcp(half), [one]) => Pin::new(half).poll_write(cx, one),
            (RawWrite::Unix(half), [one]) => Pin::new(half).poll_write(cx, one),
            (RawWrite::Tcp(half), _) => Pin::new(half).poll_write_vectored(cx, slices),
            (RawWrite::Unix(half), _) => Pin::new(half).poll_write_vectored(cx, slices),
            (RawWrite::Pair(sink), _) => sink.poll_write(cx, first_filled(slices)),
            (RawWrite::Layered(half), _) => half.poll_write(cx, slices),
        })
    }

    /// Whether [`try_write`](Self::try_write) can write anything: whether this is a bare socket.
    pub fn is_bare(&self) -> bool {
        matches!(self.raw, RawWrite::Tcp(_) | RawWrite::Unix(_))
    }

    /// Writes as much of `bytes` as there is room for now; pending where there is none, and nobody
    /// is woken when there is again. It asks the socket itself and nobody else: that is what counts
    /// for whoever writes to many sockets in one go, and it takes nothing of a task's budget. On
    /// anything but a bare socket it is always pending.
    pub fn try_write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { raw, tally } = self;
        tally.write(&[IoSlice::new(bytes)], bytes.len(), || {
            let socket = match &*raw {
                RawWrite::Tcp(half) => AsRef::<TcpStream>::as_ref(half).as_fd(),
                RawWrite::Unix(half) => AsRef::<UnixStream>::as_ref(half).as_fd(),
                RawWrite::Pair(_) | RawWrite::Layered(_) => return Poll::Pending,
            };
            match rustix::net::send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Err(Errno::AGAIN | Errno::INTR) => Poll::Pending,
                wrote => Poll::Ready(wrote.map_err(io::Error::from)),
            }
        })
    }

    /// Moves up to `offered` bytes into the socket by a call of the caller's own, such as splice(2),
    /// which is run when there is room and run again when it would block. `None` where what is
    /// written is no socket.
    pub fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        offered: usize,
        mut call: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Option<Poll<io::Result<usize>>> {
        let socket = match &self.raw {
            RawWrite::Tcp(half) => Pollable::Tcp(half.as_ref()),
            RawWrite::Unix(half) => Pollable::Unix(half.as_ref()),
            RawWrite::Pair(_) | RawWrite::Layered(_) => return None,
        };
        Some(self.tally.write(&[], offered, || {
            socket.poll_io(cx, Interest::WRITABLE, &mut call)
        }))
    }

    /// Waits until nothing written is left in our own process.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.raw {
            RawWrite::Pair(sink) => sink.poll_flush(cx),
            RawWrite::Layered(half) => half.poll_flush(cx),
            RawWrite::Tcp(_) | RawWrite::Unix(_) => Poll::Ready(Ok(())),
        }
    }

    /// Half-closes: the peer reads the end after what was written.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = match &mut self.raw {
            RawWrite::Tcp(half) => Pin::new(half).poll_shutdown(cx),
            RawWrite::Unix(half) => Pin::new(half).poll_shutdown(cx),
            RawWrite::Pair(sink) => sink.poll_shutdown(cx),
            RawWrite::Layered(half) => half.poll_shutdown(cx),
        };
        self.tally.shutdown(result)
    }

    /// Lets this direction go without a half-close, so that, once the other is gone too, the peer
    /// sees a reset.
    pub fn abort(self) {
        match self.raw {
            RawWrite::Tcp(half) => {
                reset_on_close(half.as_ref());
                half.forget();
            }
            RawWrite::Unix(half) => half.forget(),
            RawWrite::Pair(_) => {}
            RawWrite::Layered(half) => half.abort(),
        }
    }
}

/// It fails only where the connection is gone already.
fn reset_on_close(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

tokio_read!(ReadHalf);
tokio_write!(WriteHalf, RawWrite);
