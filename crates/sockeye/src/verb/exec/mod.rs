//! `sockeye exec`: runs a command on another machine, or on many.

mod command;
mod guide;
mod input;
mod job;
mod many;
mod one;
mod output;
mod screen;
mod signals;
mod terminal;

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::num::NonZeroUsize;

use clap::{ArgAction, Args};
use sockeye_net::Endpoint;
use sockeye_service::exec::Output;

use crate::context::Context;
use crate::exit::{Exit, usage};
use crate::journal::{Journal, Target, TraceFlags, View};
use crate::values::{Charset, Count, Wait};
use crate::words;
use output::Style;

/// How many hosts run at once unless `--parallel` says otherwise.
const PARALLEL: Count = Count(NonZeroUsize::new(16).unwrap());

/// Run a command on another machine, or on many
#[derive(Args, Debug)]
pub(crate) struct Exec {
    /// Where the command runs: tls://HOST:PORT, quic://HOST:PORT, unix:PATH
    #[arg(value_name = "ENDPOINT")]
    words: Vec<String>,
    /// The command and its arguments, which get there exactly as they are
    #[arg(value_name = "CMD", last = true)]
    command: Vec<OsString>,
    /// CMD is one line for the shell there
    #[arg(long)]
    shell: bool,
    /// Start it in this folder there
    #[arg(long, value_name = "FOLDER")]
    cwd: Option<OsString>,
    /// Set a variable of its environment; NAME alone takes the value that it has here
    #[arg(long, value_name = "NAME=VALUE", action = ArgAction::Append)]
    env: Vec<OsString>,
    /// End it when it has run for so long
    #[arg(long, value_name = "TIME")]
    timeout: Option<Wait>,
    /// Give it an empty input and leave ours alone
    #[arg(short = 'n', long)]
    no_stdin: bool,
    /// Give it a terminal, which is ours: for programs that are used by hand
    #[arg(short = 't', long, conflicts_with_all = ["no_stdin", "host"])]
    tty: bool,
    /// Encoding of its text, where a terminal is at our end: utf-8, gbk, big5, …
    #[arg(long, value_name = "NAME")]
    encoding: Option<Charset>,
    /// Options of the socket, as in an endpoint's query: -o connect-timeout=2s
    #[arg(short, long = "option", value_name = "NAME=VALUE", action = ArgAction::Append)]
    option: Vec<String>,

    /// Run it on this host too; repeat it for each. No input; each line stands behind its host
    #[arg(long, value_name = "ENDPOINT", action = ArgAction::Append, help_heading = HOSTS)]
    host: Vec<String>,
    /// Run it on at most so many hosts at once [default: 16]
    #[arg(long, value_name = "COUNT", requires = "host", help_heading = HOSTS)]
    parallel: Option<Count>,

    /// Let control characters in its output through to the terminal
    #[arg(long, help_heading = "What to see")]
    ansi: bool,
    /// Write events to a file, or to an open descriptor: fd:N (docs/events.md)
    #[arg(long, value_name = "FILE", help_heading = "What to see")]
    events: Option<Target>,
    #[command(flatten)]
    trace: TraceFlags,
}

const HOSTS: &str = "Several hosts";

/// Where the command runs.
#[derive(Clone, Debug)]
struct Host {
    /// As it was written.
    name: String,
    endpoint: Endpoint,
}

impl Exec {
    /// Whether one task does everything. A QUIC connection is driven by tasks of its own.
    pub(crate) fn is_one_task(&self) -> bool {
        let mut places = self.words.iter().chain(&self.host);
        !places.any(|place| place.starts_with("quic:"))
    }

    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let hosts = self.hosts()?;
        if self.command.is_empty() {
            return Err(usage!(
                "no command: it stands behind `--`, as in sockeye exec ENDPOINT -- CMD"
            ));
        }
        let journal = Journal::start(&context.net.recorder, context.ui, self.view(context))?;
        let result = match &hosts[..] {
            [host] if self.host.is_empty() => one::run(&self, context, &journal, host).await,
            hosts => many::run(&self, context, &journal, hosts).await,
        };
        if let Err(error) = &result {
            journal.error(error);
        }
        let told = journal.finish();
        result.and_then(|exit| told.map(|()| exit))
    }

    /// The hosts, with the options of `-o`.
    fn hosts(&self) -> anyhow::Result<Vec<Host>> {
        let mut hosts = vec![];
        if let Some((endpoint, taken)) = words::first(&self.words)? {
            if let Some(word) = self.words.get(taken) {
                return Err(usage!(
                    "'{word}' is one word too many: the command stands behind `--`, further hosts \
                     behind --host"
                ));
            }
            let name = self.words.join(":");
            hosts.push(Host { name, endpoint });
        }
        for name in &self.host {
            let read = words::first(std::slice::from_ref(name))?;
            let (endpoint, _) = read.ok_or_else(|| usage!("--host needs an endpoint"))?;
            let name = name.clone();
            hosts.push(Host { name, endpoint });
        }
        if hosts.is_empty() {
            return Err(usage!(
                "nowhere to run it: write tls://HOST:PORT, quic://HOST:PORT or unix:PATH before `--`"
            ));
        }
        for host in &mut hosts {
            let scheme = host.endpoint.place.scheme();
            for option in &self.option {
                host.endpoint.settings.set(option, scheme)?;
            }
        }
        Ok(hosts)
    }

    fn view(&self, context: &Context) -> View {
        View {
            log: context.global.verbose > 0,
            json: self.events.clone(),
            show: false,
            ansi: false,
            verbose: context.global.verbose > 0,
            encoding: self.encoding.unwrap_or_default().0,
            trace: self.trace.plan("exec", None),
        }
    }

    /// How what the command prints becomes what we write.
    fn style(&self, stream: Output) -> Style {
        let is_terminal = match stream {
            Output::Stdout => std::io::stdout().is_terminal(),
            Output::Stderr => std::io::stderr().is_terminal(),
        };
        let charset = self.encoding.unwrap_or_default();
        match (is_terminal, self.tty) {
            (false, _) => Style::Exact,
            (true, true) if charset == Charset::default() => Style::Exact,
            (true, true) => Style::decoded(charset.0),
            (true, false) => Style::text(charset.0, self.ansi),
        }
    }
}
