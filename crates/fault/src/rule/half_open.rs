//! `half-open`: the other end is gone, and nobody says so.

use std::collections::HashSet;
use std::sync::Arc;

use sockeye_trace::Act;

use super::Kind;
use crate::stage::{Fault, Meet, Step};

pub(super) const KIND: Kind = Kind {
    name: "half-open",
    value: None,
    keys: &[],
    read: |_| Ok(Arc::new(HalfOpen::default())),
};

/// From the chunk that the rule is about on, all that its conversation sends is lost, both ways. What
/// this leaves is what RFC 9293, section 3.5.1, calls half-open.
#[derive(Clone, Debug, Default)]
struct HalfOpen {
    dead: HashSet<u32>,
}

impl Fault for HalfOpen {
    fn start(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }

    fn needs_peer(&self) -> bool {
        true
    }

    fn on_match(&mut self, meet: &mut Meet<'_, '_>) -> Step {
        self.dead.insert(meet.peer);
        Step::Drop(Act::Dropped)
    }

    fn on_other(&mut self, meet: &mut Meet<'_, '_>) -> Step {
        if self.dead.contains(&meet.peer) {
            Step::Drop(Act::Dropped)
        } else {
            Step::Pass
        }
    }

    fn minds_others(&self) -> bool {
        !self.dead.is_empty()
    }
}
