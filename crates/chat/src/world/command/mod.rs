//! The commands, a family a file. A new one is a line in [`COMMANDS`].

mod account;
mod caps;
mod connection;
mod history;
mod info;
mod lookup;
mod mode;
mod monitor;
mod names;
mod nick;
mod oneself;
mod oper;
mod rooms;
mod ruling;
mod sasl;
mod talk;
#[cfg(test)]
mod tests;
mod user_mode;
mod welcome;
mod who;
mod whois;

pub(crate) use nick::instead_of;

use std::sync::Arc;

use super::member::Errand;
use super::reply::repeated;
use super::{Claimed, Drafted, MemberId, Pending, World};
use crate::accounts::{HashError, Password};
use crate::history::{Found, HistoryError, Query};
use crate::irc::{Caps, Message, ParseError, numeric};

pub(super) use history::Reading;
pub(crate) use whois::Gone;

/// What happens after a line.
#[derive(Debug)]
#[must_use]
pub enum Then {
    /// The next line.
    Go,
    /// The same line again, once all that its author has drafted is settled.
    Settle,
    /// Nothing of this member is read until this is done.
    Wait(Job),
    /// The connection ends, as soon as what was answered is sent.
    Close,
}

/// What takes time, done by the member's own task outside of the world.
#[derive(Debug)]
#[non_exhaustive]
pub enum Job {
    /// A new password is to be hashed; of [`Hasher`](crate::accounts::Hasher).
    Hash {
        /// The password.
        password: Password,
    },
    /// A password is to be compared; of [`Hasher`](crate::accounts::Hasher).
    Verify {
        /// What was said.
        password: Password,
        /// What is kept.
        hash: Arc<str>,
    },
    /// Questions to the history; of [`History::answer`](crate::history::History::answer).
    History(Vec<Query>),
    /// A nick is to be claimed among all servers; of [`Cluster`](crate::cluster::Cluster).
    Claim {
        /// For whom.
        member: MemberId,
        /// The nick.
        nick: String,
        /// He owns the account of that name: he takes it from whoever has it.
        takes: bool,
    },
}

/// How a [`Job`] came out.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// A password's hash.
    Hashed(Result<String, HashError>),
    /// Whether the password is right.
    Verified(Result<bool, HashError>),
    /// What the history answers to each question.
    Found(Result<Vec<Found>, HistoryError>),
    /// Whether a nick is his who claimed it.
    Claimed {
        /// The nick.
        nick: String,
        /// Whose it is.
        claimed: Claimed,
    },
}

/// A command in hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) by: MemberId,
    pub(crate) message: &'a Message<'a>,
}

impl<'a> Call<'a> {
    /// A parameter that is there and not empty.
    pub(crate) fn param(&self, index: usize) -> Option<&'a str> {
        self.message.param(index).filter(|param| !param.is_empty())
    }
}

/// One command.
struct Command {
    name: &'static str,
    /// Parameters that it needs.
    needs: usize,
    /// Who may: also those who are not in yet.
    early: bool,
    /// Does not wait for what its author has drafted.
    is_talk: bool,
    run: fn(&mut World, Call<'_>) -> Then,
}

const fn command(
    name: &'static str,
    needs: usize,
    run: fn(&mut World, Call<'_>) -> Then,
) -> Command {
    Command {
        name,
        needs,
        early: false,
        is_talk: false,
        run,
    }
}

const fn early(name: &'static str, needs: usize, run: fn(&mut World, Call<'_>) -> Then) -> Command {
    Command {
        name,
        needs,
        early: true,
        is_talk: false,
        run,
    }
}

/// What is said checks its own parameters: there are numerics of its own for them.
const fn talk(name: &'static str, run: fn(&mut World, Call<'_>) -> Then) -> Command {
    Command {
        name,
        needs: 0,
        early: false,
        is_talk: true,
        run,
    }
}

const COMMANDS: &[Command] = &[
    talk("PRIVMSG", World::on_say),
    talk("NOTICE", World::on_say),
    talk("TAGMSG", World::on_say),
    early("PING", 1, World::on_ping),
    early("PONG", 0, World::on_pong),
    early("CAP", 1, World::on_cap),
    early("NICK", 0, World::on_nick),
    early("PASS", 1, World::on_pass),
    early("USER", 4, World::on_user),
    early("AUTHENTICATE", 1, World::on_authenticate),
    early("QUIT", 0, World::on_quit),
    early("REGISTER", 3, World::on_register),
    command("AWAY", 0, World::on_away),
    command("SETNAME", 1, World::on_setname),
    command("WHO", 0, World::on_who),
    command("WHOIS", 0, World::on_whois),
    command("WHOWAS", 0, World::on_whowas),
    command("ISON", 1, World::on_ison),
    command("USERHOST", 1, World::on_userhost),
    command("MONITOR", 1, World::on_monitor),
    command("OPER", 0, World::on_oper),
    command("KILL", 1, World::on_kill),
    command("MOTD", 0, World::on_motd),
    command("LUSERS", 0, World::on_lusers),
    command("VERSION", 0, World::on_version),
    command("TIME", 0, World::on_time),
    command("INFO", 0, World::on_info),
    command("HELP", 0, World::on_help),
    command("HELPOP", 0, World::on_help),
    command("JOIN", 1, World::on_join),
    command("PART", 1, World::on_part),
    command("NAMES", 0, World::on_names),
    command("LIST", 0, World::on_list),
    command("TOPIC", 1, World::on_topic),
    command("MODE", 1, World::on_mode),
    command("KICK", 2, World::on_kick),
    command("INVITE", 2, World::on_invite),
    command("CHATHISTORY", 1, World::on_chathistory),
    command("SEARCH", 1, World::on_search),
];

