//! `reorder:1%,by=3`: chunks arrive behind others that came after them.

use std::sync::Arc;
use std::time::Duration;

use sockeye_trace::Act;

use super::{Kind, WAIT_LIMIT};
use crate::Way;
use crate::chance::Chance;
use crate::stage::{Fault, Meet, Step};

/// How long a chunk waits for others at most, unless it is said: the shortest time after which Linux
/// sends a lost segment again (TCP_RTO_MIN, include/net/tcp.h).
const WITHIN: Duration = Duration::from_millis(200);

/// The furthest that a chunk can be put back.
const BY_LIMIT: u64 = 100_000;

pub(super) const KIND: Kind = Kind {
    name: "reorder",
    value: Some("P%"),
    keys: &["by=N", "within=DURATION"],
    read: |args| {
        let by = args.count("by=N", 1, BY_LIMIT)?;
        let within = args.duration("within=DURATION", WAIT_LIMIT)?;
        Ok(Arc::new(Reorder {
            chance: args.chance("P%")?,
            by: by.unwrap_or(1) as u32,
            within: within.unwrap_or(WITHIN),
            left: [0; 2],
        }))
    },
};

/// Chosen by chance, a chunk waits until `by` more of its way have passed, whatever they are, or until
/// it has waited for `within`. While one waits, no other of its way is chosen.
#[derive(Clone, Debug)]
struct Reorder {
    chance: Chance,
    by: u32,
    within: Duration,
    /// How many have to pass still, each way; 0: none waits.
    left: [u32; 2],
}

impl Reorder {
    /// One passes.
    fn pass(&mut self, way: Way) -> Step {
        let left = &mut self.left[way.index()];
        match *left {
            0 => Step::Pass,
            1 => {
                *left = 0;
                Step::Open
            }
            _ => {
                *left -= 1;
                Step::Pass
            }
        }
    }
}

impl Fault for Reorder {
    fn start(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }

    fn on_match(&mut self, meet: &mut Meet<'_, '_>) -> Step {
        let way = meet.chunk().way;
        if self.left[way.index()] > 0 || !meet.die.hits(self.chance) {
            return self.pass(way);
        }
        self.left[way.index()] = self.by;
        Step::Wait {
            until: meet.at + self.within,
            open: false,
            act: Act::Behind(self.by),
        }
    }

    fn on_other(&mut self, meet: &mut Meet<'_, '_>) -> Step {
        self.pass(meet.chunk().way)
    }

    fn minds_others(&self) -> bool {
        self.left != [0; 2]
    }

    fn on_opened(&mut self, way: Way) {
        self.left[way.index()] = 0;
    }
}
