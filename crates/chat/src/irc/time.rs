//! Times as the tag `time` writes them: <https://ircv3.net/specs/extensions/server-time>.

use jiff::Timestamp;

/// Milliseconds since 1970 as `2026-11-21T19:34:26.123Z`.
pub fn time_text(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    let time = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
    format!("{time:.3}")
}

/// The same back again.
pub fn time_of(text: &str) -> Option<u64> {
    let time: Timestamp = text.parse().ok()?;
    u64::try_from(time.as_millisecond()).ok()
}
