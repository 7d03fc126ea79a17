//! Measures `list`, `capture`, `watch` and the timeline beside what people use instead, in turns, and
//! prints the table of docs/performance.md.
//!
//! One file a benchmark, a line in [`BENCHES`] for each. Every benchmark runs in a process of its own,
//! because a network of its own belongs to a process.

mod capture;
mod echo;
mod list;
mod network;
mod run;
mod timeline;
mod watch;

use std::io;
use std::process::{Command, ExitCode};

use remote::plan::Plan;

const USAGE: &str = "\
usage: seeing [--row NAME]… [--rounds N] [--sockeye PATH]

  --row NAME      only this row; again for more (list, capture, timeline, watch)
  --rounds N      pairs of rounds a row (9)
  --sockeye PATH  the program to measure (target/release/sockeye)";

/// A benchmark prints its rows of the table.
type Bench = fn(&Plan) -> io::Result<()>;

const BENCHES: &[(&str, Bench)] = &[
    ("list", list::measure),
    ("capture", capture::measure),
    ("timeline", timeline::measure),
    ("watch", watch::measure),
];

/// Set for the process that measures one row.
const INSIDE: &str = "SEEING_INSIDE";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    // A process that a benchmark starts to hold something: its first word says for which.
    if let Some(("hold-sockets", rest)) = words.split_first().map(|(word, rest)| (&**word, rest)) {
        return ended(list::hold(rest));
    }
    let Some(plan) = Plan::parse(9, 0, words.iter().cloned(), |_, _| None) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if let Some(row) = std::env::var_os(INSIDE) {
        let bench = BENCHES.iter().find(|(name, _)| row == *name);
        return ended(bench.map_or(Ok(()), |(_, bench)| bench(&plan)));
    }
    plan.head();
    ended(measure(&plan, &words))
}

fn measure(plan: &Plan, words: &[String]) -> io::Result<()> {
    for (name, _) in BENCHES.iter().filter(|(name, _)| plan.wants(name)) {
        let mut inside = Command::new(std::env::current_exe()?);
        let status = inside.args(words).env(INSIDE, name).status()?;
        if !status.success() {
            return Err(io::Error::other(format!("{name} ended with {status}")));
        }
    }
    Ok(())
}

fn ended(result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("seeing: {error}");
            ExitCode::FAILURE
        }
    }
}
