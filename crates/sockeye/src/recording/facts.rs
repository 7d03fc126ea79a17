//! The one way out of the process that traces: facts, from its two threads, through one pipe.

use std::collections::HashSet;
use std::io::{self, BufWriter, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sockeye_trace::{Call, ConnId, Event, Fact, Gap, Head, Kind, Side, Time, Transport, Writer};

use crate::ours::Ours;

/// Facts that wait to be written together: a system call for each would cost as much as the fact.
const BUFFER: usize = 64 << 10;

/// Where facts go.
#[derive(Debug)]
pub(crate) struct Facts<W: Write> {
    shared: Mutex<Shared<W>>,
}

#[derive(Debug)]
struct Shared<W: Write> {
    writer: Writer<BufWriter<W>>,
    /// Something was written since the last flush.
    waiting: bool,
    /// The other end is gone, or the pipe broke: nothing more is written.
    broken: bool,
    /// Which packets belong to what is watched; none: all do.
    ours: Option<Ours>,
    quiet: Quiet,
}

/// When something last happened, and what is still open: for knowing when a server has nothing left to do.
#[derive(Debug)]
struct Quiet {
    since: Instant,
    /// Connections that were accepted and are not closed.
    open: HashSet<ConnId>,
    /// Some socket of datagrams is there, whose conversations have no end.
    datagrams: bool,
}

/// How long after the last client's end a server is waited for that does nothing any more.
const NOTHING_OPEN: Duration = Duration::from_millis(300);
/// The same where datagrams may still be read.
const DATAGRAMS: Duration = Duration::from_secs(1);
/// The same while a connection is open: a slow reader may sleep between two reads.
const STILL_OPEN: Duration = Duration::from_secs(5);

impl<W: Write> Facts<W> {
    /// Writes the head.
    pub(crate) fn new(out: W, head: &Head, ours: Option<Ours>) -> io::Result<Self> {
        let mut writer = Writer::new(BufWriter::with_capacity(BUFFER, out), head)?;
        writer.flush()?;
        let quiet = Quiet {
            since: Instant::now(),
            open: HashSet::new(),
            datagrams: false,
        };
        Ok(Self {
            shared: Mutex::new(Shared {
                writer,
                waiting: false,
                broken: false,
                ours,
                quiet,
            }),
        })
    }

    /// A fact about the watched programs.
    pub(crate) fn tell(&self, fact: &Fact<'_>) {
        let mut shared = self.lock();
        shared.quiet.note(fact);
        shared.write(fact);
        let Some(mut ours) = shared.ours.take() else {
            return;
        };
        match fact.kind() {
            Kind::Side => {
                if let Some(side) = fact.describes::<Side>() {
                    ours.learn(&side, |packet| shared.write(packet));
                }
            }
            Kind::Called if is_closed(fact) => ours.forget(fact.event.conn(), fact.event.time),
            _ => {}
        }
        shared.ours = Some(ours);
    }

    /// A packet, which is told of only if it belongs to them.
    pub(crate) fn tell_packet(&self, fact: &Fact<'_>) {
        let mut shared = self.lock();
        let Some(mut ours) = shared.ours.take() else {
            return shared.write(fact);
        };
        if ours.takes(fact) {
            shared.write(fact);
        }
        shared.ours = Some(ours);
    }

    /// That something could not be seen.
    pub(crate) fn tell_gap(&self, gap: &Gap) {
        let event = Event::new(Kind::Gap, ConnId::default(), now());
        let text = serde_json::to_string(gap).unwrap_or_default();
        let mut fact = Fact::new(event);
        fact.text = &text;
        self.lock().write(&fact);
    }

    /// Makes what was told visible.
    pub(crate) fn flush(&self) {
        let mut shared = self.lock();
        if std::mem::take(&mut shared.waiting) && !shared.broken {
            shared.broken = shared.writer.flush().is_err();
        }
    }

    /// Whether a server whose clients have ended seems to have nothing left to do.
    pub(crate) fn is_quiet(&self) -> bool {
        self.lock().quiet.is_over(Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, Shared<W>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write> Shared<W> {
    fn write(&mut self, fact: &Fact<'_>) {
        if !self.broken {
            self.broken = self.writer.write(fact).is_err();
            self.waiting = true;
        }
    }
}

impl Quiet {
    fn note(&mut self, fact: &Fact<'_>) {
        self.since = Instant::now();
        match fact.kind() {
            Kind::Side => {
                let Some(side) = fact.describes::<Side>() else {
                    return;
                };
                self.datagrams |= side.transport == Transport::Udp;
                if side.accepted {
                    self.open.insert(side.conn());
                }
            }
            Kind::Called if is_closed(fact) => {
                self.open.remove(&fact.event.conn());
            }
            _ => {}
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        let enough = if !self.open.is_empty() {
            STILL_OPEN
        } else if self.datagrams {
            DATAGRAMS
        } else {
            NOTHING_OPEN
        };
        now.saturating_duration_since(self.since) >= enough
    }
}

/// Whether a process has let go of a socket: of all its descriptors for it.
fn is_closed(fact: &Fact<'_>) -> bool {
    fact.call() == Call::Close && fact.text != "duplicate"
}

/// The time on the clock of all facts.
pub(crate) fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Time::from_nanos(since.map_or(0, |since| since.as_nanos() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(id: u64, transport: Transport, accepted: bool) -> String {
        let side = Side {
            id,
            transport,
            accepted,
            ..Side::default()
        };
        serde_json::to_string(&side).unwrap()
    }

    #[test]
    fn a_server_is_done_when_all_is_closed_and_silent() {
        let mut quiet = Quiet {
            since: Instant::now(),
            open: HashSet::new(),
            datagrams: false,
        };
        let note = |quiet: &mut Quiet, kind, call, text: &str| {
            let mut fact = Fact::new(Event::new(kind, ConnId::new(3), now()).with_call(call));
            fact.text = text;
            quiet.note(&fact);
        };
        let after = |quiet: &Quiet, wait: Duration| quiet.is_over(quiet.since + wait);
        note(
            &mut quiet,
            Kind::Side,
            Call::Untold,
            &side(3, Transport::Tcp, true),
        );
        assert!(!after(&quiet, NOTHING_OPEN));
        assert!(after(&quiet, STILL_OPEN));
        note(&mut quiet, Kind::Called, Call::Close, "duplicate");
        assert!(!after(&quiet, NOTHING_OPEN));
        note(&mut quiet, Kind::Called, Call::Close, "exit");
        assert!(after(&quiet, NOTHING_OPEN));
        note(
            &mut quiet,
            Kind::Side,
            Call::Untold,
            &side(4, Transport::Udp, false),
        );
        assert!(!after(&quiet, NOTHING_OPEN));
        assert!(after(&quiet, DATAGRAMS));
    }
}
