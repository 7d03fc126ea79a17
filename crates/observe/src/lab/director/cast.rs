//! The actors on their pipes: orders to them, answers from them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::look::name;
use crate::lab::actor::{Answer, Order, Outcome, Places};
use crate::lab::{Done, Host};

/// The longest line that an answer may be: that of all the calls of a step with what came in each.
const LINE: usize = 64 << 20;

/// The pipes of one actor. Nobody else may hold these ends: that they close is how its end is seen.
#[derive(Debug)]
pub struct Pipes {
    /// Its standard input.
    pub orders: OwnedFd,
    /// Its standard output.
    pub answers: OwnedFd,
}

/// A step that an actor is at.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) host: Host,
    pub(super) name: String,
    /// Whether its call waits, of a step in the background.
    pub(super) begun: bool,
}

/// What was heard of a step.
#[derive(Debug)]
pub(super) enum Heard {
    Done {
        index: usize,
        name: String,
        done: Vec<Done>,
    },
    Stuck {
        index: usize,
        why: String,
    },
}

/// Both actors.
pub(super) struct Cast {
    seats: [Seat; 2],
    pending: BTreeMap<u64, Pending>,
}

struct Seat {
    host: Host,
    orders: File,
    /// None once it has ended.
    answers: Option<File>,
    /// What came of a line.
    line: Vec<u8>,
    /// Whether it was told to end.
    is_to_end: bool,
}

impl Cast {
    /// Tells both who is who.
    pub(super) fn new(addresses: [Ipv4Addr; 2], actors: [Pipes; 2]) -> Result<Self, String> {
        let [client, server] = addresses;
        let mut hosts = [Host::Client, Host::Server].into_iter();
        let mut seats = actors.map(|pipes| Seat {
            host: hosts.next().unwrap_or_default(),
            orders: pipes.orders.into(),
            answers: Some(pipes.answers.into()),
            line: vec![],
            is_to_end: false,
        });
        for seat in &mut seats {
            let own = seat.host;
            seat.say(&Places {
                client,
                server,
                own,
            })?;
        }
        Ok(Self {
            seats,
            pending: BTreeMap::new(),
        })
    }

    pub(super) fn order(&mut self, order: &Order, pending: Pending) -> Result<(), String> {
        let seat = &mut self.seats[pending.host as usize];
        if seat.answers.is_none() {
            return Err(format!("the {}'s program has ended", name(seat.host)));
        }
        seat.say(order)?;
        if order.action == (crate::lab::Action::Exit {}) {
            // Its end is its answer.
            seat.is_to_end = true;
        } else {
            self.pending.insert(order.id, pending);
        }
        Ok(())
    }

    pub(super) fn pending(&self, index: usize) -> Option<&Pending> {
        self.pending.get(&(index as u64))
    }

    /// Whether the step of this name is still under way.
    pub(super) fn is_pending(&self, name: &str) -> bool {
        self.pending.values().any(|pending| pending.name == name)
    }

    pub(super) fn first_pending(&self) -> Option<(usize, Host)> {
        let (id, pending) = self.pending.first_key_value()?;
        Some((*id as usize, pending.host))
    }

    pub(super) fn is_gone(&self, host: Host) -> bool {
        self.seats[host as usize].answers.is_none()
    }

    /// Takes what has been said; if nothing has, waits for something, for `patience` at most.
    pub(super) fn hear(&mut self, patience: Duration) -> Vec<Heard> {
        let until = Instant::now() + patience;
        let mut heard = vec![];
        for host in self.speaking(until) {
            let mut lines = vec![];
            let ended = match self.seats[host as usize].read(&mut lines) {
                Ok(ended) => ended,
                Err(why) => {
                    heard.push(self.stuck(host, format!("the {}: {why}", name(host))));
                    true
                }
            };
            for line in lines {
                heard.extend(self.answer(host, &line));
            }
            if ended {
                heard.extend(self.gone(host));
            }
        }
        heard
    }

