//! What can be asked of the history.

use super::conversation::{Conversation, Identity};
use crate::log::{Entry, MsgId};

/// A question. Whoever asks has to have the right to read these conversations.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Query {
    /// What was said in conversations, taken as one.
    Messages {
        /// Which.
        conversations: Vec<Conversation>,
        /// Which part.
        range: Range,
        /// How many at most.
        limit: usize,
        /// Topics too.
        with_topics: bool,
        /// Nothing behind this place.
        upto: Option<u64>,
    },
    /// The last message of each conversation, if it was said between these times (both excluded).
    Targets {
        /// Rooms.
        rooms: Vec<Conversation>,
        /// All conversations of this person.
        person: Option<Identity>,
        /// Milliseconds since 1970.
        after_ms: u64,
        /// Milliseconds since 1970.
        before_ms: u64,
        /// How many at most.
        limit: usize,
        /// The last ones of them, else the first.
        from_end: bool,
    },
    /// What has a text in it.
    Search {
        /// Where.
        conversations: Vec<Conversation>,
        /// And in all conversations of this person.
        person: Option<Identity>,
        /// What is looked for, without regard to case; empty for all.
        text: String,
        /// Whose nick or account this is.
        from: Option<String>,
        /// Said later than this, in milliseconds since 1970.
        after_ms: Option<u64>,
        /// Said earlier than this, in milliseconds since 1970.
        before_ms: Option<u64>,
        /// How many at most: the last ones.
        limit: usize,
    },
}

/// A part of a conversation. What it refers to is excluded, but by [`Range::Around`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Range {
    /// The last messages, behind this one.
    Latest(Option<Place>),
    /// The last ones before.
    Before(Place),
    /// The first ones after.
    After(Place),
    /// Half before, half from there on.
    Around(Place),
    /// Between two, as many as may be from the first one's side.
    Between(Place, Place),
}

/// A place in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A message. One that is not there has nothing before or after it.
    Id(MsgId),
    /// A time, in milliseconds since 1970.
    Time(u64),
}

/// An answer: entries in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What was found.
    pub entries: Vec<Entry>,
    /// Not everything was looked at: older messages may fit too.
    pub stopped_early: bool,
}
