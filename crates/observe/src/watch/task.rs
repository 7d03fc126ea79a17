//! The tasks and processes that are watched.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::rc::Rc;
use std::{fs, io};

use sockeye_trace as trace;

use super::entry::Pending;
use super::fds::Table;
use super::ptrace::Until;
use super::socket::{Copy, Handle};
use super::uring::Ring;
use super::view::View;

/// A thread of a watched process.
#[derive(Debug)]
pub(super) struct Task {
    /// The process it belongs to.
    pub(super) process: i32,
    /// The call that it is in.
    pub(super) pending: Option<Pending>,
    /// It has given up its share of the table of descriptors.
    pub(super) exiting: bool,
}

impl Task {
    /// A task that uses its process's table from now on.
    pub(super) fn of(process: &Process) -> Self {
        process.table.borrow().borrow_mut().tasks += 1;
        Self {
            process: process.pid,
            pending: None,
            exiting: false,
        }
    }
}

/// A table of descriptors, shared by all who were cloned with `CLONE_FILES`.
pub(super) type SharedTable = Rc<RefCell<Table>>;

/// The name of a network namespace: device and inode of its file, namespaces(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Network(u64, u64);

impl Network {
    /// That of a process, by its number or `self`.
    pub(super) fn of(process: &str) -> Option<Self> {
        let file = fs::metadata(Self::path(process)).ok()?;
        Some(Self(file.dev(), file.ino()))
    }

    /// What leads there.
    pub(super) fn path(process: &str) -> String {
        format!("/proc/{process}/ns/net")
    }
}

/// A watched process.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: i32,
    /// We started it (or an ancestor), so it runs under our filter and ends with us.
    pub(super) started: bool,
    /// The caller named it, and hears of its end.
    pub(super) named: bool,
    /// What is told of it.
    pub(super) about: RefCell<trace::Process>,
    /// Exec and close_range may give it another.
    pub(super) table: RefCell<SharedTable>,
    /// Its io_uring rings, by descriptor.
    pub(super) rings: RefCell<HashMap<i32, Ring>>,
    handle: OnceCell<Handle>,
    network: OnceCell<Option<Network>>,
}

impl Process {
    pub(super) fn new(pid: i32, started: bool, named: bool, about: trace::Process) -> Self {
        Self {
            pid,
            started,
            named,
            about: RefCell::new(about),
            table: RefCell::default(),
            rings: RefCell::default(),
            handle: OnceCell::new(),
            network: OnceCell::new(),
        }
    }

    /// How its tasks go on from a stop.
    pub(super) fn until(&self) -> Until {
        if self.started {
            Until::Stopped
        } else {
            Until::Call
        }
    }

    /// Gives the process a table of its own where it shares one with another; `tasks` of its tasks move.
    pub(super) fn unshare(&self, view: &mut View, tasks: usize) {
        let shared = self.table.borrow().clone();
        if shared.borrow().tasks <= tasks {
            return;
        }
        let mut own = shared.borrow().unshared();
        own.tasks = tasks;
        shared.borrow_mut().tasks -= tasks;
        view.hold_all(own.sockets());
        *self.table.borrow_mut() = Rc::new(RefCell::new(own));
    }

    /// The network namespace that its sockets are made in.
    pub(super) fn network(&self) -> Option<Network> {
        *self
            .network
            .get_or_init(|| Network::of(&self.pid.to_string()))
    }

    /// A short-lived duplicate of one of its descriptors.
    pub(super) fn copy_of(&self, fd: i32) -> io::Result<Copy> {
        if self.handle.get().is_none() {
            // Filled by nobody else meanwhile: one thread does all this.
            let _ = self.handle.set(Handle::open(self.pid)?);
        }
        let handle = self.handle.get().ok_or(io::ErrorKind::NotFound)?;
        handle.borrow(fd)
    }
}
