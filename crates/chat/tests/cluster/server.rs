//! A server of a cluster in this process: a world with people, and a history in memory.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sockeye_chat::cluster::{Cache, Cluster, ClusterError, ClusterOptions, Town};
use sockeye_chat::log::{Entry, Follower, MsgId, Refusal};
use sockeye_chat::outbox::{Outbox, SENDQ_BYTES, Wire};
use sockeye_chat::world::{Arrival, Job, MemberId, Outcome, Settings, Then, Way, World};
use sockeye_testkit::{DEADLINE, Nats};
use tokio::sync::watch;

/// How long NATS knows of a silent server in these tests.
pub(crate) const LEASE: Duration = Duration::from_secs(3);

/// How long what is said waits in these tests.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1500);

/// What was said, in memory.
#[derive(Default)]
pub(crate) struct Memory(Mutex<Vec<Entry>>, Mutex<Option<String>>);

impl Memory {
    pub(crate) fn all(&self) -> Vec<Entry> {
        lock(&self.0).clone()
    }

    /// The texts that were said, in their order.
    pub(crate) fn texts(&self) -> Vec<String> {
        let texts = self
            .all()
            .into_iter()
            .filter_map(|entry| match entry.draft.act {
                sockeye_chat::log::Act::Say { text, .. } => Some(text),
                _ => None,
            });
        texts.collect()
    }
}

impl Cache for Memory {
    fn keep(&self, entries: &[Entry]) -> Result<(), String> {
        let mut all = lock(&self.0);
        let last = all.last().map_or(0, |entry| entry.seq);
        all.extend(entries.iter().filter(|entry| entry.seq > last).cloned());
        Ok(())
    }

    fn last(&self) -> (u64, u64) {
        let all = lock(&self.0);
        all.last()
            .map_or((0, 0), |entry| (entry.seq, entry.time_ms))
    }

    fn origin(&self) -> Result<Option<String>, String> {
        Ok(lock(&self.1).clone())
    }

    fn set_origin(&self, origin: &str) -> Result<(), String> {
        *lock(&self.1) = Some(origin.to_owned());
        Ok(())
    }
}

/// A server.
pub(crate) struct Server {
    world: Mutex<World>,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) cache: Arc<Memory>,
    people: Mutex<HashMap<String, Person>>,
    refused: Mutex<Vec<Refusal>>,
    reach: Mutex<Vec<Option<String>>>,
    /// Counts what has happened, so that whoever waits looks again.
    happened: watch::Sender<u64>,
}

#[derive(Clone)]
struct Person {
    id: MemberId,
    heard: Heard,
}

#[derive(Clone)]
struct Heard {
    lines: Arc<Mutex<Vec<u8>>>,
    happened: watch::Sender<u64>,
}

impl Wire for Heard {
    fn poll_write(&mut self, _cx: &mut Context<'_>, lines: &[u8]) -> Poll<io::Result<usize>> {
        lock(&self.lines).extend_from_slice(lines);
        self.happened.send_modify(|count| *count += 1);
        Poll::Ready(Ok(lines.len()))
    }

    fn is_direct(&self) -> bool {
        true
    }
}

/// The store of a NATS server, and the options of servers that use it.
pub(crate) fn nats() -> Option<(tempfile::TempDir, Nats)> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let nats = Nats::start(store(folder.path()))?;
    Some((folder, nats))
}

fn store(folder: &Path) -> std::path::PathBuf {
    folder.join("nats")
}

pub(crate) fn options(nats: &Nats, name: &str) -> ClusterOptions {
    ClusterOptions {
        lease: LEASE,
        patience: PATIENCE,
        ..ClusterOptions::new(&nats.place(), "testnet", name)
    }
}

impl Server {
    pub(crate) async fn start(nats: &Nats, name: &str) -> Arc<Self> {
        Self::start_with(options(nats, name), Arc::default())
            .await
            .expect("a server of a cluster")
    }

    pub(crate) async fn start_with(
        options: ClusterOptions,
        cache: Arc<Memory>,
    ) -> Result<Arc<Self>, ClusterError> {
        let settings = Settings {
            server_name: options.server_name.clone(),
            replay: 0,
            ..Settings::default()
        };
        let kept: Arc<dyn Cache> = cache.clone();
        let cluster = Cluster::connect(options, &kept).await?;
        let mut world = World::new(settings, None, rand::random(), now_ms());
        world.unite(cluster.clone(), cluster.clone());
        let server = Arc::new(Self {
            world: Mutex::new(world),
            cluster,
            cache,
            people: Mutex::default(),
            refused: Mutex::default(),
            reach: Mutex::default(),
            happened: watch::channel(0).0,
        });
        let town: Arc<dyn Town> = server.clone();
        server.cluster.follow(&kept, &Arc::downgrade(&town));
        server.cluster.settled().await;
        Ok(server)
    }

    /// Somebody connects and says who he is.
    pub(crate) async fn comes(&self, nick: &str) {
        self.tries(nick, nick).await;
        self.hears(nick, &[" 001 "]).await;
    }

