//! The server: accepts, drives every connection, keeps the limits, drains.

mod accept;
mod allow;
mod census;
mod conversing;
mod datagram;
mod host;
mod lent;
mod link;
mod options;
mod pause;
mod reason;
mod service;
mod stream;
mod timer;

use std::future::Future;
use std::io;
use std::sync::Arc;

use sockeye_frame::Framing;
use sockeye_net::Listener;
use sockeye_trace::Recorder;
use thiserror::Error;
use tokio::task::JoinSet;

use accept::{Caller, Door};
use datagram::DatagramDriver;

pub(crate) use accept::drive;
pub(crate) use census::Stage;
pub(crate) use host::Host;
pub(crate) use lent::lend;
pub use timer::Timer;
pub(crate) use timer::after;

pub use allow::{Cidr, CidrError};
pub use host::Summary;
pub use options::{
    DRAIN_TIMEOUT, FRAME_TIMEOUT, LINGER_BYTES, LINGER_TIMEOUT, MAX_CONNECTIONS, Options,
};
pub use service::Service;
use service::Serving;

/// One service on any number of listeners.
pub struct Server {
    service: Service,
    host: Arc<Host>,
}

/// A way in: a listener, and the framing that its endpoint asks for.
#[derive(Debug)]
pub struct Entrance {
    /// Where peers come from.
    pub listener: Listener,
    /// How their bytes are cut into messages, where the endpoint says so (`?frame=`).
    pub framing: Option<Framing>,
}

impl From<Listener> for Entrance {
    fn from(listener: Listener) -> Self {
        Self {
            listener,
            framing: None,
        }
    }
}

/// Speaks to a server that runs.
#[derive(Clone, Debug)]
pub struct Control {
    host: Arc<Host>,
}

impl Control {
    /// Treats peers that come from now on in another way; those who are connected keep theirs.
    pub fn reload(&self, options: Options) {
        self.host.set_options(options);
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.host.census.count()
    }
}

/// Why a server ended before it was asked to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// A socket broke that serves many peers.
    #[error("the socket {local} broke")]
    Socket {
        /// Its name.
        local: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A listener of a kind that no service runs on.
    #[error("no service runs on {listener}")]
    Unfit {
        /// What it is.
        listener: String,
    },
}

impl Server {
    /// A server of this service that treats its peers so.
    pub fn new(service: impl Into<Service>, options: Options, recorder: Recorder) -> Self {
        Self {
            service: service.into(),
            host: Arc::new(Host::new(options, recorder)),
        }
    }

    /// Speaks to the server while it runs.
    pub fn control(&self) -> Control {
        Control {
            host: Arc::clone(&self.host),
        }
    }

    /// Serves until `drain` is ready or until there is nobody left who could come, and then until
    /// everybody has what is being sent to him, at most [`Options::drain_timeout`] long.
    ///
    /// The listeners are closed, ports and socket files free, as soon as draining begins.
    ///
    /// # Errors
    /// When a socket breaks that serves many peers; everybody else is drained first.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn run(
        self,
        entrances: Vec<Entrance>,
        drain: impl Future<Output = ()>,
    ) -> Result<Summary, ServeError> {
        let Self { service, host } = self;
        let mut tasks = Tasks::default();
        let mut broken = None;
        for entrance in entrances {
            broken = broken.or(tasks.enter(entrance, &service, &host).err());
        }
        if broken.is_none() {
            tokio::select! {
                error = tasks.until_over(&host) => broken = error,
                () = drain => {}
            }
        }
        tasks.accepting.shutdown().await;
        host.census.announce(Stage::Draining);
        let limit = host.options().drain_timeout;
        if tokio::time::timeout(limit, host.census.empty())
            .await
            .is_err()
        {
            host.census.announce(Stage::Over);
            host.census.empty().await;
        }
        broken.map_or_else(|| Ok(host.summary()), Err)
    }
}

/// What serves the entrances.
#[derive(Default)]
struct Tasks {
    /// End when they are told to.
    accepting: JoinSet<()>,
    /// Sockets that serve many peers; they end by themselves.
    sockets: JoinSet<Result<(), ServeError>>,
}

impl Tasks {
    fn enter(
        &mut self,
        entrance: Entrance,
        service: &Service,
        host: &Arc<Host>,
    ) -> Result<(), ServeError> {
        let Entrance { listener, framing } = entrance;
        let service = service.within(host, &listener, framing.as_ref());
        let host = Arc::clone(host);
        let door = match listener {
            Listener::Stream(listener) => Door::Stream(listener),
            Listener::Seqpacket(listener) => Door::Seqpacket(listener),
            Listener::Secure(listener) => Door::Secure(listener),
            Listener::Ready(link) => {
                accept::hold(Caller::Link(link), framing.as_ref(), &service, &host);
                return Ok(());
            }
            Listener::Datagram(socket) => {
                let local = socket.local().to_string();
                let Serving::Responders(service) = service else {
                    return Err(ServeError::Unfit { listener: local });
                };
                let broken = |source| ServeError::Socket { local, source };
                let options = host.options();
                let place = host.census.enter_socket();
                match DatagramDriver::new(socket, service, host, options, place) {
                    Ok(driver) => {
                        self.sockets.spawn(async { driver.await.map_err(broken) });
                    }
                    Err(error) => return Err(broken(error)),
                }
                return Ok(());
            }
            other => {
                return Err(ServeError::Unfit {
                    listener: format!("{other:?}"),
                });
            }
        };
        self.accepting
            .spawn(accept::accept(door, framing, service, host));
        Ok(())
    }

    /// Waits until nobody is left who could come, or until a socket breaks.
    async fn until_over(&mut self, host: &Host) -> Option<ServeError> {
        let mut taken = false;
        while !(self.accepting.is_empty() && self.sockets.is_empty()) {
            tokio::select! {
                Some(_) = self.accepting.join_next() => {}
                Some(ended) = self.sockets.join_next() => match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return Some(error),
                    Err(panic) => std::panic::resume_unwind(panic.into_panic()),
                },
                () = host.until_one_came(), if !taken => {
                    taken = true;
                    self.accepting.shutdown().await;
                }
            }
        }
        host.census.empty().await;
        None
    }
}
