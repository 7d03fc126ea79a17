//! Batches: what one system call brought, and what the next ones will send.

use std::cell::Cell;
use std::net::IpAddr;

use sockeye_trace::ConnId;

use super::address::Address;
use super::mmsg::{Outgoing, Slots};

/// The largest datagram of the internet families, with room to spare: a UDP length field has
/// sixteen bits (RFC 768).
pub(super) const INET_SLOT: usize = 1 << 16;

thread_local! {
    static LENT_RECV: Cell<Option<Box<RecvBatch>>> = const { Cell::new(None) };
    static LENT_SEND: Cell<Option<Box<SendBatch>>> = const { Cell::new(None) };
}

/// One received datagram, lent from a [`RecvBatch`].
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub peer: &'a Address,
    /// The address of ours it was sent to, where the socket is bound to all of them.
    pub local: Option<IpAddr>,
    /// The message: the whole datagram, or as much of it as the socket reads.
    pub payload: &'a [u8],
    /// The length of the datagram before it was cut.
    pub full_len: usize,
}

impl Datagram<'_> {
    /// Whether the end of it was cut off and is lost.
    pub fn is_truncated(&self) -> bool {
        self.full_len > self.payload.len()
    }

    /// The way an answer takes.
    pub fn route(&self) -> Route {
        Route {
            to: *self.peer,
            from: self.local,
        }
    }
}

/// The datagrams of one read: a buffer of four megabytes that belongs to the thread.
///
/// Borrow it with [`RecvBatch::lend`] once the socket is readable and use up what it holds before
/// giving it back, so that sockets at rest hold no buffer.
#[derive(Debug)]
pub struct RecvBatch {
    pub(super) slots: Slots,
    /// How much of each datagram is lent.
    pub(super) read_limit: usize,
}

impl RecvBatch {
    /// Runs `f` with this thread's batch, which is empty.
    pub fn lend<R>(f: impl FnOnce(&mut Self) -> R) -> R {
        let mut batch = LENT_RECV.take().unwrap_or_else(|| {
            Box::new(Self {
                slots: Slots::new(INET_SLOT),
                read_limit: usize::MAX,
            })
        });
        batch.slots.clear();
        let result = f(&mut batch);
        LENT_RECV.set(Some(batch));
        result
    }

    /// What the last [`Socket::poll_recv`](super::Socket::poll_recv) brought, in the order of arrival.
    pub fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        (0..self.slots.filled()).flat_map(move |slot| {
            let received = self.slots.get(slot);
            // Only the kernel's glue is taken apart: a lone datagram stays whole, also an empty one.
            let size = received
                .heard
                .segment
                .unwrap_or(received.bytes.len())
                .max(1);
            let count = received.bytes.len().div_ceil(size).max(1);
            (0..count).map(move |index| {
                let whole =
                    &received.bytes[index * size..received.bytes.len().min((index + 1) * size)];
                let full_len = if count == 1 {
                    received.full_len
                } else {
                    whole.len()
                };
                Datagram {
                    peer: received.peer,
                    local: received.heard.local,
                    payload: &whole[..whole.len().min(self.read_limit)],
                    full_len,
                }
            })
        })
    }
}

/// The way an answer takes: to whom, and from which of our addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The peer.
    pub to: Address,
    /// The address of ours the peer asked, so that the answer comes from where it is awaited;
    /// `None` leaves the choice to the kernel.
    pub from: Option<IpAddr>,
}

impl From<Address> for Route {
    fn from(to: Address) -> Self {
        Self { to, from: None }
    }
}

/// What the trace calls a datagram that is to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag {
    /// The session it belongs to.
    pub conn: ConnId,
    /// How many bytes the session sent before it.
    pub offset: u64,
}

/// Datagrams to send, in order, with their bytes laid end to end.
///
/// An empty one holds no memory of its own; [`SendBatch::lend`] gives the thread's, whose memory
/// is used again and again.
#[derive(Debug, Default)]
pub struct SendBatch {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// The entries' routes; neighbours share one.
    routes: Vec<Route>,
    /// The first entry that was neither sent nor dropped.
    next: usize,
    /// Entries before this one are not to be glued together: the kernel refused it once.
    pub(super) single_until: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    end: usize,
    route: u32,
    tag: Tag,
}

/// A run of entries that leaves as one message of a system call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    pub(super) message: Outgoing<'a>,
    pub(super) entries: usize,
}

