//! A command's outputs: from its pipes into frames, with one buffer and without haste.

use std::collections::VecDeque;
use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use super::super::{Notice, Output};
use super::spawn::Reading;
use crate::wire::BODY_AT_ONCE;
use crate::{WireWriter, spare};

/// A pipe through which a lot flows gets this size (`F_SETPIPE_SZ`, pipe(7)): the command and we then
/// wait for each other a sixteenth as often. It is what a user may ask for unless
/// `fs.pipe-max-size` was changed.
const PIPE: usize = 1024 * 1024;

/// A pipe's own size: a read of as much has found it full.
const FULL: usize = 64 * 1024;

/// What a command prints, on its way to the client.
pub(super) struct Outputs {
    stdout: Option<Source>,
    stderr: Option<Source>,
    /// Which of both is asked first: the other one than last time.
    next: Output,
    /// What was read, of which the first `at` bytes are written.
    buffer: Vec<u8>,
    at: usize,
    /// What is said to the client between two frames.
    notices: VecDeque<Notice>,
    /// Nobody waits for the end of the outputs any more, only for what is owed.
    hasty: bool,
    ended: Option<Ended>,
}

struct Source {
    reading: Reading,
    is_large: bool,
    /// No more than this is passed on, once that was decided.
    owed: Option<u64>,
}

/// How the outputs ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Nobody can print anything any more.
    Closed,
    /// All that was owed is sent, and somebody still could.
    Held,
}

/// Notices that may wait for a client that does not read.
const NOTICES: usize = 256;

impl Outputs {
    /// The outputs of a command; with a terminal there is one.
    pub(super) fn new(stdout: Reading, stderr: Option<Reading>) -> Self {
        let source = |reading| Source {
            reading,
            is_large: false,
            owed: None,
        };
        Self {
            stdout: Some(source(stdout)),
            stderr: stderr.map(source),
            next: Output::Stdout,
            buffer: Vec::new(),
            at: 0,
            notices: VecDeque::new(),
            hasty: false,
            ended: None,
        }
    }

    /// Says something as soon as no frame is open; whether that can wait any more.
    #[must_use]
    pub(super) fn say(&mut self, notice: Notice) -> bool {
        self.notices.push_back(notice);
        self.notices.len() <= NOTICES
    }

    /// How the outputs ended, if they have.
    pub(super) fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// From now on only what lies in the pipes is passed on.
    pub(super) fn limit(&mut self) {
        for source in [&mut self.stdout, &mut self.stderr].into_iter().flatten() {
            source.owed = source.waiting();
        }
    }

    /// Nobody waits for the end of the outputs any more.
    pub(super) fn hurry(&mut self) {
        self.hasty = true;
    }

    /// Moves bytes and notices until there are none or the client takes none. It is ready once: when
    /// the outputs have [ended](Self::ended) and the client has all of them.
    pub(super) fn poll_move<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut WireWriter<W>,
    ) -> Poll<io::Result<()>> {
        loop {
            while writer.owed() > 0 {
                self.at += ready!(writer.poll_push(cx, &self.buffer[self.at..]))?;
            }
            while let Some(notice) = self.notices.pop_front() {
                writer.feed(&notice, &[]);
            }
            let read = self.poll_read(cx);
            let Poll::Ready(read) = read else {
                self.give_back();
                ready!(writer.poll_flush(cx))?;
                return self.poll_end();
            };
            match read {
                Some((Output::Stdout, count)) => writer.begin(&Notice::Stdout {}, count as u64),
                Some((Output::Stderr, count)) => writer.begin(&Notice::Stderr {}, count as u64),
                None => {}
            }
        }
    }

    /// Whether the outputs have ended just now. Nothing can be read at the moment, all is written.
    fn poll_end(&mut self) -> Poll<io::Result<()>> {
        if self.ended.is_some() {
            return Poll::Pending;
        }
        let open = self.stdout.iter().chain(&self.stderr).count();
        let owes = |source: &Source| source.owed.is_none_or(|owed| owed > 0);
        self.ended = match open {
            0 => Some(Ended::Closed),
            _ if self.hasty && !self.stdout.iter().chain(&self.stderr).any(owes) => {
                Some(Ended::Held)
            }
            _ => return Poll::Pending,
        };
        Poll::Ready(Ok(()))
    }

    /// Reads from whichever output has something; nothing was read where one has ended.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<(Output, usize)>> {
        if self.buffer.capacity() == 0 && (self.stdout.is_some() || self.stderr.is_some()) {
            self.buffer = spare::take(BODY_AT_ONCE);
        }
        let order = match self.next {
            Output::Stdout => [Output::Stdout, Output::Stderr],
            Output::Stderr => [Output::Stderr, Output::Stdout],
        };
        for output in order {
            let place = match output {
                Output::Stdout => &mut self.stdout,
                Output::Stderr => &mut self.stderr,
            };
            let Some(source) = place else { continue };
            let Poll::Ready(count) = source.poll_read(cx, &mut self.buffer) else {
                continue;
            };
            self.at = 0;
            if count == 0 {
                *place = None;
                return Poll::Ready(None);
            }
            self.next = order[1];
            return Poll::Ready(Some((output, count)));
        }
        Poll::Pending
    }

    /// What waits holds no memory.
    fn give_back(&mut self) {
        spare::give(std::mem::take(&mut self.buffer));
        self.at = 0;
    }
}

impl Drop for Outputs {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Source {
    /// Reads into the empty `buffer`; 0 bytes are the end.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut Vec<u8>) -> Poll<usize> {
        let most = match self.owed {
            Some(0) => return self.poll_closed(cx),
            Some(owed) => usize::try_from(owed).map_or(BODY_AT_ONCE, |owed| owed.min(BODY_AT_ONCE)),
            None => BODY_AT_ONCE,
        };
        buffer.clear();
        let read = pin!((&mut self.reading).take(most as u64).read_buf(buffer)).poll(cx);
        // The end of a terminal is an error (EIO), and there is nobody to be told of others.
        let count = ready!(read).unwrap_or(0);
        if let Some(owed) = &mut self.owed {
            *owed -= count as u64;
        }
        if count >= FULL && !self.is_large {
            self.is_large = true;
            self.reading.enlarge();
        }
        Poll::Ready(count)
    }

    /// Bytes that lie in the pipe. A terminal is hung up by the end of its session, so that its end
    /// always comes.
    fn waiting(&self) -> Option<u64> {
        match &self.reading {
            Reading::Pipe(pipe) => Some(rustix::io::ioctl_fionread(pipe).unwrap_or(0)),
            Reading::Terminal(_) => None,
        }
    }

    /// Waits until nobody can print here any more. What is printed all the same is lost.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        let mut lost = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut lost);
            let read = ready!(Pin::new(&mut self.reading).poll_read(cx, &mut buf));
            if read.is_err() || buf.filled().is_empty() {
                return Poll::Ready(0);
            }
        }
    }
}

impl Reading {
    /// Lets more wait in the pipe, where that is permitted.
    fn enlarge(&self) {
        if let Self::Pipe(pipe) = self {
            let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE);
        }
    }
}

impl AsyncRead for Reading {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Pipe(pipe) => Pin::new(pipe).poll_read(cx, buf),
            Self::Terminal(terminal) => Pin::new(terminal).poll_read(cx, buf),
        }
    }
}
