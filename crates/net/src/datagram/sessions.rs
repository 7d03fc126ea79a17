//! Virtual sessions: what one peer sent within a while belongs together.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use sockeye_trace::{Closing, ConnId, Event, Kind, Recorder, Time};

use super::address::Address;
use super::batch::{Datagram, Route, SendBatch, Tag};
use super::guard::{Account, Guard, GuardLimits, Refusal};
use super::socket::{Socket, SocketKind};
use crate::name::Name;

/// How many sessions one socket keeps, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// A session without a datagram in either direction for this long is over.
    pub idle: Duration,
    /// When one more peer comes than this, the session that has been idle longest is over.
    pub count: usize,
}

impl SessionLimits {
    /// A minute: twice what RFC 4787 (REQ-5) found some address translators to keep a UDP mapping.
    pub const IDLE: Duration = Duration::from_mins(1);
    /// As many as a common descriptor limit allows of connections; a session is some 400 bytes.
    pub const COUNT: usize = 20_000;
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            idle: Self::IDLE,
            count: Self::COUNT,
        }
    }
}

/// The sessions of one socket, with whatever the caller keeps for each peer.
///
/// A datagram costs one look-up, none if it comes from the peer of the one before. Sessions stand
/// in a list in the order of their last use, so neither expiry nor eviction ever searches.
#[derive(Debug)]
pub struct Sessions<T> {
    index: HashMap<Address, u32>,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    /// The session that has been idle longest, and the one that was used last.
    oldest: u32,
    newest: u32,
    limits: SessionLimits,
    guard: Guard,
    recorder: Recorder,
    kind: SocketKind,
    local: Name,
}

/// No session: the end of the list.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Slot<T> {
    older: u32,
    newer: u32,
    /// `None` while the slot is free.
    session: Option<(T, Ledger)>,
}

/// What a session came to so far.
#[derive(Debug)]
pub struct Ledger {
    conn: ConnId,
    route: Route,
    account: Account,
    got_messages: u64,
    sent_messages: u64,
    last_used: Time,
}

impl Ledger {
    /// The session's number in the trace.
    pub fn conn(&self) -> ConnId {
        self.conn
    }

    /// The peer.
    pub fn peer(&self) -> &Address {
        &self.route.to
    }

    /// Datagrams that the peer sent.
    pub fn received(&self) -> u64 {
        self.got_messages
    }

    /// Datagrams that were given out for the peer.
    pub fn answered(&self) -> u64 {
        self.sent_messages
    }

    fn closing(&self, reason: String) -> Closing {
        Closing {
            read_bytes: self.account.got,
            written_bytes: self.account.sent,
            read_messages: self.got_messages,
            written_messages: self.sent_messages,
            reason,
        }
    }
}

/// A session that is being worked on.
#[derive(Debug)]
pub struct Session<'a, T> {
    /// What the caller keeps for this peer.
    pub value: &'a mut T,
    /// The way to answer it.
    pub answers: Answers<'a>,
}

/// The way to answer one peer: through the guard.
#[derive(Debug)]
pub struct Answers<'a> {
    ledger: &'a mut Ledger,
    guard: &'a mut Guard,
    recorder: &'a Recorder,
    now: Time,
}