/// Datagrams the kernel cuts out of one message: `UDP_MAX_SEGMENTS` of Linux 4.18, udp(7).
const MOST_SEGMENTS: usize = 64;
/// Bytes of one such message: an IP packet's 65,535 less the longest headers.
const MOST_GLUED: usize = 65_535 - 60 - 8;

impl SendBatch {
    /// Runs `f` with this thread's batch, which is empty. What `f` leaves in it is dropped: take it
    /// out with [`std::mem::take`] to send it later.
    pub fn lend<R>(f: impl FnOnce(&mut Self) -> R) -> R {
        let mut batch = LENT_SEND.take().unwrap_or_default();
        let result = f(&mut batch);
        batch.clear();
        LENT_SEND.set(Some(batch));
        result
    }

    /// Adds a datagram.
    pub fn push(&mut self, route: &Route, tag: Tag, payload: &[u8]) {
        self.open().extend_from_slice(payload);
        self.close(route, tag);
    }

    /// The place for the bytes of the next datagram: append them, then [`SendBatch::close`] it.
    pub fn open(&mut self) -> &mut Vec<u8> {
        let end = self.closed_bytes();
        self.bytes.truncate(end);
        &mut self.bytes
    }

    /// Makes what was appended since [`SendBatch::open`] a datagram, an empty one too.
    pub fn close(&mut self, route: &Route, tag: Tag) {
        if self.routes.last() != Some(route) {
            self.routes.push(*route);
        }
        let route = self.routes.len() as u32 - 1;
        self.entries.push(Entry {
            end: self.bytes.len(),
            route,
            tag,
        });
    }

    /// Datagrams that still have to be sent.
    pub fn len(&self) -> usize {
        self.entries.len() - self.next
    }

    /// Whether everything was sent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the datagrams in it.
    pub fn bytes(&self) -> usize {
        self.closed_bytes()
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.routes.clear();
        (self.next, self.single_until) = (0, 0);
    }

    /// Bytes appended since [`SendBatch::open`].
    pub(super) fn open_bytes(&self) -> usize {
        self.bytes.len() - self.closed_bytes()
    }

    fn closed_bytes(&self) -> usize {
        self.entries.last().map_or(0, |entry| entry.end)
    }

    fn start(&self, index: usize) -> usize {
        index
            .checked_sub(1)
            .map_or(0, |before| self.entries[before].end)
    }

