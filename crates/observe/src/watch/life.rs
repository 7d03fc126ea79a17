//! A task is back from a call that moves no bytes: sockets are made, named, joined and given up.

use sockeye_trace::{Address, Call, ConnId, Side, TcpState, Time};

use super::Notice;
use super::decode::{accept_flags, option_text, shutdown_how, socket_text, status_flags};
use super::entry::{Pending, Work};
use super::memory::{Memory, half};
use super::view::Stop;

/// The longest option value that is looked at.
const OPTION_MAX: usize = 256;

impl Stop<'_, '_> {
    /// Tells of a call about the socket itself.
    pub(super) fn leave_life(&mut self, pending: &Pending, result: i64, at: Time) {
        let args = pending.args;
        let int = |index: usize| args[index] as i32;
        match pending.call {
            Call::Untold => self.leave_unshare(result),
            Call::Close => self.leave_close_range(pending, result, at),
            Call::Socket => {
                let text = socket_text(int(0), int(1), int(2));
                let cookie = self.new_socket(result, |_| {});
                self.told(pending, cookie, result, at, &text);
            }
            Call::Socketpair => self.leave_socketpair(pending, result, at),
            Call::Accept | Call::Accept4 | Call::UringAccept => {
                self.leave_accept(pending, result, at);
            }
            Call::Dup => self.leave_dup(pending, result, at),
            Call::Bind | Call::Connect | Call::UringConnect => {
                self.leave_naming(pending, result, at);
            }
            Call::Listen => {
                let text = format!("backlog {}", int(1));
                self.now_named(pending, result, None);
                let state = self.told(pending, Some(pending.cookie), result, at, &text);
                if result >= 0 && state != TcpState::Close {
                    self.now_listening(pending.cookie);
                }
            }
            Call::Shutdown => {
                self.told(
                    pending,
                    Some(pending.cookie),
                    result,
                    at,
                    &shutdown_how(int(1)),
                );
            }
            _ => {
                let text = self.asking_text(pending, result);
                self.told(pending, Some(pending.cookie), result, at, &text);
            }
        }
    }

    fn memory_here(&self) -> Memory {
        Memory::of(self.tid)
    }

    /// Tells of an operation of io_uring by its name.
    pub(super) fn leave_opcode(&mut self, pending: &Pending, name: &str, result: i64, at: Time) {
        let cookie = match name {
            "SOCKET" => self.new_socket(result, |_| {}),
            _ => Some(pending.cookie),
        };
        self.told(pending, cookie, result, at, name);
    }

    /// The arguments of a call that asks or sets something.
    fn asking_text(&self, pending: &Pending, result: i64) -> String {
        let memory = self.memory_here();
        let args = pending.args;
        let int = |index: usize| args[index] as i32;
        match pending.call {
            Call::Setsockopt => {
                let value = memory.bytes(args[3], u64::from(args[4] as u32), OPTION_MAX);
                option_text(int(1), int(2), &value)
            }
            Call::Getsockopt => {
                let len = if result < 0 {
                    0
                } else {
                    memory.int(args[4]).unwrap_or(0)
                };
                let value = memory.bytes(args[3], len.max(0) as u64, OPTION_MAX);
                option_text(int(1), int(2), &value)
            }
            Call::Getsockname | Call::Getpeername if result >= 0 => {
                let len = memory.int(args[2]).unwrap_or(0);
                self.name(args[1], len.max(0) as u64).to_string()
            }
            Call::Fcntl => format!("F_SETFL {}", status_flags(int(2))),
            Call::Ioctl => format!("FIONBIO {}", memory.int(args[2]).unwrap_or(0)),
            _ => String::new(),
        }
    }

    /// Tells of a call on a socket, with its TCP state after it.
    fn told(
        &mut self,
        pending: &Pending,
        cookie: Option<u64>,
        result: i64,
        at: Time,
        text: &str,
    ) -> TcpState {
        let (conn, state) = match cookie {
            Some(cookie) if cookie != 0 => (self.side(cookie), self.state_of(cookie)),
            _ => (ConnId::default(), TcpState::Unknown),
        };
        self.tell_call(
            pending.call,
            conn,
            (pending.entered, at),
            result,
            text,
            state,
        );
        state
    }

    fn state_of(&mut self, cookie: u64) -> TcpState {
        let is_tcp =
            |it: &super::view::Socket| it.identity.transport == sockeye_trace::Transport::Tcp;
        if !self.view.sockets.get(&cookie).is_some_and(is_tcp) {
            return TcpState::Unknown;
        }
        let fd = self
            .process
            .table
            .borrow()
            .borrow_mut()
            .hold(cookie)
            .map(|hold| hold.fd);
        let copy = fd.and_then(|fd| self.process.copy_of(fd).ok());
        let state = copy.and_then(|copy| copy.tcp()).map(|info| info.state);
        self.state_known(cookie, state.unwrap_or_default())
    }

    /// Notes a socket that a call has made, if it has.
    fn new_socket(&mut self, result: i64, change: impl FnOnce(&mut Side)) -> Option<u64> {
        let fd = i32::try_from(result).ok().filter(|fd| *fd >= 0)?;
        self.made(fd, change)
    }

