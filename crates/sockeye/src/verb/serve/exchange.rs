//! The services of one process: opened together, run side by side, changed by a reload.

use anyhow::Context as _;
use sockeye_service::{Control, Summary};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::answers::Maker;
use super::opened::Opened;
use super::{Entry, notices, page};
use crate::config::Config;
use crate::context::Context;
use crate::journal::Journal;

/// A service that runs.
pub(super) struct Running {
    pub(super) entry: Entry,
    pub(super) control: Control,
    /// Ends it.
    pub(super) end: oneshot::Sender<()>,
}

/// How one service came out.
pub(super) type Ended = (String, anyhow::Result<Summary>);

/// Everything that one process serves.
pub(super) struct Exchange<'a> {
    pub(super) context: &'a Context,
    journal: &'a Journal,
    pub(super) maker: &'a Maker<'a>,
    show_socket: bool,
    pub(super) running: Vec<Running>,
    pub(super) tasks: JoinSet<Ended>,
    /// Why the first service that failed did.
    failed: Option<anyhow::Error>,
    /// What the services that have ended came to.
    total: Summary,
}

/// What is told of the sockets beside the fact that they listen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Show {
    /// Each socket's options.
    pub(super) sockets: bool,
    /// A page with what is served and what to try, in place of a line for each socket.
    pub(super) page: bool,
}

impl<'a> Exchange<'a> {
    /// Opens every socket of every service, and only then begins to serve.
    pub(super) async fn start(
        context: &'a Context,
        journal: &'a Journal,
        maker: &'a Maker<'a>,
        config: &Config,
        show: Show,
    ) -> anyhow::Result<Self> {
        let mut exchange = Self {
            context,
            journal,
            maker,
            show_socket: show.sockets,
            running: vec![],
            tasks: JoinSet::new(),
            failed: None,
            total: Summary::default(),
        };
        let opened = exchange.open_all(&config.entries).await?;
        for service in &opened {
            exchange.announce(service, show.page);
        }
        if show.page {
            let sockets: Vec<_> = opened.iter().flat_map(Opened::listening).collect();
            journal.tell(page::render(config, &sockets, context.lang()));
        }
        for service in opened {
            exchange.run(service);
        }
        Ok(exchange)
    }

    /// Says of every socket where it listens; `page` has said so already to people.
    pub(super) fn announce(&self, opened: &Opened, page: bool) {
        for socket in &opened.sockets {
            notices::listening(
                self.journal,
                self.context.lang(),
                &opened.entry,
                socket,
                page,
            );
            if opened.entry.insecure_anyone && socket.local.socket_addr().is_some() {
                notices::insecure(self.journal, self.context.lang(), &opened.entry, socket);
            }
            if opened.entry.public {
                notices::public(self.journal, self.context.lang(), &opened.entry, socket);
            }
            if self.show_socket {
                notices::socket(self.journal, self.context.lang(), socket);
            }
        }
    }

    /// Begins to serve.
    pub(super) fn run(&mut self, opened: Opened) {
        let Opened {
            entry,
            server,
            sockets,
        } = opened;
        let entrances = sockets.into_iter().map(|socket| socket.entrance).collect();
        let (end, ended) = oneshot::channel();
        let control = server.control();
        let name = entry.label();
        self.tasks.spawn(async move {
            let summary = server.run(entrances, async { drop(ended.await) }).await;
            (name, summary.map_err(Into::into))
        });
        self.running.push(Running {
            entry,
            control,
            end,
        });
    }

    /// Waits until the last service has ended by itself and all is printed. If one of them fails,
    /// the others are drained first.
    pub(super) async fn ended(&mut self) -> anyhow::Result<()> {
        while let Some(ended) = self.tasks.join_next().await {
            match self.count(ended) {
                Ok(name) => self.running.retain(|running| running.entry.label() != name),
                Err(error) => {
                    self.failed.get_or_insert(error);
                    self.end_all();
                }
            }
        }
        let printed = self.maker.flush().await;
        self.failed.take().map_or(printed, Err)
    }

    /// Adds what a service came to, and says which it was.
    pub(super) fn count(
        &mut self,
        ended: Result<Ended, tokio::task::JoinError>,
    ) -> anyhow::Result<String> {
        let (name, summary) = ended.context("a service ended")?;
        let summary = summary.with_context(|| format!("service {name}"))?;
        self.total.accepted += summary.accepted;
        self.total.refused += summary.refused;
        self.total.read_bytes += summary.read_bytes;
        self.total.written_bytes += summary.written_bytes;
        self.total.read_messages += summary.read_messages;
        self.total.written_messages += summary.written_messages;
        Ok(name)
    }

    /// Connections that are open.
    pub(super) fn open(&self) -> usize {
        self.running
            .iter()
            .map(|running| running.control.open())
            .sum()
    }

    /// What the services that have ended came to.
    pub(super) fn total(&self) -> Summary {
        self.total
    }

    /// Closes every listener and waits until all that is being sent has been sent.
    pub(super) async fn drain(&mut self) -> anyhow::Result<()> {
        self.end_all();
        self.ended().await
    }

    fn end_all(&mut self) {
        for running in self.running.drain(..) {
            // One that has ended by itself does not listen any more.
            let _ = running.end.send(());
        }
    }
}
