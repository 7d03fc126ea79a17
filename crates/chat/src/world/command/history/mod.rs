//! What was said before: CHATHISTORY (<https://ircv3.net/specs/extensions/chathistory>), SEARCH
//! (`soju.im/search`), and what whoever comes into a room is shown by itself.

mod told;

use super::{Call, Job, Then};
use crate::history::{Conversation, Identity, Place, Query, Range};
use crate::irc::{Caps, Folded, Tags, numeric, time_of};
use crate::log::MsgId;
use crate::world::limits::{HISTORY_LINES, HISTORY_TARGETS};
use crate::world::member::Purpose;
use crate::world::{Member, MemberId, World};

const COMMAND: &str = "CHATHISTORY";

/// What is wrong with what was asked: a code of FAIL, what it is about, and why.
type Wrong = (&'static str, Vec<String>, &'static str);

/// What is read, and how it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// CHATHISTORY: which command and which target.
    Messages(String, String),
    /// CHATHISTORY TARGETS.
    Targets,
    /// SEARCH.
    Search,
    /// Rooms that were come into.
    Rooms(Vec<String>),
}

impl World {
    pub(in crate::world::command) fn on_chathistory(&mut self, call: Call<'_>) -> Then {
        if !self.keeps() {
            self.refuse(
                call.by,
                numeric::ERR_UNKNOWNCOMMAND,
                COMMAND,
                "Nothing is kept here",
            );
            return Then::Go;
        }
        match self.asked(call) {
            Ok((reading, query)) => {
                self.waits_for(call.by, Purpose::Read(reading), Job::History(vec![query]))
            }
            Err((code, about, why)) => {
                let about: Vec<_> = about.iter().map(String::as_str).collect();
                self.fail_on(call.by, COMMAND, code, &about, why);
                Then::Go
            }
        }
    }

    /// What a CHATHISTORY asks.
    fn asked(&self, call: Call<'_>) -> Result<(Reading, Query), Wrong> {
        let params = call.message.params();
        let verb = params[0].to_ascii_uppercase();
        let invalid = |why| ("INVALID_PARAMS", vec![verb.clone()], why);
        let needs = match &*verb {
            "LATEST" | "BEFORE" | "AFTER" | "AROUND" | "TARGETS" => 4,
            "BETWEEN" => 5,
            _ => return Err(invalid("Unknown subcommand")),
        };
        if params.len() < needs {
            return Err(invalid("Insufficient parameters"));
        }
        let limit: usize = params[needs - 1]
            .parse()
            .map_err(|_| invalid("The limit has to be a number"))?;
        let place = |text: &str| {
            reference(text).ok_or_else(|| {
                let about = vec![verb.clone(), text.to_owned()];
                ("INVALID_MSGREFTYPE", about, "Not a msgid or a timestamp")
            })
        };
        if verb == "TARGETS" {
            let (Place::Time(one), Place::Time(other)) = (place(params[1])?, place(params[2])?)
            else {
                return Err(invalid("Targets are asked for between timestamps"));
            };
            let query = self.targets_of(call.by, one, other, up_to(limit, HISTORY_TARGETS));
            return Ok((Reading::Targets, query));
        }
        let range = match &*verb {
            "LATEST" if params[2] == "*" => Range::Latest(None),
            "LATEST" => Range::Latest(Some(place(params[2])?)),
            "BEFORE" => Range::Before(place(params[2])?),
            "AFTER" => Range::After(place(params[2])?),
            "AROUND" => Range::Around(place(params[2])?),
            _ => Range::Between(place(params[2])?, place(params[3])?),
        };
        let (name, conversations) = self.readable(call.by, params[1]).ok_or_else(|| {
            let about = vec![verb.clone(), params[1].to_owned()];
            ("INVALID_TARGET", about, "Messages could not be retrieved")
        })?;
        let query = Query::Messages {
            conversations,
            range,
            limit: up_to(limit, HISTORY_LINES),
            with_topics: self.caps_of(call.by).has(Caps::EVENT_PLAYBACK),
            upto: None,
        };
        Ok((Reading::Messages(verb, name), query))
    }

    /// What a member may read under a name, and what that is called: rooms that he is in, and what
    /// his account and somebody said to each other.
    fn readable(&self, by: MemberId, name: &str) -> Option<(String, Vec<Conversation>)> {
        let member = self.members.get(&by)?;
        let folded = Folded::new(name);
        if name.starts_with('#') {
            let room = self.rooms.get(&folded)?;
            let is_in = member.rooms.contains(&folded);
            return is_in.then(|| (room.name.clone(), vec![Conversation::Room(folded)]));
        }
        let me = Identity::of_account(member.source.account.as_deref()?);
        // Whoever is called so now may be logged in under another name.
        let other = self.nicks.get(&folded).and_then(|id| self.members.get(id));
        let account = other.and_then(|other| other.source.account.as_deref());
        let others = [
            Identity::of_account(account.unwrap_or(name)),
            Identity::of_nick(name),
        ];
        let with = |other| Conversation::between(me.clone(), other);
        Some((name.to_owned(), others.map(with).to_vec()))
    }

