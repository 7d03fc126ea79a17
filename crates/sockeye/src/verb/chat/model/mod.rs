//! What a chat looks like to one person: servers, conversations, contacts.
//!
//! Pure: events and typed lines go in with the time, orders and news come out. It opens no socket,
//! reads no clock and knows no terminal.

mod answers;
mod complete;
mod conversation;
mod event;
mod heard;
mod history;
mod message;
mod phrase;
mod registration;
mod rooms;
mod say;
mod server;
mod typed;

#[cfg(test)]
mod tests;

use encoding_rs::Encoding;
use sockeye_net::Endpoint;

use crate::catalogue::Lang;
pub(crate) use complete::Completion;
pub(crate) use conversation::{
    ContactId, Conversation, ConversationId, Person, Place, Scrollback, ServerId,
};
pub(crate) use event::{Event, FromContact, FromServer, News, Order};
pub(crate) use message::{Delivery, Kind, Message};
pub(crate) use server::{Server, Setup, State};

/// Conversations at most: whoever changes his nick for every message shall not fill our memory.
pub(crate) const CONVERSATIONS: usize = 1_000;

/// Somebody in the contacts.
#[derive(Clone, Debug)]
pub(crate) struct Contact {
    pub(crate) name: String,
    pub(crate) way: Way,
    /// The other end's address, while there is a connection.
    pub(crate) peer: Option<String>,
    /// What is on its way, by the numbers of our messages.
    sending: std::collections::VecDeque<u64>,
}

/// How a contact is reached.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// As a nick on a server, both by name.
    Nick { server: ServerId, nick: String },
    /// As a plain peer: each line is one message.
    Plain {
        endpoint: Endpoint,
        encoding: &'static Encoding,
    },
}

/// The chat.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) lang: Lang,
    servers: Vec<Server>,
    contacts: Vec<Contact>,
    /// In the order in which they are listed.
    conversations: Vec<Conversation>,
    current: Option<ConversationId>,
    /// The language of the line above a plain peer's message.
    pub(crate) peer_lang: Lang,
    /// Whether what was said last is fetched for each room that is joined.
    pub(crate) fetches_latest: bool,
    next_conversation: u32,
    next_seq: u64,
    now_ms: u64,
    orders: Vec<Order>,
    news: Vec<News>,
}

impl Model {
    pub(crate) fn new(lang: Lang) -> Self {
        Self {
            lang,
            servers: vec![],
            contacts: vec![],
            conversations: vec![],
            current: None,
            peer_lang: lang,
            fetches_latest: true,
            next_conversation: 0,
            next_seq: 0,
            now_ms: 0,
            orders: vec![],
            news: vec![],
        }
    }

    /// Adds a server, which is dialled.
    pub(crate) fn add_server(&mut self, setup: Setup) -> ServerId {
        let id = ServerId(self.servers.len());
        let rooms = setup.rooms.clone();
        let name = setup.name.clone();
        self.servers.push(Server::new(id, setup));
        self.open(Place::Server(id), name);
        for room in rooms {
            self.open(Place::Room(id, room.clone()), room);
        }
        self.dial(id);
        id
    }

    fn dial(&mut self, id: ServerId) {
        self.server_mut(id).state = State::Dialling;
        self.orders.push(Order::Connect(id));
    }

    /// Adds a contact. Nobody is dialled before there is something to say to him.
    pub(crate) fn add_contact(&mut self, name: &str, way: Way) -> ConversationId {
        let id = ContactId(self.contacts.len());
        let place = match &way {
            Way::Nick { server, nick } => Place::Person(*server, nick.clone()),
            Way::Plain { .. } => Place::Contact(id),
        };
        self.contacts.push(Contact {
            name: name.to_owned(),
            way,
            peer: None,
            sending: std::collections::VecDeque::new(),
        });
        self.open(place, name.to_owned())
            .expect("contacts come first, far fewer than the limit")
    }

    /// Tells the model the time, in milliseconds since 1970. What follows happens then.
    pub(crate) fn at(&mut self, now_ms: u64) -> &mut Self {
        self.now_ms = now_ms;
        self
    }

    /// Something happened.
    pub(crate) fn on(&mut self, event: Event) {
        match event {
            Event::Server(id, event) => self.on_server(id, event),
            Event::Contact(id, event) => self.on_contact(id, event),
        }
        self.collect();
    }

