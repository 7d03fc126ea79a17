//! What the process that traces is told, by the process that draws.

use serde::{Deserialize, Serialize};
use sockeye_trace::Head;

use crate::recording::Planned;

/// What to watch, and how.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// What is known of the session before it begins.
    pub(super) head: Head,
    /// In a network of its own.
    pub(super) isolate: bool,
    /// The programs to start: one, or the server and then the client.
    pub(super) programs: Vec<Planned>,
    /// Running programs to attach to.
    pub(super) attach: Vec<u32>,
    /// Whether the last program has our standard input; else none has any.
    pub(super) stdin: bool,
    /// Bytes kept of each call.
    pub(super) payload_cap: usize,
    /// Whether programs may use `io_uring`.
    pub(super) uring: bool,
    /// The interface to capture on.
    pub(super) interface: Option<String>,
}
