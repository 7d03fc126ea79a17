//! A room.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::MemberId;
use crate::irc::Mask;
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

/// Somebody's seat in a room.
#[derive(Clone, Debug, Default)]
pub struct Seat {
    /// `+o`, shown as `@`.
    pub rules: bool,
    /// `+v`, shown as `+`.
    pub has_voice: bool,
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
