//! Figures as people read them: three significant digits and a unit.

/// A duration in nanoseconds.
pub(crate) fn duration(nanos: u64) -> String {
    scaled(
        nanos as f64,
        &[("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)],
    )
}

/// A number of bytes a second.
pub(crate) fn bytes_a_second(bytes: f64) -> String {
    scaled(
        bytes,
        &[("B/s", 1.0), ("kB/s", 1e3), ("MB/s", 1e6), ("GB/s", 1e9)],
    )
}

/// An amount of content.
pub(crate) fn bytes(bytes: u64) -> String {
    scaled(
        bytes as f64,
        &[
            ("B", 1.0),
            ("kB", 1e3),
            ("MB", 1e6),
            ("GB", 1e9),
            ("TB", 1e12),
        ],
    )
}

/// Time that is left, to the second: `0:07`, `12:30`, `3:00:00`.
pub(crate) fn clock(time: std::time::Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        hours => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// An amount of memory.
pub(crate) fn memory(bytes: f64) -> String {
    scaled(
        bytes,
        &[
            ("B", 1.0),
            ("KiB", 1024.0),
            ("MiB", 1_048_576.0),
            ("GiB", 1_073_741_824.0),
        ],
    )
}

/// The number in the largest unit that leaves something before the point.
fn scaled(number: f64, units: &[(&str, f64)]) -> String {
    let unit = units
        .iter()
        .rev()
        .find(|(_, one)| digits(number / one) >= 1.0);
    let (name, one) = unit.or(units.first()).expect("there are units");
    let (number, whole) = (number / one, *one <= 1.0);
    let places = match digits(number) {
        _ if whole && number.fract() == 0.0 => 0,
        rounded if rounded < 10.0 => 2,
        rounded if rounded < 100.0 => 1,
        _ => 0,
    };
    format!("{number:.places$} {name}")
}

/// The number rounded to three significant digits, so that 999.6 ns becomes 1.00 µs.
fn digits(number: f64) -> f64 {
    if number <= 0.0 {
        return number;
    }
    let unit = 10_f64.powf(number.log10().floor() - 2.0);
    (number / unit).round() * unit
}

/// A whole number with its thousands apart.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        let durations = [
            0,
            1,
            999,
            1000,
            1234,
            12_345,
            999_600,
            5_000_000_000,
            90_000_000_000,
        ];
        let shown: Vec<String> = durations.into_iter().map(duration).collect();
        assert_eq!(
            shown,
            [
                "0 ns", "1 ns", "999 ns", "1.00 µs", "1.23 µs", "12.3 µs", "1.00 ms", "5.00 s",
                "90.0 s"
            ]
        );
        assert_eq!(bytes_a_second(4.512e9), "4.51 GB/s");
        assert_eq!(
            [0, 1, 4096, 4 << 30].map(bytes),
            ["0 B", "1 B", "4.10 kB", "4.29 GB"]
        );
        let clocks = [0, 59, 754, 10_800].map(|s| clock(std::time::Duration::from_secs(s)));
        assert_eq!(clocks, ["0:00", "0:59", "12:34", "3:00:00"]);
        assert_eq!(memory(7680.0), "7.50 KiB");
        assert_eq!(memory(-512.0), "-512 B");
    }

    #[test]
    fn thousands_are_apart() {
        assert_eq!(
            [0, 999, 1000, 1_284_530].map(count),
            ["0", "999", "1,000", "1,284,530"]
        );
    }
}
