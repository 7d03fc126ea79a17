//! What is known of the sockets of all watched programs, and the facts that are told of them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::os::fd::AsFd as _;
use std::rc::Rc;

use sockeye_trace::{
    Address, Call, ConnId, Event, Fact, Gap, Kind, Side, TcpState, Time, Transport,
};

use super::fds::{Hold, Meaning, Removed};
use super::socket::{Copy, Identity, TcpInfo};
use super::task::{Network, Process};
use super::{Notice, Options, Sink};
use crate::sockets::Diag;

/// In so many networks sockets are asked about at once; each takes a quarter of a megabyte.
const NETWORKS: usize = 16;

/// What is told of a close that is the end of the process.
pub(super) const EXIT: &str = "exit";

/// A socket, however many processes hold it.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) identity: Identity,
    /// What is told of it; `id`, `pid` and `fd` are those of each hold.
    pub(super) about: Side,
    /// Counts the changes of `about`.
    version: u32,
    /// How many tables hold it.
    tables: usize,
    /// Somebody told of it.
    told: bool,
    /// Bytes read from it and written to it so far, from the start of the connection.
    pub(super) read: u64,
    pub(super) written: u64,
    /// What the wire carried when it was last asked: bytes and segments.
    wire: (u64, u32),
    /// Its addresses were asked for after its first successful call.
    settled: bool,
}

impl Socket {
    /// Notes a change that is to be told.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Side)) {
        let before = self.about.clone();
        change(&mut self.about);
        if self.about != before {
            self.version += 1;
        }
    }

    /// Whether its own address is still open: nobody bound it, and the kernel had no reason to.
    pub(super) fn is_unsettled(&mut self) -> bool {
        let open = match self.about.local.port() {
            Some(port) => port == 0,
            None => self.about.local.is_none(),
        };
        self.identity.transport.has_wire() && open && !std::mem::replace(&mut self.settled, true)
    }
}

/// The state of the watch that no task owns.
#[derive(Debug)]
pub(super) struct View {
    pub(super) options: Options,
    pub(super) sockets: HashMap<u64, Socket>,
    last_side: u64,
    /// Gaps that were told, by what and process.
    gaps: HashSet<(&'static str, i32)>,
    pub(super) notices: VecDeque<Notice>,
    /// Ask about sockets that no descriptor leads to any more, in each network; opened at their first
    /// use, none where that is barred.
    diags: HashMap<Network, Option<Diag>>,
}

/// A task that is stopped, with all that is needed to tell what it does.
pub(super) struct Stop<'a, 's> {
    pub(super) view: &'a mut View,
    pub(super) process: &'a Rc<Process>,
    pub(super) tid: i32,
    pub(super) sink: Sink<'s>,
}

/// The time now, on the clock of packet time stamps.
pub(super) fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Time::default() + since.unwrap_or_default()
}

