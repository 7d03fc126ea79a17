//! Guests: people in plain text, who appear at the desk and know nothing of IRC.

use super::deliver::Encoded;
use super::limits::DRAFTS_PER_MEMBER;
use super::{Arrival, Member, MemberId, World};
use crate::irc::{Caps, Folded, LINE_BYTES, Line, is_room};
use crate::log::{Act, Target, Verb};

/// What guests are called, with what follows: nobody else may be called so.
pub const GUEST: &str = "guest-";

/// The room where guests appear, if no other is named.
pub const DESK: &str = "#desk";

/// Guests of this server at once.
pub(super) const GUESTS: usize = 1000;

/// Why somebody is no guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// There are as many as may be.
    Many,
    /// A ban of the desk fits him.
    Banned,
}

impl World {
    /// The room where guests appear.
    pub(crate) fn desk(&self) -> &str {
        let desk = self.settings.desk.as_deref();
        desk.filter(|desk| is_room(desk)).unwrap_or(DESK)
    }

    /// What a guest is called with this behind his name, or with a number behind that, if somebody
    /// is called so.
    pub(crate) fn guest_nick(&self, tail: &str) -> String {
        let plain = format!("{GUEST}{tail}");
        let others = (2..).map(|number| format!("{plain}-{number}"));
        std::iter::once(plain.clone())
            .chain(others)
            .find(|nick| !self.nicks.contains_key(&Folded::new(nick)))
            .expect("there are fewer members than numbers")
    }

    /// Somebody comes in plain text: he appears at the desk under this nick.
    pub(crate) fn guest_comes(&mut self, arrival: Arrival, nick: &str) -> Result<MemberId, Turned> {
        // Whoever is not at the desk is no guest any more.
        let folded = Folded::new(self.desk());
        let is_guest = |member: &&Member| member.is_guest() && member.local().is_some();
        if self.rooms.get(&folded).is_some_and(|desk| {
            let seats = desk.seats.iter().filter(|(_, seat)| seat.is_guest);
            let here = seats
                .filter_map(|(id, _)| self.members.get(id))
                .filter(is_guest);
            here.count() >= GUESTS
        }) {
            return Err(Turned::Many);
        }
        let id = self.arrive(arrival);
        let Some(member) = self.members.get_mut(&id) else {
            return Err(Turned::Many);
        };
        member.rename(|source| {
            nick.clone_into(&mut source.nick);
            "guest".clone_into(&mut source.user);
        });
        "A guest in plain text".clone_into(&mut member.real_name);
        if let Some(local) = member.local_mut() {
            local.registration = None;
        }
        let source = member.source.clone();
        if self
            .rooms
            .get(&folded)
            .is_some_and(|desk| desk.bans(&source))
        {
            self.members.remove(&id);
            return Err(Turned::Banned);
        }
        self.nicks.insert(Folded::new(nick), id);
        let desk = self.desk().to_owned();
        if !self.rooms.contains_key(&folded) {
            self.found(id, &desk, &folded);
        }
        self.take_seat(id, &folded);
        self.tell_watchers_came(id);
        self.touch(id);
        Ok(id)
    }

    /// A guest says something at the desk: a line for each line of it, longer ones in pieces. False
    /// if nobody may hear it.
    pub(crate) fn guest_says(&mut self, id: MemberId, lines: &[String]) -> bool {
        let desk = Folded::new(self.desk());
        let (Some(member), Some(room)) = (self.members.get_mut(&id), self.rooms.get(&desk)) else {
            return false;
        };
        member.spoke_ms = self.now_ms;
        let waits = member.local().map_or(0, |local| local.outbox.drafts());
        if room.silences(member).is_some() || waits > DRAFTS_PER_MEMBER {
            return false;
        }
        let (name, source) = (room.name.clone(), member.source.to_string());
        let address = member.local().map_or("", |local| &local.way.address);
        let start = format!("[{address}] ");
        let fixed = source.len() + name.len() + start.len() + ": PRIVMSG  :\r\n".len();
        let most = LINE_BYTES.saturating_sub(fixed).max(LEAST_BYTES);
        for line in lines {
            for piece in pieces(line, most) {
                let act = Act::Say {
                    verb: Verb::Privmsg,
                    to: Target::Room(name.clone()),
                    text: format!("{start}{piece}"),
                    tags: String::new(),
                };
                self.draft(id, act);
            }
        }
        true
    }

