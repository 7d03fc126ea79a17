//! What those who rule a room do: its topic, who is put out, who is invited.

use super::{Call, Then};
use crate::irc::{Folded, numeric, shown_text};
use crate::log::Act;
use crate::world::limits::{REASON_BYTES, TOPIC_BYTES};
use crate::world::{MemberId, Room, World};

/// Why something is not done in a room.
type Why = (&'static str, &'static str);

const NO_ROOM: Why = (numeric::ERR_NOSUCHCHANNEL, "No such channel");
const NOT_IN: Why = (numeric::ERR_NOTONCHANNEL, "You're not on that channel");
const NOT_RULING: Why = (numeric::ERR_CHANOPRIVSNEEDED, "You're not channel operator");

impl World {
    pub(super) fn on_topic(&mut self, call: Call<'_>) -> Then {
        let (by, name) = (call.by, call.message.params()[0]);
        let Some(text) = call.message.param(1) else {
            match self.may_look_in(by, name) {
                Ok(_) => self.tell_topic(by, &Folded::new(name), true),
                Err((number, why)) => self.refuse(by, number, name, why),
            }
            return Then::Go;
        };
        let text = shown_text(text, TOPIC_BYTES);
        let room = self.may_do(by, name, |room| !room.modes.topic_locked);
        let room = room.map(|room| room.name.clone());
        match room {
            Ok(room) => self.draft(by, Act::Topic { room, text }),
            Err((number, why)) => self.refuse(by, number, name, why),
        }
        Then::Go
    }

    /// Tells what a room is about; `says_none` where there is nothing to tell.
    pub(super) fn tell_topic(&mut self, to: MemberId, folded: &Folded, says_none: bool) {
        let Some(room) = self.rooms.get(folded) else {
            return;
        };
        let name = room.name.clone();
        let Some((text, by, set_ms)) = room.topic.clone() else {
            if says_none {
                self.refuse(to, numeric::RPL_NOTOPIC, &name, "No topic is set");
            }
            return;
        };
        self.refuse(to, numeric::RPL_TOPIC, &name, &text);
        self.numeric(to, numeric::RPL_TOPICWHOTIME, |line| {
            line.param(&name)
                .param(&by)
                .param(&(set_ms / 1000).to_string())
                .end();
        });
    }

    /// A room as whoever is outside may look into it: not if one needs an invitation or a key.
    fn may_look_in(&self, by: MemberId, name: &str) -> Result<&Room, Why> {
        let room = self.rooms.get(&Folded::new(name)).ok_or(NO_ROOM)?;
        let is_oper = self.members.get(&by).is_some_and(|member| member.is_oper);
        let is_open = !room.modes.invite_only && room.modes.key.is_none();
        if is_open || is_oper || room.seats.contains_key(&by) {
            Ok(room)
        } else {
            Err(NOT_IN)
        }
    }

    /// A room in which somebody may do something: because he rules it, or because he is in it and
    /// everybody there may.
    pub(super) fn may_do(
        &self,
        by: MemberId,
        name: &str,
        everybody_may: impl FnOnce(&Room) -> bool,
    ) -> Result<&Room, Why> {
        let room = self.rooms.get(&Folded::new(name)).ok_or(NO_ROOM)?;
        let member = self.members.get(&by).ok_or(NOT_IN)?;
        if room.is_ruled_by(member) {
            return Ok(room);
        }
        if !room.seats.contains_key(&by) {
            return Err(NOT_IN);
        }
        if everybody_may(room) {
            Ok(room)
        } else {
            Err(NOT_RULING)
        }
    }

    /// `KICK #room a,b` or `KICK #a,#b x,y` (RFC 2812, section 3.2.8).
    pub(super) fn on_kick(&mut self, call: Call<'_>) -> Then {
        let by = call.by;
        let (rooms, nicks) = (call.message.params()[0], call.message.params()[1]);
        let why = call.param(2).map_or_else(
            || {
                self.members
                    .get(&by)
                    .map_or("", |member| member.nick())
                    .to_owned()
            },
            |why| shown_text(why, REASON_BYTES),
        );
        let rooms: Vec<_> = rooms.split(',').collect();
        for (index, nick) in nicks.split(',').enumerate() {
            let room = if rooms.len() == 1 {
                Some(&rooms[0])
            } else {
                rooms.get(index)
            };
            if let Some(room) = room.filter(|_| !nick.is_empty()) {
                self.kick(by, room, nick, &why);
            }
        }
        Then::Go
    }

    fn kick(&mut self, by: MemberId, name: &str, nick: &str, why: &str) {
        let room = match self.may_do(by, name, |_| false) {
            Ok(room) => room,
            Err((number, why)) => return self.refuse(by, number, name, why),
        };
        let other = self.nicks.get(&Folded::new(nick));
        if !other.is_some_and(|other| room.seats.contains_key(other)) {
            return self.not_there(by, nick, name);
        }
        let room = room.name.clone();
        let (nick, why) = (nick.to_owned(), why.to_owned());
        self.draft(by, Act::Kick { room, nick, why });
    }

    pub(super) fn not_there(&mut self, by: MemberId, nick: &str, room: &str) {
        self.numeric(by, numeric::ERR_USERNOTINCHANNEL, |line| {
            line.param(nick)
                .param(room)
                .end_with("They aren't on that channel");
        });
    }

    pub(super) fn on_invite(&mut self, call: Call<'_>) -> Then {
        let by = call.by;
        let (nick, name) = (call.message.params()[0], call.message.params()[1]);
        let other = self.nicks.get(&Folded::new(nick)).copied();
        let other = other
            .and_then(|id| self.members.get(&id))
            .filter(|other| other.is_in());
        let Some(other) = other else {
            self.refuse(by, numeric::ERR_NOSUCHNICK, nick, "No such nick/channel");
            return Then::Go;
        };
        let (id, nick) = (other.id, other.nick().to_owned());
        let room = match self.may_do(by, name, |room| !room.modes.invite_only) {
            Ok(room) => room,
            Err((number, why)) => {
                self.refuse(by, number, name, why);
                return Then::Go;
            }
        };
        if room.seats.contains_key(&id) {
            self.numeric(by, numeric::ERR_USERONCHANNEL, |line| {
                line.param(&nick)
                    .param(name)
                    .end_with("is already on channel");
            });
            return Then::Go;
        }
        let room = room.name.clone();
        self.draft(by, Act::Invite { room, nick });
        Then::Go
    }
}