    /// The unsent datagrams as messages for the kernel. Neighbours of equal size (the last may be
    /// shorter) and of at most `glue_below` bytes that take the same route are glued together.
    pub(super) fn runs(&self, glue_below: usize) -> impl Iterator<Item = Run<'_>> {
        let mut at = self.next;
        std::iter::from_fn(move || {
            let first = *self.entries.get(at)?;
            let (from, size) = (self.start(at), first.end - self.start(at));
            let (mut last, mut end) = (at, first.end);
            let glues = size > 0 && size <= glue_below && at >= self.single_until;
            while glues && last + 1 < self.entries.len() {
                let next = self.entries[last + 1];
                let (len, before) = (next.end - end, end - self.start(last));
                let fits = next.end - from <= MOST_GLUED && last + 1 - at < MOST_SEGMENTS;
                if !fits || next.route != first.route || len == 0 || len > size || before < size {
                    break;
                }
                (last, end) = (last + 1, next.end);
            }
            let route = &self.routes[first.route as usize];
            let message = Outgoing {
                to: Some(&route.to),
                bytes: &self.bytes[from..end],
                segment: (last > at).then_some(size as u16),
                from: route.from,
            };
            let entries = last + 1 - at;
            at = last + 1;
            Some(Run { message, entries })
        })
    }

    /// The datagrams of the next `entries` entries with their tags; they count as done.
    pub(super) fn advance(&mut self, entries: usize) -> impl Iterator<Item = (Tag, &[u8])> {
        let from = self.next;
        self.next += entries;
        (from..self.next).map(|index| {
            (
                self.entries[index].tag,
                &self.bytes[self.start(index)..self.entries[index].end],
            )
        })
    }

    /// Marks the next `entries` entries as not to be glued.
    pub(super) fn unglue(&mut self, entries: usize) {
        self.single_until = self.next + entries;
    }

    /// Lets the next datagram, and others of its route, leave from whatever address the kernel picks.
    pub(super) fn forget_source(&mut self) {
        if let Some(entry) = self.entries.get(self.next) {
            self.routes[entry.route as usize].from = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;

    use super::*;

    fn route(number: u16) -> Route {
        Address::from(SocketAddr::from(([127, 0, 0, 1], number))).into()
    }

    fn batch(datagrams: &[(u16, usize)]) -> SendBatch {
        let mut batch = SendBatch::default();
        for (at, (to, len)) in datagrams.iter().enumerate() {
            batch.push(&route(*to), Tag::default(), &vec![at as u8; *len]);
        }
        batch
    }

    fn sizes(datagrams: &[(u16, usize)]) -> Vec<usize> {
        batch(datagrams)
            .runs(INET_SLOT)
            .map(|run| run.entries)
            .collect()
    }

    #[test]
    fn neighbours_of_one_size_and_peer_are_glued_and_the_last_may_be_shorter() {
        assert_eq!(sizes(&[(1, 9), (1, 9), (1, 3), (1, 3)]), [3, 1]);
        assert_eq!(sizes(&[(1, 9), (2, 9), (1, 9)]), [1, 1, 1]);
        assert_eq!(sizes(&[(1, 3), (1, 9), (1, 9)]), [1, 2]);
        assert_eq!(sizes(&[(1, 0), (1, 0), (1, 5), (1, 0)]), [1, 1, 1, 1]);
        assert_eq!(sizes(&[(1, 1); 130]), [64, 64, 2]);
        assert_eq!(sizes(&[(1, 30_000); 3]), [2, 1]);
    }

    #[test]
    fn what_was_refused_once_is_not_glued_again() {
        let mut batch = batch(&[(1, 9); 5]);
        batch.unglue(3);
        let runs: Vec<_> = batch.runs(INET_SLOT).map(|run| run.entries).collect();
        assert_eq!(runs, [1, 1, 1, 2]);
        assert!(batch.runs(8).all(|run| run.message.segment.is_none()));
    }

    #[test]
    fn an_open_datagram_that_is_not_closed_is_forgotten() {
        let mut batch = SendBatch::default();
        batch.open().extend_from_slice(b"never sent");
        batch.push(&route(1), Tag::default(), b"sent");
        let sent: Vec<_> = batch
            .runs(0)
            .map(|run| run.message.bytes.to_vec())
            .collect();
        assert_eq!((sent, batch.bytes()), (vec![b"sent".to_vec()], 4));
    }

    #[test]
    fn a_thread_lends_an_empty_batch_each_time() {
        RecvBatch::lend(|batch| {
            assert_eq!(batch.datagrams().count(), 0);
            RecvBatch::lend(|inner| assert_eq!(inner.datagrams().count(), 0));
        });
        SendBatch::lend(|batch| batch.push(&route(1), Tag::default(), b"left behind"));
        SendBatch::lend(|batch| {
            assert!(batch.is_empty());
            // Lending while it is lent is no harm.
            SendBatch::lend(|inner| assert!(inner.is_empty()));
        });
    }

    proptest! {
        /// Each datagram leaves once and in order, and the kernel can take every run apart again.
        #[test]
        fn runs_hold_every_datagram_once(
            datagrams in prop::collection::vec((1_u16..3, 0_usize..4), 0..300), done in 0_usize..20,
        ) {
            let mut batch = batch(&datagrams);
            let done = done.min(datagrams.len());
            let _ = batch.advance(done);
            let mut at = done;
            for run in batch.runs(INET_SLOT) {
                let (to, size) = datagrams[at];
                let whole = &datagrams[at..at + run.entries];
                prop_assert_eq!(run.message.to, Some(&route(to).to));
                prop_assert!(whole.iter().all(|datagram| datagram.0 == to));
                let full = &whole[..run.entries - 1];
                prop_assert!(full.iter().all(|datagram| datagram.1 == size));
                prop_assert!((1..=size.max(1)).contains(&whole[run.entries - 1].1) || run.entries == 1);
                let bytes: Vec<u8> = (at..at + run.entries)
                    .flat_map(|at| vec![at as u8; datagrams[at].1])
                    .collect();
                prop_assert_eq!(run.message.bytes, bytes);
                let glued = (run.entries > 1).then_some(size as u16);
                prop_assert_eq!(run.message.segment, glued);
                at += run.entries;
            }
            prop_assert_eq!(at, datagrams.len());
        }
    }
}
