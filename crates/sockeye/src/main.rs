//! sockeye: sockets you can see.

mod catalogue;
mod cli;
mod config;
mod context;
mod journal;
mod ours;
mod recording;
mod runtime_dir;
mod signals;
mod supervisor;
mod trust;
mod values;
mod words;

mod exit;

mod ui;
mod verb;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(std::env::args_os().collect())
}
