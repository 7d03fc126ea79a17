//! What is new, as lines: what people say on standard output, the rest on standard error, all of it
//! as events.

use std::collections::HashMap;
use std::io::stdout;

use super::model::{
    Conversation, ConversationId, Delivery, Kind, Message, Model, News, Place, ServerId, State,
};
use crate::catalogue::{Lang, chat as say};
use crate::context::Context;
use crate::journal::{Journal, Line};
use crate::ui::{colours, escape, write_stdout};

/// Tells what is new.
pub(super) struct Teller<'a> {
    context: &'a Context,
    journal: &'a Journal,
    /// Who has said this has said enough.
    until: Option<String>,
    is_enough: bool,
    /// Only events are written: the terminal shows the rest in its own way.
    is_mute: bool,
    colour: bool,
    states: HashMap<ServerId, State>,
}

impl<'a> Teller<'a> {
    pub(super) fn new(context: &'a Context, journal: &'a Journal, until: Option<String>) -> Self {
        Self {
            context,
            journal,
            until,
            is_enough: false,
            is_mute: false,
            colour: colours(&stdout()),
            states: HashMap::new(),
        }
    }

    /// Who writes events and nothing else.
    pub(super) fn of_events(context: &'a Context, journal: &'a Journal) -> Self {
        Self {
            is_mute: true,
            ..Self::new(context, journal, None)
        }
    }

    pub(super) fn lang(&self) -> Lang {
        self.context.lang()
    }

    /// Whether the text was said that ends it.
    pub(super) fn is_enough(&self) -> bool {
        self.is_enough
    }

    /// Asks whom to talk with, where that was not said.
    pub(super) fn begin(&self, model: &Model) {
        if model.current().is_none() && !model.choices().is_empty() {
            self.say(&say::WHO_IS.fill(self.lang(), &[("known", &model.choices())]));
        }
    }

    /// Tells all of it; true once the text was said that ends it.
    pub(super) fn tell(&mut self, model: &Model, news: Vec<News>) -> anyhow::Result<bool> {
        for one in news {
            match one {
                News::Message(id, seq) => self.message(model, id, seq)?,
                News::Delivery(id, seq) => self.delivery(model, id, seq),
                News::Hint(text) => self.say(&text),
                News::Server(id) => self.server(model, id),
                News::Current(None) => self.begin(model),
                News::Current(Some(_)) => {}
            }
        }
        Ok(self.is_enough)
    }

    fn say(&self, text: &str) {
        if !self.context.global.quiet && !self.is_mute {
            self.context.ui.say(text);
        }
    }

    fn message(&mut self, model: &Model, id: ConversationId, seq: u64) -> anyhow::Result<()> {
        let conversation = model.conversation(id);
        let Some(message) = conversation.message(seq) else {
            return Ok(());
        };
        self.journal.say(
            "chat_message",
            |line| fields(line, model, conversation, message),
            None,
        );
        let place = shown(model, conversation);
        if message.kind.is_talk() {
            // What we say ourselves is no news.
            if !self.is_mute && (!message.mine || message.missed) {
                write_stdout(self.line(model, &place, conversation, message).as_bytes())?;
                self.is_enough |= !message.mine && self.until.as_ref() == Some(&message.text);
            }
            return Ok(());
        }
        let phrase = message.phrase(self.lang());
        let is_greeting =
            matches!(conversation.place, Place::Server(_)) && message.kind != Kind::Error;
        // Why a server is left for good ends the run, which says it.
        let is_end = conversation.place.server().is_some_and(|id| {
            let server = model.server(id);
            server.state == State::Off && server.trouble.as_ref() == Some(&message.text)
        });
        if (!is_greeting || self.context.global.verbose > 0) && !is_end {
            self.say(&format!("{place}: {phrase}"));
        }
        Ok(())
    }

