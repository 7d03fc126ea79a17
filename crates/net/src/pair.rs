//! Two descriptors as one stream: stdio, a program's pipes, an inherited file or terminal.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::pipe;

use crate::blocking::{ThreadReader, ThreadWriter};
use crate::errno::Errno;
use crate::exec::Program;

/// A stream made of something to read and something to write.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) source: Source,
    pub(crate) sink: Sink,
}

/// The side that is read.
#[derive(Debug)]
pub(crate) enum Source {
    /// Shared with other programs.
    Thread(ThreadReader),
    /// The output of a program that we started.
    Program {
        output: pipe::Receiver,
        program: Program,
    },
}

/// The side that is written.
#[derive(Debug)]
pub(crate) enum Sink {
    /// Shared with other programs.
    Thread(ThreadWriter),
    /// The input of a program that we started.
    Program(pipe::Sender),
    /// Nothing more can be written.
    Closed,
}

impl Pair {
    /// Descriptors that are shared with other programs.
    pub(crate) fn shared(source: Arc<OwnedFd>, sink: Arc<OwnedFd>) -> Self {
        Self {
            source: Source::Thread(ThreadReader::new(source)),
            sink: Sink::Thread(ThreadWriter::new(sink)),
        }
    }
}

impl Source {
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Thread(reader) => reader.poll_read(cx, buf),
            Self::Program { output, program } => {
                let before = buf.filled().len();
                ready!(Pin::new(output).poll_read(cx, buf))?;
                if buf.filled().len() == before && buf.remaining() > 0 {
                    ready!(program.poll_exit(cx));
                }
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Whether letting the stream go ends a program that still runs.
    pub(crate) fn kill_on_drop(&self, kill: bool) {
        if let Some(program) = self.program() {
            program.kill_on_drop(kill);
        }
    }

    pub(crate) fn program(&self) -> Option<&Program> {
        match self {
            Self::Program { program, .. } => Some(program),
            Self::Thread(_) => None,
        }
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Thread(reader) => reader.as_fd(),
            Self::Program { output, .. } => output.as_fd(),
        }
    }
}

impl Sink {
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Thread(writer) => writer.poll_write(cx, bytes),
            Self::Program(input) => Pin::new(input).poll_write(cx, bytes),
            Self::Closed => Poll::Ready(Err(Errno::new(libc::EPIPE).to_io())),
        }
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Thread(writer) => writer.poll_flush(cx),
            Self::Program(_) | Self::Closed => Poll::Ready(Ok(())),
        }
    }

    /// Nothing more will be written: lets the descriptor go when everything has left.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(self.poll_flush(cx));
        *self = Self::Closed;
        Poll::Ready(flushed)
    }
}
