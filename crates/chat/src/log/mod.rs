//! What is kept: drafts go in, entries come out, in one order for everybody.

mod kept;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use kept::{Kept, KeptAccount, KeptBan, KeptRoom, KeptTopic};

/// A name that a message has everywhere and for ever: the value of the tag `msgid`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MsgId(Arc<str>);

impl MsgId {
    /// The `counter`-th of whoever drew this `run` at random when it began.
    pub fn new(run: u64, counter: u64) -> Self {
        Self(format!("{run:013x}-{counter:x}").into())
    }

    /// Takes it as it was written.
    pub fn from_text(text: &str) -> Self {
        Self(text.into())
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MsgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who said or did something, as he was called then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// His nick.
    pub nick: String,
    /// His user name.
    pub user: String,
    /// What is shown in place of his address.
    pub host: String,
    /// The account that he was logged in to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

impl fmt::Display for Source {
    /// `nick!user@host`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}!{}@{}", self.nick, self.user, self.host)
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Act {
    /// Something was said.
    Say {
        /// How.
        verb: Verb,
        /// To whom.
        to: Target,
        /// What; empty for a TAGMSG.
        text: String,
        /// The tags that clients say to each other (`+typing=active`), as they are written.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        tags: String,
    },
    /// A room has another topic; an empty one is none.
    Topic {
        /// The room's name, as it was first written.
        room: String,
        /// The topic.
        text: String,
    },
    /// What outlives the members of a room has changed: `+b mask`, `+k key`, `-i`, `+o nick`.
    Modes {
        /// The room's name.
        room: String,
        /// The changes, in their order.
        changes: Vec<ModeChange>,
    },
    /// Somebody was put out of a room.
    Kick {
        /// The room's name.
        room: String,
        /// Who.
        nick: String,
        /// Why.
        why: String,
    },
    /// Somebody may come into a room once, and hears so. Told, and not kept.
    Invite {
        /// The room's name.
        room: String,
        /// Who.
        nick: String,
    },
    /// A room was made, by whoever may rule it from now on.
    Founded {
        /// The room's name.
        room: String,
    },
    /// An account was made, or has another password.
    Account {
        /// Its name.
        name: String,
        /// The password's hash as argon2 writes it (PHC string).
        password: String,
    },
}

/// How something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verb {
    /// Said.
    Privmsg,
    /// Said by something that wants no answer.
    Notice,
    /// Only tags; heard, and not kept.
    Tagmsg,
}

impl Verb {
    /// The command.
    pub fn command(self) -> &'static str {
        match self {
            Self::Privmsg => "PRIVMSG",
            Self::Notice => "NOTICE",
            Self::Tagmsg => "TAGMSG",
        }
    }
}

/// To whom something is said.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// To a room, by its name as it was first written.
    Room(String),
    /// To somebody.
    Person {
        /// Who is called so.
        nick: String,
        /// Who is logged in to this account, or will be: it is his to read later.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<String>,
    },
}

/// One change of a room's modes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModeChange {
    /// Set, else taken away.
    pub set: bool,
    /// Its letter.
    pub mode: char,
    /// The mask, key, limit or nick, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
}

/// What somebody wants to be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// Its name, by which its author hears what became of it.
    pub id: MsgId,
    /// Who.
    pub from: Arc<Source>,
    /// What.
    pub act: Act,
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place: later entries have greater ones, without regard to gaps.
    pub seq: u64,
    /// When it got its place: milliseconds since 1970; never less than that of an earlier entry.
    pub time_ms: u64,
    /// What was drafted.
    pub draft: Draft,
}

/// Why drafts are not kept.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// More waits than may.
    #[error("too much waits to be kept already")]
    Busy,
    /// What keeps them cannot be reached.
    #[error("what keeps messages cannot be reached: {0}")]
    Away(String),
    /// They were given to what keeps them, and there was no answer.
    #[error("no answer came from what keeps messages: {0}")]
    Unanswered(String),
    /// They could not be written.
    #[error("messages cannot be kept: {0}")]
    Broken(String),
}

/// Gives drafts their places and keeps them.
///
/// What becomes of a draft is told to the [`Follower`]: exactly one of committed and refused.
pub trait Log: Send + Sync + fmt::Debug {
    /// Takes drafts, in this order, and does not wait.
    fn submit(&self, drafts: Vec<Draft>);
}

/// Who hears what was kept.
pub trait Follower: Send + Sync {
    /// These are kept, and readable in the history. Called with ever greater places, from one
    /// thread at a time; entries of other servers come here too.
    fn committed(&self, entries: &[Entry]);
    /// These are not kept and never will be.
    fn refused(&self, drafts: &[MsgId], why: &Refusal);
    /// What keeps them can be reached again, or (with the reason) not any more.
    fn reachable(&self, lost: Option<&str>);
}
