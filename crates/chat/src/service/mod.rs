//! Everything between sockets and the [`World`]: who comes, what it says and hears, what takes time.

mod cut;
pub(crate) mod door;
pub(crate) mod flood;
mod held;
mod keep;
mod members;
mod names;
mod store;
mod united;
mod way;
mod wires;

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sockeye_net::Fingerprint;
use sockeye_net::trust::Authorized;
use sockeye_service::Session;
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;

pub use flood::{BACKLOG_BYTES, LINES_PER_SECOND};
pub use members::Members;
pub use store::{ChatError, HISTORY_FILE, Keeping};

use crate::accounts::{Cloak, Hasher};
use crate::cluster::Cluster;
use crate::history::History;
use crate::log::{Entry, Follower, MsgId, Refusal};
use crate::outbox::SENDQ_BYTES;
use crate::world::{Claimed, Job, MemberId, Outcome, Settings, World};
use door::Who;
use names::KeyNames;
use way::Gate;

/// What is under way is given this long to be kept when everybody has to go.
const SETTLE: Duration = Duration::from_secs(3);

/// What everybody is told when the server ends.
const GOING_DOWN: &str = "The server is going down";

/// What whoever serves has decided.
#[derive(Clone, Debug)]
pub struct ChatOptions {
    /// What members see of it.
    pub settings: Settings,
    /// Lines a second that a member may go on saying; none where nobody is held up.
    pub lines_per_second: Option<NonZeroU32>,
    /// Bytes that may wait for a member who reads slowly.
    pub sendq_bytes: usize,
    /// The keys that may talk, and rule.
    pub authorized: Option<Arc<Authorized>>,
    /// Where what is said is kept, if it is.
    pub keeping: Option<Keeping>,
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            lines_per_second: Some(LINES_PER_SECOND),
            sendq_bytes: SENDQ_BYTES,
            authorized: None,
            keeping: None,
        }
    }
}

/// The chat of this server, shared by all who are connected to it.
#[derive(Debug)]
pub struct Chat {
    world: Mutex<World>,
    options: ChatOptions,
    gate: Gate,
    hasher: Hasher,
    /// What is kept on this machine, if anything is.
    history: OnceLock<Arc<History>>,
    /// Members who have proved to hold a key; taken after the world, if both are.
    keys: Mutex<HashMap<MemberId, Fingerprint>>,
    /// Somebody looks whether the server drains.
    is_watched: AtomicBool,
    /// Everybody has been told to go.
    is_over: AtomicBool,
    /// Rings when drafts are settled.
    kept: Notify,
    began: Instant,
    /// The other servers, if there are any.
    cluster: OnceLock<Arc<Cluster>>,
}

impl Chat {
    /// Opens it, for nobody yet. Has to be called in a runtime.
    ///
    /// # Errors
    /// When its store cannot be opened.
    pub fn start(options: ChatOptions) -> Result<Arc<Self>, ChatError> {
        let keeping = options.keeping.clone();
        let chat = Self::open(options)?;
        if let Some(keeping) = keeping {
            chat.keep(History::open(&keeping.history(), keeping.options)?)?;
        }
        chat.begin();
        Ok(chat)
    }

    /// A chat in which nothing is kept yet.
    fn open(options: ChatOptions) -> Result<Arc<Self>, ChatError> {
        // Where nothing is kept, an address looks different after each start.
        let secret = options.keeping.as_ref();
        let secret = secret.map_or_else(|| Ok(rand::random()), Keeping::secret)?;
        let world = World::new(options.settings.clone(), None, rand::random(), now_ms());
        Ok(Arc::new(Self {
            world: Mutex::new(world),
            gate: Gate::new(Cloak::new(secret), options.authorized.clone()),
            options,
            hasher: Hasher::default(),
            history: OnceLock::new(),
            keys: Mutex::default(),
            is_watched: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            kept: Notify::new(),
            began: Instant::now(),
            cluster: OnceLock::new(),
        }))
    }

    /// What happens by itself begins.
    fn begin(self: &Arc<Self>) {
        tokio::spawn(tick(Arc::downgrade(self)));
        self.heed_keys();
    }

    /// Follows the list of keys, if there is one.
    fn heed_keys(self: &Arc<Self>) {
        if let Some(authorized) = &self.options.authorized {
            let names = Arc::new(KeyNames::new(Arc::clone(authorized)));
            self.with_world(|world| world.reserve(names.clone()));
            let changed = authorized.changed();
            tokio::spawn(follow_keys(Arc::downgrade(self), names, changed));
        }
    }

