//! `drop:nth=3`: these chunks get lost.

use std::sync::Arc;

use sockeye_trace::Act;

use super::Kind;
use crate::stage::{Fault, Meet, Step};

pub(super) const KIND: Kind = Kind {
    name: "drop",
    value: None,
    keys: &[],
    read: |_| Ok(Arc::new(Drop)),
};

/// Every chunk that the rule is about is lost.
#[derive(Clone, Copy, Debug)]
struct Drop;

impl Fault for Drop {
    fn start(&self) -> Box<dyn Fault> {
        Box::new(*self)
    }

    fn on_match(&mut self, _meet: &mut Meet<'_, '_>) -> Step {
        Step::Drop(Act::Dropped)
    }
}
