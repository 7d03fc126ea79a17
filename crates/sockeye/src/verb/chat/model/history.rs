//! What was said before, and while we were away: CHATHISTORY and SEARCH
//! (<https://ircv3.net/specs/extensions/chathistory>).

use sockeye_chat::irc::{Line as Writing, Message as Line, escape, time_text};

use super::Model;
use super::conversation::{ConversationId, Place, Scrollback, ServerId};
use super::event::News;
use super::message::{Delivery, Kind, Message};
use super::say::meaning;
use super::server::{Asked, Batch, State, What, line};
use crate::catalogue::chat as words;

/// Messages that are shown of a room that was just joined.
const LATEST: usize = 50;
/// Messages that are asked for at once.
const PAGE: usize = 100;
/// Pages of what was missed; whoever was away for longer scrolls back.
const PAGES: usize = 50;
/// Conversations that are looked into after an absence.
const TARGETS: usize = 50;
/// How far back private messages are looked for when there was no earlier connection.
const LOOK_BACK_MS: u64 = 7 * 24 * 3_600_000;
/// Questions about history that wait for answers.
const QUESTIONS: usize = 100;
/// By so much our clock and the server's may differ.
const SKEW_MS: u64 = 60_000;

impl Model {
    /// Fetches what was said before the oldest message that is shown, if there may be any.
    pub(crate) fn older(&mut self, id: ConversationId, count: usize) {
        let conversation = self.conversation(id);
        if matches!(
            conversation.scrollback,
            Scrollback::Asked | Scrollback::Complete
        ) {
            return;
        }
        let Some(server) = conversation.place.server() else {
            return;
        };
        let before = conversation.oldest_kept().map(reference);
        let asked = match before {
            Some(before) => self.ask(server, Some(id), What::Older, 0, |l, target, limit| {
                l.param("BEFORE")
                    .param(target)
                    .param(&before)
                    .param(&count.clamp(1, limit).to_string())
                    .end();
            }),
            None => self.ask_for_latest(server, id, count),
        };
        if asked {
            self.conversation_mut(id).scrollback = Scrollback::Asked;
        }
    }

    /// We are in a room, or have begun to talk with somebody: what was missed, or what was said last.
    pub(super) fn ask_for_beginning(&mut self, id: ConversationId) {
        let conversation = self.conversation(id);
        let Some(server) = conversation.place.server() else {
            return;
        };
        let left = conversation.left_ms.map(since);
        match conversation.newest_kept().map(reference).or(left) {
            Some(after) => self.ask_for_missed(server, id, &after, 0),
            None if self.fetches_latest => {
                self.ask_for_latest(server, id, LATEST);
            }
            None => {}
        }
    }

    fn ask_for_latest(&mut self, server: ServerId, id: ConversationId, count: usize) -> bool {
        self.ask(server, Some(id), What::Latest, 0, |l, target, limit| {
            let count = count.clamp(1, limit).to_string();
            l.param("LATEST")
                .param(target)
                .param("*")
                .param(&count)
                .end();
        })
    }

    fn ask_for_missed(&mut self, server: ServerId, id: ConversationId, after: &str, pages: usize) {
        self.ask(server, Some(id), What::Missed, pages, |l, target, limit| {
            let count = PAGE.min(limit).to_string();
            l.param("AFTER")
                .param(target)
                .param(after)
                .param(&count)
                .end();
        });
    }

    /// Who has written to us while we were away.
    pub(super) fn ask_for_targets(&mut self, id: ServerId) {
        let server = self.server(id);
        let missed = server.was_up;
        if !missed && (server.account.is_none() || !self.fetches_latest) {
            return;
        }
        let from = if missed && server.lost_ms > 0 {
            server.lost_ms
        } else {
            self.now_ms.saturating_sub(LOOK_BACK_MS)
        };
        let (from, until) = (since(from), since(self.now_ms + SKEW_MS));
        self.ask(id, None, What::Targets { missed }, 0, |l, _, limit| {
            l.param("TARGETS")
                .param(&from)
                .param(&until)
                .param(&TARGETS.min(limit).to_string())
                .end();
        });
    }

