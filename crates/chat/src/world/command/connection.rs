//! Coming and going.

use super::account::NEEDS_TLS;
use super::{Call, Job, Then};
use crate::accounts::{HashError, Password};
use crate::irc::{Folded, numeric, shown_text, user_name};
use crate::world::deliver::{EVENT_CAPS, Encoded, event};
use crate::world::limits::{REAL_NAME_BYTES, REASON_BYTES, USER_BYTES};
use crate::world::member::{LogIn, Purpose};
use crate::world::reply::repeated;
use crate::world::{Member, MemberId, Registration, World};

impl World {
    pub(super) fn on_ping(&mut self, call: Call<'_>) -> Then {
        let token = repeated(call.message.params()[0]);
        let server = self.settings.server_name.clone();
        self.serve(call.by, "PONG", |line| line.param(&server).end_with(token));
        Then::Go
    }

    /// That he has said something is all that there is to it.
    #[allow(clippy::unused_self, reason = "commands have one shape")]
    pub(super) fn on_pong(&mut self, _call: Call<'_>) -> Then {
        Then::Go
    }

    /// `PASS password` or `PASS account:password`: he logs in when he is let in.
    pub(super) fn on_pass(&mut self, call: Call<'_>) -> Then {
        if self.is_in_already(call.by) {
            return Then::Go;
        }
        let Some(password) = call.param(0) else {
            self.refuse(
                call.by,
                numeric::ERR_NEEDMOREPARAMS,
                "PASS",
                "Not enough parameters",
            );
            return Then::Go;
        };
        let password = Password::new(password);
        self.registration(call.by, |registration| {
            registration.password = Some(password);
        });
        Then::Go
    }

    pub(super) fn on_user(&mut self, call: Call<'_>) -> Then {
        let by = call.by;
        if self.is_in_already(by) {
            return Then::Go;
        }
        let params = call.message.params();
        let said = (
            user_name(params[0], USER_BYTES),
            shown_text(params[3], REAL_NAME_BYTES),
        );
        self.registration(by, |registration| registration.user = Some(said));
        self.let_in(by)
    }

    fn is_in_already(&mut self, by: MemberId) -> bool {
        let is_in = self.members.get(&by).is_some_and(Member::is_in);
        if is_in {
            self.numeric(by, numeric::ERR_ALREADYREGISTERED, |line| {
                line.end_with("You may not reregister");
            });
        }
        is_in
    }

    pub(super) fn on_quit(&mut self, call: Call<'_>) -> Then {
        let reason = call.param(0).map_or("Quit".into(), |why| {
            format!("Quit: {}", shown_text(why, REASON_BYTES))
        });
        self.close(call.by, &reason);
        Then::Close
    }

    /// Ends a connection: says why, to him and to those who knew him.
    pub(crate) fn close(&mut self, id: MemberId, reason: &str) {
        self.write(id, |line| line.command("ERROR").end_with(reason));
        self.end_answer(id, false);
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
        let source = member.source.clone();
        let now_ms = self.now_ms;
        let mut encoded = Encoded::new(EVENT_CAPS, |caps, out| {
            let line = event(out, caps, now_ms, None, &source);
            line.command("QUIT").end_with(reason);
        });
        self.tell_acquaintances(id, &mut encoded);
        self.remember(id);
        self.unwatch_all(id);
        let Some(member) = self.members.remove(&id) else {
            return;
        };
        let folded = Folded::new(&source.nick);
        if self.nicks.get(&folded) == Some(&id) {
            self.nicks.remove(&folded);
            self.tell_watchers_went(&source.nick);
        }
        self.tell_gone(&member, reason);
        for name in &member.rooms {
            self.vacate(name, id);
        }
        if let Some(local) = member.local() {
            local.outbox.part(reason);
        }
    }

