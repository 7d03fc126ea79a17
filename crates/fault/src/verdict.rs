//! What a chain decides about a chunk.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use sockeye_trace::Act;

use crate::Way;

/// What becomes of a chunk, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What the driver has to do.
    pub fate: Fate,
    /// What was done and by which rule, for people and traces
    /// ([`sockeye_trace::Verdict`]): `dropped by drop:nth=3,to=server`; empty if no rule touched it.
    pub why: Why,
}

/// What the driver has to do with a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// Pass it on as it is, now.
    Pass,
    /// Forget it.
    Drop,
    /// Forget it: the chain has kept what it needs and gives it by
    /// [`Chain::poll_release`](crate::Chain::poll_release), maybe at once.
    Held,
    /// It does not fit: forget it and tell the sender so (ICMP fragmentation needed), with this MTU.
    TooBig(u32),
    /// Forget it and reset the connection both ways.
    Reset,
}

/// A chunk whose time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// Which way it goes.
    pub way: Way,
    /// Which conversation it belongs to.
    pub peer: u64,
    /// What is to be sent.
    pub bytes: Vec<u8>,
    /// The connection is to be reset both ways behind it (streams only).
    pub reset: bool,
}

/// Why a verdict is what it is: a text, shared by all chunks to which the same happened.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Why(Option<Arc<str>>);

impl Why {
    /// No rule touched the chunk.
    pub const NOTHING: Self = Self(None);

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Adds what became of one of the pieces or copies that were made of a chunk, where it is not said
    /// already; `others_live`: others of them arrive.
    pub(crate) fn add_piece(&mut self, piece: &Self, others_live: bool) {
        let Some(said) = sockeye_trace::Verdict::of(piece.as_str()) else {
            return;
        };
        for (act, rule) in said.acts() {
            let act = if others_live && act.is_lost() {
                Act::Partly
            } else {
                act
            };
            let words = format!("{act} by {rule}");
            let known = self.as_str().split("; ").any(|said| said == words);
            if !known {
                self.add(&words.into());
            }
        }
    }

    /// Adds what another rule did.
    pub(crate) fn add(&mut self, more: &Arc<str>) {
        self.0 = Some(match self.0.take() {
            None => Arc::clone(more),
            Some(before) => format!("{before}; {more}").into(),
        });
    }
}

impl Deref for Why {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
