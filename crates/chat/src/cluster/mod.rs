//! Several servers as one, through NATS `JetStream`.
//!
//! ```text
//!  World ── drafts ──▶ publish ── pages ──▶ stream ──▶ read ── entries ──▶ history here, then World
//!    │                                      (NATS)                          on every server alike
//!    ├── who looks how ──▶ presence ──▶ bucket of members ──▶ presence ──▶ World of every other
//!    └── a nick ──▶ names ──▶ bucket of nicks: the first to create the key has it
//!                  lease ──▶ bucket of leases: NATS forgets those that are not renewed
//! ```
//!
//! What holds:
//!
//! - What its author was told to be kept is in the stream, and every server reads the stream in one
//!   order. `publish` says why nothing is in it twice, and what is said of what nobody knows.
//! - A server keeps what it reads in its own history before anybody hears it, and begins by reading
//!   what it has missed. If its history is lost it is made again from the stream.
//! - A nick has one holder. It comes free when its holder quits, when the lease of his server ends,
//!   or at once for the owner of the account of that name.
//! - While NATS is away nothing is kept and nothing is lost: whoever says something is told so.
//!
//! What does not cross servers in one order with what is said: who is in which room. Somebody may
//! be heard in a room a moment before he is seen to come.

mod credentials;
mod error;
mod lease;
mod link;
mod names;
mod page;
mod presence;
mod publish;
mod read;
mod streams;

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

pub use credentials::Credentials;
pub use error::ClusterError;
pub use link::check_place;
pub use publish::{QUEUE_BYTES, QUEUE_DRAFTS};

use crate::log::{Draft, Entry, Follower, Log};
use crate::world::{Claimed, MemberId, Neighbours, Seen, World};
use link::Link;
use streams::Streams;

/// How long NATS knows of a server that has fallen silent.
pub const LEASE: Duration = Duration::from_secs(10);

/// How long what was said waits for NATS before it is refused.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How long a server looks for NATS when it starts.
pub const START_WITHIN: Duration = Duration::from_secs(10);

/// How long a server that ends waits for what it has still to tell.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);

/// Where the other servers are.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// Where NATS is: `nats://HOST:PORT`, or `tls://HOST:PORT`.
    pub place: String,
    /// What it wants to see.
    pub credentials: Credentials,
    /// What all servers together are called; several networks can share a NATS.
    pub network: String,
    /// What this one is called; no two may have the same name.
    pub server_name: String,
    /// How long what is said stays in the stream; for ever if it is not said.
    pub retention: Option<Duration>,
    /// How many servers of NATS keep it.
    pub replicas: usize,
    /// How long NATS knows of a server that has fallen silent.
    pub lease: Duration,
    /// How long what was said waits for NATS before it is refused.
    pub patience: Duration,
    /// How long this server looks for NATS when it starts.
    pub start_within: Duration,
}

impl ClusterOptions {
    /// With everything else as usual.
    pub fn new(place: &str, network: &str, server_name: &str) -> Self {
        Self {
            place: place.to_owned(),
            credentials: Credentials::None,
            network: network.to_owned(),
            server_name: server_name.to_owned(),
            retention: None,
            replicas: 1,
            lease: LEASE,
            patience: PATIENCE,
            start_within: START_WITHIN,
        }
    }
}

/// Where what all have said is kept on this server.
pub trait Cache: Send + Sync {
    /// Keeps entries that others may have given their places; those it knows stay as they are.
    fn keep(&self, entries: &[Entry]) -> Result<(), String>;
    /// The place and the time of the last one; 0 if there is none.
    fn last(&self) -> (u64, u64);
    /// Which stream it is a copy of, if of any.
    fn origin(&self) -> Result<Option<String>, String>;
    /// It is a copy of this one from now on; said before anything of it is kept.
    fn set_origin(&self, origin: &str) -> Result<(), String>;
}

/// The chat that hears of what other servers do.
pub trait Town: Follower {
    /// Lets something happen in the world, in a turn of its own.
    fn turn(&self, act: &mut dyn FnMut(&mut World));
}

/// This server as one of several.
#[derive(Debug)]
pub struct Cluster {
    shared: Arc<Shared>,
    /// How far the stream was read, until somebody follows it.
    reading: Mutex<Option<read::Reading>>,
    whole: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
}

/// What everything here needs.
#[derive(Debug)]
struct Shared {
    options: ClusterOptions,
    /// Drawn at random: no two runs are ever taken for one.
    run: u64,
    link: Link,
    streams: Streams,
    publisher: publish::Publisher,
    names: names::Names,
    outgoing: presence::Outgoing,
    leases: lease::Leases,
}

impl Shared {
    /// Whether a run of a server lives.
    async fn is_alive(&self, run: u64) -> Result<bool, String> {
        lease::is_alive(self, run).await
    }

    /// A history of something else is never mixed with the stream.
    fn check_origin(&self, cache: &dyn Cache) -> Result<(), ClusterError> {
        let info = self.streams.chat.cached_info();
        let stream = &info.config.name;
        let made = info.created.unix_timestamp_nanos();
        let origin = format!("{stream} made {made}");
        let known = cache.origin().map_err(ClusterError::Cache)?;
        let is_empty = cache.last().0 == 0;
        if is_empty || known.is_none() {
            if !is_empty {
                return Err(ClusterError::Alone);
            }
            return cache.set_origin(&origin).map_err(ClusterError::Cache);
        }
        if known.is_some_and(|known| known != origin) {
            return Err(ClusterError::OtherStream {
                stream: stream.clone(),
            });
        }
        Ok(())
    }

