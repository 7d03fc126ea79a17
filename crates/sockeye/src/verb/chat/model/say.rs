//! What people say: ours on its way out, everybody's on its way in.

use sockeye_chat::irc::Message as Line;

use super::Model;
use super::conversation::{ConversationId, Place, ServerId};
use super::event::{News, Order};
use super::message::{Delivery, Kind};
use super::rooms::nick_of;
use super::server::{Pending, State, line};
use crate::catalogue::chat as words;

/// Bytes of `nick!user@host` where nobody has told us ours: a user of ten and a host of sixty-three,
/// as <https://modern.ircdocs.horse> has them.
const SOURCE_BYTES: usize = 10 + 63 + 2;

/// Messages that may wait for a word from the server.
pub(crate) const PENDING: usize = 1_000;

impl Model {
    /// Says something in a conversation. False if it cannot be said; the reason has been told.
    pub(super) fn say(&mut self, id: ConversationId, kind: Kind, text: &str) -> bool {
        match self.conversation(id).place.clone() {
            Place::Contact(contact) => {
                let seq = self.show_mine(id, Kind::Said, text);
                self.contacts[contact.0].sending.push_back(seq);
                self.orders.push(Order::Datagram(contact, text.to_owned()));
                true
            }
            Place::Server(_) => {
                self.hint(self.words().get(words::NOT_TO_A_SERVER));
                false
            }
            Place::Room(server, target) | Place::Person(server, target) => {
                if self.server(server).state != State::Up {
                    self.hint(self.words().fill(
                        words::NOT_CONNECTED,
                        &[("server", &self.server(server).setup.name)],
                    ));
                    return false;
                }
                if self.server(server).pending.len() >= PENDING {
                    self.hint(self.words().get(words::TOO_MUCH_PENDING));
                    return false;
                }
                for piece in self.pieces(server, &target, kind, text) {
                    self.send(id, server, &target, kind, &piece);
                }
                true
            }
        }
    }

    fn show_mine(&mut self, id: ConversationId, kind: Kind, text: &str) -> u64 {
        let server = self.conversation(id).place.server();
        let nick = server.map(|server| self.server(server).nick.clone());
        let mut message = self.message(kind, nick.as_deref(), text);
        message.mine = true;
        message.delivery = Delivery::Pending;
        let seq = message.seq;
        self.show(id, message);
        seq
    }

    fn send(
        &mut self,
        id: ConversationId,
        server_id: ServerId,
        target: &str,
        kind: Kind,
        text: &str,
    ) {
        let seq = self.show_mine(id, kind, text);
        let server = self.server_mut(server_id);
        let label = server.next_label();
        let wire = match kind {
            Kind::Action => format!("\x01ACTION {text}\x01"),
            _ => text.to_owned(),
        };
        let labelled = server.has("labeled-response");
        let echoed = server.has("echo-message");
        let said = line(|l| {
            let l = if labelled { l.tag("label", &label) } else { l };
            let command = if kind == Kind::Notice {
                "NOTICE"
            } else {
                "PRIVMSG"
            };
            l.command(command).param(target).end_with(&wire);
        });
        server.out.push(said);
        if !echoed {
            // Whoever answers this has read what stands before it.
            server
                .out
                .push(line(|l| l.command("PING").end_with(&label)));
        }
        let target = server.support.fold(target);
        server.pending.push_back(Pending {
            conversation: id,
            seq,
            label,
            target,
            text: text.to_owned(),
        });
    }

    /// Cuts a text into what fits on lines when others get them, between words where it can be.
    fn pieces(&self, id: ServerId, target: &str, kind: Kind, text: &str) -> Vec<String> {
        let server = self.server(id);
        let source = match server.source_bytes {
            0 => server.nick.len() + SOURCE_BYTES,
            bytes => bytes,
        };
        let frame = ":".len() + source + " PRIVMSG ".len() + target.len() + " :\r\n".len();
        let action = if kind == Kind::Action {
            "\x01ACTION \x01".len()
        } else {
            0
        };
        let room = server.support.line_bytes.saturating_sub(frame + action);
        cut(text, room.max(32))
    }

