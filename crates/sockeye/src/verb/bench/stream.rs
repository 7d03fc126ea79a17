//! Messages go out on streams and come back.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::RecvFlags;
use sockeye_frame::Framing;

use super::error::{BenchError, Ending};
use super::pace::Pace;
use super::plan::Load;
use super::poller::{Poller, Ready};
use super::tally::Tally;
use super::wire::{Bench, Wire};

/// One read: large enough that a window of large messages comes in few of them.
const READ: usize = 256 << 10;

/// One connection and where it stands.
#[derive(Debug)]
struct Flow {
    conn: u32,
    /// None once the connection is over.
    socket: Option<OwnedFd>,
    wire: Wire,
    /// Messages below this number were handed to the wire.
    asked: u64,
    /// Messages below this number came back.
    answered: u64,
    /// When they were handed over: every message below the first number that has no earlier entry.
    sent_at: VecDeque<(u64, u64)>,
    /// The socket takes no more for now.
    blocked: bool,
}

/// One thread's connections.
struct Engine<'a> {
    load: &'a Load<'a>,
    bench: Bench<'a>,
    pace: Option<Pace>,
    poller: Poller,
    flows: Vec<Flow>,
    tally: Tally,
    /// Connections that are not over.
    open: usize,
}

/// Runs the connections of one thread, which are each `(number, socket)`, to the end of the span.
pub(super) fn run(
    load: &Load<'_>,
    framing: &Framing,
    sockets: Vec<(u32, OwnedFd)>,
) -> Result<Tally, BenchError> {
    let poller = Poller::new()?;
    let mut flows = Vec::with_capacity(sockets.len());
    for (conn, socket) in sockets {
        poller.add(&socket, flows.len(), true, false)?;
        let wire = Wire::new(conn, framing);
        flows.push(Flow {
            conn,
            socket: Some(socket),
            wire,
            asked: 0,
            answered: 0,
            sent_at: VecDeque::new(),
            blocked: false,
        });
    }
    let plan = load.plan;
    let pace = plan.rate.map(|rate| Pace::new(rate, plan.connections));
    let bench = Bench {
        messages: &plan.messages,
        verify: plan.verify,
        scratch: Vec::new(),
    };
    let open = flows.len();
    Engine {
        load,
        bench,
        pace,
        poller,
        flows,
        tally: Tally::default(),
        open,
    }
    .run()
}

