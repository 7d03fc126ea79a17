//! What a client and we agree on: <https://ircv3.net/specs/extensions/capability-negotiation>.

use super::{Call, Then};
use crate::irc::{Caps, LINE_BYTES, NICK_BYTES, numeric};
use crate::world::reply::repeated;
use crate::world::{Member, MemberId, World};

/// The version of the negotiation from which on capabilities have values and lists several lines.
const WITH_VALUES: u32 = 302;

impl World {
    pub(super) fn on_cap(&mut self, call: Call<'_>) -> Then {
        let by = call.by;
        let verb = call.message.params()[0].to_ascii_uppercase();
        if matches!(&*verb, "LS" | "REQ") {
            self.registration(by, |registration| registration.negotiates = true);
        }
        match &*verb {
            "LS" => self.list_caps(by, call.param(1)),
            "LIST" => {
                let has = self.members.get(&by).map(Member::caps).unwrap_or_default();
                let has = Caps::ALL.iter().filter(|(cap, _)| has.has(*cap));
                let names = has.map(|(_, name)| (*name).to_owned()).collect();
                self.cap_reply(by, "LIST", names, true);
            }
            "REQ" => self.request_caps(by, call.param(1).unwrap_or_default()),
            "END" => {
                self.registration(by, |registration| registration.negotiates = false);
                return self.let_in(by);
            }
            // What clients answer is for servers only in versions that nobody speaks.
            "ACK" | "NAK" => {}
            _ => self.refuse(by, numeric::ERR_INVALIDCAPCMD, &verb, "Invalid CAP command"),
        }
        Then::Go
    }

    fn list_caps(&mut self, by: MemberId, version: Option<&str>) {
        let version = version.and_then(|version| version.parse::<u32>().ok());
        let with_values = version.is_some_and(|version| version >= WITH_VALUES);
        if with_values && let Some(local) = self.members.get(&by).and_then(|m| m.local()) {
            // Whoever knows of values has to know of changes.
            local
                .outbox
                .set_caps(local.outbox.caps() | Caps::CAP_NOTIFY);
        }
        let offered = self.offered(by);
        let offered = Caps::ALL.iter().filter(|(cap, _)| offered.has(*cap));
        let names = offered.map(|(cap, name)| match value(*cap) {
            Some(value) if with_values => format!("{name}={value}"),
            _ => (*name).to_owned(),
        });
        let names = names.collect();
        self.cap_reply(by, "LS", names, with_values);
    }

    /// All that is asked for, or nothing of it.
    fn request_caps(&mut self, by: MemberId, asked: &str) {
        let Some(local) = self.members.get(&by).and_then(|m| m.local()) else {
            return;
        };
        let (has, offered) = (local.outbox.caps(), self.offered(by));
        let changed = asked.split_whitespace().try_fold(has, |caps, asked| {
            let (name, is_wanted) = asked
                .strip_prefix('-')
                .map_or((asked, true), |name| (name, false));
            let cap = Caps::named(name).filter(|cap| offered.has(*cap) || has.has(*cap))?;
            Some(if is_wanted {
                caps.with(cap)
            } else {
                caps.without(cap)
            })
        });
        if let Some(caps) = changed {
            local.outbox.set_caps(caps);
        }
        let answer = if changed.is_some() { "ACK" } else { "NAK" };
        let names = asked
            .split_whitespace()
            .map(|name| repeated(name).to_owned())
            .collect();
        self.cap_reply(by, answer, names, false);
    }

    /// What this member can have.
    fn offered(&self, by: MemberId) -> Caps {
        let mut offered = Caps::ALL
            .iter()
            .fold(Caps::default(), |all, (cap, _)| all | *cap);
        if !self.keeps() {
            offered = offered.without(Caps::CHATHISTORY | Caps::EVENT_PLAYBACK | Caps::SEARCH);
        }
        let local = self.members.get(&by).and_then(|member| member.local());
        if local.is_some_and(|local| !local.way.is_private) {
            // It would be asked for a password that is refused.
            offered = offered.without(Caps::REGISTER);
        }
        offered
    }

    /// A list, on several lines where one does not hold it; `marked` says on each but the last that
    /// there is more.
    fn cap_reply(&mut self, to: MemberId, verb: &str, names: Vec<String>, marked: bool) {
        // ":server CAP nick LS * :" and CR LF.
        let around = self.settings.server_name.len() + NICK_BYTES + verb.len() + 14;
        let lines = fill(names, LINE_BYTES.saturating_sub(around));
        let last = lines.len() - 1;
        for (at, names) in lines.into_iter().enumerate() {
            self.numeric(to, "CAP", |line| {
                let line = line.param(verb);
                let line = if marked && at < last {
                    line.param("*")
                } else {
                    line
                };
                line.end_with(&names);
            });
        }
    }
}

/// What a client has to know of a capability.
fn value(cap: Caps) -> Option<&'static str> {
    (cap == Caps::SASL).then_some(super::sasl::MECHANISMS)
}

/// Words with blanks between them, on as few lines as hold them; one line at least.
pub(super) fn fill(words: impl IntoIterator<Item = String>, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words {
        let line = lines.last_mut().expect("there is one line at least");
        if line.is_empty() {
            line.push_str(&word);
        } else if line.len() + 1 + word.len() <= room {
            line.push(' ');
            line.push_str(&word);
        } else {
            lines.push(word);
        }
    }
    lines
}
