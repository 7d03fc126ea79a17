//! What a member of another server is here: seats without an outbox, and lines for those who know him.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Afar, Seen, SeenSeat};
use crate::irc::{Caps, Folded, Line};
use crate::world::deliver::{EVENT_CAPS, Encoded, event};
use crate::world::{Home, Member, MemberId, Room, Seat, World};

impl World {
    /// Hears how a member of another server looks now, or that he is gone and why. Members of this
    /// server hear of the difference as if it had happened here.
    pub fn elsewhere(&mut self, server: &str, who: Afar, news: Result<&Seen, &str>) {
        match (self.abroad.afar.get(&who).copied(), news) {
            (None, Ok(seen)) => self.appear(server, who, seen),
            (Some(id), Ok(seen)) => self.compare(id, seen),
            (Some(id), Err(reason)) => {
                self.abroad.afar.remove(&who);
                self.quit(id, reason);
            }
            (None, Err(_)) => {}
        }
    }

    fn appear(&mut self, server: &str, who: Afar, seen: &Seen) {
        let id = self.next_id();
        let member = Member {
            id,
            source: Arc::new(seen.source.clone()),
            real_name: seen.real_name.clone(),
            rooms: BTreeSet::new(),
            away: seen.away.clone(),
            is_invisible: seen.is_invisible,
            is_oper: seen.is_oper,
            since_ms: seen.since_ms,
            spoke_ms: seen.since_ms,
            home: Home::Elsewhere {
                server: server.to_owned(),
            },
        };
        let folded = Folded::new(&seen.source.nick);
        self.make_way(&folded, id);
        self.members.insert(id, member);
        self.nicks.insert(folded, id);
        self.abroad.afar.insert(who, id);
        self.tell_watchers_came(id);
        for seat in &seen.rooms {
            self.sit_down(id, seat);
        }
    }

    /// Whoever is called so on another server gives way to the one who holds the claim: his own server
    /// tells soon what he is called now, until then he is called by his number.
    pub(super) fn make_way(&mut self, nick: &Folded, for_whom: MemberId) {
        let other = self.nicks.get(nick).copied();
        let Some(other) = other.filter(|other| *other != for_whom) else {
            return;
        };
        if self
            .members
            .get(&other)
            .is_some_and(|m| m.local().is_some())
        {
            // The one of this server hears that he has lost it; nobody here is to wait for that.
            self.lose_nick(other);
        } else {
            self.call(other, &format!("lost-{:x}", other.0));
        }
    }

    fn compare(&mut self, id: MemberId, seen: &Seen) {
        let Some(member) = self.members.get(&id) else {
            return;
        };
        if member.source.nick != seen.source.nick {
            self.make_way(&Folded::new(&seen.source.nick), id);
            self.call(id, &seen.source.nick);
        }
        self.compare_person(id, seen);
        let rooms = self
            .members
            .get(&id)
            .map(|member| member.rooms.clone())
            .unwrap_or_default();
        let now: BTreeMap<Folded, &SeenSeat> = seen
            .rooms
            .iter()
            .map(|seat| (Folded::new(&seat.room), seat))
            .collect();
        for left in rooms.iter().filter(|room| !now.contains_key(*room)) {
            self.stand_up(id, left);
        }
        for (room, seat) in &now {
            if rooms.contains(room) {
                self.compare_seat(id, room, seat);
            } else {
                self.sit_down(id, seat);
            }
        }
    }

