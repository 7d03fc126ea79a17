//! Starts programs in their order, watches them to their end, and ends what would go on for ever.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use sockeye_net::Errno;
use sockeye_observe::watch::{Notice, Options, Program, Tracer, Uring};
use sockeye_trace::Fact;

use super::wire::{self, Wire};
use crate::exit::usage;
use crate::ours::Ours;
use crate::recording::{Facts, Order, now};
use crate::verb::watch::plan::Plan;

/// How long programs have between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// Watches what the plan says until all of it has ended or somebody orders the end.
pub(super) fn run(plan: &Plan, streams: Vec<OwnedFd>, orders: UnixStream) -> anyhow::Result<()> {
    let mut programs = programs(plan, streams)?.into_iter();
    let mut head = plan.head.clone();
    head.started_ns = now().as_nanos();
    let capture = wire::open(plan, &mut head)?;
    let options = Options {
        payload_cap: plan.payload_cap,
        uring: if plan.uring {
            Uring::Follow
        } else {
            Uring::Refuse
        },
        gauges: true,
        infer_wire: capture.is_none(),
    };
    let mut tracer = Tracer::new(options)?;
    let waker = tracer.waker();
    let stop = Arc::new(AtomicBool::new(false));
    Order::obey(orders, waker.clone(), Arc::clone(&stop));

    let ours = (!plan.isolate).then(Ours::default);
    let out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let facts = Arc::new(Facts::new(out, &head, ours)?);
    // Set once the clients have ended and a server is left.
    let settling = Arc::new(Mutex::new(false));
    let each_round = {
        let (facts, settling) = (Arc::clone(&facts), Arc::clone(&settling));
        move || {
            let settling = settling.lock().unwrap_or_else(PoisonError::into_inner);
            if *settling && facts.is_quiet() {
                waker.wake();
            }
        }
    };
    let is_settling = |to: Option<bool>| {
        let mut settling = settling.lock().unwrap_or_else(PoisonError::into_inner);
        *settling = to.unwrap_or(*settling);
        *settling
    };
    let wire = Wire::start(capture, Arc::clone(&facts), each_round);
    let mut sink = |fact: &Fact<'_>| facts.tell(fact);

    let outcome = watch(
        plan,
        &mut tracer,
        &mut programs,
        &mut sink,
        &|| stop.load(Ordering::SeqCst) || (is_settling(None) && facts.is_quiet()),
        &|| {
            is_settling(Some(true));
        },
    );
    // The programs' grace is theirs: nobody calls any more.
    is_settling(Some(false));
    // Whatever went wrong, what was seen until then is told.
    tracer.finish(GRACE, &mut sink);
    wire.finish();
    outcome
}

/// From the first program's start to the moment when there is nothing more to wait for.
fn watch(
    plan: &Plan,
    tracer: &mut Tracer,
    programs: &mut impl Iterator<Item = Program>,
    sink: &mut dyn FnMut(&Fact<'_>),
    enough: &dyn Fn() -> bool,
    settle: &dyn Fn(),
) -> anyhow::Result<()> {
    for pid in &plan.attach {
        tracer.attach(*pid, sink).map_err(unwatched)?;
    }
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
            Notice::Exited(exit) if plan.attach.is_empty() => {
                running -= 1;
                // A server that ends before anybody could come.
                if exit.role == SERVER && running == 0 && programs.next().is_some() {
                    anyhow::bail!(
                        "the server ended before it listened, so the client was not started"
                    );
                }
                if exit.role != SERVER && running > 0 {
                    settle();
                }
            }
            Notice::Woken if enough() => return Ok(()),
            Notice::Done => return Ok(()),
            _ => {}
        }
    }
}

/// The role of the program that has to listen before the next one starts.
pub(in crate::verb::watch) const SERVER: &str = "server";

/// The programs with their streams: what they say goes to the descriptors of the plan, one each; the
/// last one may have our standard input, which the descriptor behind those is.
fn programs(plan: &Plan, streams: Vec<OwnedFd>) -> anyhow::Result<Vec<Program>> {
    let mut streams = streams.into_iter();
    let mut missing = || streams.next().context("a stream of the plan is missing");
    let mut programs = vec![];
    for planned in &plan.programs {
        let says = missing()?;
        let mut program = Program::new(&planned.role, &planned.words);
        program.stdout = Some(says.try_clone()?);
        program.stderr = Some(says);
        program.stdin = Some(File::open("/dev/null")?.into());
        programs.push(program);
    }
    if plan.stdin
        && let Some(last) = programs.last_mut()
    {
        last.stdin = Some(missing()?);
    }
    Ok(programs)
}

/// What cannot be run, or may not be watched, is a matter of the command line.
fn unwatched(why: sockeye_observe::watch::WatchError) -> anyhow::Error {
    let source = std::error::Error::source(&why).and_then(|source| source.downcast_ref());
    match source.filter(|error: &&io::Error| error.raw_os_error().is_some()) {
        Some(error) => usage!("{why}: {}", Errno::of(error)),
        None => usage!("{:#}", anyhow::Error::new(why)),
    }
}
