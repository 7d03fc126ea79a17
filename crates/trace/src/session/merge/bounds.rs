//! Bounds of the difference of two clocks: what was sent had not arrived before.

use super::{ClockDifference, Evidence};
use crate::Time;

/// Bounds of how much the second clock is ahead.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    least: Option<i64>,
    most: Option<i64>,
    count: usize,
}

impl Bounds {
    /// Something left the first machine and reached the second: it cannot be further ahead.
    pub(super) fn there(&mut self, sent: Time, got: Time) {
        let ahead = difference(got, sent);
        self.most = Some(self.most.map_or(ahead, |most| most.min(ahead)));
        self.count += 1;
    }

    /// Something left the second machine and reached the first.
    pub(super) fn back(&mut self, sent: Time, got: Time) {
        let ahead = difference(sent, got);
        self.least = Some(self.least.map_or(ahead, |least| least.max(ahead)));
        self.count += 1;
    }

    pub(super) fn estimate(self, told_by: fn(usize) -> Evidence) -> Option<ClockDifference> {
        let (ahead_ns, error_ns) = match (self.least, self.most) {
            (None, None) => return None,
            // Bounded from one side: what went there took no time at all, as far as we know.
            (Some(one), None) | (None, Some(one)) => (one, None),
            (Some(least), Some(most)) => {
                let width = most.saturating_sub(least);
                (
                    least.saturating_add(width / 2),
                    Some(width.unsigned_abs().div_ceil(2)),
                )
            }
        };
        Some(ClockDifference {
            ahead_ns,
            error_ns,
            told_by: told_by(self.count),
        })
    }
}

fn difference(later: Time, earlier: Time) -> i64 {
    let difference = i128::from(later.as_nanos()) - i128::from(earlier.as_nanos());
    i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
}
