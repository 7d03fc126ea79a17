//! `sockeye lab`: two hosts of one's own, joined by a wire that is sockeye.
//!
//! This process draws. Another one, started from the same program, is the lab ([`worker`]): what happens
//! there comes through a pipe, as the facts of a session ([`record`]).

mod plan;
mod record;
mod run;
pub(crate) mod worker;

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::exit::Exit;

// The verb takes its sessions from there.
#[allow(unused_imports)]
pub(crate) use record::record;

/// Two hosts of your own, joined by a wire that is sockeye: nothing of your network is touched
#[derive(Args, Debug)]
pub(crate) struct Lab {
    #[command(subcommand)]
    what: What,
}

/// What to do there.
#[derive(Subcommand, Debug)]
enum What {
    Run(Box<run::RunPrograms>),
}

impl Lab {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self.what {
            What::Run(programs) => programs.run(context).await,
        }
    }
}
