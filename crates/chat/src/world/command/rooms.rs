//! Coming into rooms and leaving them.

use super::{Call, Then};
use crate::irc::{Caps, Folded, Line, is_room, numeric, shown_text};
use crate::log::Act;
use crate::world::deliver::{EVENT_CAPS, Encoded, event};
use crate::world::limits::{REASON_BYTES, ROOMS};
use crate::world::{Member, MemberId, Room, Seat, World};

/// What changes how a JOIN is told: also whoever comes and is away.
fn join_caps() -> Caps {
    EVENT_CAPS | Caps::EXTENDED_JOIN | Caps::AWAY_NOTIFY
}

impl World {
    pub(super) fn on_join(&mut self, call: Call<'_>) -> Then {
        let names = call.message.params()[0];
        if names == "0" {
            self.part_all(call.by);
            return Then::Go;
        }
        let mut keys = call.param(1).unwrap_or_default().split(',');
        let mut joined = vec![];
        for name in names.split(',').filter(|name| !name.is_empty()) {
            if self.join(call.by, name, keys.next().unwrap_or_default()) {
                joined.push(name);
            }
        }
        self.replay(call.by, &joined)
    }

    /// Somebody wants to come into a room; an unknown one is made. Whether he has come in.
    pub(crate) fn join(&mut self, by: MemberId, name: &str, key: &str) -> bool {
        let folded = Folded::new(name);
        let Some(member) = self.members.get(&by) else {
            return false;
        };
        if member.rooms.contains(&folded) {
            return false;
        }
        if let Err((number, why)) = self.may_come_in(member, name, &folded, key) {
            self.refuse(by, number, name, why);
            return false;
        }
        if !self.rooms.contains_key(&folded) {
            self.found(by, name, &folded);
        }
        self.take_seat(by, &folded);
        self.tell_topic(by, &folded, false);
        self.names(by, &folded);
        true
    }

    fn may_come_in(
        &self,
        member: &Member,
        name: &str,
        folded: &Folded,
        key: &str,
    ) -> Result<(), (&'static str, &'static str)> {
        if !is_room(name) {
            return Err((numeric::ERR_NOSUCHCHANNEL, "No such channel"));
        }
        if member.rooms.len() >= self.settings.rooms_per_member && !member.is_oper {
            let why = "You have joined too many channels";
            return Err((numeric::ERR_TOOMANYCHANNELS, why));
        }
        let Some(room) = self.rooms.get(folded) else {
            return if self.rooms.len() < ROOMS {
                Ok(())
            } else {
                let why = "There are too many channels on this server";
                Err((numeric::ERR_UNAVAILRESOURCE, why))
            };
        };
        // Whoever was invited comes in, whatever else stands against it.
        if member.is_oper || room.is_founded_by(&member.source) || room.invited.contains(&member.id)
        {
            return Ok(());
        }
        let modes = &room.modes;
        if room.bans(&member.source) {
            return Err((numeric::ERR_BANNEDFROMCHAN, "Cannot join channel (+b)"));
        }
        // A room that nobody owns and nobody is in has nobody who could invite.
        if modes.invite_only && !room.is_free() {
            return Err((numeric::ERR_INVITEONLYCHAN, "Cannot join channel (+i)"));
        }
        if modes.key.as_deref().is_some_and(|wanted| wanted != key) {
            return Err((numeric::ERR_BADCHANNELKEY, "Cannot join channel (+k)"));
        }
        if modes.limit.is_some_and(|limit| room.seats.len() >= limit) {
            return Err((numeric::ERR_CHANNELISFULL, "Cannot join channel (+l)"));
        }
        Ok(())
    }

    /// Makes a room. Whoever does so with an account owns it from now on.
    pub(in crate::world) fn found(&mut self, by: MemberId, name: &str, folded: &Folded) {
        let room = Room {
            name: name.to_owned(),
            since_ms: self.now_ms,
            ..Room::default()
        };
        self.rooms.insert(folded.clone(), room);
        let account = self.members.get(&by).and_then(|m| m.source.account.clone());
        if account.is_some_and(|account| self.may_found(&account)) {
            let room = name.to_owned();
            self.draft(by, Act::Founded { room });
        }
    }

