//! Durations as text, with their units.

use std::time::Duration;

/// Units of time, the largest first, in nanoseconds.
const TIME_UNITS: [(&str, u64); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Reads `500ms`, `2s`, `1.5m`, `1h`; a bare number counts seconds.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text);
    let unit = match unit {
        "" => 1_000_000_000,
        unit => TIME_UNITS.iter().find(|(name, _)| *name == unit)?.1,
    };
    scaled(number, unit).map(Duration::from_nanos)
}

/// The shortest exact text that [`parse_duration`] reads back, in nanoseconds up to 584 years.
pub fn show_duration(duration: Duration) -> String {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    if nanos == 0 {
        return "0s".into();
    }
    let exact = TIME_UNITS
        .iter()
        .find(|(_, unit)| nanos.is_multiple_of(*unit));
    let (name, unit) = exact.expect("every number is a multiple of one nanosecond");
    format!("{}{name}", nanos / unit)
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    text.split_at(end)
}

/// `number`, which may have a fraction, times `unit`; nothing if the product is not whole.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // `.5` and `5.` are typing mistakes more often than numbers.
    if whole.is_empty() || fraction.is_empty() {
        return None;
    }
    let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let places = u32::try_from(fraction.len()).ok()?;
    let divisor = 10u64.checked_pow(places)?;
    let part = match fraction {
        "" => 0,
        digits => u128::from(digits.parse::<u64>().ok()?) * u128::from(unit),
    };
    if !part.is_multiple_of(u128::from(divisor)) {
        return None;
    }
    let part = u64::try_from(part / u128::from(divisor)).ok()?;
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(unit)?
        .checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_have_units_and_fractions() {
        let check = |text, nanos| {
            assert_eq!(
                parse_duration(text),
                Some(Duration::from_nanos(nanos)),
                "{text}"
            );
        };
        check("500ms", 500_000_000);
        check("2s", 2_000_000_000);
        check("2", 2_000_000_000);
        check("1.5m", 90_000_000_000);
        check("0", 0);
        check("7ns", 7);
        for bad in [
            "", "s", "-1s", "+1s", "1 s", "1S", ".5s", "5.s", "1.2.3s", "0.5ns", "١s",
        ] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
        assert_eq!(parse_duration("18446744073709551615h"), None);
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(number: u64) {
            let duration = Duration::from_nanos(number);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Some(duration));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = parse_duration(&text);
        }
    }
}
