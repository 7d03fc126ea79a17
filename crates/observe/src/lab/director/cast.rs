//! The actors on their pipes: orders to them, answers from them.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::look::name;
use crate::lab::actor::{Answer, Order, Outcome, Places};
use crate::lab::{Done, Host};

/// The longest line that an answer may be: that of all the calls of a step with what came in each.
const LINE: usize = 64 << 20;

/// Our ends of the pipes of one actor. Nobody else may hold its ends: that they close is how its end is
/// seen. When ours close it ends, and its sockets with it.
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
pub(super) struct Cast<'a> {
    seats: [Seat<'a>; 2],
    pending: BTreeMap<u64, Pending>,
}

struct Seat<'a> {
    host: Host,
    pipes: &'a Pipes,
    is_gone: bool,
    /// What came of a line.
    line: Vec<u8>,
    /// Whether it was told to end.
    is_to_end: bool,
}

impl<'a> Cast<'a> {
    /// Tells both who is who.
    pub(super) fn new(addresses: [Ipv4Addr; 2], actors: &'a [Pipes; 2]) -> Result<Self, String> {
        let [client, server] = addresses;
        let seat = |host: Host| Seat {
            host,
            pipes: &actors[host as usize],
            is_gone: false,
            line: vec![],
            is_to_end: false,
        };
        let mut seats = [seat(Host::Client), seat(Host::Server)];
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
        if seat.is_gone {
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
        self.seats[host as usize].is_gone
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
        let open = self.seats.iter().filter(|seat| !seat.is_gone);
        let open: Vec<(Host, &OwnedFd)> =
            open.map(|seat| (seat.host, &seat.pipes.answers)).collect();
        let mut ends: Vec<PollFd<'_>> = open
            .iter()
            .map(|(_, answers)| PollFd::from_borrowed_fd(answers.as_fd(), PollFlags::IN))
            .collect();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).unwrap_or_default();
            match poll(&mut ends, Some(&left)) {
                Err(Errno::INTR) => {}
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
        seat.is_gone = true;
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

impl Seat<'_> {
    fn say(&mut self, what: &impl serde::Serialize) -> Result<(), String> {
        let line = serde_json::to_vec(what).map_err(io::Error::from);
        let written = line.and_then(|mut line| {
            line.push(b'\n');
            write_all(&self.pipes.orders, &line)
        });
        written.map_err(|why| format!("the {}'s program takes no orders: {why}", name(self.host)))
    }

    /// One read(2), and the lines that are whole; true at the end.
    fn read(&mut self, lines: &mut Vec<Vec<u8>>) -> Result<bool, String> {
        let mut room = [0; 16_384];
        let count = match rustix::io::read(&self.pipes.answers, &mut room) {
            Err(Errno::INTR) => return Ok(false),
            other => other.map_err(|why| io::Error::from(why).to_string())?,
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

fn write_all(pipe: &OwnedFd, bytes: &[u8]) -> io::Result<()> {
    let mut left = bytes;
    while !left.is_empty() {
        match rustix::io::write(pipe, left) {
            Err(Errno::INTR) => {}
            written => left = &left[written?..],
        }
    }
    Ok(())
}
