//! What a finding is about, as docs/findings.md lists it.

/// One finding of docs/findings.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name: `short-read`.
    pub name: &'static str,
    /// What it is in a few words, in English and in Chinese.
    pub title: [&'static str; 2],
}

impl Topic {
    /// How many of one finding are told one by one in one way of one flow.
    pub const SINGLE: u32 = 3;
    /// How many of one finding are told in one session.
    pub const TOGETHER: usize = 32;
    /// How many facts a finding names.
    pub const FACTS: usize = 16;
}
