//! Coming into rooms and leaving them.

use super::{Call, Then};
use crate::irc::{Caps, Folded, Line, is_room, numeric};
use crate::world::deliver::Encoded;
use crate::world::{MemberId, Room, Seat, World};

impl World {
    pub(super) fn on_join(&mut self, call: Call<'_>) -> Then {
        for name in call.message.params()[0].split(',') {
            if is_room(name) {
                self.join(call.by, name);
            } else {
                self.refuse(call.by, numeric::ERR_NOSUCHCHANNEL, name, "No such channel");
            }
        }
        Then::Go
    }

    pub(crate) fn join(&mut self, by: MemberId, name: &str) {
        let folded = Folded::new(name);
        let now_ms = self.now_ms;
        let Some(member) = self.members.get_mut(&by) else {
            return;
        };
        if !member.rooms.insert(folded.clone()) {
            return;
        }
        let source = member.source.to_string();
        let outbox = member.local().map(|local| local.outbox.clone());
        let room = self.rooms.entry(folded.clone()).or_insert_with(|| Room {
            name: name.to_owned(),
            since_ms: now_ms,
            ..Room::default()
        });
        let name = room.name.clone();
        let seat = Seat {
            rules: room.seats.is_empty(),
            outbox,
            ..Seat::default()
        };
        room.seats.insert(by, seat);
        let mut encoded = Encoded::new(Caps::default(), |_, out| {
            Line::new(out)
                .source(&source)
                .command("JOIN")
                .param(&name)
                .end();
        });
        self.tell_room(&folded, Some(by), &mut encoded);
        self.write(by, |line| {
            line.source(&source).command("JOIN").param(&name).end();
        });
        self.names(by, &folded);
    }

    pub(super) fn on_names(&mut self, call: Call<'_>) -> Then {
        for name in call.param(0).unwrap_or_default().split(',') {
            self.names(call.by, &Folded::new(name));
        }
        Then::Go
    }

    fn names(&mut self, to: MemberId, room: &Folded) {
        let (name, all) = match self.rooms.get(room) {
            Some(room) => {
                let nick = |id: &MemberId| self.members.get(id).map_or("*", |member| member.nick());
                let all: Vec<_> = room
                    .seats
                    .iter()
                    .map(|(id, seat)| format!("{}{}", seat.prefix(false), nick(id)))
                    .collect();
                (room.name.clone(), all.join(" "))
            }
            None => (room.as_str().to_owned(), String::new()),
        };
        if !all.is_empty() {
            self.numeric(to, numeric::RPL_NAMREPLY, |line| {
                line.param("=").param(&name).end_with(&all);
            });
        }
        self.refuse(to, numeric::RPL_ENDOFNAMES, &name, "End of /NAMES list");
    }

    pub(super) fn on_part(&mut self, call: Call<'_>) -> Then {
        let why = call.param(1).unwrap_or_default();
        for name in call.message.params()[0].split(',') {
            let folded = Folded::new(name);
            let member = self.members.get(&call.by);
            let source = member.filter(|member| member.rooms.contains(&folded));
            let Some(source) = source.map(|member| member.source.to_string()) else {
                self.refuse(
                    call.by,
                    numeric::ERR_NOTONCHANNEL,
                    name,
                    "You're not on that channel",
                );
                continue;
            };
            let name = self
                .rooms
                .get(&folded)
                .map_or(name, |room| &room.name)
                .to_owned();
            let mut encoded = Encoded::new(Caps::default(), |_, out| {
                Line::new(out)
                    .source(&source)
                    .command("PART")
                    .param(&name)
                    .end_with(why);
            });
            self.tell_room(&folded, None, &mut encoded);
            if let Some(member) = self.members.get_mut(&call.by) {
                member.rooms.remove(&folded);
            }
            self.vacate(&folded, call.by);
        }
        Then::Go
    }

    /// Takes a seat away; an empty room of which nothing is kept is gone.
    pub(crate) fn vacate(&mut self, room: &Folded, id: MemberId) {
        if let Some(there) = self.rooms.get_mut(room) {
            there.seats.remove(&id);
            if there.seats.is_empty() {
                self.rooms.remove(room);
            }
        }
    }
}
