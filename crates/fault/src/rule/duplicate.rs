//! `duplicate:1%`: chunks arrive twice.

use std::sync::Arc;

use sockeye_trace::Act;

use super::Kind;
use crate::chance::Chance;
use crate::stage::{Fault, Meet, Step};

pub(super) const KIND: Kind = Kind {
    name: "duplicate",
    value: Some("P%"),
    keys: &[],
    read: |args| Ok(Arc::new(Duplicate(args.chance("P%")?))),
};

/// Each chunk goes on twice with this chance; the rules behind see both.
#[derive(Clone, Copy, Debug)]
struct Duplicate(Chance);

impl Fault for Duplicate {
    fn start(&self) -> Box<dyn Fault> {
        Box::new(*self)
    }

    fn on_match(&mut self, meet: &mut Meet<'_, '_>) -> Step {
        if meet.die.hits(self.0) {
            Step::Twice(Act::Duplicated)
        } else {
            Step::Pass
        }
    }
}
