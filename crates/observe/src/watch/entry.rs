//! A task is about to make a call: is it about a socket, and what does it hand over?

use sockeye_trace::{Address, Call, ConnId, Time};

use super::Options;
use super::decode::{NAME_MAX, Name};
use super::fds::Removed;
use super::filter::FIONBIO;
use super::memory::{Memory, PARTS_MAX, Part, half, total, word};
use super::view::{Stop, now};

/// A call that has begun.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) call: Call,
    pub(super) args: [u64; 6],
    pub(super) entered: Time,
    /// The socket meant, and the side of this process on it; 0: none.
    pub(super) cookie: u64,
    pub(super) conn: ConnId,
    pub(super) work: Work,
}

/// What a call does.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// It hands over messages (or pieces of a stream), copied here: another thread may change the
    /// program's buffer while the call runs.
    Out(Vec<Outgoing>),
    /// It takes bytes to where they will be read when it is done.
    In(Room),
    /// It takes messages: an array of struct mmsghdr.
    InMany { headers: u64, count: u64 },
    /// It moves bytes that never pass the program's memory.
    Pass,
    /// It releases a descriptor.
    Close(Removed),
    /// It is about the socket itself.
    Life,
    /// It makes a ring for io_uring.
    NewRing,
    /// It enters the kernel with a ring: what it submits, by `user_data`, and whether that is about a
    /// socket.
    Ring { ring: i32, order: Vec<(u64, bool)> },
    /// An operation of io_uring that has no system call of ours.
    Opcode(String),
}

/// One message on its way out.
#[derive(Clone, Debug, Default)]
pub(super) struct Outgoing {
    pub(super) asked: u32,
    pub(super) to: Address,
    pub(super) data: Vec<u8>,
}

/// Where a call puts what it reads.
#[derive(Clone, Copy, Debug)]
pub(super) enum Room {
    /// One buffer, and where the sender's address goes and its length.
    Buffer {
        part: Part,
        name: u64,
        name_len: u64,
    },
    /// An array of struct iovec.
    Parts { address: u64, count: u64 },
    /// A struct msghdr.
    Header(u64),
}

/// A struct msghdr of a 64-bit program.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MessageHeader {
    pub(super) name: Part,
    pub(super) parts: u64,
    pub(super) count: u64,
    pub(super) control: Part,
    pub(super) flags: u32,
}

impl MessageHeader {
    pub(super) const SIZE: usize = 56;
    /// struct mmsghdr: the header, the bytes that moved, four bytes of padding.
    pub(super) const MANY_SIZE: usize = 64;

    /// Reads one; missing bytes are zero.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        Self {
            name: Part {
                address: word(bytes, 0),
                len: half(bytes, 8).into(),
            },
            parts: word(bytes, 16),
            count: word(bytes, 24),
            control: Part {
                address: word(bytes, 32),
                len: word(bytes, 40),
            },
            flags: half(bytes, 48),
        }
    }
}

impl Stop<'_, '_> {
    fn memory(&self) -> Memory {
        Memory::of(self.tid)
    }

    /// What a call will do; none where it touches no socket, so that its exit need not stop.
    pub(super) fn enter(&mut self, nr: u64, args: [u64; 6]) -> Option<Pending> {
        let mut pending = self.out(nr, &args);
        if pending.is_none() {
            pending = self.taking(nr, &args);
        }
        if pending.is_none() {
            pending = self.life(nr, &args);
        }
        let (call, cookie, work) = pending?;
        let conn = match cookie {
            0 => ConnId::default(),
            cookie => self.side(cookie),
        };
        Some(Pending {
            call,
            args,
            cookie,
            conn,
            work,
            // Read last: what we did until here is none of the call's time.
            entered: now(),
        })
    }

