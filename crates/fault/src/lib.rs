//! Faults: what may happen to bytes on their way, as rules over chunks.
//!
//! A [`Chain`] of [`Rule`]s is asked about each [`Chunk`] (a packet of a wire, a piece of a stream) and
//! gives a [`Verdict`]. It has no sockets and no clock: whoever drives it says what time it is, comes
//! back at [`Chain::poll_timeout`], and takes what is due from [`Chain::poll_release`]. Chance is
//! seeded: the same rules, seed, chunks and times give the same verdicts.
//!
//! ```
//! use sockeye_fault::{Chain, Chunk, Content, Fate, Way};
//! use sockeye_trace::Time;
//!
//! let rules = ["drop:nth=2", "delay:20ms"].map(|rule| rule.parse().unwrap());
//! let mut chain = Chain::new(rules.to_vec(), 1);
//! let chunk = |bytes| Chunk { way: Way::ToServer, peer: 0, content: Content::Stream, bytes };
//!
//! let first = chain.on_chunk(Time::from_nanos(0), chunk(b"one"));
//! assert_eq!(first.fate, Fate::Held);
//! assert_eq!(first.why.as_str(), "delayed 20ms by delay:20ms");
//! let second = chain.on_chunk(Time::from_nanos(5), chunk(b"two"));
//! assert_eq!(second.fate, Fate::Drop);
//! assert_eq!(second.why.as_str(), "dropped by drop:nth=2");
//!
//! let due = chain.poll_timeout().unwrap();
//! assert_eq!(due, Time::from_nanos(20_000_000));
//! assert_eq!(chain.poll_release(due).unwrap().bytes, b"one");
//! assert_eq!(chain.poll_release(due), None);
//! ```

#![forbid(unsafe_code)]

mod args;
mod chain;
mod chance;
mod chunk;
mod error;
mod flags;
mod frames;
#[cfg(test)]
mod frames_by_hand;
#[cfg(any(test, feature = "laws"))]
#[doc(hidden)]
pub mod laws;
mod matcher;
mod peers;
mod queue;
mod rule;
mod segment;
mod stage;
mod verdict;

pub use chain::Chain;
pub use chunk::{Chunk, Content, Way};
pub use error::{RuleError, RuleProblem, Wanted};
pub use flags::Flags;
pub use queue::WAITING_LIMIT;
pub use rule::Rule;
pub use verdict::{Fate, Released, Verdict, Why};
