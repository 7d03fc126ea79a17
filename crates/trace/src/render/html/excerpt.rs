//! How much of what was carried a page holds.

use std::ops::Range;

use crate::{FactId, Session};

/// Bytes of one call or packet that a page shows at most.
const CAP: usize = 256;
/// Bytes that the excerpts of a page may take together; a session with more shows less of each.
const BUDGET: u64 = 32 << 20;
/// Excerpts that are remembered, to be referred to; a segment follows its write closely.
const REMEMBERED: usize = 1 << 14;

/// How long excerpts are, and which were written lately.
pub(super) struct Excerpts {
    cap: usize,
    slots: Vec<Slot>,
}

/// An excerpt that stands in the page.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    /// Whose bytes it holds.
    pub(super) fact: FactId,
    /// Where in the fact's data it begins.
    pub(super) start: u32,
    /// Its length; 0: there is none.
    pub(super) len: u32,
    /// Where in the page's data it stands.
    pub(super) at: u64,
}

impl Slot {
    /// Where it lies in its fact's data.
    pub(super) fn range(&self) -> Range<usize> {
        self.start as usize..self.start as usize + self.len as usize
    }
}

impl Excerpts {
    /// The longest excerpts with which the session stays within the budget.
    pub(super) fn of(session: &Session) -> Self {
        let fits = |cap: usize| {
            let facts = (0..session.len() as u32).map(|id| session.event(FactId(id)).payload);
            facts.map(|len| u64::from(len.min(cap as u32))).sum::<u64>() <= BUDGET
        };
        let cap = [CAP, 128, 64, 32, 16].into_iter().find(|cap| fits(*cap));
        let none = Slot {
            fact: FactId(0),
            start: 0,
            len: 0,
            at: 0,
        };
        Self {
            cap: cap.unwrap_or(8),
            slots: vec![none; REMEMBERED],
        }
    }

    /// Bytes of each.
    pub(super) const fn cap(&self) -> usize {
        self.cap
    }

    /// Where an excerpt with this hash would be remembered.
    pub(super) fn slot(&mut self, hash: u64) -> &mut Slot {
        &mut self.slots[hash as usize % REMEMBERED]
    }
}
