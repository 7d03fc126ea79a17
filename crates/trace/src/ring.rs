//! A ring between one thread that writes and one observer that polls.
//!
//! The slots are atomic words, so the whole of it is safe code; relaxed stores to them compile to
//! plain moves. The writer owns `head`, the reader owns `tail`, and each publishes its own with a
//! release store that the other acquires.

use std::sync::atomic::{AtomicU64, Ordering};

/// Words in one direction from one thread to another. Capacities are powers of two.
#[derive(Debug)]
struct Words {
    slots: Box<[AtomicU64]>,
    head: AtomicU64,
    tail: AtomicU64,
}

impl Words {
    fn new(capacity: usize) -> Self {
        let slots = (0..capacity.next_power_of_two())
            .map(|_| AtomicU64::new(0))
            .collect();
        Self {
            slots,
            head: AtomicU64::new(0),
            tail: AtomicU64::new(0),
        }
    }

    fn slot(&self, at: u64) -> &AtomicU64 {
        &self.slots[at as usize & (self.slots.len() - 1)]
    }

    /// Words that can be written now. Called by the writer only.
    fn free(&self) -> usize {
        let used = self.head.load(Ordering::Relaxed) - self.tail.load(Ordering::Acquire);
        self.slots.len() - used as usize
    }

    /// Called by the writer only, after it asked for [`Words::free`].
    fn push(&self, words: impl Iterator<Item = u64>) {
        let mut head = self.head.load(Ordering::Relaxed);
        for word in words {
            self.slot(head).store(word, Ordering::Relaxed);
            head += 1;
        }
        self.head.store(head, Ordering::Release);
    }

    /// Takes `count` words, or none. Called by the reader only.
    fn pop(&self, count: usize, mut each: impl FnMut(u64)) -> bool {
        let tail = self.tail.load(Ordering::Relaxed);
        if self.head.load(Ordering::Acquire) - tail < count as u64 {
            return false;
        }
        for at in 0..count as u64 {
            each(self.slot(tail + at).load(Ordering::Relaxed));
        }
        self.tail.store(tail + count as u64, Ordering::Release);
        true
    }
}

const EVENT: usize = 5;

/// One thread's events and the payload bytes beside them.
#[derive(Debug)]
pub(crate) struct Ring {
    events: Words,
    bytes: Words,
    dropped: AtomicU64,
}

impl Ring {
    pub(crate) fn new(events: usize, payload_bytes: usize) -> Self {
        Self {
            events: Words::new(events * EVENT),
            bytes: Words::new(payload_bytes / 8),
            dropped: AtomicU64::new(0),
        }
    }

    /// Stores an event, without its payload if that has no room, or counts it as dropped.
    /// An eighth of the ring is kept for what is `vital`, so that floods of data cannot hide the
    /// life of connections.
    pub(crate) fn push(&self, mut event: crate::Event, payload: &[u8], vital: bool) {
        let reserve = if vital {
            0
        } else {
            self.events.slots.len() / 8
        };
        if self.events.free() < EVENT + reserve {
            // The only writer is this thread, so a load and a store are enough.
            self.dropped
                .store(self.dropped.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            return;
        }
        let reserve = if vital { 0 } else { self.bytes.slots.len() / 8 };
        if !payload.is_empty() && self.bytes.free() >= payload.len().div_ceil(8) + reserve {
            event.payload = payload.len() as u32;
            self.bytes.push(payload.chunks(8).map(|chunk| {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                u64::from_le_bytes(word)
            }));
        }
        self.events.push(event.to_words().into_iter());
    }

    /// Takes the oldest event, and appends its payload to `payloads`.
    pub(crate) fn pop(&self, payloads: &mut Vec<u8>) -> Option<crate::Event> {
        let (mut words, mut at) = ([0; EVENT], 0);
        let came = self.events.pop(EVENT, |word| {
            words[at] = word;
            at += 1;
        });
        if !came {
            return None;
        }
        let event = crate::Event::from_words(words);
        let (begins, length) = (payloads.len(), event.payload as usize);
        let came = self.bytes.pop(length.div_ceil(8), |word| {
            payloads.extend_from_slice(&word.to_le_bytes());
        });
        assert!(came, "the bytes were pushed ahead of their event");
        payloads.truncate(begins + length);
        Some(event)
    }

    /// Events lost so far because nobody took the older ones in time.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConnId, Event, Kind, Time};

    fn event(number: u64) -> Event {
        Event::new(Kind::Read, ConnId::new(1), Time::from_nanos(number))
    }

    #[test]
    fn a_full_ring_counts_what_it_dropped_and_keeps_room_for_what_is_vital() {
        let ring = Ring::new(64, 1024);
        (0..100).for_each(|number| ring.push(event(number), b"", false));
        let lost = ring.dropped();
        assert!(lost > 0, "the ring holds fewer than a hundred events");
        ring.push(event(100), b"", true);
        assert_eq!(ring.dropped(), lost);

        let mut payload = vec![];
        let times: Vec<u64> = std::iter::from_fn(|| ring.pop(&mut payload))
            .map(|e| e.time.as_nanos())
            .collect();
        assert_eq!(times.len() as u64, 101 - lost);
        assert_eq!(times.last(), Some(&100));
    }

    #[test]
    fn a_payload_without_room_is_left_out_and_the_event_kept() {
        let ring = Ring::new(64, 64);
        ring.push(event(1), &[7; 100], false);
        ring.push(event(2), b"fits", false);
        let mut payload = vec![];
        assert_eq!(ring.pop(&mut payload).map(|e| e.payload), Some(0));
        assert_eq!(ring.pop(&mut payload).map(|e| e.payload), Some(4));
        assert_eq!(payload, b"fits");
    }

    #[test]
    fn two_threads_pass_events_with_their_payloads() {
        let ring = Ring::new(256, 4096);
        let total = 200_000;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..total {
                    ring.push(
                        event(number),
                        &number.to_le_bytes()[..number as usize % 8],
                        true,
                    );
                }
            });
            let (mut payload, mut seen, mut last) = (vec![], 0, None);
            while seen + ring.dropped() < total {
                payload.clear();
                let Some(event) = ring.pop(&mut payload) else {
                    std::thread::yield_now();
                    continue;
                };
                let number = event.time.as_nanos();
                assert!(
                    last.is_none_or(|last| last < number),
                    "events keep their order"
                );
                if event.payload > 0 {
                    assert_eq!(payload, &number.to_le_bytes()[..number as usize % 8]);
                }
                (seen, last) = (seen + 1, Some(number));
            }
        });
    }
}
