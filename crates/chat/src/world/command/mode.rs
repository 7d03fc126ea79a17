//! MODE: how rooms are ruled, and what people are.

use super::{Call, Then};
use crate::irc::{Folded, Line, Mask, numeric};
use crate::log::{Act, ModeChange};
use crate::world::limits::{BAN_BYTES, BANS_PER_ROOM, KEY_BYTES, MEMBERS_PER_ROOM, MODES_PER_LINE};
use crate::world::{MemberId, World};

impl World {
    pub(super) fn on_mode(&mut self, call: Call<'_>) -> Then {
        let name = call.message.params()[0];
        if !name.starts_with('#') {
            return self.on_user_mode(call);
        }
        let Some(room) = self.rooms.get(&Folded::new(name)) else {
            self.refuse(call.by, numeric::ERR_NOSUCHCHANNEL, name, "No such channel");
            return Then::Go;
        };
        let name = room.name.clone();
        match call.param(1) {
            None => self.tell_modes(call.by, &name),
            Some(letters) => self.change_modes(call, &name, letters),
        }
        Then::Go
    }

    fn tell_modes(&mut self, to: MemberId, name: &str) {
        let Some(room) = self.rooms.get(&Folded::new(name)) else {
            return;
        };
        let is_oper = self.members.get(&to).is_some_and(|member| member.is_oper);
        let modes = room.modes.text(is_oper || room.seats.contains_key(&to));
        let since = (room.since_ms / 1000).to_string();
        self.numeric(to, numeric::RPL_CHANNELMODEIS, |line| {
            let words = modes.split(' ').fold(line.param(name), Line::param);
            words.end();
        });
        self.numeric(to, numeric::RPL_CREATIONTIME, |line| {
            line.param(name).param(&since).end();
        });
    }

    fn change_modes(&mut self, call: Call<'_>, name: &str, letters: &str) {
        let mut reading = Reading {
            by: call.by,
            name,
            params: call.message.params()[2..].iter(),
            set: true,
            changes: vec![],
            with_param: 0,
            may: None,
        };
        for letter in letters.chars() {
            match letter {
                '+' => reading.set = true,
                '-' => reading.set = false,
                letter => {
                    let change = self.read_mode(&mut reading, letter);
                    reading.changes.extend(change);
                }
            }
        }
        if !reading.changes.is_empty() {
            let (room, changes) = (name.to_owned(), reading.changes);
            self.draft(call.by, Act::Modes { room, changes });
        }
    }

    /// Reads one letter with its parameter, if it has one: the change that it asks for.
    fn read_mode(&mut self, reading: &mut Reading<'_>, letter: char) -> Option<ModeChange> {
        let Reading { by, name, set, .. } = *reading;
        let takes_param = match letter {
            'i' | 'm' | 'n' | 't' => false,
            'l' => set,
            'k' | 'o' | 'v' | 'b' => true,
            unknown => {
                let why = "is not a recognised channel mode";
                self.refuse(by, numeric::ERR_UNKNOWNMODE, &unknown.to_string(), why);
                return None;
            }
        };
        let param = if takes_param {
            reading.params.next().copied()
        } else {
            None
        };
        if letter == 'b' && param.is_none() {
            self.tell_bans(by, name);
            return None;
        }
        if !self.may_change(reading) {
            return None;
        }
        if takes_param {
            reading.with_param += 1;
            if reading.with_param > MODES_PER_LINE {
                return None;
            }
        }
        let param = match letter {
            'o' | 'v' => Some(self.read_seat(by, name, param?)?),
            'k' if !set => Some("*".into()),
            'k' => Some(self.read_key(by, name, param)?),
            'l' if set => Some(self.read_limit(by, name, param)?),
            'b' => Some(self.read_ban(by, name, set, param?)?),
            _ => None,
        };
        Some(ModeChange {
            set,
            mode: letter,
            param,
        })
    }

