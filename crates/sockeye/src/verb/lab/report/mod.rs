//! What came of a scenario, told.

mod difference;
mod json;
mod prose;
mod text;

use std::io::{self, BufWriter, Write as _};

use sockeye_net::Errno;
use sockeye_observe::lab::Scenario;

use super::outcome::Outcome;
use crate::context::Context;
use crate::exit::unwritten;
use crate::ui::{colours, columns};

/// A scenario and its runs.
pub(super) struct Report<'a> {
    pub(super) scenario: &'a Scenario,
    /// What ran, in this order; at least one.
    pub(super) outcomes: &'a [Outcome<'a>],
    /// Hosts and wire were not as the scenario has them.
    pub(super) changed: bool,
    pub(super) look: Look,
}

/// How much is told, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// All of it, with so many entries of each conversation (0: all).
    Whole { limit: usize },
    /// Only whether expectations hold.
    Brief,
    /// For programs.
    Json,
}

impl Report<'_> {
    /// Writes it to standard output.
    pub(super) fn write(&self, context: &Context) -> anyhow::Result<()> {
        let stdout = io::stdout();
        let colour = colours(&stdout);
        let mut out = BufWriter::new(stdout.lock());
        let written = match self.look {
            Look::Json => json::write(self, &mut out),
            Look::Whole { .. } | Look::Brief => {
                text::Page::new(self, context.lang(), columns(), colour).write(&mut out)
            }
        };
        written
            .and_then(|()| out.flush())
            .map_err(|why| unwritten("to standard output", Errno::of(&why)))
    }
}