    /// A turn of the world: all that `act` does happens now, and is handed on at its end.
    pub fn with_world<R>(&self, act: impl FnOnce(&mut World) -> R) -> R {
        let mut world = lock(&self.world);
        world.begin_turn(now_ms());
        let result = act(&mut world);
        world.end_turn();
        result
    }

    /// Does what takes time, outside of the world.
    pub async fn run(&self, job: Job) -> Outcome {
        match job {
            Job::Hash { password } => Outcome::Hashed(self.hasher.hash(password).await),
            Job::Verify { password, hash } => {
                Outcome::Verified(self.hasher.verify(password, hash).await)
            }
            Job::History(queries) => Outcome::Found(self.ask(queries).await),
            Job::Claim {
                member,
                nick,
                takes,
            } => {
                let claimed = match self.cluster.get() {
                    Some(cluster) => cluster.claim(&nick, member, takes).await,
                    None => Claimed::Away,
                };
                Outcome::Claimed { nick, claimed }
            }
        }
    }

    /// Milliseconds since it was opened.
    pub(crate) fn uptime_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// Nobody is waited for any more.
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// What everybody sees in place of an address.
    pub(crate) fn host_of(&self, address: Option<IpAddr>) -> String {
        self.gate.host_of(address)
    }

    /// What whoever serves has decided.
    pub(crate) fn options(&self) -> &ChatOptions {
        &self.options
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<MemberId, Fingerprint>> {
        lock(&self.keys)
    }

    /// Somebody is gone, and so is what was known of him: who he was, if he was still there.
    fn left(&self, id: MemberId, why: &str) -> Option<Who> {
        let who = self.with_world(|world| {
            let who = world.who(id);
            world.leave(id, why);
            who
        });
        self.keys().remove(&id);
        who
    }

    /// Sends everybody away when the server of this session drains.
    fn drain_with(self: &Arc<Self>, session: &Session) {
        if !self.is_watched.swap(true, Ordering::Relaxed) {
            let (chat, draining) = (Arc::downgrade(self), session.draining());
            tokio::spawn(async move {
                draining.await;
                if let Some(chat) = chat.upgrade() {
                    chat.drain().await;
                }
            });
        }
    }

    /// Everybody has to go, once what they have said is kept.
    async fn drain(&self) {
        let settled = async {
            loop {
                let kept = self.kept.notified();
                if !self.with_world(|world| world.is_waiting()) {
                    return;
                }
                kept.await;
            }
        };
        // Whoever waits longer hears nothing of what became of it.
        let _ = tokio::time::timeout(SETTLE, settled).await;
        self.is_over.store(true, Ordering::Release);
        self.with_world(|world| world.close_all(GOING_DOWN));
        if let Some(cluster) = self.cluster.get() {
            cluster.leave().await;
        }
    }

    /// What rests on keys is what the list says now.
    fn look_at_keys(&self) {
        let keys: Vec<_> = self.keys().iter().map(|(id, key)| (*id, *key)).collect();
        self.with_world(|world| {
            for (id, key) in keys {
                let rights = self.gate.rights(&key);
                let rules = rights.as_ref().is_some_and(|rights| rights.rules);
                world.rights(id, rights.map(|rights| rights.name), rules);
            }
        });
    }
}

impl Follower for Chat {
    fn committed(&self, entries: &[Entry]) {
        self.with_world(|world| world.apply(entries));
        self.kept.notify_waiters();
    }

    fn refused(&self, drafts: &[MsgId], why: &Refusal) {
        self.with_world(|world| world.refuse_drafts(drafts, why));
        self.kept.notify_waiters();
    }

    fn reachable(&self, lost: Option<&str>) {
        self.with_world(|world| world.tell_reachable(lost));
    }
}

/// Looks once a second who is silent for too long.
async fn tick(chat: Weak<Chat>) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        second.tick().await;
        let Some(chat) = chat.upgrade() else {
            return;
        };
        lock(&chat.world).tick(now_ms());
    }
}

/// Looks what keys may do whenever the list has changed.
async fn follow_keys(chat: Weak<Chat>, names: Arc<KeyNames>, mut changed: watch::Receiver<u64>) {
    while changed.changed().await.is_ok() {
        let Some(chat) = chat.upgrade() else {
            return;
        };
        names.read_again();
        chat.look_at_keys();
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_millis() as u64)
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked has harmed no more than what it did: the turn goes on with what there is.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