impl View {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            sockets: HashMap::new(),
            last_side: 0,
            gaps: HashSet::new(),
            notices: VecDeque::new(),
            diags: HashMap::new(),
        }
    }

    /// Bytes of a call that are kept.
    pub(super) fn cap(&self) -> u64 {
        self.options.payload_cap.min(Options::PAYLOAD_MAX) as u64
    }

    /// A way to ask about a process's sockets by their names; none where the kernel has none, or where its
    /// network may not be entered.
    fn diag(&mut self, process: &Process) -> Option<&mut Diag> {
        let network = process.network()?;
        if self.diags.len() >= NETWORKS && !self.diags.contains_key(&network) {
            self.diags.clear();
        }
        let diag = self.diags.entry(network).or_insert_with(|| {
            if Network::of("self") == Some(network) {
                return Diag::open().ok();
            }
            let there = File::open(Network::path(&process.pid.to_string())).ok()?;
            Diag::open_in(there.as_fd()).ok()
        });
        diag.as_mut()
    }

    /// The TCP state of a socket that its own process cannot be asked about any more: what goes on
    /// after a close, and the wait for late packets, happens without it.
    pub(super) fn state_by_name(&mut self, process: &Process, cookie: u64) -> TcpState {
        let Some(socket) = self.sockets.get(&cookie) else {
            return TcpState::Unknown;
        };
        if socket.identity.transport != Transport::Tcp {
            return TcpState::Unknown;
        }
        let (Address::Ip(local), Address::Ip(peer)) = (&socket.about.local, &socket.about.peer)
        else {
            return TcpState::Close;
        };
        let (local, peer) = (*local, *peer);
        let found = self
            .diag(process)
            .and_then(|diag| diag.tcp(local, peer).ok());
        match found {
            None => TcpState::Unknown,
            // Its names may belong to the next connection by now.
            Some(found) => found
                .filter(|found| found.cookie == cookie)
                .map_or(TcpState::Close, |found| found.state),
        }
    }

    /// The socket at the other end of a Unix socket; 0 where the kernel does not tell.
    pub(super) fn twin_of(&mut self, process: &Process, inode: u32) -> u64 {
        let Some(diag) = self.diag(process) else {
            return 0;
        };
        let own = diag.unix(inode).ok().flatten();
        let other = own.filter(|own| own.peer_inode != 0);
        let other = other.and_then(|own| diag.unix(own.peer_inode).ok().flatten());
        other.map_or(0, |other| other.cookie)
    }

    /// One table more holds each of `sockets`.
    pub(super) fn hold_all(&mut self, sockets: impl Iterator<Item = u64>) {
        for cookie in sockets {
            if let Some(socket) = self.sockets.get_mut(&cookie) {
                socket.tables += 1;
            }
        }
    }

    /// One table less holds a socket; one that nobody holds is forgotten. Returns whether it is.
    pub(super) fn release(&mut self, cookie: u64) -> bool {
        let Some(socket) = self.sockets.get_mut(&cookie) else {
            return true;
        };
        socket.tables = socket.tables.saturating_sub(1);
        let gone = socket.tables == 0;
        if gone {
            self.sockets.remove(&cookie);
        }
        gone
    }
}

impl Stop<'_, '_> {
    /// The socket that `fd` means, looked up if nobody asked yet. None: no socket, or not to be seen.
    pub(super) fn socket_at(&mut self, fd: i32) -> Option<u64> {
        let meaning = self.process.table.borrow().borrow().meaning(fd);
        match meaning {
            Meaning::Plain => None,
            Meaning::Socket(cookie) => Some(cookie),
            Meaning::Unknown => self.look_up(fd),
        }
    }

    fn look_up(&mut self, fd: i32) -> Option<u64> {
        let copy = self.process.copy_of(fd).ok()?;
        let Some(identity) = copy.identity() else {
            self.process.table.borrow().borrow_mut().put_plain(fd);
            return None;
        };
        if !self.view.sockets.contains_key(&identity.cookie) {
            self.meet(&copy, identity);
        }
        drop(copy);
        self.put(fd, identity.cookie);
        Some(identity.cookie)
    }

    /// Notes a socket that was made before we looked.
    fn meet(&mut self, copy: &Copy, identity: Identity) {
        let mut about = Side {
            local: copy.local(),
            peer: copy.peer(),
            listening: copy.is_listening(),
            ..Side::default()
        };
        let mut wire = (0, 0);
        let fresh = about.local.is_none() && about.peer.is_none();
        match copy.tcp() {
            _ if about.listening => {}
            Some(info) => {
                let unread = copy.unread().unwrap_or(0);
                about.read_before = info.received.saturating_sub(unread.into());
                about.written_before = info.sent + u64::from(info.unsent);
                wire = (info.sent, info.data_segs_out);
            }
            None => about.midway = !fresh,
        }
        if about.midway && !identity.datagrams && !self.process.started {
            self.gap(
                "attached-midway",
                "how many bytes passed before is not known",
            );
        }
        self.add(identity, about, wire);
    }

