//! The command line of `watch`, and the plan that it means.

use std::ffi::OsString;

use clap::Args;
use sockeye_frame::{ByteSize, Framing};
use sockeye_net::CommandLine;
use sockeye_observe::watch::Options;
use sockeye_trace::Head;

use super::plan::Plan;
use super::sight::Sight;
use crate::context::host_name;
use crate::exit::usage;
use crate::recording::{Planned, SERVER};
use crate::values::Wait;

/// Draw what programs write, what the wire carries and what programs read, on one clock
#[derive(Args, Debug)]
pub(crate) struct Watch {
    /// The server's command line, split as a shell would and run without one; it is started first
    #[arg(long, value_name = "COMMAND", help_heading = "What to watch")]
    pub(super) server: Option<CommandLine>,
    /// The client's; it is started when the server listens, and its end ends the server
    #[arg(long, value_name = "COMMAND", help_heading = "What to watch")]
    pub(super) client: Option<CommandLine>,
    /// A program that runs already; may be given several times, or as 1,2,3
    #[arg(
        short,
        long,
        value_name = "PID",
        value_delimiter = ',',
        help_heading = "What to watch",
        conflicts_with_all = ["server", "client", "command", "isolate", "exit_status"]
    )]
    pub(super) pid: Vec<u32>,
    /// In a network of its own that ends with it: the wire can be seen without privilege, every port is free, packets are as small as on Ethernet
    #[arg(long, help_heading = "What to watch")]
    pub(super) isolate: bool,
    /// The interface to see the wire on [default: every one]
    #[arg(
        long,
        value_name = "NAME",
        help_heading = "What to watch",
        conflicts_with = "isolate"
    )]
    pub(super) interface: Option<String>,
    /// Refuse io_uring to the programs: what they do through it can be seen only in part
    #[arg(long, help_heading = "What to watch", conflicts_with = "pid")]
    pub(super) no_uring: bool,
    /// Bytes that are kept of each call and packet
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "256B",
        help_heading = "What to watch"
    )]
    pub(super) bytes: ByteSize,
    /// How the programs cut their byte streams into messages
    #[arg(long, value_name = "FRAMING", help_heading = "What to watch")]
    pub(super) frame: Option<Framing>,

    /// End the programs after this long (exit code 4)
    #[arg(long, value_name = "TIME", help_heading = "What ends when")]
    pub(super) timeout: Option<Wait>,
    /// End with the status of the client, or of the command
    #[arg(long, help_heading = "What ends when")]
    pub(super) exit_status: bool,

    #[command(flatten)]
    pub(super) sight: Sight,

    /// One program and its arguments, instead of --server and --client
    #[arg(
        last = true,
        value_name = "COMMAND",
        conflicts_with_all = ["server", "client"]
    )]
    pub(super) command: Vec<OsString>,
}

impl Watch {
    /// What it means for the process that traces. `drawn`: our terminal is drawn on, so that nobody else
    /// may read from it.
    pub(super) fn plan(&self, drawn: bool) -> anyhow::Result<Plan> {
        let programs = self.programs();
        if programs.is_empty() && self.pid.is_empty() {
            return Err(usage!(
                "nothing to watch: give --server and --client, a command behind --, or -p PID"
            ));
        }
        if self.bytes.0 > Options::PAYLOAD_MAX as u64 {
            return Err(usage!(
                "--bytes {}: no more than {} are kept of a call",
                self.bytes,
                ByteSize(Options::PAYLOAD_MAX as u64)
            ));
        }
        Ok(Plan {
            head: self.head(),
            isolate: self.isolate,
            // A server alone is no reader of what is typed.
            stdin: !drawn && programs.last().is_some_and(|last| last.role != SERVER),
            programs,
            attach: self.pid.clone(),
            payload_cap: self.bytes.0 as usize,
            uring: !self.no_uring,
            interface: self.interface.clone(),
        })
    }

    fn programs(&self) -> Vec<Planned> {
        let server = self.server.iter().map(|line| Planned::of(SERVER, line));
        let client = self.client.iter().map(|line| Planned::of("client", line));
        let command = (!self.command.is_empty()).then(|| Planned {
            role: String::new(),
            words: self.command.clone(),
        });
        server.chain(client).chain(command).collect()
    }

    fn head(&self) -> Head {
        Head {
            payload_cap: self.bytes.0,
            frame: self
                .frame
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            ..head("watch")
        }
    }
}

/// What a session of a verb says of itself before it begins.
pub(crate) fn head(verb: &str) -> Head {
    let words = std::env::args_os().skip(1);
    let words = words.map(|word| word.to_string_lossy().into_owned());
    Head {
        verb: verb.into(),
        command: std::iter::once("sockeye".to_owned()).chain(words).collect(),
        host: host_name(),
        ..Head::default()
    }
}
