//! `corrupt:1%`: a bit is turned.

use std::sync::Arc;

use sockeye_trace::Act;

use super::Kind;
use crate::chance::Chance;
use crate::chunk::View;
use crate::stage::{Fault, Meet, Step};

pub(super) const KIND: Kind = Kind {
    name: "corrupt",
    value: Some("P%"),
    keys: &[],
    read: |args| Ok(Arc::new(Corrupt(args.chance("P%")?))),
};

/// With this chance, one bit is another: of what TCP or UDP carries, or of what IP carries where that is
/// nothing. Check sums stay as they were, so that a receiver that verifies them drops the packet.
#[derive(Clone, Copy, Debug)]
struct Corrupt(Chance);

impl Fault for Corrupt {
    fn start(&self) -> Box<dyn Fault> {
        Box::new(*self)
    }

    fn on_match(&mut self, meet: &mut Meet<'_, '_>) -> Step {
        let bytes = meet.chunk().bytes;
        if bytes.is_empty() || !meet.die.hits(self.0) {
            return Step::Pass;
        }
        let range = damaged(meet.view);
        let bit = meet.die.below(range.len() as u64 * 8);
        let at = range.start + (bit / 8) as usize;
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1 << (bit % 8);
        Step::Become(bytes, Act::Corrupted(at as u64))
    }
}

/// Where a bit may be turned; never empty for a chunk that is not.
fn damaged(view: &View<'_>) -> std::ops::Range<usize> {
    let all = 0..view.chunk.bytes.len();
    let Some(packet) = view.packet() else {
        return all;
    };
    if !packet.payload.is_empty() {
        return packet.payload.clone();
    }
    // What lies behind the end of IP's packet is padding, which nobody verifies.
    let inside = packet.transport_at..packet.payload.end;
    if inside.is_empty() { all } else { inside }
}
