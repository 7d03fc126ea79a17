//! A task is back from a call that moves bytes: what came of it?

use sockeye_trace::{Address, Call, ConnId, Fact, Kind, TcpState, Time};

use super::entry::{MessageHeader, Outgoing, Pending, Room, Work};
use super::fds::Meaning;
use super::memory::{Memory, PARTS_MAX, Part, half, total, word};
use super::view::{Stop, event};

/// Results from −512 to −516 never reach a program: the call starts again, or ends as EINTR
/// (include/linux/errno.h, ERESTARTSYS and its kin).
const RESTARTS: std::ops::RangeInclusive<i64> = -516..=-512;
/// Ancillary data that is looked at; SCM_RIGHTS carries at most 253 descriptors.
const CONTROL_MAX: usize = 4096;

/// One move of bytes, ready to be told.
struct Move<'a> {
    kind: Kind,
    result: i64,
    asked: u32,
    flags: u32,
    other: Address,
    data: &'a [u8],
}

impl Stop<'_, '_> {
    /// Tells what a call did that returned `result` at `at`.
    pub(super) fn leave(&mut self, mut pending: Pending, result: i64, at: Time) {
        if RESTARTS.contains(&result) {
            // A released descriptor stays released.
            if let Work::Close(_) = pending.work {
                self.leave_close(pending, 0, at);
            }
            return;
        }
        match std::mem::replace(&mut pending.work, Work::Life) {
            Work::Out(messages) => self.leave_out(&pending, &messages, result, at),
            Work::In(room) => self.leave_in(&pending, room, result, at),
            Work::InMany { headers, count } => {
                self.leave_many(&pending, headers, count, result, at);
            }
            Work::Pass => self.leave_pass(&pending, result, at),
            Work::Close(removed) => {
                pending.work = Work::Close(removed);
                self.leave_close(pending, result, at);
            }
            Work::Life => self.leave_life(&pending, result, at),
            Work::NewRing => self.made_ring(result),
            Work::Ring { ring, order } => self.leave_ring(ring, &order, result, at),
            Work::Opcode(name) => self.leave_opcode(&pending, &name, result, at),
        }
    }

    fn leave_out(&mut self, pending: &Pending, messages: &[Outgoing], result: i64, at: Time) {
        let flags = pending.flags();
        let many = pending.call == Call::Sendmmsg;
        // Of many messages, as many as the result says went out, each in full; the kernel keeps the
        // length of each behind its header.
        let told = match result {
            sent @ 1.. if many => messages.len().min(sent as usize),
            _ => 1,
        };
        for (index, message) in messages.iter().take(told).enumerate() {
            let result = match result {
                1.. if many => self.many_len(pending.args[1], index),
                result => result,
            };
            let kept = message.data.len().min(usize::try_from(result).unwrap_or(0));
            let moved = Move {
                kind: Kind::Write,
                result,
                asked: match (pending.call, result) {
                    // What was asked is not told there.
                    (Call::UringSend, 1..) if message.asked == 0 => result as u32,
                    _ => message.asked,
                },
                flags,
                other: message.to.clone(),
                data: &message.data[..kept],
            };
            self.tell_move(pending, &moved, at);
        }
    }

    /// How many bytes of the message with this index moved.
    fn many_len(&self, headers: u64, index: usize) -> i64 {
        let at = headers + (index * MessageHeader::MANY_SIZE + MessageHeader::SIZE) as u64;
        Memory::of(self.tid).int(at).unwrap_or(0).into()
    }

    fn leave_in(&mut self, pending: &Pending, room: Room, result: i64, at: Time) {
        let memory = Memory::of(self.tid);
        let (parts, header) = match room {
            Room::Buffer { part, .. } if pending.call == Call::UringRecv => {
                // What was asked is not told there.
                let len = result.max(0).cast_unsigned();
                (vec![Part { len, ..part }], MessageHeader::default())
            }
            Room::Buffer { part, .. } => (vec![part], MessageHeader::default()),
            Room::Parts { address, count } => (
                memory.parts(address, count).unwrap_or_default(),
                MessageHeader::default(),
            ),
            Room::Header(address) => {
                let header = memory.bytes(address, MessageHeader::SIZE as u64, MessageHeader::SIZE);
                let header = MessageHeader::parse(&header);
                (
                    memory.parts(header.parts, header.count).unwrap_or_default(),
                    header,
                )
            }
        };
        let mut header = header;
        if let Room::Buffer { name, name_len, .. } = room
            && name != 0
            && result >= 0
        {
            let len = memory.int(name_len).unwrap_or(0);
            header.name = Part {
                address: name,
                len: u64::from(len.cast_unsigned()),
            };
        }
        self.took(pending, &parts, &header, result, at);
    }

