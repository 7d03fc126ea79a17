//! What is said in one place, and who is there.

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::message::{Delivery, Message};

/// Messages that a conversation holds; the oldest go first, and can be fetched again where the
/// server keeps them.
pub(crate) const MESSAGES_KEPT: usize = 5_000;
/// The same for whoever has scrolled back and fetched older ones.
pub(crate) const FETCHED_KEPT: usize = 100_000;
/// Lines that were typed and can be had again.
pub(crate) const TYPED_KEPT: usize = 500;
/// People of a room that are listed.
pub(crate) const MEMBERS_LISTED: usize = 20_000;

/// Which conversation; stays the same for as long as the run lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ConversationId(pub(super) u32);

/// Which server, by its place in [`Model::servers`](super::Model::servers).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ServerId(pub(super) usize);

/// Which plain contact, by its place in [`Model::contacts`](super::Model::contacts).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ContactId(pub(super) usize);

/// With whom one talks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// What a server itself says.
    Server(ServerId),
    /// A room, as the server writes it.
    Room(ServerId, String),
    /// One person, by nick.
    Person(ServerId, String),
    /// A plain peer of the contacts.
    Contact(ContactId),
}

impl Place {
    /// The server that carries it.
    pub(crate) fn server(&self) -> Option<ServerId> {
        match self {
            Self::Server(server) | Self::Room(server, _) | Self::Person(server, _) => Some(*server),
            Self::Contact(_) => None,
        }
    }

    /// What stands behind PRIVMSG.
    pub(crate) fn target(&self) -> Option<&str> {
        match self {
            Self::Room(_, name) | Self::Person(_, name) => Some(name),
            Self::Server(_) | Self::Contact(_) => None,
        }
    }
}

/// A place with what was said there.
#[derive(Clone, Debug)]
pub(crate) struct Conversation {
    pub(crate) id: ConversationId,
    pub(crate) place: Place,
    /// How it is listed: a contact's name, a room, a nick, a server's name.
    pub(crate) name: String,
    /// By time, the oldest first.
    pub(crate) messages: VecDeque<Message>,
    /// What was said by others since it was looked at.
    pub(crate) unread: usize,
    /// How much of that names us; in a private conversation everything does.
    pub(crate) mentions: usize,
    /// The first message that is new, for a line above it; stays until one goes away from it.
    pub(crate) first_new: Option<u64>,
    /// Who is in the room, by folded nick.
    pub(crate) members: BTreeMap<String, Person>,
    pub(crate) topic: Option<String>,
    /// Whether we are in the room; always in others.
    pub(crate) joined: bool,
    /// Why we are not let in, or were put out.
    pub(crate) refused: Option<String>,
    pub(crate) scrollback: Scrollback,
    pub(crate) typed: Typed,
    /// What is known already by what the server calls it.
    pub(super) known: HashSet<Box<str>>,
    /// Up to when we were in the room before the connection broke, by the server's clock.
    pub(super) left_ms: Option<u64>,
    /// NAMES is under way: what it lists replaces what was listed.
    pub(super) listing: Option<BTreeMap<String, Person>>,
}

/// Somebody in a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) nick: String,
    /// `@`, `+`, `@+` or nothing, the highest first.
    pub(crate) prefixes: String,
    pub(crate) away: bool,
}

/// How far back the conversation goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scrollback {
    /// The server keeps nothing, or nobody has asked.
    #[default]
    Unknown,
    /// Older messages can be fetched.
    More,
    /// They have been asked for.
    Asked,
    /// There is nothing older.
    Complete,
}

/// What was typed here, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Typed {
    pub(crate) lines: VecDeque<String>,
}

impl Typed {
    /// Keeps a line that did not arrive, unless it stands here already.
    pub(super) fn keep(&mut self, line: &str) {
        if !self.lines.iter().any(|one| one == line) {
            self.push(line);
        }
    }

    /// Keeps a line, unless it is the one before.
    pub(crate) fn push(&mut self, line: &str) {
        if line.is_empty() || self.lines.back().is_some_and(|last| last == line) {
            return;
        }
        self.lines.push_back(line.to_owned());
        if self.lines.len() > TYPED_KEPT {
            self.lines.pop_front();
        }
    }
}

impl Conversation {
    pub(super) fn new(id: ConversationId, place: Place, name: String) -> Self {
        let joined = !matches!(place, Place::Room(..));
        Self {
            id,
            place,
            name,
            joined,
            refused: None,
            messages: VecDeque::new(),
            unread: 0,
            mentions: 0,
            first_new: None,
            members: BTreeMap::new(),
            topic: None,
            scrollback: Scrollback::Unknown,
            typed: Typed::default(),
            known: HashSet::new(),
            left_ms: None,
            listing: None,
        }
    }

