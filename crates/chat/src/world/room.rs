//! A room.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Member, MemberId};
use crate::irc::Mask;
use crate::log::{ModeChange, Source};
use crate::outbox::Outbox;

/// A room, as long as somebody is in it or something of it is kept.
#[derive(Debug, Default)]
pub struct Room {
    /// Its name as it was first written.
    pub name: String,
    /// When it was made, in milliseconds since 1970.
    pub since_ms: u64,
    /// What it is about, with who said so (`nick!user@host`) and when.
    pub topic: Option<(String, String, u64)>,
    /// How it is ruled.
    pub modes: RoomModes,
    /// Who may not come in (`+b`), with who said so and when.
    pub bans: Vec<(Mask, String, u64)>,
    /// Who is in it.
    pub seats: BTreeMap<MemberId, Seat>,
    /// Who was invited and has not come yet.
    pub invited: Vec<MemberId>,
    /// The account that made it, which may always rule it.
    pub founder: Option<String>,
}

impl Room {
    /// Whether somebody is logged in as who made it.
    pub fn is_founded_by(&self, source: &Source) -> bool {
        match (&self.founder, &source.account) {
            (Some(founder), Some(account)) => founder.eq_ignore_ascii_case(account),
            _ => false,
        }
    }

    /// Whether nobody owns it and nobody is here but guests: whoever comes now rules it.
    pub fn is_free(&self) -> bool {
        self.founder.is_none() && self.seats.values().all(|seat| seat.is_guest)
    }

    /// Whether something of it outlives its members.
    pub fn is_kept(&self) -> bool {
        self.founder.is_some()
            || self.topic.is_some()
            || !self.bans.is_empty()
            || self.modes != RoomModes::default()
    }

    /// Whether somebody rules it: he has `+o`, or rules over the whole server.
    pub fn is_ruled_by(&self, member: &Member) -> bool {
        member.is_oper || self.seats.get(&member.id).is_some_and(|seat| seat.rules)
    }

    /// Whether a ban fits somebody.
    pub fn bans(&self, source: &Source) -> bool {
        if self.bans.is_empty() {
            return false;
        }
        let source = source.to_string();
        self.bans.iter().any(|(mask, ..)| mask.fits(&source))
    }

    /// Why somebody is not heard here, if he is not: the mode that is against it.
    pub fn silences(&self, member: &Member) -> Option<char> {
        let seat = self.seats.get(&member.id);
        if member.is_oper || seat.is_some_and(|seat| seat.rules || seat.has_voice) {
            return None;
        }
        if self.modes.no_outside && seat.is_none() {
            return Some('n');
        }
        if self.modes.moderated {
            return Some('m');
        }
        self.bans(&member.source).then_some('b')
    }

    /// Changes a mode of the room itself, or a ban; false where that changes nothing.
    pub(super) fn change(&mut self, change: &ModeChange, by: &Source, time_ms: u64) -> bool {
        let param = change.param.as_deref();
        match (change.mode, param) {
            ('b', Some(mask)) => self.change_ban(change.set, mask, by, time_ms),
            (mode, param) => self.modes.change(change.set, mode, param),
        }
    }

    fn change_ban(&mut self, set: bool, mask: &str, by: &Source, time_ms: u64) -> bool {
        let at = self
            .bans
            .iter()
            .position(|(ban, ..)| ban.as_str().eq_ignore_ascii_case(mask));
        match (set, at) {
            (true, None) => self.bans.push((Mask::new(mask), by.to_string(), time_ms)),
            (false, Some(at)) => drop(self.bans.remove(at)),
            _ => return false,
        }
        true
    }
}

/// How a room is ruled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomModes {
    /// `+i`: nobody comes in without being invited.
    pub invite_only: bool,
    /// `+m`: only those with a voice are heard.
    pub moderated: bool,
    /// `+n`: nobody is heard from outside.
    pub no_outside: bool,
    /// `+t`: only those who rule it set the topic.
    pub topic_locked: bool,
    /// `+k`: who comes in has to know this.
    pub key: Option<String>,
    /// `+l`: no more than so many come in.
    pub limit: Option<usize>,
}

impl Default for RoomModes {
    /// `+nt`, as everywhere.
    fn default() -> Self {
        Self {
            invite_only: false,
            moderated: false,
            no_outside: true,
            topic_locked: true,
            key: None,
            limit: None,
        }
    }
}

impl RoomModes {
    /// Changes one of them; false where that changes nothing.
    pub fn change(&mut self, set: bool, mode: char, param: Option<&str>) -> bool {
        let before = self.clone();
        match mode {
            'i' => self.invite_only = set,
            'm' => self.moderated = set,
            'n' => self.no_outside = set,
            't' => self.topic_locked = set,
            'k' => self.key = param.filter(|_| set).map(str::to_owned),
            'l' => self.limit = param.filter(|_| set).and_then(|limit| limit.parse().ok()),
            _ => {}
        }
        *self != before
    }

    /// As numeric 324 tells them; the key only to those who may know it.
    pub(super) fn text(&self, shows_key: bool) -> String {
        let mut letters = String::from("+");
        for (is_set, letter) in [
            (self.invite_only, 'i'),
            (self.moderated, 'm'),
            (self.no_outside, 'n'),
            (self.topic_locked, 't'),
            (self.key.is_some(), 'k'),
            (self.limit.is_some(), 'l'),
        ] {
            if is_set {
                letters.push(letter);
            }
        }
        if let Some(key) = &self.key {
            letters.push(' ');
            letters.push_str(if shows_key { key } else { "*" });
        }
        if let Some(limit) = self.limit {
            letters.push(' ');
            letters.push_str(&limit.to_string());
        }
        letters
    }
}

/// Somebody's seat in a room.
#[derive(Clone, Debug, Default)]
pub struct Seat {
    /// `+o`, shown as `@`.
    pub rules: bool,
    /// `+v`, shown as `+`.
    pub has_voice: bool,
    /// He knows nothing of rooms and never rules one.
    pub is_guest: bool,
    /// Where what is said goes; none for members of other servers.
    pub outbox: Option<Arc<Outbox>>,
}

impl Seat {
    /// What stands before his nick: the highest prefix, or all.
    pub fn prefix(&self, all: bool) -> &'static str {
        match (self.rules, self.has_voice) {
            (true, true) if all => "@+",
            (true, _) => "@",
            (false, true) => "+",
            (false, false) => "",
        }
    }
}
