//! Accounts: whose a name is.

use std::sync::Arc;

use super::{Call, Job, Then};
use crate::accounts::{HashError, Password};
use crate::irc::{Caps, Folded, numeric};
use crate::log::{Act, Entry, KeptAccount};
use crate::world::deliver::{EVENT_CAPS, Encoded, event};
use crate::world::limits::{ACCOUNTS, PASSWORD_BYTES, PASSWORD_LEAST_BYTES};
use crate::world::member::{LogIn, Purpose};
use crate::world::{MemberId, World};

impl World {
    /// `REGISTER account email password`: <https://ircv3.net/specs/extensions/account-registration>.
    pub(super) fn on_register(&mut self, call: Call<'_>) -> Then {
        let by = call.by;
        let (account, password) = (call.message.params()[0], call.message.params()[2]);
        let Some(member) = self.members.get(&by) else {
            return Then::Close;
        };
        let nick = member.nick().to_owned();
        let is_private = member.local().is_some_and(|local| local.way.is_private);
        let is_mine = account == "*" || Folded::new(account) == Folded::new(&nick);
        let refused = if !member.is_in() {
            Some((
                "COMPLETE_CONNECTION_REQUIRED",
                "Come in before you register",
            ))
        } else if !is_private {
            Some(("TEMPORARILY_UNAVAILABLE", NEEDS_TLS))
        } else if member.source.account.is_some() {
            Some(("ALREADY_AUTHENTICATED", "You are logged in already"))
        } else if !is_mine {
            Some((
                "ACCOUNT_NAME_MUST_BE_NICK",
                "An account is named as its owner's nick is",
            ))
        } else if self.accounts.contains_key(&Folded::new(&nick)) {
            Some(("ACCOUNT_EXISTS", "This name belongs to somebody"))
        } else if self.accounts.len() >= ACCOUNTS {
            Some((
                "TEMPORARILY_UNAVAILABLE",
                "There are as many accounts as may be",
            ))
        } else if password.len() < PASSWORD_LEAST_BYTES {
            Some(("WEAK_PASSWORD", "A password has eight bytes at least"))
        } else if password.len() > PASSWORD_BYTES {
            Some(("UNACCEPTABLE_PASSWORD", "The password is too long"))
        } else {
            None
        };
        if let Some((code, why)) = refused {
            let about = if account == "*" { &nick } else { account };
            self.fail_on(by, "REGISTER", code, &[about], why);
            return Then::Go;
        }
        let password = Password::new(password);
        self.waits_for(by, Purpose::Register(nick), Job::Hash { password })
    }

    /// Remembers what a job is for.
    pub(super) fn waits_for(&mut self, by: MemberId, purpose: Purpose, job: Job) -> Then {
        let Some(local) = self.members.get_mut(&by).and_then(|m| m.local_mut()) else {
            return Then::Close;
        };
        local.errand.get_or_insert_default().purpose = purpose;
        Then::Wait(job)
    }

    pub(super) fn on_hashed(
        &mut self,
        by: MemberId,
        purpose: Purpose,
        hash: Result<String, HashError>,
    ) -> Then {
        let Purpose::Register(name) = purpose else {
            return Then::Go;
        };
        match hash {
            Ok(password) => {
                self.draft(by, Act::Account { name, password });
            }
            Err(error) => {
                self.register_refused(by, &error.to_string());
            }
        }
        Then::Go
    }

    /// No account was made, and it is not the fault of whoever asked for it.
    pub(super) fn register_refused(&mut self, by: MemberId, why: &str) {
        let Some(nick) = self.members.get(&by).map(|member| member.nick().to_owned()) else {
            return;
        };
        let why = format!("You were not registered: {why}");
        self.fail_on(by, "REGISTER", "TEMPORARILY_UNAVAILABLE", &[&nick], &why);
    }

    /// An account was made, here or on another server. Of two that take the same name the first in
    /// the order of the log has it.
    pub(in crate::world) fn account_made(&mut self, entry: &Entry, name: &str, password: &str) {
        let folded = Folded::new(name);
        let owner = entry.draft.from.account.as_deref().map(Folded::new);
        let known = self.accounts.get_mut(&folded);
        let is_made = known.is_none();
        match known {
            Some(account) if owner == Some(folded) => account.password = Arc::from(password),
            Some(_) => {}
            None => self.restore_account(KeptAccount {
                name: name.to_owned(),
                password: password.to_owned(),
                since_ms: entry.time_ms,
            }),
        }
        let Some(author) = self.settle(&entry.draft.id) else {
            return;
        };
        let by = author.by;
        self.answering(author, |world| {
            if is_made {
                world.serve(by, "REGISTER", |line| {
                    line.param("SUCCESS")
                        .param(name)
                        .end_with("The account is yours");
                });
                world.log_in(by, name);
            } else {
                let why = "This name belongs to somebody";
                world.fail_on(by, "REGISTER", "ACCOUNT_EXISTS", &[name], why);
            }
        });
    }

    pub(super) fn on_verified(
        &mut self,
        by: MemberId,
        purpose: Purpose,
        is_right: Result<bool, HashError>,
    ) -> Then {
        let Purpose::LogIn(account, how) = purpose else {
            return Then::Go;
        };
        match how {
            LogIn::Pass => self.on_pass_verified(by, &account, is_right),
            LogIn::Sasl => self.on_sasl_verified(by, &account, is_right),
        }
    }

    /// Somebody is logged in from now on.
    pub(super) fn log_in(&mut self, by: MemberId, account: &str) {
        let Some(member) = self.members.get_mut(&by) else {
            return;
        };
        member.rename(|source| source.account = Some(account.to_owned()));
        let (source, is_in) = (Arc::clone(&member.source), member.is_in());
        // Who is not in yet has no names to show.
        let shown = |name: &str| {
            if name.is_empty() {
                "*".to_owned()
            } else {
                name.to_owned()
            }
        };
        let whole = format!(
            "{}!{}@{}",
            shown(&source.nick),
            shown(&source.user),
            source.host
        );
        let text = format!("You are now logged in as {account}");
        self.numeric(by, numeric::RPL_LOGGEDIN, |line| {
            line.param(&whole).param(account).end_with(&text);
        });
        if is_in {
            let now_ms = self.now_ms;
            let mut encoded = Encoded::new(EVENT_CAPS | Caps::ACCOUNT_NOTIFY, |caps, out| {
                if caps.has(Caps::ACCOUNT_NOTIFY) {
                    let line = event(out, caps, now_ms, None, &source);
                    line.command("ACCOUNT").param(account).end();
                }
            });
            self.tell_acquaintances_and(by, &mut encoded);
            self.touch(by);
        }
    }
}

/// Why passwords are refused.
pub(super) const NEEDS_TLS: &str = "Passwords are taken over TLS only, or on this machine";
