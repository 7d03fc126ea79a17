//! Somebody who is here, on this server or on another.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::Arrival;
use super::command::Reading;
use crate::accounts::Password;
use crate::irc::{Caps, Folded};
use crate::log::Source;
use crate::outbox::Outbox;

/// A member, as long as it is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u64);

/// How somebody came, and what is known of him by that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// His address for people: shown to admins and at the desk only.
    pub address: String,
    /// What everybody sees in its place.
    pub host: String,
    /// What he says cannot be read on its way: TLS, or it never leaves this machine.
    pub is_private: bool,
    /// The name that `authorized` gives the key he has proved to have.
    pub key_name: Option<String>,
    /// That key has the right `chat-admin`.
    pub key_rules: bool,
}

/// Somebody who is here.
#[derive(Debug)]
pub struct Member {
    /// His number on this server.
    pub id: MemberId,
    /// What he is called; shared with whatever he says.
    pub source: Arc<Source>,
    /// What he says that his name is.
    pub real_name: String,
    /// The rooms he is in.
    pub rooms: BTreeSet<Folded>,
    /// Why he is away, if he is.
    pub away: Option<String>,
    /// Hidden from those who share no room with him (`+i`).
    pub is_invisible: bool,
    /// Rules over the whole server (`+o`).
    pub is_oper: bool,
    /// When he came.
    pub since_ms: u64,
    /// When he last said something.
    pub spoke_ms: u64,
    /// Where he is.
    pub home: Home,
}

/// Where a member is.
#[derive(Debug)]
pub enum Home {
    /// Connected to this server.
    Here(Box<Local>),
    /// Connected to another.
    Elsewhere {
        /// Which one.
        server: String,
    },
}

/// What is known only of members of this server.
#[derive(Debug)]
pub struct Local {
    /// Where what is said to him goes.
    pub outbox: Arc<Outbox>,
    /// How he came.
    pub way: Way,
    /// What he has said of himself so far; none once he is in.
    pub registration: Option<Box<Registration>>,
    /// When his last line came.
    pub(crate) heard_ms: u64,
    /// When he was asked whether he is there, if he has said nothing since.
    pub(crate) asked_ms: Option<u64>,
    /// What he has said of who he is, while he logs in with SASL.
    pub(crate) sasl: Option<Box<Sasl>>,
    /// Whom he watches (MONITOR); most watch nobody.
    pub(crate) watched: BTreeSet<Folded>,
    /// Logins that have failed.
    pub(crate) failed_logins: u8,
    /// What the job in hand is for.
    pub(crate) errand: Option<Box<Errand>>,
    /// Replies of this turn.
    pub(crate) reply: Vec<u8>,
    /// The labelled command that is being answered.
    pub(crate) labelled: Option<Box<Labelled>>,
}

/// A labelled command that is being answered.
#[derive(Debug)]
pub(crate) struct Labelled {
    pub(crate) label: Box<str>,
    /// Where in the replies its answer begins.
    pub(crate) start: usize,
    /// What waits for its drafts, if it has any.
    pub(crate) later: Option<u64>,
}

/// What a member's job is for, until its outcome is there.
#[derive(Debug, Default)]
pub(crate) struct Errand {
    /// The answer under a label that its outcome belongs to.
    pub(crate) answer: Option<u64>,
    pub(crate) purpose: Purpose,
}

/// What a job is for.
#[derive(Debug, Default)]
pub(crate) enum Purpose {
    /// What the outcome tells by itself.
    #[default]
    Plain,
    /// An account of this name is made.
    Register(String),
    /// Logging in to this account.
    LogIn(String, LogIn),
    /// What was said before is told.
    Read(Reading),
}

/// What somebody has said of who he is, in base64, as far as it has come.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Sasl {
    /// Names and a password.
    Plain(String),
    /// A name: his key says whether it is his.
    External(String),
}

impl fmt::Debug for Sasl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sasl(…)")
    }
}

/// How somebody logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogIn {
    /// With PASS, on his way in.
    Pass,
    /// With SASL.
    Sasl,
}

/// What somebody who is not in yet has said.
#[derive(Debug, Default)]
pub struct Registration {
    /// NICK.
    pub nick: Option<String>,
    /// USER: user name and real name.
    pub user: Option<(String, String)>,
    /// PASS.
    pub password: Option<Password>,
    /// Negotiating capabilities: he is not let in before CAP END.
    pub negotiates: bool,
}

impl Member {
    pub(super) fn arriving(id: MemberId, arrival: Arrival, now_ms: u64) -> Self {
        let source = Source {
            host: arrival.way.host.clone(),
            ..Source::default()
        };
        let local = Local {
            outbox: arrival.outbox,
            way: arrival.way,
            registration: Some(Box::default()),
            heard_ms: now_ms,
            asked_ms: None,
            sasl: None,
            watched: BTreeSet::new(),
            failed_logins: 0,
            errand: None,
            reply: vec![],
            labelled: None,
        };
        Self {
            id,
            source: Arc::new(source),
            real_name: String::new(),
            rooms: BTreeSet::new(),
            away: None,
            is_invisible: false,
            is_oper: false,
            since_ms: now_ms,
            spoke_ms: now_ms,
            home: Home::Here(Box::new(local)),
        }
    }

    /// What numerics call him.
    pub fn nick(&self) -> &str {
        if self.source.nick.is_empty() {
            "*"
        } else {
            &self.source.nick
        }
    }

    /// Whether he comes in plain text and knows nothing of all this: nobody else may be called so.
    pub fn is_guest(&self) -> bool {
        self.source.nick.starts_with(super::guest::GUEST)
    }

    /// Whether he has said who he is and was let in.
    pub fn is_in(&self) -> bool {
        self.local()
            .is_none_or(|local| local.registration.is_none())
    }

    /// What is known of him if he is connected here.
    pub fn local(&self) -> Option<&Local> {
        match &self.home {
            Home::Here(local) => Some(local),
            Home::Elsewhere { .. } => None,
        }
    }

    pub(crate) fn local_mut(&mut self) -> Option<&mut Local> {
        match &mut self.home {
            Home::Here(local) => Some(local),
            Home::Elsewhere { .. } => None,
        }
    }

    /// What his client has asked for.
    pub fn caps(&self) -> Caps {
        self.local()
            .map_or(Caps::default(), |local| local.outbox.caps())
    }

    /// Changes what he is called; what he has said before keeps the old name.
    pub(crate) fn rename(&mut self, change: impl FnOnce(&mut Source)) {
        change(Arc::make_mut(&mut self.source));
    }
}