    /// Tells those at the desk something about a guest.
    pub(crate) fn tell_desk(&mut self, text: &str) {
        let desk = self.desk().to_owned();
        let server = self.settings.clone();
        let mut encoded = Encoded::new(Caps::default(), |_, out| {
            Line::new(out)
                .source(&server.server_name)
                .command("NOTICE")
                .param(&desk)
                .end_with(text);
        });
        self.tell_room(&Folded::new(&desk), None, &mut encoded);
    }
}

/// A piece of a guest's text has at least so many bytes, however long his address is.
const LEAST_BYTES: usize = 64;

/// A line in pieces of at most `most` bytes, cut between characters. An empty line is one piece.
fn pieces(line: &str, most: usize) -> impl Iterator<Item = &str> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let (piece, later) = text.split_at(text.floor_char_boundary(most));
        rest = Some(later).filter(|later| !later.is_empty());
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::task::{Context, Poll};

    use super::*;
    use crate::outbox::{Outbox, Wire};
    use crate::world::scene::Scene;

    struct Deaf;

    impl Wire for Deaf {
        fn poll_write(&mut self, _: &mut Context<'_>, lines: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(lines.len()))
        }

        fn is_direct(&self) -> bool {
            true
        }
    }

    fn comes(scene: &mut Scene, tail: &str) -> Result<MemberId, Turned> {
        let arrival = Arrival {
            outbox: Outbox::new(Box::new(Deaf), 1),
            way: crate::world::scene::here(),
        };
        let nick = scene.world.guest_nick(tail);
        let outbox = Arc::clone(&arrival.outbox);
        let come = scene.world.guest_comes(arrival, &nick);
        scene.world.end_turn();
        assert_eq!(outbox.queued_bytes(), 0);
        come
    }

    #[test]
    fn guests_are_so_many_and_no_more() {
        let mut scene = Scene::new();
        let first = comes(&mut scene, "1").unwrap();
        for _ in 1..GUESTS {
            assert!(comes(&mut scene, "1").is_ok());
        }
        assert_eq!(comes(&mut scene, "1"), Err(Turned::Many));
        scene.world.leave(first, "gone");
        assert!(comes(&mut scene, "1").is_ok());
    }

    /// The desk is not a guest's to rule, whoever was there first; and its rulers keep guests out.
    #[test]
    fn guests_rule_nothing_and_may_be_banned_silenced_and_put_out() {
        let mut scene = Scene::new();
        let guest = comes(&mut scene, "7").unwrap();
        scene.comes("tom", "");
        scene.plays(
            "tom > JOIN #desk
             tom < :tom JOIN #desk
             tom < :sockeye.local MODE #desk +o tom
             tom < 353 tom = #desk :guest-7 @tom
             tom < 366 tom #desk :End of /NAMES list
             tom > MODE #desk +m
             tom < :tom MODE #desk +m",
        );
        assert!(!scene.world.guest_says(guest, &["hi".into()]));
        scene.plays(
            "tom > MODE #desk -m+b guest-*
             tom < :tom MODE #desk -m+b guest-*!*@*
             tom > KICK #desk guest-7 :out
             tom < :tom KICK #desk guest-7 :out
             tom > WHOIS guest-7
             tom < 401 tom guest-7 :No such nick/channel
             tom < 318 tom guest-7 :End of /WHOIS list",
        );
        assert_eq!(comes(&mut scene, "8"), Err(Turned::Banned));
        assert!(!scene.world.guest_says(guest, &["hi".into()]));
    }

    #[test]
    fn lines_are_cut_between_characters() {
        let all = |line, most| pieces(line, most).collect::<Vec<_>>();
        assert_eq!(all("", 4), [""]);
        assert_eq!(all("abcd", 4), ["abcd"]);
        assert_eq!(all("abcde", 4), ["abcd", "e"]);
        assert_eq!(all("你好吗", 4), ["你", "好", "吗"]);
    }
}
