//! Trying what the system lets us do: each trial undoes itself.
#![allow(unsafe_code)]

use std::os::fd::{FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};
use rustix::process::{Resource, getrlimit};

use crate::namespace::{Isolation, NamespaceError, probe};

/// What trying came to; a number is the system's errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trials {
    /// A child asked to be traced.
    pub trace: Result<(), i32>,
    /// A room of its own was made, in a child.
    pub room: Room,
    /// A packet socket was opened.
    pub packet: Result<(), i32>,
    /// A raw IP socket was opened.
    pub raw: Result<(), i32>,
    /// A ring of `io_uring` was made.
    pub uring: Result<(), i32>,
    /// Descriptors that a process may have, and how many it may ask for (`RLIMIT_NOFILE`).
    pub files: (u64, u64),
}

/// Whether a room of its own can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// With everything.
    Whole,
    /// With everything but processes of its own.
    WithoutProcesses(NamespaceError),
    /// Not at all.
    Barred(NamespaceError),
}

impl Trials {
    /// Tries everything; takes some milliseconds, most of them for the namespaces.
    pub fn make() -> Self {
        let open = |family, protocol| {
            let socket = socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, protocol);
            socket.map(drop).map_err(rustix::io::Errno::raw_os_error)
        };
        let limit = getrlimit(Resource::Nofile);
        Self {
            trace: trace(),
            room: room(),
            // Protocol 0 receives nothing (packet(7)).
            packet: open(AddressFamily::PACKET, None),
            raw: open(AddressFamily::INET, Some(ipproto::ICMP)),
            uring: uring(),
            files: (
                limit.current.unwrap_or(u64::MAX),
                limit.maximum.unwrap_or(u64::MAX),
            ),
        }
    }
}

fn room() -> Room {
    let whole = Isolation::default();
    match whole.fitting() {
        Err(why) => Room::Barred(why),
        Ok(fitting) if fitting == whole => Room::Whole,
        // It was asked before, and answered as it will again.
        Ok(_) => probe(&whole).map_or_else(Room::WithoutProcesses, |()| Room::Whole),
    }
}

/// A child asks to be traced, which is what Yama and seccomp bar, and ends.
fn trace() -> Result<(), i32> {
    // SAFETY: the child makes two system calls and allocates nothing.
    match unsafe { fork() }.map_err(|errno| errno as i32)? {
        ForkResult::Child => {
            let code = ptrace::traceme().map_or_else(|errno| errno as i32, |()| 0);
            // SAFETY: ends this process at once, without what a program does at its end.
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, 0)) => Ok(()),
            Ok(WaitStatus::Exited(_, code)) => Err(code),
            Ok(_) => Err(libc::ECHILD),
            Err(errno) => Err(errno as i32),
        },
    }
}

/// Bytes of `struct io_uring_params`, linux/io_uring.h.
const URING_PARAMS: usize = 120;

fn uring() -> Result<(), i32> {
    let mut params = [0_u64; URING_PARAMS / 8];
    // SAFETY: io_uring_setup(2) reads and writes as many bytes as there are, and returns a descriptor.
    let made = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1_u32, params.as_mut_ptr()) };
    if made < 0 {
        return Err(Errno::last_raw());
    }
    // SAFETY: a new descriptor that nobody else has.
    drop(unsafe { OwnedFd::from_raw_fd(made as i32) });
    Ok(())
}