    fn met(&self, run: u64, server: &str) {
        self.leases.met(run, server);
    }
}

impl Cluster {
    /// Connects to NATS, makes what is not there, and keeps in `cache` what was said while this
    /// server was away. Nobody is told anything before [`follow`](Self::follow).
    pub async fn connect(
        options: ClusterOptions,
        cache: &Arc<dyn Cache>,
    ) -> Result<Arc<Self>, ClusterError> {
        // What NATS is asked here makes futures of many kilobytes.
        Box::pin(Self::prepare(options, cache)).await
    }

    async fn prepare(
        options: ClusterOptions,
        cache: &Arc<dyn Cache>,
    ) -> Result<Arc<Self>, ClusterError> {
        let link = Link::connect(&options).await?;
        // Half of the numbers, so that they are the same everywhere, also where numbers are signed.
        let run = rand::random::<u64>() >> 12;
        let streams = Streams::prepare(&link, &options, run).await?;
        let shared = Arc::new(Shared {
            options,
            run,
            link,
            streams,
            publisher: publish::Publisher::new(),
            names: names::Names::default(),
            outgoing: presence::Outgoing::default(),
            leases: lease::Leases::default(),
        });
        let mut reading = read::Reading::after(cache.as_ref());
        shared.check_origin(cache.as_ref())?;
        reading.catch_up(&shared, cache).await?;
        lease::begin(&shared)
            .await
            .map_err(|why| ClusterError::Streams {
                network: shared.options.network.clone(),
                why,
            })?;
        Ok(Arc::new(Self {
            shared,
            reading: Mutex::new(Some(reading)),
            whole: watch::channel(false).0,
            tasks: Mutex::default(),
        }))
    }

    /// Tells `town` from now on what happens on all servers, until it is gone.
    pub fn follow(self: &Arc<Self>, cache: &Arc<dyn Cache>, town: &Weak<dyn Town>) {
        let reading = self
            .reading
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(reading) = reading else {
            return;
        };
        let (to_keep, read) = read::channel();
        let (shared, cache, kept_for) = (self.shared.clone(), Arc::clone(cache), town.clone());
        // It ends when what reads the stream does.
        std::thread::spawn(move || read::keep(&shared, cache.as_ref(), &kept_for, read));
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(reading.run(Arc::clone(&self.shared), to_keep));
        let (shared, to) = (self.shared.clone(), town.clone());
        tasks.spawn(async move { shared.publisher.run(&shared, &to).await });
        let (shared, to) = (self.shared.clone(), town.clone());
        tasks.spawn(async move { shared.outgoing.run(&shared, &to).await });
        let (shared, to) = (self.shared.clone(), town.clone());
        tasks.spawn(async move { lease::hold(&shared, &to).await });
        let (shared, to) = (self.shared.clone(), town.clone());
        tasks.spawn(async move { lease::watch_nicks(&shared, &to).await });
        let (shared, to) = (self.shared.clone(), town.clone());
        tasks.spawn(async move { lease::watch_others(&shared, &to).await });
        let (shared, to, whole) = (self.shared.clone(), town.clone(), self.whole.clone());
        tasks.spawn(async move { presence::follow(&shared, &to, &whole).await });
    }

    /// Waits until it is known who is on the other servers.
    pub async fn settled(&self) {
        let mut whole = self.whole.subscribe();
        let whole = whole.wait_for(|whole| *whole);
        // If it takes long it is known later.
        let _ = tokio::time::timeout(self.shared.options.start_within, whole).await;
    }

    /// Claims a nick for a member; `takes` is said for the owner of the account of that name, who
    /// gets it from whoever has it.
    pub async fn claim(&self, nick: &str, member: MemberId, takes: bool) -> Claimed {
        // Whoever waits for this is a member, and members are many: this is there only meanwhile.
        Box::pin(names::claim(&self.shared, nick, member, takes)).await
    }

    /// Leaves: what has still to be told is told, and that this server is gone.
    pub async fn leave(&self) {
        let told = async {
            while !self.shared.publisher.is_idle() || !self.shared.outgoing.is_idle() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // Whatever is not told by then ends with the lease.
        let _ = tokio::time::timeout(LEAVE_WITHIN, told).await;
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        drop(tasks);
        if self.shared.link.state().is_up {
            let _ = tokio::time::timeout(LEAVE_WITHIN, lease::give_up(&self.shared)).await;
        }
    }
}

impl Log for Cluster {
    fn submit(&self, drafts: Vec<Draft>) {
        self.shared.publisher.submit(drafts);
    }
}

impl Neighbours for Cluster {
    fn seen(&self, member: MemberId, seen: Seen) {
        self.shared.outgoing.seen(member, seen);
    }

    fn gone(&self, member: MemberId, reason: &str) {
        self.shared.outgoing.gone(member, reason);
    }

    fn release(&self, member: MemberId, nick: &str) {
        self.shared.names.forget(&names::key_of(nick), member);
        self.shared.outgoing.release(member, nick);
    }

    fn claim_later(&self, member: MemberId, nick: &str) {
        self.shared.outgoing.claim_later(member, nick);
    }
}