impl Engine<'_> {
    fn run(mut self) -> Result<Tally, BenchError> {
        let mut buffer = vec![0; READ];
        let mut timetable = self.load.span.now();
        if self.pace.is_none() {
            for index in 0..self.flows.len() {
                self.pump(index, timetable)?;
            }
        } else {
            timetable = 0;
        }
        loop {
            let now = self.load.span.now();
            if self.is_over(now) {
                break;
            }
            self.pump_due(&mut timetable, now)?;
            let patience = self.patience(timetable, now);
            let count = self.poller.wait(patience)?;
            for at in 0..count {
                let Ready {
                    token,
                    readable,
                    writable,
                } = self.poller.ready(at);
                if writable {
                    self.write(token)?;
                }
                if readable {
                    self.read(token, &mut buffer)?;
                }
            }
        }
        let missing = |flow: &Flow| flow.asked - flow.answered;
        self.tally.unanswered = self.flows.iter().map(missing).sum();
        if let Some(pace) = self.pace {
            let due = pace.due(self.load.span.until.saturating_sub(1));
            let unsent = |flow: &Flow| pace.share(flow.conn, due).saturating_sub(flow.asked);
            self.tally.unsent = self.flows.iter().map(unsent).sum();
        }
        Ok(self.tally)
    }

    fn is_over(&self, now: u64) -> bool {
        let span = &self.load.span;
        let all_answered = || {
            let due = self.pace.map(|pace| pace.due(span.until.saturating_sub(1)));
            self.flows
                .iter()
                .filter(|flow| flow.socket.is_some())
                .all(|flow| {
                    let due = self
                        .pace
                        .zip(due)
                        .map_or(flow.asked, |(p, due)| p.share(flow.conn, due));
                    flow.answered >= due
                })
        };
        self.open == 0
            || self.load.stopped()
            || now >= span.give_up
            || (now >= span.until && all_answered())
    }

    /// How long there is nothing to do but to wait for the sockets.
    fn patience(&self, timetable: u64, now: u64) -> Duration {
        let patience = self.load.span.patience(now);
        let Some(pace) = self.pace else {
            return patience;
        };
        let next = pace.intended(
            pace.conn(timetable),
            timetable / self.load.plan.connections as u64,
        );
        patience.min(Duration::from_nanos(next.saturating_sub(now)))
    }

    /// Sends what the timetable says, from its entry `timetable` on.
    fn pump_due(&mut self, timetable: &mut u64, now: u64) -> Result<(), BenchError> {
        let Some(pace) = self.pace else { return Ok(()) };
        let due = pace.due(now.min(self.load.span.until.saturating_sub(1)));
        if due.saturating_sub(*timetable) >= self.flows.len() as u64 {
            for index in 0..self.flows.len() {
                self.pump(index, now)?;
            }
        } else {
            let threads = self.load.plan.threads as u32;
            let mine = self.flows.first().map_or(0, |flow| flow.conn % threads);
            for entry in *timetable..due {
                let conn = pace.conn(entry);
                if conn % threads == mine {
                    self.pump((conn / threads) as usize, now)?;
                }
            }
        }
        *timetable = due.max(*timetable);
        Ok(())
    }

    /// Sends as much as the window, and the timetable if there is one, permit.
    fn pump(&mut self, index: usize, now: u64) -> Result<(), BenchError> {
        let span = &self.load.span;
        let flow = &mut self.flows[index];
        let mut until = flow.answered + self.load.plan.depth;
        if let Some(pace) = self.pace {
            let due = pace.due(now.min(span.until.saturating_sub(1)));
            until = until.min(pace.share(flow.conn, due));
        } else if now >= span.until {
            return Ok(());
        }
        if until <= flow.asked || flow.socket.is_none() {
            return Ok(());
        }
        flow.asked = until;
        if self.pace.is_none() {
            flow.sent_at.push_back((until, now));
        }
        if flow.blocked {
            Ok(())
        } else {
            self.write(index)
        }
    }

    fn write(&mut self, index: usize) -> Result<(), BenchError> {
        let flow = &mut self.flows[index];
        let Some(socket) = &flow.socket else {
            return Ok(());
        };
        match flow.wire.write(socket, flow.asked, &mut self.bench) {
            Ok(done) if done == flow.blocked => {
                flow.blocked = !done;
                self.poller.change(socket, index, true, flow.blocked)
            }
            Ok(_) => Ok(()),
            Err(source) if source.kind() == io::ErrorKind::InvalidInput => Err(BenchError::Local {
                doing: "framing a message",
                source,
            }),
            Err(error) => {
                self.broke(index, error.into());
                Ok(())
            }
        }
    }

    fn read(&mut self, index: usize, buffer: &mut [u8]) -> Result<(), BenchError> {
        let flow = &mut self.flows[index];
        let Some(socket) = &flow.socket else {
            return Ok(());
        };
        // With MSG_TRUNC, TCP drops the bytes instead of copying them (tcp(7)).
        let unseen = !self.bench.verify && matches!(flow.wire, Wire::Raw(_));
        let flags = if unseen {
            RecvFlags::TRUNC
        } else {
            RecvFlags::empty()
        };
        let got = match rustix::net::recv(socket, &mut *buffer, flags) {
            Ok((_, 0)) => {
                self.broke(index, Ending::Closed);
                return Ok(());
            }
            Ok((_, got)) => got,
            Err(rustix::io::Errno::AGAIN) => return Ok(()),
            Err(errno) => {
                self.broke(index, errno.into());
                return Ok(());
            }
        };
        let now = self.load.span.now();
        let completed = if unseen {
            flow.wire.skip(got, &self.bench)
        } else {
            flow.wire.read(&buffer[..got], flow.asked, &self.bench)?
        };
        self.answered(index, completed, now);
        self.pump(index, now)
    }

    /// Counts messages that came back.
    fn answered(&mut self, index: usize, completed: u64, now: u64) {
        let span = &self.load.span;
        let flow = &mut self.flows[index];
        let upto = flow.answered + completed;
        if span.counts(now) {
            self.tally.messages += completed;
            self.tally.bytes += completed * self.bench.messages.size() as u64;
        }
        if let Some(pace) = self.pace {
            for number in flow.answered..upto {
                let intended = pace.intended(flow.conn, number);
                if span.counts(intended) {
                    self.tally
                        .latency
                        .saturating_record(now - intended.min(now));
                }
            }
            flow.answered = upto;
        }
        while flow.answered < upto {
            let Some(&(until, sent)) = flow.sent_at.front() else {
                break;
            };
            let together = until.min(upto) - flow.answered;
            if span.counts(now) {
                self.tally.latency.saturating_record_n(now - sent, together);
            }
            flow.answered += together;
            if flow.answered == until {
                flow.sent_at.pop_front();
            }
        }
        self.load.progress(completed);
    }

    /// Gives a connection up. At the end of the span that is nobody's fault.
    fn broke(&mut self, index: usize, why: Ending) {
        let flow = &mut self.flows[index];
        flow.socket = None;
        self.open -= 1;
        if self.load.span.now() < self.load.span.until || flow.answered < flow.asked {
            self.tally.broke(why);
        }
    }
}
