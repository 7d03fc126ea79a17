//! `cargo xtask perf`: the tables of docs/performance.md.

use anyhow::Result;
use clap::Args;

use crate::step::{cargo, step};

#[derive(Args)]
pub(crate) struct Perf {
    /// Which program of benches/ measures: table, remote for remote commands, files for put and get,
    /// seeing for list, capture, watch and the timeline, wire for the wire of labs, chat for rooms
    #[arg(long, value_name = "PROGRAM", default_value = "table")]
    with: String,
    /// Handed on to it; --help shows what it takes
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
        let program = ["-p", &self.with, "--"];
        step(
            "measure",
            cargo(["run"]).args(benches).args(program).args(self.args),
        )
    }
}
