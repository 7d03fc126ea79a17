//! Ruling over the server.

use super::{Call, Then};
use crate::irc::{numeric, shown_text};
use crate::world::limits::REASON_BYTES;
use crate::world::{MemberId, World};

impl World {
    /// Whoever has a key with the right `chat-admin` rules when he says so; names and passwords that
    /// he says with it do not matter.
    pub(super) fn on_oper(&mut self, call: Call<'_>) -> Then {
        let by = call.by;
        let Some(member) = self.members.get_mut(&by) else {
            return Then::Close;
        };
        let rules = member.local().is_some_and(|local| local.way.key_rules);
        if !rules {
            self.numeric(by, numeric::ERR_NOOPERHOST, |line| {
                line.end_with("Only a key with the right chat-admin makes an operator");
            });
            return Then::Go;
        }
        let was = std::mem::replace(&mut member.is_oper, true);
        let (source, nick) = (member.source.to_string(), member.source.nick.clone());
        self.numeric(by, numeric::RPL_YOUREOPER, |line| {
            line.end_with("You are now an IRC operator");
        });
        if !was {
            self.write(by, |line| {
                line.source(&source)
                    .command("MODE")
                    .param(&nick)
                    .end_with("+o");
            });
        }
        Then::Go
    }

    /// Somebody rules no more.
    pub(in crate::world) fn tell_deposed(&mut self, id: MemberId) {
        let Some(nick) = self
            .members
            .get(&id)
            .map(|member| member.source.nick.clone())
        else {
            return;
        };
        self.serve(id, "MODE", |line| line.param(&nick).end_with("-o"));
        self.touch(id);
    }

    /// `KILL nick :reason`.
    pub(super) fn on_kill(&mut self, call: Call<'_>) -> Then {
        let by = call.by;
        let Some(member) = self.members.get(&by) else {
            return Then::Close;
        };
        let (is_oper, source) = (member.is_oper, member.source.clone());
        if !is_oper {
            self.numeric(by, numeric::ERR_NOPRIVILEGES, |line| {
                line.end_with("Permission Denied- You're not an IRC operator");
            });
            return Then::Go;
        }
        let nick = call.message.params()[0];
        let reason = shown_text(call.param(1).unwrap_or("No reason"), REASON_BYTES);
        let Some(other) = self.called(nick) else {
            self.refuse(by, numeric::ERR_NOSUCHNICK, nick, "No such nick/channel");
            return Then::Go;
        };
        let (id, nick) = (other.id, other.source.nick.clone());
        if other.local().is_none() {
            let why = "He is connected to another server: operators there can close his connection";
            self.fail_on(by, "KILL", "NOT_HERE", &[&nick], why);
            return Then::Go;
        }
        self.write(id, |line| {
            let line = line.source_of(&source.nick, &source.user, &source.host);
            line.command("KILL").param(&nick).end_with(&reason);
        });
        self.close(id, &format!("Killed ({} ({reason}))", source.nick));
        if id == by { Then::Close } else { Then::Go }
    }
}