    /// Looks for words: in a room, or in everything that we may read.
    pub(super) fn search(&mut self, id: ConversationId, text: &str) {
        let Some(server) = self.conversation(id).place.server() else {
            return self.hint(self.words().get(words::NO_HISTORY));
        };
        if !self.server(server).has("soju.im/search") {
            return self.hint(self.words().get(words::NO_SEARCH));
        }
        let mut attributes = format!("text={}", escape(text));
        if let Some(target) = self.conversation(id).place.target() {
            attributes = format!("{attributes};in={}", escape(target));
        }
        let server = self.server_mut(server);
        let label = server.next_label();
        let said = line(|l| {
            let l = if server.has("labeled-response") {
                l.tag("label", &label)
            } else {
                l
            };
            l.command("SEARCH").param(&attributes).end();
        });
        server.out.push(said);
        server.asked.push_back(Asked {
            label,
            target: String::new(),
            conversation: Some(id),
            what: What::Search,
            pages: 0,
        });
    }

    /// Asks, where the server keeps anything. False if it does not.
    fn ask(
        &mut self,
        id: ServerId,
        conversation: Option<ConversationId>,
        what: What,
        pages: usize,
        write: impl FnOnce(Writing<'_>, &str, usize),
    ) -> bool {
        let target = conversation.and_then(|id| self.conversation(id).place.target());
        let target = target.unwrap_or_default().to_owned();
        let server = self.server_mut(id);
        let can = server.has("draft/chathistory") && server.has("batch");
        if !can || server.state != State::Up || server.asked.len() >= QUESTIONS {
            return false;
        }
        let limit = match server.support.history {
            0 => PAGE,
            limit => limit,
        };
        let label = server.next_label();
        let labelled = server.has("labeled-response");
        let said = line(|l| {
            let l = if labelled { l.tag("label", &label) } else { l };
            write(l.command("CHATHISTORY"), &target, limit);
        });
        server.out.push(said);
        server.asked.push_back(Asked {
            label,
            target: server.support.fold(&target),
            conversation,
            what,
            pages,
        });
        true
    }

    /// What a batch answers: by its label, else the oldest question about its target.
    fn question(&mut self, id: ServerId, label: Option<&str>, target: &str) -> Option<Asked> {
        let asked = &mut self.server_mut(id).asked;
        let at = asked.iter().position(|one| match label {
            Some(label) => one.label == label,
            None => one.target == target,
        })?;
        asked.remove(at)
    }

    /// A batch of history is complete.
    pub(super) fn on_history(&mut self, id: ServerId, batch: &Batch) {
        let asked = self.question(id, batch.label.as_deref(), &batch.target);
        let what = asked.as_ref().map_or(What::Latest, |asked| asked.what);
        match what {
            What::Targets { missed } => return self.on_targets(id, batch, missed),
            What::Search => {
                return self.on_found(id, batch, asked.and_then(|one| one.conversation));
            }
            _ => {}
        }
        let mut at = asked.as_ref().and_then(|asked| asked.conversation);
        let mut last = None;
        let oldest = at.filter(|_| what == What::Older);
        let oldest = oldest.and_then(|place| self.conversation(place).oldest_kept());
        let oldest = oldest.map(|one| one.seq);
        for text in &batch.lines {
            let Ok(line) = Line::parse(text.as_bytes()) else {
                continue;
            };
            let Some(mut message) = self.past(id, &line) else {
                continue;
            };
            let place = match at {
                Some(place) => place,
                None => self.place_of_talk(id, &line, line.param(0).unwrap_or_default()),
            };
            at = Some(place);
            last = Some(reference(&message));
            if message.mine && self.was_ours(id, place, &line, &message) {
                continue;
            }
            message.missed = true;
            match oldest {
                Some(oldest) => self.show_before(place, message, oldest),
                None => self.show_past(place, message, what == What::Missed),
            }
        }
        let (Some(place), Some(asked)) = (at, asked) else {
            return;
        };
        let came = !batch.lines.is_empty();
        match what {
            What::Missed if asked.pages + 1 < PAGES => {
                if let Some(last) = last {
                    self.ask_for_missed(id, place, &last, asked.pages + 1);
                }
            }
            What::Missed => {}
            _ => {
                self.conversation_mut(place).scrollback = if came {
                    Scrollback::More
                } else {
                    Scrollback::Complete
                }
            }
        }
        self.news.push(News::Server(id));
    }

    /// A message of the past.
    fn past(&mut self, id: ServerId, line: &Line<'_>) -> Option<Message> {
        if !line.is("PRIVMSG") && !line.is("NOTICE") {
            return None;
        }
        let (kind, text) = meaning(line, line.param(1)?)?;
        let mut message = self.message_of(id, line, kind, &text);
        let by_account = line.tags.get("account");
        let ours = self.server(id).account.as_deref();
        message.mine |= ours.is_some() && by_account.as_deref() == ours;
        message.mention = !message.mine && super::say::names(&text, &self.server(id).nick);
        Some(message)
    }

    /// Whether it is one of ours of which we did not know that it had arrived.
    fn was_ours(
        &mut self,
        id: ServerId,
        place: ConversationId,
        line: &Line<'_>,
        past: &Message,
    ) -> bool {
        let conversation = self.conversation(place);
        if past
            .id
            .as_ref()
            .is_some_and(|id| conversation.known.contains(id))
        {
            return true;
        }
        let lost = conversation.messages.iter().find(|one| {
            one.mine
                && one.delivery != Delivery::Done
                && one.text == past.text
                && one.time_ms <= past.time_ms + SKEW_MS
        });
        let Some(seq) = lost.map(|one| one.seq) else {
            return false;
        };
        self.arrived(id, line, place, seq);
        true
    }

    /// Shows something of the past; what was missed counts as unread, older things do not.
    fn show_past(&mut self, place: ConversationId, message: Message, unread: bool) {
        if unread {
            return self.show(place, message);
        }
        let seq = message.seq;
        if self.conversation_mut(place).insert(message) {
            self.news.push(News::Message(place, seq));
        }
    }

    /// Shows what was said before the oldest message that was here.
    fn show_before(&mut self, place: ConversationId, message: Message, oldest: u64) {
        let seq = message.seq;
        if self.conversation_mut(place).insert_before(message, oldest) {
            self.news.push(News::Message(place, seq));
        }
    }

    fn on_targets(&mut self, id: ServerId, batch: &Batch, missed: bool) {
        for text in &batch.lines {
            let Ok(line) = Line::parse(text.as_bytes()) else {
                continue;
            };
            let (true, Some("TARGETS"), Some(nick)) =
                (line.is("CHATHISTORY"), line.param(0), line.param(1))
            else {
                continue;
            };
            let server = self.server(id);
            // What was missed in rooms is asked for when we are in them.
            if server.support.is_room(nick) || server.is_me(nick) {
                continue;
            }
            let after = since(server.lost_ms);
            let is_new = self.find(&Place::Person(id, nick.to_owned())).is_none();
            let person = self.person(id, nick);
            if missed && is_new {
                self.ask_for_missed(id, person, &after, 0);
            } else {
                self.ask_for_beginning(person);
            }
        }
    }

    /// What was found is listed where it was asked for.
    fn on_found(&mut self, id: ServerId, batch: &Batch, at: Option<ConversationId>) {
        let at = at.unwrap_or_else(|| self.status(id));
        let mut found = 0;
        for text in &batch.lines {
            let Ok(line) = Line::parse(text.as_bytes()) else {
                continue;
            };
            let Some(message) = self.past(id, &line) else {
                continue;
            };
            found += 1;
            let target = line.param(0).unwrap_or_default();
            let text = self.words().found(&message, target);
            self.tell(at, Kind::Status, &text);
        }
        let text = self.words().fill(words::FOUND_ALL, &[("n", &found)]);
        self.tell(at, Kind::Status, &text);
    }

    /// `FAIL CHATHISTORY …`: the question will not be answered.
    pub(super) fn on_no_history(&mut self, id: ServerId, line: &Line<'_>) {
        let label = self.label_of(id, line);
        let asked = &mut self.server_mut(id).asked;
        let at = match label {
            Some(label) => asked.iter().position(|one| one.label == label),
            None => (!asked.is_empty()).then_some(0),
        };
        let gone = at.and_then(|at| asked.remove(at));
        if let Some(place) = gone.and_then(|gone| gone.conversation) {
            let conversation = self.conversation_mut(place);
            if conversation.scrollback == Scrollback::Asked {
                conversation.scrollback = Scrollback::Complete;
            }
        }
    }
}

/// How history is told where to begin.
fn reference(message: &Message) -> String {
    match &message.id {
        Some(id) => format!("msgid={id}"),
        None => since(message.time_ms),
    }
}

fn since(ms: u64) -> String {
    format!("timestamp={}", time_text(ms))
}
