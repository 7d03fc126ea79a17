//! Starts programs in their order, watches them to their end, and ends what would go on for ever.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use sockeye_net::{CommandLine, Errno};
use sockeye_observe::watch::{Notice, Program, Tracer, Waker};
use sockeye_trace::Fact;

use super::{Facts, Order};
use crate::exit::usage;

/// How long programs have between SIGTERM and SIGKILL.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// The role of the program that has to listen before the next one starts.
pub(crate) const SERVER: &str = "server";

/// A program to start.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Planned {
    /// `server`, `client`, or nothing.
    pub(crate) role: String,
    /// Its command line.
    pub(crate) words: Vec<OsString>,
}

impl Planned {
    /// A command line in this role.
    pub(crate) fn of(role: &str, line: &CommandLine) -> Self {
        let words = std::iter::once(line.program()).chain(line.args().iter().map(String::as_str));
        Self {
            role: role.to_owned(),
            words: words.map(OsString::from).collect(),
        }
    }
}

/// What ends a recording before its programs end: an order, or a server that nobody comes to any more.
#[derive(Debug)]
pub(crate) struct Patience<W: Write> {
    facts: Arc<Facts<W>>,
    waker: Waker,
    stop: Arc<AtomicBool>,
    /// The clients have ended and a server is left.
    settling: AtomicBool,
}

impl<W: Write> Patience<W> {
    /// Listens to orders from now on.
    pub(crate) fn new(facts: Arc<Facts<W>>, waker: Waker, orders: UnixStream) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        Order::obey(orders, waker.clone(), Arc::clone(&stop));
        Self {
            facts,
            waker,
            stop,
            settling: AtomicBool::new(false),
        }
    }

    /// Looks, every now and then, whether there is nothing to wait for any more.
    pub(crate) fn look(&self) {
        if self.settling.load(Ordering::SeqCst) && self.facts.is_quiet() {
            self.waker.wake();
        }
    }

    /// The grace of programs is theirs: nobody looks any more.
    pub(crate) fn leave_alone(&self) {
        self.settling.store(false, Ordering::SeqCst);
    }

    fn settle(&self) {
        self.settling.store(true, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        let settling = self.settling.load(Ordering::SeqCst);
        self.stop.load(Ordering::SeqCst) || (settling && self.facts.is_quiet())
    }
}

/// From the first program's start to the moment when there is nothing more to wait for.
///
/// `attached`: programs are watched that ran before us, and nobody waits for their end.
pub(crate) fn conduct<W: Write>(
    tracer: &mut Tracer,
    programs: &mut impl Iterator<Item = Program>,
    attached: bool,
    sink: &mut dyn FnMut(&Fact<'_>),
    patience: &Patience<W>,
) -> anyhow::Result<()> {
    let mut running = 0;
    if let Some(first) = programs.next() {
        tracer.start(&first, sink).map_err(unwatched)?;
        running += 1;
    }
    loop {
        match tracer.run(sink)? {
            Notice::Listening { role, .. } if role == SERVER => {
                if let Some(client) = programs.next() {
                    tracer.start(&client, sink).map_err(unwatched)?;
                    running += 1;
                }
            }
            Notice::Exited(exit) if !attached => {
                running -= 1;
                // A server that ends before anybody could come.
                if exit.role == SERVER && running == 0 && programs.next().is_some() {
                    anyhow::bail!(
                        "the server ended before it listened, so the client was not started"
                    );
                }
                if exit.role != SERVER && running > 0 {
                    patience.settle();
                }
            }
            Notice::Woken if patience.is_over() => return Ok(()),
            Notice::Done => return Ok(()),
            _ => {}
        }
    }
}

/// The programs with their streams: what they say goes to the descriptors of the plan, one each; the
/// last one may have our standard input, which the descriptor behind those is.
pub(crate) fn programs(
    planned: &[Planned],
    stdin: bool,
    streams: Vec<OwnedFd>,
) -> anyhow::Result<Vec<Program>> {
    let mut streams = streams.into_iter();
    let mut missing = || streams.next().context("a stream of the plan is missing");
    let mut programs = vec![];
    for planned in planned {
        let says = missing()?;
        let mut program = Program::new(&planned.role, &planned.words);
        program.stdout = Some(says.try_clone()?);
        program.stderr = Some(says);
        program.stdin = Some(File::open("/dev/null")?.into());
        programs.push(program);
    }
    if stdin && let Some(last) = programs.last_mut() {
        last.stdin = Some(missing()?);
    }
    Ok(programs)
}

/// What cannot be run, or may not be watched, is a matter of the command line.
pub(crate) fn unwatched(why: sockeye_observe::watch::WatchError) -> anyhow::Error {
    let source = std::error::Error::source(&why).and_then(|source| source.downcast_ref());
    match source.filter(|error: &&io::Error| error.raw_os_error().is_some()) {
        Some(error) => usage!("{why}: {}", Errno::of(error)),
        None => usage!("{:#}", anyhow::Error::new(why)),
    }
}