    /// All that a member may read: his rooms, and his account's conversations.
    fn all_readable(&self, by: MemberId) -> (Vec<Conversation>, Option<Identity>) {
        let Some(member) = self.members.get(&by) else {
            return (vec![], None);
        };
        let rooms = member.rooms.iter().cloned().map(Conversation::Room);
        let me = member.source.account.as_deref().map(Identity::of_account);
        (rooms.collect(), me)
    }

    fn targets_of(&self, by: MemberId, one: u64, other: u64, limit: usize) -> Query {
        let (rooms, person) = self.all_readable(by);
        Query::Targets {
            rooms,
            person,
            after_ms: one.min(other),
            before_ms: one.max(other),
            limit,
            from_end: one > other,
        }
    }

    pub(in crate::world::command) fn on_search(&mut self, call: Call<'_>) -> Then {
        let (by, asked) = (call.by, Tags::new(call.message.params()[0]));
        if !self.keeps() {
            self.refuse(
                by,
                numeric::ERR_UNKNOWNCOMMAND,
                "SEARCH",
                "Nothing is kept here",
            );
            return Then::Go;
        }
        match self.searched(by, asked) {
            Ok(query) => self.waits_for(
                by,
                Purpose::Read(Reading::Search),
                Job::History(vec![query]),
            ),
            Err((code, about, why)) => {
                let about: Vec<_> = about.iter().map(String::as_str).collect();
                self.fail_on(by, "SEARCH", code, &about, why);
                Then::Go
            }
        }
    }

    /// What a SEARCH asks.
    fn searched(&self, by: MemberId, asked: Tags<'_>) -> Result<Query, Wrong> {
        let invalid = |name: &str, why| ("INVALID_PARAMS", vec![name.to_owned()], why);
        let time = |name: &str| match asked.get(name) {
            Some(text) => match time_of(&text) {
                Some(time) => Ok(Some(time)),
                None => Err(invalid(name, "Not a timestamp")),
            },
            None => Ok(None),
        };
        let limit = match asked.get("limit") {
            Some(limit) => limit
                .parse()
                .map_err(|_| invalid("limit", "The limit has to be a number"))?,
            None => HISTORY_LINES,
        };
        let (conversations, person) = match asked.get("in") {
            Some(name) => {
                let found = self.readable(by, &name);
                let why = "Messages could not be searched";
                let (_, found) = found.ok_or_else(|| invalid("in", why))?;
                (found, None)
            }
            None => self.all_readable(by),
        };
        Ok(Query::Search {
            conversations,
            person,
            text: asked.get("text").unwrap_or_default().into_owned(),
            from: asked.get("from").map(std::borrow::Cow::into_owned),
            after_ms: time("after")?,
            before_ms: time("before")?,
            limit: up_to(limit, HISTORY_LINES),
        })
    }

    /// Shows the last messages of rooms to somebody who has come into them, if his client does not
    /// ask for them itself.
    pub(in crate::world::command) fn replay(&mut self, by: MemberId, rooms: &[&str]) -> Then {
        let lines = self.settings.replay;
        let asks_itself = self.caps_of(by).has(Caps::CHATHISTORY);
        if rooms.is_empty() || lines == 0 || asks_itself || !self.keeps() {
            return Then::Go;
        }
        // What comes behind it he hears as it is said.
        let upto = Some(self.last_seq);
        let folded = rooms.iter().map(|name| Folded::new(name));
        let known = folded.filter_map(|name| Some((self.rooms.get(&name)?.name.clone(), name)));
        let (names, queries) = known
            .map(|(name, folded)| {
                let query = Query::Messages {
                    conversations: vec![Conversation::Room(folded)],
                    range: Range::Latest(None),
                    limit: lines,
                    with_topics: false,
                    upto,
                };
                (name, query)
            })
            .unzip();
        let purpose = Purpose::Read(Reading::Rooms(names));
        self.waits_for(by, purpose, Job::History(queries))
    }

    fn caps_of(&self, member: MemberId) -> Caps {
        let member = self.members.get(&member);
        member.map_or(Caps::default(), Member::caps)
    }
}

/// A limit as it was asked for, and as it may be; 0 is as many as may be.
fn up_to(asked: usize, most: usize) -> usize {
    if asked == 0 { most } else { asked.min(most) }
}

/// `msgid=…` or `timestamp=…`.
fn reference(text: &str) -> Option<Place> {
    match text.split_once('=')? {
        ("msgid", id) if !id.is_empty() => Some(Place::Id(MsgId::from_text(id))),
        ("timestamp", time) => time_of(time).map(Place::Time),
        _ => None,
    }
}
