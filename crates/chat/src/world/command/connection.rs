//! Coming, being called something, going.

use super::{Call, Then};
use crate::irc::{Caps, Folded, Line, is_nick, numeric};
use crate::world::deliver::Encoded;
use crate::world::{MemberId, World};

impl World {
    pub(super) fn on_ping(&mut self, call: Call<'_>) -> Then {
        let (token, server) = (call.message.params()[0], self.settings.server_name.clone());
        self.serve(call.by, "PONG", |line| line.param(&server).end_with(token));
        Then::Go
    }

    #[allow(clippy::unused_self, reason = "commands have one shape")]
    pub(super) fn on_pong(&mut self, _call: Call<'_>) -> Then {
        Then::Go
    }

    pub(super) fn on_cap(&mut self, call: Call<'_>) -> Then {
        let by = call.by;
        let verb = call.message.params()[0].to_ascii_uppercase();
        let is_in = self
            .members
            .get(&by)
            .is_some_and(super::super::member::Member::is_in);
        if !is_in && matches!(&*verb, "LS" | "REQ") {
            self.registration(by, |registration| registration.negotiates = true);
        }
        match &*verb {
            "LS" => {
                let names: Vec<_> = Caps::ALL.iter().map(|(_, name)| *name).collect();
                self.cap_reply(by, "LS", &names.join(" "));
            }
            "REQ" => {
                let asked = call.param(1).unwrap_or_default();
                let caps: Option<Vec<_>> = asked.split_whitespace().map(Caps::named).collect();
                let answer = if caps.is_some() { "ACK" } else { "NAK" };
                if let (Some(caps), Some(local)) = (
                    caps,
                    self.members.get(&by).and_then(|member| member.local()),
                ) {
                    let all = caps.into_iter().fold(local.outbox.caps(), Caps::with);
                    local.outbox.set_caps(all);
                }
                self.cap_reply(by, answer, asked);
            }
            "END" => {
                self.registration(by, |registration| registration.negotiates = false);
                return self.let_in(by);
            }
            _ => {}
        }
        Then::Go
    }

    fn cap_reply(&mut self, to: MemberId, verb: &str, list: &str) {
        self.numeric(to, "CAP", |line| line.param(verb).end_with(list));
    }

    pub(super) fn on_nick(&mut self, call: Call<'_>) -> Then {
        let by = call.by;
        let Some(nick) = call.param(0) else {
            self.numeric(by, numeric::ERR_NONICKNAMEGIVEN, |line| {
                line.end_with("No nickname given");
            });
            return Then::Go;
        };
        if !is_nick(nick) {
            self.refuse(
                by,
                numeric::ERR_ERRONEUSNICKNAME,
                nick,
                "Erroneous nickname",
            );
            return Then::Go;
        }
        let folded = Folded::new(nick);
        if self.nicks.get(&folded).is_some_and(|owner| *owner != by) {
            self.refuse(
                by,
                numeric::ERR_NICKNAMEINUSE,
                nick,
                "Nickname is already in use",
            );
            return Then::Go;
        }
        let Some(member) = self.members.get_mut(&by) else {
            return Then::Close;
        };
        let old = member.source.clone();
        self.nicks.remove(&Folded::new(&old.nick));
        self.nicks.insert(folded, by);
        member.rename(|source| nick.clone_into(&mut source.nick));
        if !member.is_in() {
            self.registration(by, |registration| registration.nick = Some(nick.to_owned()));
            return self.let_in(by);
        }
        let mut encoded = Encoded::new(Caps::default(), |_, out| {
            Line::new(out)
                .source(&old.to_string())
                .command("NICK")
                .end_with(nick);
        });
        self.tell_acquaintances(by, &mut encoded);
        self.write(by, |line| {
            line.source(&old.to_string()).command("NICK").end_with(nick);
        });
        Then::Go
    }

