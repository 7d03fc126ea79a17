//! Guests of `serve chat`: where they appear, what they read, when they are gone.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sockeye_chat::guests::Guests;
use sockeye_chat::irc::is_room;
use sockeye_chat::service::{Chat, Members};
use sockeye_service::Service as Answers;

use super::Entry;
use crate::exit::usage;
use crate::values::{Charset, Wait};

/// How long a guest may say nothing before he is gone.
pub(super) const IDLE: Duration = Duration::from_mins(10);

/// The name of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoomName(String);

impl FromStr for RoomName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if is_room(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "'{text}' is no room; write '#help' (in quotes: a shell takes # for a comment)"
        ))
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Refuses an encoding in which nothing can be said to guests.
pub(super) fn check(entry: &Entry) -> anyhow::Result<()> {
    match entry.guest_encoding {
        Some(Charset(encoding)) if encoding.output_encoding() != encoding => Err(usage!(
            "{} is for reading only; guests could not be answered in it",
            encoding.name()
        )),
        _ => Ok(()),
    }
}

/// How long the guests of an entry may say nothing; none where it has no guests.
pub(super) fn idle(entry: &Entry) -> Option<Duration> {
    let is_chat = entry.service == Some(super::Service::Chat);
    is_chat.then(|| entry.guest_idle.map_or(IDLE, |Wait(idle)| idle))
}

/// Members, and guests where messages come in plain text.
pub(super) fn with_members(chat: Arc<Chat>, entry: &Entry) -> Answers {
    let encoding = entry.guest_encoding.unwrap_or_default().0;
    Answers::Both {
        plain: Arc::new(Guests::new(Arc::clone(&chat), encoding)),
        conversation: Arc::new(Members(chat)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_read_as_they_are_written() {
        for room in ["#desk", "#客服"] {
            assert_eq!(room.parse::<RoomName>().unwrap().to_string(), room);
        }
        for wrong in ["", "#", "desk", "#a b", "#a,b"] {
            assert!(
                wrong
                    .parse::<RoomName>()
                    .unwrap_err()
                    .contains("is no room")
            );
        }
    }
}
