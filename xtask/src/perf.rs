//! `cargo xtask perf`: the tables of docs/performance.md.

use anyhow::Result;
use clap::Args;

use crate::step::{cargo, step};

#[derive(Args)]
pub(crate) struct Perf {
    /// Handed on to benches/table; --help shows what it takes
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

impl Perf {
    pub(crate) fn run(self) -> Result<()> {
        // What is measured is what is handed out: the release build.
        step("build", &mut cargo(["build", "--release", "-p", "sockeye"]))?;
        let benches = ["--release", "--manifest-path", "benches/Cargo.toml"];
        step(
            "build benches",
            cargo(["build"]).args(benches).arg("--workspace"),
        )?;
        let table = ["-p", "table", "--"];
        step(
            "measure",
            cargo(["run"]).args(benches).args(table).args(self.args),
        )
    }
}
