//! Saying something.

use super::{Call, Then};
use crate::irc::{CLIENT_TAGS_BYTES, Caps, Folded, LINE_BYTES, Tags, numeric};
use crate::log::{Act, Refusal, Source, Target, Verb};
use crate::world::limits::{DRAFTS_PER_MEMBER, TARGETS_PER_LINE};
use crate::world::{Drafted, Member, MemberId, Pending, World};

/// Why something is not said: a numeric, and its words.
type Why = (&'static str, &'static str);

/// Whom something reaches.
struct Reached {
    to: Target,
    person: Who,
}

/// Who hears it.
#[derive(Clone, Copy)]
enum Who {
    /// Those in a room.
    Several,
    /// Somebody who is here.
    Member(MemberId),
    /// Nobody now: whoever has this account, when he comes back.
    Account,
}

impl World {
    pub(super) fn on_say(&mut self, call: Call<'_>) -> Then {
        let by = call.by;
        let verb = match call.message.command.as_bytes()[0].to_ascii_uppercase() {
            b'P' => Verb::Privmsg,
            b'N' => Verb::Notice,
            _ => Verb::Tagmsg,
        };
        let Some(member) = self.members.get_mut(&by) else {
            return Then::Close;
        };
        let drafts = member.local().map_or(0, |local| local.outbox.drafts());
        if drafts > DRAFTS_PER_MEMBER {
            return Then::Settle;
        }
        if verb == Verb::Privmsg {
            member.spoke_ms = self.now_ms;
        }
        let tags = if member.caps().has(Caps::TAGS) {
            tags_for_others(call.message.tags)
        } else {
            String::new()
        };
        let Some(targets) = call.param(0) else {
            self.say_why_not(
                by,
                verb,
                None,
                (numeric::ERR_NORECIPIENT, "No recipient given"),
            );
            return Then::Go;
        };
        let Some(text) = call.param(1).or((verb == Verb::Tagmsg).then_some("")) else {
            self.say_why_not(
                by,
                verb,
                None,
                (numeric::ERR_NOTEXTTOSEND, "No text to send"),
            );
            return Then::Go;
        };
        // All that it needs, or a line without anything that others would hear.
        if verb == Verb::Tagmsg && tags.is_empty() {
            return Then::Go;
        }
        if targets.split(',').count() > TARGETS_PER_LINE {
            let why = (
                numeric::ERR_TOOMANYTARGETS,
                "Too many targets; nobody has heard it",
            );
            self.say_why_not(by, verb, Some(targets), why);
            return Then::Go;
        }
        self.say(by, verb, targets, text, &tags);
        Then::Go
    }

    fn say(&mut self, by: MemberId, verb: Verb, targets: &str, text: &str, tags: &str) {
        let mut said: Vec<&str> = vec![];
        for name in targets.split(',').filter(|name| !name.is_empty()) {
            if said.iter().any(|other| other.eq_ignore_ascii_case(name)) {
                continue;
            }
            said.push(name);
            match self.reach(by, verb, name, text, tags) {
                Ok(Reached { to, person }) => {
                    let act = Act::Say {
                        verb,
                        to,
                        text: text.to_owned(),
                        tags: tags.to_owned(),
                    };
                    self.draft(by, act);
                    if verb == Verb::Privmsg {
                        self.tell_of(by, name, person);
                    }
                }
                Err(why) => self.say_why_not(by, verb, Some(name), why),
            }
        }
    }

    /// Tells that somebody who was spoken to will not answer soon.
    fn tell_of(&mut self, by: MemberId, name: &str, person: Who) {
        match person {
            Who::Several => {}
            Who::Member(other) => self.tell_away(by, other),
            Who::Account => {
                let why = "Not here; the message waits in the history";
                self.refuse(by, numeric::RPL_AWAY, name, why);
            }
        }
    }

    /// A notice is never answered, whatever is wrong with it (RFC 2812, section 3.3.2).
    fn say_why_not(&mut self, by: MemberId, verb: Verb, what: Option<&str>, why: Why) {
        if verb == Verb::Notice {
            return;
        }
        let (number, why) = why;
        match what {
            Some(what) => self.refuse(by, number, what, why),
            None => self.numeric(by, number, |line| line.end_with(why)),
        }
    }

