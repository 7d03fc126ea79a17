//! A recorded session: what happened, with the bytes, and what the numbers in it stand for.

mod about;
mod file;
mod merge;

use std::ops::Range;

use crate::{Call, Event, Kind, Time, Verdict};

pub use about::{Gap, Gauge, Head, Interface, Process, Side, TcpState, WireSource};
pub(crate) use file::read_full;
pub use file::{FileError, Reader, Writer};
pub use merge::{ClockDifference, Evidence, FOREIGN_PIDS, Merged, merge};

/// Which fact of a session: its place in the order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactId(pub u32);

impl FactId {
    /// Its place.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One fact: an event, what it cannot hold, and the bytes that moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fact<'a> {
    /// What happened, when, where.
    pub event: Event,
    /// The thread that called; 0: not told.
    pub thread: u32,
    /// `MSG_*` of a call; [`packet_flag`] of a packet.
    pub flags: u32,
    /// The socket's TCP state after the call.
    pub state: TcpState,
    /// Of a call: its arguments, as strace writes them, without the descriptor and the buffer. Of a
    /// read or write over an unconnected datagram socket: the other address ([`crate::Address`]).
    /// Of a description: JSON. Of a packet: what was done to it on its way ([`crate::Verdict`]).
    pub text: &'a str,
    /// The bytes that moved, capped, or the packet as it was captured.
    pub data: &'a [u8],
}

/// Bits of a packet's `flags`.
pub mod packet_flag {
    /// It left this machine (or one end of a pair) here; else it arrived.
    pub const OUTGOING: u32 = 1;
    /// Its check sum is left for the hardware to fill in: what is there says nothing.
    pub const PARTIAL_CHECKSUM: u32 = 2;
}

impl<'a> Fact<'a> {
    /// A fact with nothing but its event.
    pub const fn new(event: Event) -> Self {
        Self {
            event,
            thread: 0,
            flags: 0,
            state: TcpState::Unknown,
            text: "",
            data: &[],
        }
    }

    /// What happened.
    pub fn kind(&self) -> Kind {
        self.event.kind()
    }

    /// Which call it was.
    pub fn call(&self) -> Call {
        self.event.call()
    }

    /// The errno of a call that failed.
    pub const fn errno(&self) -> Option<i32> {
        match self.event.result {
            result @ ..0 => Some(result.saturating_neg()),
            _ => None,
        }
    }

    /// Bytes that a call moved, or a packet's length on the wire; 0 for what failed.
    pub fn moved(&self) -> u64 {
        u64::try_from(self.event.result).unwrap_or(0)
    }

    /// What was done to a packet on its way; none of what nobody touched.
    pub fn verdict(&self) -> Option<Verdict<'a>> {
        let is_packet = self.kind() == Kind::Packet;
        is_packet.then(|| Verdict::of(self.text)).flatten()
    }

    /// Whether it is a packet that was taken from the wire on its way.
    pub fn is_lost(&self) -> bool {
        self.verdict().is_some_and(Verdict::is_lost)
    }

    /// The description in its text.
    pub fn describes<T: serde::Deserialize<'a>>(&self) -> Option<T> {
        serde_json::from_str(self.text).ok()
    }
}

/// Facts in the order of time, in few allocations.
///
/// - **Limits:** 2³² − 1 facts; what comes after them is counted in [`Session::lost`].
#[derive(Clone, Debug, Default)]
pub struct Session {
    head: Head,
    facts: Vec<Kept>,
    /// Texts and data, end to end.
    bytes: Vec<u8>,
    /// The file ended in the middle of a fact.
    cut: bool,
    lost: u64,
}

/// A fact without its borrowed parts: 72 bytes.
#[derive(Clone, Copy, Debug)]
struct Kept {
    event: Event,
    /// Where its text begins in `bytes`; its data follows.
    at: u64,
    text: u32,
    thread: u32,
    flags: u32,
    state: TcpState,
}

impl Session {
    /// An empty session.
    pub fn new(head: Head) -> Self {
        Self {
            head,
            ..Self::default()
        }
    }

    /// Who recorded it.
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// Who recorded it, to change.
    pub const fn head_mut(&mut self) -> &mut Head {
        &mut self.head
    }

    /// Adds a fact at the end. Call [`Session::sort`] when all are in.
    pub fn push(&mut self, fact: &Fact<'_>) {
        if self.facts.len() >= u32::MAX as usize {
            self.lost += 1;
            return;
        }
        let mut event = fact.event;
        event.payload = u32::try_from(fact.data.len()).unwrap_or(u32::MAX);
        self.facts.push(Kept {
            event,
            at: self.bytes.len() as u64,
            text: u32::try_from(fact.text.len()).unwrap_or(u32::MAX),
            thread: fact.thread,
            flags: fact.flags,
            state: fact.state,
        });
        self.bytes.extend_from_slice(fact.text.as_bytes());
        self.bytes.extend_from_slice(fact.data);
    }

    /// Puts the facts in the order of time; what happened at one time stays as it came.
    pub fn sort(&mut self) {
        if !self.facts.is_sorted_by_key(|kept| kept.event.time) {
            self.facts.sort_by_key(|kept| kept.event.time);
        }
    }

    /// How many facts there are.
    pub const fn len(&self) -> usize {
        self.facts.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// Whether the file ended in the middle of a fact.
    pub const fn is_cut(&self) -> bool {
        self.cut
    }

    /// Facts that did not fit.
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// One fact.
    pub fn fact(&self, id: FactId) -> Fact<'_> {
        self.borrow(&self.facts[id.index()])
    }

    /// One fact's event, without touching its bytes.
    pub fn event(&self, id: FactId) -> &Event {
        &self.facts[id.index()].event
    }

    /// All of them.
    pub fn facts(&self) -> impl ExactSizeIterator<Item = (FactId, Fact<'_>)> {
        self.facts
            .iter()
            .enumerate()
            .map(|(index, kept)| (FactId(index as u32), self.borrow(kept)))
    }

    /// When the first and the last thing happened.
    pub fn span(&self) -> Option<Range<Time>> {
        let first = self.facts.iter().map(|kept| kept.event.began()).min()?;
        let last = self.facts.iter().map(|kept| kept.event.time).max()?;
        Some(first..last)
    }

    fn borrow(&self, kept: &Kept) -> Fact<'_> {
        let text = kept.at as usize..kept.at as usize + kept.text as usize;
        let data = text.end..text.end + kept.event.payload as usize;
        Fact {
            event: kept.event,
            thread: kept.thread,
            flags: kept.flags,
            state: kept.state,
            // Only whole texts are pushed.
            text: std::str::from_utf8(&self.bytes[text]).unwrap_or_default(),
            data: &self.bytes[data],
        }
    }
}
