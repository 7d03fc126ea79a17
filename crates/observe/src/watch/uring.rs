//! io_uring: what is submitted and completed passes no stop, but stands in the ring while the program
//! enters the kernel. /proc/PID/fdinfo/RING lists what waits to be submitted when io_uring_enter begins,
//! and what is complete when it returns; `user_data` joins the two (io_uring/fdinfo.c in the kernel).
//!
//! Not seen: what a kernel thread submits (SQPOLL), what completes later and is taken without entering the
//! kernel, and files and buffers that were registered. Each is told as a gap.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::io::Read as _;

use sockeye_trace::{Address, Call, ConnId, Time};

use super::entry::{Outgoing, Pending, Room, Work};
use super::memory::{Memory, Part};
use super::view::{Stop, now};

/// What is read of a ring's listing; 4096 entries are about 400 KiB.
const LISTING_MAX: u64 = 1 << 20;
/// Calls of one ring that may be under way; beyond them the oldest are forgotten.
const UNDERWAY_MAX: usize = 1 << 16;
/// `IOSQE_FIXED_FILE`: the descriptor is a place in a registered table.
const FIXED_FILE: u32 = 1;
/// `IORING_CQE_F_MORE`: the same submission will complete again.
const MORE: u32 = 2;
/// `IORING_CQE_F_NOTIF`: a buffer is free again, nothing moved.
const NOTIFIES: u32 = 8;
/// `IORING_ENTER_REGISTERED_RING`: the descriptor is a place in a registered table.
const REGISTERED_RING: u64 = 1 << 4;

/// A ring of a watched process.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// Completions before this place have been looked at.
    seen: u32,
    /// Calls that were submitted, by their `user_data`, which programs may use more than once.
    underway: HashMap<u64, VecDeque<Pending>>,
    count: usize,
}

/// A ring as the kernel lists it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Listing {
    submissions: Vec<Submission>,
    completions: Vec<Completion>,
    /// The place of the first completion.
    completion_head: u32,
    /// A kernel thread takes the submissions.
    polled: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Submission {
    opcode: String,
    fd: i32,
    flags: u32,
    offset: u64,
    address: u64,
    call_flags: u32,
    user_data: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Completion {
    user_data: u64,
    result: i32,
    flags: u32,
}

impl Listing {
    /// Reads the text of /proc/PID/fdinfo/RING; lines that it does not know are passed over.
    fn parse(text: &str) -> Self {
        let mut listing = Self::default();
        for line in text.lines() {
            if let Some(head) = line.strip_prefix("CqHead:") {
                listing.completion_head = head.trim().parse().unwrap_or(0);
            } else if let Some(thread) = line.strip_prefix("SqThread:") {
                listing.polled = thread.trim().parse::<i64>().is_ok_and(|thread| thread >= 0);
            } else if line.contains(": opcode:") {
                listing.submissions.push(Submission::parse(line));
            } else if line.contains(": user_data:") {
                listing.completions.push(Completion::parse(line));
            }
        }
        listing
    }

    fn of(process: i32, ring: i32) -> Option<Self> {
        let mut text = String::new();
        let file = fs::File::open(format!("/proc/{process}/fdinfo/{ring}")).ok()?;
        file.take(LISTING_MAX).read_to_string(&mut text).ok()?;
        Some(Self::parse(&text))
    }
}

impl Submission {
    fn parse(line: &str) -> Self {
        Self {
            opcode: field(line, "opcode").to_owned(),
            fd: decimal(line, "fd"),
            flags: hexadecimal(line, "flags") as u32,
            offset: decimal(line, "off"),
            address: hexadecimal(line, "addr"),
            call_flags: hexadecimal(line, "rw_flags") as u32,
            user_data: decimal(line, "user_data"),
        }
    }
}

impl Completion {
    fn parse(line: &str) -> Self {
        Self {
            user_data: decimal(line, "user_data"),
            result: decimal(line, "res"),
            // Kernels have called it by both names.
            flags: (hexadecimal(line, "flags") | hexadecimal(line, "flag")) as u32,
        }
    }
}

/// What stands behind `name:` up to the next comma or space; empty where there is none.
fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let found = line
        .split([',', ' '])
        .find_map(|word| word.strip_prefix(name)?.strip_prefix(':'));
    found.unwrap_or_default()
}

fn decimal<T: std::str::FromStr + Default>(line: &str, name: &str) -> T {
    field(line, name).parse().unwrap_or_default()
}

fn hexadecimal(line: &str, name: &str) -> u64 {
    let digits = field(line, name);
    u64::from_str_radix(digits.strip_prefix("0x").unwrap_or(digits), 16).unwrap_or(0)
}

