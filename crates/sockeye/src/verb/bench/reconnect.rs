//! Each message has a connection of its own: connect, message, answer, close.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::RecvFlags;
use sockeye_frame::Framing;

use super::dial::Dialler;
use super::error::{BenchError, Ending};
use super::plan::Load;
use super::poller::{Poller, Ready};
use super::tally::Tally;
use super::wire::{Bench, Wire};

const READ: usize = 64 << 10;

/// A connection on its way from `connect` to its answer.
struct Flow {
    socket: OwnedFd,
    wire: Wire,
    began: u64,
    /// The message left; until then, the connection may not be there yet.
    sent: bool,
}

struct Engine<'a> {
    load: &'a Load<'a>,
    dialler: &'a Dialler,
    framing: &'a Framing,
    bench: Bench<'a>,
    poller: Poller,
    /// As many at a time as the plan says. None between two connections.
    flows: Vec<Option<Flow>>,
    /// The number of the next connection; counts in steps of the threads.
    next: u32,
    tally: Tally,
    /// When a connection that could not be made is tried again, for want of a local port.
    again_at: u64,
}

/// How long to wait for a local port, in nanoseconds: TIME_WAIT ends sixty seconds after it began,
/// and with thousands of ports one is free again soon.
const NO_PORT_PAUSE: u64 = 5_000_000;

/// Runs `slots` connections at a time to the end of the span.
pub(super) fn run(
    load: &Load<'_>,
    framing: &Framing,
    dialler: &Dialler,
    thread: usize,
    slots: usize,
) -> Result<Tally, BenchError> {
    let engine = Engine {
        load,
        dialler,
        framing,
        bench: Bench {
            messages: &load.plan.messages,
            verify: load.plan.verify,
            scratch: Vec::new(),
        },
        poller: Poller::new()?,
        flows: (0..slots).map(|_| None).collect(),
        next: thread as u32,
        tally: Tally::default(),
        again_at: 0,
    };
    engine.run()
}

impl Engine<'_> {
    fn run(mut self) -> Result<Tally, BenchError> {
        let mut buffer = vec![0; READ];
        loop {
            let now = self.load.span.now();
            let all_done = || self.flows.iter().all(Option::is_none);
            let span = self.load.span;
            if self.load.stopped() || now >= span.give_up || (now >= span.until && all_done()) {
                self.tally.unanswered = self.flows.iter().flatten().count() as u64;
                return Ok(self.tally);
            }
            if now >= self.again_at {
                for slot in 0..self.flows.len() {
                    if self.flows[slot].is_none() {
                        self.begin(slot)?;
                    }
                }
            }
            let patience = span
                .patience(now)
                .min(std::time::Duration::from_nanos(NO_PORT_PAUSE));
            let count = self.poller.wait(patience)?;
            for at in 0..count {
                let Ready {
                    token,
                    readable,
                    writable,
                } = self.poller.ready(at);
                if writable && !readable {
                    self.send(token)?;
                }
                if readable {
                    self.receive(token, &mut buffer)?;
                }
            }
        }
    }

    /// Makes a connection and sends its message, which may have to wait for the handshake.
    fn begin(&mut self, slot: usize) -> Result<(), BenchError> {
        let now = self.load.span.now();
        if now >= self.load.span.until || now < self.again_at {
            return Ok(());
        }
        let conn = self.next;
        let socket = match self.dialler.begin(conn as usize) {
            Ok(socket) => socket,
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                self.tally.no_port += 1;
                self.again_at = now + NO_PORT_PAUSE;
                return Ok(());
            }
            Err(error) => return Err(BenchError::connect(self.dialler.endpoint(), error)),
        };
        self.next = self.next.wrapping_add(self.load.plan.threads as u32);
        let mut wire = Wire::new(conn, self.framing);
        // On loopback the handshake is over by now, and the message leaves at once.
        let sent = match wire.write(&socket, 1, &mut self.bench) {
            Ok(sent) => sent,
            Err(error) => return self.broke(error),
        };
        self.poller.add(&socket, slot, sent, !sent)?;
        self.flows[slot] = Some(Flow {
            socket,
            wire,
            began: now,
            sent,
        });
        Ok(())
    }

    /// Counts a connection that broke; if nobody listens there, it is no use to go on.
    fn broke(&mut self, source: io::Error) -> Result<(), BenchError> {
        if source.kind() == io::ErrorKind::ConnectionRefused {
            return Err(BenchError::connect(self.dialler.endpoint(), source));
        }
        self.tally.broke(source.into());
        Ok(())
    }

    fn send(&mut self, slot: usize) -> Result<(), BenchError> {
        let Some(flow) = &mut self.flows[slot] else {
            return Ok(());
        };
        if flow.sent {
            return Ok(());
        }
        match flow.wire.write(&flow.socket, 1, &mut self.bench) {
            Ok(true) => {
                flow.sent = true;
                self.poller.change(&flow.socket, slot, true, false)
            }
            Ok(false) => Ok(()),
            Err(error) => {
                self.flows[slot] = None;
                self.broke(error)?;
                self.begin(slot)
            }
        }
    }

    fn receive(&mut self, slot: usize, buffer: &mut [u8]) -> Result<(), BenchError> {
        let Some(flow) = &mut self.flows[slot] else {
            return Ok(());
        };
        let got = match rustix::net::recv(&flow.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((_, got @ 1..)) => got,
            Err(rustix::io::Errno::AGAIN) => return Ok(()),
            end => {
                self.flows[slot] = None;
                match end {
                    Err(errno) => self.broke(errno.into())?,
                    Ok(_) => self.tally.broke(Ending::Closed),
                }
                return self.begin(slot);
            }
        };
        if flow.wire.read(&buffer[..got], 1, &self.bench)? == 0 {
            return Ok(());
        }
        let now = self.load.span.now();
        let began = flow.began;
        if self.load.span.counts(now) {
            self.tally
                .answered(1, self.bench.messages.size() as u64, now - began);
        }
        self.load.progress(1);
        self.flows[slot] = None;
        self.begin(slot)
    }
}
