//! Saying who we are: capabilities, logging in, a nick that is free.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sockeye_chat::irc::Message as Line;

use super::server::{Server, State, line};

/// What is asked for where it is offered.
const WANTED: &[&str] = &[
    "account-notify",
    "account-tag",
    "away-notify",
    "batch",
    "cap-notify",
    "draft/chathistory",
    "echo-message",
    "extended-join",
    "invite-notify",
    "labeled-response",
    "message-tags",
    "multi-prefix",
    "sasl",
    "server-time",
    "setname",
    "soju.im/search",
    "standard-replies",
    "userhost-in-names",
];

/// Nicks that are tried, each with one more `_`.
const TRIES: u32 = 8;
/// Bytes of one AUTHENTICATE (<https://ircv3.net/specs/extensions/sasl-3.1>).
const SASL_CHUNK: usize = 400;

/// How far it has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Registration {
    /// What the server offers, with values, as far as it has been listed.
    offered: Vec<String>,
    is_private: bool,
    is_secure: bool,
    /// How we log in, once that has begun.
    login: Option<Login>,
    tries: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Login {
    Plain,
    External,
}

/// Why there is no point in trying again.
pub(super) type Refused = String;

impl Server {
    /// A connection has been made.
    pub(super) fn begin(&mut self, is_private: bool, is_secure: bool) -> Result<(), Refused> {
        self.state = State::Registering;
        self.nick.clone_from(&self.setup.nick);
        self.caps.clear();
        self.support = super::server::Support::default();
        self.batches.clear();
        self.asked.clear();
        self.account = None;
        self.away = None;
        self.trouble = None;
        self.source_bytes = 0;
        self.registration = Registration {
            is_private,
            is_secure,
            ..Registration::default()
        };
        if self.setup.password.is_some() && !is_private {
            return Err("a password is not said where others can read it: use tls://".into());
        }
        self.out.push(b"CAP LS 302".to_vec());
        if let (Some(password), None) = (&self.setup.password, &self.setup.account) {
            let password = password.reveal().to_owned();
            self.out
                .push(line(|l| l.command("PASS").end_with(&password)));
        }
        self.say_nick();
        let setup = &self.setup;
        let user = line(|l| {
            l.command("USER")
                .param(&setup.user)
                .param("0")
                .param("*")
                .end_with(&setup.real_name);
        });
        self.out.push(user);
        Ok(())
    }

    fn say_nick(&mut self) {
        let nick = &self.nick;
        let said = line(|l| l.command("NICK").param(nick).end());
        self.out.push(said);
    }

    /// The nick is somebody's, or not to the server's liking: another one.
    pub(super) fn next_nick(&mut self, why: &str) -> Result<(), Refused> {
        self.registration.tries += 1;
        if self.registration.tries > TRIES {
            return Err(format!("no nick is free: {why}"));
        }
        let limit = self.support.nick_bytes;
        while self.nick.len() >= limit && self.nick.pop().is_some() {}
        self.nick.push('_');
        self.say_nick();
        Ok(())
    }

    /// `CAP * LS …` and what follows it.
    pub(super) fn on_cap(&mut self, message: &Line<'_>) {
        let (Some(command), Some(last)) = (message.param(1), message.params().last().copied())
        else {
            return;
        };
        match command.to_ascii_uppercase().as_str() {
            "LS" => {
                self.registration
                    .offered
                    .extend(last.split_whitespace().map(str::to_owned));
                // A `*` says that there is more to come.
                if message.param(2) != Some("*") && self.state == State::Registering {
                    self.ask_for(&self.registration.offered.clone());
                }
            }
            "NEW" => {
                let new: Vec<_> = last.split_whitespace().map(str::to_owned).collect();
                self.ask_for(&new);
            }
            "ACK" => self.on_ack(last),
            "NAK" => self.end_caps(),
            "DEL" => {
                for cap in last.split_whitespace() {
                    self.caps.remove(cap);
                }
            }
            _ => {}
        }
    }

