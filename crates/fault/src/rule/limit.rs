//! `limit:64KiB`: after so many bytes the connection is reset.

use std::collections::HashMap;
use std::sync::Arc;

use sockeye_trace::Act;

use super::Kind;
use crate::Way;
use crate::stage::{Fault, Meet, Step};

pub(super) const KIND: Kind = Kind {
    name: "limit",
    value: Some("SIZE"),
    keys: &[],
    read: |args| {
        let size = args.size("SIZE", 0, u64::MAX)?;
        Ok(Arc::new(Limit {
            size: args.needs("SIZE", size)?,
            passed: HashMap::new(),
        }))
    },
};

/// Each way of a conversation may carry `size` bytes of payload. The chunk that passes that resets the
/// connection; of a stream, the bytes that fit still arrive, and what fits exactly does no harm.
#[derive(Clone, Debug)]
struct Limit {
    size: u64,
    passed: HashMap<(Way, u32), u64>,
}

impl Fault for Limit {
    fn start(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }

    fn needs_peer(&self) -> bool {
        true
    }

    fn on_match(&mut self, meet: &mut Meet<'_, '_>) -> Step {
        let len = meet.view.payload().len() as u64;
        let passed = self
            .passed
            .entry((meet.chunk().way, meet.peer))
            .or_default();
        let left = self.size - *passed;
        if len <= left {
            *passed += len;
            return Step::Pass;
        }
        if left == 0 || !meet.view.is_stream() {
            return Step::Reset;
        }
        *passed = self.size;
        Step::Cut(left as usize, Act::Cut(self.size))
    }
}
