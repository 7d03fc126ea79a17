//! The project's own chores. `cargo xtask ci` is the one door that a change goes through.

mod ci;
mod dist;
mod labs;
mod perf;
mod soak;
mod step;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own chores")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Check what a change must pass besides its tests: fmt, clippy, deny, docs, a short fuzz run
    Ci(ci::Ci),
    /// Long campaigns: fuzzing for hours, repeated tests, garbage from many thousand connections
    Soak(soak::Soak),
    /// Measure: the tables of docs/performance.md, from benches/
    Perf(perf::Perf),
    /// Write docs/labs: a page for each scenario, from a real run
    Labs(labs::Labs),
    /// Build what is handed out: binary, man pages, completions, licences, check sums
    Dist(dist::Dist),
}

fn main() -> ExitCode {
    match run(Cli::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line; a returned error would come with a backtrace where RUST_BACKTRACE is set.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<()> {
    match chore {
        Chore::Ci(ci) => ci.run(),
        Chore::Soak(soak) => soak.run(),
        Chore::Perf(perf) => perf.run(),
        Chore::Labs(labs) => labs.run(),
        Chore::Dist(dist) => dist.run(),
    }
}
