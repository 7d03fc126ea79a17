//! Times and counts as people read them.

use crate::{Lang, Time};

/// A duration in at most three digits and a unit: `42 µs`, `1.2 ms`, `2.4 s`.
pub(super) fn duration(nanos: u64) -> String {
    let (unit, name) = match nanos {
        0..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let (whole, tenth) = (nanos / unit, nanos % unit * 10 / unit);
    if whole < 10 && tenth > 0 {
        format!("{whole}.{tenth} {name}")
    } else {
        format!("{whole} {name}")
    }
}

/// Milliseconds with three digits behind the point.
pub(super) fn millis(nanos: u64) -> String {
    let micros = nanos / 1_000;
    format!("{}.{:03}", micros / 1_000, micros % 1_000)
}

/// A moment: `2026-11-21 10:00:00.000 UTC`.
pub(super) fn moment(time: Time) -> String {
    // Every `Time` lies before 2554, jiff's end is in 9999.
    jiff::Timestamp::from_nanosecond(time.as_nanos().into()).map_or_else(
        |_| time.to_string(),
        |stamp| {
            let text = format!("{stamp:.3}");
            text.replace('T', " ").replace('Z', " UTC")
        },
    )
}

/// `1 byte`, `2 bytes`; Chinese has one form.
pub(super) fn counted(count: u64, one: &str, many: &str, chinese: &str, lang: Lang) -> String {
    match lang {
        Lang::En => format!("{count} {}", if count == 1 { one } else { many }),
        Lang::Zh => format!("{count} {chinese}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_few_digits() {
        for (nanos, text) in [
            (999, "999 ns"),
            (5_000, "5 µs"),
            (42_900, "42 µs"),
            (1_250_000, "1.2 ms"),
            (200_450_000, "200 ms"),
            (2_400_000_000, "2.4 s"),
            (3_600_000_000_000, "3600 s"),
        ] {
            assert_eq!(duration(nanos), text);
        }
    }

    #[test]
    fn moments_are_in_utc() {
        let time = Time::from_nanos(1_795_255_200_123_456_789);
        assert_eq!(moment(time), "2026-11-21 10:00:00.123 UTC");
        assert_eq!(millis(1_234_567), "1.234");
    }
}
