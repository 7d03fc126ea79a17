//! What a client has asked for: <https://ircv3.net/specs/extensions/capability-negotiation>.

use std::ops::{BitAnd, BitOr};

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Caps(pub u32);

macro_rules! caps {
    ($($name:ident = $bit:literal, $text:literal, $doc:literal;)*) => {
        impl Caps {
            $(#[doc = $doc] pub const $name: Self = Self(1 << $bit);)*

            /// Every capability with its name.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$name, $text)),*];
        }
    };
}

caps! {
    TAGS = 0, "message-tags", "Tags on messages, and TAGMSG.";
    TIME = 1, "server-time", "When a message was said.";
    ACCOUNT_TAG = 2, "account-tag", "Who says it is logged in as whom.";
    ECHO = 3, "echo-message", "One's own messages come back: they are kept.";
    BATCH = 4, "batch", "Lines that belong together.";
    LABEL = 5, "labeled-response", "What answers what.";
    ACCOUNT_NOTIFY = 6, "account-notify", "Who logs in and out.";
    EXTENDED_JOIN = 7, "extended-join", "JOIN with account and real name.";
    MULTI_PREFIX = 8, "multi-prefix", "All prefixes of a member, not only the highest.";
    AWAY_NOTIFY = 9, "away-notify", "Who goes away and comes back.";
    SASL = 10, "sasl", "Logging in.";
    CHATHISTORY = 11, "draft/chathistory", "What was said before.";
    EVENT_PLAYBACK = 12, "draft/event-playback", "Topics and modes in it too.";
    REGISTER = 13, "draft/account-registration", "Registering an account.";
    CAP_NOTIFY = 14, "cap-notify", "Changes of this list.";
    USERHOST = 15, "userhost-in-names", "NAMES with user and host.";
    INVITE_NOTIFY = 16, "invite-notify", "Who is invited.";
    SETNAME = 17, "setname", "Changing one's real name.";
    STANDARD_REPLIES = 18, "standard-replies", "FAIL, WARN and NOTE.";
    SEARCH = 19, "soju.im/search", "Searching in what was said.";
}

impl Caps {
    /// Whether all of these are in it.
    pub fn has(self, caps: Self) -> bool {
        self.0 & caps.0 == caps.0
    }

    /// With these too.
    #[must_use]
    pub fn with(self, caps: Self) -> Self {
        Self(self.0 | caps.0)
    }

    /// Without these.
    #[must_use]
    pub fn without(self, caps: Self) -> Self {
        Self(self.0 & !caps.0)
    }

    /// The capability of this name.
    pub fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, text)| *text == name);
        found.map(|(cap, _)| *cap)
    }
}

impl BitOr for Caps {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Caps {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}
