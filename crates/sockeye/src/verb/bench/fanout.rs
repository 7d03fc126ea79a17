//! One connection speaks, all the others hear it: what a hub is for.
//!
//! The speaker never has more than `depth` messages out that some listener has not heard. Without
//! that window a listener that is slow only because it shares our thread would be drowned.
//!
//! A connection is made before the hub knows of it, and whom it does not know yet, it does not tell.
//! So everybody is gathered first: the speaker goes on saying one message until all have heard it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::RecvFlags;
use sockeye_frame::Framing;

use super::error::{BenchError, Ending};
use super::plan::{self, Load};
use super::poller::Poller;
use super::tally::Tally;
use super::wire::{Bench, Wire};

const READ: usize = 256 << 10;
/// The connection that speaks.
const SPEAKER: u32 = 0;
/// How long all may take to hear the first message before another is said; doubled each time, so
/// that a hub that is slow is not told faster than it tells.
const GATHER: Duration = Duration::from_millis(10);

struct Listener {
    socket: OwnedFd,
    /// What it should hear is what the speaker says, so its wire is numbered as the speaker's.
    wire: Wire,
    heard: u64,
    /// The last bytes that it heard while all are gathered, as many as a frame has.
    tail: Vec<u8>,
}

struct Engine<'a> {
    load: &'a Load<'a>,
    framing: &'a Framing,
    bench: Bench<'a>,
    poller: Poller,
    speaker: OwnedFd,
    wire: Wire,
    blocked: bool,
    said: u64,
    listeners: Vec<Listener>,
    /// When messages were said, up to which number.
    said_at: VecDeque<(u64, u64)>,
    /// How many listeners have heard each message from `all_heard` on.
    ears: VecDeque<usize>,
    all_heard: u64,
    tally: Tally,
}

/// Runs all connections: the first speaks, the others listen.
pub(super) fn run(
    load: &Load<'_>,
    framing: &Framing,
    sockets: Vec<(u32, OwnedFd)>,
) -> Result<Tally, BenchError> {
    let poller = Poller::new()?;
    let mut sockets = sockets.into_iter().map(|(_, socket)| socket);
    let Some(speaker) = sockets.next() else {
        return Ok(Tally::default());
    };
    poller.add(&speaker, 0, true, false)?;
    let mut listeners = Vec::new();
    for socket in sockets {
        poller.add(&socket, listeners.len() + 1, true, false)?;
        listeners.push(Listener {
            socket,
            wire: Wire::new(SPEAKER, framing),
            heard: 0,
            tail: Vec::new(),
        });
    }
    let bench = Bench {
        messages: &load.plan.messages,
        verify: load.plan.verify,
        scratch: Vec::new(),
    };
    let engine = Engine {
        load,
        framing,
        bench,
        poller,
        speaker,
        wire: Wire::new(SPEAKER, framing),
        blocked: false,
        said: 0,
        listeners,
        said_at: VecDeque::new(),
        ears: VecDeque::new(),
        all_heard: 0,
        tally: Tally::default(),
    };
    engine.run()
}

