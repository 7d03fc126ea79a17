//! How members look: ours are told to the others, theirs to the world.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use super::streams::{Pair, Watch};
use super::{Claimed, Shared, Town, lease, names};
use crate::world::{Afar, MemberId, Seen};

/// Members that are written at the same time.
const AT_ONCE: usize = 64;

/// Changes that the world hears of in one turn.
const TOGETHER: usize = 256;

/// How long it is said that somebody is gone, before his key is taken away: longer than anybody
/// reads behind without reading all again.
const SAID_FOR: Duration = Duration::from_secs(30);

/// How long before something is tried again that went wrong.
const PAUSE: Duration = Duration::from_millis(200);

/// What stands in the bucket of members.
#[derive(Debug, Serialize, Deserialize)]
struct Look {
    /// The name of his server.
    server: String,
    /// How he looks; none once he is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<Seen>,
    /// Why he is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gone: Option<String>,
}

/// What others have to be told of a member of this server.
#[derive(Clone, Debug, Default)]
struct News {
    /// How he looks, or why he is gone.
    look: Option<Result<Seen, String>>,
    /// Nicks that he is not called by any more.
    releases: Vec<String>,
    /// A nick that he is called by, and that is not claimed yet.
    claim: Option<String>,
}

/// What others have to be told: of each member only the last, so that this is never more than there
/// are members.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    news: Mutex<BTreeMap<MemberId, News>>,
    /// How members look as far as the others know.
    told: Mutex<HashMap<MemberId, Seen>>,
    wake: Notify,
}

impl Outgoing {
    pub(super) fn seen(&self, member: MemberId, seen: Seen) {
        self.change(member, |news| {
            // Who is gone does not come back: members are counted anew.
            if !matches!(news.look, Some(Err(_))) {
                news.look = Some(Ok(seen));
            }
        });
    }

    pub(super) fn gone(&self, member: MemberId, reason: &str) {
        self.change(member, |news| news.look = Some(Err(reason.to_owned())));
    }

    pub(super) fn release(&self, member: MemberId, nick: &str) {
        self.change(member, |news| news.releases.push(nick.to_owned()));
    }

    pub(super) fn claim_later(&self, member: MemberId, nick: &str) {
        self.change(member, |news| news.claim = Some(nick.to_owned()));
    }

    /// The others know nothing of anybody any more.
    pub(super) fn forget_told(&self) {
        lock(&self.told).clear();
    }

    pub(super) fn is_idle(&self) -> bool {
        lock(&self.news).is_empty()
    }

    fn change(&self, member: MemberId, change: impl FnOnce(&mut News)) {
        change(lock(&self.news).entry(member).or_default());
        self.wake.notify_one();
    }

