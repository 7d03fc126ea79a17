//! Who comes, goes, and is called otherwise.

use std::collections::BTreeMap;

use sockeye_chat::irc::{Message as Line, time_of};

use super::Model;
use super::conversation::{ConversationId, MEMBERS_LISTED, Person, Place, ServerId};
use super::message::{Kind, Message};

/// The nick of `nick!user@host`; a server's name as it is.
pub(super) fn nick_of(source: &str) -> &str {
    source.split(['!', '@']).next().unwrap_or(source)
}

impl Model {
    /// A message of the time and the id that its line has.
    pub(super) fn message_of(
        &mut self,
        id: ServerId,
        line: &Line<'_>,
        kind: Kind,
        text: &str,
    ) -> Message {
        let nick = nick_of(line.source.unwrap_or_default());
        let mut message = self.message(kind, Some(nick), text);
        message.mine = self.server(id).is_me(nick);
        message.id = line.tags.get("msgid").map(|id| (*id).into());
        if let Some(time) = line.tags.get("time").and_then(|time| time_of(&time)) {
            message.time_ms = time;
        }
        message
    }

    fn show_in(
        &mut self,
        at: ConversationId,
        id: ServerId,
        line: &Line<'_>,
        kind: Kind,
        text: &str,
    ) {
        let message = self.message_of(id, line, kind, text);
        self.show(at, message);
    }

    /// The conversation of a room that is known.
    pub(super) fn room(&self, id: ServerId, name: &str) -> Option<ConversationId> {
        self.find(&Place::Room(id, name.to_owned()))
    }

    /// The rooms that list this nick.
    fn rooms_with(&self, id: ServerId, nick: &str) -> Vec<ConversationId> {
        let folded = self.server(id).support.fold(nick);
        let there = self
            .conversations
            .iter()
            .filter(|one| one.place.server() == Some(id) && one.members.contains_key(&folded));
        there.map(|one| one.id).collect()
    }

    pub(super) fn on_join(&mut self, id: ServerId, line: &Line<'_>) {
        let (Some(name), Some(source)) = (line.param(0), line.source) else {
            return;
        };
        let nick = nick_of(source).to_owned();
        let place = Place::Room(id, name.to_owned());
        let Some(room) = self.open(place, name.to_owned()) else {
            return;
        };
        let is_me = self.server(id).is_me(&nick);
        if is_me {
            self.server_mut(id).source_bytes = source.len();
            let conversation = self.conversation_mut(room);
            conversation.joined = true;
            conversation.refused = None;
            conversation.members.clear();
        }
        let folded = self.server(id).support.fold(&nick);
        let members = &mut self.conversation_mut(room).members;
        if members.len() < MEMBERS_LISTED {
            let person = Person {
                nick,
                ..Person::default()
            };
            members.insert(folded, person);
        }
        self.show_in(room, id, line, Kind::Join, "");
        if is_me {
            self.ask_for_beginning(room);
        }
    }

    pub(super) fn on_part(&mut self, id: ServerId, line: &Line<'_>) {
        let Some(room) = line.param(0).and_then(|name| self.room(id, name)) else {
            return;
        };
        let nick = nick_of(line.source.unwrap_or_default());
        self.show_in(
            room,
            id,
            line,
            Kind::Part,
            line.param(1).unwrap_or_default(),
        );
        self.leaves(room, id, nick);
    }

    pub(super) fn on_kick(&mut self, id: ServerId, line: &Line<'_>) {
        let Some(room) = line.param(0).and_then(|name| self.room(id, name)) else {
            return;
        };
        let who = line.param(1).unwrap_or_default();
        let text = format!("{who} {}", line.param(2).unwrap_or_default());
        let mut message = self.message_of(id, line, Kind::Kick, text.trim_end());
        message.mention = self.server(id).is_me(who);
        self.show(room, message);
        self.leaves(room, id, who);
        if self.server(id).is_me(who) {
            let why = line.params().last().copied().unwrap_or_default();
            self.conversation_mut(room).refused = Some(why.to_owned());
        }
    }

    fn leaves(&mut self, room: ConversationId, id: ServerId, nick: &str) {
        let is_me = self.server(id).is_me(nick);
        let folded = self.server(id).support.fold(nick);
        let conversation = self.conversation_mut(room);
        conversation.members.remove(&folded);
        if is_me {
            conversation.joined = false;
            conversation.members.clear();
        }
    }