    /// Somebody connects who is `who` here, and wants to be called `nick`.
    pub(crate) async fn tries(&self, who: &str, nick: &str) {
        let heard = Heard {
            lines: Arc::default(),
            happened: self.happened.clone(),
        };
        let way = Way {
            host: "loopback".into(),
            is_private: true,
            ..Way::default()
        };
        let outbox = Outbox::new(Box::new(heard.clone()), SENDQ_BYTES);
        let id = self.turn_with(|world| world.arrive(Arrival { outbox, way }));
        lock(&self.people).insert(who.to_owned(), Person { id, heard });
        let caps = "CAP REQ :echo-message labeled-response batch message-tags standard-replies";
        for line in [caps, &format!("NICK {nick}"), "USER u 0 * :him", "CAP END"] {
            self.says(who, line).await;
        }
    }

    /// Somebody says a line; what takes time is done before this is.
    pub(crate) async fn says(&self, who: &str, line: &str) {
        let id = self.person(who).id;
        let mut then = self.turn_with(|world| world.on_line(id, line.as_bytes()));
        loop {
            then = match then {
                Then::Go | Then::Close => return,
                Then::Settle => {
                    let idle = || self.turn_with(|world| !world.is_waiting());
                    self.until("drafts are settled", idle).await;
                    self.turn_with(|world| world.on_line(id, line.as_bytes()))
                }
                Then::Wait(Job::Claim {
                    member,
                    nick,
                    takes,
                }) => {
                    let claimed = self.cluster.claim(&nick, member, takes).await;
                    self.turn_with(|world| world.on_outcome(id, Outcome::Claimed { nick, claimed }))
                }
                Then::Wait(job) => panic!("nobody here does {job:?}"),
            };
        }
    }

    /// Waits until somebody has heard lines with each of these in them, in this order, and forgets
    /// what he has heard until then.
    pub(crate) async fn hears(&self, who: &str, parts: &[&str]) -> Vec<String> {
        for part in parts {
            let heard = || self.heard(who).iter().any(|line| line.contains(part));
            self.until(&format!("{who} hears {part:?}"), heard).await;
        }
        let lines = std::mem::take(&mut *lock(&self.person(who).heard.lines));
        let lines = lines_of(&lines);
        let mut rest = lines.iter();
        for part in parts {
            assert!(
                rest.any(|line| line.contains(part)),
                "{part:?} in its order in {lines:#?}"
            );
        }
        lines
    }

    /// What somebody has heard since it was last forgotten.
    pub(crate) fn heard(&self, who: &str) -> Vec<String> {
        lines_of(&lock(&self.person(who).heard.lines))
    }

    /// Somebody's connection breaks.
    pub(crate) fn breaks(&self, who: &str, why: &str) {
        let id = self.person(who).id;
        self.turn_with(|world| world.leave(id, why));
    }

    pub(crate) fn nick_of(&self, who: &str) -> Option<String> {
        let id = self.person(who).id;
        self.turn_with(|world| world.nick_of(id))
    }

    /// What was refused so far.
    pub(crate) fn refused(&self) -> Vec<Refusal> {
        lock(&self.refused).clone()
    }

    /// Each time that NATS was lost, and came back.
    pub(crate) fn reach(&self) -> Vec<Option<String>> {
        lock(&self.reach).clone()
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let mut happened = self.happened.subscribe();
        let waiting = async {
            while !is_so() {
                // Some of what is waited for happens without a word to anybody here.
                let _ = tokio::time::timeout(Duration::from_millis(50), happened.changed()).await;
            }
        };
        if tokio::time::timeout(DEADLINE, waiting).await.is_err() {
            let people = lock(&self.people).clone();
            let heard: Vec<_> = people
                .iter()
                .map(|(who, person)| (who, lines_of(&lock(&person.heard.lines))))
                .collect();
            panic!("{what} in {DEADLINE:?}: {heard:#?}\n{:?}", self.reach());
        }
    }

    fn person(&self, who: &str) -> Person {
        lock(&self.people)[who].clone()
    }

    pub(crate) fn turn_with<R>(&self, act: impl FnOnce(&mut World) -> R) -> R {
        let mut world = lock(&self.world);
        world.begin_turn(now_ms());
        let result = act(&mut world);
        world.end_turn();
        result
    }

    fn note(&self) {
        self.happened.send_modify(|count| *count += 1);
    }
}

impl Follower for Server {
    fn committed(&self, entries: &[Entry]) {
        self.turn_with(|world| world.apply(entries));
        self.note();
    }

    fn refused(&self, drafts: &[MsgId], why: &Refusal) {
        lock(&self.refused).extend(drafts.iter().map(|_| why.clone()));
        self.turn_with(|world| world.refuse_drafts(drafts, why));
        self.note();
    }

    fn reachable(&self, lost: Option<&str>) {
        lock(&self.reach).push(lost.map(str::to_owned));
        self.turn_with(|world| world.tell_reachable(lost));
        self.note();
    }
}

impl Town for Server {
    fn turn(&self, act: &mut dyn FnMut(&mut World)) {
        self.turn_with(act);
        self.note();
    }
}

fn lines_of(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.split_terminator("\r\n").map(str::to_owned).collect()
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_millis() as u64)
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
