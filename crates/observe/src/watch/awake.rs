//! Processors that stay awake while stops follow one another.
//!
//! A processor without work is halted, and to wake it takes longer than all else about a stop: 40 to 100 µs
//! in a virtual machine. The program that goes on is put on such a processor again and again, because the
//! tracer has just taken its own. So while stops come in quick succession a thread of the lowest class,
//! `SCHED_IDLE` of sched(7), runs on every processor: whoever has work takes the processor from it at
//! once, and what it takes is time that nobody else wanted.
#![allow(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};

/// With more processors than this nobody can tell which one a program is put on, and too many would
/// be kept from their rest.
const MOST: u32 = 4;
/// As many stops as one look is for in less than this are a quick succession.
const QUICK: Duration = Duration::from_millis(20);
/// How long processors stay awake after the last look that found one.
const LINGERS: Duration = Duration::from_millis(5);

/// Keeps the processors awake, when there is reason to.
#[derive(Debug)]
pub(super) struct Awake {
    processors: Vec<usize>,
    threads: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
    /// When the last look was.
    looked: Instant,
}

#[derive(Debug)]
struct Shared {
    began: Instant,
    /// Nanoseconds after `began` until which to stay awake.
    until: AtomicU64,
    ended: AtomicBool,
}

impl Awake {
    /// For the processors that this thread may use.
    pub(super) fn new(home: Option<&CpuSet>) -> Self {
        let few = home.filter(|home| home.count() > 1 && home.count() <= MOST);
        let now = Instant::now();
        Self {
            processors: few.map_or_else(Vec::new, |home| {
                (0..CpuSet::MAX_CPU)
                    .filter(|processor| home.is_set(*processor))
                    .collect()
            }),
            threads: Vec::new(),
            shared: Arc::new(Shared {
                began: now,
                until: AtomicU64::new(0),
                ended: AtomicBool::new(false),
            }),
            looked: now,
        }
    }

    /// So many stops have come since the last look as belong to one.
    pub(super) fn on_look(&mut self, now: Instant) {
        let took = now.saturating_duration_since(self.looked);
        self.looked = now;
        if took > QUICK || self.processors.is_empty() {
            return;
        }
        let until = now.saturating_duration_since(self.shared.began) + LINGERS;
        self.shared.until.store(nanos(until), Ordering::Relaxed);
        if self.threads.is_empty() {
            self.start();
        }
        for thread in &self.threads {
            thread.thread().unpark();
        }
    }

    fn start(&mut self) {
        for processor in self.processors.drain(..).collect::<Vec<_>>() {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name("awake".into());
            let thread = thread.spawn(move || stay(processor, &shared));
            self.threads.extend(thread);
        }
        // They were taken out so that a start that failed is not tried again at each look.
        self.processors = vec![0; self.threads.len()];
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}

/// Stays on a processor, in the way of nobody; not at all where that cannot be had.
fn stay(processor: usize, shared: &Shared) {
    let mut only = CpuSet::new();
    only.set(processor);
    if sched_setaffinity(None, &only).is_err() || !give_way() {
        return;
    }
    while !shared.ended.load(Ordering::Relaxed) {
        if nanos(shared.began.elapsed()) < shared.until.load(Ordering::Relaxed) {
            (0..64).for_each(|_| std::hint::spin_loop());
        } else {
            std::thread::park();
        }
    }
}

/// Lets this thread run only where nobody else wants to.
fn give_way() -> bool {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 is the calling thread, and the parameters are read during the call only.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters) == 0 }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> CpuSet {
        let home = rustix::thread::sched_getaffinity(None).unwrap();
        let mut two = CpuSet::new();
        let may = (0..CpuSet::MAX_CPU).filter(|processor| home.is_set(*processor));
        may.take(2).for_each(|processor| two.set(processor));
        two
    }

    #[test]
    fn only_stops_in_quick_succession_keep_processors_awake() {
        let mut awake = Awake::new(Some(&two()));
        let start = awake.looked;
        let at = |late: Duration| start + late;
        awake.on_look(at(QUICK * 2));
        assert_eq!(awake.threads.len(), 0);
        awake.on_look(at(QUICK * 3));
        let expected = if two().count() == 2 { 2 } else { 0 };
        assert_eq!(awake.threads.len(), expected);
        awake.on_look(at(QUICK * 4));
        assert_eq!(awake.threads.len(), expected);
        let until = awake.shared.until.load(Ordering::Relaxed);
        awake.on_look(at(QUICK * 9));
        assert_eq!(awake.shared.until.load(Ordering::Relaxed), until);
    }

    #[test]
    fn a_machine_with_many_processors_is_left_alone() {
        let mut many = CpuSet::new();
        (0..8).for_each(|processor| many.set(processor));
        let mut awake = Awake::new(Some(&many));
        awake.on_look(Instant::now());
        assert!(awake.threads.is_empty());
    }
}