    /// Whom a name means, if he may be spoken to and the line fits.
    fn reach(
        &mut self,
        by: MemberId,
        verb: Verb,
        name: &str,
        text: &str,
        tags: &str,
    ) -> Result<Reached, Why> {
        let member = self.members.get(&by).ok_or(NOBODY)?;
        let reached = if name.starts_with('#') {
            self.room_for(member, name)?
        } else {
            self.person_for(verb, name)?
        };
        let called = match &reached.to {
            Target::Room(name) => name,
            Target::Person { nick, .. } => nick,
        };
        let len = line_len(&member.source, verb, called, text);
        if len > LINE_BYTES || tags.len() > CLIENT_TAGS_BYTES {
            return Err((
                numeric::ERR_INPUTTOOLONG,
                "The line would be too long; nobody has heard it",
            ));
        }
        Ok(reached)
    }

    fn room_for(&self, member: &Member, name: &str) -> Result<Reached, Why> {
        let room = self.rooms.get(&Folded::new(name));
        let room = room.ok_or((numeric::ERR_NOSUCHCHANNEL, "No such channel"))?;
        match room.silences(member) {
            None => Ok(Reached {
                to: Target::Room(room.name.clone()),
                person: Who::Several,
            }),
            Some(mode) => Err((
                numeric::ERR_CANNOTSENDTOCHAN,
                match mode {
                    'n' => "Cannot send to channel (+n): you are not in it",
                    'm' => "Cannot send to channel (+m): you have no voice",
                    _ => "Cannot send to channel (+b): you are banned",
                },
            )),
        }
    }

    /// Somebody who is here; or an account that can read it later, if messages are kept.
    fn person_for(&self, verb: Verb, name: &str) -> Result<Reached, Why> {
        let folded = Folded::new(name);
        let other = self.nicks.get(&folded).and_then(|id| self.members.get(id));
        if let Some(other) = other.filter(|other| other.is_in()) {
            let (nick, account) = (other.source.nick.clone(), other.source.account.clone());
            return Ok(Reached {
                to: Target::Person { nick, account },
                person: Who::Member(other.id),
            });
        }
        let account = self.accounts.get(&folded).filter(|_| verb != Verb::Tagmsg);
        let account = account.filter(|_| self.keeps()).ok_or(NOBODY)?;
        Ok(Reached {
            to: Target::Person {
                nick: account.name.clone(),
                account: Some(account.name.clone()),
            },
            person: Who::Account,
        })
    }

    /// What somebody said will not be kept, and so nobody hears it.
    pub(in crate::world) fn refused(&mut self, draft: Pending, why: &Refusal) {
        let by = draft.by;
        self.answering(draft, |world| match draft.kind {
            Drafted::Account => world.register_refused(by, &why.to_string()),
            Drafted::Said if matches!(why, Refusal::Unanswered(_)) => {
                let why =
                    format!("Nobody knows whether it is kept, and it may still be heard: {why}");
                world.fail(by, "*", "MESSAGE_IN_DOUBT", &why);
            }
            Drafted::Said => {
                let why = format!("Nobody has heard it: {why}");
                world.fail(by, "*", "MESSAGE_NOT_KEPT", &why);
            }
            Drafted::Changed => world.fail(by, "*", "NOT_KEPT", &format!("It was not done: {why}")),
            Drafted::Founded => {
                let why = format!("The channel is open, but not yours: {why}");
                world.fail(by, "JOIN", "NOT_KEPT", &why);
            }
        });
    }
}

const NOBODY: Why = (numeric::ERR_NOSUCHNICK, "No such nick/channel");

/// Bytes of a message as others get it, with CR LF, without tags.
fn line_len(from: &Source, verb: Verb, to: &str, text: &str) -> usize {
    let source = from.nick.len() + from.user.len() + from.host.len();
    source + verb.command().len() + to.len() + text.len() + ":!@   :\r\n".len()
}

/// The tags that clients say to each other, as they came.
fn tags_for_others(tags: Tags<'_>) -> String {
    let mut written = String::new();
    for (key, value) in tags.client_only().filter(|(key, _)| is_key(key)) {
        if !written.is_empty() {
            written.push(';');
        }
        written.push_str(key);
        if !value.is_empty() {
            written.push('=');
            written.push_str(value);
        }
    }
    written
}

/// `+name` or `+vendor/name` (<https://ircv3.net/specs/extensions/message-tags>).
fn is_key(key: &str) -> bool {
    let name = &key[1..];
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-./".contains(&byte);
    !name.is_empty() && name.bytes().all(is_plain)
}
