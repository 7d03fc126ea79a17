//! `stall:500ms`: nothing arrives for a while, then all of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sockeye_trace::{Act, Time};

use super::{Kind, WAIT_LIMIT};
use crate::Way;
use crate::queue::NEVER;
use crate::stage::{Fault, Meet, Step};

pub(super) const KIND: Kind = Kind {
    name: "stall",
    value: Some("DURATION"),
    keys: &[],
    read: |args| {
        let often = args.has("times=N") || args.has("every=N");
        Ok(Arc::new(Stall {
            wait: args.duration("DURATION", WAIT_LIMIT)?,
            one_way: args.has("to=server|client"),
            left: if often { u64::MAX } else { 1 },
            ends: HashMap::new(),
        }))
    },
};

/// From the chunk that the rule is about on, all that its conversation sends waits for `wait`, or for
/// ever: both ways, or only that of `to=`. It happens once unless `times=` or `every=` say more.
#[derive(Clone, Debug)]
struct Stall {
    wait: Option<Duration>,
    one_way: bool,
    left: u64,
    /// When each stall ends, by conversation.
    ends: HashMap<u32, (Way, Time)>,
}

impl Stall {
    fn goes_on(&mut self, meet: &Meet<'_, '_>) -> Step {
        match self.ends.get(&meet.peer) {
            Some((way, end)) if *end > meet.at && (!self.one_way || *way == meet.chunk().way) => {
                Step::Later(*end, Act::Stalled)
            }
            _ => Step::Pass,
        }
    }
}

impl Fault for Stall {
    fn start(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }

    fn needs_peer(&self) -> bool {
        true
    }

    fn on_match(&mut self, meet: &mut Meet<'_, '_>) -> Step {
        let stalled = self.goes_on(meet);
        if !matches!(stalled, Step::Pass) || self.left == 0 {
            meet.counts = false;
            return stalled;
        }
        self.left -= 1;
        let end = self.wait.map_or(NEVER, |wait| meet.at + wait);
        self.ends.insert(meet.peer, (meet.chunk().way, end));
        Step::Later(end, Act::Stalled)
    }

    fn on_other(&mut self, meet: &mut Meet<'_, '_>) -> Step {
        self.goes_on(meet)
    }

    fn minds_others(&self) -> bool {
        !self.ends.is_empty()
    }
}
