//! `sockeye serve`: services on endpoints, until interrupted.

use clap::{Args, ValueEnum};

use crate::context::Context;
use crate::exit::{Exit, usage};

/// Serve one service, or the exchange: all the safe ones on loopback
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// What to answer; without it, the exchange: every service of the config
    service: Option<Service>,
    /// Where to listen: tcp://HOST:PORT, udp://…, unix:PATH, HOST:PORT, :PORT, … (port 0: a free one)
    #[arg(value_name = "ENDPOINT")]
    endpoints: Vec<String>,
}

/// The services that can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    Echo,
    Upper,
    Reply,
    Discard,
    Print,
    Chargen,
    Daytime,
    Hub,
    Relay,
}

impl Serve {
    pub(crate) async fn run(self, _context: &Context) -> anyhow::Result<Exit> {
        std::future::ready(Err(usage!("{:?} on {:?}", self.service, self.endpoints))).await
    }
}
