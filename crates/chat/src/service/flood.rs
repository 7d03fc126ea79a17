//! How much a member may say: a bucket of lines that fills with time.

use std::num::NonZeroU32;
use std::time::Duration;

/// Lines a second that a member may go on saying. RFC 2813, section 5.8, allows one in two seconds;
/// clients of today ask for modes and lists of each room that they come back to.
pub const LINES_PER_SECOND: NonZeroU32 = NonZeroU32::new(4).unwrap();

/// Seconds of saying nothing that are saved up: with the default, 32 lines at once.
const BURST_SECONDS: u32 = 8;

/// A line of so many bytes costs as much as a line more.
const BYTES_PER_LINE: usize = 512;

/// Bytes of a member that is held up that wait to be looked at. Whoever sends on is closed.
pub const BACKLOG_BYTES: usize = 16 * 1024;

/// What one line costs, in the unit of the bucket.
const LINE: u64 = 1000;

/// What a member may still say.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// Lines a second; none where nobody is held up.
    rate: Option<NonZeroU32>,
    /// Thousandths of lines that are left; below zero after a line that was too long for it.
    left: i64,
    /// When that was so, in milliseconds of any clock that never goes back.
    at_ms: u64,
}

impl Bucket {
    /// A full one.
    pub(crate) fn new(rate: Option<NonZeroU32>, now_ms: u64) -> Self {
        let left = rate.map_or(0, most);
        Self {
            rate,
            left,
            at_ms: now_ms,
        }
    }

    /// Fills it up to now, and says how long a member has to wait for its next line, if it does.
    pub(crate) fn wait(&mut self, now_ms: u64) -> Option<Duration> {
        let rate = self.rate?;
        let passed = now_ms.saturating_sub(self.at_ms);
        self.at_ms = now_ms;
        let more = passed.saturating_mul(u64::from(rate.get()));
        let more = i64::try_from(more).unwrap_or(i64::MAX);
        self.left = self.left.saturating_add(more).min(most(rate));
        let missing = u64::try_from(1_i64.saturating_sub(self.left)).ok()?;
        (missing > 0).then(|| Duration::from_millis(missing.div_ceil(u64::from(rate.get()))))
    }

    /// Whether a line may be said; it costs something then.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        if self.rate.is_none() {
            return true;
        }
        if self.left <= 0 {
            return false;
        }
        let lines = 1 + (bytes / BYTES_PER_LINE) as u64;
        self.left -= (lines * LINE).cast_signed();
        true
    }
}

fn most(rate: NonZeroU32) -> i64 {
    (u64::from(rate.get()) * u64::from(BURST_SECONDS) * LINE).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_so_many_a_second() {
        let mut bucket = Bucket::new(Some(LINES_PER_SECOND), 0);
        let said = (0..100).filter(|_| bucket.take(60)).count();
        assert_eq!(said, 32);
        let wait = bucket.wait(0).unwrap();
        assert!(wait <= Duration::from_millis(250), "{wait:?}");
        assert_eq!(bucket.wait(2000), None);
        assert_eq!((0..100).filter(|_| bucket.take(60)).count(), 8);
        // Ten hours of silence save up no more than a burst.
        assert_eq!(bucket.wait(36_000_000), None);
        assert_eq!((0..100).filter(|_| bucket.take(60)).count(), 32);
    }

    #[test]
    fn long_lines_cost_more_and_wait_longer() {
        let mut bucket = Bucket::new(Some(LINES_PER_SECOND), 0);
        assert_eq!((0..100).filter(|_| bucket.take(8191)).count(), 2);
        let wait = bucket.wait(0).unwrap();
        assert_eq!(bucket.wait(wait.as_millis() as u64), None);
        assert!(bucket.take(1));
    }

    #[test]
    fn without_a_rate_nobody_is_held_up() {
        let mut bucket = Bucket::new(None, 0);
        assert!((0..10_000).all(|_| bucket.take(8191)));
        assert_eq!(bucket.wait(0), None);
    }
}
