//! Who is here, asked by name.

use super::caps::fill;
use super::{Call, Then};
use crate::irc::{Folded, numeric};
use crate::world::{Member, World};

/// Names that one USERHOST asks for (RFC 2812, section 4.8).
const USERHOST_NICKS: usize = 5;

/// Bytes of names on one line.
const NAMES_BYTES: usize = 400;

impl World {
    /// The member who is called so.
    pub(crate) fn called(&self, nick: &str) -> Option<&Member> {
        self.members.get(self.nicks.get(&Folded::new(nick))?)
    }

    pub(super) fn on_ison(&mut self, call: Call<'_>) -> Then {
        let asked = call
            .message
            .params()
            .iter()
            .flat_map(|names| names.split(' '));
        let here = asked.filter_map(|nick| Some(self.called(nick)?.source.nick.clone()));
        for names in fill(here.collect::<Vec<_>>(), NAMES_BYTES) {
            self.numeric(call.by, numeric::RPL_ISON, |line| line.end_with(&names));
        }
        Then::Go
    }

    pub(super) fn on_userhost(&mut self, call: Call<'_>) -> Then {
        let asked = call.message.params().iter().take(USERHOST_NICKS);
        let here = asked.filter_map(|nick| {
            let member = self.called(nick)?;
            let rules = if member.is_oper { "*" } else { "" };
            let away = if member.away.is_some() { '-' } else { '+' };
            let source = &member.source;
            Some(format!(
                "{}{rules}={away}{}@{}",
                source.nick, source.user, source.host
            ))
        });
        let here = here.collect::<Vec<_>>().join(" ");
        self.numeric(call.by, numeric::RPL_USERHOST, |line| line.end_with(&here));
        Then::Go
    }
}
