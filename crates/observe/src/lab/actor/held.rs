//! A socket of the actor, and calls on it that wait as the program wants.
#![allow(unsafe_code)]

use std::net::SocketAddrV4;
use std::os::fd::{BorrowedFd, IntoRawFd as _, OwnedFd, RawFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use sockeye_trace::errno_name;

use super::message::Cut;
use super::{Done, lock};
use crate::lab::Kind;

/// A socket by its name on this host.
///
/// The descriptor is a plain number: a thread may close it while another waits in a call on it, as
/// the programs of textbooks do, and then the kernel decides what comes of that.
pub(super) struct Held {
    /// -1 once it is closed.
    fd: AtomicI32,
    pub(super) kind: Kind,
    /// As `settimeout` set it: calls wait in `poll(2)` for so long.
    timeout: Mutex<Option<Duration>>,
    /// What `readline` took from the kernel and has not given to the program.
    pub(super) unread: Mutex<Vec<u8>>,
    /// Where the messages of a framing end.
    pub(super) cut: Mutex<Option<Cut>>,
    /// From where the last datagram came.
    pub(super) sender: Mutex<Option<SocketAddrV4>>,
}

/// Why a call came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The kernel says so.
    Errno(Errno),
    /// We waited as long as we were to.
    Timeout,
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl Failure {
    fn name(self) -> &'static str {
        match self {
            Self::Errno(errno) => errno_name(errno.raw_os_error()),
            Self::Timeout => "timeout",
        }
    }
}

impl Done {
    /// What became of `call`.
    pub(super) fn of(call: &str, result: Result<usize, Failure>) -> Self {
        let (result, errno) = match result {
            Ok(count) => (i64::try_from(count).unwrap_or(i64::MAX), ""),
            Err(failure) => (-1, failure.name()),
        };
        Self {
            call: call.to_owned(),
            result,
            errno: errno.to_owned(),
            data: String::new(),
        }
    }

    /// Whether the call failed.
    pub(super) fn failed(&self) -> bool {
        !self.errno.is_empty()
    }
}

/// For what a call waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    Readable,
    Writable,
}

impl Held {
    pub(super) fn new(fd: OwnedFd, kind: Kind) -> Self {
        Self {
            fd: AtomicI32::new(fd.into_raw_fd()),
            kind,
            timeout: Mutex::default(),
            unread: Mutex::default(),
            cut: Mutex::default(),
            sender: Mutex::default(),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.fd.load(Ordering::Relaxed) < 0
    }

    /// Lends the descriptor to one call; a closed one fails as the kernel would have it fail.
    pub(super) fn call<T>(
        &self,
        call: impl FnOnce(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Result<T, Failure> {
        let fd: RawFd = self.fd.load(Ordering::Relaxed);
        if fd < 0 {
            return Err(Errno::BADF.into());
        }
        // SAFETY: the number is that of an open socket of this table and not -1. Should another thread
        // close it just now, as a script may have it, the kernel answers EBADF, or for another socket
        // of this table: no memory is reached through it.
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
        call(borrowed).map_err(Failure::from)
    }

    /// The descriptor's close(2), once; the number is forgotten before it is free.
    pub(super) fn close(&self) -> Result<(), Failure> {
        let fd = self.fd.swap(-1, Ordering::Relaxed);
        if fd < 0 {
            return Err(Errno::BADF.into());
        }
        // SAFETY: the number came from an `OwnedFd` that was given up, and the swap lets one caller have it.
        unsafe { rustix::io::close(fd) };
        Ok(())
    }

    /// As [`Held::call`], waiting first where a timeout is set, and again for what was not there after
    /// all, as CPython's `sock_call_ex` does.
    pub(super) fn patient<T>(
        &self,
        until: Until,
        mut call: impl FnMut(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Result<T, Failure> {
        let end = self.end();
        loop {
            if let Some(end) = end {
                self.ready(until, end)?;
            }
            match self.call(&mut call) {
                Err(Failure::Errno(Errno::INTR)) => {}
                Err(Failure::Errno(Errno::AGAIN)) if end.is_some() => {}
                other => return other,
            }
        }
    }

    /// When a call that begins now gives up.
    pub(super) fn end(&self) -> Option<Instant> {
        lock(&self.timeout).map(|limit| Instant::now() + limit)
    }

    /// Waits in `poll(2)`, until `end` at most.
    pub(super) fn ready(&self, until: Until, end: Instant) -> Result<(), Failure> {
        let interest = match until {
            Until::Readable => PollFlags::IN,
            Until::Writable => PollFlags::OUT,
        };
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
            let polled =
                self.call(|fd| poll(&mut [PollFd::from_borrowed_fd(fd, interest)], Some(&left)));
            match polled {
                Ok(0) => return Err(Failure::Timeout),
                Ok(_) => return Ok(()),
                Err(Failure::Errno(Errno::INTR)) => {}
                Err(other) => return Err(other),
            }
        }
    }

    /// `ioctl(FIONBIO)`, as CPython's `setblocking`.
    pub(super) fn set_blocking(&self, on: bool) -> Done {
        *lock(&self.timeout) = None;
        let set = self.call(|fd| rustix::io::ioctl_fionbio(fd, !on));
        Done::of("ioctl", set.map(|()| 0))
    }

    /// `ioctl(FIONBIO)`, and later calls wait in `poll(2)`; no time at all is not to wait.
    pub(super) fn set_timeout(&self, limit: Duration) -> Done {
        let done = self.set_blocking(false);
        if !limit.is_zero() {
            *lock(&self.timeout) = Some(limit);
        }
        done
    }
}