impl Answers<'_> {
    /// The session so far.
    pub fn ledger(&self) -> &Ledger {
        self.ledger
    }

    /// Adds an answer to the batch, unless the guard refuses it; then it is dropped and recorded.
    ///
    /// # Errors
    /// The guard's reason. There is no need to act on it.
    pub fn push(&mut self, batch: &mut SendBatch, payload: &[u8]) -> Result<(), Refusal> {
        batch.open().extend_from_slice(payload);
        self.close(batch)
    }

    /// The same for an answer that was appended to [`SendBatch::open`].
    ///
    /// # Errors
    /// As for [`Answers::push`].
    pub fn close(&mut self, batch: &mut SendBatch) -> Result<(), Refusal> {
        let ledger = &mut *self.ledger;
        let len = batch.open_bytes();
        let tag = Tag {
            conn: ledger.conn,
            offset: ledger.account.sent,
        };
        if let Err(refusal) = ledger
            .account
            .answer(self.guard, &ledger.route.to, len, self.now)
        {
            batch.open();
            if self.recorder.is_on() {
                let event = Event::new(Kind::Dropped, ledger.conn, self.now)
                    .with_offset(tag.offset)
                    .with_result(-libc::EPERM)
                    .with_asked(len as u32);
                self.recorder.record(event, refusal.to_string().as_bytes());
            }
            return Err(refusal);
        }
        batch.close(&ledger.route, tag);
        ledger.sent_messages += 1;
        Ok(())
    }
}

impl<T> Sessions<T> {
    /// The sessions of a listening socket, none yet.
    ///
    /// # Errors
    /// When no socket can be opened for the guard's mark.
    pub fn new(socket: &Socket, limits: SessionLimits, guard: GuardLimits) -> io::Result<Self> {
        Ok(Self {
            index: HashMap::new(),
            slots: vec![],
            free: vec![],
            oldest: NONE,
            newest: NONE,
            limits: SessionLimits {
                count: limits.count.clamp(1, NONE as usize),
                ..limits
            },
            guard: Guard::new(socket, guard)?,
            recorder: socket.recorder().clone(),
            kind: socket.kind(),
            local: socket.local().clone(),
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Enters a datagram that came and lends its session, which `open` starts for a new peer.
    pub fn on_datagram(
        &mut self,
        datagram: &Datagram<'_>,
        now: Time,
        open: impl FnOnce(&Ledger) -> T,
    ) -> Session<'_, T> {
        let at = match self.find(datagram.peer) {
            Some(at) => at,
            None => self.open(datagram, now, open),
        };
        self.touch(at, now);
        let session = self.lend(at, now);
        session.answers.ledger.route.from = datagram.local;
        record_read(
            session.answers.recorder,
            session.answers.ledger,
            datagram,
            now,
        );
        session.answers.ledger.account.got += datagram.payload.len() as u64;
        session.answers.ledger.got_messages += 1;
        session
    }

    /// The session of a peer, if it has one; a datagram for it counts as use.
    pub fn of_peer(&mut self, peer: &Address, now: Time) -> Option<Session<'_, T>> {
        let at = self.find(peer)?;
        self.touch(at, now);
        Some(self.lend(at, now))
    }

    /// Ends the session of a peer.
    pub fn end(&mut self, peer: &Address, now: Time, reason: &str) -> Option<T> {
        let at = self.find(peer)?;
        Some(self.remove(at, now, reason.to_owned()))
    }

    /// Ends the sessions that have been idle too long; says when to come again.
    pub fn expire(&mut self, now: Time) -> Option<Time> {
        while self.oldest != NONE {
            let (_, ledger) = self.session(self.oldest);
            let ends = ledger.last_used + self.limits.idle;
            if now < ends {
                return Some(ends);
            }
            self.remove(self.oldest, now, format!("idle for {:?}", self.limits.idle));
        }
        None
    }

    /// Ends every session, for the end of the socket.
    pub fn end_all(&mut self, now: Time, reason: &str) {
        while self.oldest != NONE {
            self.remove(self.oldest, now, reason.to_owned());
        }
    }

    fn find(&self, peer: &Address) -> Option<u32> {
        // Datagrams of one peer come in rows.
        if self.newest != NONE && self.session(self.newest).1.route.to == *peer {
            return Some(self.newest);
        }
        self.index.get(peer).copied()
    }

    fn open(&mut self, datagram: &Datagram<'_>, now: Time, open: impl FnOnce(&Ledger) -> T) -> u32 {
        if self.index.len() >= self.limits.count {
            let reason = format!(
                "{} sessions are the limit, it was idle longest",
                self.limits.count
            );
            self.remove(self.oldest, now, reason);
        }
        let ledger = Ledger {
            conn: self.recorder.next_conn(),
            route: datagram.route(),
            account: Account::new(now),
            got_messages: 0,
            sent_messages: 0,
            last_used: now,
        };
        if self.recorder.is_on() {
            let peer = self.kind.name_of(datagram.peer);
            let names = format!("{peer}\n{}", self.local_for(datagram));
            self.recorder.record(
                Event::new(Kind::SessionOpened, ledger.conn, now),
                names.as_bytes(),
            );
        }
        let value = open(&ledger);
        let slot = Slot {
            older: NONE,
            newer: NONE,
            session: Some((value, ledger)),
        };
        let at = self.free.pop().unwrap_or(self.slots.len() as u32);
        match self.slots.get_mut(at as usize) {
            Some(free) => *free = slot,
            None => self.slots.push(slot),
        }
        self.index.insert(*datagram.peer, at);
        self.link(at);
        at
    }

    /// The name of ours that the peer asked.
    fn local_for(&self, datagram: &Datagram<'_>) -> Name {
        match (datagram.local, self.local.socket_addr()) {
            (Some(ip), Some(bound)) => Name::udp((ip, bound.port()).into()),
            _ => self.local.clone(),
        }
    }

    fn remove(&mut self, at: u32, now: Time, reason: String) -> T {
        self.unlink(at);
        let session = self.slots[at as usize].session.take();
        let (value, ledger) = session.expect("only linked slots are removed, and they are taken");
        self.free.push(at);
        self.index.remove(&ledger.route.to);
        if self.recorder.is_on() {
            let closing = ledger.closing(reason).to_payload();
            self.recorder
                .record(Event::new(Kind::Closed, ledger.conn, now), &closing);
        }
        value
    }

    /// Makes it the one that was used last.
    fn touch(&mut self, at: u32, now: Time) {
        if self.newest != at {
            self.unlink(at);
            self.link(at);
        }
        self.session_mut(at).1.last_used = now;
    }

    fn link(&mut self, at: u32) {
        let older = std::mem::replace(&mut self.newest, at);
        (self.slots[at as usize].older, self.slots[at as usize].newer) = (older, NONE);
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = at,
            None => self.oldest = at,
        }
    }

