//! The open loop's timetable: which message should leave when.
//!
//! Latency counts from the time that stands here and not from the time of sending. Otherwise a
//! server that stalls would keep the messages from being sent that would have shown the stall
//! (coordinated omission).

const SECOND: u128 = 1_000_000_000;

/// Messages leave at equal distances, from each connection in turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    rate: u64,
    connections: u64,
}

impl Pace {
    pub(super) fn new(rate: u64, connections: usize) -> Self {
        Self {
            rate: rate.max(1),
            connections: connections.max(1) as u64,
        }
    }

    /// How many messages should have left by `now`, over all connections.
    pub(super) fn due(&self, now: u64) -> u64 {
        (u128::from(now) * u128::from(self.rate) / SECOND) as u64 + 1
    }

    /// How many of the first `due` messages are those of connection `conn`.
    pub(super) fn share(&self, conn: u32, due: u64) -> u64 {
        (due + self.connections - 1).saturating_sub(u64::from(conn)) / self.connections
    }

    /// Whose message the `index`th of all is.
    pub(super) fn conn(&self, index: u64) -> u32 {
        (index % self.connections) as u32
    }

    /// When the message `number` of connection `conn` should leave.
    pub(super) fn intended(&self, conn: u32, number: u64) -> u64 {
        let index = u128::from(number) * u128::from(self.connections) + u128::from(conn);
        (index * SECOND).div_ceil(u128::from(self.rate)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A message is due from its intended time on and not a nanosecond earlier.
        #[test]
        fn due_and_intended_agree(
            rate in 1_u64..5_000_000, connections in 1_usize..200, number in 0_u64..1000,
            conn in 0_u32..200,
        ) {
            let (pace, conn) = (Pace::new(rate, connections), conn % connections as u32);
            let time = pace.intended(conn, number);
            prop_assert!(pace.share(conn, pace.due(time)) > number);
            if let Some(before) = time.checked_sub(1) {
                prop_assert!(pace.share(conn, pace.due(before)) <= number);
            }
        }

        /// The connections share all that is due.
        #[test]
        fn shares_add_up(due in 0_u64..10_000, connections in 1_usize..200) {
            let pace = Pace::new(1000, connections);
            let sum: u64 = (0..connections as u32).map(|conn| pace.share(conn, due)).sum();
            prop_assert_eq!(sum, due);
        }
    }
}
