//! Who is here, who may do what, and who hears of it. No sockets, no waiting, no clock: what happens
//! comes in with its time, what members hear goes into their [outboxes](crate::outbox::Outbox), and
//! what has to be kept goes to the [`Log`] and comes back in its order.

mod change;
mod command;
mod deliver;
mod guest;
#[cfg(any(test, feature = "laws"))]
pub mod laws;
pub mod limits;
mod member;
mod patience;
mod presence;
mod reply;
mod restore;
mod room;
#[cfg(test)]
pub(crate) mod scene;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::accounts::{Account, Names, NoNames};
use crate::irc::{Folded, Message, ParseError};
use crate::log::{Act, Draft, Log, MsgId};
use crate::outbox::Outbox;
use crate::service::door::Who;

pub use command::{Job, Outcome, Then};
pub use guest::{DESK, GUEST, Turned};
pub use limits::DRAFTS_PER_MEMBER;
pub use member::{Home, Local, Member, MemberId, Registration, Way};
pub use presence::{Afar, Claimed, Neighbours, Seen, SeenSeat};
pub use room::{Room, RoomModes, Seat};

/// What whoever serves has decided.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What this server is called in IRC.
    pub server_name: String,
    /// What all servers together are called.
    pub network: String,
    /// What is shown to whoever comes, line by line; empty for none.
    pub motd: String,
    /// Rooms that a member may be in.
    pub rooms_per_member: usize,
    /// The room where guests appear.
    pub desk: Option<String>,
    /// Messages of a room that whoever comes into it is shown.
    pub replay: usize,
    /// Where the clock that people here read stands.
    pub zone: TimeZone,
    /// How long somebody may take to say who he is.
    pub registration_time: Duration,
    /// How long somebody may be silent before he is asked whether he is there.
    pub ping_after: Duration,
    /// How long his answer may take.
    pub pong_within: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server_name: "sockeye.local".into(),
            network: "sockeye".into(),
            motd: String::new(),
            rooms_per_member: 50,
            desk: None,
            replay: 20,
            zone: TimeZone::UTC,
            registration_time: limits::REGISTRATION_TIME,
            ping_after: limits::PING_AFTER,
            pong_within: limits::PONG_WITHIN,
        }
    }
}

/// Everybody and every room, as this server knows them.
#[derive(Debug)]
pub struct World {
    pub(crate) settings: Arc<Settings>,
    /// Milliseconds since 1970, as of this turn.
    pub(crate) now_ms: u64,
    pub(crate) began_ms: u64,
    pub(crate) members: HashMap<MemberId, Member>,
    pub(crate) nicks: HashMap<Folded, MemberId>,
    pub(crate) rooms: HashMap<Folded, Room>,
    pub(crate) accounts: HashMap<Folded, Account>,
    /// How many rooms each account has made.
    founded: HashMap<Folded, usize>,
    /// Names that stand in `authorized`.
    pub(crate) names: Arc<dyn Names>,
    /// Who waits for somebody to come or to go (MONITOR).
    watchers: HashMap<Folded, BTreeSet<MemberId>>,
    /// Those who were here last, the latest behind.
    gone: VecDeque<command::Gone>,
    /// Where things are kept; nothing is without one.
    log: Option<Arc<dyn Log>>,
    /// What was drafted in this turn.
    drafts: Vec<Draft>,
    /// Whose drafts are on their way.
    pending: HashMap<MsgId, Pending>,
    /// Answers under a label that wait for what their command has drafted.
    answers: HashMap<u64, Answer>,
    /// Who has replies that were not handed on.
    dirty: Vec<MemberId>,
    /// Drawn at random, so that no two runs give a message the same name.
    run: u64,
    /// Counts what got a name.
    counter: u64,
    next_member: u64,
    /// The last place that has happened here.
    last_seq: u64,
    /// Most members at one time since this server runs.
    most_members: usize,
    /// Other servers.
    abroad: presence::Abroad,
}

/// A draft that is on its way to the log.
#[derive(Clone, Copy, Debug)]
struct Pending {
    by: MemberId,
    /// The answer that what becomes of it belongs to.
    answer: Option<u64>,
    /// What he is told if it is refused depends on it.
    kind: Drafted,
}

/// What somebody wanted to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drafted {
    /// That he said something.
    Said,
    /// That he changed something.
    Changed,
    /// That a room is his.
    Founded,
    /// That an account is his.
    Account,
}

impl From<&Act> for Drafted {
    fn from(act: &Act) -> Self {
        match act {
            Act::Say { .. } => Self::Said,
            Act::Account { .. } => Self::Account,
            Act::Founded { .. } => Self::Founded,
            _ => Self::Changed,
        }
    }
}

