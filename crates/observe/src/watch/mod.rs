//! Watching the socket calls of programs that know nothing of it: ptrace(2), with a seccomp(2) filter
//! so that only calls which may touch a socket stop.
//!
//! A [`Tracer`] belongs to the thread that made it: the kernel answers only the thread that started or
//! seized a program. It starts [`Program`]s or attaches to running ones, and [`Tracer::run`] turns what
//! they do into [`Fact`]s until something happens that the caller may want to act upon:
//!
//! ```no_run
//! use sockeye_observe::watch::{Notice, Options, Program, Tracer};
//!
//! # fn main() -> Result<(), sockeye_observe::watch::WatchError> {
//! let mut facts = 0;
//! let mut sink = |_: &sockeye_trace::Fact<'_>| facts += 1;
//! let mut tracer = Tracer::new(Options::default())?;
//! tracer.start(&Program::new("server", ["python3", "server.py"]), &mut sink)?;
//! loop {
//!     match tracer.run(&mut sink)? {
//!         Notice::Listening { .. } => {
//!             tracer.start(&Program::new("client", ["python3", "client.py"]), &mut sink)?;
//!         }
//!         Notice::Exited(_) => {}
//!         _ => break,
//!     }
//! }
//! let outcome = tracer.finish(std::time::Duration::from_secs(1), &mut sink);
//! println!("{} stops", outcome.stops);
//! # Ok(())
//! # }
//! ```
//!
//! /proc must be that of the tracer's own pid namespace.

mod attach;
mod awake;
mod decode;
mod entry;
mod error;
mod exit;
mod fds;
mod filter;
mod launch;
mod life;
mod lives;
mod memory;
mod place;
mod plan;
mod ptrace;
mod run;
mod socket;
mod task;
mod uring;
mod view;
mod wake;

use std::collections::{HashMap, HashSet};
use std::marker::PhantomData;
use std::rc::Rc;

use sockeye_trace::{Fact, Side};

pub use error::WatchError;
pub use plan::{Options, Program, Uring};
pub use wake::Waker;

/// Where facts go, in the order in which they were seen.
pub type Sink<'a> = &'a mut dyn FnMut(&Fact<'_>);

/// Why [`Tracer::run`] came back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A program's socket listens, or a datagram socket of it was bound: a client may come.
    Listening {
        /// What the program was started as.
        role: String,
        /// The socket.
        side: Side,
    },
    /// A program that [`Tracer::start`] started, or that was attached to, has ended.
    Exited(Exit),
    /// [`Waker::wake`] was called.
    Woken,
    /// Nothing is left to watch.
    Done,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// What it was started as.
    pub role: String,
    /// Its process id.
    pub pid: u32,
    /// Its exit status; none if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

/// What came of it all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How the programs that were started, or attached to, ended; those still running are missing.
    pub exits: Vec<Exit>,
    /// How often a watched program was stopped.
    pub stops: u64,
    /// What a stop cost the tracer, in nanoseconds of its processor time.
    pub ns_per_stop: u32,
}

/// Watches programs, from the thread that made it.
///
/// Dropping it lets go of programs that were attached to and kills those that it started.
#[derive(Debug)]
pub struct Tracer {
    filter: filter::Filter,
    view: view::View,
    waker: Waker,
    /// Every task (thread) that is traced, by its id.
    tasks: HashMap<i32, task::Task>,
    /// Every process with a traced task, by its id.
    processes: HashMap<i32, Rc<task::Process>>,
    /// Tasks that stopped before their parent's stop told of them.
    early: HashSet<i32>,
    /// What we did not start is let go of at its next stop.
    leaving: bool,
    place: place::Place,
    outcome: Outcome,
    /// Processor time of this thread before it traced anything.
    spent_before: u64,
    /// ptrace answers only the thread that attached.
    _thread: PhantomData<Rc<()>>,
}
