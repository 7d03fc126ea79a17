//! Readiness of many sockets, level-triggered, without a runtime in between.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;

use super::error::BenchError;

/// Sockets that one call can bring.
const READY: usize = 256;

/// An epoll instance; the token of each socket is the caller's.
pub(super) struct Poller {
    epoll: OwnedFd,
    ready: Vec<Event>,
}

/// One socket that is ready.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    pub(super) token: usize,
    /// There is something to read, or an end or an error that a read will report.
    pub(super) readable: bool,
    pub(super) writable: bool,
}

fn refused(errno: Errno) -> BenchError {
    BenchError::local("epoll")(errno.into())
}

impl Poller {
    pub(super) fn new() -> Result<Self, BenchError> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(refused)?;
        Ok(Self {
            epoll,
            ready: Vec::with_capacity(READY),
        })
    }

    fn interest(reads: bool, writes: bool) -> EventFlags {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, reads);
        flags.set(EventFlags::OUT, writes);
        flags
    }

    pub(super) fn add(
        &self,
        socket: impl AsFd,
        token: usize,
        reads: bool,
        writes: bool,
    ) -> Result<(), BenchError> {
        let data = EventData::new_u64(token as u64);
        epoll::add(&self.epoll, socket, data, Self::interest(reads, writes)).map_err(refused)
    }

    pub(super) fn change(
        &self,
        socket: impl AsFd,
        token: usize,
        reads: bool,
        writes: bool,
    ) -> Result<(), BenchError> {
        let data = EventData::new_u64(token as u64);
        epoll::modify(&self.epoll, socket, data, Self::interest(reads, writes)).map_err(refused)
    }

    /// Waits at most `timeout`; [`Poller::ready`] then has what came.
    pub(super) fn wait(&mut self, timeout: Duration) -> Result<usize, BenchError> {
        self.ready.clear();
        let timeout = Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        let room = rustix::buffer::spare_capacity(&mut self.ready);
        match epoll::wait(&self.epoll, room, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(self.ready.len()),
            Err(errno) => Err(refused(errno)),
        }
    }

    /// What the last wait brought at `index`.
    pub(super) fn ready(&self, index: usize) -> Ready {
        let Event { flags, data, .. } = self.ready[index];
        let ended = EventFlags::HUP | EventFlags::ERR | EventFlags::RDHUP;
        Ready {
            token: data.u64() as usize,
            readable: flags.intersects(EventFlags::IN | ended),
            writable: flags.intersects(EventFlags::OUT),
        }
    }
}
