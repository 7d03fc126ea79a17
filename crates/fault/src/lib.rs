//! Faults: what may happen to bytes on their way, as rules over chunks.
//!
//! A [`Chain`] of [`Rule`]s is asked about each [`Chunk`] (a packet of a wire, a piece of a stream) and
//! gives a [`Verdict`]. It has no sockets and no clock: whoever drives it says what time it is, comes
//! back at [`Chain::poll_timeout`], and takes what is due from [`Chain::poll_release`]. Chance is
//! seeded: the same rules, seed, chunks and times give the same verdicts.

mod chain;
mod rule;

pub use chain::{Chain, Chunk, Content, Fate, Released, Verdict, Way};
pub use rule::{Rule, RuleError};
