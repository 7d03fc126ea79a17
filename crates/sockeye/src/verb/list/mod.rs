//! `sockeye list`: the sockets of this machine, as the kernel sees them.

mod bars;
mod cells;
mod details;
mod filter;
mod grid;
mod json;
mod live;
mod order;
mod pairs;
mod snapshot;
mod summary;
mod table;

use std::io::{IsTerminal, stdout};

use clap::Args;
use rustix::termios::tcgetwinsize;
use sockeye_observe::sockets::Diag;
use sockeye_service::Cidr;

use crate::catalogue::list as text;
use crate::context::Context;
use crate::exit::{Exit, usage};
use crate::ui::write_stdout;
use crate::values::Wait;
use filter::StateNames;
use order::Sort;
use snapshot::{Snapshot, Wanted};

/// List sockets: state, queues, addresses, programs
#[derive(Args, Debug)]
#[command(next_help_heading = "Which sockets")]
pub(crate) struct List {
    /// TCP, MPTCP included (without any of these five: all)
    #[arg(short, long)]
    tcp: bool,
    /// UDP
    #[arg(short, long)]
    udp: bool,
    /// Unix: stream, dgram, seqpacket
    #[arg(short = 'x', long)]
    unix: bool,
    /// Raw IP
    #[arg(short = 'w', long)]
    raw: bool,
    /// Packet sockets, as tcpdump has one
    #[arg(long)]
    packet: bool,
    /// Only those that take connections
    #[arg(short, long)]
    listening: bool,
    /// With this port at either end; again, or with commas, for more
    #[arg(long, value_name = "PORT", value_delimiter = ',')]
    port: Vec<u16>,
    /// In this state: listen, established, time-wait …, as ss(8), netstat(8) or RFC 9293 write it
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    state: Vec<StateNames>,
    /// Of programs whose name begins so
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    program: Vec<String>,
    /// Of this process
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    pid: Vec<u32>,
    /// Of this user, by name or number
    #[arg(
        long,
        visible_alias = "uid",
        value_name = "USER",
        value_delimiter = ','
    )]
    user: Vec<String>,
    /// With an address in this range at either end: 10.0.0.0/8, ::1
    #[arg(long, value_name = "RANGE", value_delimiter = ',')]
    host: Vec<Cidr>,
    /// Put both ends of a connection of this machine on one line
    #[arg(long, help_heading = "What to see", conflicts_with_all = ["summary", "live", "json"])]
    pairs: bool,
    /// Below each socket: its buffers as bars, its timer, what TCP knows of the connection
    #[arg(short, long, help_heading = "What to see", conflicts_with_all = ["summary", "pairs"])]
    details: bool,
    /// Only count, by kind and state
    #[arg(short, long, help_heading = "What to see")]
    summary: bool,
    /// Look for no programs, which takes most of the time
    #[arg(long, help_heading = "What to see", conflicts_with_all = ["program", "pid"])]
    no_program: bool,
    /// Order by local, remote, port, state, recv-q, send-q, memory, rtt, cwnd, retransmits, sent,
    /// received, timer, user, program or pid; with :desc the largest first
    #[arg(long, help_heading = "What to see", value_name = "KEY")]
    sort: Option<Sort>,
    /// Look again and again; on a terminal as a screen to sort, filter and follow
    #[arg(long, help_heading = "What to see", value_name = "INTERVAL", num_args = 0..=1,
        default_missing_value = "1s")]
    live: Option<Wait>,
    /// Write JSON Lines (docs/events.md)
    #[arg(long, help_heading = "What to see")]
    json: bool,
    /// End with exit code 3 if nothing is listed
    #[arg(long, help_heading = "What to see", conflicts_with = "live")]
    check: bool,
}

impl List {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let mut diag = Diag::open().map_err(|error| usage!("{}", chained(&error)))?;
        let wanted = self.wanted(context)?;
        if let Some(Wait(interval)) = self.live {
            return live::run(&self, context, &mut diag, &wanted, interval).await;
        }
        let snapshot = Snapshot::take(&mut diag, &wanted, context.net.recorder.now());
        let mut out = String::new();
        self.report(&snapshot, context, &mut out);
        write_stdout(out.as_bytes())?;
        self.remarks(&snapshot, context);
        let is_empty = snapshot.shown.is_empty();
        Ok(if self.check && is_empty {
            Exit::Check
        } else {
            Exit::Done
        })
    }

    /// Everything that standard output gets of one look.
    fn report(&self, snapshot: &Snapshot, context: &Context, out: &mut String) {
        let lang = context.lang();
        if self.json && self.summary {
            json::summary(snapshot, out);
        } else if self.json {
            json::sockets(snapshot, out);
        } else if self.summary {
            summary::write(snapshot, lang, out);
        } else if self.pairs {
            pairs::write(snapshot, lang, width(), out);
        } else {
            table::write(snapshot, lang, width(), self.details, out);
        }
    }

    /// What was not seen, for people.
    fn remarks(&self, snapshot: &Snapshot, context: &Context) {
        if context.global.quiet || self.json {
            return;
        }
        snapshot
            .remarks(context.lang())
            .iter()
            .for_each(|remark| context.ui.say(remark));
    }

    fn wanted(&self, context: &Context) -> anyhow::Result<Wanted> {
        // What the flags leave open decides what has to be asked for.
        let is_wide = width().is_some_and(|width| width > table::NARROW);
        let sorts_by_details = self.sort.is_some_and(Sort::needs_details);
        let is_rich = self.details || self.json || self.live.is_some() || sorts_by_details;
        Wanted::new(
            self,
            context.global.ipv4,
            context.global.ipv6,
            is_rich || is_wide,
        )
    }
}

/// The width of the terminal that standard output is; none if it is none.
fn width() -> Option<usize> {
    if !stdout().is_terminal() {
        return None;
    }
    let size = tcgetwinsize(stdout()).ok();
    let columns = size.map(|size| usize::from(size.ws_col));
    // What a terminal is that does not know its size (VT100).
    Some(columns.filter(|columns| *columns > 0).unwrap_or(80))
}

/// An error with its causes on one line.
fn chained(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
