//! Sequence numbers as the table shows them, and where they began.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

/// Directions of TCP whose first sequence number is remembered: what was quiet longest is forgotten
/// first, and shown with the numbers of the header from there on.
pub const ISN_LIMIT: usize = 1 << 16;

/// A sequence number as the table shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seq {
    /// From the start of its direction: SYN is 0, the first byte 1, and it counts on beyond 4 GiB.
    Relative(u64),
    /// As the header has it: the start was not seen.
    Absolute(u32),
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relative(number) => number.fmt(f),
            Self::Absolute(number) => number.fmt(f),
        }
    }
}

/// One direction of a TCP connection.
type Direction = (IpAddr, u16, IpAddr, u16);

/// Where a direction's numbers began, and how far they got.
#[derive(Clone, Copy, Debug)]
struct Start {
    isn: u32,
    latest: u64,
}

impl Start {
    /// The number nearest to where this direction is.
    fn relative(&mut self, seq: u32) -> u64 {
        let number = unwrap(self.latest, seq.wrapping_sub(self.isn));
        self.latest = self.latest.max(number);
        number
    }
}

/// The number with these lower 32 bits that is nearest to `near`.
fn unwrap(near: u64, low: u32) -> u64 {
    let ahead = low.wrapping_sub(near as u32).cast_signed();
    near.checked_add_signed(i64::from(ahead))
        // Before the start: a stray number, shown as it is.
        .unwrap_or_else(|| u64::from(low))
}

/// Where the numbers of directions began. Two generations: when the young one is full, the old one is
/// forgotten.
#[derive(Debug, Default)]
pub(super) struct Starts {
    young: HashMap<Direction, Start>,
    old: HashMap<Direction, Start>,
}

impl Starts {
    /// A direction's number as the table shows it.
    pub(super) fn shown(&mut self, direction: Direction, number: u32) -> Seq {
        match self.start(direction) {
            Some(start) => Seq::Relative(start.relative(number)),
            None => Seq::Absolute(number),
        }
    }

    /// Takes the number of a SYN.
    pub(super) fn learn(&mut self, direction: Direction, isn: u32) {
        // The SYN once more, not a new connection: keep how far it got.
        if self.start(direction).is_some_and(|start| start.isn == isn) {
            return;
        }
        self.keep(direction, Start { isn, latest: 0 });
    }

    fn keep(&mut self, direction: Direction, start: Start) {
        if self.young.len() >= ISN_LIMIT / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(direction, start);
    }

    fn start(&mut self, direction: Direction) -> Option<&mut Start> {
        if let Some(start) = self.old.remove(&direction)
            && !self.young.contains_key(&direction)
        {
            self.keep(direction, start);
        }
        self.young.get_mut(&direction)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
