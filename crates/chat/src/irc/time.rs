//! Times as the tag `time` writes them: <https://ircv3.net/specs/extensions/server-time>.

use std::fmt;
use std::ops::Deref;

use jiff::Timestamp;

/// The last millisecond that the form can say: 9999-12-31T23:59:59.999Z.
const LAST_MS: u64 = 253_402_300_799_999;

/// A time as text. It lies where it is made: one is written into every message.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeText([u8; 24]);

/// Milliseconds since 1970 as `2026-11-21T19:34:26.123Z`.
///
/// ```
/// use sockeye_chat::irc::{time_of, time_text};
/// assert_eq!(&*time_text(1_795_262_400_123), "2026-11-21T12:00:00.123Z");
/// assert_eq!(time_of("2026-11-21T12:00:00.123Z"), Some(1_795_262_400_123));
/// ```
pub fn time_text(ms: u64) -> TimeText {
    let ms = ms.min(LAST_MS);
    let (seconds, milli) = (ms / 1000, ms % 1000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    for (at, len, number) in [
        (0, 4, year),
        (5, 2, month),
        (8, 2, day),
        (11, 2, second / 3600),
        (14, 2, second / 60 % 60),
        (17, 2, second % 60),
        (20, 3, milli),
    ] {
        let mut left = number;
        for digit in text[at..at + len].iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
        }
    }
    TimeText(text)
}

/// Days since 1970 as year, month and day of the Gregorian calendar. Years begin in March here, so
/// that the day that not all have is their last; a cycle of 400 years has 146,097 days.
fn civil(days: u64) -> (u64, u64, u64) {
    // From 0000-03-01 on.
    let days = days + 719_468;
    let (cycle, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months from March on have 31, 30, 31, 30, 31 days, again and again: 153 in five.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (cycle * 400 + year + next, month, day)
}

/// The same back again.
pub fn time_of(text: &str) -> Option<u64> {
    let time: Timestamp = text.parse().ok()?;
    u64::try_from(time.as_millisecond()).ok()
}

impl Deref for TimeText {
    type Target = str;

    fn deref(&self) -> &str {
        str::from_utf8(&self.0).expect("digits and signs are ASCII")
    }
}

impl fmt::Display for TimeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for TimeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (LAST_MS, "9999-12-31T23:59:59.999Z"),
            (u64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(&*time_text(ms), text);
        }
    }

    #[test]
    fn times_that_are_none_are_not_read() {
        for text in [
            "",
            "now",
            "2026-11-21",
            "2026-13-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
        ] {
            assert_eq!(time_of(text), None, "{text}");
        }
        assert_eq!(time_of("1970-01-01T01:00:00+01:00"), Some(0));
    }

    proptest! {
        /// The calendar of a library says the same.
        #[test]
        fn what_is_written_is_read_again(ms in 0..=LAST_MS) {
            let text = time_text(ms);
            prop_assert_eq!(time_of(&text), Some(ms));
            let theirs = Timestamp::from_millisecond(ms as i64).unwrap();
            prop_assert_eq!(format!("{theirs:.3}"), &*text);
        }
    }
}
