//! Everybody is gathered before anything counts: one message after the other is said, until all have
//! heard the last one.

use std::time::Duration;

use rustix::net::RecvFlags;

use super::ear::{SPEAKER, Stream, trimmed};
use super::{Engine, GATHER, line};
use crate::verb::bench::error::{BenchError, Ending};
use crate::verb::bench::plan;

/// Bytes of what a member has heard that are kept: the last line is among them.
const TAIL: usize = 4096;

impl Engine<'_> {
    /// Says messages until everybody has heard the last one, and learns from that how a message is
    /// heard. True: the run is over.
    pub(super) fn gather(&mut self, buffer: &mut [u8]) -> Result<bool, BenchError> {
        let span = self.load.span;
        let (mut again, mut patience) = (0, plan::nanos(GATHER));
        let mut text = Vec::new();
        loop {
            let now = span.now();
            let missing = self
                .members
                .iter()
                .filter(|one| !ends_with(&one.tail, &text));
            let missing = missing.count();
            if missing == 0 && self.said > 0 {
                break;
            }
            if self.load.stopped() || now >= span.give_up {
                self.tally.unanswered = missing as u64;
                return Ok(true);
            }
            if now >= again && !self.blocked {
                let messages = &self.load.plan.messages;
                line(self.room, messages, self.said, &mut self.unsent);
                text.clear();
                messages.append(SPEAKER, self.said, 0, &mut text);
                self.said += 1;
                (again, patience) = (now + patience, patience * 2);
                if self.write()? {
                    return Ok(true);
                }
            }
            let wait = Duration::from_nanos(again.saturating_sub(now));
            if self.gather_some(wait.max(Duration::from_millis(1)), buffer)? {
                return Ok(true);
            }
        }
        let messages = &self.load.plan.messages;
        let head = self.room.heard_head(messages.size());
        let head = head.unwrap_or_else(|| self.head_in_line());
        self.stream = Stream::new(head, messages, self.said);
        Ok(false)
    }

    /// What stood ahead of the text in the line that a member has heard last.
    fn head_in_line(&self) -> Vec<u8> {
        let size = self.load.plan.messages.size();
        let line = self.members.first().and_then(|one| last_line(&one.tail));
        let found = line.and_then(|line| self.room.text(line, size));
        found.map(|(head, _)| head.to_vec()).unwrap_or_default()
    }

    /// Waits, and keeps the end of what each member hears. True: the run is over.
    fn gather_some(&mut self, wait: Duration, buffer: &mut [u8]) -> Result<bool, BenchError> {
        let count = self.poller.wait(wait)?;
        for at in 0..count {
            let ready = self.poller.ready(at);
            let over = match ready.token {
                0 => self.on_speaker(ready.readable, buffer)?,
                token => self.gather_of(token - 1, buffer),
            };
            if over {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn gather_of(&mut self, index: usize, buffer: &mut [u8]) -> bool {
        let member = &mut self.members[index];
        match rustix::net::recv(&member.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((_, 0)) => self.broke(Ending::Closed),
            Ok((_, got)) => {
                member.tail.extend_from_slice(&buffer[..got]);
                let old = member.tail.len().saturating_sub(TAIL);
                member.tail.drain(..old);
                false
            }
            Err(rustix::io::Errno::AGAIN) => false,
            Err(errno) => self.broke(errno.into()),
        }
    }
}

/// Whether the last line that was heard, which is whole, ends with this text.
fn ends_with(tail: &[u8], text: &[u8]) -> bool {
    !text.is_empty() && last_line(tail).is_some_and(|line| line.ends_with(text))
}

fn last_line(tail: &[u8]) -> Option<&[u8]> {
    let whole = tail.strip_suffix(b"\n")?;
    let line = memchr::memrchr(b'\n', whole).map_or(whole, |at| &whole[at + 1..]);
    Some(trimmed(line))
}
