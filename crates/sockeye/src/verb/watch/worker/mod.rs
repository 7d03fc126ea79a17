//! The process that traces: in a room of its own where that is asked for, with no more than one
//! thread until it is there, and no word to anybody but in facts.
//!
//! It is this program, started again. ptrace(2) and namespaces concern whoever uses them as a whole:
//! children that are waited for, `/proc`, the network; nothing that draws should live with that.

mod conduct;
mod wire;

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use rustix::process::{Signal, set_parent_process_death_signal};
use sockeye_observe::namespace::{Isolation, block_endings, enter};

use super::plan::Plan;
use crate::exit::{self, usage};
use crate::recording::receive;

/// The word that starts it, instead of a verb.
pub(crate) const WORD: &str = "__watch";

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
        .map_err(|error| usage!("'{WORD}' is for `sockeye watch` itself: {error}"))?;
    // Whoever draws may be killed, and nothing of ours may stay behind then.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if plan.isolate {
        let barred = |why| usage!("--isolate: {why}");
        let room = Isolation::default().fitting().map_err(barred)?;
        enter(&room).map_err(barred)?;
    }
    // Ctrl-C goes to everybody at the terminal: the watched programs hear it, and we tell what comes of it.
    block_endings()?;
    conduct::run(&plan, streams, orders)
}
