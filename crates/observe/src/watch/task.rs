//! The tasks and processes that are watched.

/// A thread of a watched process.
#[derive(Debug)]
pub(super) struct Task {
    /// The process it belongs to.
    pub(super) process: i32,
}

impl Task {
    pub(super) fn new(process: i32) -> Self {
        Self { process }
    }
}

/// A watched process.
#[derive(Debug)]
pub(super) struct Process {
    /// What it was started as; descendants have their ancestor's.
    pub(super) role: String,
    /// We started it (or an ancestor), so it runs under our filter and ends with us.
    pub(super) started: bool,
}

impl Process {
    pub(super) fn new(role: String, started: bool) -> Self {
        Self { role, started }
    }
}