    fn leave_socketpair(&mut self, pending: &Pending, result: i64, at: Time) {
        let args = pending.args;
        let text = socket_text(args[0] as i32, args[1] as i32, args[2] as i32);
        let ends = self
            .memory_here()
            .array::<8>(args[3])
            .filter(|_| result >= 0);
        let ends = ends.map(|ends| {
            [half(&ends, 0), half(&ends, 4)].map(|fd| self.new_socket(fd.into(), |_| {}))
        });
        let Some([Some(first), Some(second)]) = ends else {
            self.told(pending, None, result, at, &text);
            return;
        };
        for (end, other) in [(first, second), (second, first)] {
            if let Some(socket) = self.view.sockets.get_mut(&end) {
                socket.change(|about| about.twin = other);
            }
            self.side(end);
        }
        self.told(pending, Some(first), result, at, &text);
    }

    fn leave_accept(&mut self, pending: &Pending, result: i64, at: Time) {
        let flags = match pending.call {
            Call::Accept4 | Call::UringAccept => accept_flags(pending.args[3] as i32),
            _ => String::new(),
        };
        let made = self.new_socket(result, |about| about.accepted = true);
        let peer = made.and_then(|cookie| self.view.sockets.get(&cookie));
        let peer = peer
            .map(|socket| socket.about.peer.to_string())
            .unwrap_or_default();
        let comma = if peer.is_empty() || flags.is_empty() {
            ""
        } else {
            ", "
        };
        let text = format!("{peer}{comma}{flags}");
        self.told(
            pending,
            Some(made.unwrap_or(pending.cookie)),
            result,
            at,
            &text,
        );
    }

    fn leave_dup(&mut self, pending: &Pending, result: i64, at: Time) {
        let Ok(fd) = i32::try_from(result) else {
            return;
        };
        if fd < 0 || fd == pending.fd() {
            if pending.cookie != 0 {
                self.told(pending, Some(pending.cookie), result, at, "");
            }
            return;
        }
        let removed = match pending.cookie {
            0 => self.process.table.borrow().borrow_mut().put_plain(fd),
            cookie => self.put(fd, cookie),
        };
        if let Some(mut removed) = removed {
            self.over(&mut removed, (pending.entered, at), 0, "");
        }
        if pending.cookie != 0 {
            self.told(pending, Some(pending.cookie), result, at, "");
        }
    }

    fn leave_naming(&mut self, pending: &Pending, result: i64, at: Time) {
        let name = self.name(pending.args[1], pending.args[2]);
        let connects = pending.call != Call::Bind;
        let begun = result >= 0 || result == -i64::from(libc::EINPROGRESS);
        let peer = (connects && begun).then(|| name.address.clone());
        self.now_named(pending, result, peer);
        self.told(pending, Some(pending.cookie), result, at, &name.to_string());
        let datagrams = self
            .view
            .sockets
            .get(&pending.cookie)
            .is_some_and(|it| it.identity.datagrams);
        if !connects && result >= 0 && datagrams {
            self.now_listening(pending.cookie);
        }
    }

    /// Asks for the addresses that a call may have given the socket.
    fn now_named(&mut self, pending: &Pending, result: i64, peer: Option<Address>) {
        if result < 0 && peer.is_none() {
            return;
        }
        let Ok(copy) = self.process.copy_of(pending.fd()) else {
            return;
        };
        let listening = pending.call == Call::Listen;
        let (local, told) = (copy.local(), copy.peer());
        let inode = copy.inode();
        drop(copy);
        let of_wire = self.view.sockets.get(&pending.cookie);
        let of_wire = of_wire.is_some_and(|it| it.identity.transport.has_wire());
        let twin = match (&peer, inode) {
            (Some(_), Some(inode)) if !of_wire => self.view.twin_of(self.process, inode),
            _ => 0,
        };
        if let Some(socket) = self.view.sockets.get_mut(&pending.cookie) {
            socket.change(|about| {
                about.local = local;
                about.twin = if twin == 0 { about.twin } else { twin };
                about.listening |= listening;
                if let Some(peer) = peer {
                    // An unfinished connect has no peer yet in the kernel's eyes.
                    about.peer = if told.is_none() { peer } else { told };
                }
            });
        }
    }

    /// Peers may come now: the caller may want to start them.
    fn now_listening(&mut self, cookie: u64) {
        let id = self.side(cookie).number();
        let Some(socket) = self.view.sockets.get(&cookie) else {
            return;
        };
        let side = Side {
            id,
            pid: self.process.pid.cast_unsigned(),
            ..socket.about.clone()
        };
        let role = self.process.about.borrow().role.clone();
        self.view
            .notices
            .push_back(Notice::Listening { role, side });
    }

    /// Tells of a close(2) whose descriptor has left the table at its entry.
    pub(super) fn leave_close(&mut self, pending: Pending, result: i64, at: Time) {
        if let Work::Close(mut removed) = pending.work {
            self.over(&mut removed, (pending.entered, at), result, "");
        }
    }

    fn leave_close_range(&mut self, pending: &Pending, result: i64, at: Time) {
        if result < 0 {
            return;
        }
        if pending.args[2] & u64::from(libc::CLOSE_RANGE_UNSHARE) != 0 {
            self.unshare();
        }
        let fds = {
            let table = self.process.table.borrow();
            let table = table.borrow();
            table.range(pending.args[0] as u32, pending.args[1] as u32)
        };
        for fd in fds {
            let removed = self.process.table.borrow().borrow_mut().remove(fd);
            if let Some(mut removed) = removed {
                self.over(&mut removed, (pending.entered, at), result, "");
            }
        }
    }

    fn leave_unshare(&mut self, result: i64) {
        if result >= 0 {
            self.unshare();
        }
    }

    /// The calling task's process has a table of its own from now on.
    fn unshare(&mut self) {
        self.process.unshare(self.view, 1);
    }
}
