//! The services of one process: opened together, run side by side, changed by a reload.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use anyhow::Context as _;
use sockeye_net::{Endpoint, Listener, Moment, Name, Place, SocketReport, describe_asked};
use sockeye_service::{Control, Entrance, Server, Summary};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::answers::Maker;
use super::page::{self, Listening};
use super::{Entry, notices};
use crate::config::Config;
use crate::context::Context;
use crate::journal::Journal;

/// A service whose sockets listen and that serves nobody yet.
struct Opened {
    entry: Entry,
    server: Server,
    sockets: Vec<Socket>,
}

/// One socket of a service.
pub(super) struct Socket {
    pub(super) asked: Endpoint,
    pub(super) local: Name,
    pub(super) entrance: Entrance,
}

/// A service that runs.
struct Running {
    entry: Entry,
    control: Control,
    /// Ends it.
    end: oneshot::Sender<()>,
}

/// How one service came out.
type Ended = (String, anyhow::Result<Summary>);

/// Everything that one process serves.
pub(super) struct Exchange<'a> {
    context: &'a Context,
    journal: &'a Journal,
    maker: &'a Maker<'a>,
    show_socket: bool,
    running: Vec<Running>,
    tasks: JoinSet<Ended>,
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

/// What a reload changed: names of services.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) added: Vec<String>,
    pub(super) removed: Vec<String>,
    pub(super) changed: Vec<String>,
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
        let mut opened = vec![];
        for entry in &config.entries {
            opened.push(open(context, maker, entry).await?);
        }
        let mut exchange = Self {
            context,
            journal,
            maker,
            show_socket: show.sockets,
            running: vec![],
            tasks: JoinSet::new(),
            total: Summary::default(),
        };
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
    fn announce(&self, opened: &Opened, page: bool) {
        for socket in &opened.sockets {
            notices::listening(
                self.journal,
                self.context.lang(),
                &opened.entry,
                socket,
                page,
            );
            if self.show_socket {
                notices::socket(self.journal, self.context.lang(), socket);
            }
        }
    }

    /// Begins to serve.
    fn run(&mut self, opened: Opened) {
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

    /// Waits until the last service has ended by itself and all is printed, or one of them failed.
    pub(super) async fn ended(&mut self) -> anyhow::Result<()> {
        while let Some(ended) = self.tasks.join_next().await {
            let name = self.count(ended)?;
            self.running.retain(|running| running.entry.label() != name);
        }
        self.maker.flush().await;
        Ok(())
    }

    /// Adds what a service came to, and says which it was.
    fn count(&mut self, ended: Result<Ended, tokio::task::JoinError>) -> anyhow::Result<String> {
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

    /// What makes the answers of its services.
    pub(super) fn maker(&self) -> &'a Maker<'a> {
        self.maker
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
        for running in self.running.drain(..) {
            // One that has ended by itself does not listen any more.
            let _ = running.end.send(());
        }
        self.ended().await
    }

    /// Serves what the new config says. What it leaves alone goes on undisturbed; if one of its
    /// sockets cannot be opened, the old services listen again.
    pub(super) async fn reload(&mut self, config: &Config) -> anyhow::Result<Changes> {
        let mut changes = Changes::default();
        let mut fresh = vec![];
        for entry in &config.entries {
            // All of the config is checked before anything changes.
            let options = entry.options()?;
            self.maker.make(entry)?;
            match self
                .running
                .iter_mut()
                .find(|old| old.entry.label() == entry.label())
            {
                Some(old) if old.entry == *entry => {}
                Some(old) if old.entry.serves_as(entry) => {
                    old.control.reload(options);
                    old.entry = entry.clone();
                    changes.changed.push(entry.label());
                }
                Some(_) => {
                    changes.changed.push(entry.label());
                    fresh.push(entry.clone());
                }
                None => {
                    changes.added.push(entry.label());
                    fresh.push(entry.clone());
                }
            }
        }
        let stays = |old: &Running| config.entries.contains(&old.entry);
        let (kept, gone) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(stays);
        self.running = kept;
        let gone = self.end(gone).await?;
        let names = gone.iter().map(Entry::label);
        changes.removed = names
            .filter(|name| !changes.changed.contains(name))
            .collect();
        self.replace(fresh, gone).await?;
        Ok(changes)
    }

    /// Ends services and waits until their sockets are free.
    async fn end(&mut self, services: Vec<Running>) -> anyhow::Result<Vec<Entry>> {
        let mut left: Vec<String> = services.iter().map(|old| old.entry.label()).collect();
        let mut entries = vec![];
        for Running { entry, end, .. } in services {
            let _ = end.send(());
            entries.push(entry);
        }
        while !left.is_empty() {
            let Some(ended) = self.tasks.join_next().await else {
                break;
            };
            let name = self.count(ended)?;
            left.retain(|other| *other != name);
        }
        Ok(entries)
    }

    /// Opens `fresh` services, or if that fails the `gone` ones again.
    async fn replace(&mut self, fresh: Vec<Entry>, gone: Vec<Entry>) -> anyhow::Result<()> {
        let mut opened = vec![];
        for entry in &fresh {
            match open(self.context, self.maker, entry).await {
                Ok(service) => opened.push(service),
                Err(error) => {
                    drop(opened);
                    for entry in &gone {
                        let again = open(self.context, self.maker, entry).await?;
                        self.announce(&again, false);
                        self.run(again);
                    }
                    return Err(error);
                }
            }
        }
        for service in opened {
            self.announce(&service, false);
            self.run(service);
        }
        Ok(())
    }
}

impl Socket {
    fn new(asked: Endpoint, listener: Listener) -> anyhow::Result<Self> {
        let local = listener.local()?;
        let framing = asked.settings.framing().cloned();
        Ok(Self {
            asked,
            local,
            entrance: Entrance { listener, framing },
        })
    }

    /// All that the kernel tells of it.
    pub(super) fn report(&self) -> Option<SocketReport> {
        let fd = descriptor(&self.entrance.listener)?;
        let Endpoint { place, settings } = &self.asked;
        describe_asked(fd, settings, place.scheme(), Moment::Listen).ok()
    }
}

impl Opened {
    fn listening(&self) -> impl Iterator<Item = Listening> {
        self.sockets.iter().filter_map(|socket| {
            let service = self.entry.service?;
            Some(Listening {
                name: self.entry.label(),
                service,
                local: socket.local.clone(),
            })
        })
    }
}

/// Opens every socket of a service.
async fn open(context: &Context, maker: &Maker<'_>, entry: &Entry) -> anyhow::Result<Opened> {
    let recorder = context.net.recorder.clone();
    let server = Server::new(maker.make(entry)?, entry.options()?, recorder);
    let mut sockets = vec![];
    let endpoints = entry.with_options()?;
    if endpoints.is_empty() {
        for listener in sockeye_net::listen_inherited(&context.net)? {
            let asked = Place::Fd(descriptor(&listener).map_or(-1, |fd| fd.as_raw_fd()));
            sockets.push(Socket::new(asked.into(), listener)?);
        }
    }
    for asked in endpoints {
        for listener in sockeye_net::listen(&context.net, &asked).await? {
            sockets.push(Socket::new(asked.clone(), listener)?);
        }
    }
    Ok(Opened {
        entry: entry.clone(),
        server,
        sockets,
    })
}

/// The descriptor of a listener.
fn descriptor(listener: &Listener) -> Option<BorrowedFd<'_>> {
    match listener {
        Listener::Stream(listener) => Some(listener.as_fd()),
        Listener::Seqpacket(listener) => Some(listener.as_fd()),
        Listener::Datagram(socket) => Some(socket.as_fd()),
        Listener::Ready(link) => Some(link.as_fd()),
        _ => None,
    }
}
