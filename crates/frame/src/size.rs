//! Sizes as people write them: `512`, `64KiB`, `1MiB`.

use std::fmt;
use std::str::FromStr;

/// A number of bytes. `Display` prints what `FromStr` reads: `65536` as `64KiB`, `1000` as `1000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// The units, largest first. Only powers of 1024: `KB` means two things, so it means nothing here.
const UNITS: [(&str, u64); 6] = [
    ("EiB", 1 << 60),
    ("PiB", 1 << 50),
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
];

/// Why a text is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is no size; write a number of bytes, alone or with KiB, MiB, GiB or TiB")]
pub struct SizeError {
    /// The text that was read.
    pub text: String,
}

impl FromStr for ByteSize {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || SizeError {
            text: text.to_owned(),
        };
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let number: u64 = number.parse().map_err(|_| error())?;
        let scale = match unit {
            "" | "B" => 1,
            unit => {
                UNITS
                    .iter()
                    .find(|(name, _)| *name == unit)
                    .ok_or_else(error)?
                    .1
            }
        };
        number.checked_mul(scale).map(Self).ok_or_else(error)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS
            .iter()
            .find(|(_, scale)| self.0 > 0 && self.0.is_multiple_of(*scale))
        {
            Some((name, scale)) => write!(f, "{}{name}", self.0 / scale),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, bytes: Option<u64>) {
        assert_eq!(text.parse().ok(), bytes.map(ByteSize), "{text}");
    }

    #[test]
    fn sizes_are_numbers_with_binary_units() {
        check("0", Some(0));
        check("512", Some(512));
        check("512B", Some(512));
        check("64KiB", Some(65_536));
        check("1MiB", Some(1 << 20));
        check("15EiB", Some(15 << 60));
    }

    #[test]
    fn what_is_ambiguous_or_too_large_is_refused() {
        for text in [
            "",
            "KiB",
            "-1",
            "1.5MiB",
            "64KB",
            "64k",
            "16EiB",
            "18446744073709551616",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn display_prints_what_is_read() {
        for (bytes, text) in [(0, "0"), (1000, "1000"), (1536, "1536"), (3 << 20, "3MiB")] {
            assert_eq!(ByteSize(bytes).to_string(), text);
            check(text, Some(bytes));
        }
    }
}
