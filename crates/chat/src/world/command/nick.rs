//! What somebody is called, and who may be called so.

use std::sync::Arc;

use super::{Call, Then};
use crate::irc::{Folded, NICK_BYTES, is_nick, numeric};
use crate::world::deliver::{EVENT_CAPS, Encoded, event};
use crate::world::{Member, MemberId, World};

/// Names of those who know nothing of IRC; nobody else is called so.
const GUEST: &str = "guest-";

/// Names that are tried for somebody whose name is taken by its owner.
const NEW_NAMES: u32 = 1000;

impl World {
    pub(super) fn on_nick(&mut self, call: Call<'_>) -> Then {
        let by = call.by;
        let Some(nick) = call.param(0) else {
            self.numeric(by, numeric::ERR_NONICKNAMEGIVEN, |line| {
                line.end_with("No nickname given");
            });
            return Then::Go;
        };
        if !is_nick(nick) {
            self.refuse(
                by,
                numeric::ERR_ERRONEUSNICKNAME,
                nick,
                "Erroneous nickname",
            );
            return Then::Go;
        }
        if self.members.get(&by).is_some_and(Member::is_in) {
            return self.take_nick(by, nick);
        }
        // Whether it is his to take is known only when he has logged in, if he does.
        self.registration(by, |registration| registration.nick = Some(nick.to_owned()));
        self.let_in(by)
    }

    /// Calls somebody so, if he may be; on his way in, he is in by that. Its owner takes it from
    /// whoever else is called so.
    pub(crate) fn take_nick(&mut self, by: MemberId, nick: &str) -> Then {
        match self.may_take(by, nick) {
            Err(why) => {
                self.registration(by, |registration| registration.nick = None);
                self.refuse(by, numeric::ERR_NICKNAMEINUSE, nick, why);
                Then::Go
            }
            Ok(_) if self.claims() => self.claim(by, nick),
            Ok(other) => {
                if let Some(other) = other {
                    self.give_way(other, nick);
                }
                self.is_called(by, nick)
            }
        }
    }

    /// Whether somebody may be called so, and who has to give way to him.
    pub(crate) fn may_take(
        &self,
        by: MemberId,
        nick: &str,
    ) -> Result<Option<MemberId>, &'static str> {
        let Some(member) = self.members.get(&by) else {
            return Err("You are not here");
        };
        let folded = Folded::new(nick);
        let account = member.source.account.as_deref().map(Folded::new);
        let is_owner = account.as_ref() == Some(&folded);
        let holder = self
            .nicks
            .get(&folded)
            .copied()
            .filter(|holder| *holder != by);
        if folded.as_str().starts_with(GUEST) {
            Err("Nickname is reserved for guests")
        } else if is_owner {
            Ok(holder)
        } else if self.accounts.contains_key(&folded) || self.names.is_reserved(nick) {
            Err("Nickname belongs to somebody: log in to use it")
        } else if holder.is_some() {
            Err("Nickname is already in use")
        } else {
            Ok(None)
        }
    }

    /// Somebody may be called so, and is from now on.
    pub(crate) fn is_called(&mut self, by: MemberId, nick: &str) -> Then {
        let Some(member) = self.members.get(&by) else {
            return Then::Close;
        };
        if member.is_in() {
            self.call(by, nick);
            Then::Go
        } else {
            self.come_in(by, nick)
        }
    }

    /// Calls a member something else and tells all who know him.
    pub(crate) fn call(&mut self, id: MemberId, nick: &str) {
        let Some(member) = self.members.get(&id) else {
            return;
        };
        if member.source.nick == nick {
            return;
        }
        self.remember(id);
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let old = Arc::clone(&member.source);
        member.rename(|source| nick.clone_into(&mut source.nick));
        let was = Folded::new(&old.nick);
        if self.nicks.get(&was) == Some(&id) {
            self.nicks.remove(&was);
        }
        let folded = Folded::new(nick);
        let is_other = was != folded;
        if is_other {
            self.release_nick(id, &old.nick);
        }
        self.nicks.insert(folded, id);
        let now_ms = self.now_ms;
        let mut encoded = Encoded::new(EVENT_CAPS, |caps, out| {
            let line = event(out, caps, now_ms, None, &old);
            line.command("NICK").end_with(nick);
        });
        self.tell_acquaintances_and(id, &mut encoded);
        if is_other {
            self.tell_watchers_went(&old.nick);
            self.tell_watchers_came(id);
        }
        self.touch(id);
    }

    /// Somebody is called as its owner is from now on, and has to be called something else.
    pub(crate) fn give_way(&mut self, other: MemberId, nick: &str) {
        let free = (1..NEW_NAMES).map(|number| numbered(nick, number));
        let free = free
            .filter(|name| is_nick(name))
            .find(|name| self.may_take(other, name) == Ok(None));
        let free = if self.claims() {
            Some(instead_of(nick))
        } else {
            free
        };
        let Some(free) = free else {
            self.close(other, "Your name was taken by its owner");
            return;
        };
        let text = format!("{nick} was taken by its owner; you are called {free} now");
        self.call(other, &free);
        self.claim_later(other, &free);
        self.serve(other, "NOTICE", |line| line.param(&free).end_with(&text));
    }
}

/// What somebody is called at once among several servers, without asking them: the nick, as far as
/// there is room, and a number that was drawn at random.
pub(crate) fn instead_of(nick: &str) -> String {
    let number = format!("_{:06x}", rand::random::<u32>() >> 8);
    let room = nick.floor_char_boundary(NICK_BYTES - number.len());
    format!("{}{number}", &nick[..room])
}

/// A name with a number behind it, cut where it would be too long.
fn numbered(nick: &str, number: u32) -> String {
    let number = format!("_{number}");
    let room = nick.floor_char_boundary(NICK_BYTES - number.len());
    format!("{}{number}", &nick[..room])
}
