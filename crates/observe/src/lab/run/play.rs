//! A script, done by two actors on the two hosts.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sockeye_trace::{Fact, Kind};

use super::{Joined, Lab, Plan, tell_note};
use crate::lab::director::{Director, Kernel, Pipes, Stage, Stuck};
use crate::lab::{Host, Note, Scenario};
use crate::watch::{Notice, Program, Tracer, Waker, WatchError};

/// A run is over after this, whatever it is at.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);
/// A wire on which nothing comes for so long is silent: longer than an acknowledgement is delayed
/// (`TCP_DELACK_MIN` of include/net/tcp.h is 40 ms).
const SILENCE: Duration = Duration::from_millis(50);
/// For silence is waited so long at most.
const LAST_PACKETS: Duration = Duration::from_millis(250);

/// How a script ended.
pub type Played = Result<(), Stuck>;

impl Lab {
    /// Goes through the plan's script: starts an actor on each host, by this command line, and watches
    /// both until the last step has ended. They are killed then, which is told no more: what is seen is
    /// what the script did.
    ///
    /// # Errors
    /// Why an actor cannot be started or watched. Where the script got stuck is no error.
    pub fn play(
        self,
        plan: &Plan,
        scenario: &Scenario,
        actor: &[OsString],
        mut tracer: Tracer,
        tell: &(dyn Fn(&Fact<'_>) + Sync),
    ) -> Result<Played, WatchError> {
        let mut sink = |fact: &Fact<'_>| tell(fact);
        // The one that listens is there first.
        let server = self.start(Host::Server, actor, &mut tracer, &mut sink)?;
        let client = self.start(Host::Client, actor, &mut tracer, &mut sink)?;
        // They live while these are open, also when the script has ended.
        let actors = [client, server];
        let done = AtomicBool::new(false);
        let waker = tracer.waker();
        let played = thread::scope(|scope| {
            let director = scope.spawn(|| {
                let _bell = Bell {
                    done: &done,
                    waker: &waker,
                };
                let played = self.direct(plan, scenario, &actors, tell);
                self.wait_for_silence();
                played
            });
            let watched = watch(&mut tracer, &done, &mut sink);
            let played = director.join().unwrap_or_else(|_| {
                let why = "the director has ended early".into();
                Err(Stuck { index: 0, why })
            });
            watched.map(|()| played)
        });
        // A wire that broke has told so, as packets that were lost.
        let _ = self.finish();
        // Nothing more is of the script: but what watching has cost, and what it could not see.
        let mut last = |fact: &Fact<'_>| {
            if matches!(fact.kind(), Kind::Cost | Kind::Gap) {
                tell(fact);
            }
        };
        tracer.finish(Duration::ZERO, &mut last);
        played
    }

    fn start(
        &self,
        host: Host,
        actor: &[OsString],
        tracer: &mut Tracer,
        sink: &mut dyn FnMut(&Fact<'_>),
    ) -> Result<Pipes, WatchError> {
        let prepare = |step| move |source| WatchError::Prepare { step, source };
        let (orders, told) = pipe().map_err(prepare("make a pipe"))?;
        let (answers, said) = pipe().map_err(prepare("make a pipe"))?;
        let role = match host {
            Host::Client => "client",
            Host::Server => "server",
        };
        let mut program = Program::new(role, actor.iter().cloned());
        program.stdin = Some(orders);
        program.stdout = Some(said);
        program.network = self.network(host).map_err(prepare("find its network"))?;
        let process = tracer.start(&program, sink)?;
        if let Joined::Loopback(loopback) = &self.joined {
            loopback.know(host, process);
        }
        Ok(Pipes {
            orders: told,
            answers,
        })
    }

    fn direct(
        &self,
        plan: &Plan,
        scenario: &Scenario,
        actors: &[Pipes; 2],
        tell: &(dyn Fn(&Fact<'_>) + Sync),
    ) -> Played {
        let addresses = [Host::Client, Host::Server].map(|host| self.address(host));
        let deadline = Instant::now() + DEADLINE;
        let tell = |note: Note| tell_note(&note, &mut |fact| tell(fact));
        match &self.joined {
            Joined::Wire { hosts, wire } => {
                let [client, server] = &**hosts;
                let stage = Stage {
                    addresses,
                    actors,
                    kernels: [client, server],
                    cable: Some(wire),
                };
                Director::new(stage, deadline, tell)?.run(scenario, plan.run)
            }
            Joined::Loopback(loopback) => {
                let (client, server) = (loopback.host(Host::Client), loopback.host(Host::Server));
                let kernels: [&dyn Kernel; 2] = [&client, &server];
                let stage = Stage {
                    addresses,
                    actors,
                    kernels,
                    cable: None,
                };
                // What its kernel counts is everybody's: nothing is told of it.
                let tell = |note: Note| {
                    if !matches!(note, Note::Counters { .. }) {
                        tell(note);
                    }
                };
                Director::new(stage, deadline, tell)?.run(scenario, plan.run)
            }
        }
    }

    /// Waits until what was sent last has arrived, and its acknowledgement: until the wire has been silent
    /// for a moment.
    ///
    /// - **Limits:** a quarter of a second; there are wires on which something always comes.
    pub fn wait_for_silence(&self) {
        let until = Instant::now() + LAST_PACKETS;
        let mut packets = self.packets();
        while packets > 0 && Instant::now() < until {
            thread::sleep(SILENCE);
            let before = std::mem::replace(&mut packets, self.packets());
            if before == packets {
                return;
            }
        }
    }
}

/// Says that the director has ended, however it did.
struct Bell<'a> {
    done: &'a AtomicBool,
    waker: &'a Waker,
}

impl Drop for Bell<'_> {
    fn drop(&mut self) {
        self.done.store(true, Ordering::SeqCst);
        self.waker.wake();
    }
}

/// Until the director has ended, or nobody is left to be watched.
fn watch(
    tracer: &mut Tracer,
    done: &AtomicBool,
    sink: &mut dyn FnMut(&Fact<'_>),
) -> Result<(), WatchError> {
    loop {
        match tracer.run(sink)? {
            Notice::Woken if done.load(Ordering::SeqCst) => return Ok(()),
            Notice::Done => return Ok(()),
            _ => {}
        }
    }
}

/// A pipe that only those inherit to whom it is given.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    Ok((reader.into(), writer.into()))
}