    /// PRIVMSG or NOTICE, of others or our own come back.
    pub(super) fn on_talk(&mut self, id: ServerId, line: &Line<'_>) {
        let (Some(target), Some(text)) = (line.param(0), line.param(1)) else {
            return;
        };
        let Some((kind, text)) = meaning(line, text) else {
            return;
        };
        let mut message = self.message_of(id, line, kind, &text);
        if message.mine && self.on_echo(id, line, target, &text) {
            return;
        }
        let server = self.server(id);
        message.mention = !message.mine && names(&text, &server.nick);
        let place = self.place_of_talk(id, line, target);
        self.show(place, message);
    }

    /// Where something belongs that was said to `target`.
    pub(super) fn place_of_talk(
        &mut self,
        id: ServerId,
        line: &Line<'_>,
        target: &str,
    ) -> ConversationId {
        let source = line.source.unwrap_or_default();
        let server = self.server(id);
        // `@#room`: only to those who have the prefix.
        let (_, bare) = server.support.split_prefixes(target);
        if server.support.is_room(bare) {
            let place = Place::Room(id, bare.to_owned());
            let opened = self.open(place, bare.to_owned());
            return opened.unwrap_or_else(|| self.status(id));
        }
        let from_server = !source.contains('!') && (source.is_empty() || source.contains('.'));
        if from_server || server.state != State::Up && line.is("NOTICE") {
            return self.status(id);
        }
        let other = if server.is_me(nick_of(source)) {
            target
        } else {
            nick_of(source)
        };
        let other = other.to_owned();
        self.person(id, &other)
    }

    /// Our own words come back: they are with everybody now. False if we did not say them here.
    fn on_echo(&mut self, id: ServerId, line: &Line<'_>, target: &str, text: &str) -> bool {
        let label = self.label_of(id, line);
        let server = self.server_mut(id);
        let folded = server.support.fold(target);
        let at = server.pending.iter().position(|one| match &label {
            Some(label) => one.label == *label,
            None => one.target == folded && one.text == text,
        });
        let Some(pending) = at.and_then(|at| server.pending.remove(at)) else {
            return false;
        };
        self.arrived(id, line, pending.conversation, pending.seq);
        true
    }

    /// One of our messages is kept: it has the server's time and name from now on, and its place.
    pub(super) fn arrived(
        &mut self,
        id: ServerId,
        line: &Line<'_>,
        conversation: ConversationId,
        seq: u64,
    ) {
        let known = self.message_of(id, line, Kind::Said, "");
        let Some(mut ours) = self.conversation_mut(conversation).take(seq) else {
            return;
        };
        ours.id = known.id;
        if line.tags.get("time").is_some() {
            ours.time_ms = known.time_ms;
        }
        ours.delivery = Delivery::Done;
        self.conversation_mut(conversation).insert(ours);
        self.news.push(News::Delivery(conversation, seq));
    }

    /// The server has read everything up to this.
    pub(super) fn on_pong(&mut self, id: ServerId, line: &Line<'_>) {
        let Some(token) = line.params().last() else {
            return;
        };
        let server = self.server_mut(id);
        if server.barrier.as_deref() == Some(*token) {
            server.barrier = None;
        }
        let Some(at) = server.pending.iter().position(|one| one.label == *token) else {
            return;
        };
        let read: Vec<_> = server.pending.drain(..=at).collect();
        for one in read {
            self.settle(one.conversation, one.seq, Delivery::Done);
        }
    }

    /// The server refuses something: by its label, or by whom it was meant for. Where it stands.
    pub(super) fn on_refused(
        &mut self,
        id: ServerId,
        line: &Line<'_>,
        target: Option<&str>,
    ) -> Option<ConversationId> {
        let label = self.label_of(id, line);
        let server = self.server_mut(id);
        let folded = target.map(|target| server.support.fold(target));
        let at = server.pending.iter().position(|one| match &label {
            Some(label) => one.label == *label,
            None => folded.as_ref() == Some(&one.target),
        })?;
        let refused = server.pending.remove(at)?;
        self.settle(refused.conversation, refused.seq, Delivery::Failed);
        let typed = &mut self.conversation_mut(refused.conversation).typed;
        typed.keep(&refused.text);
        Some(refused.conversation)
    }

