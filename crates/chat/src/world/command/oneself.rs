//! What people say of themselves.

use std::sync::Arc;

use super::{Call, Then};
use crate::irc::{Caps, numeric, shown_text};
use crate::world::World;
use crate::world::deliver::{EVENT_CAPS, Encoded, event};
use crate::world::limits::{AWAY_BYTES, REAL_NAME_BYTES};

impl World {
    /// `AWAY :why`, or `AWAY` of who is back: <https://ircv3.net/specs/extensions/away-notify>.
    pub(super) fn on_away(&mut self, call: Call<'_>) -> Then {
        let by = call.by;
        let why = call.param(0).map(|why| shown_text(why, AWAY_BYTES));
        let why = why.filter(|why| !why.is_empty());
        let Some(member) = self.members.get_mut(&by) else {
            return Then::Close;
        };
        let is_news = member.away != why;
        member.away.clone_from(&why);
        let source = Arc::clone(&member.source);
        if is_news {
            let now_ms = self.now_ms;
            let mut encoded = Encoded::new(EVENT_CAPS | Caps::AWAY_NOTIFY, |caps, out| {
                if caps.has(Caps::AWAY_NOTIFY) {
                    let line = event(out, caps, now_ms, None, &source).command("AWAY");
                    match &why {
                        Some(why) => line.end_with(why),
                        None => line.end(),
                    }
                }
            });
            self.tell_acquaintances(by, &mut encoded);
        }
        let (number, text) = if why.is_some() {
            (numeric::RPL_NOWAWAY, "You have been marked as being away")
        } else {
            (
                numeric::RPL_UNAWAY,
                "You are no longer marked as being away",
            )
        };
        self.numeric(by, number, |line| line.end_with(text));
        Then::Go
    }

    /// `SETNAME :name`: <https://ircv3.net/specs/extensions/setname>.
    pub(super) fn on_setname(&mut self, call: Call<'_>) -> Then {
        let by = call.by;
        let name = shown_text(call.message.params()[0], REAL_NAME_BYTES);
        if name.is_empty() {
            self.fail(
                by,
                "SETNAME",
                "INVALID_REALNAME",
                "A real name is not empty",
            );
            return Then::Go;
        }
        let Some(member) = self.members.get_mut(&by) else {
            return Then::Close;
        };
        member.real_name.clone_from(&name);
        let (source, now_ms) = (Arc::clone(&member.source), self.now_ms);
        let mut encoded = Encoded::new(EVENT_CAPS | Caps::SETNAME, |caps, out| {
            if caps.has(Caps::SETNAME) {
                let line = event(out, caps, now_ms, None, &source);
                line.command("SETNAME").end_with(&name);
            }
        });
        self.tell_acquaintances_and(by, &mut encoded);
        Then::Go
    }
}