    /// One line of output; what would steer a terminal or end the line is escaped.
    fn line(
        &self,
        model: &Model,
        place: &str,
        conversation: &Conversation,
        message: &Message,
    ) -> String {
        let from = message.from.as_deref().unwrap_or_default();
        let (from, text) = (escape(from), escape(&message.text));
        if matches!(conversation.place, Place::Contact(_)) {
            let line = format!("{}{text}", model.headline(&from));
            // ECMA-48 §8.3.117: bold, on blue, as the tutorial has it.
            return if self.colour {
                format!("\x1b[1;44m{line}\x1b[0m\n")
            } else {
                line + "\n"
            };
        }
        let (clock, place) = (message.clock(), escape(place));
        match message.kind {
            Kind::Action => format!("{clock} {place} * {from} {text}\n"),
            Kind::Notice => format!("{clock} {place} -{from}- {text}\n"),
            _ => format!("{clock} {place} <{from}> {text}\n"),
        }
    }

    fn delivery(&self, model: &Model, id: ConversationId, seq: u64) {
        let conversation = model.conversation(id);
        let Some(message) = conversation.message(seq) else {
            return;
        };
        if message.delivery == Delivery::Failed {
            let values: [(&str, &dyn std::fmt::Display); 2] =
                [("to", &conversation.name), ("text", &message.text)];
            self.say(&say::NOT_DELIVERED.fill(self.lang(), &values));
        }
        let write = |line: &mut Line| {
            place_fields(line, model, conversation);
            line.put("text", &message.text)
                .raw("delivered", message.delivery == Delivery::Done)
                .put_some("msgid", message.id.as_deref());
        };
        self.journal.say("chat_delivery", write, None);
    }

    fn server(&mut self, model: &Model, id: ServerId) {
        let server = model.server(id);
        let before = self.states.insert(id, server.state.clone());
        if before.as_ref() == Some(&server.state) {
            return;
        }
        if server.state == State::Up {
            let values: [(&str, &dyn std::fmt::Display); 2] =
                [("server", &server.setup.name), ("nick", &server.nick)];
            self.say(&say::CONNECTED_TO.fill(self.lang(), &values));
        }
        let state = match server.state {
            State::Off => "off",
            State::Dialling => "dialling",
            State::Registering => "registering",
            State::Up => "up",
            State::Waiting { .. } => "waiting",
        };
        let write = |line: &mut Line| {
            let why = server.trouble.as_deref();
            line.put("server", &server.setup.name)
                .put("state", state)
                .put("nick", &server.nick)
                .put_some("account", server.account.as_deref())
                .put_some("error", why.filter(|_| matches!(state, "off" | "waiting")));
        };
        self.journal.say("chat_server", write, None);
    }
}

/// What a conversation is called: with its server where there are several.
fn shown(model: &Model, conversation: &Conversation) -> String {
    match conversation.place.server() {
        Some(server) if model.servers().len() > 1 => {
            let server = &model.server(server).setup.name;
            match conversation.place {
                Place::Server(_) => server.clone(),
                _ => format!("{server}/{}", conversation.name),
            }
        }
        _ => conversation.name.clone(),
    }
}

fn place_fields(line: &mut Line, model: &Model, conversation: &Conversation) {
    let server = conversation.place.server();
    let server = server.map(|server| &*model.server(server).setup.name);
    line.put_some("server", server)
        .put("conversation", &conversation.name);
}

fn fields(line: &mut Line, model: &Model, conversation: &Conversation, message: &Message) {
    place_fields(line, model, conversation);
    line.put("kind", name(message.kind))
        .put_some("from", message.from.as_deref())
        .put("text", &message.text)
        .number("time_ms", message.time_ms)
        .put_some("msgid", message.id.as_deref());
    for (name, holds) in [
        ("mine", message.mine),
        ("missed", message.missed),
        ("mention", message.mention),
    ] {
        if holds {
            line.raw(name, true);
        }
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Said => "said",
        Kind::Action => "action",
        Kind::Notice => "notice",
        Kind::Join => "join",
        Kind::Part => "part",
        Kind::Quit => "quit",
        Kind::Nick => "nick",
        Kind::Kick => "kick",
        Kind::Mode => "mode",
        Kind::Topic => "topic",
        Kind::Invite => "invite",
        Kind::Away => "away",
        Kind::Status => "status",
        Kind::Error => "error",
    }
}