    /// Calls that hand over bytes.
    fn out(&mut self, nr: u64, args: &[u64; 6]) -> Option<(Call, u64, Work)> {
        let &[fd, address, len, _, name, name_len] = args;
        let call = match nr as libc::c_long {
            libc::SYS_write => Call::Write,
            libc::SYS_sendto => Call::Sendto,
            libc::SYS_writev => Call::Writev,
            libc::SYS_pwritev2 => Call::Pwritev2,
            libc::SYS_sendmsg => Call::Sendmsg,
            libc::SYS_sendmmsg => Call::Sendmmsg,
            libc::SYS_sendfile => Call::Sendfile,
            _ => return None,
        };
        let cookie = self.socket_at(fd as i32)?;
        let (memory, cap) = (self.memory(), self.view.cap());
        let work = match call {
            Call::Write | Call::Sendto => {
                let named = call == Call::Sendto;
                Work::Out(vec![Outgoing {
                    asked: u32::try_from(len).unwrap_or(u32::MAX),
                    to: if named {
                        self.name_at(name, name_len)
                    } else {
                        Address::None
                    },
                    data: memory.bytes(address, len, cap as usize),
                }])
            }
            Call::Writev | Call::Pwritev2 => Work::Out(vec![self.parted(address, len, cap)]),
            Call::Sendmsg => Work::Out(vec![self.message_at(address, cap)]),
            Call::Sendmmsg => Work::Out(self.messages(address, len, cap)),
            _ => Work::Pass,
        };
        Some((call, cookie, work))
    }

    /// Calls that take bytes, and splice, which does either.
    fn taking(&mut self, nr: u64, args: &[u64; 6]) -> Option<(Call, u64, Work)> {
        let &[fd, address, len, flags, name, name_len] = args;
        let _ = flags;
        let (call, work) = match nr as libc::c_long {
            libc::SYS_read => (Call::Read, Work::In(Room::buffer(address, len, 0, 0))),
            libc::SYS_recvfrom => (
                Call::Recvfrom,
                Work::In(Room::buffer(address, len, name, name_len)),
            ),
            libc::SYS_readv => (
                Call::Readv,
                Work::In(Room::Parts {
                    address,
                    count: len,
                }),
            ),
            libc::SYS_preadv2 => (
                Call::Preadv2,
                Work::In(Room::Parts {
                    address,
                    count: len,
                }),
            ),
            libc::SYS_recvmsg => (Call::Recvmsg, Work::In(Room::Header(address))),
            libc::SYS_recvmmsg => (
                Call::Recvmmsg,
                Work::InMany {
                    headers: address,
                    count: len,
                },
            ),
            libc::SYS_splice => {
                // splice(in, offset, out, offset, len, flags): one end is a pipe.
                if let Some(cookie) = self.socket_at(args[2] as i32) {
                    return Some((Call::SpliceOut, cookie, Work::Pass));
                }
                return Some((Call::SpliceIn, self.socket_at(fd as i32)?, Work::Pass));
            }
            _ => return None,
        };
        Some((call, self.socket_at(fd as i32)?, work))
    }

    /// Calls that move nothing.
    fn life(&mut self, nr: u64, args: &[u64; 6]) -> Option<(Call, u64, Work)> {
        let fd = args[0] as i32;
        let call = match nr as libc::c_long {
            libc::SYS_close => return self.closing(fd),
            libc::SYS_io_uring_setup => return Some((Call::Untold, 0, Work::NewRing)),
            libc::SYS_io_uring_enter => {
                return Some((Call::Untold, 0, self.enter_ring(args)?));
            }
            libc::SYS_socket => return Some((Call::Socket, 0, Work::Life)),
            libc::SYS_socketpair => return Some((Call::Socketpair, 0, Work::Life)),
            // Told as the closes that they are.
            libc::SYS_close_range if args[2] & u64::from(libc::CLOSE_RANGE_CLOEXEC) == 0 => {
                return Some((Call::Close, 0, Work::Life));
            }
            // Nothing is told of it, but its table is its own from then on.
            libc::SYS_unshare if args[0] & libc::CLONE_FILES as u64 != 0 => {
                return Some((Call::Untold, 0, Work::Life));
            }
            // Whatever the first is: the second may have been a socket.
            #[cfg(target_arch = "x86_64")]
            libc::SYS_dup2 => {
                let cookie = self.socket_at(fd).unwrap_or(0);
                return Some((Call::Dup, cookie, Work::Life));
            }
            libc::SYS_dup3 => {
                let cookie = self.socket_at(fd).unwrap_or(0);
                return Some((Call::Dup, cookie, Work::Life));
            }
            libc::SYS_bind => Call::Bind,
            libc::SYS_listen => Call::Listen,
            libc::SYS_accept => Call::Accept,
            libc::SYS_accept4 => Call::Accept4,
            libc::SYS_connect => Call::Connect,
            libc::SYS_getsockname => Call::Getsockname,
            libc::SYS_getpeername => Call::Getpeername,
            libc::SYS_setsockopt => Call::Setsockopt,
            libc::SYS_getsockopt => Call::Getsockopt,
            libc::SYS_shutdown => Call::Shutdown,
            libc::SYS_dup => Call::Dup,
            libc::SYS_fcntl => match args[1] as i32 {
                libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => Call::Dup,
                libc::F_SETFL => Call::Fcntl,
                _ => return None,
            },
            libc::SYS_ioctl if args[1] as u32 == FIONBIO => Call::Ioctl,
            _ => return None,
        };
        Some((call, self.socket_at(fd)?, Work::Life))
    }

