//! Findings: what happened, in words, with the bytes and the calls that it speaks of.

use std::ops::Range;

use crate::{FactId, Time};

/// Something worth saying about a session.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Its name in lower case with hyphens, as docs/findings.md lists it: `coalesced`.
    pub name: &'static str,
    /// How much it matters.
    pub weight: Weight,
    /// The flow it speaks of, as an index of [`crate::Timeline::flows`]; none: of the session.
    pub flow: Option<u32>,
    /// The way, where it speaks of one.
    pub way: Option<u8>,
    /// The bytes it speaks of.
    pub bytes: Range<u64>,
    /// The calls and packets it speaks of, at most sixteen.
    pub facts: Vec<FactId>,
    /// When it happened.
    pub at: Time,
    /// How often, where more of the same were put into one.
    pub count: u32,
    /// What happened, in English and in Chinese.
    pub sentence: [String; 2],
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weight {
    /// As it should be, and good to know.
    Note,
    /// Often not what the program's author expected.
    Notice,
    /// Something is wrong, or was lost.
    Trouble,
}
