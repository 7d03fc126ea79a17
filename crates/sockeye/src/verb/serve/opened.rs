//! Opening a service: all of its sockets, before anybody is served.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use sockeye_net::{Endpoint, Listener, Moment, Name, Place, SocketReport, describe_asked};
use sockeye_service::{Entrance, Server};

use super::Entry;
use super::answers::Maker;
use super::page::Listening;
use crate::context::Context;

/// A service whose sockets listen and that serves nobody yet.
pub(super) struct Opened {
    pub(super) entry: Entry,
    pub(super) server: Server,
    pub(super) sockets: Vec<Socket>,
}

/// One socket of a service.
pub(super) struct Socket {
    pub(super) asked: Endpoint,
    pub(super) local: Name,
    pub(super) entrance: Entrance,
}

impl Opened {
    /// Opens every socket of a service. An entry without endpoints takes the sockets that our parent
    /// process handed over.
    pub(super) async fn open(
        context: &Context,
        maker: &Maker<'_>,
        entry: &Entry,
    ) -> anyhow::Result<Self> {
        let recorder = context.net.recorder.clone();
        let server = Server::new(maker.make(entry).await?, entry.options()?, recorder);
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
        Ok(Self {
            entry: entry.clone(),
            server,
            sockets,
        })
    }

    /// Its sockets, for people.
    pub(super) fn listening(&self) -> impl Iterator<Item = Listening> {
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

/// The descriptor of a listener.
fn descriptor(listener: &Listener) -> Option<BorrowedFd<'_>> {
    match listener {
        Listener::Stream(listener) => Some(listener.as_fd()),
        Listener::Seqpacket(listener) => Some(listener.as_fd()),
        Listener::Secure(listener) => Some(listener.as_fd()),
        Listener::Datagram(socket) => Some(socket.as_fd()),
        Listener::Ready(link) => Some(link.as_fd()),
        _ => None,
    }
}
