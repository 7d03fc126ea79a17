//! `coalesce:1000,within=20ms`: small pieces arrive together.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sockeye_trace::{Act, Time};

use super::{Kind, WAIT_LIMIT};
use crate::Way;
use crate::stage::{Fault, Kept, Meet, Step};

/// How long bytes wait for more at most, unless it is said.
const WITHIN: Duration = Duration::from_millis(20);

/// The most that can be asked to wait.
const SIZE_LIMIT: u64 = 16 << 20;

/// How many directions of streams are gathered at once; others pass.
const STREAMS_LIMIT: usize = 1024;

pub(super) const KIND: Kind = Kind {
    name: "coalesce",
    value: Some("SIZE"),
    keys: &["within=DURATION"],
    read: |args| {
        let size = args.size("SIZE", 1, SIZE_LIMIT)?;
        let within = args.duration("within=DURATION", WAIT_LIMIT)?;
        Ok(Arc::new(Coalesce {
            size: args.needs("SIZE", size)? as usize,
            within: within.unwrap_or(WITHIN),
            packets: [0; 2],
            streams: HashMap::new(),
        }))
    },
};

/// Chunks wait until there are `size` bytes of payload, or until the first of them has waited for
/// `within`. Of a stream they become one chunk; packets stay what they are and leave together.
#[derive(Clone, Debug)]
struct Coalesce {
    size: usize,
    within: Duration,
    /// Bytes of packets at the gate of each way, and one for each packet.
    packets: [usize; 2],
    streams: HashMap<(Way, u64), Gathered>,
}

#[derive(Clone, Debug)]
struct Gathered {
    until: Time,
    bytes: Vec<u8>,
}

impl Coalesce {
    /// A packet comes.
    fn on_packet(&mut self, meet: &Meet<'_, '_>) -> Step {
        let waiting = &mut self.packets[meet.chunk().way.index()];
        // An empty packet counts too, or nothing would end its wait but time.
        *waiting += meet.view.payload().len().max(1);
        let open = *waiting >= self.size;
        if open {
            *waiting = 0;
        }
        Step::Wait {
            until: meet.at + self.within,
            open,
            act: Act::Gathered,
        }
    }

    /// Gives what waits in front of a chunk, and the chunk.
    fn join(&mut self, meet: &Meet<'_, '_>) -> Option<Vec<u8>> {
        let chunk = meet.chunk();
        let gathered = self.streams.remove(&(chunk.way, chunk.peer))?;
        let mut bytes = gathered.bytes;
        bytes.extend_from_slice(chunk.bytes);
        Some(bytes)
    }
}

impl Fault for Coalesce {
    fn start(&self) -> Box<dyn Fault> {
        Box::new(self.clone())
    }

    fn on_match(&mut self, meet: &mut Meet<'_, '_>) -> Step {
        if !meet.view.is_stream() {
            return self.on_packet(meet);
        }
        let chunk = meet.chunk();
        let key = (chunk.way, chunk.peer);
        let waiting = self.streams.get(&key).map_or(0, |kept| kept.bytes.len());
        if waiting + chunk.bytes.len() >= self.size {
            return match self.join(meet) {
                Some(bytes) => Step::Become(bytes, Act::Gathered),
                None => Step::Pass,
            };
        }
        if waiting == 0 && self.streams.len() >= STREAMS_LIMIT {
            return Step::Pass;
        }
        let until = meet.at + self.within;
        let kept = self.streams.entry(key).or_insert_with(|| Gathered {
            until,
            bytes: vec![],
        });
        kept.bytes.extend_from_slice(chunk.bytes);
        Step::Keep(Act::Gathered)
    }

    /// What a stream's other chunks must not pass goes with them.
    fn on_other(&mut self, meet: &mut Meet<'_, '_>) -> Step {
        if !meet.view.is_stream() {
            return Step::Pass;
        }
        self.join(meet)
            .map_or(Step::Pass, |bytes| Step::Become(bytes, Act::Gathered))
    }

    fn minds_others(&self) -> bool {
        !self.streams.is_empty()
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.streams.values().map(|kept| kept.until).min()
    }

    fn poll_kept(&mut self, now: Time, all: bool) -> Option<Kept> {
        let due = self
            .streams
            .iter()
            .filter(|(_, kept)| all || kept.until <= now);
        // In an order that no hash decides.
        let (&key, _) = due.min_by_key(|((way, peer), kept)| (kept.until, *peer, way.index()))?;
        let gathered = self.streams.remove(&key)?;
        Some(Kept {
            way: key.0,
            peer: key.1,
            bytes: gathered.bytes,
        })
    }

    fn on_opened(&mut self, way: Way) {
        self.packets[way.index()] = 0;
    }
}