    /// Tells the others, for as long as there is somebody to tell of.
    pub(super) async fn run(&self, shared: &Shared, town: &Weak<dyn Town>) {
        while town.strong_count() > 0 {
            let batch: Vec<_> = {
                let mut news = lock(&self.news);
                let ids: Vec<_> = news.keys().copied().take(AT_ONCE).collect();
                ids.into_iter()
                    .filter_map(|id| news.remove_entry(&id))
                    .collect()
            };
            if batch.is_empty() {
                self.wake.notified().await;
                continue;
            }
            let _epoch = shared.link.up().await;
            let failed: Vec<_> = stream::iter(batch)
                .map(|(member, news)| self.tell(shared, town, member, news))
                .buffer_unordered(AT_ONCE)
                .filter_map(std::future::ready)
                .collect()
                .await;
            if !failed.is_empty() {
                for (member, news) in failed {
                    self.again(member, news);
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// What was not told is told later, unless something newer is to be told by now.
    fn again(&self, member: MemberId, old: News) {
        let mut all = lock(&self.news);
        let news = all.entry(member).or_default();
        news.look = news.look.take().or(old.look);
        news.releases.splice(0..0, old.releases);
        news.claim = news.claim.take().or(old.claim);
    }

    /// Tells of one member; gives back what has to be told again.
    async fn tell(
        &self,
        shared: &Shared,
        town: &Weak<dyn Town>,
        member: MemberId,
        mut news: News,
    ) -> Option<(MemberId, News)> {
        if let Some(nick) = &news.claim {
            match names::claim(shared, nick, member, false).await {
                Claimed::Yes => {}
                Claimed::Taken => lease::lose(shared, town, member, &names::key_of(nick)),
                Claimed::Away => return Some((member, news)),
            }
            news.claim = None;
        }
        if let Some(look) = &news.look
            && self.tell_look(shared, member, look).await.is_err()
        {
            return Some((member, news));
        }
        news.look = None;
        // Only now: whoever hears that another one is called so has heard that this one is not.
        while let Some(nick) = news.releases.last() {
            if names::let_go(shared, nick, member).await.is_err() {
                return Some((member, news));
            }
            news.releases.pop();
        }
        None
    }

    async fn tell_look(
        &self,
        shared: &Shared,
        member: MemberId,
        look: &Result<Seen, String>,
    ) -> Result<(), ()> {
        let known = lock(&self.told).get(&member).cloned();
        let (seen, gone) = match look {
            Ok(seen) if known.as_ref() == Some(seen) => return Ok(()),
            Ok(seen) => (Some(seen.clone()), None),
            // Nobody has ever heard of him.
            Err(_) if known.is_none() => return Ok(()),
            Err(why) => (None, Some(why.clone())),
        };
        let look = Look {
            server: shared.options.server_name.clone(),
            seen: seen.clone(),
            gone,
        };
        let value = serde_json::to_vec(&look).map_err(|_| ())?;
        let key = key_of(shared.run, member.0);
        let written = shared.streams.members.put(&key, value, None).await;
        written.map_err(|_| ())?;
        if let Some(seen) = seen {
            lock(&self.told).insert(member, seen);
        } else {
            lock(&self.told).remove(&member);
            let members = shared.streams.members.clone();
            tokio::spawn(async move {
                tokio::time::sleep(SAID_FOR).await;
                // If this fails the key goes with the lease of this run.
                let _ = members.remove_all(&key).await;
            });
        }
        Ok(())
    }
}

fn key_of(run: u64, member: u64) -> String {
    format!("{run:016x}.{member:x}")
}

fn read_key(key: &str) -> Option<Afar> {
    let (run, member) = key.split_once('.')?;
    Some(Afar {
        run: u64::from_str_radix(run, 16).ok()?,
        member: u64::from_str_radix(member, 16).ok()?,
    })
}

/// Takes away what stands of the members of a run that is over, and them from the world.
pub(super) async fn forget_all_of(shared: &Shared, run: u64) -> Result<(), String> {
    shared
        .streams
        .members
        .remove_all(&format!("{run:016x}.>"))
        .await
}

/// Tells the world how members of other servers look, for as long as there is one.
pub(super) async fn follow(
    shared: &Arc<Shared>,
    town: &Weak<dyn Town>,
    whole: &watch::Sender<bool>,
) {
    while town.strong_count() > 0 {
        let epoch = shared.link.up().await;
        tokio::select! {
            // What was read so far is still true; the rest is read again.
            _ = session(shared, town, whole) => {}
            () = shared.link.left(epoch) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn session(
    shared: &Arc<Shared>,
    town: &Weak<dyn Town>,
    whole: &watch::Sender<bool>,
) -> Result<(), String> {
    let mut watch = shared.streams.members.watch(&shared.link).await?;
    let mut there = BTreeSet::new();
    let mut pairs = vec![];
    while let Some(pair) = watch.next_there().await? {
        pairs.push(pair);
        if pairs.len() >= TOGETHER {
            there.extend(pairs.iter().filter_map(|pair| read_key(&pair.key)));
            tell_world(shared, town, std::mem::take(&mut pairs));
        }
    }
    there.extend(pairs.iter().filter_map(|pair| read_key(&pair.key)));
    tell_world(shared, town, pairs);
    sweep(town, &there);
    whole.send_replace(true);
    loop {
        let pairs = next_few(&mut watch).await?;
        tell_world(shared, town, pairs);
    }
}

/// The next change, and those that are there already.
async fn next_few(watch: &mut Watch) -> Result<Vec<Pair>, String> {
    let mut pairs = vec![watch.next().await?];
    while pairs.len() < TOGETHER
        && let Some(next) = watch.next().now_or_never()
    {
        pairs.push(next?);
    }
    Ok(pairs)
}

fn tell_world(shared: &Shared, town: &Weak<dyn Town>, pairs: Vec<Pair>) {
    let read = pairs.into_iter().filter_map(|pair| {
        let who = read_key(&pair.key).filter(|who| who.run != shared.run)?;
        let look: Look = serde_json::from_slice(&pair.value).ok()?;
        Some((who, look))
    });
    let looks: Vec<_> = read.collect();
    for (who, look) in &looks {
        if look.seen.is_some() {
            shared.met(who.run, &look.server);
        }
    }
    let Some(town) = town.upgrade().filter(|_| !looks.is_empty()) else {
        return;
    };
    town.turn(&mut |world| {
        for (who, look) in &looks {
            let gone = look.gone.as_deref().unwrap_or("gone");
            world.elsewhere(&look.server, *who, look.seen.as_ref().ok_or(gone));
        }
    });
}

/// Whoever is known here and stands nowhere any more is gone.
fn sweep(town: &Weak<dyn Town>, there: &BTreeSet<Afar>) {
    if let Some(town) = town.upgrade() {
        town.turn(&mut |world| {
            for who in world.everybody_elsewhere() {
                if !there.contains(&who) {
                    world.elsewhere("", who, Err("gone"));
                }
            }
        });
    }
}

/// A server is gone: the world hears that its members are.
pub(super) fn bury(town: &Weak<dyn Town>, run: u64, server: &str) {
    if let Some(town) = town.upgrade() {
        let reason = format!("server {server} is gone");
        town.turn(&mut |world| {
            for who in world.everybody_elsewhere() {
                if who.run == run {
                    world.elsewhere(server, who, Err(&reason));
                }
            }
        });
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic leaves maps that are still maps.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_who_it_is() {
        let who = Afar {
            run: 0xabc,
            member: 17,
        };
        let key = key_of(who.run, who.member);
        assert_eq!(key, "0000000000000abc.11");
        assert_eq!(read_key(&key), Some(who));
        assert_eq!(read_key("x"), None);
    }

    /// A thousand changes of a member are told as one.
    #[test]
    fn of_each_member_only_the_last_is_told() {
        let outgoing = Outgoing::default();
        let bob = MemberId(1);
        for since_ms in 0..1000 {
            let seen = Seen {
                since_ms,
                ..Seen::default()
            };
            outgoing.seen(bob, seen);
        }
        let look = lock(&outgoing.news)[&bob].look.clone();
        assert_eq!(look.unwrap().unwrap().since_ms, 999);
        outgoing.gone(bob, "bye");
        outgoing.seen(bob, Seen::default());
        let news = lock(&outgoing.news).remove(&bob).unwrap();
        assert_eq!(news.look, Some(Err("bye".into())));
        outgoing.release(bob, "bob");
        outgoing.again(bob, news);
        let all = lock(&outgoing.news);
        assert_eq!(all[&bob].look, Some(Err("bye".into())));
        assert_eq!(all[&bob].releases, ["bob"]);
    }
}
