//! Numbers and names as the sentences of findings write them.

use std::time::Duration;

/// A whole number with its thousands apart.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and what it counts: `1 write`, `2 writes`. The plural is made with an `s`.
pub(crate) fn of(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// A number of bytes: `1 byte`, `2,000 bytes`.
pub(crate) fn bytes(number: u64) -> String {
    of(number, "byte")
}

/// Sizes, one after the other: `1,448 + 552`; of many the first ones.
pub(crate) fn sizes(sizes: impl IntoIterator<Item = u64>) -> String {
    const SHOWN: usize = 4;
    let mut sizes = sizes.into_iter();
    let shown: Vec<String> = sizes.by_ref().take(SHOWN).map(count).collect();
    let more = if sizes.next().is_some() { " + …" } else { "" };
    shown.join(" + ") + more
}

/// A duration with three digits: `41.2 ms`.
pub(crate) fn duration(duration: Duration) -> String {
    const UNITS: [(&str, f64); 4] = [("s", 1e9), ("ms", 1e6), ("µs", 1e3), ("ns", 1.0)];
    let nanos = duration.as_nanos() as f64;
    // What rounds up to the next unit is of the next unit.
    let (unit, one) = UNITS
        .into_iter()
        .find(|(_, one)| nanos >= one * 0.9995)
        .unwrap_or(UNITS[3]);
    let number = nanos / one;
    let places = match number {
        _ if one <= 1.0 => 0,
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    if one >= 1e9 && number >= 1000.0 {
        return format!("{} s", count(duration.as_secs()));
    }
    format!("{number:.places$} {unit}")
}

/// A name that a program gave itself, as it may stand in a sentence.
pub(crate) fn name(text: &str) -> String {
    /// A process's name in the kernel has fifteen bytes (`TASK_COMM_LEN`); a command can be longer.
    const LONGEST: usize = 40;
    line(&text.chars().take(LONGEST).collect::<String>())
}

/// A text from elsewhere on one line, without what would command a terminal or turn the text
/// around.
pub(crate) fn line(text: &str) -> String {
    let plain = |c: char| match c {
        c if c.is_control() => '?',
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '?',
        c => c,
    };
    text.chars().map(plain).collect()
}

/// The text with its first letter as at the beginning of a sentence.
pub(crate) fn capital(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 41_000].map(count), ["0", "999", "41,000"]);
        assert_eq!(
            [0, 1, 2000].map(bytes),
            ["0 bytes", "1 byte", "2,000 bytes"]
        );
        assert_eq!(sizes([1448, 552]), "1,448 + 552");
        assert_eq!(sizes([1, 2, 3, 4]), "1 + 2 + 3 + 4");
        assert_eq!(sizes([1, 2, 3, 4, 5]), "1 + 2 + 3 + 4 + …");
    }

    #[test]
    fn durations_have_three_digits() {
        let shown = [
            0,
            7,
            1_234,
            41_200_000,
            999_600,
            2_310_000_000,
            7_200_000_000_000,
        ]
        .map(|nanos| duration(Duration::from_nanos(nanos)));
        assert_eq!(
            shown,
            [
                "0 ns", "7 ns", "1.23 µs", "41.2 ms", "1.00 ms", "2.31 s", "7,200 s"
            ]
        );
    }

    #[test]
    fn names_cannot_command_a_terminal() {
        assert_eq!(name("a\x1b[31m\u{202e}b"), "a?[31m?b");
        assert_eq!(name(&"x".repeat(100)).len(), 40);
    }
}