    pub(super) fn on_user(&mut self, call: Call<'_>) -> Then {
        let by = call.by;
        if self
            .members
            .get(&by)
            .is_some_and(super::super::member::Member::is_in)
        {
            self.numeric(by, numeric::ERR_ALREADYREGISTERED, |line| {
                line.end_with("You may not reregister");
            });
            return Then::Go;
        }
        let params = call.message.params();
        let said = (params[0].to_owned(), params[3].to_owned());
        self.registration(by, |registration| registration.user = Some(said));
        self.let_in(by)
    }

    pub(super) fn on_quit(&mut self, call: Call<'_>) -> Then {
        let reason = call
            .param(0)
            .map_or("Quit".into(), |why| format!("Quit: {why}"));
        self.close(call.by, &reason);
        Then::Close
    }

    /// Ends a connection: says why, to him and to those who knew him.
    pub(crate) fn close(&mut self, id: MemberId, reason: &str) {
        self.write(id, |line| line.command("ERROR").end_with(reason));
        self.send_reply(id);
        self.quit(id, reason);
    }

    /// Ends every connection of this server, for the same reason.
    pub(crate) fn close_all(&mut self, reason: &str) {
        let here = self
            .members
            .values()
            .filter(|member| member.local().is_some());
        for id in here.map(|member| member.id).collect::<Vec<_>>() {
            self.close(id, reason);
        }
    }

    /// Takes a member away and tells those who knew him.
    pub(crate) fn quit(&mut self, id: MemberId, reason: &str) {
        let Some(member) = self.members.get(&id) else {
            return;
        };
        let source = member.source.to_string();
        let mut encoded = Encoded::new(Caps::default(), |_, out| {
            Line::new(out)
                .source(&source)
                .command("QUIT")
                .end_with(reason);
        });
        self.tell_acquaintances(id, &mut encoded);
        let Some(member) = self.members.remove(&id) else {
            return;
        };
        self.nicks.remove(&Folded::new(&member.source.nick));
        self.tell_gone(&member, reason);
        for name in &member.rooms {
            self.vacate(name, id);
        }
        if let Some(local) = member.local() {
            local.outbox.finish();
        }
    }

    fn registration(&mut self, of: MemberId, change: impl FnOnce(&mut crate::world::Registration)) {
        let local = self
            .members
            .get_mut(&of)
            .and_then(|member| member.local_mut());
        if let Some(registration) = local.and_then(|local| local.registration.as_deref_mut()) {
            change(registration);
        }
    }

    /// Lets somebody in who has said all that is needed.
    fn let_in(&mut self, id: MemberId) -> Then {
        let Some(member) = self.members.get_mut(&id) else {
            return Then::Close;
        };
        let Some(local) = member.local_mut() else {
            return Then::Go;
        };
        let ready = local
            .registration
            .as_ref()
            .is_some_and(|said| said.nick.is_some() && said.user.is_some() && !said.negotiates);
        if !ready {
            return Then::Go;
        }
        let Some((user, real_name)) = local.registration.take().and_then(|said| said.user) else {
            return Then::Go;
        };
        member.rename(|source| source.user = user);
        member.real_name = real_name;
        self.welcome(id);
        Then::Go
    }

    fn welcome(&mut self, id: MemberId) {
        let settings = self.settings.clone();
        let network = &settings.network;
        let source = self.members[&id].source.to_string();
        self.numeric(id, numeric::RPL_WELCOME, |line| {
            line.end_with(&format!("Welcome to {network}, {source}"));
        });
        let created = crate::irc::time_text(self.began_ms);
        self.numeric(id, numeric::RPL_CREATED, |line| {
            line.end_with(&format!("This server was started {created}"));
        });
        self.numeric(id, numeric::RPL_ISUPPORT, |line| {
            line.param("CASEMAPPING=ascii")
                .param("UTF8ONLY")
                .end_with("are supported by this server");
        });
        self.numeric(id, numeric::ERR_NOMOTD, |line| {
            line.end_with("There is no message of the day");
        });
    }
}
