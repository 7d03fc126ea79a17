//! Where something is said, and who may read it later.

use crate::irc::Folded;
use crate::log::{Source, Target};

/// A room, or two persons.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Conversation {
    /// A room.
    Room(Folded),
    /// Two persons, in the order of their names.
    Between(Identity, Identity),
}

/// Somebody as the history knows him: by his account, or by a nick that is nobody's for ever.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(String);

impl Identity {
    /// Whoever is logged in to this account.
    pub fn of_account(name: &str) -> Self {
        Self(Folded::new(name).as_str().to_owned())
    }

    /// Somebody without an account, who was called so: no nick begins with `~`.
    pub fn of_nick(nick: &str) -> Self {
        Self(format!("~{}", Folded::new(nick)))
    }

    fn new(account: Option<&str>, nick: &str) -> Self {
        account.map_or_else(|| Self::of_nick(nick), Self::of_account)
    }

    fn has_account(&self) -> bool {
        !self.0.starts_with('~')
    }

    /// As it is stored.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Conversation {
    /// Both of them.
    pub fn between(one: Identity, other: Identity) -> Self {
        if one <= other {
            Self::Between(one, other)
        } else {
            Self::Between(other, one)
        }
    }

    /// Where this was said. None between two who have no account: nobody could prove later that it
    /// is his to read, so it is not kept.
    pub fn of(from: &Source, to: &Target) -> Option<Self> {
        match to {
            Target::Room(name) => Some(Self::Room(Folded::new(name))),
            Target::Person { nick, account } => {
                let one = Identity::new(from.account.as_deref(), &from.nick);
                let other = Identity::new(account.as_deref(), nick);
                (one.has_account() || other.has_account()).then(|| Self::between(one, other))
            }
        }
    }

    /// As it is stored: no name of a room or a person has a blank in it.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Room(name) => name.as_str().to_owned(),
            Self::Between(one, other) => format!("{} {}", one.0, other.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: (&str, Option<&str>), to: (&str, Option<&str>), key: Option<&str>) {
        let from = Source {
            nick: from.0.into(),
            account: from.1.map(str::to_owned),
            ..Source::default()
        };
        let to = Target::Person {
            nick: to.0.into(),
            account: to.1.map(str::to_owned),
        };
        let found = Conversation::of(&from, &to).map(|conversation| conversation.key());
        assert_eq!(found.as_deref(), key);
    }

    #[test]
    fn two_persons_are_one_conversation_from_both_sides() {
        check(("a", Some("Tom")), ("b", Some("jim")), Some("jim tom"));
        check(("b", Some("jim")), ("a", Some("tom")), Some("jim tom"));
        // A stranger called like an account is somebody else.
        check(("jim", None), ("a", Some("tom")), Some("tom ~jim"));
        check(("jim", None), ("tom", None), None);
    }
}
