//! Who goes through a script: tells the actors their steps in order, waits for what is to be waited for,
//! looks where it is to be looked, and says what came of it as [`Note`]s.
//!
//! - **Order:** a step begins when the one before it has ended; one of the background, when its call waits.
//! - **Limits:** nothing is waited for longer than [`WAIT`], nor past the deadline of the run.
//! - **Ends early** with what did not come: [`Stuck`], one line.

mod cast;
mod look;
mod surroundings;
#[cfg(test)]
mod tests;
mod wait;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::actor::Order;
use super::{Action, Done, Host, Note, Run, Scenario, Step, WireAction};
use cast::{Cast, Heard, Pending};

pub use cast::Pipes;
pub use surroundings::{Cable, Kernel};

/// As long may a step, or a wait, take.
pub const WAIT: Duration = Duration::from_secs(8);

/// Between two looks at what is waited for.
const PACE: Duration = Duration::from_millis(1);

/// What stopped a script: a step that could not be done, or something that did not come.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("step {index}: {why}")]
pub struct Stuck {
    /// The step's place in the script, from 0.
    pub index: usize,
    /// What was wanted and what was there instead.
    pub why: String,
}

/// What a script runs on.
#[derive(Clone, Copy)]
pub struct Stage<'a> {
    /// The hosts' addresses, the client's first.
    pub addresses: [Ipv4Addr; 2],
    /// Where their actors take orders and answer. Whoever closes these pipes, after the script, decides how
    /// long its connections live.
    pub actors: &'a [Pipes; 2],
    /// What their kernels can be asked.
    pub kernels: [&'a dyn Kernel; 2],
    /// What joins them, where it is a wire of ours; without one, nothing is waited for that passes it.
    pub cable: Option<&'a dyn Cable>,
}

/// One going-through of a script.
pub struct Director<'a, T> {
    kernels: [&'a dyn Kernel; 2],
    cable: Option<&'a dyn Cable>,
    cast: Cast<'a>,
    /// What the kernels had counted when it began.
    counted: [BTreeMap<String, i64>; 2],
    deadline: Instant,
    tell: T,
}

impl<'a, T: FnMut(Note)> Director<'a, T> {
    /// Makes ready; nothing has happened yet.
    ///
    /// - **Errors:** an actor that takes no orders, a kernel that does not tell what it counts.
    pub fn new(stage: Stage<'a>, deadline: Instant, tell: T) -> Result<Self, Stuck> {
        let Stage {
            addresses,
            actors,
            kernels,
            cable,
        } = stage;
        let begun = |why| Stuck { index: 0, why };
        let [client, server] = kernels;
        let counted = [
            client.counters().map_err(begun)?,
            server.counters().map_err(begun)?,
        ];
        let cast = Cast::new(addresses, actors).map_err(begun)?;
        Ok(Self {
            kernels,
            cable,
            cast,
            counted,
            deadline,
            tell,
        })
    }

    /// Goes through the steps of one run, waits for what is still under way in the background, and tells
    /// what the kernels have counted, also where it got stuck, which it tells too.
    pub fn run(self, scenario: &Scenario, run: Run) -> Result<(), Stuck> {
        self.play(&scenario.steps, run)
    }

    fn play(mut self, steps: &[Step], run: Run) -> Result<(), Stuck> {
        let outcome = self.steps(steps, run);
        if let Err(Stuck { index, why }) = &outcome {
            let (index, why) = (*index, why.clone());
            (self.tell)(Note::Stuck { index, why });
        }
        for host in [Host::Client, Host::Server] {
            // What cannot be asked any more grew by nothing that could be told.
            let Ok(grown) = self.grown(host) else {
                continue;
            };
            (self.tell)(Note::Counters { host, grown });
        }
        outcome
    }

    fn steps(&mut self, steps: &[Step], run: Run) -> Result<(), Stuck> {
        for (index, step) in steps.iter().enumerate() {
            if step.only.is_some_and(|only| only != run) {
                continue;
            }
            let stuck = |why| Stuck { index, why };
            match (&step.client, &step.server, &step.wire) {
                (Some(action), None, None) => self.act(index, step, Host::Client, action)?,
                (None, Some(action), None) => self.act(index, step, Host::Server, action)?,
                (None, None, Some(action)) => {
                    let done = self.wire(index, action)?;
                    self.ended(index, step, done);
                }
                _ => {
                    return Err(stuck(
                        "is of neither host nor the wire, or of several".into(),
                    ));
                }
            }
        }
        self.all_ended(steps.len().saturating_sub(1))
    }

    fn act(&mut self, index: usize, step: &Step, host: Host, action: &Action) -> Result<(), Stuck> {
        let stuck = |why| Stuck { index, why };
        match action {
            Action::Look {} => {
                let found = self.kernel(host).sockets().map_err(stuck)?;
                (self.tell)(Note::Look {
                    name: step.name.clone().unwrap_or_default(),
                    host,
                    sockets: look::seen(&found),
                });
            }
            Action::Wait(wait) => {
                let done = self.wait(index, host, wait)?;
                self.ended(index, step, done);
            }
            Action::Pause(ms) => {
                self.pause(*ms);
                self.ended(index, step, vec![]);
            }
            Action::Sysctl { name, value } => {
                let set = self.kernel(host).sysctl(name, value);
                set.map_err(stuck)?;
                self.ended(index, step, vec![]);
            }
            Action::Exit {} => {
                self.order(index, step, host, action)?;
                self.until_gone(index, host)?;
                self.ended(index, step, vec![]);
            }
            _ => {
                self.order(index, step, host, action)?;
                self.until_answered(index, step.background)?;
            }
        }
        Ok(())
    }