    fn ask_for(&mut self, offered: &[String]) {
        let names = offered
            .iter()
            .map(|cap| cap.split('=').next().unwrap_or(cap));
        let wanted: Vec<_> = names
            .filter(|cap| WANTED.contains(cap) && !self.caps.contains(*cap))
            .collect();
        if wanted.is_empty() {
            self.end_caps();
            return;
        }
        let wanted = wanted.join(" ");
        self.out
            .push(line(|l| l.command("CAP").param("REQ").end_with(&wanted)));
    }

    fn on_ack(&mut self, acked: &str) {
        for cap in acked.split_whitespace() {
            match cap.strip_prefix('-') {
                Some(gone) => self.caps.remove(gone),
                None => self.caps.insert(cap.to_owned()),
            };
        }
        if self.state != State::Registering {
            return;
        }
        let Some(login) = self.how_to_log_in() else {
            self.end_caps();
            return;
        };
        self.registration.login = Some(login);
        self.out.push(match login {
            Login::Plain => b"AUTHENTICATE PLAIN".to_vec(),
            Login::External => b"AUTHENTICATE EXTERNAL".to_vec(),
        });
    }

    /// By password where there is one, else by the key that the handshake has shown.
    fn how_to_log_in(&self) -> Option<Login> {
        if !self.has("sasl") {
            return None;
        }
        let mut values = self.registration.offered.iter();
        let named = values.find_map(|cap| cap.strip_prefix("sasl="));
        let offers = |name| named.is_none_or(|list| list.split(',').any(|one| one == name));
        match (&self.setup.account, &self.setup.password) {
            (Some(_), Some(_)) if offers("PLAIN") => Some(Login::Plain),
            (_, None) if self.registration.is_secure && named.is_some() && offers("EXTERNAL") => {
                Some(Login::External)
            }
            _ => None,
        }
    }

    /// `AUTHENTICATE +`: the server waits for what proves it.
    pub(super) fn on_authenticate(&mut self, message: &Line<'_>) {
        if message.param(0) != Some("+") {
            return;
        }
        let account = self.setup.account.as_deref().unwrap_or_default();
        let proof = match (self.registration.login, &self.setup.password) {
            (Some(Login::Plain), Some(password)) => {
                STANDARD.encode(format!("{account}\0{account}\0{}", password.reveal()))
            }
            (Some(Login::External), _) => STANDARD.encode(account),
            _ => return,
        };
        let mut chunks: Vec<_> = proof.as_bytes().chunks(SASL_CHUNK).collect();
        // The end of a text is a chunk that is not full.
        if chunks.last().is_none_or(|chunk| chunk.len() == SASL_CHUNK) {
            chunks.push(b"+");
        }
        for chunk in chunks {
            self.out.push([b"AUTHENTICATE ", chunk].concat());
        }
    }

    /// 903: we are logged in.
    pub(super) fn on_logged_in(&mut self) {
        self.end_caps();
    }

    /// 902, 904 to 908: we are not.
    pub(super) fn on_login_refused(&mut self, why: &str) -> Result<(), Refused> {
        match self.registration.login {
            // Nobody asked for it.
            Some(Login::External) if self.setup.account.is_none() => {
                self.end_caps();
                Ok(())
            }
            _ => Err(format!("not logged in: {why}")),
        }
    }

    /// The server has taken us in: an account that was asked for must be ours by now.
    pub(super) fn on_welcome(&mut self, nick: &str) -> Result<(), Refused> {
        nick.clone_into(&mut self.nick);
        let by_password = self.setup.account.is_some() && self.setup.password.is_some();
        if by_password && self.registration.login.is_none() {
            return Err("the server offers no way to log in".into());
        }
        Ok(())
    }

    fn end_caps(&mut self) {
        if self.state == State::Registering {
            self.out.push(b"CAP END".to_vec());
        }
    }

    /// Whether passwords may be said on this connection.
    pub(super) fn is_private(&self) -> bool {
        self.registration.is_private
    }
}
