//! One clock for everything that happens: integer nanoseconds.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point in time.
///
/// - **Units:** nanoseconds since 1970-01-01T00:00:00Z, so that it is comparable with the kernel's
///   packet time stamps (`CLOCK_REALTIME`).
/// - **Limits:** the year 2554.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The time `nanos` nanoseconds after the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(later.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

impl Sub<Duration> for Time {
    type Output = Self;

    fn sub(self, earlier: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(u64::try_from(earlier.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

impl fmt::Display for Time {
    /// Seconds since the epoch with nine digits behind the point.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:09}",
            self.0 / 1_000_000_000,
            self.0 % 1_000_000_000
        )
    }
}

/// A pair of clock readings taken together: what turns the monotonic clock into [`Time`].
///
/// Two times from one clock never run backwards, whatever is done to the wall clock meanwhile; the
/// price is that a trace shows the wall clock as it was when the program started.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    real: Time,
    monotonic: Instant,
}

impl Clock {
    /// Reads both clocks.
    pub fn start() -> Self {
        let real = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            real: Time::default() + real,
            monotonic: Instant::now(),
        }
    }

    /// The time now; costs one clock reading (about 22 ns).
    pub fn now(&self) -> Time {
        self.at(Instant::now())
    }

    /// The time of an instant that was read elsewhere.
    pub fn at(&self, instant: Instant) -> Time {
        self.real + instant.saturating_duration_since(self.monotonic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_nine_digits_behind_the_point() {
        assert_eq!(
            Time::from_nanos(1_700_000_000_000_000_042).to_string(),
            "1700000000.000000042"
        );
    }

    #[test]
    fn a_clock_never_runs_backwards() {
        let clock = Clock::start();
        let first = clock.now();
        assert!(clock.now() >= first);
        assert_eq!(
            first.since(clock.now() + Duration::from_secs(1)),
            Duration::ZERO
        );
    }
}
