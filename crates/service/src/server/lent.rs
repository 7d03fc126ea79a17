//! What a thread lends the connection that it is polling, so that an idle connection holds nothing.

use std::cell::RefCell;

use crate::out::Outbox;
use crate::spare;

/// Bytes one read asks for. 16 KiB costs a third of the rate of large messages, 128 to 256 KiB is
/// where it levels off (docs/performance.md). A little more than a power of two, because peers send
/// in windows of one: a read that fills the buffer is followed by one that finds nothing.
pub(crate) const READ: usize = (256 + 4) * 1024;

/// Bytes one read asks for where the last ones were not answered: what nobody sends on is best
/// overwritten while it is still in the processor's cache.
pub(crate) const READ_UNANSWERED: usize = 64 * 1024;

/// The buffers of a thread.
pub(crate) struct Lent {
    /// What one read returns.
    pub(crate) input: Box<[u8]>,
    /// What it is answered with.
    pub(crate) outbox: Outbox,
}

thread_local! {
    static LENT: RefCell<Lent> = RefCell::new(Lent {
        input: vec![0; READ].into_boxed_slice(),
        outbox: Outbox::default(),
    });
}

/// Lends this thread's buffers while `poll` runs.
pub(crate) fn lend<T>(poll: impl FnOnce(&mut Lent) -> T) -> T {
    LENT.with_borrow_mut(poll)
}

/// What was pushed and the kernel did not take.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    bytes: Vec<u8>,
    /// How much of `bytes` was written since.
    at: usize,
    /// Where each message ends in `bytes`, the last one first; only where boundaries matter.
    ends: Vec<usize>,
    /// Goes out behind `bytes`.
    lent: &'static [u8],
}

impl Pending {
    /// Keeps a copy of `bytes`, and `lent` as it is.
    pub(crate) fn keep(&mut self, bytes: &[u8], lent: &'static [u8]) {
        debug_assert!(self.is_empty(), "nothing is pushed while something waits");
        self.bytes = spare::take(bytes.len());
        self.bytes.extend_from_slice(bytes);
        self.at = 0;
        self.lent = lent;
    }

    /// Keeps a copy of the messages that end at `ends` in `bytes`, the first of which begins at
    /// `from`.
    pub(crate) fn keep_messages(&mut self, bytes: &[u8], ends: &[usize], from: usize) {
        debug_assert!(self.is_empty(), "nothing is pushed while something waits");
        let ends = ends.iter().rev().map(|end| end - from).collect();
        *self = Self {
            bytes: bytes[from..].to_vec(),
            at: 0,
            ends,
            lent: &[],
        };
    }

    /// Whether nothing waits.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.at == self.bytes.len() && self.lent.is_empty() && self.ends.is_empty()
    }

    /// What has to be written next.
    pub(crate) fn front(&self) -> &[u8] {
        match self.ends.last() {
            Some(end) => &self.bytes[self.at..*end],
            None if self.at < self.bytes.len() => &self.bytes[self.at..],
            None => self.lent,
        }
    }

    /// Notes that the kernel took `count` bytes of the front; of a message all of them.
    pub(crate) fn took(&mut self, count: usize) {
        self.ends.pop();
        if self.at < self.bytes.len() {
            self.at += count;
        } else {
            self.lent = &self.lent[count..];
        }
        if self.at == self.bytes.len() && self.ends.is_empty() {
            // Given back at once: a connection that waits for its peer holds nothing.
            spare::give(std::mem::take(&mut self.bytes));
            (self.ends, self.at) = (vec![], 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_leaves_in_order_and_holds_nothing_after() {
        let mut pending = Pending::default();
        pending.keep(b"hello", b"world");
        let mut sent = vec![];
        while !pending.is_empty() {
            let front = &pending.front()[..pending.front().len().min(2)];
            sent.extend_from_slice(front);
            let count = front.len();
            pending.took(count);
        }
        assert_eq!(sent, b"helloworld");
        assert_eq!(pending.bytes.capacity(), 0);
    }

    #[test]
    fn messages_leave_one_by_one_the_empty_ones_too() {
        let mut pending = Pending::default();
        pending.keep_messages(b"xxabcc", &[2, 3, 3, 4, 6, 6], 2);
        let mut sent = vec![];
        // The first end lies where the first message begins: it is empty.
        while !pending.is_empty() {
            sent.push(pending.front().to_vec());
            pending.took(pending.front().len());
        }
        assert_eq!(sent, [&b""[..], b"a", b"", b"b", b"cc", b""]);
        assert_eq!(pending.bytes.capacity(), 0);
    }
}
