//! The lab's process: in namespaces of its own, with no more than one thread until it is there, and no
//! word to anybody but in facts.

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use rustix::process::{Signal, set_parent_process_death_signal};

use super::plan::Plan;
use crate::exit::{self, usage};
use crate::recording::receive;

/// The word that starts it, instead of a verb.
pub(crate) const WORD: &str = "__lab";

/// Its whole life. What went wrong is one line on standard error.
pub(crate) fn main() -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            exit::of(&error).code().into()
        }
    }
}

fn work() -> anyhow::Result<()> {
    let orders = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let (plan, streams) = receive::<Plan>(&orders)
        .map_err(|error| usage!("'{WORD}' is for `sockeye lab` itself: {error}"))?;
    // Whoever draws may be killed, and nothing of ours may stay behind then.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let _ = (plan, streams);
    Err(usage!("the lab cannot run yet"))
}