    /// Whether he may change anything; who may not is told so once.
    fn may_change(&mut self, reading: &mut Reading<'_>) -> bool {
        if let Some(may) = reading.may {
            return may;
        }
        let refusal = self.may_do(reading.by, reading.name, |_| false).err();
        if let Some((number, why)) = refusal {
            self.refuse(reading.by, number, reading.name, why);
        }
        *reading.may.insert(refusal.is_none())
    }

    fn read_seat(&mut self, by: MemberId, name: &str, nick: &str) -> Option<String> {
        let Some(other) = self.nicks.get(&Folded::new(nick)) else {
            self.refuse(by, numeric::ERR_NOSUCHNICK, nick, "No such nick/channel");
            return None;
        };
        let room = self.rooms.get(&Folded::new(name))?;
        if room.seats.contains_key(other) {
            return self.members.get(other).map(|other| other.nick().to_owned());
        }
        self.not_there(by, nick, name);
        None
    }

    fn read_key(&mut self, by: MemberId, name: &str, key: Option<&str>) -> Option<String> {
        let is_key = |key: &&str| {
            (1..=KEY_BYTES).contains(&key.len())
                && !key.starts_with(':')
                && !key.contains([',', ' '])
                && !key.chars().any(char::is_control)
        };
        let found = key.filter(is_key).map(str::to_owned);
        if found.is_none() {
            self.refuse(by, numeric::ERR_INVALIDKEY, name, "Key is not well-formed");
        }
        found
    }

    fn read_limit(&mut self, by: MemberId, name: &str, limit: Option<&str>) -> Option<String> {
        let number = limit.and_then(|limit| limit.parse::<usize>().ok());
        let number = number.filter(|number| (1..=MEMBERS_PER_ROOM).contains(number));
        if number.is_none() {
            self.numeric(by, numeric::ERR_INVALIDMODEPARAM, |line| {
                line.param(name)
                    .param("l")
                    .param(limit.unwrap_or("*"))
                    .end_with("A limit is a number above 0");
            });
        }
        number.map(|number| number.to_string())
    }

    fn read_ban(&mut self, by: MemberId, name: &str, set: bool, mask: &str) -> Option<String> {
        let room = self.rooms.get(&Folded::new(name))?;
        let is_whole = mask.len() <= BAN_BYTES && !mask.contains(' ') && !mask.starts_with(':');
        if !is_whole {
            self.numeric(by, numeric::ERR_INVALIDMODEPARAM, |line| {
                line.param(name)
                    .param("b")
                    .param("*")
                    .end_with("The mask is not well-formed");
            });
            return None;
        }
        if set && room.bans.len() >= BANS_PER_ROOM {
            self.numeric(by, numeric::ERR_BANLISTFULL, |line| {
                line.param(name)
                    .param(mask)
                    .end_with("Channel ban list is full");
            });
            return None;
        }
        Some(Mask::new(mask).as_str().to_owned())
    }

    fn tell_bans(&mut self, to: MemberId, name: &str) {
        let bans = self
            .rooms
            .get(&Folded::new(name))
            .map(|room| room.bans.clone());
        for (mask, by, set_ms) in bans.into_iter().flatten() {
            self.numeric(to, numeric::RPL_BANLIST, |line| {
                line.param(name)
                    .param(mask.as_str())
                    .param(&by)
                    .param(&(set_ms / 1000).to_string())
                    .end();
            });
        }
        self.refuse(
            to,
            numeric::RPL_ENDOFBANLIST,
            name,
            "End of channel ban list",
        );
    }
}

/// The changes of one MODE, while they are read.
struct Reading<'a> {
    by: MemberId,
    name: &'a str,
    params: std::slice::Iter<'a, &'a str>,
    set: bool,
    changes: Vec<ModeChange>,
    /// Changes with a parameter so far.
    with_param: usize,
    /// Whether he may change anything, once that was asked.
    may: Option<bool>,
}
