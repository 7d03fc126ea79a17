//! `loss:1%`: chunks get lost by chance.

use std::sync::Arc;

use sockeye_trace::Act;

use super::Kind;
use crate::chance::Chance;
use crate::stage::{Fault, Meet, Step};

pub(super) const KIND: Kind = Kind {
    name: "loss",
    value: Some("P%"),
    keys: &[],
    read: |args| {
        args.needs("P%", args.text("P%"))?;
        Ok(Arc::new(Loss(args.chance("P%")?)))
    },
};

/// Each chunk is lost with this chance, whatever became of others.
#[derive(Clone, Copy, Debug)]
struct Loss(Chance);

impl Fault for Loss {
    fn start(&self) -> Box<dyn Fault> {
        Box::new(*self)
    }

    fn on_match(&mut self, meet: &mut Meet<'_, '_>) -> Step {
        if meet.die.hits(self.0) {
            Step::Drop(Act::Dropped)
        } else {
            Step::Pass
        }
    }
}
