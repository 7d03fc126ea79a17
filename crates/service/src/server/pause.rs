//! The slow reader: a random wait before each read.

use std::ops::RangeInclusive;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::Instant;

/// When the next read may happen.
#[derive(Debug)]
pub(crate) struct Pause {
    range: RangeInclusive<Duration>,
    chance: SmallRng,
    until: Instant,
}

impl Pause {
    /// The first wait begins now. Connections with different numbers wait differently.
    pub(crate) fn new(range: RangeInclusive<Duration>, seed: u64, number: u64) -> Self {
        let chance = SmallRng::seed_from_u64(seed ^ number.rotate_left(32));
        let mut pause = Self {
            range,
            chance,
            until: Instant::now(),
        };
        pause.again();
        pause
    }

    /// When it is over.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// Something was read: the next wait begins now.
    pub(crate) fn again(&mut self) {
        self.until = Instant::now() + self.chance.random_range(self.range.clone());
    }
}
