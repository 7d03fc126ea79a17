//! What waits beyond a hole of a stream.

use std::collections::BTreeMap;
use std::ops::Range;

/// What each held piece costs besides its bytes, so that small pieces do not pile up either.
pub(super) const PIECE_COST: usize = 64;

/// A piece beyond a hole.
#[derive(Debug)]
pub(super) enum Piece {
    Bytes(Vec<u8>),
    /// Carried, but not captured (a snap length).
    Unseen(u64),
}

impl Piece {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Unseen(len) => *len,
        }
    }

    fn cost(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len() + PIECE_COST,
            Self::Unseen(_) => PIECE_COST,
        }
    }
}

/// The pieces that wait, by where they begin; they never overlap.
#[derive(Debug, Default)]
pub(super) struct Held {
    pieces: BTreeMap<u64, Piece>,
    cost: usize,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Bytes that wait, with what holding them costs.
    pub(super) const fn cost(&self) -> usize {
        self.cost
    }

    /// Where the first piece begins.
    pub(super) fn start(&self) -> Option<u64> {
        self.pieces.keys().next().copied()
    }

    /// Where the last piece ends.
    pub(super) fn end(&self) -> Option<u64> {
        let last = self.pieces.last_key_value();
        last.map(|(at, piece)| at + piece.len())
    }

    /// Keeps a piece, of which nothing is held yet.
    pub(super) fn put(&mut self, at: u64, piece: Piece) {
        self.cost += piece.cost();
        self.pieces.insert(at, piece);
    }

    /// Takes the first piece out, if it begins here.
    pub(super) fn take(&mut self, at: u64) -> Option<Piece> {
        let entry = self
            .pieces
            .first_entry()
            .filter(|entry| *entry.key() == at)?;
        let piece = entry.remove();
        self.cost -= piece.cost();
        Some(piece)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The parts of a range that are not held yet: what came first counts.
    pub(super) fn holes(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut holes = vec![];
        let mut at = range.start;
        let before = self.pieces.range(..=at).next_back();
        for (start, piece) in before
            .into_iter()
            .chain(self.pieces.range(at.saturating_add(1)..))
        {
            if *start >= range.end {
                break;
            }
            if at < *start {
                holes.push(at..*start);
            }
            at = at.max(start + piece.len());
        }
        if at < range.end {
            holes.push(at..range.end);
        }
        holes
    }
}