    /// Notes a socket that a call has just made at `fd`.
    pub(super) fn made(&mut self, fd: i32, change: impl FnOnce(&mut Side)) -> Option<u64> {
        let copy = self.process.copy_of(fd).ok()?;
        let identity = copy.identity()?;
        let mut about = Side {
            local: copy.local(),
            peer: copy.peer(),
            ..Side::default()
        };
        let inode = copy.inode();
        drop(copy);
        change(&mut about);
        if about.accepted && !identity.transport.has_wire() {
            about.twin = inode.map_or(0, |inode| self.view.twin_of(self.process, inode));
        }
        self.add(identity, about, (0, 0));
        // What the table said of this number was closed behind our back.
        if let Some(stale) = self.put(fd, identity.cookie).filter(|stale| stale.last) {
            self.view.release(stale.cookie);
        }
        Some(identity.cookie)
    }

    fn add(&mut self, identity: Identity, mut about: Side, wire: (u64, u32)) {
        about.socket = identity.cookie;
        about.transport = identity.transport;
        let socket = Socket {
            identity,
            version: 1,
            tables: 0,
            told: false,
            read: about.read_before,
            written: about.written_before,
            wire,
            settled: false,
            about,
        };
        self.view.sockets.insert(identity.cookie, socket);
    }

    /// Says that `fd` means a socket that is known.
    pub(super) fn put(&mut self, fd: i32, cookie: u64) -> Option<Removed> {
        let (removed, first) = self.process.table.borrow().borrow_mut().put(fd, cookie);
        if first && let Some(socket) = self.view.sockets.get_mut(&cookie) {
            socket.tables += 1;
        }
        removed
    }

    /// The side of this process on a socket, told now if it has news.
    pub(super) fn side(&mut self, cookie: u64) -> ConnId {
        let table = self.process.table.borrow().clone();
        let mut table = table.borrow_mut();
        match table.hold(cookie) {
            Some(hold) => self.tell(cookie, hold),
            // Closed by another thread meanwhile.
            None => ConnId::default(),
        }
    }

    /// Tells of a hold what has not been told of it.
    pub(super) fn tell(&mut self, cookie: u64, hold: &mut Hold) -> ConnId {
        let Some(socket) = self.view.sockets.get_mut(&cookie) else {
            return ConnId::default();
        };
        let id = *hold.side.get_or_insert_with(|| {
            self.view.last_side += 1;
            hold.told = 0;
            self.view.last_side
        });
        if hold.told != socket.version {
            hold.told = socket.version;
            socket.told = true;
            let side = Side {
                id,
                pid: self.process.pid.cast_unsigned(),
                fd: hold.fd,
                ..socket.about.clone()
            };
            describe(Kind::Side, side.conn(), &side, self.sink);
        }
        ConnId::new(id)
    }

    /// Tells of a call that moves no bytes.
    pub(super) fn tell_call(
        &mut self,
        call: Call,
        conn: ConnId,
        span: (Time, Time),
        result: i64,
        text: &str,
        state: TcpState,
    ) {
        let event = event(Kind::Called, conn, span, result).with_call(call);
        let fact = Fact {
            thread: self.tid.cast_unsigned(),
            state,
            text,
            ..Fact::new(event)
        };
        (self.sink)(&fact);
    }

    /// Tells that something could not be seen, once for a process.
    pub(super) fn gap(&mut self, what: &'static str, detail: &str) {
        if self.view.gaps.insert((what, self.process.pid)) {
            let gap = Gap {
                what: what.to_owned(),
                count: 1,
                pid: self.process.pid.cast_unsigned(),
                detail: detail.to_owned(),
            };
            describe(Kind::Gap, ConnId::default(), &gap, self.sink);
        }
    }