    fn unlink(&mut self, at: u32) {
        let Slot { older, newer, .. } = self.slots[at as usize];
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
        match self.slots.get_mut(newer as usize) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
    }

    fn session(&self, at: u32) -> &(T, Ledger) {
        self.slots[at as usize]
            .session
            .as_ref()
            .expect("linked slots are taken")
    }

    fn session_mut(&mut self, at: u32) -> &mut (T, Ledger) {
        self.slots[at as usize]
            .session
            .as_mut()
            .expect("linked slots are taken")
    }

    fn lend(&mut self, at: u32, now: Time) -> Session<'_, T> {
        let session = self.slots[at as usize].session.as_mut();
        let (value, ledger) = session.expect("linked slots are taken");
        let answers = Answers {
            ledger,
            guard: &mut self.guard,
            recorder: &self.recorder,
            now,
        };
        Session { value, answers }
    }
}

fn record_read(recorder: &Recorder, ledger: &Ledger, datagram: &Datagram<'_>, now: Time) {
    if !recorder.is_on() {
        return;
    }
    let event = |kind| {
        Event::new(kind, ledger.conn, now)
            .with_offset(ledger.account.got)
            .with_result(datagram.payload.len() as i32)
            .with_asked(datagram.full_len as u32)
    };
    if recorder.takes_calls() {
        recorder.record(event(Kind::Read), datagram.payload);
    }
    if datagram.is_truncated() {
        recorder.record(event(Kind::Truncated), b"");
    }
}

#[cfg(test)]
mod tests;