    fn leave_many(&mut self, pending: &Pending, headers: u64, count: u64, result: i64, at: Time) {
        let memory = Memory::of(self.tid);
        let size = MessageHeader::MANY_SIZE;
        let told = match u64::try_from(result) {
            Ok(got) => got.min(count).min(PARTS_MAX as u64),
            Err(_) => 1,
        };
        let headers = memory.bytes(headers, told * size as u64, PARTS_MAX * size);
        for bytes in headers.chunks_exact(size) {
            let header = MessageHeader::parse(bytes);
            let parts = memory.parts(header.parts, header.count).unwrap_or_default();
            let result = if result < 0 {
                result
            } else {
                half(bytes, MessageHeader::SIZE).into()
            };
            self.took(pending, &parts, &header, result, at);
        }
    }

    /// Tells of one read.
    fn took(
        &mut self,
        pending: &Pending,
        parts: &[Part],
        header: &MessageHeader,
        result: i64,
        at: Time,
    ) {
        let asked = total(parts);
        let given = result.clamp(0, asked.into()).cast_unsigned();
        let (cap, flags) = (self.view.cap(), pending.flags());
        let stream = self
            .view
            .sockets
            .get(&pending.cookie)
            .is_none_or(|it| !it.identity.datagrams);
        // With MSG_TRUNC, TCP throws away what it counts, and a datagram counts in full.
        let thrown = flags & libc::MSG_TRUNC as u32 != 0;
        let data = if stream && thrown {
            vec![]
        } else {
            Memory::of(self.tid).gather(parts, given.min(cap))
        };
        let mut told = flags;
        if !stream {
            // As a flag that was given it asks for the full length; as one that is told it says that
            // the room was too small.
            told &= !(libc::MSG_TRUNC as u32);
            told |= if result > i64::from(asked) {
                libc::MSG_TRUNC as u32
            } else {
                0
            };
        }
        let mut other = Address::None;
        if result >= 0 {
            told |= header.flags;
            if !stream {
                other = self.name_at(header.name.address, header.name.len);
            }
            self.received_descriptors(header);
        }
        let moved = Move {
            kind: Kind::Read,
            result: if stream || result < 0 {
                result
            } else {
                given.cast_signed()
            },
            asked,
            flags: told,
            other,
            data: &data,
        };
        self.tell_move(pending, &moved, at);
    }

    /// Descriptors that came with SCM_RIGHTS have numbers that may have been known as something else.
    fn received_descriptors(&mut self, header: &MessageHeader) {
        if header.control.address == 0 || header.control.len == 0 {
            return;
        }
        let part = header.control;
        let control = Memory::of(self.tid).bytes(part.address, part.len, CONTROL_MAX);
        for fd in rights(&control) {
            let removed = self.process.table.borrow().borrow_mut().remove(fd);
            if let Some(removed) = removed.filter(|removed| removed.last) {
                self.view.release(removed.cookie);
            }
        }
    }

    /// sendfile and splice: the bytes never pass the program's memory.
    fn leave_pass(&mut self, pending: &Pending, result: i64, at: Time) {
        let (kind, asked) = match pending.call {
            Call::Sendfile => (Kind::Write, pending.args[3]),
            Call::SpliceOut => (Kind::Write, pending.args[4]),
            _ => (Kind::Read, pending.args[4]),
        };
        let moved = Move {
            kind,
            result,
            asked: u32::try_from(asked).unwrap_or(u32::MAX),
            flags: 0,
            other: Address::None,
            data: &[],
        };
        self.tell_move(pending, &moved, at);
    }

    fn tell_move(&mut self, pending: &Pending, moved: &Move<'_>, at: Time) {
        let state = self.look_again(pending, moved, at);
        let bytes = u64::try_from(moved.result).unwrap_or(0);
        let out = moved.kind == Kind::Write;
        let stays = (libc::MSG_PEEK | libc::MSG_ERRQUEUE) as u32;
        let (mut offset, mut text) = (0, String::new());
        if let Some(socket) = self.view.sockets.get_mut(&pending.cookie) {
            let sum = if out {
                &mut socket.written
            } else {
                &mut socket.read
            };
            offset = *sum;
            if out || moved.flags & stays == 0 {
                *sum += bytes;
            }
            if socket.identity.datagrams && moved.other != socket.about.peer {
                text = moved.other.to_string();
            }
        }
        let mut event = event(
            moved.kind,
            pending.conn,
            (pending.entered, at),
            moved.result,
        )
        .with_call(pending.call)
        .with_offset(offset)
        .with_asked(moved.asked);
        event.payload = moved.data.len() as u32;
        (self.sink)(&Fact {
            event,
            thread: self.tid.cast_unsigned(),
            flags: moved.flags,
            state,
            text: &text,
            data: moved.data,
        });
    }

