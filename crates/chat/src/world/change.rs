//! What was kept happens to rooms: on every server alike, in the order of the log.

use std::collections::HashMap;

use super::deliver::{EVENT_CAPS, Encoded, event};
use super::limits::{INVITED_PER_ROOM, ROOMS_PER_FOUNDER};
use super::{Member, MemberId, Room, World};
use crate::irc::{Caps, Folded, LINE_BYTES, Line, numeric};
use crate::log::{Act, Entry, ModeChange};

impl World {
    /// Something that is kept has changed.
    pub(super) fn change(&mut self, entry: &Entry, act: &Act) {
        match act {
            Act::Topic { room, text } => self.topic_set(entry, room, text),
            Act::Modes { room, changes } => self.modes_changed(entry, room, changes),
            Act::Kick { room, nick, why } => self.kicked(entry, room, nick, why),
            Act::Invite { room, nick } => self.invited(entry, room, nick),
            Act::Founded { room } => self.founded(entry, room),
            Act::Account { name, password } => self.account_made(entry, name, password),
            Act::Say { .. } => {}
        }
    }

    /// Tells a room what was done in it; its author hears it as the answer to his command, if he is
    /// there.
    fn tell_change<F: Fn(Caps, &mut Vec<u8>)>(
        &mut self,
        entry: &Entry,
        room: &Folded,
        mut encoded: Encoded<F>,
    ) {
        let Some(draft) = self.settle(&entry.draft.id) else {
            return self.tell_room(room, None, &mut encoded);
        };
        self.tell_room(room, Some(draft.by), &mut encoded);
        let is_there = |room: &Room| room.seats.contains_key(&draft.by);
        let is_there = self.rooms.get(room).is_some_and(is_there);
        self.answering(draft, |world| {
            if is_there {
                world.write_for(draft.by, |caps, out| encoded.write(caps, out));
            }
        });
    }

    /// A draft of which nobody hears but by its label.
    fn settle_silently(&mut self, entry: &Entry) {
        if let Some(draft) = self.settle(&entry.draft.id) {
            self.answering(draft, |_| {});
        }
    }

    /// The room of an entry: whoever comes back to a log from before may not know it yet.
    fn room_of(&mut self, entry: &Entry, name: &str) -> (Folded, &mut Room) {
        let folded = Folded::new(name);
        let room = self.rooms.entry(folded.clone()).or_insert_with(|| Room {
            name: name.to_owned(),
            since_ms: entry.time_ms,
            ..Room::default()
        });
        (folded, room)
    }

    fn topic_set(&mut self, entry: &Entry, name: &str, text: &str) {
        let from = &entry.draft.from;
        let (folded, room) = self.room_of(entry, name);
        room.topic = (!text.is_empty()).then(|| (text.to_owned(), from.to_string(), entry.time_ms));
        let name = room.name.clone();
        let encoded = Encoded::new(EVENT_CAPS, |caps, out| {
            event(out, caps, entry.time_ms, Some(&entry.draft.id), from)
                .command("TOPIC")
                .param(&name)
                .end_with(text);
        });
        self.tell_change(entry, &folded, encoded);
        self.forget_if_empty(&folded);
    }

    fn modes_changed(&mut self, entry: &Entry, name: &str, changes: &[ModeChange]) {
        let from = &entry.draft.from;
        let nicks: HashMap<&str, MemberId> = changes
            .iter()
            .filter(|change| matches!(change.mode, 'o' | 'v'))
            .filter_map(|change| change.param.as_deref())
            .filter_map(|nick| Some((nick, *self.nicks.get(&Folded::new(nick))?)))
            .collect();
        let (folded, room) = self.room_of(entry, name);
        let mut done = vec![];
        for change in changes {
            let has_changed = match change.mode {
                'o' | 'v' => {
                    let id = change.param.as_deref().and_then(|nick| nicks.get(nick));
                    let seat = id.and_then(|id| room.seats.get_mut(id));
                    seat.is_some_and(|seat| {
                        let flag = if change.mode == 'o' {
                            &mut seat.rules
                        } else {
                            &mut seat.has_voice
                        };
                        std::mem::replace(flag, change.set) != change.set
                    })
                }
                _ => room.change(change, from, entry.time_ms),
            };
            if has_changed {
                done.push(change);
            }
        }
        let name = room.name.clone();
        for id in nicks.into_values() {
            self.touch(id);
        }
        let encoded = Encoded::new(EVENT_CAPS, |caps, out| {
            for changes in in_lines(&done, from.to_string().len() + name.len()) {
                let line = event(out, caps, entry.time_ms, Some(&entry.draft.id), from)
                    .command("MODE")
                    .param(&name)
                    .param(&letters(changes));
                let params = changes.iter().filter_map(|change| change.param.as_deref());
                params.fold(line, Line::param).end();
            }
        });
        self.tell_change(entry, &folded, encoded);
        self.forget_if_empty(&folded);
    }

