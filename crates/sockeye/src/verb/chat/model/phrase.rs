//! What happened, as a sentence; what the client has to say about what was typed.

use std::fmt::Display;

use super::Model;
use super::message::{Kind, Message};
use crate::catalogue::{Lang, Text, chat as say};

impl Message {
    /// The sentence that stands for it where nobody talks: "tom joined". What was said is as it is.
    /// Not escaped.
    pub(crate) fn phrase(&self, lang: Lang) -> String {
        let who = self.from.as_deref().unwrap_or_default();
        let text = &*self.text;
        let fill = |of: Text, what: &dyn Display| of.fill(lang, &[("who", &who), ("what", what)]);
        let because = |of: Text| {
            let why = match text {
                "" => String::new(),
                text => format!(" ({text})"),
            };
            of.fill(lang, &[("who", &who), ("why", &why)])
        };
        match self.kind {
            Kind::Said | Kind::Action | Kind::Notice | Kind::Status | Kind::Error => {
                self.text.clone()
            }
            Kind::Join => fill(say::JOINED, &""),
            Kind::Part => because(say::LEFT),
            Kind::Quit => because(say::HAS_QUIT),
            Kind::Nick => fill(say::RENAMED, &text),
            Kind::Kick => match text.split_once(' ') {
                Some((whom, why)) => fill(say::PUT_OUT, &format!("{whom} ({why})")),
                None => fill(say::PUT_OUT, &text),
            },
            Kind::Mode => fill(say::MODE_SET, &text),
            Kind::Topic if text.is_empty() => fill(say::TOPIC_GONE, &""),
            Kind::Topic => fill(say::TOPIC_SET, &text),
            Kind::Invite => fill(say::INVITED, &text),
            Kind::Away if text.is_empty() => fill(say::IS_BACK, &""),
            Kind::Away => fill(say::IS_AWAY, &text),
        }
    }

    /// When it was, on the clock of this place: `20:15:03`.
    pub(crate) fn clock(&self) -> String {
        local(self.time_ms, "%H:%M:%S")
    }
}

fn local(ms: u64, form: &str) -> String {
    let stamp = i64::try_from(ms).map(jiff::Timestamp::from_millisecond);
    let stamp = stamp.ok().and_then(Result::ok).unwrap_or_default();
    let local = stamp.to_zoned(jiff::tz::TimeZone::system());
    local.strftime(form).to_string()
}

/// The client's own words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words(Lang);

impl Model {
    /// What stands ahead of a plain peer's message; `from` is its address.
    pub(crate) fn headline(&self, from: &str) -> String {
        say::FROM_CONTACT.fill(self.peer_lang, &[("peer", &from)])
    }

    pub(super) fn words(&self) -> Words {
        Words(self.lang)
    }
}

impl Words {
    pub(super) fn get(self, text: Text) -> String {
        text.get(self.0).to_owned()
    }

    pub(super) fn fill(self, text: Text, values: &[(&str, &dyn Display)]) -> String {
        text.fill(self.0, values)
    }

    pub(super) fn found(self, message: &Message, target: &str) -> String {
        let when = local(message.time_ms, "%Y-%m-%d %H:%M:%S");
        let who = message.from.as_deref().unwrap_or_default();
        self.fill(
            say::FOUND,
            &[
                ("when", &when),
                ("place", &target),
                ("who", &who),
                ("text", &message.text),
            ],
        )
    }
}
