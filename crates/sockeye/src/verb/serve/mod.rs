//! `sockeye serve`: services on endpoints, until interrupted.

mod entry;
mod options;
mod page;

use std::path::PathBuf;

use clap::Args;

use crate::context::Context;
use crate::exit::{Exit, usage};
use crate::journal::Target;

pub(crate) use entry::{Entry, Service};

/// Serve one service, or the exchange: all the safe ones on loopback
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// What to answer; without it, the exchange: every service of the config
    service: Option<Service>,
    /// Where to listen: tcp://HOST:PORT, udp://…, unix:PATH, HOST:PORT, :PORT, … (port 0: a free one)
    #[arg(value_name = "ENDPOINT")]
    endpoints: Vec<String>,
    #[command(flatten)]
    entry: Entry,

    /// Show each read and write: time, peer, size, text
    #[arg(long, help_heading = "What to see")]
    show: bool,
    /// Let control characters in a peer's text through to the terminal
    #[arg(long, help_heading = "What to see")]
    ansi: bool,
    /// Show each socket's options, as asked and as the kernel gave them
    #[arg(long, help_heading = "What to see")]
    show_socket: bool,
    /// Write events to standard output as JSON Lines (docs/events.md)
    #[arg(long, help_heading = "What to see")]
    json: bool,
    /// Write these events to a file, or to an open descriptor: fd:N
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "What to see",
        conflicts_with = "json"
    )]
    events: Option<Target>,
    /// Config of the exchange (default: ./sockeye.toml, then ~/.config/sockeye/sockeye.toml)
    #[arg(
        long,
        value_name = "FILE",
        env = "SOCKEYE_CONFIG",
        hide_env_values = true
    )]
    config: Option<PathBuf>,
}

impl Serve {
    pub(crate) async fn run(self, _context: &Context) -> anyhow::Result<Exit> {
        std::future::ready(Err(usage!("{:?} on {:?}", self.service, self.endpoints))).await
    }
}