/// What a labelled command is answered, once all that it drafted is settled.
#[derive(Debug)]
struct Answer {
    label: Box<str>,
    /// Drafts that are not settled.
    waits_for: u32,
    lines: Vec<u8>,
}

/// Who comes.
#[derive(Debug)]
pub struct Arrival {
    /// Where what is said to it goes.
    pub outbox: Arc<Outbox>,
    /// How it came.
    pub way: Way,
}

impl World {
    /// A world without anybody; what is said in it is kept in `log`, if there is one.
    pub fn new(settings: Settings, log: Option<Arc<dyn Log>>, run: u64, now_ms: u64) -> Self {
        Self {
            settings: Arc::new(settings),
            now_ms,
            began_ms: now_ms,
            members: HashMap::new(),
            nicks: HashMap::new(),
            rooms: HashMap::new(),
            accounts: HashMap::new(),
            founded: HashMap::new(),
            names: Arc::new(NoNames),
            watchers: HashMap::new(),
            gone: VecDeque::new(),
            log,
            drafts: vec![],
            pending: HashMap::new(),
            answers: HashMap::new(),
            dirty: vec![],
            run,
            counter: 0,
            next_member: 0,
            last_seq: 0,
            most_members: 0,
            abroad: presence::Abroad::default(),
        }
    }

    /// From now on what is said is kept.
    pub fn keep_in(&mut self, log: Arc<dyn Log>) {
        self.log = Some(log);
    }

    /// Names that nobody takes but whoever has their key.
    pub fn reserve(&mut self, names: Arc<dyn Names>) {
        self.names = names;
    }

    /// What `authorized` says of a member's key has changed.
    pub fn rights(&mut self, of: MemberId, key_name: Option<String>, key_rules: bool) {
        let Some(member) = self.members.get_mut(&of) else {
            return;
        };
        let is_deposed = member.is_oper && !key_rules;
        member.is_oper &= key_rules;
        if let Some(local) = member.local_mut() {
            local.way.key_name = key_name;
            local.way.key_rules = key_rules;
        }
        if is_deposed {
            self.tell_deposed(of);
        }
    }

    /// Somebody has connected; who he is he has still to say.
    pub fn arrive(&mut self, arrival: Arrival) -> MemberId {
        let id = self.next_id();
        let member = Member::arriving(id, arrival, self.now_ms);
        self.members.insert(id, member);
        id
    }

    /// One line of a member, without its CR LF. What it answers and who hears of it is sent when the
    /// [turn ends](Self::end_turn).
    pub fn on_line(&mut self, by: MemberId, line: &[u8]) -> Then {
        match Message::parse_said(line) {
            Ok(message) => self.on_message(by, &message),
            Err(ParseError::Empty | ParseError::NoCommand) => Then::Go,
            Err(error) => self.on_bad_line(by, &error),
        }
    }

    /// Begins a turn: whatever happens until its end happens now.
    pub fn begin_turn(&mut self, now_ms: u64) {
        // The clock of the machine may be set back; order stays.
        self.now_ms = self.now_ms.max(now_ms);
    }

    /// Hands on what this turn has come to.
    pub fn end_turn(&mut self) {
        if !self.drafts.is_empty() {
            let drafts = std::mem::take(&mut self.drafts);
            match self.log.clone() {
                Some(log) => log.submit(drafts),
                None => self.apply_at_once(drafts),
            }
        }
        self.send_replies();
        self.tell_neighbours();
    }

    /// A connection is gone, for this reason.
    pub fn leave(&mut self, id: MemberId, reason: &str) {
        self.quit(id, reason);
    }

    /// Whether anything is kept.
    pub(crate) fn keeps(&self) -> bool {
        self.log.is_some()
    }

    /// Who a member is, once he is in.
    pub(crate) fn who(&self, id: MemberId) -> Option<Who> {
        let member = self.members.get(&id).filter(|member| member.is_in())?;
        Some(Who {
            nick: member.source.nick.clone(),
            account: member.source.account.clone(),
        })
    }

    /// Whether something that was drafted here is not settled.
    pub fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Wants something to be kept; its author hears of it when it is. If the command in hand is
    /// labelled, what he hears is part of its answer.
    pub(crate) fn draft(&mut self, by: MemberId, act: Act) {
        let Some(member) = self.members.get(&by) else {
            return;
        };
        if let Some(local) = member.local() {
            local.outbox.drafted();
        }
        let from = Arc::clone(&member.source);
        let answer = self.answer_later(by);
        self.counter += 1;
        let id = MsgId::new(self.run, self.counter);
        let pending = Pending {
            by,
            answer,
            kind: Drafted::from(&act),
        };
        self.pending.insert(id.clone(), pending);
        self.drafts.push(Draft { id, from, act });
    }

    fn next_id(&mut self) -> MemberId {
        self.next_member += 1;
        MemberId(self.next_member)
    }
}