    /// Account, absence and what needs no line.
    fn compare_person(&mut self, id: MemberId, seen: &Seen) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let new_account = member.source.account != seen.source.account;
        let new_away = member.away != seen.away;
        let new_name = member.real_name != seen.real_name;
        member.rename(|source| source.clone_from(&seen.source));
        member.real_name.clone_from(&seen.real_name);
        member.away.clone_from(&seen.away);
        member.is_oper = seen.is_oper;
        member.is_invisible = seen.is_invisible;
        let (source, now_ms) = (Arc::clone(&member.source), self.now_ms);
        if new_account {
            let account = seen.source.account.as_deref().unwrap_or("*");
            let mut encoded = Encoded::new(EVENT_CAPS | Caps::ACCOUNT_NOTIFY, |caps, out| {
                if caps.has(Caps::ACCOUNT_NOTIFY) {
                    let line = event(out, caps, now_ms, None, &source);
                    line.command("ACCOUNT").param(account).end();
                }
            });
            self.tell_acquaintances(id, &mut encoded);
        }
        if new_away {
            let mut encoded = Encoded::new(EVENT_CAPS | Caps::AWAY_NOTIFY, |caps, out| {
                if caps.has(Caps::AWAY_NOTIFY) {
                    let line = event(out, caps, now_ms, None, &source).command("AWAY");
                    match &seen.away {
                        Some(why) => line.end_with(why),
                        None => line.end(),
                    }
                }
            });
            self.tell_acquaintances(id, &mut encoded);
        }
        if new_name {
            let mut encoded = Encoded::new(EVENT_CAPS | Caps::SETNAME, |caps, out| {
                if caps.has(Caps::SETNAME) {
                    let line = event(out, caps, now_ms, None, &source);
                    line.command("SETNAME").end_with(&seen.real_name);
                }
            });
            self.tell_acquaintances(id, &mut encoded);
        }
    }

    fn sit_down(&mut self, id: MemberId, seat: &SeenSeat) {
        let folded = Folded::new(&seat.room);
        let now_ms = self.now_ms;
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        member.rooms.insert(folded.clone());
        let (source, real_name) = (Arc::clone(&member.source), member.real_name.clone());
        let away = member.away.clone();
        let room = self.rooms.entry(folded.clone()).or_insert_with(|| Room {
            name: seat.room.clone(),
            since_ms: now_ms,
            ..Room::default()
        });
        let name = room.name.clone();
        room.seats.insert(id, Seat::default());
        let mut encoded = Encoded::new(
            EVENT_CAPS | Caps::EXTENDED_JOIN | Caps::AWAY_NOTIFY,
            |caps, out| {
                let line = event(out, caps, now_ms, None, &source);
                let line = line.command("JOIN").param(&name);
                if caps.has(Caps::EXTENDED_JOIN) {
                    let account = source.account.as_deref().unwrap_or("*");
                    line.param(account).end_with(&real_name);
                } else {
                    line.end();
                }
                if let Some(away) = away.as_ref().filter(|_| caps.has(Caps::AWAY_NOTIFY)) {
                    let line = event(out, caps, now_ms, None, &source);
                    line.command("AWAY").end_with(away);
                }
            },
        );
        self.tell_room(&folded, Some(id), &mut encoded);
        self.compare_seat(id, &folded, seat);
    }

    fn stand_up(&mut self, id: MemberId, room: &Folded) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        member.rooms.remove(room);
        let (source, now_ms) = (Arc::clone(&member.source), self.now_ms);
        let Some(name) = self.rooms.get(room).map(|room| room.name.clone()) else {
            return;
        };
        let mut encoded = Encoded::new(EVENT_CAPS, |caps, out| {
            let line = event(out, caps, now_ms, None, &source);
            line.command("PART").param(&name).end();
        });
        self.tell_room(room, Some(id), &mut encoded);
        self.vacate(room, id);
    }

    fn compare_seat(&mut self, id: MemberId, folded: &Folded, now: &SeenSeat) {
        let Some(room) = self.rooms.get_mut(folded) else {
            return;
        };
        let Some(seat) = room.seats.get_mut(&id) else {
            return;
        };
        let (mut set, mut taken) = (String::new(), String::new());
        for (mode, was, is) in [
            ('o', seat.rules, now.rules),
            ('v', seat.has_voice, now.has_voice),
        ] {
            match (was, is) {
                (false, true) => set.push(mode),
                (true, false) => taken.push(mode),
                _ => {}
            }
        }
        seat.rules = now.rules;
        seat.has_voice = now.has_voice;
        if set.is_empty() && taken.is_empty() {
            return;
        }
        let name = room.name.clone();
        let nick = self
            .members
            .get(&id)
            .map_or("*", |member| member.nick())
            .to_owned();
        let mut changes = String::new();
        for (sign, modes) in [('+', &set), ('-', &taken)] {
            if !modes.is_empty() {
                changes.push(sign);
                changes.push_str(modes);
            }
        }
        let server = self.settings.server_name.clone();
        let times = set.len() + taken.len();
        let mut encoded = Encoded::new(Caps::default(), |_, out| {
            let line = Line::new(out).source(&server).command("MODE");
            let mut line = line.param(&name).param(&changes);
            for _ in 0..times {
                line = line.param(&nick);
            }
            line.end();
        });
        self.tell_room(folded, Some(id), &mut encoded);
    }
}
