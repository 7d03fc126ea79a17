//! Numerics and standard replies: what they change, and what they tell people.

use sockeye_chat::irc::Message as Line;

use super::Model;
use super::conversation::{ConversationId, Place, ServerId};
use super::message::Kind;

impl Model {
    pub(super) fn on_numeric(&mut self, id: ServerId, number: &str, line: &Line<'_>) {
        if self.on_registration(id, number, line) {
            if number == "001" {
                self.tell_numeric(id, line, Kind::Status, None);
            }
            return;
        }
        match number {
            "005" => {
                let params = line.params();
                let tokens = params.get(1..params.len().saturating_sub(1));
                for token in tokens.unwrap_or_default() {
                    self.server_mut(id).support.take(token);
                }
            }
            "332" => self.on_topic_is(id, line, line.param(2).unwrap_or_default()),
            "331" => self.on_topic_is(id, line, ""),
            "353" => self.on_names(id, line),
            "366" => self.on_end_of_names(id, line),
            // Who set the topic, when a room was made, ends of lists, the lines around the message
            // of the day: said to programs.
            "333" | "329" | "318" | "315" | "323" | "321" | "375" | "002" | "003" | "004" => {}
            "376" | "422" => self.on_ready(id),
            "305" => self.set_away(id, None, line),
            "306" => {
                let text = line.params().last().copied().unwrap_or_default().to_owned();
                self.set_away(id, Some(text), line);
            }
            "301" => self.on_is_away(id, line),
            "401" | "403" | "404" | "405" | "411" | "412" | "417" | "442" | "471" | "473"
            | "474" | "475" | "477" | "489" => self.on_no(id, line),
            other => {
                let kind = match other.as_bytes()[0] {
                    b'4' | b'5' => Kind::Error,
                    _ => Kind::Status,
                };
                self.tell_numeric(id, line, kind, self.place_of_answer(id, line));
            }
        }
    }

    /// Tells people what the server answers, where it belongs: by default where they are.
    fn tell_numeric(
        &mut self,
        id: ServerId,
        line: &Line<'_>,
        kind: Kind,
        at: Option<ConversationId>,
    ) {
        // The first one is ourselves.
        let text = match line.params() {
            [_, about @ .., last] if !about.is_empty() => format!("{}: {last}", about.join(" ")),
            [_, rest @ ..] => rest.join(" "),
            [] => String::new(),
        };
        let at = at.unwrap_or_else(|| self.status(id));
        self.tell(at, kind, &text);
    }

    /// Where answers to what a person has asked are read: where he is, if that is on this server and
    /// he has asked something.
    fn place_of_answer(&self, id: ServerId, line: &Line<'_>) -> Option<ConversationId> {
        // WHOIS, WHOWAS, LIST, WHO, INVITE, USERHOST, ISON, modes of rooms, and what is refused.
        let asked = matches!(
            line.command,
            "302"
                | "303"
                | "307"
                | "311"
                | "312"
                | "313"
                | "314"
                | "317"
                | "319"
                | "320"
                | "322"
                | "324"
                | "330"
                | "335"
                | "338"
                | "341"
                | "346"
                | "348"
                | "352"
                | "354"
                | "367"
                | "378"
                | "379"
                | "671"
        ) || line.command.starts_with(['4', '5']);
        let current = self.current().filter(|_| asked)?;
        (current.place.server() == Some(id)).then_some(current.id)
    }

    fn on_topic_is(&mut self, id: ServerId, line: &Line<'_>, topic: &str) {
        if let Some(room) = line.param(1).and_then(|name| self.room(id, name)) {
            self.set_topic(room, topic);
            self.news.push(super::News::Server(id));
        }
    }

    fn set_away(&mut self, id: ServerId, away: Option<String>, line: &Line<'_>) {
        self.server_mut(id).away = away;
        self.tell_numeric(id, line, Kind::Status, self.here(id));
        self.news.push(super::News::Server(id));
    }

    /// Where the person is, if that is on this server.
    fn here(&self, id: ServerId) -> Option<ConversationId> {
        let current = self.current()?;
        (current.place.server() == Some(id)).then_some(current.id)
    }

    /// 301: whom we have written to is away.
    fn on_is_away(&mut self, id: ServerId, line: &Line<'_>) {
        let (Some(nick), Some(text)) = (line.param(1), line.param(2)) else {
            return;
        };
        let at = self.find(&Place::Person(id, nick.to_owned()));
        let at = at.unwrap_or_else(|| self.status(id));
        let message = self.message(Kind::Away, Some(nick), text);
        self.show(at, message);
    }

    /// Somebody or a room cannot be reached: what was said to it has not arrived.
    fn on_no(&mut self, id: ServerId, line: &Line<'_>) {
        let target = line.param(1);
        let refused = self.on_refused(id, line, target);
        let known = target.and_then(|name| {
            let person = self.find(&Place::Person(id, name.to_owned()));
            self.room(id, name).or(person)
        });
        if let Some(room) = target.and_then(|name| self.room(id, name)) {
            let why = line.params().last().copied().unwrap_or_default().to_owned();
            let room = self.conversation_mut(room);
            if !room.joined {
                room.refused = Some(why);
            }
        }
        let at = refused.or(known).or_else(|| self.here(id));
        self.tell_numeric(id, line, Kind::Error, at);
    }

    /// `FAIL COMMAND CODE …`: <https://ircv3.net/specs/extensions/standard-replies>.
    pub(super) fn on_standard_reply(&mut self, id: ServerId, line: &Line<'_>) {
        let fails = line.is("FAIL");
        let mut at = None;
        if fails {
            match line.param(0) {
                Some("CHATHISTORY" | "SEARCH") => self.on_no_history(id, line),
                _ => at = self.on_refused(id, line, None),
            }
        }
        let kind = if fails { Kind::Error } else { Kind::Status };
        let text = line.params().join(" ");
        let at = at.or_else(|| self.here(id));
        let at = at.unwrap_or_else(|| self.status(id));
        self.tell(at, kind, &text);
    }
}