    /// The message of this number.
    pub(crate) fn message(&self, seq: u64) -> Option<&Message> {
        self.messages.iter().rev().find(|one| one.seq == seq)
    }

    /// Whether something that we said here has not arrived.
    pub(crate) fn has_undelivered(&self) -> bool {
        let mut messages = self.messages.iter();
        messages.any(|one| one.mine && one.delivery == Delivery::Failed)
    }

    /// Puts a message where its time belongs. False if it is here already, or too old to be kept.
    pub(super) fn insert(&mut self, message: Message) -> bool {
        if let Some(id) = &message.id
            && !self.known.insert(id.clone())
        {
            return false;
        }
        let behind = self.messages.iter().rev();
        let later = behind.take_while(|one| one.time_ms > message.time_ms);
        let at = self.messages.len() - later.count();
        self.messages.insert(at, message);
        self.messages.len() <= MESSAGES_KEPT || self.forget_oldest() != at
    }

    /// Puts a message before another, as the server has them: many may have been said at one time.
    /// False if it is here already, or there is no room for what is so old.
    pub(super) fn insert_before(&mut self, message: Message, seq: u64) -> bool {
        let Some(at) = self.messages.iter().position(|one| one.seq == seq) else {
            return self.insert(message);
        };
        if self.messages.len() >= FETCHED_KEPT {
            return false;
        }
        if let Some(id) = &message.id
            && !self.known.insert(id.clone())
        {
            return false;
        }
        self.messages.insert(at, message);
        true
    }

    /// Drops what was said first; returns where that stood.
    fn forget_oldest(&mut self) -> usize {
        if let Some(id) = self.messages.pop_front().and_then(|gone| gone.id) {
            self.known.remove(&id);
        }
        if self.scrollback == Scrollback::Complete {
            self.scrollback = Scrollback::More;
        }
        0
    }

    /// Takes a message out, to be put back elsewhere.
    pub(super) fn take(&mut self, seq: u64) -> Option<Message> {
        let at = self.messages.iter().rposition(|one| one.seq == seq)?;
        let message = self.messages.remove(at)?;
        if let Some(id) = &message.id {
            self.known.remove(id);
        }
        Some(message)
    }

    /// The newest message that the server knows.
    pub(super) fn newest_kept(&self) -> Option<&Message> {
        let mut kept = self.messages.iter().rev();
        kept.find(|one| one.kind.is_talk() && one.delivery == Delivery::Done)
    }

    /// The oldest one.
    pub(super) fn oldest_kept(&self) -> Option<&Message> {
        let mut kept = self.messages.iter();
        kept.find(|one| one.kind.is_talk() && one.delivery == Delivery::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Kind;
    use super::*;

    fn message(seq: u64, time_ms: u64) -> Message {
        Message {
            seq,
            time_ms,
            from: Some("tom".into()),
            text: String::new(),
            kind: Kind::Said,
            mine: false,
            missed: true,
            mention: false,
            delivery: Delivery::Done,
            id: Some(format!("id{seq}").into()),
        }
    }

    fn order(conversation: &Conversation) -> Vec<u64> {
        conversation.messages.iter().map(|one| one.seq).collect()
    }

    #[test]
    fn older_messages_of_the_same_time_stand_before_newer_ones_and_in_their_order() {
        let place = Place::Room(ServerId(0), "#tea".into());
        let mut conversation = Conversation::new(ConversationId(0), place, "#tea".into());
        for seq in [1, 2] {
            assert!(conversation.insert(message(seq, 1000)));
        }
        for seq in [3, 4] {
            assert!(conversation.insert_before(message(seq, 1000), 1));
        }
        assert_eq!(order(&conversation), [3, 4, 1, 2]);
        assert!(!conversation.insert_before(message(3, 1000), 1));
        assert!(conversation.insert_before(message(5, 500), 99));
        assert_eq!(order(&conversation), [5, 3, 4, 1, 2]);
    }

    #[test]
    fn what_is_fetched_may_be_more_than_what_comes_by_itself() {
        let place = Place::Room(ServerId(0), "#tea".into());
        let mut conversation = Conversation::new(ConversationId(0), place, "#tea".into());
        conversation.insert(message(0, 1_000_000));
        for seq in 1..FETCHED_KEPT as u64 {
            assert!(conversation.insert_before(message(seq, 0), seq - 1));
        }
        let one_more = FETCHED_KEPT as u64;
        assert!(!conversation.insert_before(message(one_more, 0), one_more - 1));
        assert_eq!(conversation.messages.len(), FETCHED_KEPT);
    }
}
