//! Who is alive: each run of a server writes its lease again and again, and NATS forgets it when
//! that stops.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::streams::{Pair, Unwritten};
use super::{Shared, Town, names, presence};
use crate::world::{Claimed, MemberId};

/// How often a lease is renewed while it lasts.
const RENEWALS: u32 = 3;

/// How long before something is tried again that went wrong.
const PAUSE: Duration = Duration::from_millis(200);

/// What a lease says.
#[derive(Debug, Serialize, Deserialize)]
struct Lease {
    /// The server's name.
    server: String,
}

/// The lease of this run, and the others that are known.
#[derive(Debug, Default)]
pub(super) struct Leases {
    ours: Mutex<Ours>,
    /// Other runs, with the names of their servers and when they were last seen to live.
    others: Mutex<HashMap<u64, Other>>,
}

#[derive(Debug, Default)]
struct Ours {
    revision: u64,
    renewed: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Other {
    server: String,
    lived: Instant,
}

impl Leases {
    /// A run was seen.
    pub(super) fn met(&self, run: u64, server: &str) {
        lock(&self.others).entry(run).or_insert_with(|| Other {
            server: server.to_owned(),
            lived: Instant::now(),
        });
    }
}

fn key_of(run: u64) -> String {
    format!("{run:016x}")
}

/// The leases that are there.
async fn all(shared: &Shared) -> Result<Vec<(u64, String)>, String> {
    let pairs = shared.streams.leases.all(&shared.link).await?;
    let read = |pair: Pair| {
        let run = u64::from_str_radix(&pair.key, 16).ok()?;
        let lease: Lease = serde_json::from_slice(&pair.value).ok()?;
        Some((run, lease.server))
    };
    Ok(pairs.into_iter().filter_map(read).collect())
}

/// Writes the first lease of this run, and ends what an earlier one of the same name has left.
pub(super) async fn begin(shared: &Shared) -> Result<(), String> {
    renew(shared).await.map_err(|unwritten| match unwritten {
        Unwritten::Changed => "the lease is another's".to_owned(),
        Unwritten::Failed(why) => why,
    })?;
    for (run, server) in all(shared).await? {
        if run != shared.run && server == shared.options.server_name {
            end(shared, run).await?;
        }
    }
    // What stands there of runs that nobody knows any more was left by servers who all were gone.
    let mut left: Vec<u64> = vec![];
    for Pair { key, .. } in shared.streams.members.all(&shared.link).await? {
        let run = key.split('.').next().unwrap_or_default();
        left.extend(u64::from_str_radix(run, 16));
    }
    for Pair { value, .. } in shared.streams.nicks.all(&shared.link).await? {
        left.extend(names::Holder::read(&value).map(|holder| holder.run));
    }
    left.sort_unstable();
    left.dedup();
    for run in left {
        if run != shared.run && !shared.is_alive(run).await? {
            end(shared, run).await?;
        }
    }
    Ok(())
}

async fn renew(shared: &Shared) -> Result<(), Unwritten> {
    let lease = Lease {
        server: shared.options.server_name.clone(),
    };
    let value = serde_json::to_vec(&lease).map_err(|error| Unwritten::Failed(error.to_string()))?;
    let since = lock(&shared.leases.ours).revision;
    let key = key_of(shared.run);
    let revision = shared.streams.leases.put(&key, value, Some(since)).await?;
    let mut ours = lock(&shared.leases.ours);
    ours.revision = revision;
    ours.renewed = Some(Instant::now());
    Ok(())
}

/// Whether the lease of a run lasts, as NATS knows it.
pub(super) async fn is_alive(shared: &Shared, run: u64) -> Result<bool, String> {
    Ok(shared.streams.leases.get(&key_of(run)).await?.is_some())
}

/// A run is over: what stands of it is taken away.
async fn end(shared: &Shared, run: u64) -> Result<(), String> {
    shared.streams.leases.remove_all(&key_of(run)).await?;
    presence::forget_all_of(shared, run).await?;
    names::free_all_of(shared, run).await
}

/// This run ends now, and says so.
pub(super) async fn give_up(shared: &Shared) -> Result<(), String> {
    end(shared, shared.run).await
}

/// Renews the lease, for as long as this server lives.
pub(super) async fn hold(shared: &Shared, town: &Weak<dyn Town>) {
    let lease = shared.options.lease;
    while town.strong_count() > 0 {
        let epoch = shared.link.up().await;
        let before = lock(&shared.leases.ours).renewed;
        let renewed = tokio::time::timeout(lease / RENEWALS, renew(shared)).await;
        let next = match renewed {
            Ok(Ok(())) => {
                if before.is_none_or(|before| before.elapsed() >= lease) {
                    claim_again(shared, town).await;
                }
                lease / RENEWALS
            }
            Ok(Err(Unwritten::Changed)) => {
                if superseded(shared).await {
                    return;
                }
                PAUSE
            }
            Ok(Err(Unwritten::Failed(_))) | Err(_) => PAUSE,
        };
        tokio::select! {
            () = tokio::time::sleep(next) => {}
            () = shared.link.left(epoch) => {}
        }
    }
}

/// The lease is not what it was: NATS has forgotten it, or another server has this one's name.
async fn superseded(shared: &Shared) -> bool {
    let Ok(leases) = all(shared).await else {
        return false;
    };
    let ours = &shared.options.server_name;
    if leases
        .iter()
        .any(|(run, server)| *run != shared.run && server == ours)
    {
        shared.publisher.trouble(Some(format!(
            "another server that is called {ours} has taken the place of this one"
        )));
        return true;
    }
    // Written again as if for the first time, unless only an answer was lost.
    if let Ok(there) = shared.streams.leases.get(&key_of(shared.run)).await {
        let mut ours = lock(&shared.leases.ours);
        if there.is_none() {
            ours.renewed = None;
        }
        ours.revision = there.map_or(0, |pair| pair.revision);
    }
    false
}

/// This server was thought to be gone: its members claim their nicks again, and are told to the
/// others as if they had just come.
async fn claim_again(shared: &Shared, town: &Weak<dyn Town>) {
    for (key, member) in shared.names.all() {
        let found = shared.streams.nicks.get(&key).await;
        let Ok(found) = found else {
            continue;
        };
        let holder = found.and_then(|pair| names::Holder::read(&pair.value));
        if holder.is_some_and(|holder| holder.run == shared.run) {
            continue;
        }
        let nick = nick_of(town, member, &key);
        if let Some(nick) = nick
            && names::claim(shared, &nick, member, false).await != Claimed::Yes
        {
            lose(shared, town, member, &key);
        }
    }
    shared.outgoing.forget_told();
    if let Some(town) = town.upgrade() {
        town.turn(&mut |world| {
            for (member, _, seen) in world.everybody_here() {
                if let Some(seen) = seen {
                    shared.outgoing.seen(member, seen);
                }
            }
        });
    }
}

/// What a member is called, if that is what this key is of.
fn nick_of(town: &Weak<dyn Town>, member: MemberId, key: &str) -> Option<String> {
    let mut nick = None;
    town.upgrade()?
        .turn(&mut |world| nick = world.nick_of(member));
    nick.filter(|nick| names::key_of(nick) == key)
}

/// A nick is somebody else's now: our member gets another one.
pub(super) fn lose(shared: &Shared, town: &Weak<dyn Town>, member: MemberId, key: &str) {
    shared.names.forget(key, member);
    if let Some(town) = town.upgrade() {
        town.turn(&mut |world| {
            let nick = world.nick_of(member);
            if nick.is_some_and(|nick| names::key_of(&nick) == key) {
                world.lose_nick(member);
            }
        });
    }
}

/// Notices nicks that others take from members of this server, for as long as it lives.
pub(super) async fn watch_nicks(shared: &Shared, town: &Weak<dyn Town>) {
    while town.strong_count() > 0 {
        let epoch = shared.link.up().await;
        tokio::select! {
            _ended = nicks_session(shared, town) => {}
            () = shared.link.left(epoch) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn nicks_session(shared: &Shared, town: &Weak<dyn Town>) -> Result<(), String> {
    let mut watch = shared.streams.nicks.watch(&shared.link).await?;
    loop {
        let pair = watch.next().await?;
        let Some(holder) = names::Holder::read(&pair.value) else {
            continue;
        };
        if holder.run != shared.run
            && let Some(member) = shared.names.holder(&pair.key)
            && !is_ours_by_now(shared, &pair.key).await?
        {
            lose(shared, town, member, &pair.key);
        }
    }
}

/// What was read may be older than what this server has claimed since.
async fn is_ours_by_now(shared: &Shared, key: &str) -> Result<bool, String> {
    let pair = shared.streams.nicks.get(key).await?;
    let holder = pair.and_then(|pair| names::Holder::read(&pair.value));
    Ok(holder.is_none_or(|holder| holder.run == shared.run))
}

/// Notices servers that live, and those that do so no more, for as long as this one lives.
pub(super) async fn watch_others(shared: &Shared, town: &Weak<dyn Town>) {
    let lease = shared.options.lease;
    while town.strong_count() > 0 {
        let epoch = shared.link.up().await;
        let up = Instant::now();
        loop {
            tokio::select! {
                () = tokio::time::sleep(lease / RENEWALS) => {}
                () = shared.link.left(epoch) => break,
            }
            let Ok(leases) = all(shared).await else {
                continue;
            };
            for (run, server) in leases {
                if run != shared.run {
                    let other = Other {
                        server,
                        lived: Instant::now(),
                    };
                    lock(&shared.leases.others).insert(run, other);
                }
            }
            // Whoever lost NATS too needs a moment to say that he is there.
            if up.elapsed() < lease {
                continue;
            }
            let others = lock(&shared.leases.others).clone();
            for (run, other) in others {
                if other.lived.elapsed() >= lease / RENEWALS
                    && is_alive(shared, run).await == Ok(false)
                {
                    presence::bury(town, run, &other.server);
                    if end(shared, run).await.is_ok() {
                        lock(&shared.leases.others).remove(&run);
                    }
                }
            }
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic leaves what is still true.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
