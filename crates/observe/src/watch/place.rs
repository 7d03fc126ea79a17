//! On which processor the tracer runs.
//!
//! A stop is two switches between the program and us. Between two processors each costs a wake-up, which
//! takes 5 to 50 µs on a busy machine; on one processor it is a plain switch. So the tracer follows a task
//! that makes nearly all the stops; the programs stay where they want to be.

use std::fs;
use std::time::Instant;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::awake::Awake;

/// Stops after which we look again where the busiest task is.
const WINDOW: u32 = 64;
/// Of them, so many must be one task's.
const BUSY: u32 = 56;

/// Where the tracer runs.
#[derive(Debug)]
pub(super) struct Place {
    /// The processors it may use of its own; none where the kernel does not say, and nothing is done.
    home: Option<CpuSet>,
    /// The one that it has chosen.
    chosen: Option<usize>,
    /// The task that is looked at, how many stops were its, and how many there were.
    task: i32,
    its: u32,
    stops: u32,
    awake: Awake,
}

impl Place {
    pub(super) fn new() -> Self {
        let home = sched_getaffinity(None).ok();
        Self {
            awake: Awake::new(home.as_ref()),
            home,
            chosen: None,
            task: 0,
            its: 0,
            stops: 0,
        }
    }

    /// A task has stopped.
    pub(super) fn on_stop(&mut self, task: i32) {
        if self.stops == 0 {
            self.task = task;
            self.its = 0;
        }
        self.stops += 1;
        self.its += u32::from(task == self.task);
        if self.stops == WINDOW {
            self.stops = 0;
            self.awake.on_look(Instant::now());
            if self.its >= BUSY {
                self.follow(task);
            } else {
                self.leave();
            }
        }
    }

    fn follow(&mut self, task: i32) {
        let Some(processor) = processor_of(task) else {
            return;
        };
        if self.home.is_some_and(|home| home.is_set(processor)) && self.chosen != Some(processor) {
            let mut only = CpuSet::new();
            only.set(processor);
            if sched_setaffinity(None, &only).is_ok() {
                self.chosen = Some(processor);
            }
        }
    }

    /// Goes back to running wherever there is room.
    pub(super) fn leave(&mut self) {
        if let (Some(home), Some(_)) = (&self.home, self.chosen.take()) {
            let _ = sched_setaffinity(None, home);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

/// The processor that a task ran on last: the 39th field of /proc/TID/stat, proc_pid_stat(5).
fn processor_of(task: i32) -> Option<usize> {
    processor_in(&fs::read_to_string(format!("/proc/{task}/stat")).ok()?)
}

fn processor_in(stat: &str) -> Option<usize> {
    // The second field is the program's name in parentheses, which may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let processor = rest.split_ascii_whitespace().nth(36)?.parse().ok()?;
    (processor < CpuSet::MAX_CPU).then_some(processor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_stands_behind_any_name() {
        let fields: Vec<_> = (3..=52).map(|field| field.to_string()).collect();
        let stat = format!("7 (a ) 1 2) {}", fields.join(" "));
        assert_eq!(processor_in(&stat), Some(39));
        assert_eq!(processor_in("7 (a) R"), None);
        assert!(processor_of(std::process::id() as i32).is_some());
    }

    #[test]
    fn the_busiest_task_is_followed_and_left() {
        let mut place = Place::new();
        let us = nix::unistd::gettid().as_raw();
        for _ in 0..WINDOW {
            place.on_stop(us);
        }
        assert!(place.chosen.is_some());
        let mine = sched_getaffinity(None).unwrap();
        assert_eq!(
            (0..CpuSet::MAX_CPU).filter(|at| mine.is_set(*at)).count(),
            1
        );
        for stop in 0..WINDOW as i32 {
            place.on_stop(us + stop % 2);
        }
        assert_eq!(place.chosen, None);
        assert_eq!(sched_getaffinity(None).ok(), place.home);
    }
}