    /// Asks every server to say when it has read all that was said to it.
    pub(crate) fn ask_whether_all_is_read(&mut self) {
        for server in &mut self.servers {
            if server.state == State::Up {
                let label = server.next_label();
                server
                    .out
                    .push(line(|l| l.command("PING").end_with(&label)));
                server.barrier = Some(label);
            }
        }
    }

    /// Whether no answer is waited for any more.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut servers = self.servers.iter();
        self.unsettled() == 0
            && servers.all(|server| server.barrier.is_none() && server.asked.is_empty())
    }

    /// Our messages of which it is not known yet whether they have arrived.
    pub(crate) fn unsettled(&self) -> usize {
        let messages = self.conversations.iter().flat_map(|one| &one.messages);
        let ours = messages.filter(|one| one.mine && one.delivery == Delivery::Pending);
        ours.count()
    }

    /// Our messages that did not arrive.
    pub(crate) fn undelivered(&self) -> usize {
        let messages = self.conversations.iter().flat_map(|one| &one.messages);
        let ours = messages.filter(|one| one.mine && one.delivery == Delivery::Failed);
        ours.count()
    }
}

/// What kind of talk it is, and its text. None for what programs ask programs (CTCP), which is not
/// answered: it tells strangers more than people know.
pub(super) fn meaning(line: &Line<'_>, text: &str) -> Option<(Kind, String)> {
    if let Some(inner) = text.strip_prefix('\x01') {
        let inner = inner.strip_suffix('\x01').unwrap_or(inner);
        let action = inner.strip_prefix("ACTION")?;
        return Some((Kind::Action, action.trim_start().to_owned()));
    }
    let kind = if line.is("NOTICE") {
        Kind::Notice
    } else {
        Kind::Said
    };
    Some((kind, text.to_owned()))
}

/// Whether a text names somebody: the nick as a word of its own. Between the characters of Chinese
/// there are no words, so there it may stand anywhere.
pub(super) fn names(text: &str, nick: &str) -> bool {
    let (text, nick) = (text.to_lowercase(), nick.to_lowercase());
    if nick.is_empty() {
        return false;
    }
    let part = |c: char| c.is_ascii_alphanumeric() || "_-[]{}\\|^`".contains(c);
    text.match_indices(&nick).any(|(at, found)| {
        let before = text[..at].chars().next_back();
        let behind = text[at + found.len()..].chars().next();
        let joins = |inner: Option<char>, outer: Option<char>| {
            inner.is_some_and(part) && outer.is_some_and(part)
        };
        !joins(nick.chars().next(), before) && !joins(nick.chars().next_back(), behind)
    })
}

/// Cuts at blanks where there are any in the last third, else between characters.
fn cut(text: &str, most: usize) -> Vec<String> {
    let mut pieces = vec![];
    let mut rest = text;
    while rest.len() > most {
        let mut end = rest.floor_char_boundary(most);
        if !rest[end..].starts_with(' ')
            && let Some(blank) = rest[..end].rfind(' ')
            && blank > most / 3 * 2
        {
            end = blank;
        }
        pieces.push(rest[..end].to_owned());
        rest = rest[end..].trim_start_matches(' ');
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(rest.to_owned());
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_words_or_characters() {
        let check = |text: &str, most, expected: &[&str]| {
            assert_eq!(cut(text, most), expected, "{text}");
        };
        check("", 10, &[""]);
        check("short", 10, &["short"]);
        check("exactly10!", 10, &["exactly10!"]);
        check("some words here", 10, &["some words", "here"]);
        check("some longer words", 12, &["some longer", "words"]);
        check("一棵树下", 7, &["一棵", "树下"]);
    }

    #[test]
    fn a_mention_is_a_word_of_its_own() {
        let check = |text: &str, nick, expected| assert_eq!(names(text, nick), expected, "{text}");
        check("Tom: hello", "tom", true);
        check("tomorrow", "tom", false);
        check("atom", "tom", false);
        check("(tom)", "tom", true);
        check("问一棵树吧", "一棵树", true);
        check("tom_ is another", "tom", false);
        check("anything", "", false);
    }
}
