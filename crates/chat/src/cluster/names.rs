//! Who is called what: a nick is a key that only one of all servers can create.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::Shared;
use super::streams::{Pair, Unwritten};
use crate::irc::Folded;
use crate::world::{Claimed, MemberId};

/// How long somebody waits for a nick while NATS does not answer.
const CLAIM_WITHIN: Duration = Duration::from_secs(5);

/// Claims that NATS is asked for at the same time.
const AT_ONCE: usize = 128;

/// How long before something is tried again that went wrong.
const PAUSE: Duration = Duration::from_millis(50);

/// Whose a nick is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    /// The run of his server.
    pub(super) run: u64,
    /// His number there.
    pub(super) member: u64,
}

impl Holder {
    pub(super) fn read(value: &[u8]) -> Option<Self> {
        serde_json::from_slice(value).ok()
    }

    fn written(&self) -> Vec<u8> {
        format!("{{\"run\":{},\"member\":{}}}", self.run, self.member).into_bytes()
    }
}

/// The nicks that members of this server hold or are about to.
#[derive(Debug)]
pub(super) struct Names {
    held: Mutex<HashMap<String, MemberId>>,
    /// Who may ask NATS now.
    turns: Semaphore,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            held: Mutex::default(),
            turns: Semaphore::new(AT_ONCE),
        }
    }
}

/// The key of a nick: its bytes in hex, since keys take few characters.
pub(super) fn key_of(nick: &str) -> String {
    let folded = Folded::new(nick);
    let mut key = String::with_capacity(folded.as_str().len() * 2);
    for byte in folded.as_str().bytes() {
        // Writing to a text does not fail.
        let _ = write!(key, "{byte:02x}");
    }
    key
}

impl Names {
    /// Who of this server holds a key.
    pub(super) fn holder(&self, key: &str) -> Option<MemberId> {
        self.lock().get(key).copied()
    }

    /// All that members of this server hold.
    pub(super) fn all(&self) -> Vec<(String, MemberId)> {
        let held = self.lock();
        held.iter().map(|(key, id)| (key.clone(), *id)).collect()
    }

    /// A member holds a key no more, if he did.
    pub(super) fn forget(&self, key: &str, member: MemberId) -> bool {
        let mut held = self.lock();
        let is_his = held.get(key) == Some(&member);
        if is_his {
            held.remove(key);
        }
        is_his
    }

    fn hold(&self, key: &str, member: MemberId, takes: bool) -> bool {
        let mut held = self.lock();
        if takes {
            held.insert(key.to_owned(), member);
        }
        *held.entry(key.to_owned()).or_insert(member) == member
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, MemberId>> {
        // A panic leaves a map that is still one.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Claims a nick for a member; `takes` is said for the owner of the account of that name, who gets it
/// from whoever has it.
pub(super) async fn claim(shared: &Shared, nick: &str, member: MemberId, takes: bool) -> Claimed {
    let key = key_of(nick);
    if !shared.names.hold(&key, member, takes) {
        return Claimed::Taken;
    }
    let _turn = shared.names.turns.acquire().await;
    let until = Instant::now() + CLAIM_WITHIN.min(shared.options.patience);
    let claimed = loop {
        if shared.publisher.is_away() {
            break Claimed::Away;
        }
        let tried = async {
            let _epoch = shared.link.up().await;
            try_claim(shared, &key, member, takes).await
        };
        match tokio::time::timeout_at(until, tried).await {
            Ok(Ok(Some(claimed))) => break claimed,
            Ok(Ok(None)) => {}
            Ok(Err(_)) => tokio::time::sleep(PAUSE).await,
            Err(_) => break Claimed::Away,
        }
        if Instant::now() >= until {
            break Claimed::Away;
        }
    };
    if claimed != Claimed::Yes {
        shared.names.forget(&key, member);
    }
    if claimed == Claimed::Away {
        // It may have been written after all.
        shared.outgoing.release(member, nick);
    }
    claimed
}

/// One try; none if somebody else was quicker and it has to be looked at again.
async fn try_claim(
    shared: &Shared,
    key: &str,
    member: MemberId,
    takes: bool,
) -> Result<Option<Claimed>, String> {
    let nicks = &shared.streams.nicks;
    let ours = Holder {
        run: shared.run,
        member: member.0,
    };
    // Nearly always nobody is called so.
    match nicks.put(key, ours.written(), Some(0)).await {
        Ok(_) => return Ok(Some(Claimed::Yes)),
        Err(Unwritten::Changed) => {}
        Err(Unwritten::Failed(why)) => return Err(why),
    }
    let since = match nicks.get(key).await? {
        None => return Ok(None),
        Some(pair) => match Holder::read(&pair.value) {
            Some(holder) if holder == ours => return Ok(Some(Claimed::Yes)),
            // Another member of this run had it and will let go of it: here nobody is called so.
            Some(holder) if holder.run == shared.run => pair.revision,
            Some(_) if takes => pair.revision,
            Some(holder) if shared.is_alive(holder.run).await? => {
                return Ok(Some(Claimed::Taken));
            }
            _ => pair.revision,
        },
    };
    match nicks.put(key, ours.written(), Some(since)).await {
        Ok(_) => Ok(Some(Claimed::Yes)),
        Err(Unwritten::Changed) => Ok(None),
        Err(Unwritten::Failed(why)) => Err(why),
    }
}

/// Lets go of a key that this member has held, unless somebody else holds it by now.
pub(super) async fn let_go(shared: &Shared, nick: &str, member: MemberId) -> Result<(), String> {
    let key = key_of(nick);
    if shared.names.holder(&key).is_some() {
        return Ok(());
    }
    let ours = Holder {
        run: shared.run,
        member: member.0,
    };
    match shared.streams.nicks.get(&key).await? {
        Some(pair) if Holder::read(&pair.value) == Some(ours) => {
            shared.streams.nicks.remove(&key, pair.revision).await
        }
        _ => Ok(()),
    }
}

/// Takes away all that members of a run held that is over.
pub(super) async fn free_all_of(shared: &Shared, run: u64) -> Result<(), String> {
    for Pair {
        key,
        value,
        revision,
    } in shared.streams.nicks.all(&shared.link).await?
    {
        if Holder::read(&value).is_some_and(|holder| holder.run == run) {
            shared.streams.nicks.remove(&key, revision).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nicks_that_are_one_have_one_key() {
        assert_eq!(key_of("Tom"), key_of("tOM"));
        assert_eq!(key_of("Tom"), "746f6d");
        assert_eq!(key_of("树"), "e6a091");
    }

    #[test]
    fn of_two_members_one_holds_a_name() {
        let names = Names::default();
        assert!(names.hold("a", MemberId(1), false));
        assert!(!names.hold("a", MemberId(2), false));
        assert!(names.hold("a", MemberId(1), false));
        assert!(!names.forget("a", MemberId(2)));
        assert!(names.forget("a", MemberId(1)));
        assert!(names.hold("a", MemberId(2), false));
        assert!(names.hold("a", MemberId(3), true), "its owner takes it");
        assert!(!names.forget("a", MemberId(2)));
    }
}
