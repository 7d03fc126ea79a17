//! The direction us → peer: written at once, kept only where the kernel takes no more.

use std::io;
use std::task::{Context, Poll, ready};

use sockeye_trace::{Event, Kind};

use super::{Reason, Stream, StreamDriver};
use crate::out::Outbox;

impl<S: Stream> StreamDriver<S> {
    /// Writes the batch at once and keeps what the kernel does not take.
    pub(super) fn deliver(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
        src: &[u8],
    ) -> io::Result<()> {
        self.dialogue.written_messages += outbox.messages;
        self.goes_on |= outbox.more;
        self.answered |= outbox.messages > 0 || outbox.len() > 0;
        let forwarded = outbox.forwarded.clone();
        let bytes = if forwarded.is_empty() {
            &outbox.bytes[..]
        } else {
            &src[forwarded]
        };
        if self.link.keeps_messages() {
            let whole = [bytes.len()];
            let is_forwarded = outbox.ends.is_empty() && !bytes.is_empty();
            self.send(cx, bytes, if is_forwarded { &whole } else { &outbox.ends })?;
        } else {
            let written = self.write(cx, bytes)?;
            let whole = written == bytes.len();
            let lent = if whole {
                self.write(cx, outbox.lent)?
            } else {
                0
            };
            if written + lent < bytes.len() + outbox.lent.len() {
                self.pending.keep(&bytes[written..], &outbox.lent[lent..]);
            }
        }
        if let Some(ending) = outbox.ending.take() {
            let reason = Reason::of(ending, self.peer_done);
            if matches!(reason, Reason::Unsendable(_)) && self.host.recorder.is_on() {
                let event = Event::new(Kind::Dropped, self.link.conn(), self.host.recorder.now());
                self.host
                    .recorder
                    .record(event, reason.to_string().as_bytes());
            }
            self.close(reason);
        }
        Ok(())
    }

    /// Sends as many messages as the kernel takes without waiting, and keeps the others.
    pub(super) fn send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        ends: &[usize],
    ) -> io::Result<()> {
        let mut from = 0;
        for (at, end) in ends.iter().enumerate() {
            if self.link.poll_write(cx, &bytes[from..*end])?.is_pending() {
                self.pending.keep_messages(bytes, &ends[at..], from);
                return Ok(());
            }
            from = *end;
            self.touch();
        }
        Ok(())
    }

    /// Writes as much as the kernel takes without waiting.
    pub(super) fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<usize> {
        let mut at = 0;
        while at < bytes.len() {
            match self.link.poll_write(cx, &bytes[at..])? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(taken) => at += taken,
                Poll::Pending => break,
            }
            self.touch();
        }
        Ok(at)
    }

    /// Waits until nothing is left to write.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let front = self.pending.front();
            let taken = ready!(self.link.poll_write(cx, front))?;
            if taken < front.len().min(1) {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.took(taken);
            self.touch();
        }
        Poll::Ready(Ok(()))
    }
}
