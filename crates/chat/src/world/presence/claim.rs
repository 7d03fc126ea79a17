//! Nicks among several servers: claimed before anybody is called so.

use crate::irc::{Folded, numeric};
use crate::world::command::instead_of;
use crate::world::{Claimed, Job, MemberId, Outcome, Then, World};

impl World {
    /// Asks the other servers for a nick that he may take as far as is known here.
    pub(crate) fn claim(&mut self, by: MemberId, nick: &str) -> Then {
        Then::Wait(Job::Claim {
            member: by,
            nick: nick.to_owned(),
            takes: self.owns(by, nick),
        })
    }

    /// Whether he is logged in to the account of that name.
    fn owns(&self, id: MemberId, nick: &str) -> bool {
        let account = self
            .members
            .get(&id)
            .and_then(|member| member.source.account.as_deref());
        account.is_some_and(|account| Folded::new(account) == Folded::new(nick))
    }

    pub(crate) fn on_claimed(&mut self, by: MemberId, nick: &str, claimed: &Claimed) -> Then {
        match claimed {
            Claimed::Yes => self.has_claimed(by, nick),
            Claimed::Taken => self.nick_refused(
                by,
                numeric::ERR_NICKNAMEINUSE,
                nick,
                "Nickname is already in use",
            ),
            Claimed::Away => self.nick_refused(
                by,
                numeric::ERR_UNAVAILRESOURCE,
                nick,
                "Nobody can take a new nickname while the other servers cannot be reached",
            ),
        }
    }

    /// The nick is his, unless something happened here meanwhile that forbids it.
    fn has_claimed(&mut self, by: MemberId, nick: &str) -> Then {
        let folded = Folded::new(nick);
        // Whoever is still thought to be called so on another server is not any more.
        self.make_way(&folded, by);
        match self.may_take(by, nick) {
            Ok(other) => {
                if let Some(other) = other {
                    self.give_way(other, nick);
                }
                self.is_called(by, nick)
            }
            Err(why) => {
                if let Some(neighbours) = &self.abroad.neighbours {
                    neighbours.release(by, nick);
                }
                self.nick_refused(by, numeric::ERR_NICKNAMEINUSE, nick, why)
            }
        }
    }

    fn nick_refused(&mut self, by: MemberId, number: &str, nick: &str, why: &str) -> Then {
        if let Some(local) = self.members.get_mut(&by).and_then(|m| m.local_mut())
            && let Some(registration) = local.registration.as_deref_mut()
        {
            registration.nick = None;
        }
        self.refuse(by, number, nick, why);
        Then::Go
    }

    /// Whoever claimed a nick is gone.
    pub(crate) fn nobody_claimed(&self, by: MemberId, outcome: &Outcome) {
        if let (
            Outcome::Claimed {
                nick,
                claimed: Claimed::Yes,
            },
            Some(neighbours),
        ) = (outcome, &self.abroad.neighbours)
        {
            neighbours.release(by, nick);
        }
    }

    /// He is called so already; the others hear of it.
    pub(crate) fn claim_later(&self, id: MemberId, nick: &str) {
        if let Some(neighbours) = &self.abroad.neighbours {
            neighbours.claim_later(id, nick);
        }
    }

    /// A member's nick is somebody else's now: he is called something else at once.
    pub fn lose_nick(&mut self, id: MemberId) {
        let is_here = self.members.get(&id).is_some_and(|m| m.local().is_some());
        let Some(was) = self.nick_of(id).filter(|_| is_here) else {
            return;
        };
        let instead = instead_of(&was);
        self.call(id, &instead);
        self.claim_later(id, &instead);
        let text = format!("{was} belongs to somebody else now; you are called {instead} now");
        self.serve(id, "NOTICE", |line| line.param(&instead).end_with(&text));
    }
}
