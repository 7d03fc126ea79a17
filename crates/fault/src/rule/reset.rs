//! `reset:nth=5`: the connection is reset.

use std::sync::Arc;

use super::Kind;
use crate::stage::{Fault, Meet, Step};

pub(super) const KIND: Kind = Kind {
    name: "reset",
    value: None,
    keys: &[],
    read: |_| Ok(Arc::new(Reset)),
};

/// Instead of the chunk that the rule is about, both ends get a reset.
#[derive(Clone, Copy, Debug)]
struct Reset;

impl Fault for Reset {
    fn start(&self) -> Box<dyn Fault> {
        Box::new(*self)
    }

    fn on_match(&mut self, _meet: &mut Meet<'_, '_>) -> Step {
        Step::Reset
    }
}
