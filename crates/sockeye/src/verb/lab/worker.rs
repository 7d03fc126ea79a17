//! The lab's process: in namespaces of its own, with no more than one thread until it is there, and no
//! word to anybody but in facts.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Signal, set_parent_process_death_signal};
use sockeye_observe::lab::{Host, Lab, Note, Place, Scenario, grown, tell_note};
use sockeye_observe::namespace::block_endings;
use sockeye_observe::watch::{Options, Tracer, Uring};
use sockeye_trace::{Fact, WireSource};

use super::plan::Plan;
use crate::exit::{self, usage};
use crate::recording::{
    Facts, GRACE, Patience, SERVER, conduct, now, programs, receive, unwatched,
};

/// The word that starts an actor.
pub(crate) const ACTOR: &str = "__actor";
/// How long a fact may wait before it is visible.
const LIVE: Duration = Duration::from_millis(20);

/// The word that starts it, instead of a verb.
pub(crate) const WORD: &str = "__lab";

/// Its whole life. What went wrong is one line on standard error.
pub(crate) fn main() -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            exit::of(&error).code().into()
        }
    }
}

fn work() -> anyhow::Result<()> {
    let orders = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let (plan, streams) = receive::<Plan>(&orders)
        .map_err(|error| usage!("'{WORD}' is for `sockeye lab` itself: {error}"))?;
    // Whoever draws may be killed, and nothing of ours may stay behind then.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let place = Place::prepare().map_err(|why| usage!("{why}"))?;
    if let (Err(what), Place::Loopback(why)) = (place.allows(&plan.lab), place) {
        return Err(usage!("this needs {what}, in namespaces: {why}"));
    }
    // Ctrl-C goes to everybody at the terminal: the programs hear it, and we tell what comes of it.
    block_endings()?;
    Worker::start(plan, place, orders)?.run(streams)
}

/// What both kinds of runs need.
struct Worker {
    plan: Plan,
    lab: Lab,
    tracer: Tracer,
    facts: Arc<Facts<File>>,
    patience: Arc<Patience<File>>,
}

impl Worker {
    fn start(plan: Plan, place: Place, orders: UnixStream) -> anyhow::Result<Self> {
        let mut head = plan.head.clone();
        head.started_ns = now().as_nanos();
        match place {
            Place::Namespaces => head.wire = WireSource::Captured,
            Place::Loopback(why) => {
                head.wire = WireSource::Inferred;
                head.wire_note = why.to_string();
            }
        }
        let tracer = Tracer::new(Options {
            payload_cap: plan.lab.payload_cap,
            uring: Uring::Follow,
            gauges: true,
            infer_wire: place != Place::Namespaces,
        })?;
        let out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let facts = Arc::new(Facts::new(out, &head, None)?);
        let patience = Arc::new(Patience::new(Arc::clone(&facts), tracer.waker(), orders));
        let packets = Arc::clone(&facts);
        let lab = Lab::build(place, &plan.lab, move |batch| {
            for fact in batch {
                packets.tell_packet(&fact);
            }
        })
        .map_err(|why| usage!("{:#}", anyhow::Error::new(why)))?;
        tell_note(&lab.begin(&plan.lab), &mut |fact| facts.tell(fact));
        Ok(Self {
            plan,
            lab,
            tracer,
            facts,
            patience,
        })
    }

    fn run(self, streams: Vec<OwnedFd>) -> anyhow::Result<()> {
        let pump = Pump::start(Arc::clone(&self.facts), Arc::clone(&self.patience));
        let outcome = match self.plan.lab.scenario.clone() {
            Some(scenario) => self.script(&scenario),
            None => self.programs(streams),
        };
        pump.finish();
        outcome
    }

    fn script(self, scenario: &Scenario) -> anyhow::Result<()> {
        let this = std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
        let actor = [this.into_os_string(), ACTOR.into()];
        let facts = self.facts;
        // A script that got stuck has told so.
        self.lab
            .play(&self.plan.lab, scenario, &actor, self.tracer, &|fact| {
                facts.tell(fact);
            })
            .map(drop)
            .map_err(unwatched)
    }

    fn programs(mut self, streams: Vec<OwnedFd>) -> anyhow::Result<()> {
        let mut programs = programs(&self.plan.programs, self.plan.stdin, streams)?;
        for program in &mut programs {
            let host = if program.role == SERVER {
                Host::Server
            } else {
                Host::Client
            };
            program.network = self.lab.network(host)?;
            program.env.extend(self.lab.environment());
        }
        let before = self.lab.counters()?;
        let facts = &self.facts;
        let mut sink = |fact: &Fact<'_>| facts.tell(fact);
        let mut programs = programs.into_iter();
        let outcome = conduct(
            &mut self.tracer,
            &mut programs,
            false,
            &mut sink,
            &self.patience,
        );
        self.patience.leave_alone();
        // Whatever went wrong, what was seen until then is told.
        self.tracer.finish(GRACE, &mut sink);
        self.lab.wait_for_silence();
        if let (Some(before), Some(after)) = (before, self.lab.counters()?) {
            for (host, (before, after)) in [Host::Client, Host::Server]
                .into_iter()
                .zip(before.iter().zip(&after))
            {
                let grown = grown(before, after);
                tell_note(&Note::Counters { host, grown }, &mut sink);
            }
        }
        self.lab.finish()?;
        outcome
    }
}

/// Makes visible what was told, and looks whether there is still something to wait for.
struct Pump {
    done: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Pump {
    fn start(facts: Arc<Facts<File>>, patience: Arc<Patience<File>>) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&done);
        let thread = thread::spawn(move || {
            while !told.load(Ordering::SeqCst) {
                thread::park_timeout(LIVE);
                facts.flush();
                patience.look();
            }
            facts.flush();
        });
        Self { done, thread }
    }

    fn finish(self) {
        self.done.store(true, Ordering::SeqCst);
        self.thread.thread().unpark();
        // A panic there has been printed, and what it wrote stands.
        let _ = self.thread.join();
    }
}