    fn order(
        &mut self,
        index: usize,
        step: &Step,
        host: Host,
        action: &Action,
    ) -> Result<(), Stuck> {
        let order = Order {
            id: index as u64,
            background: step.background,
            action: action.clone(),
        };
        let pending = Pending {
            host,
            name: step.name.clone().unwrap_or_default(),
            begun: false,
        };
        let sent = self.cast.order(&order, pending);
        sent.map_err(|why| Stuck { index, why })
    }

    /// Takes what the actors have said, for `patience` at most; background steps end here.
    fn hear(&mut self, patience: Duration) -> Result<(), Stuck> {
        for heard in self.cast.hear(patience) {
            match heard {
                Heard::Done { index, name, done } => (self.tell)(Note::Step { index, name, done }),
                Heard::Stuck { index, why } => return Err(Stuck { index, why }),
            }
        }
        Ok(())
    }

    /// Waits until a step's call waits (in the background), or until it has ended.
    fn until_answered(&mut self, index: usize, background: bool) -> Result<(), Stuck> {
        let end = self.end();
        loop {
            match self.cast.pending(index) {
                None => return Ok(()),
                Some(pending) if background && pending.begun => return Ok(()),
                Some(pending) if Instant::now() >= end => {
                    let host = pending.host;
                    let why = format!(
                        "the {}'s call has not returned; {}",
                        look::name(host),
                        self.there(host)
                    );
                    return Err(Stuck { index, why });
                }
                Some(_) => self.hear(end.saturating_duration_since(Instant::now()))?,
            }
        }
    }

    fn until_gone(&mut self, index: usize, host: Host) -> Result<(), Stuck> {
        let end = self.end();
        while !self.cast.is_gone(host) {
            if Instant::now() >= end {
                let why = format!("the {}'s program has not ended", look::name(host));
                return Err(Stuck { index, why });
            }
            self.hear(end.saturating_duration_since(Instant::now()))?;
        }
        Ok(())
    }

    /// Waits for what is under way in the background.
    fn all_ended(&mut self, last: usize) -> Result<(), Stuck> {
        let end = self.end();
        while let Some((index, host)) = self.cast.first_pending() {
            if Instant::now() >= end {
                let why = format!(
                    "begun in the background, the {}'s call has not returned by the end (step {last}); {}",
                    look::name(host),
                    self.there(host)
                );
                return Err(Stuck { index, why });
            }
            self.hear(end.saturating_duration_since(Instant::now()))?;
        }
        Ok(())
    }

    fn wire(&mut self, index: usize, action: &WireAction) -> Result<Vec<Done>, Stuck> {
        let stuck = |why| Stuck { index, why };
        match (action, self.cable) {
            (WireAction::Pause(ms), _) => self.pause(*ms),
            (WireAction::Faults(rules), Some(cable)) => cable.faults(rules).map_err(stuck)?,
            (WireAction::Faults(_), None) => return Err(stuck("there is no wire here".into())),
            (WireAction::Wait { packets, to, flags }, Some(cable)) => {
                return self.passed(index, cable, *packets, *to, flags.as_deref());
            }
            // The loopback device has delivered what was sent when the call returns.
            (WireAction::Wait { .. }, None) => {}
        }
        Ok(vec![])
    }

    /// Nothing, for so long, but not past the run's end.
    fn pause(&self, ms: u64) {
        let left = self.deadline.saturating_duration_since(Instant::now());
        thread::sleep(Duration::from_millis(ms).min(left));
    }

    fn ended(&mut self, index: usize, step: &Step, done: Vec<Done>) {
        let name = step.name.clone().unwrap_or_default();
        (self.tell)(Note::Step { index, name, done });
    }

    /// When what begins now has taken too long.
    fn end(&self) -> Instant {
        self.deadline.min(Instant::now() + WAIT)
    }

    fn kernel(&self, host: Host) -> &'a dyn Kernel {
        self.kernels[host as usize]
    }

    /// By how much a host's counters have grown: those that have.
    fn grown(&self, host: Host) -> Result<BTreeMap<String, i64>, String> {
        let before = &self.counted[host as usize];
        let mut counted = self.kernel(host).counters()?;
        counted.retain(|name, count| {
            *count -= before.get(name).copied().unwrap_or(0);
            *count != 0
        });
        Ok(counted)
    }

    /// The sockets of a host, for whoever wonders what was there instead.
    fn there(&self, host: Host) -> String {
        let found = self.kernel(host).sockets();
        found.map_or_else(|why| why, |sockets| look::listed(&look::seen(&sockets)))
    }
}