    pub(super) fn on_quit(&mut self, id: ServerId, line: &Line<'_>) {
        let nick = nick_of(line.source.unwrap_or_default()).to_owned();
        let text = line.param(0).unwrap_or_default();
        let mut places = self.rooms_with(id, &nick);
        places.extend(self.find(&Place::Person(id, nick.clone())));
        for place in places {
            self.show_in(place, id, line, Kind::Quit, text);
            self.leaves(place, id, &nick);
        }
    }

    pub(super) fn on_nick(&mut self, id: ServerId, line: &Line<'_>) {
        let Some(new) = line.param(0) else { return };
        let old = nick_of(line.source.unwrap_or_default()).to_owned();
        let (from, to) = {
            let support = &self.server(id).support;
            (support.fold(&old), support.fold(new))
        };
        let is_me = self.server(id).is_me(&old);
        for room in self.rooms_with(id, &old) {
            self.show_in(room, id, line, Kind::Nick, new);
            let members = &mut self.conversation_mut(room).members;
            if let Some(mut person) = members.remove(&from) {
                new.clone_into(&mut person.nick);
                members.insert(to.clone(), person);
            }
        }
        if is_me {
            new.clone_into(&mut self.server_mut(id).nick);
            let status = self.status(id);
            self.show_in(status, id, line, Kind::Nick, new);
            self.news.push(super::News::Server(id));
        } else {
            self.rename(id, &old, new);
        }
    }

    /// A private conversation follows its person's new nick, unless there is one of that name.
    fn rename(&mut self, id: ServerId, old: &str, new: &str) {
        let new_place = Place::Person(id, new.to_owned());
        let known = self.find(&new_place).is_some();
        let Some(private) = self.find(&Place::Person(id, old.to_owned())) else {
            return;
        };
        let is_contact = self.contacts.iter().any(|one| {
            matches!(&one.way, super::Way::Nick { server, nick }
                if *server == id && nick.eq_ignore_ascii_case(old))
        });
        // A contact is whoever has the nick that the contacts say.
        if known || is_contact {
            return;
        }
        let conversation = self.conversation_mut(private);
        conversation.place = new_place;
        new.clone_into(&mut conversation.name);
        let mut moved = std::mem::take(&mut self.conversations);
        moved.sort_by_cached_key(|one| self.rank(one));
        self.conversations = moved;
    }

    pub(super) fn on_mode(&mut self, id: ServerId, line: &Line<'_>) {
        let (Some(target), Some(letters)) = (line.param(0), line.param(1)) else {
            return;
        };
        let text = line.params()[1..].join(" ");
        let Some(room) = self.room(id, target) else {
            let status = self.status(id);
            self.show_in(status, id, line, Kind::Mode, &text);
            return;
        };
        self.show_in(room, id, line, Kind::Mode, &text);
        let mut about = line.params()[2..].iter();
        let mut adds = true;
        for letter in letters.chars() {
            match letter {
                '+' => adds = true,
                '-' => adds = false,
                letter => {
                    if let Some(prefix) = self.prefix_of(id, letter) {
                        if let Some(nick) = about.next() {
                            self.set_prefix(room, id, nick, prefix, adds);
                        }
                    } else if self.takes_parameter(id, letter, adds) {
                        about.next();
                    }
                }
            }
        }
    }

    fn prefix_of(&self, id: ServerId, letter: char) -> Option<char> {
        let prefixes = &self.server(id).support.prefixes;
        let found = prefixes.iter().find(|(mode, _)| *mode == letter);
        found.map(|(_, prefix)| *prefix)
    }

    fn takes_parameter(&self, id: ServerId, letter: char, adds: bool) -> bool {
        let [lists, always, when_set, _] = &self.server(id).support.room_modes;
        lists.contains(letter) || always.contains(letter) || (adds && when_set.contains(letter))
    }

