//! What a thread lends the connection that it is polling, so that an idle connection holds nothing.

use std::cell::RefCell;

use crate::out::Outbox;

/// Bytes one read asks for. 16 KiB costs a third of the rate of large messages, 128 to 256 KiB is
/// where it levels off (docs/performance.md).
pub(crate) const READ: usize = 256 * 1024;

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
    /// Goes out behind `bytes`.
    lent: &'static [u8],
}

impl Pending {
    /// Keeps a copy of `bytes`, and `lent` as it is.
    pub(crate) fn keep(&mut self, bytes: &[u8], lent: &'static [u8]) {
        debug_assert!(self.is_empty(), "nothing is pushed while something waits");
        *self = Self {
            bytes: bytes.to_vec(),
            at: 0,
            lent,
        };
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.at == self.bytes.len() && self.lent.is_empty()
    }

    /// What has to be written next.
    pub(crate) fn front(&self) -> &[u8] {
        if self.at < self.bytes.len() {
            &self.bytes[self.at..]
        } else {
            self.lent
        }
    }

    /// Notes that the kernel took `count` bytes of the front.
    pub(crate) fn took(&mut self, count: usize) {
        if self.at < self.bytes.len() {
            self.at += count;
            if self.at == self.bytes.len() {
                // Given back at once: a connection that waits for its peer holds nothing.
                self.bytes = Vec::new();
                self.at = 0;
            }
        } else {
            self.lent = &self.lent[count..];
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
}