    /// Who has something to say.
    fn speaking(&self, until: Instant) -> Vec<Host> {
        let open: Vec<(Host, &File)> = self
            .seats
            .iter()
            .filter_map(|seat| Some((seat.host, seat.answers.as_ref()?)))
            .collect();
        let mut ends: Vec<PollFd<'_>> = open
            .iter()
            .map(|(_, answers)| PollFd::from_borrowed_fd(answers.as_fd(), PollFlags::IN))
            .collect();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).unwrap_or_default();
            match poll(&mut ends, Some(&left)) {
                Err(rustix::io::Errno::INTR) => {}
                // What cannot be polled is read, and says there what is wrong with it.
                Err(_) => return open.iter().map(|(host, _)| *host).collect(),
                Ok(_) => break,
            }
        }
        let ready = ends
            .iter()
            .zip(&open)
            .filter(|(end, _)| !end.revents().is_empty());
        ready.map(|(_, (host, _))| *host).collect()
    }

    fn answer(&mut self, host: Host, line: &[u8]) -> Option<Heard> {
        let Answer { id, outcome } = match serde_json::from_slice(line) {
            Ok(answer) => answer,
            Err(why) => return Some(self.stuck(host, format!("the {} says: {why}", name(host)))),
        };
        let index = id as usize;
        match outcome {
            Outcome::Begun => {
                // It may have ended in the meantime.
                if let Some(pending) = self.pending.get_mut(&id) {
                    pending.begun = true;
                }
                None
            }
            Outcome::Done(done) => {
                let name = self.pending.remove(&id)?.name;
                Some(Heard::Done { index, name, done })
            }
            Outcome::Cannot(why) => {
                self.pending.remove(&id);
                let why = format!("the {}: {why}", name(host));
                Some(Heard::Stuck { index, why })
            }
        }
    }

    /// What an end means: nothing more comes of its steps.
    fn gone(&mut self, host: Host) -> Vec<Heard> {
        let seat = &mut self.seats[host as usize];
        seat.answers = None;
        let was_told = seat.is_to_end;
        let own = |pending: &Pending| pending.host == host;
        let (cut, rest) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|(_, pending)| own(pending));
        self.pending = rest;
        let cut: BTreeMap<u64, Pending> = cut;
        let ends = cut.into_iter().map(|(id, pending)| {
            let index = id as usize;
            if was_told {
                let (name, done) = (pending.name, vec![]);
                return Heard::Done { index, name, done };
            }
            let why = format!("the {}'s program ended in this step", name(host));
            Heard::Stuck { index, why }
        });
        ends.collect()
    }

    /// Something is wrong with an actor, at whatever it was doing.
    fn stuck(&self, host: Host, why: String) -> Heard {
        let own = self
            .pending
            .iter()
            .find(|(_, pending)| pending.host == host);
        let index = own.map_or(0, |(id, _)| *id as usize);
        Heard::Stuck { index, why }
    }
}

impl Seat {
    fn say(&mut self, what: &impl serde::Serialize) -> Result<(), String> {
        let written = serde_json::to_vec(what)
            .map_err(io::Error::from)
            .and_then(|mut line| {
                line.push(b'\n');
                self.orders.write_all(&line)
            });
        written.map_err(|why| format!("the {}'s program takes no orders: {why}", name(self.host)))
    }

    /// One read(2), and the lines that are whole; true at the end.
    fn read(&mut self, lines: &mut Vec<Vec<u8>>) -> Result<bool, String> {
        let Some(answers) = &mut self.answers else {
            return Ok(true);
        };
        let mut room = [0; 16_384];
        let count = match answers.read(&mut room) {
            Err(why) if why.kind() == io::ErrorKind::Interrupted => return Ok(false),
            other => other.map_err(|why| why.to_string())?,
        };
        for piece in room[..count].split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                lines.push(std::mem::take(&mut self.line));
            }
        }
        if self.line.len() > LINE {
            return Err(format!("an answer of more than {LINE} bytes"));
        }
        Ok(count == 0)
    }
}
