//! What is measured, from the command line.

use std::path::PathBuf;

/// What every such program can be told.
#[derive(Clone, Debug)]
pub struct Plan {
    rows: Vec<String>,
    /// Pairs of rounds a row.
    pub rounds: usize,
    /// Length of what is bulk.
    pub bytes: u64,
    /// The program to measure.
    pub sockeye: PathBuf,
}

impl Plan {
    /// Reads flags, each with a value, over these defaults; those that are not of this plan go to
    /// `other`, which says whether it knows them. None for what makes no sense.
    pub fn parse(
        rounds: usize,
        bytes: u64,
        mut words: impl Iterator<Item = String>,
        mut other: impl FnMut(&str, String) -> Option<()>,
    ) -> Option<Self> {
        let here = std::env::current_exe().ok()?;
        // benches/target/release/… stands four folders below the workspace.
        let workspace = here.ancestors().nth(4)?;
        let mut plan = Self {
            rows: vec![],
            rounds,
            bytes,
            sockeye: workspace.join("target/release/sockeye"),
        };
        while let Some(flag) = words.next() {
            let value = words.next()?;
            match flag.as_str() {
                "--row" => plan.rows.push(value),
                "--rounds" => plan.rounds = value.parse().ok()?,
                "--bytes" => plan.bytes = value.parse().ok()?,
                "--sockeye" => plan.sockeye = value.into(),
                flag => other(flag, value)?,
            }
        }
        (plan.rounds > 0).then_some(plan)
    }

    /// Whether a row is to be measured.
    #[must_use]
    pub fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|name| name == row)
    }

    /// Prints the table's head.
    pub fn head(&self) {
        println!(
            "| job | beside | target | median of {} | sockeye | the other |",
            self.rounds
        );
        println!("|---|---|---|---|---|---|");
    }
}
