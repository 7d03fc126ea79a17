//! `cargo xtask labs`: the pages of docs/labs, from real runs of every scenario.

use anyhow::Result;
use clap::Args;

use crate::step::{cargo, step};

/// The test that compares the pages with its runs; told to, it writes them instead.
const TEST: &str = "every_scenario_is_as_it_says_and_so_is_its_page";

#[derive(Args)]
pub(crate) struct Labs {
    /// Only compare the pages with the runs
    #[arg(long)]
    check: bool,
}

impl Labs {
    pub(crate) fn run(self) -> Result<()> {
        let mut test = cargo(["test", "-p", "sockeye", "--test", "labs", "--", TEST]);
        let write = if self.check { "0" } else { "1" };
        // Without namespaces of their own the runs show too little: then it fails.
        let test = test.env("SOCKEYE_WRITE_LABS", write).env("CI", "true");
        step("labs", test)
    }
}