    /// Gives somebody a seat and tells everybody.
    pub(crate) fn take_seat(&mut self, by: MemberId, folded: &Folded) {
        let (Some(member), Some(room)) = (self.members.get_mut(&by), self.rooms.get_mut(folded))
        else {
            return;
        };
        member.rooms.insert(folded.clone());
        room.invited.retain(|invited| *invited != by);
        let is_alone = room.seats.is_empty();
        let is_guest = member.is_guest();
        let rules = !is_guest && (room.is_free() || room.is_founded_by(&member.source));
        let seat = Seat {
            rules,
            is_guest,
            outbox: member.local().map(|local| local.outbox.clone()),
            ..Seat::default()
        };
        room.seats.insert(by, seat);
        let (source, name) = (member.source.clone(), room.name.clone());
        let (real_name, away) = (member.real_name.clone(), member.away.clone());
        let (server, now_ms) = (self.settings.clone(), self.now_ms);
        let mut encoded = Encoded::new(join_caps(), |caps, out| {
            let join = event(out, caps, now_ms, None, &source)
                .command("JOIN")
                .param(&name);
            if caps.has(Caps::EXTENDED_JOIN) {
                join.param(source.account.as_deref().unwrap_or("*"))
                    .end_with(&real_name);
            } else {
                join.end();
            }
            if let Some(away) = away.as_ref().filter(|_| caps.has(Caps::AWAY_NOTIFY)) {
                event(out, caps, now_ms, None, &source)
                    .command("AWAY")
                    .end_with(away);
            }
            // Whoever is alone sees it in NAMES.
            if rules && !is_alone {
                Line::new(out)
                    .source(&server.server_name)
                    .command("MODE")
                    .param(&name)
                    .param("+o")
                    .param(&source.nick)
                    .end();
            }
        });
        self.tell_room_and(folded, by, &mut encoded);
    }

    pub(super) fn on_part(&mut self, call: Call<'_>) -> Then {
        for name in call.message.params()[0]
            .split(',')
            .filter(|name| !name.is_empty())
        {
            let folded = Folded::new(name);
            if !self.rooms.contains_key(&folded) {
                self.refuse(call.by, numeric::ERR_NOSUCHCHANNEL, name, "No such channel");
            } else if !self.part(call.by, &folded, call.param(1)) {
                let why = "You're not on that channel";
                self.refuse(call.by, numeric::ERR_NOTONCHANNEL, name, why);
            }
        }
        Then::Go
    }

    fn part_all(&mut self, by: MemberId) {
        let rooms = self.members.get(&by).map(|member| member.rooms.clone());
        for room in rooms.into_iter().flatten() {
            self.part(by, &room, None);
        }
    }

    /// Somebody leaves a room; false if he is not in it.
    fn part(&mut self, by: MemberId, folded: &Folded, why: Option<&str>) -> bool {
        let (Some(member), Some(room)) = (self.members.get_mut(&by), self.rooms.get(folded)) else {
            return false;
        };
        if !member.rooms.remove(folded) {
            return false;
        }
        let (source, name, now_ms) = (member.source.clone(), room.name.clone(), self.now_ms);
        let mut encoded = Encoded::new(EVENT_CAPS, |caps, out| {
            let part = event(out, caps, now_ms, None, &source)
                .command("PART")
                .param(&name);
            match why {
                Some(why) => part.end_with(&shown_text(why, REASON_BYTES)),
                None => part.end(),
            }
        });
        self.tell_room_and(folded, by, &mut encoded);
        self.vacate(folded, by);
        true
    }

    /// Takes a seat away; an empty room of which nothing is kept is gone.
    pub(crate) fn vacate(&mut self, room: &Folded, id: MemberId) {
        if let Some(there) = self.rooms.get_mut(room) {
            there.seats.remove(&id);
            if there.seats.is_empty() && !there.is_kept() {
                self.rooms.remove(room);
            }
        }
    }
}
