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
mod tests {
    use std::net::UdpSocket;

    use proptest::prelude::*;
    use sockeye_trace::Observer;

    use super::*;

    fn sessions(idle_ms: u64, count: usize) -> (Sessions<u64>, Recorder) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _inside = runtime.enter();
        let recorder = Recorder::new();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket = Socket::new(socket.into(), recorder.clone()).unwrap();
        let limits = SessionLimits {
            idle: Duration::from_millis(idle_ms),
            count,
        };
        let sessions = Sessions::new(&socket, limits, GuardLimits::default()).unwrap();
        (sessions, recorder)
    }

    fn at(millis: u64) -> Time {
        Time::from_nanos(millis * 1_000_000)
    }

    /// A peer outside of this machine, by number.
    fn peer(number: u16) -> Address {
        let address = std::net::SocketAddr::from(([192, 0, 2, 1], 1024 + number));
        address.into()
    }

    fn datagram<'a>(peer: &'a Address, payload: &'a [u8]) -> Datagram<'a> {
        Datagram {
            peer,
            local: None,
            payload,
            full_len: payload.len(),
        }
    }

    fn kinds(observer: &mut Observer) -> Vec<(Kind, u64)> {
        let mut kinds = vec![];
        observer.drain_all(|event, _| kinds.push((event.kind(), event.conn().number())));
        kinds
    }

    #[test]
    fn a_peer_keeps_its_session_and_what_is_kept_in_it() {
        let (mut sessions, recorder) = sessions(1000, 10);
        let mut observer = recorder.observe();
        for (now, number) in [(0, 1), (1, 2), (2, 1), (3, 1), (4, 2)] {
            let peer = peer(number);
            let session = sessions.on_datagram(&datagram(&peer, b"abc"), at(now), |ledger| {
                assert_eq!(ledger.peer(), &peer);
                0
            });
            *session.value += 1;
        }
        let one = sessions.of_peer(&peer(1), at(5)).unwrap();
        assert_eq!((*one.value, one.answers.ledger().received()), (3, 3));
        assert!(sessions.of_peer(&peer(3), at(5)).is_none());
        assert_eq!(sessions.end(&peer(2), at(6), "enough"), Some(2));
        assert_eq!(
            (sessions.len(), sessions.end(&peer(2), at(6), "enough")),
            (1, None)
        );
        let opened = |number| [(Kind::SessionOpened, number), (Kind::Read, number)];
        let reads = [(Kind::Read, 1), (Kind::Read, 1), (Kind::Read, 2)];
        let seen = [&opened(1)[..], &opened(2), &reads, &[(Kind::Closed, 2)]].concat();
        assert_eq!(kinds(&mut observer), seen);
    }

    #[test]
    fn idle_sessions_end_and_used_ones_stay() {
        let (mut sessions, _) = sessions(100, 10);
        for number in 0..3 {
            let peer = peer(number);
            sessions.on_datagram(&datagram(&peer, b""), at(u64::from(number)), |_| 0);
        }
        sessions.of_peer(&peer(0), at(50)).unwrap();
        assert_eq!(sessions.expire(at(100)), Some(at(101)));
        assert_eq!(
            (sessions.len(), sessions.expire(at(102))),
            (3, Some(at(150)))
        );
        assert_eq!(sessions.len(), 1);
        assert_eq!(
            (sessions.expire(at(150)), sessions.is_empty()),
            (None, true)
        );
    }

    #[test]
    fn at_the_limit_the_session_that_was_idle_longest_makes_room() {
        let (mut sessions, recorder) = sessions(1000, 2);
        for number in [1, 2, 1, 3] {
            let peer = peer(number);
            sessions.on_datagram(&datagram(&peer, b""), at(0), |_| 0);
        }
        let mut observer = recorder.observe();
        sessions.on_datagram(&datagram(&peer(4), b""), at(7), |_| 0);
        let mut reasons = vec![];
        observer.drain_all(|event, payload| {
            if event.kind() == Kind::Closed {
                reasons.push((event.conn().number(), Closing::from_payload(payload).reason));
            }
        });
        assert_eq!(
            reasons,
            [(
                1,
                "2 sessions are the limit, it was idle longest".to_owned()
            )]
        );
        let left: Vec<u16> = (0..5)
            .filter(|n| sessions.of_peer(&peer(*n), at(8)).is_some())
            .collect();
        assert_eq!(left, [3, 4]);
    }

    #[test]
    fn what_was_cut_and_what_the_guard_refuses_is_recorded() {
        let (mut sessions, recorder) = sessions(1000, 2);
        let mut observer = recorder.observe();
        let (peer, mut batch) = (peer(1), SendBatch::default());
        let mut cut = datagram(&peer, b"1024");
        cut.full_len = 2000;
        let mut session = sessions.on_datagram(&cut, at(1), |_| 0);
        session.answers.push(&mut batch, b"fits").unwrap();
        let refusal = session.answers.push(&mut batch, b"x").unwrap_err();
        assert_eq!(refusal, Refusal::Amplifies { got: 4, sent: 5 });
        assert_eq!((batch.len(), batch.bytes()), (1, 4));
        let mut seen = vec![];
        observer.drain_all(|event, payload| {
            let text = String::from_utf8_lossy(payload).into_owned();
            seen.push((event.kind(), event.offset, event.result, event.asked, text));
        });
        assert_eq!(seen[2], (Kind::Truncated, 0, 4, 2000, String::new()));
        let why = "the peer sent 4 bytes and would get 5".to_owned();
        assert_eq!(seen[3], (Kind::Dropped, 4, -libc::EPERM, 1, why));
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Datagram(u16),
        End(u16),
        Expire,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0_u16..12).prop_map(Step::Datagram),
            1 => (0_u16..12).prop_map(Step::End),
            1 => Just(Step::Expire),
        ]
    }

    proptest! {
        /// The sessions are what a plain list in the order of use would be.
        #[test]
        fn sessions_are_as_a_plain_list(
            steps in prop::collection::vec((step(), 0_u64..60), 1..200), count in 1_usize..8,
        ) {
            const IDLE: u64 = 100;
            let (mut sessions, _) = sessions(IDLE, count);
            let (mut plain, mut now): (Vec<(u16, u64)>, u64) = (vec![], 0);
            for (step, later) in steps {
                now += later;
                match step {
                    Step::Datagram(number) => {
                        let peer = peer(number);
                        sessions.on_datagram(&datagram(&peer, b"x"), at(now), |_| 0);
                        let before = plain.len();
                        plain.retain(|(other, _)| *other != number);
                        if plain.len() == before && before == count {
                            plain.remove(0);
                        }
                        plain.push((number, now));
                    }
                    Step::End(number) => {
                        let before = plain.len();
                        plain.retain(|(other, _)| *other != number);
                        let ended = sessions.end(&peer(number), at(now), "").is_some();
                        prop_assert_eq!(ended, plain.len() < before);
                    }
                    Step::Expire => {
                        plain.retain(|(_, used)| now < used + IDLE);
                        let next = plain.first().map(|(_, used)| at(used + IDLE));
                        prop_assert_eq!(sessions.expire(at(now)), next);
                    }
                }
                prop_assert_eq!(sessions.len(), plain.len());
            }
            // Ending them shows the order, the longest idle one first.
            let mut order = vec![];
            while sessions.oldest != NONE {
                let (_, ledger) = sessions.session(sessions.oldest);
                order.push(ledger.route.to.inet().unwrap().port() - 1024);
                sessions.remove(sessions.oldest, at(now), String::new());
            }
            prop_assert_eq!(order, plain.iter().map(|(number, _)| *number).collect::<Vec<_>>());
        }
    }
}
