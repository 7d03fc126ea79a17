//! `sockeye lab`: two hosts of one's own, joined by a wire that is sockeye.
//!
//! This process draws. Another one, started from the same program, is the lab ([`worker`]): what happens
//! there comes through a pipe, as the facts of a session ([`record()`]). [`play`] runs a scenario and
//! judges it, [`report`] tells what came of it.

mod choice;
mod list;
mod outcome;
mod plan;
mod play;
mod record;
mod report;
mod run;
mod wire;
pub(crate) mod worker;

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::exit::Exit;

pub(crate) use record::record;

/// Reproduce, show and explain a phenomenon of the network, on this machine's own kernel and without touching its network
#[derive(Args, Debug)]
#[command(disable_help_subcommand = true, args_conflicts_with_subcommands = true)]
pub(crate) struct Lab {
    #[command(subcommand)]
    job: Option<Job>,
    #[command(flatten)]
    play: play::Play,
}

/// What else can be done in a lab.
#[derive(Subcommand, Debug)]
enum Job {
    List(list::List),
    Run(Box<run::RunPrograms>),
}

impl Lab {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        match self.job {
            Some(Job::List(job)) => job.run(context),
            Some(Job::Run(job)) => job.run(context).await,
            None => self.play.run(context).await,
        }
    }
}