impl Engine<'_> {
    fn run(mut self) -> Result<Tally, BenchError> {
        let mut buffer = vec![0; READ];
        if self.gather(&mut buffer)? {
            return Ok(self.tally);
        }
        self.say(self.load.span.now())?;
        loop {
            let now = self.load.span.now();
            let span = self.load.span;
            let silent = self.all_heard == self.said;
            if self.load.stopped() || now >= span.give_up || (now >= span.until && silent) {
                let missing = |listener: &Listener| self.said - listener.heard;
                self.tally.unanswered = self.listeners.iter().map(missing).sum();
                return Ok(self.tally);
            }
            let count = self.poller.wait(span.patience(now))?;
            for at in 0..count {
                let ready = self.poller.ready(at);
                let over = match ready.token {
                    0 => self.on_speaker(ready.readable, &mut buffer)?,
                    token => self.hear(token - 1, &mut buffer)?,
                };
                if over {
                    return Ok(self.tally);
                }
            }
            self.say(self.load.span.now())?;
        }
    }

    /// Says messages until everybody has heard the whole of the last one. True: the run is over.
    fn gather(&mut self, buffer: &mut [u8]) -> Result<bool, BenchError> {
        let span = self.load.span;
        let (mut again, mut patience) = (0, plan::nanos(GATHER));
        let mut last = Vec::new();
        loop {
            let now = span.now();
            let missing = self.listeners.iter().filter(|one| one.tail != last).count();
            if missing == 0 && self.said > 0 {
                break;
            }
            if self.load.stopped() || now >= span.give_up {
                self.tally.unanswered = missing as u64;
                return Ok(true);
            }
            if now >= again && !self.blocked {
                last = self.frame(self.said)?;
                self.said += 1;
                (again, patience) = (now + patience, patience * 2);
                if self.write()? {
                    return Ok(true);
                }
            }
            let wait =
                Duration::from_nanos(again.saturating_sub(now)).max(Duration::from_millis(1));
            if self.gather_some(wait, last.len(), buffer)? {
                return Ok(true);
            }
        }
        for listener in &mut self.listeners {
            listener.wire = Wire::after(SPEAKER, self.framing, self.said, &self.bench);
            listener.heard = self.said;
            listener.tail = Vec::new();
        }
        self.all_heard = self.said;
        Ok(false)
    }

    /// Waits, and keeps the last `keep` bytes of what each listener hears. True: the run is over.
    fn gather_some(
        &mut self,
        wait: Duration,
        keep: usize,
        buffer: &mut [u8],
    ) -> Result<bool, BenchError> {
        let count = self.poller.wait(wait)?;
        for at in 0..count {
            let ready = self.poller.ready(at);
            let over = match ready.token {
                0 => self.on_speaker(ready.readable, buffer)?,
                token => self.hear_any(token - 1, keep, buffer),
            };
            if over {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The speaker's message `number` as it lies on a stream.
    fn frame(&self, number: u64) -> Result<Vec<u8>, BenchError> {
        let (mut message, mut frame) = (Vec::new(), Vec::new());
        self.bench.messages.append(SPEAKER, number, 0, &mut message);
        self.framing
            .encode(&message, &mut frame)
            .map_err(|refused| io::Error::new(io::ErrorKind::InvalidInput, refused))
            .map_err(BenchError::local("encoding a message"))?;
        Ok(frame)
    }

    /// Keeps the last `keep` bytes of what a listener hears. True: it hears no more.
    fn hear_any(&mut self, index: usize, keep: usize, buffer: &mut [u8]) -> bool {
        let listener = &mut self.listeners[index];
        match rustix::net::recv(&listener.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((_, 0)) => self.broke(Ending::Closed),
            Ok((_, got)) => {
                listener.tail.extend_from_slice(&buffer[..got]);
                let old = listener.tail.len().saturating_sub(keep);
                listener.tail.drain(..old);
                false
            }
            Err(rustix::io::Errno::AGAIN) => false,
            Err(errno) => self.broke(errno.into()),
        }
    }

    /// The hub must not say anything to the one who speaks.
    fn on_speaker(&mut self, readable: bool, buffer: &mut [u8]) -> Result<bool, BenchError> {
        if readable {
            let got = rustix::net::recv(&self.speaker, &mut *buffer, RecvFlags::empty());
            return match got {
                Ok((_, 0)) => Ok(self.broke(Ending::Closed)),
                Ok((_, got)) => Err(super::wire::unasked(SPEAKER, &buffer[..got])),
                Err(rustix::io::Errno::AGAIN) => Ok(false),
                Err(errno) => Ok(self.broke(errno.into())),
            };
        }
        self.write()
    }

    fn say(&mut self, now: u64) -> Result<(), BenchError> {
        let most = self.all_heard + self.load.plan.depth;
        // As in the closed loop, half a window is worth a write; a single line is said at once.
        let worth = most.saturating_sub(self.said) * 2 > self.load.plan.depth;
        if now >= self.load.span.until || !worth || self.blocked {
            return Ok(());
        }
        self.ears.extend((self.said..most).map(|_| 0));
        self.said = most;
        self.said_at.push_back((most, now));
        self.write().map(drop)
    }

    fn write(&mut self) -> Result<bool, BenchError> {
        match self.wire.write(&self.speaker, self.said, &mut self.bench) {
            Ok(done) => {
                if done == self.blocked {
                    self.blocked = !done;
                    self.poller.change(&self.speaker, 0, true, self.blocked)?;
                }
                Ok(false)
            }
            Err(error) => Ok(self.broke(error.into())),
        }
    }

    fn hear(&mut self, index: usize, buffer: &mut [u8]) -> Result<bool, BenchError> {
        let listener = &mut self.listeners[index];
        let got = match rustix::net::recv(&listener.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((_, 0)) => return Ok(self.broke(Ending::Closed)),
            Ok((_, got)) => got,
            Err(rustix::io::Errno::AGAIN) => return Ok(false),
            Err(errno) => return Ok(self.broke(errno.into())),
        };
        let completed = listener.wire.read(&buffer[..got], self.said, &self.bench)?;
        let heard = listener.heard..listener.heard + completed;
        listener.heard = heard.end;
        let now = self.load.span.now();
        if self.load.span.counts(now) {
            let said = self.said_at.iter().find(|(until, _)| *until > heard.start);
            let nanos = said.map_or(0, |(_, at)| now - at);
            let bytes = completed * self.bench.messages.size() as u64;
            self.tally.answered(completed, bytes, nanos);
        }
        self.load.progress(completed);
        for number in heard {
            self.ears[(number - self.all_heard) as usize] += 1;
        }
        while self.ears.front() == Some(&self.listeners.len()) {
            self.ears.pop_front();
            self.all_heard += 1;
        }
        while self
            .said_at
            .front()
            .is_some_and(|(until, _)| *until <= self.all_heard)
        {
            self.said_at.pop_front();
        }
        Ok(false)
    }

    /// One connection less and nobody hears all any more: the run is over.
    fn broke(&mut self, why: Ending) -> bool {
        if self.load.span.now() < self.load.span.until {
            self.tally.broke(why);
        }
        true
    }
}