    fn kicked(&mut self, entry: &Entry, name: &str, nick: &str, why: &str) {
        let folded = Folded::new(name);
        let other = self.nicks.get(&Folded::new(nick)).copied();
        let other = other.filter(|other| {
            let room = self.rooms.get(&folded);
            room.is_some_and(|room| room.seats.contains_key(other))
        });
        let (Some(other), Some(room)) = (other, self.rooms.get(&folded)) else {
            return self.settle_silently(entry);
        };
        let name = room.name.clone();
        let encoded = Encoded::new(EVENT_CAPS, |caps, out| {
            event(
                out,
                caps,
                entry.time_ms,
                Some(&entry.draft.id),
                &entry.draft.from,
            )
            .command("KICK")
            .param(&name)
            .param(nick)
            .end_with(why);
        });
        self.tell_change(entry, &folded, encoded);
        if let Some(member) = self.members.get_mut(&other) {
            member.rooms.remove(&folded);
        }
        self.vacate(&folded, other);
        self.touch(other);
        // A guest is nowhere else, and cannot come back but by speaking again.
        let is_guest = |member: &Member| member.is_guest() && member.local().is_some();
        if self.members.get(&other).is_some_and(is_guest) {
            self.quit(other, why);
        }
    }

    fn invited(&mut self, entry: &Entry, name: &str, nick: &str) {
        let from = &entry.draft.from;
        let folded = Folded::new(name);
        let other = self.nicks.get(&Folded::new(nick)).copied();
        let (Some(other), Some(room)) = (other, self.rooms.get_mut(&folded)) else {
            return self.settle_silently(entry);
        };
        room.invited.retain(|invited| *invited != other);
        if room.invited.len() >= INVITED_PER_ROOM {
            room.invited.remove(0);
        }
        room.invited.push(other);
        let name = room.name.clone();
        let mut encoded = Encoded::new(EVENT_CAPS | Caps::INVITE_NOTIFY, |caps, out| {
            event(out, caps, entry.time_ms, None, from)
                .command("INVITE")
                .param(nick)
                .end_with(&name);
        });
        self.write_for(other, |caps, out| encoded.write(caps, out));
        self.tell_rulers(&folded, &mut encoded);
        let Some(draft) = self.settle(&entry.draft.id) else {
            return;
        };
        self.answering(draft, |world| {
            world.numeric(draft.by, numeric::RPL_INVITING, |line| {
                line.param(nick).param(&name).end();
            });
            world.tell_away(draft.by, other);
        });
    }

    /// Tells those who rule a room and have asked for it (`invite-notify`).
    fn tell_rulers<F: Fn(Caps, &mut Vec<u8>)>(&mut self, room: &Folded, encoded: &mut Encoded<F>) {
        self.send_replies();
        let seats = self
            .rooms
            .get(room)
            .into_iter()
            .flat_map(|room| room.seats.values());
        for outbox in seats
            .filter(|seat| seat.rules)
            .filter_map(|seat| seat.outbox.as_ref())
        {
            if outbox.caps().has(Caps::INVITE_NOTIFY) {
                encoded.send(outbox);
            }
        }
    }

    /// Tells that somebody who was spoken to is away.
    pub(super) fn tell_away(&mut self, to: MemberId, other: MemberId) {
        let other = self.members.get(&other);
        let away = other.and_then(|other| Some((other.nick().to_owned(), other.away.clone()?)));
        if let Some((nick, away)) = away {
            self.refuse(to, numeric::RPL_AWAY, &nick, &away);
        }
    }

    /// Whether an account may own one more room.
    pub(super) fn may_found(&self, account: &str) -> bool {
        let owns = self.founded.get(&Folded::new(account)).copied();
        owns.unwrap_or(0) < ROOMS_PER_FOUNDER
    }

    fn founded(&mut self, entry: &Entry, name: &str) {
        if let Some(account) = &entry.draft.from.account
            && self.may_found(account)
        {
            let (_, room) = self.room_of(entry, name);
            if room.founder.is_none() {
                room.founder = Some(account.clone());
                self.count_founded(account);
            }
        }
        self.settle_silently(entry);
    }

    /// An account owns one more room.
    pub(super) fn count_founded(&mut self, account: &str) {
        *self.founded.entry(Folded::new(account)).or_default() += 1;
    }

    fn forget_if_empty(&mut self, room: &Folded) {
        let is_over = |room: &Room| room.seats.is_empty() && !room.is_kept();
        if self.rooms.get(room).is_some_and(is_over) {
            self.rooms.remove(room);
        }
    }
}

/// `+ov-b`: the letters of changes.
fn letters(changes: &[&ModeChange]) -> String {
    let mut letters = String::new();
    let mut sign = None;
    for change in changes {
        if sign.replace(change.set) != Some(change.set) {
            letters.push(if change.set { '+' } else { '-' });
        }
        letters.push(change.mode);
    }
    letters
}

/// Changes in as many lines as they need behind a source and a room's name of `fixed` bytes.
fn in_lines<'a>(
    changes: &'a [&'a ModeChange],
    fixed: usize,
) -> impl Iterator<Item = &'a [&'a ModeChange]> {
    // `:SOURCE MODE NAME ` and CR LF.
    let room = LINE_BYTES.saturating_sub(fixed + ": MODE  \r\n".len());
    let mut rest = changes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut bytes = 0;
        let fits = rest
            .iter()
            .take_while(|change| {
                // A sign, a letter, a blank.
                bytes += 3 + change.param.as_ref().map_or(0, String::len);
                bytes <= room
            })
            .count();
        let (line, later) = rest.split_at(fits.max(1));
        rest = later;
        Some(line)
    })
}