impl Stop<'_, '_> {
    /// A task enters the kernel with a ring: what it submits, and what completed since the last time.
    pub(super) fn enter_ring(&mut self, args: &[u64; 6]) -> Option<Work> {
        let &[number, to_submit, _, flags, ..] = args;
        let ring = if flags & REGISTERED_RING == 0 {
            number as i32
        } else if let Some(only) = self.only_ring() {
            only
        } else {
            self.gap(
                "io-uring",
                "a ring is used by the number that it is registered with",
            );
            return None;
        };
        let listing = Listing::of(self.process.pid, ring)?;
        if listing.polled {
            self.gap("io-uring", "a kernel thread takes the submissions (SQPOLL)");
        }
        self.completed(ring, &listing, now());
        let count = usize::try_from(to_submit).unwrap_or(usize::MAX);
        let submitted = listing.submissions.iter().take(count);
        let submitted: Vec<_> = submitted
            .map(|it| (it.user_data, self.submit(it)))
            .collect();
        let mut order = vec![];
        self.with_ring(ring, |ring| {
            for (user_data, pending) in submitted {
                order.push((user_data, pending.is_some()));
                if let Some(pending) = pending {
                    ring.underway
                        .entry(user_data)
                        .or_default()
                        .push_back(pending);
                    ring.count += 1;
                }
            }
        });
        Some(Work::Ring { ring, order })
    }

    /// The task is back: how much of it was taken, and what has completed.
    pub(super) fn leave_ring(&mut self, fd: i32, order: &[(u64, bool)], result: i64, at: Time) {
        let taken = usize::try_from(result).unwrap_or(0);
        self.with_ring(fd, |ring| {
            // The rest stays in the ring, and will be listed again.
            for (user_data, _) in order.iter().skip(taken).rev().filter(|(_, known)| *known) {
                if let Some(queue) = ring.underway.get_mut(user_data) {
                    ring.count -= usize::from(queue.pop_back().is_some());
                }
            }
        });
        if let Some(listing) = Listing::of(self.process.pid, fd) {
            self.completed(fd, &listing, at);
        }
    }

    fn with_ring<T>(&self, fd: i32, act: impl FnOnce(&mut Ring) -> T) -> T {
        act(self.process.rings.borrow_mut().entry(fd).or_default())
    }

    fn only_ring(&self) -> Option<i32> {
        let rings = self.process.rings.borrow();
        let mut fds = rings.keys();
        fds.next().copied().filter(|_| fds.next().is_none())
    }

    /// Notes that a process has made a ring.
    pub(super) fn made_ring(&self, result: i64) {
        if let Ok(fd @ 0..) = i32::try_from(result) {
            self.process.rings.borrow_mut().insert(fd, Ring::default());
        }
    }

    /// Tells of the calls that have completed since the last look.
    fn completed(&mut self, fd: i32, listing: &Listing, at: Time) {
        let first = listing.completion_head;
        let (missed, crowded) = self.with_ring(fd, |ring| {
            let missed = first.wrapping_sub(ring.seen).cast_signed().max(0);
            let crowded = ring.count > UNDERWAY_MAX;
            if crowded {
                ring.underway.clear();
                ring.count = 0;
            }
            (missed > 0 && ring.count > 0, crowded)
        });
        if missed || crowded {
            self.gap(
                "io-uring",
                "calls completed and were taken between two looks at the ring",
            );
        }
        let seen = self.with_ring(fd, |ring| ring.seen);
        for (place, completion) in (0..).zip(&listing.completions) {
            let place = first.wrapping_add(place);
            let news = place.wrapping_sub(seen).cast_signed() >= 0;
            if news && completion.flags & NOTIFIES == 0 {
                self.complete(fd, *completion, at);
            }
        }
        let end = first.wrapping_add(listing.completions.len() as u32);
        self.with_ring(fd, |ring| {
            if end.wrapping_sub(ring.seen).cast_signed() > 0 {
                ring.seen = end;
            }
        });
    }

    fn complete(&mut self, fd: i32, completion: Completion, at: Time) {
        let pending = self.with_ring(fd, |ring| {
            let queue = ring.underway.get_mut(&completion.user_data)?;
            if completion.flags & MORE != 0 {
                return queue.front().cloned();
            }
            let pending = queue.pop_front();
            if queue.is_empty() {
                ring.underway.remove(&completion.user_data);
            }
            ring.count -= usize::from(pending.is_some());
            pending
        });
        if let Some(pending) = pending {
            self.leave(pending, completion.result.into(), at);
        }
    }

