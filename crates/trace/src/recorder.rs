//! The recorder that feeders hold and the observer that drains it.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

#[cfg(doc)]
use crate::Kind;
use crate::ring::Ring;
use crate::{Clock, ConnId, Event, Time};

/// How many events, and bytes of payload, a thread can be ahead of an observer of everything.
const ROOM_FOR_CALLS: (usize, usize) = (1 << 16, 1 << 22);
/// The same of an observer of life: 40,000 connections a second, looked at every 80 ms, leave half of
/// it free. A thread touches all of its ring, so room that is not needed would cost memory.
const ROOM_FOR_LIFE: (usize, usize) = (1 << 14, 1 << 20);
/// Threads store their events on their own, so an event may be stored a little after a later one of
/// another thread; the observer waits this long before it puts them in order.
const SETTLES: Duration = Duration::from_millis(1);

/// Nobody observes.
const OFF: u8 = 0;
/// Everything but single reads and writes.
const LIFE: u8 = 1;
/// Everything.
const CALLS: u8 = 2;

/// Takes events from every thread that touches a socket. Clones share one recorder.
#[derive(Clone, Debug)]
pub struct Recorder {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Tells the recorders of one process apart in a thread's list of rings.
    number: u64,
    clock: Clock,
    /// What is recorded: [`OFF`], [`LIFE`] or [`CALLS`].
    level: AtomicU8,
    payload_cap: AtomicUsize,
    next_conn: AtomicU64,
    rings: Mutex<Vec<Arc<Ring>>>,
}

