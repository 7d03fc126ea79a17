//! Logging in: <https://ircv3.net/specs/extensions/sasl-3.2>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::account::NEEDS_TLS;
use super::{Call, Job, Then};
use crate::accounts::{HashError, Password};
use crate::irc::{Folded, numeric};
use crate::world::limits::PASSWORD_BYTES;
use crate::world::member::{LogIn, Purpose, Sasl};
use crate::world::{MemberId, World};

/// How one can log in.
pub(super) const MECHANISMS: &str = "PLAIN,EXTERNAL";

/// Bytes of one AUTHENTICATE; a shorter one is the last.
const CHUNK_BYTES: usize = 400;

/// Bytes of all of them: two names and a password, in base64.
const ANSWER_BYTES: usize = 2 * (PASSWORD_BYTES + 2 * 64 + 2);

impl World {
    pub(super) fn on_authenticate(&mut self, call: Call<'_>) -> Then {
        let by = call.by;
        let said = call.message.params()[0];
        let Some(member) = self.members.get_mut(&by) else {
            return Then::Close;
        };
        let is_logged_in = member.source.account.is_some();
        let Some(local) = member.local_mut() else {
            return Then::Go;
        };
        if said == "*" {
            local.sasl = None;
            self.sasl_aborted(by);
            return Then::Go;
        }
        if is_logged_in {
            return self.sasl_ends(
                by,
                numeric::ERR_SASLALREADY,
                "You have already authenticated using SASL",
            );
        }
        if local.sasl.is_some() {
            self.sasl_answer(by, said)
        } else {
            self.sasl_begins(by, said)
        }
    }

    fn sasl_begins(&mut self, by: MemberId, mechanism: &str) -> Then {
        let Some(local) = self.members.get_mut(&by).and_then(|m| m.local_mut()) else {
            return Then::Go;
        };
        let sasl = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" if local.way.is_private => Sasl::Plain(String::new()),
            // Before the password is said, so that nobody else hears it.
            "PLAIN" => return self.sasl_fails(by, NEEDS_TLS),
            "EXTERNAL" => Sasl::External(String::new()),
            _ => {
                self.refuse(
                    by,
                    numeric::RPL_SASLMECHS,
                    MECHANISMS,
                    "are available SASL mechanisms",
                );
                return self.sasl_fails(by, "SASL authentication failed");
            }
        };
        local.sasl = Some(Box::new(sasl));
        self.write(by, |line| line.command("AUTHENTICATE").param("+").end());
        Then::Go
    }

    fn sasl_answer(&mut self, by: MemberId, chunk: &str) -> Then {
        let Some(local) = self.members.get_mut(&by).and_then(|m| m.local_mut()) else {
            return Then::Go;
        };
        let Some(Sasl::Plain(said) | Sasl::External(said)) = local.sasl.as_deref_mut() else {
            return Then::Go;
        };
        if chunk.len() > CHUNK_BYTES || said.len() + chunk.len() > ANSWER_BYTES {
            local.sasl = None;
            return self.sasl_ends(by, numeric::ERR_SASLTOOLONG, "SASL message too long");
        }
        if chunk != "+" {
            said.push_str(chunk);
        }
        if chunk.len() == CHUNK_BYTES {
            return Then::Go;
        }
        let Some(sasl) = local.sasl.take() else {
            return Then::Go;
        };
        match *sasl {
            Sasl::Plain(said) => self.sasl_plain(by, &said),
            Sasl::External(said) => self.sasl_external(by, &said),
        }
    }

    /// `authzid NUL authcid NUL password`: RFC 4616.
    fn sasl_plain(&mut self, by: MemberId, said: &str) -> Then {
        let Some(said) = decoded(said) else {
            return self.sasl_fails(by, "What was said is no base64 of UTF-8");
        };
        let mut parts = said.split('\0');
        let (Some(as_whom), Some(name), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return self.sasl_fails(by, "PLAIN is a name, a name and a password");
        };
        let folded = Folded::new(name);
        if !as_whom.is_empty() && Folded::new(as_whom) != folded {
            return self.sasl_fails(by, "Nobody logs in for somebody else");
        }
        let Some(account) = self.accounts.get(&folded) else {
            return self.login_failed(by, "SASL authentication failed");
        };
        let (name, hash) = (account.name.clone(), account.password.clone());
        let password = Password::new(password);
        self.waits_for(
            by,
            Purpose::LogIn(name, LogIn::Sasl),
            Job::Verify { password, hash },
        )
    }

    /// His key says who he is: RFC 4422, appendix A.
    fn sasl_external(&mut self, by: MemberId, said: &str) -> Then {
        let local = self.members.get(&by).and_then(|member| member.local());
        let Some(name) = local.and_then(|local| local.way.key_name.clone()) else {
            return self.sasl_fails(by, "Your key does not stand in `authorized`");
        };
        match decoded(said) {
            Some(as_whom) if as_whom.is_empty() || Folded::new(&as_whom) == Folded::new(&name) => {
                self.log_in(by, &name);
                self.sasl_ends(
                    by,
                    numeric::RPL_SASLSUCCESS,
                    "SASL authentication successful",
                )
            }
            _ => self.sasl_fails(by, "Your key is somebody else's"),
        }
    }

    pub(super) fn on_sasl_verified(
        &mut self,
        by: MemberId,
        account: &str,
        is_right: Result<bool, HashError>,
    ) -> Then {
        match is_right {
            Ok(true) => {
                self.log_in(by, account);
                self.sasl_ends(
                    by,
                    numeric::RPL_SASLSUCCESS,
                    "SASL authentication successful",
                )
            }
            Ok(false) => self.login_failed(by, "SASL authentication failed"),
            Err(error) => self.sasl_fails(by, &error.to_string()),
        }
    }

    /// A password was wrong; who guesses too often is sent away.
    fn login_failed(&mut self, by: MemberId, why: &str) -> Then {
        let _ = self.sasl_fails(by, why);
        let Some(local) = self.members.get_mut(&by).and_then(|m| m.local_mut()) else {
            return Then::Close;
        };
        local.failed_logins += 1;
        if local.failed_logins < crate::world::limits::LOGIN_TRIES {
            return Then::Go;
        }
        self.close(by, "Too many failed logins");
        Then::Close
    }

    /// He says no more of who he is, or has come in without doing so.
    pub(super) fn sasl_aborted(&mut self, by: MemberId) {
        self.numeric(by, numeric::ERR_SASLABORTED, |line| {
            line.end_with("SASL authentication aborted");
        });
    }

    fn sasl_fails(&mut self, by: MemberId, why: &str) -> Then {
        self.sasl_ends(by, numeric::ERR_SASLFAIL, why)
    }

    fn sasl_ends(&mut self, by: MemberId, number: &str, text: &str) -> Then {
        self.numeric(by, number, |line| line.end_with(text));
        Then::Go
    }
}

fn decoded(said: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(said).ok()?).ok()
}