    fn set_prefix(
        &mut self,
        room: ConversationId,
        id: ServerId,
        nick: &str,
        prefix: char,
        on: bool,
    ) {
        let folded = self.server(id).support.fold(nick);
        let order: Vec<char> = {
            let prefixes = &self.server(id).support.prefixes;
            prefixes.iter().map(|(_, prefix)| *prefix).collect()
        };
        let members = &mut self.conversation_mut(room).members;
        if let Some(person) = members.get_mut(&folded) {
            let has = |one: char| {
                if one == prefix {
                    on
                } else {
                    person.prefixes.contains(one)
                }
            };
            let now: String = order.into_iter().filter(|one| has(*one)).collect();
            person.prefixes = now;
        }
    }

    pub(super) fn on_topic(&mut self, id: ServerId, line: &Line<'_>) {
        let Some(room) = line.param(0).and_then(|name| self.room(id, name)) else {
            return;
        };
        let topic = line.param(1).unwrap_or_default();
        self.set_topic(room, topic);
        self.show_in(room, id, line, Kind::Topic, topic);
    }

    pub(super) fn set_topic(&mut self, room: ConversationId, topic: &str) {
        let topic = super::message::without_styles(topic);
        self.conversation_mut(room).topic = Some(topic).filter(|topic| !topic.is_empty());
    }

    pub(super) fn on_invite(&mut self, id: ServerId, line: &Line<'_>) {
        let (Some(who), Some(name)) = (line.param(0), line.param(1)) else {
            return;
        };
        let is_me = self.server(id).is_me(who);
        let place = if is_me { None } else { self.room(id, name) };
        let place = place.unwrap_or_else(|| self.status(id));
        let text = if is_me {
            name.to_owned()
        } else {
            format!("{name} {who}")
        };
        let mut message = self.message_of(id, line, Kind::Invite, &text);
        message.mention = is_me;
        self.show(place, message);
    }

    pub(super) fn on_away(&mut self, id: ServerId, line: &Line<'_>) {
        let nick = nick_of(line.source.unwrap_or_default()).to_owned();
        let text = line.param(0).unwrap_or_default();
        let folded = self.server(id).support.fold(&nick);
        for room in self.rooms_with(id, &nick) {
            let members = &mut self.conversation_mut(room).members;
            if let Some(person) = members.get_mut(&folded) {
                person.away = !text.is_empty();
            }
        }
        if let Some(private) = self.find(&Place::Person(id, nick)) {
            self.show_in(private, id, line, Kind::Away, text);
        }
    }

    /// 353: some of who is there.
    pub(super) fn on_names(&mut self, id: ServerId, line: &Line<'_>) {
        let (Some(name), Some(names)) = (line.param(2), line.param(3)) else {
            return;
        };
        let Some(room) = self.room(id, name) else {
            return;
        };
        let support = self.server(id).support.clone();
        let conversation = self.conversation_mut(room);
        let mut listing = conversation.listing.take().unwrap_or_default();
        for name in names.split_whitespace() {
            let (prefixes, source) = support.split_prefixes(name);
            let nick = nick_of(source);
            let folded = support.fold(nick);
            if listing.len() < MEMBERS_LISTED {
                let before = conversation.members.get(&folded);
                let person = Person {
                    nick: nick.to_owned(),
                    prefixes: prefixes.to_owned(),
                    away: before.is_some_and(|before| before.away),
                };
                listing.insert(folded, person);
            }
        }
        conversation.listing = Some(listing);
    }

    /// 366: that was everybody.
    pub(super) fn on_end_of_names(&mut self, id: ServerId, line: &Line<'_>) {
        if let Some(room) = line.param(1).and_then(|name| self.room(id, name)) {
            let conversation = self.conversation_mut(room);
            if let Some(listing) = conversation.listing.take() {
                conversation.members = listing;
            }
            self.news.push(super::News::Server(id));
        }
    }

    /// Without a connection nobody is anywhere; the rooms are remembered.
    pub(super) fn leave_all_rooms(&mut self, id: ServerId) {
        let mut left = vec![];
        let last_ms = self.server(id).last_ms;
        for conversation in &mut self.conversations {
            if let Place::Room(server, name) = &conversation.place
                && *server == id
            {
                if conversation.joined {
                    left.push(name.clone());
                    conversation.left_ms = Some(last_ms).filter(|ms| *ms > 0);
                }
                conversation.joined = false;
                conversation.members = BTreeMap::new();
                conversation.listing = None;
            }
        }
        self.server_mut(id).was_in.extend(left);
    }
}