thread_local! {
    /// This thread's rings, one for each recorder it ever recorded to.
    static RINGS: RefCell<Vec<(u64, Arc<Ring>)>> = const { RefCell::new(Vec::new()) };
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// A recorder that nobody observes yet.
    pub fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let shared = Shared {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            clock: Clock::start(),
            level: AtomicU8::new(OFF),
            payload_cap: AtomicUsize::new(256),
            next_conn: AtomicU64::new(1),
            rings: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The time now, on the clock of this recorder's events.
    pub fn now(&self) -> Time {
        self.shared.clock.now()
    }

    /// A number for a new connection.
    pub fn next_conn(&self) -> ConnId {
        ConnId::new(self.shared.next_conn.fetch_add(1, Ordering::Relaxed))
    }

    /// What is recorded now. A build with `--cfg no_rings` records nothing: what
    /// docs/performance.md compares with to say what recording costs.
    #[inline]
    fn level(&self) -> u8 {
        if cfg!(no_rings) {
            OFF
        } else {
            self.shared.level.load(Ordering::Relaxed)
        }
    }

    /// Whether anybody observes. Ask before reading the clock or gathering what an event needs.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.level() != OFF
    }

    /// Whether anybody observes single reads and writes ([`Kind::is_call`]). Ask this instead of
    /// [`Recorder::is_on`] on the path of every message: a log of connections wants none of them.
    #[inline]
    pub fn takes_calls(&self) -> bool {
        self.level() == CALLS
    }

    /// Copies at most this many bytes of payload beside an event; 256 unless set.
    /// Names and reasons are always copied whole.
    pub fn set_payload_cap(&self, bytes: usize) {
        self.shared.payload_cap.store(bytes, Ordering::Relaxed);
    }

    /// Stores an event with a copy of its payload, if anybody observes.
    #[inline]
    pub fn record(&self, event: Event, payload: &[u8]) {
        let level = self.level();
        if level == CALLS || level == LIFE && !event.kind().is_call() {
            self.store(event, payload);
        }
    }

    fn store(&self, event: Event, payload: &[u8]) {
        let data = event.kind().is_data();
        let cap = if data {
            self.shared.payload_cap.load(Ordering::Relaxed)
        } else {
            payload.len()
        };
        let payload = &payload[..payload.len().min(cap)];
        RINGS.with_borrow_mut(|rings| {
            let number = self.shared.number;
            if let Some((_, ring)) = rings.iter().find(|(of, _)| *of == number) {
                return ring.push(event, payload, !data);
            }
            let room = if self.takes_calls() {
                ROOM_FOR_CALLS
            } else {
                ROOM_FOR_LIFE
            };
            let ring = Arc::new(Ring::new(room.0, room.1));
            ring.push(event, payload, !data);
            self.rings().push(Arc::clone(&ring));
            rings.push((number, ring));
        });
    }

    /// Starts recording everything. Only one observer can exist at a time.
    ///
    /// # Panics
    /// If there is an observer already: two would steal each other's events.
    pub fn observe(&self) -> Observer {
        self.start(CALLS)
    }

    /// Starts recording everything but single reads and writes.
    ///
    /// # Panics
    /// As [`Recorder::observe`] does.
    pub fn observe_life(&self) -> Observer {
        self.start(LIFE)
    }

    fn start(&self, level: u8) -> Observer {
        let before = self.shared.level.swap(level, Ordering::Relaxed);
        assert!(before == OFF, "a recorder has one observer");
        Observer {
            recorder: self.clone(),
            held: Vec::new(),
            payloads: Vec::new(),
            reported_dropped: 0,
        }
    }

    fn rings(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Ring>>> {
        self.shared
            .rings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the events out, in the order of time. Recording stops when it is dropped.
#[derive(Debug)]
pub struct Observer {
    recorder: Recorder,
    /// Events taken from the rings and not yet handed on, each with where its payload begins.
    held: Vec<(Event, usize)>,
    /// Their payloads, end to end: one buffer, because an allocation an event would cost an echo
    /// server a fiftieth of its rate.
    payloads: Vec<u8>,
    reported_dropped: u64,
}

impl Observer {
    /// Hands on every event that is old enough to be in order. Call it every few milliseconds.
    pub fn drain(&mut self, each: impl FnMut(&Event, &[u8])) {
        self.drain_until(self.recorder.now() - SETTLES, each);
    }

    /// Hands on everything, for the end of a run.
    pub fn drain_all(&mut self, each: impl FnMut(&Event, &[u8])) {
        self.drain_until(Time::from_nanos(u64::MAX), each);
    }

    /// Events lost since this was last asked because draining was too slow.
    pub fn take_dropped(&mut self) -> u64 {
        let total: u64 = self
            .recorder
            .rings()
            .iter()
            .map(|ring| ring.dropped())
            .sum();
        total - std::mem::replace(&mut self.reported_dropped, total)
    }

    fn drain_until(&mut self, until: Time, mut each: impl FnMut(&Event, &[u8])) {
        let rings = self.recorder.rings().clone();
        for ring in &rings {
            let mut begins = self.payloads.len();
            while let Some(event) = ring.pop(&mut self.payloads) {
                self.held.push((event, begins));
                begins = self.payloads.len();
            }
        }
        self.held.sort_by_key(|(event, _)| event.time);
        let old = self.held.partition_point(|(event, _)| event.time <= until);
        for (event, begins) in self.held.drain(..old) {
            each(&event, &self.payloads[begins..][..event.payload as usize]);
        }
        self.forget_payloads();
    }

    /// Keeps the payloads of those that are still held, and no others.
    fn forget_payloads(&mut self) {
        let mut kept = Vec::new();
        for (event, begins) in &mut self.held {
            let payload = &self.payloads[*begins..][..event.payload as usize];
            *begins = kept.len();
            kept.extend_from_slice(payload);
        }
        self.payloads.clear();
        self.payloads.append(&mut kept);
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.recorder.shared.level.store(OFF, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn numbers(observer: &mut Observer) -> Vec<u64> {
        let mut seen = vec![];
        observer.drain_all(|event, _| seen.push(event.conn().number()));
        seen
    }

    #[test]
    fn without_an_observer_nothing_is_kept() {
        let recorder = Recorder::new();
        let event = Event::new(Kind::Read, ConnId::new(1), recorder.now());
        recorder.record(event, b"early");
        let mut observer = recorder.observe();
        assert!(numbers(&mut observer).is_empty());
        recorder.record(event, b"seen");
        assert_eq!(numbers(&mut observer), [1]);
        drop(observer);
        recorder.record(event, b"late");
        assert!(numbers(&mut recorder.observe()).is_empty());
    }

    #[test]
    fn an_observer_of_life_gets_no_reads_and_writes() {
        let recorder = Recorder::new();
        let mut observer = recorder.observe_life();
        for (number, kind) in [(1, Kind::Accepted), (2, Kind::Read), (3, Kind::Truncated)] {
            recorder.record(Event::new(kind, ConnId::new(number), recorder.now()), b"");
        }
        assert_eq!(numbers(&mut observer), [1, 3]);
        assert!(recorder.is_on() && !recorder.takes_calls());
    }

    #[test]
    fn events_of_two_threads_come_in_the_order_of_time() {
        let recorder = Recorder::new();
        let mut observer = recorder.observe();
        let at = |nanos| Event::new(Kind::Closed, ConnId::new(nanos), Time::from_nanos(nanos));
        recorder.record(at(3), b"");
        std::thread::scope(|scope| {
            scope.spawn(|| [1, 2, 4].map(|nanos| recorder.record(at(nanos), b"")));
        });
        assert_eq!(numbers(&mut observer), [1, 2, 3, 4]);
    }

    /// What is too young to be handed on keeps its payload until it is old enough.
    #[test]
    fn payloads_stay_with_their_events() {
        let recorder = Recorder::new();
        let mut observer = recorder.observe();
        let at = |nanos, text: &[u8]| {
            let event = Event::new(Kind::Read, ConnId::new(nanos), Time::from_nanos(nanos));
            recorder.record(event, text);
        };
        let mut seen = vec![];
        for (round, until) in [(0, 2), (10, 12), (20, u64::MAX)] {
            at(round + 3, b"the third");
            at(round + 1, b"first");
            at(round + 2, b"");
            observer.drain_until(Time::from_nanos(until), |event, payload| {
                seen.push((event.conn().number(), payload.to_vec()));
            });
        }
        let texts = [&b"first"[..], b"", b"the third"];
        let expected: Vec<(u64, Vec<u8>)> = (0..9)
            .map(|index| {
                (
                    index / 3 * 10 + index % 3 + 1,
                    texts[index as usize % 3].to_vec(),
                )
            })
            .collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn the_payload_cap_is_for_data_only() {
        let recorder = Recorder::new();
        recorder.set_payload_cap(3);
        let mut observer = recorder.observe();
        for kind in [Kind::Read, Kind::BadFrame] {
            recorder.record(
                Event::new(kind, ConnId::new(1), recorder.now()),
                b"a reason",
            );
        }
        let mut lengths = vec![];
        observer.drain_all(|_, payload| lengths.push(payload.len()));
        assert_eq!(lengths, [3, 8]);
    }
}