    /// What has to be done, in this order.
    pub(crate) fn take_orders(&mut self) -> Vec<Order> {
        self.collect();
        std::mem::take(&mut self.orders)
    }

    /// What is new since this was asked last.
    pub(crate) fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// All of them, in the order in which they are listed: contacts, then each server with its
    /// rooms and its people.
    pub(crate) fn conversations(&self) -> &[Conversation] {
        &self.conversations
    }

    pub(crate) fn servers(&self) -> &[Server] {
        &self.servers
    }

    pub(crate) fn contacts(&self) -> &[Contact] {
        &self.contacts
    }

    pub(crate) fn server(&self, id: ServerId) -> &Server {
        &self.servers[id.0]
    }

    pub(crate) fn contact(&self, id: ContactId) -> &Contact {
        &self.contacts[id.0]
    }

    /// A conversation; ids are never used again, and no conversation goes away.
    pub(crate) fn conversation(&self, id: ConversationId) -> &Conversation {
        let found = self.conversations.iter().find(|one| one.id == id);
        found.expect("ids come from here, and conversations stay")
    }

    fn conversation_mut(&mut self, id: ConversationId) -> &mut Conversation {
        let found = self.conversations.iter_mut().find(|one| one.id == id);
        found.expect("ids come from here, and conversations stay")
    }

    fn server_mut(&mut self, id: ServerId) -> &mut Server {
        &mut self.servers[id.0]
    }

    /// The one that is talked in; none while one is being chosen.
    pub(crate) fn current(&self) -> Option<&Conversation> {
        self.current.map(|id| self.conversation(id))
    }

    /// Goes to a conversation, or to the choice of one. What is there counts as read.
    pub(crate) fn choose(&mut self, id: Option<ConversationId>) {
        if self.current == id {
            return;
        }
        if let Some(left) = self.current {
            self.conversation_mut(left).first_new = None;
        }
        self.current = id;
        if let Some(id) = id {
            let conversation = self.conversation_mut(id);
            conversation.unread = 0;
            conversation.mentions = 0;
        }
        self.news.push(News::Current(id));
    }

    /// The next conversation with something new: what names us first.
    pub(crate) fn next_unread(&self) -> Option<ConversationId> {
        let waiting = self.conversations.iter().filter(|one| one.unread > 0);
        let most = waiting.max_by_key(|one| (one.mentions > 0, std::cmp::Reverse(one.id)));
        most.map(|one| one.id)
    }

    /// Finds the conversation of a place, or begins it. None if there are too many.
    fn open(&mut self, place: Place, name: String) -> Option<ConversationId> {
        if let Some(id) = self.find(&place) {
            return Some(id);
        }
        if self.conversations.len() >= CONVERSATIONS {
            return None;
        }
        let id = ConversationId(self.next_conversation);
        self.next_conversation += 1;
        let new = Conversation::new(id, place, name);
        let rank = self.rank(&new);
        let at = self
            .conversations
            .partition_point(|one| self.rank(one) <= rank);
        self.conversations.insert(at, new);
        Some(id)
    }

    /// Where a conversation stands in the list: contacts as in their file, then server by server.
    fn rank(&self, of: &Conversation) -> (usize, u8, String) {
        let contact = self.contacts.iter().position(|contact| {
            contact.name == of.name
                && matches!(
                    (&contact.way, &of.place),
                    (Way::Plain { .. }, Place::Contact(_)) | (Way::Nick { .. }, Place::Person(..))
                )
        });
        if let Some(at) = contact {
            return (0, 0, format!("{at:09}"));
        }
        let (server, class) = match of.place {
            Place::Server(server) => (server.0, 1),
            Place::Room(server, _) => (server.0, 2),
            Place::Person(server, _) => (server.0, 3),
            Place::Contact(contact) => (contact.0, 0),
        };
        (server + 1, class, of.name.to_lowercase())
    }