    /// Asks the kernel about the socket where the call may have changed something, or where the caller
    /// wants to know how full it is.
    fn look_again(&mut self, pending: &Pending, moved: &Move<'_>, at: Time) -> TcpState {
        let (gauges, wire) = (self.view.options.gauges, self.view.options.infer_wire);
        let fd = pending.fd();
        let Some(socket) = self.view.sockets.get_mut(&pending.cookie) else {
            return TcpState::Unknown;
        };
        let unsettled = moved.result >= 0 && socket.is_unsettled();
        // The end of a stream, or an error that says more than "not now".
        let turn = moved.result <= 0 && moved.asked > 0 && moved.result != -i64::from(libc::EAGAIN);
        if !(gauges || wire || unsettled || turn) {
            return TcpState::Unknown;
        }
        // Another thread may have closed it, and its number may mean another socket by now.
        let meaning = self.process.table.borrow().borrow().meaning(fd);
        if meaning != Meaning::Socket(pending.cookie) {
            return TcpState::Unknown;
        }
        let Ok(copy) = self.process.copy_of(fd) else {
            return TcpState::Unknown;
        };
        let info = copy.tcp();
        let gauge = if gauges && info.is_some() {
            copy.gauge()
        } else {
            None
        };
        if unsettled {
            let (local, peer) = (copy.local(), copy.peer());
            drop(copy);
            self.settle(pending.cookie, local, peer);
        } else {
            drop(copy);
        }
        if wire && let Some(info) = info {
            self.infer(pending.cookie, pending.conn, info, at);
        }
        if let Some(gauge) = gauge {
            let data = gauge.to_payload();
            let event = event(Kind::Gauged, pending.conn, (at, at), 0);
            (self.sink)(&Fact {
                data: &data,
                ..Fact::new(event)
            });
        }
        let state = info.map(|info| info.state).unwrap_or_default();
        self.state_known(pending.cookie, state)
    }

    /// Notes addresses that the kernel has chosen, and tells of them.
    pub(super) fn settle(&mut self, cookie: u64, local: Address, peer: Address) -> ConnId {
        if let Some(socket) = self.view.sockets.get_mut(&cookie) {
            socket.change(|about| {
                if !local.is_none() {
                    about.local = local;
                }
                if !peer.is_none() {
                    about.peer = peer;
                }
            });
        }
        self.side(cookie)
    }
}

impl Pending {
    /// The descriptor that the call is about.
    pub(super) fn fd(&self) -> i32 {
        match self.call {
            Call::SpliceOut => self.args[2] as i32,
            _ => self.args[0] as i32,
        }
    }

    /// `MSG_*` as the program gave them.
    fn flags(&self) -> u32 {
        match self.call {
            Call::Sendmsg | Call::Recvmsg => self.args[2] as u32,
            Call::Sendto
            | Call::Recvfrom
            | Call::Sendmmsg
            | Call::Recvmmsg
            | Call::UringSend
            | Call::UringRecv => self.args[3] as u32,
            _ => 0,
        }
    }
}

/// The descriptors in ancillary data (struct cmsghdr, `SCM_RIGHTS`).
fn rights(control: &[u8]) -> Vec<i32> {
    const HEADER: usize = 16;
    let mut fds = vec![];
    let mut rest = control;
    while rest.len() >= HEADER {
        let len = usize::try_from(word(rest, 0)).unwrap_or(usize::MAX);
        if len < HEADER || len > rest.len() {
            break;
        }
        let (level, kind) = (half(rest, 8).cast_signed(), half(rest, 12).cast_signed());
        if (level, kind) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
            let numbers = rest[HEADER..len].chunks_exact(4);
            fds.extend(numbers.map(|fd| half(fd, 0).cast_signed()));
        }
        rest = rest.get(len.next_multiple_of(8)..).unwrap_or_default();
    }
    fds
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn descriptors_are_found_in_ancillary_data() {
        let mut control = vec![];
        for (level, kind, body) in [
            (libc::SOL_SOCKET, libc::SCM_CREDENTIALS, &[1; 12][..]),
            (
                libc::SOL_SOCKET,
                libc::SCM_RIGHTS,
                &[5, 0, 0, 0, 9, 0, 0, 0],
            ),
        ] {
            control.extend((16 + body.len() as u64).to_ne_bytes());
            control.extend(level.to_ne_bytes());
            control.extend(kind.to_ne_bytes());
            control.extend(body);
            control.resize(control.len().next_multiple_of(8), 0);
        }
        assert_eq!(rights(&control), [5, 9]);
        control[0] = 0;
        assert_eq!(rights(&control), [0; 0]);
    }

    proptest! {
        #[test]
        fn any_ancillary_data_ends(control in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(rights(&control).len() <= control.len() / 4);
        }

        #[test]
        fn any_header_is_read(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = MessageHeader::parse(&bytes);
        }
    }
}