    /// A descriptor is released, whatever close(2) will return: from now on another thread may be given
    /// its number, so it leaves the table here and not when the call is done.
    pub(super) fn closing(&mut self, fd: i32) -> Option<(Call, u64, Work)> {
        let cookie = self.socket_at(fd);
        if let Some(cookie) = cookie {
            let conn = self.side(cookie);
            if self.view.options.infer_wire
                && let Some(info) = self.process.copy_of(fd).ok().and_then(|copy| copy.tcp())
            {
                self.infer(cookie, conn, info, now());
            }
        }
        let removed = self.process.table.borrow().borrow_mut().remove(fd)?;
        Some((Call::Close, 0, Work::Close(removed)))
    }

    fn parted(&self, address: u64, count: u64, cap: u64) -> Outgoing {
        let memory = self.memory();
        let parts = memory.parts(address, count).unwrap_or_default();
        Outgoing {
            asked: total(&parts),
            to: Address::None,
            data: memory.gather(&parts, cap),
        }
    }

    pub(super) fn message_at(&self, address: u64, cap: u64) -> Outgoing {
        const SIZE: usize = MessageHeader::SIZE;
        self.message(&self.memory().bytes(address, SIZE as u64, SIZE), cap)
    }

    fn message(&self, header: &[u8], cap: u64) -> Outgoing {
        let header = MessageHeader::parse(header);
        Outgoing {
            to: self.name_at(header.name.address, header.name.len),
            ..self.parted(header.parts, header.count, cap)
        }
    }

    fn messages(&self, headers: u64, count: u64, cap: u64) -> Vec<Outgoing> {
        // The kernel takes no more either (net/socket.c, __sys_sendmmsg).
        let count = count.min(PARTS_MAX as u64);
        let size = MessageHeader::MANY_SIZE;
        let headers = self
            .memory()
            .bytes(headers, count * size as u64, PARTS_MAX * size);
        // The messages of one call may share their memory, and together be more than there is.
        let mut left = Options::PAYLOAD_MAX as u64;
        let read = |header| {
            let message = self.message(header, cap.min(left));
            left -= message.data.len() as u64;
            message
        };
        headers.chunks_exact(size).map(read).collect()
    }

    /// The address of `len` bytes at `address`.
    pub(super) fn name_at(&self, address: u64, len: u64) -> Address {
        self.name(address, len).address
    }

    pub(super) fn name(&self, address: u64, len: u64) -> Name {
        // A length is an int to the kernel, and more than a sockaddr_storage is refused.
        let len = u64::from(len as u32);
        if address == 0 || len > NAME_MAX as u64 {
            return Name::default();
        }
        Name::parse(&self.memory().bytes(address, len, NAME_MAX))
    }
}

impl Room {
    fn buffer(address: u64, len: u64, name: u64, name_len: u64) -> Self {
        Self::Buffer {
            part: Part { address, len },
            name,
            name_len,
        }
    }
}