    /// Tells that a hold on a socket is over, for whatever reason; it must be out of the table.
    pub(super) fn over(
        &mut self,
        removed: &mut Removed,
        span: (Time, Time),
        result: i64,
        text: &str,
    ) {
        let conn = self.tell(removed.cookie, &mut removed.hold);
        if !removed.last {
            let duplicate = if text.is_empty() { "duplicate" } else { text };
            return self.tell_call(
                Call::Close,
                conn,
                span,
                result,
                duplicate,
                TcpState::Unknown,
            );
        }
        // A process that is about to end has its descriptors still.
        let state = if text == EXIT {
            TcpState::Unknown
        } else {
            self.view.state_by_name(self.process, removed.cookie)
        };
        self.tell_call(Call::Close, conn, span, result, text, state);
        self.view.release(removed.cookie);
    }

    /// The exec of a new program has closed a descriptor.
    pub(super) fn closed_by_exec(&mut self, removed: &mut Removed) {
        if removed.hold.side.is_some() {
            let at = now();
            self.over(removed, (at, at), 0, "exec");
        } else if removed.last {
            self.view.release(removed.cookie);
        }
    }

    /// The process gives up its whole table.
    pub(super) fn all_over(&mut self, holds: Vec<(u64, Hold)>, text: &str) {
        let at = now();
        for (cookie, hold) in holds {
            let last = self.view.sockets.get(&cookie);
            let last = last.is_some_and(|socket| socket.tables == 1 && socket.told);
            // What a child inherited and never touched is worth a word only where its end ends the socket.
            if hold.side.is_some() || last {
                let mut removed = Removed {
                    cookie,
                    hold,
                    last: true,
                };
                self.over(&mut removed, (at, at), 0, text);
            } else {
                self.view.release(cookie);
            }
        }
    }

    /// The state of a socket that says `told` of itself: one that has left the connection says that it is
    /// closed, whatever its last packets are still waiting for.
    pub(super) fn state_known(&mut self, cookie: u64, told: TcpState) -> TcpState {
        let socket = self.view.sockets.get(&cookie);
        let connected = socket.is_some_and(|socket| !socket.about.peer.is_none());
        if told != TcpState::Close || !connected {
            return told;
        }
        match self.view.state_by_name(self.process, cookie) {
            TcpState::Unknown => told,
            state => state,
        }
    }

    /// Tells what the wire has carried since the last time.
    pub(super) fn infer(&mut self, cookie: u64, conn: ConnId, info: TcpInfo, at: Time) {
        let Some(socket) = self.view.sockets.get_mut(&cookie) else {
            return;
        };
        let (sent, segments) = socket.wire;
        if info.sent <= sent {
            return;
        }
        socket.wire = (info.sent, info.data_segs_out);
        let event = event(Kind::Inferred, conn, (at, at), (info.sent - sent) as i64)
            .with_offset(sent)
            .with_asked(info.data_segs_out.wrapping_sub(segments));
        (self.sink)(&Fact {
            thread: self.tid.cast_unsigned(),
            state: info.state,
            ..Fact::new(event)
        });
    }
}

/// An event of a call that lasted from the first to the second of `span`.
pub(super) fn event(kind: Kind, conn: ConnId, span: (Time, Time), result: i64) -> Event {
    let (entered, left) = span;
    let mut event = Event::new(kind, conn, left)
        .with_result(i32::try_from(result).unwrap_or(if result < 0 { i32::MIN } else { i32::MAX }));
    event.took_ns = u32::try_from(left.since(entered).as_nanos()).unwrap_or(u32::MAX);
    event
}

/// Tells a description.
pub(super) fn describe<T: serde::Serialize>(kind: Kind, conn: ConnId, what: &T, sink: Sink<'_>) {
    // Descriptions have text keys and finite numbers, so JSON takes them.
    let text = serde_json::to_string(what).unwrap_or_default();
    sink(&Fact {
        text: &text,
        ..Fact::new(Event::new(kind, conn, now()))
    });
}
