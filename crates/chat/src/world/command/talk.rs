//! Saying something.

use super::{Call, Then};
use crate::irc::{Folded, numeric};
use crate::log::{Act, Entry, Refusal, Target, Verb};
use crate::world::{DRAFTS_PER_MEMBER, MemberId, Pending, World};

impl World {
    pub(super) fn on_say(&mut self, call: Call<'_>) -> Then {
        let by = call.by;
        let verb = match call.message.command.as_bytes()[0].to_ascii_uppercase() {
            b'P' => Verb::Privmsg,
            b'N' => Verb::Notice,
            _ => Verb::Tagmsg,
        };
        let drafts = self
            .members
            .get(&by)
            .and_then(|member| Some(member.local()?.outbox.drafts()));
        if drafts > Some(DRAFTS_PER_MEMBER) {
            return Then::Settle;
        }
        let Some(targets) = call.param(0) else {
            self.numeric(by, numeric::ERR_NORECIPIENT, |line| {
                line.end_with("No recipient given");
            });
            return Then::Go;
        };
        let Some(text) = call.param(1).or((verb == Verb::Tagmsg).then_some("")) else {
            self.numeric(by, numeric::ERR_NOTEXTTOSEND, |line| {
                line.end_with("No text to send");
            });
            return Then::Go;
        };
        for name in targets.split(',') {
            if let Some(to) = self.target(by, name) {
                let (text, tags) = (text.to_owned(), String::new());
                let act = Act::Say {
                    verb,
                    to,
                    text,
                    tags,
                };
                self.draft(by, act);
            }
        }
        Then::Go
    }

    /// Whom a name means, if he may be spoken to; else the author is told why not.
    fn target(&mut self, by: MemberId, name: &str) -> Option<Target> {
        let folded = Folded::new(name);
        if name.starts_with('#') {
            let Some(room) = self.rooms.get(&folded) else {
                self.refuse(by, numeric::ERR_NOSUCHCHANNEL, name, "No such channel");
                return None;
            };
            if room.modes.no_outside && !room.seats.contains_key(&by) {
                self.refuse(
                    by,
                    numeric::ERR_CANNOTSENDTOCHAN,
                    name,
                    "Cannot send to channel",
                );
                return None;
            }
            return Some(Target::Room(room.name.clone()));
        }
        let Some(other) = self.nicks.get(&folded).and_then(|id| self.members.get(id)) else {
            self.refuse(by, numeric::ERR_NOSUCHNICK, name, "No such nick/channel");
            return None;
        };
        let (nick, account) = (other.source.nick.clone(), other.source.account.clone());
        Some(Target::Person { nick, account })
    }

    /// What somebody said will not be kept, and so nobody hears it.
    pub(in crate::world) fn refused(&mut self, draft: Pending, why: &Refusal) {
        let why = format!("Nobody has heard it: {why}");
        self.answering(draft, |world| {
            world.fail(draft.by, "*", "MESSAGE_NOT_KEPT", &why);
        });
    }

    /// Something that is kept has changed.
    #[allow(clippy::unused_self, reason = "topics, modes and accounts come here")]
    pub(in crate::world) fn change(&mut self, _entry: &Entry, _act: &Act) {}
}
