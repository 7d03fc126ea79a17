//! What the lab's process is told by the one that draws.

use serde::{Deserialize, Serialize};
use sockeye_trace::Head;

use crate::recording::Planned;

/// What the lab's process is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    /// What is known of the session before it begins.
    pub(super) head: Head,
    /// What the lab is like, and its script.
    pub(super) lab: sockeye_observe::lab::Plan,
    /// The reader's own programs: the server and then the client; none where there is a script.
    pub(super) programs: Vec<Planned>,
    /// Whether the client has our standard input.
    pub(super) stdin: bool,
}
