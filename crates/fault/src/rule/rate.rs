//! `rate:1MiB,queue=64KiB`: so many bytes a second, and a queue in front of them.

use std::sync::Arc;
use std::time::Duration;

use sockeye_trace::{Act, Time};

use super::Kind;
use crate::stage::{Fault, Meet, Step};

/// The most that `rate` can be, in bytes a second: a terabit.
const RATE_LIMIT: u64 = 1 << 37;

/// The queue's limit unless it is said: some forty packets of Ethernet.
const QUEUE: u64 = 64 << 10;

/// The most that may be asked to wait.
const QUEUE_LIMIT: u64 = crate::queue::WAITING_LIMIT as u64;

pub(super) const KIND: Kind = Kind {
    name: "rate",
    value: Some("SIZE"),
    keys: &["queue=SIZE"],
    read: |args| {
        let rate = args.size("SIZE", 1, RATE_LIMIT)?;
        let queue = args.size("queue=SIZE", 1, QUEUE_LIMIT)?;
        Ok(Arc::new(Rate {
            speed: args.needs("SIZE", rate)?,
            queue: queue.unwrap_or(QUEUE),
            lines: [Line::default(); 2],
        }))
    },
};

/// Each way is a line that carries `speed` bytes of whole chunks (packets with all their headers) a
/// second. What comes while it is busy waits; packets that find more than `queue` bytes waiting, with
/// themselves, are dropped. An idle line takes a chunk of any size.
#[derive(Clone, Debug)]
struct Rate {
    speed: u64,
    queue: u64,
    lines: [Line; 2],
}

/// Since when a line has been busy, and what it was given since. All times follow from these two, so
/// that no rounding adds up.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    since: Time,
    given: u128,
}

const SECOND: u128 = 1_000_000_000;

impl Line {
    /// When all that it was given has passed.
    fn free(self, rate: u64) -> Time {
        let nanos = (self.given * SECOND).div_ceil(rate.into());
        self.since + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// What has not passed yet.
    fn waiting(self, at: Time, rate: u64) -> u128 {
        let passed = at.since(self.since).as_nanos() * u128::from(rate) / SECOND;
        self.given.saturating_sub(passed)
    }
}

impl Fault for Rate {
    fn start(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }

    fn on_match(&mut self, meet: &mut Meet<'_, '_>) -> Step {
        let line = &mut self.lines[meet.chunk().way.index()];
        let len = meet.chunk().bytes.len() as u128;
        if line.free(self.speed) <= meet.at {
            *line = Line {
                since: meet.at,
                given: 0,
            };
        } else if !meet.view.is_stream()
            && line.waiting(meet.at, self.speed) + len > self.queue.into()
        {
            return Step::Drop(Act::QueueFull);
        }
        line.given += len;
        let due = line.free(self.speed);
        Step::Later(due, Act::Queued(due.since(meet.at)))
    }
}
