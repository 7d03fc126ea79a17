//! One server: how it is reached, what it can do, what it was asked.

use std::collections::{BTreeSet, HashMap, VecDeque};

use sockeye_net::{Endpoint, Secret};

use super::conversation::{ConversationId, ServerId};
use super::registration::Registration;

/// How a server is reached and who we are there.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// What it is called here.
    pub(crate) name: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) nick: String,
    pub(crate) user: String,
    pub(crate) real_name: String,
    /// Rooms that are joined whenever there is a connection.
    pub(crate) rooms: Vec<String>,
    pub(crate) account: Option<String>,
    /// Of the account; without one, of the server (PASS).
    pub(crate) password: Option<Secret>,
}

/// How it stands with a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nobody wants to be there.
    Off,
    Dialling,
    /// Connected, saying who we are.
    Registering,
    Up,
    /// It is dialled again then, in milliseconds since 1970.
    Waiting {
        until_ms: u64,
    },
}

/// A server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) id: ServerId,
    pub(crate) setup: Setup,
    pub(crate) state: State,
    /// What we are called there now.
    pub(crate) nick: String,
    /// As whom we are logged in.
    pub(crate) account: Option<String>,
    /// What was said about our absence.
    pub(crate) away: Option<String>,
    /// Why there is no connection, in its words.
    pub(crate) trouble: Option<String>,
    pub(super) caps: BTreeSet<String>,
    pub(super) support: Support,
    pub(super) registration: Registration,
    /// Rooms that we were in, to be in them again.
    pub(super) was_in: BTreeSet<String>,
    /// What we said and of which nothing was heard yet.
    pub(super) pending: VecDeque<Pending>,
    pub(super) labels: u64,
    pub(super) batches: HashMap<String, Batch>,
    pub(super) asked: VecDeque<Asked>,
    /// The newest time that the server told, in milliseconds since 1970.
    pub(super) last_ms: u64,
    /// What it was when the connection broke.
    pub(super) lost_ms: u64,
    /// Whether it was ever up in this run.
    pub(super) was_up: bool,
    /// What it is asked to repeat once it has read everything.
    pub(super) barrier: Option<String>,
    /// Lines that wait to be said.
    pub(super) out: Vec<Vec<u8>>,
    /// Bytes of `nick!user@host` as others get it.
    pub(super) source_bytes: usize,
}

/// What a server says of itself (RPL_ISUPPORT).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Support {
    /// Letters of modes with the prefix that each gives, the highest first.
    pub(super) prefixes: Vec<(char, char)>,
    /// What names of rooms begin with.
    pub(super) room_marks: String,
    /// Messages that CHATHISTORY gives at once; 0: as many as asked for.
    pub(super) history: usize,
    /// `rfc1459`: `[]\~` are the capitals of `{}|^`.
    pub(super) old_folding: bool,
    pub(super) nick_bytes: usize,
    pub(super) line_bytes: usize,
    /// Modes of rooms by what they take: lists, always, when set, never (CHANMODES).
    pub(super) room_modes: [String; 4],
}

/// One of our messages that is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) conversation: ConversationId,
    pub(super) seq: u64,
    pub(super) label: String,
    /// Folded.
    pub(super) target: String,
    pub(super) text: String,
}

/// Lines that belong together and are still coming.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) kind: String,
    pub(super) target: String,
    pub(super) label: Option<String>,
    /// What is kept until the end; nothing where lines are taken as they come.
    pub(super) lines: Vec<String>,
}

/// What history was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) label: String,
    /// Folded; empty for a list of targets.
    pub(super) target: String,
    pub(super) conversation: Option<ConversationId>,
    pub(super) what: What,
    /// Pages that came before this one.
    pub(super) pages: usize,
}

/// Which part of history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// What was said last before we came.
    Latest,
    /// What was said while we were away.
    Missed,
    /// What was said before the oldest that is shown.
    Older,
    /// With whom there was talk.
    Targets { missed: bool },
    /// Messages with words in them.
    Search,
}