    pub(super) fn registration(&mut self, of: MemberId, change: impl FnOnce(&mut Registration)) {
        let local = self
            .members
            .get_mut(&of)
            .and_then(|member| member.local_mut());
        if let Some(registration) = local.and_then(|local| local.registration.as_deref_mut()) {
            change(registration);
        }
    }

    /// Lets somebody in who has said all that is needed: first he logs in, then his name is his.
    pub(super) fn let_in(&mut self, id: MemberId) -> Then {
        let Some(member) = self.members.get_mut(&id) else {
            return Then::Close;
        };
        let is_logged_in = member.source.account.is_some();
        let Some(local) = member.local_mut() else {
            return Then::Go;
        };
        let key_name = local.way.key_name.clone().filter(|_| !is_logged_in);
        let Some(said) = local.registration.as_deref_mut() else {
            return Then::Go;
        };
        let (Some(nick), Some(_), false) = (said.nick.clone(), &said.user, said.negotiates) else {
            return Then::Go;
        };
        if let Some(password) = said.password.take().filter(|_| !is_logged_in) {
            return self.check_pass(id, &nick, &password);
        }
        if let Some(name) = key_name {
            self.log_in(id, &name);
        }
        self.take_nick(id, &nick)
    }

    fn check_pass(&mut self, id: MemberId, nick: &str, said: &Password) -> Then {
        let is_private = self
            .members
            .get(&id)
            .and_then(|m| m.local())
            .is_some_and(|local| local.way.is_private);
        if !is_private {
            return self.pass_refused(id, NEEDS_TLS);
        }
        let Some((account, password)) = self.pass_of(nick, said) else {
            return self.pass_refused(id, "There is no such account");
        };
        let (name, hash) = (account.name.clone(), account.password.clone());
        self.waits_for(
            id,
            Purpose::LogIn(name, LogIn::Pass),
            Job::Verify { password, hash },
        )
    }

    /// Whose password this is meant to be: of the account before the colon, or of the nick.
    fn pass_of(
        &self,
        nick: &str,
        said: &Password,
    ) -> Option<(&crate::accounts::Account, Password)> {
        let text = said.as_str();
        let named = text.split_once(':').and_then(|(name, password)| {
            Some((
                self.accounts.get(&Folded::new(name))?,
                Password::new(password),
            ))
        });
        named.or_else(|| Some((self.accounts.get(&Folded::new(nick))?, said.clone())))
    }

    pub(super) fn on_pass_verified(
        &mut self,
        by: MemberId,
        account: &str,
        is_right: Result<bool, HashError>,
    ) -> Then {
        match is_right {
            Ok(true) => {
                self.log_in(by, account);
                self.let_in(by)
            }
            Ok(false) => self.pass_refused(by, "Password incorrect"),
            Err(error) => self.pass_refused(by, &error.to_string()),
        }
    }

    /// Whoever says PASS means to be somebody: he is not let in as anybody else.
    fn pass_refused(&mut self, by: MemberId, why: &str) -> Then {
        self.numeric(by, numeric::ERR_PASSWDMISMATCH, |line| line.end_with(why));
        self.close(by, why);
        Then::Close
    }

    /// Somebody is in, and is called so.
    pub(super) fn come_in(&mut self, id: MemberId, nick: &str) -> Then {
        let Some(member) = self.members.get_mut(&id) else {
            return Then::Close;
        };
        let Some(local) = member.local_mut() else {
            return Then::Go;
        };
        let (said, sasl) = (local.registration.take(), local.sasl.take());
        let Some((user, real_name)) = said.and_then(|said| said.user) else {
            return Then::Go;
        };
        member.rename(|source| {
            nick.clone_into(&mut source.nick);
            source.user = user;
        });
        member.real_name = real_name;
        self.nicks.insert(Folded::new(nick), id);
        if sasl.is_some() {
            self.sasl_aborted(id);
        }
        self.most_members = self.most_members.max(self.nicks.len());
        self.welcome(id);
        self.tell_watchers_came(id);
        self.touch(id);
        Then::Go
    }
}
