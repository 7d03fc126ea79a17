//! The chain that every chunk goes through.

use sockeye_trace::Time;

use crate::Rule;

/// Which way a chunk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// From the client to the server.
    ToServer,
    /// Back.
    ToClient,
}

/// What the bytes of a chunk are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A packet, from its Ethernet header on.
    Packet,
    /// A piece of a byte stream, which may be cut and put together.
    Stream,
}

/// What is on its way.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// Which way it goes.
    pub way: Way,
    /// Which conversation it belongs to, as far as the driver knows; 0 where there is but one.
    pub peer: u64,
    /// What the bytes are.
    pub content: Content,
    /// All of it.
    pub bytes: &'a [u8],
}

/// What becomes of a chunk, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What the driver has to do.
    pub fate: Fate,
    /// What was done and by which rule, for people and traces: `dropped by drop:nth=3,to=server`;
    /// empty if no rule touched it.
    pub why: String,
}

/// What the driver has to do with a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// Pass it on as it is, now.
    Pass,
    /// Forget it.
    Drop,
    /// Forget it: the chain has kept what it needs and gives it by [`Chain::poll_release`], maybe at once.
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
}

/// Rules, one behind the other.
#[derive(Debug)]
pub struct Chain {
    rules: Vec<Rule>,
    seed: u64,
}

impl Chain {
    /// A chain of these rules; the same seed makes the same choices.
    pub fn new(rules: Vec<Rule>, seed: u64) -> Self {
        Self { rules, seed }
    }

    /// Whether every chunk passes untouched, so that nobody needs to ask.
    pub fn is_idle(&self) -> bool {
        self.rules.is_empty()
    }

    /// What becomes of this chunk.
    pub fn on_chunk(&mut self, now: Time, chunk: Chunk<'_>) -> Verdict {
        let _ = (now, chunk, self.seed);
        Verdict {
            fate: Fate::Pass,
            why: String::new(),
        }
    }

    /// When something is due next.
    pub fn poll_timeout(&self) -> Option<Time> {
        None
    }

    /// What is due, one after the other, until there is none.
    pub fn poll_release(&mut self, now: Time) -> Option<Released> {
        let _ = now;
        None
    }
}