    /// One submission as the call that it stands for; none where it is about no socket.
    fn submit(&mut self, it: &Submission) -> Option<Pending> {
        let fixed = it.flags & FIXED_FILE != 0;
        let moves = matches!(
            it.opcode.as_str(),
            "SEND" | "SENDMSG" | "SEND_ZC" | "SENDMSG_ZC" | "RECV" | "RECVMSG"
        );
        if fixed {
            if moves {
                self.gap(
                    "io-uring",
                    "a socket is used by the number that it is registered with",
                );
            }
            return None;
        }
        let args = [
            it.fd as u64,
            it.address,
            it.offset,
            it.call_flags.into(),
            0,
            0,
        ];
        let (call, cookie, work) = match it.opcode.as_str() {
            "SOCKET" => (Call::UringOther, 0, Work::Opcode("SOCKET".to_owned())),
            "CLOSE" => self.closing(it.fd)?,
            opcode => {
                // Found before the buffer is read: most of what is not about sockets reads files.
                let cookie = self.socket_at(it.fd)?;
                let (call, work) = self.uring_work(opcode, it)?;
                (call, cookie, work)
            }
        };
        let conn = if cookie == 0 {
            ConnId::default()
        } else {
            self.side(cookie)
        };
        Some(Pending {
            call,
            args,
            cookie,
            conn,
            work,
            entered: now(),
        })
    }

    fn uring_work(&self, opcode: &str, it: &Submission) -> Option<(Call, Work)> {
        let cap = self.view.cap();
        Some(match opcode {
            "SEND" | "SEND_ZC" | "WRITE" | "WRITE_FIXED" => {
                let data = Memory::of(self.tid).bytes(it.address, cap, cap as usize);
                // The listing has no lengths: as much as may be kept is copied, and cut by the result.
                let out = Outgoing {
                    asked: 0,
                    to: Address::None,
                    data,
                };
                (Call::UringSend, Work::Out(vec![out]))
            }
            "SENDMSG" | "SENDMSG_ZC" => (
                Call::UringSend,
                Work::Out(vec![self.message_at(it.address, cap)]),
            ),
            "WRITEV" => (Call::UringSend, Work::Out(vec![Outgoing::default()])),
            "RECV" | "READ" | "READ_FIXED" => {
                let part = Part {
                    address: it.address,
                    len: u64::MAX,
                };
                (
                    Call::UringRecv,
                    Work::In(Room::Buffer {
                        part,
                        name: 0,
                        name_len: 0,
                    }),
                )
            }
            "RECVMSG" => (Call::UringRecv, Work::In(Room::Header(it.address))),
            "READV" => (
                Call::UringRecv,
                Work::In(Room::Parts {
                    address: 0,
                    count: 0,
                }),
            ),
            "ACCEPT" => (Call::UringAccept, Work::Life),
            "CONNECT" => (Call::UringConnect, Work::Life),
            "SHUTDOWN" | "BIND" | "LISTEN" | "URING_CMD" => {
                (Call::UringOther, Work::Opcode(opcode.to_owned()))
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "\
SqMask:\t0x7\nSqHead:\t0\nSqTail:\t2\nCqHead:\t5\nCqTail:\t6\nSQEs:\t2
    0: opcode:RECV, fd:5, flags:0, off:0, addr:0x7ffd2284c180, rw_flags:0x40, buf_index:0 user_data:7
    1: opcode:SEND, fd:4, flags:1, off:3, addr:0x7ffd2284c1c0, rw_flags:0x0, buf_index:0 user_data:8
CQEs:\t1
    5: user_data:9, res:-11, flag:2
SqThread:\t-1\n";

    #[test]
    fn a_listing_is_read() {
        let listing = Listing::parse(TEXT);
        assert!(!listing.polled);
        assert_eq!(listing.completion_head, 5);
        let recv = Submission {
            opcode: "RECV".to_owned(),
            fd: 5,
            address: 0x7ffd_2284_c180,
            call_flags: 0x40,
            user_data: 7,
            ..Submission::default()
        };
        assert_eq!(listing.submissions[0], recv);
        let send = &listing.submissions[1];
        assert_eq!((send.flags, send.offset, send.user_data), (1, 3, 8));
        let done = Completion {
            user_data: 9,
            result: -11,
            flags: 2,
        };
        assert_eq!(listing.completions, [done]);
        assert!(Listing::parse("SqThread:\t77\n").polled);
    }

    proptest! {
        #[test]
        fn any_text_is_a_listing(text in "(.{0,40}\n|    [0-9]: (opcode|user_data):.{0,40}\n){0,8}") {
            let lines = text.lines().count();
            let listing = Listing::parse(&text);
            prop_assert!(listing.submissions.len() + listing.completions.len() <= lines);
        }
    }
}