    /// The conversation of this place, names compared as its server does.
    fn find(&self, place: &Place) -> Option<ConversationId> {
        let same = |one: &&Conversation| match (&one.place, place) {
            (Place::Server(a), Place::Server(b)) => a == b,
            (Place::Contact(a), Place::Contact(b)) => a == b,
            (Place::Room(a, x), Place::Room(b, y)) | (Place::Person(a, x), Place::Person(b, y)) => {
                let fold = |name: &str| self.servers[a.0].support.fold(name);
                a == b && fold(x) == fold(y)
            }
            _ => false,
        };
        self.conversations.iter().find(same).map(|one| one.id)
    }

    /// The conversation with somebody on a server.
    fn person(&mut self, server: ServerId, nick: &str) -> ConversationId {
        let opened = self.open(Place::Person(server, nick.to_owned()), nick.to_owned());
        opened.unwrap_or_else(|| self.status(server))
    }

    /// Where a server itself talks.
    fn status(&self, server: ServerId) -> ConversationId {
        let found = self.find(&Place::Server(server));
        found.expect("every server has one from the beginning")
    }

    /// A message that the model begins to fill.
    fn message(&mut self, kind: Kind, from: Option<&str>, text: &str) -> Message {
        self.next_seq += 1;
        Message {
            seq: self.next_seq,
            time_ms: self.now_ms,
            from: from.map(str::to_owned),
            text: message::without_styles(text),
            kind,
            mine: false,
            missed: false,
            mention: false,
            delivery: Delivery::Done,
            id: None,
        }
    }

    /// Shows a message, and counts it where nobody looks.
    fn show(&mut self, id: ConversationId, message: Message) {
        let (seq, talk) = (message.seq, message.kind.is_talk() && !message.mine);
        let current = self.current == Some(id);
        let conversation = self.conversation_mut(id);
        let named = message.mention || !matches!(conversation.place, Place::Room(..));
        if !conversation.insert(message) {
            return;
        }
        if talk && !current {
            conversation.unread += 1;
            conversation.mentions += usize::from(named);
            conversation.first_new.get_or_insert(seq);
        }
        self.news.push(News::Message(id, seq));
    }

    /// A line from the client itself.
    fn tell(&mut self, id: ConversationId, kind: Kind, text: &str) {
        let message = self.message(kind, None, text);
        self.show(id, message);
    }

    fn hint(&mut self, text: String) {
        self.news.push(News::Hint(text));
    }

    /// Turns what servers have to be told into orders.
    fn collect(&mut self) {
        for server in &mut self.servers {
            let id = server.id;
            let lines = server.out.drain(..);
            self.orders.extend(lines.map(|line| Order::Send(id, line)));
        }
    }

    fn on_contact(&mut self, id: ContactId, event: FromContact) {
        let Some(conversation) = self.find(&Place::Contact(id)) else {
            return;
        };
        match event {
            FromContact::Open { peer } => self.contacts[id.0].peer = Some(peer),
            FromContact::Said { from, text } => {
                let message = self.message(Kind::Said, Some(&from), &text);
                self.show(conversation, message);
            }
            FromContact::Sent => {
                if let Some(seq) = self.contacts[id.0].sending.pop_front() {
                    self.settle(conversation, seq, Delivery::Done);
                }
            }
            FromContact::Failed { why } => {
                let waiting = self.contacts[id.0].sending.pop_front();
                if let Some(seq) = waiting.or_else(|| self.unanswered(conversation)) {
                    self.settle(conversation, seq, Delivery::Failed);
                }
                self.tell(conversation, Kind::Error, &why);
            }
            FromContact::Closed { why } => {
                self.contacts[id.0].peer = None;
                for seq in std::mem::take(&mut self.contacts[id.0].sending) {
                    self.settle(conversation, seq, Delivery::Failed);
                }
                self.tell(conversation, Kind::Status, &why);
            }
        }
    }

    /// What we said last, if nothing has come since: what a datagram met is told after it was sent.
    fn unanswered(&self, id: ConversationId) -> Option<u64> {
        let last = self.conversation(id).messages.back()?;
        last.mine.then_some(last.seq)
    }

    /// What became of one of our messages.
    fn settle(&mut self, id: ConversationId, seq: u64, delivery: Delivery) {
        let messages = &mut self.conversation_mut(id).messages;
        let Some(message) = messages.iter_mut().rev().find(|one| one.seq == seq) else {
            return;
        };
        if message.delivery != delivery {
            message.delivery = delivery;
            self.news.push(News::Delivery(id, seq));
        }
    }
}