impl Default for Support {
    /// What holds where a server says nothing (<https://modern.ircdocs.horse/#rplisupport-parameters>).
    fn default() -> Self {
        Self {
            prefixes: vec![('o', '@'), ('v', '+')],
            room_marks: "#&".into(),
            history: 0,
            old_folding: false,
            nick_bytes: 30,
            line_bytes: sockeye_chat::irc::LINE_BYTES,
            room_modes: ["b".into(), "k".into(), "l".into(), String::new()],
        }
    }
}

impl Support {
    /// Takes one `NAME=VALUE`.
    pub(super) fn take(&mut self, token: &str) {
        let (name, value) = token.split_once('=').unwrap_or((token, ""));
        match name {
            "PREFIX" => self.prefixes = prefixes(value),
            "CHANTYPES" => value.clone_into(&mut self.room_marks),
            "CHATHISTORY" => self.history = value.parse().unwrap_or(0),
            "CASEMAPPING" => self.old_folding = value.starts_with("rfc1459"),
            "NICKLEN" => self.nick_bytes = value.parse().unwrap_or(self.nick_bytes),
            "LINELEN" => {
                let bytes = value.parse().unwrap_or(self.line_bytes);
                self.line_bytes = bytes.clamp(sockeye_chat::irc::LINE_BYTES, 1 << 16);
            }
            "CHANMODES" => {
                let mut classes = value.split(',');
                self.room_modes =
                    std::array::from_fn(|_| classes.next().unwrap_or_default().to_owned());
            }
            _ => {}
        }
    }

    /// A name as names are compared there.
    pub(super) fn fold(&self, name: &str) -> String {
        let mut folded = name.to_ascii_lowercase();
        if self.old_folding {
            // RFC 1459, section 2.2.
            folded = folded
                .replace('[', "{")
                .replace(']', "}")
                .replace('\\', "|")
                .replace('~', "^");
        }
        folded
    }

    pub(super) fn is_room(&self, name: &str) -> bool {
        name.starts_with(|c| self.room_marks.contains(c))
    }

    /// The prefixes that stand ahead of a nick, and the nick.
    pub(super) fn split_prefixes<'a>(&self, name: &'a str) -> (&'a str, &'a str) {
        let is_prefix = |c: char| self.prefixes.iter().any(|(_, prefix)| *prefix == c);
        let nick = name.trim_start_matches(is_prefix);
        name.split_at(name.len() - nick.len())
    }
}

/// Reads `(ov)@+`.
fn prefixes(value: &str) -> Vec<(char, char)> {
    let Some((modes, prefixes)) = value
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
    else {
        return vec![];
    };
    modes.chars().zip(prefixes.chars()).collect()
}

impl Server {
    pub(super) fn new(id: ServerId, setup: Setup) -> Self {
        Self {
            id,
            nick: setup.nick.clone(),
            setup,
            state: State::Off,
            account: None,
            away: None,
            trouble: None,
            caps: BTreeSet::new(),
            support: Support::default(),
            registration: Registration::default(),
            was_in: BTreeSet::new(),
            pending: VecDeque::new(),
            labels: 0,
            batches: HashMap::new(),
            asked: VecDeque::new(),
            last_ms: 0,
            lost_ms: 0,
            was_up: false,
            barrier: None,
            out: vec![],
            source_bytes: 0,
        }
    }

    /// Whether the server has agreed to this.
    pub(crate) fn has(&self, cap: &str) -> bool {
        self.caps.contains(cap)
    }

    pub(super) fn is_me(&self, nick: &str) -> bool {
        self.support.fold(nick) == self.support.fold(&self.nick)
    }

    /// A label that was not used on this connection.
    pub(super) fn next_label(&mut self) -> String {
        self.labels += 1;
        format!("s{}", self.labels)
    }
}

/// Writes one line, without CR LF.
pub(super) fn line(write: impl FnOnce(sockeye_chat::irc::Line<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(sockeye_chat::irc::Line::new(&mut bytes));
    let end = bytes.strip_suffix(b"\r\n").map_or(bytes.len(), <[u8]>::len);
    bytes.truncate(end);
    bytes
}

/// Ends a line with a last parameter that may be left out.
pub(super) fn end(line: sockeye_chat::irc::Line<'_>, last: &str) {
    if last.is_empty() {
        line.end();
    } else {
        line.end_with(last);
    }
}
