//! `sockeye serve`: services on endpoints, until interrupted.

mod answers;
mod chat;
mod clustered;
mod commands;
mod door;
mod entry;
mod exchange;
mod guests;
mod notices;
mod opened;
mod page;
mod reload;
mod shared_folder;

use std::path::PathBuf;

use clap::Args;

use answers::Maker;
pub(crate) use chat::store as chat_store;
pub(crate) use entry::{Entry, Service};
use exchange::{Exchange, Show};

use crate::catalogue::Lang;
use crate::config::Config;
use crate::context::Context;
use crate::exit::{Exit, Interrupted, unless_closed, usage};
use crate::journal::{Journal, Target, TraceFlags, View};
use crate::runtime_dir;
use crate::signals::{Asked, Signals};
use crate::supervisor::Supervisor;
use crate::ui::write_stdout;
use crate::verb::options;
use crate::words;

/// Where a service listens if nobody says: a free port of this machine.
const ANYWHERE: &str = ":0";

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
    #[command(flatten)]
    trace: TraceFlags,
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
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        if let Some(list) = options::list(&self.entry.option, context.lang()) {
            write_stdout(list.as_bytes())?;
            return Ok(Exit::Done);
        }
        let config = self.config(!context.net.inherited.is_empty())?;
        // From here on a signal waits for us: none is lost between binding and serving.
        let signals = Signals::listen()?;
        let journal = Journal::start(
            &context.net.recorder,
            context.ui,
            self.view(context, &config),
        )?;
        let result = self.serve(context, &journal, &config, signals).await;
        if let Err(error) = &result {
            journal.error(error);
        }
        let told = journal.finish();
        result.and_then(|exit| told.map(|()| exit))
    }

    /// What to serve: the service that was asked for, or the exchange. A service without an endpoint
    /// takes the sockets that our parent process `handed` over.
    fn config(&self, handed: bool) -> anyhow::Result<Config> {
        let Some(service) = self.service else {
            if self.entry != Entry::default() {
                return Err(usage!(
                    "these flags need a service; the exchange has its config"
                ));
            }
            return Config::load(self.config.as_deref());
        };
        let mut endpoints = words::endpoints(&self.endpoints)?;
        if endpoints.is_empty() && !handed {
            endpoints.push(match service {
                // A port would be for strangers.
                Service::Exec | Service::Files => runtime_dir::endpoint(&service.name())?,
                _ => ANYWHERE.parse()?,
            });
        }
        if self.json && service == Service::Print {
            return Err(usage!(
                "print writes to standard output itself; use --events instead"
            ));
        }
        let entry = Entry {
            service: Some(service),
            endpoints,
            ..self.entry.clone()
        };
        entry.check()?;
        Ok(Config {
            path: None,
            entries: vec![entry],
        })
    }

    fn view(&self, context: &Context, config: &Config) -> View {
        let json = self.json.then_some(Target::Stdout);
        let frame = self.entry.frame.as_ref().map(ToString::to_string);
        View {
            log: !context.global.quiet && !self.json,
            json: json.or_else(|| self.events.clone()),
            show: self.show,
            ansi: self.ansi,
            verbose: context.global.verbose > 0,
            encoding: config.charset(),
            trace: self.trace.plan("serve", frame),
        }
    }

    async fn serve(
        &self,
        context: &Context,
        journal: &Journal,
        config: &Config,
        mut signals: Signals,
    ) -> anyhow::Result<Exit> {
        let supervisor = Supervisor::from_env();
        let show = Show {
            sockets: self.show_socket,
            page: self.service.is_none(),
        };
        let maker = Maker::new(context, self.ansi);
        let mut exchange = tokio::select! {
            started = Exchange::start(context, journal, &maker, config, show) => started?,
            // A name can take long to resolve.
            Asked::End(signal) = signals.next() => return Err(Interrupted(signal).into()),
        };
        let path = config.path.as_ref().map(|path| path.display().to_string());
        notices::ready(journal, config.entries.len(), path.as_deref());
        supervisor.ready();
        self.until_asked_to_end(context, journal, &mut exchange, &mut signals, &supervisor)
            .await?;
        supervisor.stopping();
        drain(&mut exchange, &mut signals).await?;
        notices::stopped(journal, context.lang(), &exchange.total());
        Ok(Exit::Done)
    }

    /// Serves until a signal asks for the end, until nobody reads our output any more (so pipelines
    /// end), or until every service has ended by itself.
    async fn until_asked_to_end(
        &self,
        context: &Context,
        journal: &Journal,
        exchange: &mut Exchange<'_>,
        signals: &mut Signals,
        supervisor: &Supervisor,
    ) -> anyhow::Result<()> {
        loop {
            let maker = exchange.maker;
            tokio::select! {
                ended = exchange.ended() => return ended,
                pinned = context.net.trust.pinned() => notices::pinned(journal, context, &pinned),
                why = journal.unread() => return unless_closed(why),
                why = maker.unread() => return unless_closed(why),
                asked = signals.next() => {
                    if asked != Asked::Reload || self.service.is_some() || context.ui.hung_up() {
                        notices::draining(journal, context.lang(), exchange.open());
                        return Ok(());
                    }
                    supervisor.reloading();
                    self.reload(exchange, journal, context.lang()).await;
                    supervisor.ready();
                }
            }
        }
    }

    /// Serves what the config says now; a bad one changes nothing.
    async fn reload(&self, exchange: &mut Exchange<'_>, journal: &Journal, lang: Lang) {
        let changes = match Config::load(self.config.as_deref()) {
            Ok(config) => exchange.reload(&config).await,
            Err(error) => Err(error),
        };
        match changes {
            Ok(changes) => notices::reloaded(journal, lang, &changes),
            Err(error) => notices::reload_failed(journal, lang, &error),
        }
    }
}

/// Lets everybody finish, unless a second signal says not to.
async fn drain(exchange: &mut Exchange<'_>, signals: &mut Signals) -> anyhow::Result<()> {
    let impatient = async {
        loop {
            if let Asked::End(signal) = signals.next().await {
                return signal;
            }
        }
    };
    tokio::select! {
        drained = exchange.drain() => drained,
        signal = impatient => Err(Interrupted(signal).into()),
    }
}
