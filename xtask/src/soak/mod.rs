//! `cargo xtask soak`: campaigns that are too long for every change.

mod labs;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};

use crate::ci::{fuzz, fuzz_targets};
use crate::step::{cargo, step};

#[derive(Args)]
pub(crate) struct Soak {
    #[command(subcommand)]
    campaign: Campaign,
}

#[derive(Subcommand)]
enum Campaign {
    /// Fuzz every target, one after the other
    Fuzz {
        /// How long each target runs
        #[arg(long, value_name = "MINUTES", default_value_t = 60)]
        minutes: u32,
        /// Only this target
        #[arg(long)]
        target: Option<String>,
    },
    /// Run the tests that speak to the kernel and to other processes again and again
    Repeat {
        /// How many times
        #[arg(long, default_value_t = 50)]
        times: u32,
        /// Only tests whose name contains this
        #[arg(long, value_name = "TEXT")]
        only: Option<String>,
    },
    /// Throw connections full of garbage at a real server: it must not end, leak or grow
    Garbage {
        /// How many connections
        #[arg(long, default_value_t = 100_000)]
        connections: u32,
        /// Where the garbage starts; the same number gives the same bytes
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Kill a server in the middle of an upload, again and again; each one is gone on with
    Kills {
        /// How many times
        #[arg(long, default_value_t = 500)]
        times: u32,
    },
    /// Run every scenario of the lab again and again: as oneself, as nobody, and beside a build
    Labs(labs::Labs),
    /// Kill a chat server, then a server of several, their NATS, or both, while people talk, again
    /// and again; what they heard is still there
    ChatKills {
        /// How many times
        #[arg(long, default_value_t = 200)]
        times: u32,
        /// Where the points are drawn from; the same number gives the same points
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

impl Soak {
    pub(crate) fn run(self) -> Result<()> {
        match self.campaign {
            Campaign::Fuzz { minutes, target } => {
                let targets = target.map_or_else(fuzz_targets, |one| Ok(vec![one]))?;
                let seconds = minutes
                    .checked_mul(60)
                    .context("that many minutes are centuries")?;
                for target in targets {
                    let name = format!("fuzz {target} for {minutes} min");
                    step(&name, &mut fuzz(&target, "soak", seconds)?)?;
                }
                Ok(())
            }
            Campaign::Kills { times } => {
                let mut test = cargo(["test", "-p", "sockeye", "--test", "interop"]);
                test.arg("an_upload_outlives_the_sudden_death_of_its_server")
                    .env("SOCKEYE_KILLS", times.to_string());
                step(&format!("{times} kills of a server"), &mut test)
            }
            Campaign::ChatKills { times, seed } => {
                let mut test = cargo(["test", "-p", "sockeye", "--test", "chat"]);
                test.args(["--", "--test-threads=1"])
                    .arg("what_was_heard_outlives_the_sudden_death_of_the_server")
                    .arg("what_was_acknowledged_survives_kills_once_and_in_one_order")
                    .env("SOCKEYE_KILLS", times.to_string())
                    .env("SOCKEYE_SEED", seed.to_string());
                step(
                    &format!("{times} kills of a chat, and {times} of several as one"),
                    &mut test,
                )
            }
            Campaign::Labs(labs) => labs.run(),
            Campaign::Repeat { times, only } => repeat(times, only.as_deref()),
            Campaign::Garbage { connections, seed } => {
                let mut test = cargo(["test", "--release", "-p", "sockeye", "--test", "garbage"]);
                test.args(["--", "--nocapture"])
                    .env("SOCKEYE_GARBAGE_CONNECTIONS", connections.to_string())
                    .env("SOCKEYE_GARBAGE_SEED", seed.to_string());
                step(
                    &format!("garbage from {connections} connections"),
                    &mut test,
                )
            }
        }
    }
}

/// The rooms whose tests depend on the kernel's timing; the first failure ends the campaign.
fn repeat(times: u32, only: Option<&str>) -> Result<()> {
    for round in 1..=times {
        let mut test = cargo(["test", "--quiet"]);
        for package in [
            "sockeye-testkit",
            "sockeye-net",
            "sockeye-service",
            "sockeye",
        ] {
            test.args(["-p", package]);
        }
        test.args(only);
        step(&format!("round {round} of {times}"), &mut test)?;
    }
    Ok(())
}
