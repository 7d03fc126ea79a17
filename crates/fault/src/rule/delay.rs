//! `delay:20ms,jitter=5ms`: everything arrives later.

use std::sync::Arc;
use std::time::Duration;

use sockeye_trace::{Act, Time};

use super::{Kind, WAIT_LIMIT};
use crate::stage::{Fault, Meet, Step};

pub(super) const KIND: Kind = Kind {
    name: "delay",
    value: Some("DURATION"),
    keys: &["jitter=DURATION", "unordered"],
    read: |args| {
        let by = args.duration("DURATION", WAIT_LIMIT)?;
        let by = args.needs("DURATION", by)?;
        // A chunk cannot arrive before it was sent.
        let jitter = args.duration("jitter=DURATION", by)?;
        Ok(Arc::new(Delay {
            by,
            jitter: jitter.unwrap_or_default(),
            ordered: !args.has("unordered"),
            last: [Time::default(); 2],
        }))
    },
};

/// Each chunk waits for `by`, give or take up to `jitter`, every length as likely.
///
/// Chunks stay in their order, as on a line whose delay changes: one that would arrive before the one in
/// front of it arrives with it. `unordered` lets packets pass each other, as on several lines. Streams
/// stay in order always.
#[derive(Clone, Debug)]
struct Delay {
    by: Duration,
    jitter: Duration,
    ordered: bool,
    /// When the last of each way goes on.
    last: [Time; 2],
}

impl Fault for Delay {
    fn start(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }

    fn on_match(&mut self, meet: &mut Meet<'_, '_>) -> Step {
        let mut wait = self.by;
        if !self.jitter.is_zero() {
            let span = self.jitter.as_nanos() as u64;
            let more = Duration::from_nanos(meet.die.below(2 * span + 1));
            wait = self.by.saturating_sub(self.jitter) + more;
        }
        let mut due = meet.at + wait;
        // Streams keep their order in the end, each its own.
        if self.ordered && !meet.view.is_stream() {
            let last = &mut self.last[meet.chunk().way.index()];
            due = due.max(*last);
            *last = due;
        }
        Step::Later(due, Act::Delayed(due.since(meet.at)))
    }
}
