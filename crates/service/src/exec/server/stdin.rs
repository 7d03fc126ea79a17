//! A command's standard input: what came and was not taken yet, within its window.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite as _;

use super::super::{Resize, STDIN_WINDOW};
use super::spawn::Input;

/// What a person types to end the input of a terminal (`VEOF`, termios(3)).
const END_OF_TRANSMISSION: u8 = 4;

/// Credit that is not worth a frame of its own while more may come.
const SMALL_CREDIT: u64 = STDIN_WINDOW / 4;

/// The standard input of a command.
pub(super) struct Stdin {
    /// Gone when the command takes no more, or never took any.
    input: Option<Input>,
    queue: VecDeque<u8>,
    /// The client has said that this was all.
    ended: bool,
    /// Bytes that the client may still send.
    credit: u64,
    /// Bytes that were taken, for which the client has no new credit yet.
    taken: u64,
}

impl Stdin {
    /// The input of a command; the client may send to it only if that is `wanted`.
    pub(super) fn new(input: Option<Input>, wanted: bool) -> Self {
        Self {
            input,
            queue: VecDeque::new(),
            ended: false,
            credit: 0,
            taken: if wanted { STDIN_WINDOW } else { 0 },
        }
    }

    /// Whether so many more bytes are within the credit.
    pub(super) fn expect(&mut self, bytes: u64) -> bool {
        let left = self.credit.checked_sub(bytes);
        self.credit = left.unwrap_or(self.credit);
        left.is_some()
    }

    /// Takes bytes that were expected.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        if self.input.is_some() && !self.ended {
            self.queue.extend(bytes);
        } else {
            self.taken += bytes.len() as u64;
        }
    }

    /// No more will come.
    pub(super) fn end(&mut self) {
        self.ended = true;
        if let Some(Input::Terminal(_)) = self.input {
            self.queue.push_back(END_OF_TRANSMISSION);
        }
        self.close_if_done();
    }

    pub(super) fn resize(&self, size: Resize) {
        if let Some(Input::Terminal(terminal)) = &self.input {
            // It fails only where the terminal is gone.
            let _ = terminal.resize(size.into());
        }
    }

    /// New credit for the client, if it is worth telling.
    pub(super) fn new_credit(&mut self) -> Option<u64> {
        let worth = self.taken >= SMALL_CREDIT || self.queue.is_empty() && self.taken > 0;
        if !worth || self.ended {
            return None;
        }
        self.credit += self.taken;
        Some(std::mem::take(&mut self.taken))
    }

    /// Writes as much as the command takes. Waits for ever when there is nothing to write.
    pub(super) fn poll_feed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(input) = &mut self.input else {
            return Poll::Pending;
        };
        if self.queue.is_empty() {
            return Poll::Pending;
        }
        let wrote = ready!(input.poll_write(cx, self.queue.as_slices().0));
        if wrote.is_err() {
            // It reads no more: what is still sent is thrown away, as a pipe would.
            self.input = None;
        }
        let count = wrote.unwrap_or(self.queue.len());
        self.queue.drain(..count);
        self.taken += count as u64;
        if self.queue.is_empty() {
            // A command that waits for input holds no memory of ours.
            self.queue = VecDeque::new();
        }
        self.close_if_done();
        Poll::Ready(())
    }

    fn close_if_done(&mut self) {
        // A terminal stays: it has a size, and closing it would hang the command up.
        if self.ended && self.queue.is_empty() && matches!(self.input, Some(Input::Pipe(_))) {
            self.input = None;
        }
    }
}

impl Input {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Pipe(pipe) => Pin::new(pipe).poll_write(cx, bytes),
            Self::Terminal(terminal) => Pin::new(terminal).poll_write(cx, bytes),
        }
    }
}