/// The names of all commands.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|command| command.name)
}

impl World {
    pub(super) fn on_message(&mut self, by: MemberId, message: &Message<'_>) -> Then {
        let now_ms = self.now_ms;
        let Some(member) = self.members.get_mut(&by) else {
            return Then::Close;
        };
        if let Some(local) = member.local_mut() {
            (local.heard_ms, local.asked_ms) = (now_ms, None);
        }
        let (is_in, caps) = (member.is_in(), member.caps());
        let label = message
            .tags
            .get("label")
            .filter(|_| caps.has(Caps::LABEL | Caps::BATCH));
        let Some(command) = COMMANDS.iter().find(|command| message.is(command.name)) else {
            return self.labelled(by, label.as_deref(), |world| {
                if is_in {
                    world.refuse(
                        by,
                        numeric::ERR_UNKNOWNCOMMAND,
                        message.command,
                        "Unknown command",
                    );
                } else {
                    world.not_registered(by);
                }
                Then::Go
            });
        };
        if !command.is_talk && self.has_drafts(by) {
            return Then::Settle;
        }
        self.labelled(by, label.as_deref(), |world| {
            if !is_in && !command.early {
                world.not_registered(by);
                return Then::Go;
            }
            if message.params().len() < command.needs {
                world.refuse(
                    by,
                    numeric::ERR_NEEDMOREPARAMS,
                    command.name,
                    "Not enough parameters",
                );
                return Then::Go;
            }
            if !command.is_talk {
                world.touch(by);
            }
            (command.run)(world, Call { by, message })
        })
    }

    /// Answers under a label, if there is one; what waits for a job answers only when it is done.
    fn labelled(
        &mut self,
        by: MemberId,
        label: Option<&str>,
        answer: impl FnOnce(&mut Self) -> Then,
    ) -> Then {
        let Some(label) = label else {
            return answer(self);
        };
        self.begin_answer(by, label);
        let then = answer(self);
        if matches!(then, Then::Wait(_)) {
            self.answer_with_outcome(by);
        }
        self.end_answer(by, matches!(then, Then::Settle));
        then
    }

    /// The answer to the labelled command in hand waits for the outcome of the member's job too.
    fn answer_with_outcome(&mut self, by: MemberId) {
        let answer = self.answer_later(by);
        if let Some(local) = self.members.get_mut(&by).and_then(|m| m.local_mut()) {
            local.errand.get_or_insert_default().answer = answer;
        }
    }

    /// A member's job is done: what came of it is answered, under the label of its command.
    pub fn on_outcome(&mut self, by: MemberId, outcome: Outcome) -> Then {
        let Some(local) = self
            .members
            .get_mut(&by)
            .and_then(|member| member.local_mut())
        else {
            self.nobody_claimed(by, &outcome);
            return Then::Close;
        };
        let Errand { answer, purpose } = local.errand.take().map_or_else(Errand::default, |e| *e);
        let mut then = Then::Go;
        let pending = Pending {
            by,
            answer,
            kind: Drafted::Changed,
        };
        self.answering(pending, |world| {
            then = match outcome {
                Outcome::Hashed(hash) => world.on_hashed(by, purpose, hash),
                Outcome::Verified(is_right) => world.on_verified(by, purpose, is_right),
                Outcome::Found(found) => world.on_found(by, purpose, found),
                Outcome::Claimed { nick, claimed } => world.on_claimed(by, &nick, &claimed),
            };
            if matches!(then, Then::Wait(_)) {
                world.answer_with_outcome(by);
            }
        });
        then
    }

    pub(super) fn on_bad_line(&mut self, by: MemberId, error: &ParseError) -> Then {
        if error.is_too_long() {
            self.numeric(by, numeric::ERR_INPUTTOOLONG, |line| {
                line.end_with(&format!("Input line was too long: {error}"));
            });
            return Then::Go;
        }
        self.fail(
            by,
            "*",
            "INVALID_UTF8",
            &format!("{error}; the line was passed over"),
        );
        Then::Go
    }

    /// A line came that is longer than any may be.
    pub(crate) fn on_long_line(&mut self, by: MemberId) {
        self.numeric(by, numeric::ERR_INPUTTOOLONG, |line| {
            line.end_with("Input line was too long");
        });
    }

    /// A standard reply that something cannot be done: <https://ircv3.net/specs/extensions/standard-replies>.
    pub(crate) fn fail(&mut self, to: MemberId, command: &str, code: &str, why: &str) {
        self.serve(to, "FAIL", |line| {
            line.param(command).param(code).end_with(why);
        });
    }

    /// The same, about these.
    pub(crate) fn fail_on(
        &mut self,
        to: MemberId,
        command: &str,
        code: &str,
        about: &[&str],
        why: &str,
    ) {
        self.serve(to, "FAIL", |line| {
            let line = line.param(command).param(code);
            let line = about
                .iter()
                .fold(line, |line, about| line.param(repeated(about)));
            line.end_with(why);
        });
    }

    fn not_registered(&mut self, by: MemberId) {
        self.numeric(by, numeric::ERR_NOTREGISTERED, |line| {
            line.end_with("You have not registered");
        });
    }

    fn has_drafts(&self, by: MemberId) -> bool {
        let local = self.members.get(&by).and_then(|member| member.local());
        local.is_some_and(|local| local.outbox.drafts() > 0)
    }
}
