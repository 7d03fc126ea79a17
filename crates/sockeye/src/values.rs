//! Values that flags and the config share: each reads its text the same way in both.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::time::Duration;

use encoding_rs::Encoding;
use serde::{Deserialize, Deserializer};
use sockeye_frame::ByteSize;
use sockeye_net::options::{parse_duration, show_duration};

/// A time to wait: `500ms`, `2s`, `1m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait(pub(crate) Duration);

impl FromStr for Wait {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wait = parse_duration(text).map(Self);
        wait.ok_or_else(|| format!("'{text}' is no duration; write 500ms, 2s, 1m or 1h"))
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show_duration(self.0))
    }
}

/// A pause of a fixed or a random length: `200ms` or `0..1s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    pub(crate) least: Duration,
    pub(crate) most: Duration,
}

impl FromStr for Pause {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (least, most) = text.split_once("..").unwrap_or((text, text));
        let (Wait(least), Wait(most)) = (least.parse()?, most.parse()?);
        if least > most {
            return Err(format!(
                "'{text}' ends before it begins; write it as {most:?}..{least:?}"
            ));
        }
        Ok(Self { least, most })
    }
}

/// Bytes that one read takes at most: `512`, `64KiB`. No bytes would mean no reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadSize(pub(crate) NonZeroUsize);

impl ReadSize {
    /// More than any socket has; what is larger is a slip of the finger.
    const LIMIT: ByteSize = ByteSize(1 << 30);
}

impl FromStr for ReadSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size: ByteSize = text.parse().map_err(|error| format!("{error}"))?;
        let fits = usize::try_from(size.0).ok().and_then(NonZeroUsize::new);
        let fits = fits.filter(|_| size <= Self::LIMIT);
        fits.map(Self)
            .ok_or_else(|| format!("one read takes 1 byte to {}, not {text}", Self::LIMIT))
    }
}

/// A number of things, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) NonZeroUsize);

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let count = text.parse().map(Self);
        count.map_err(|_| format!("'{text}' is no count; allowed are whole numbers from 1"))
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let count = i64::deserialize(deserializer)?;
        count.to_string().parse().map_err(serde::de::Error::custom)
    }
}

/// How a peer's bytes are text, by a name of the WHATWG list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Charset(pub(crate) &'static Encoding);

impl Default for Charset {
    fn default() -> Self {
        Self(encoding_rs::UTF_8)
    }
}

impl FromStr for Charset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The replacement encoding stands for those that are not safe to decode.
        let known = Encoding::for_label_no_replacement(text.trim().as_bytes());
        known.map(Self).ok_or_else(|| {
            format!(
                "'{text}' is no encoding; there are utf-8, gbk, gb18030, big5, shift_jis, euc-kr, \
                 windows-1252 and the others of encoding.spec.whatwg.org"
            )
        })
    }
}

/// Reads a value of the config through the same text as a flag.
pub(crate) fn from_text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

/// Reads a list of such values.
pub(crate) fn from_texts<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts
        .iter()
        .map(|text| text.parse().map_err(serde::de::Error::custom))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_fixed_or_random() {
        let check = |text: &str, least, most| {
            let pause: Pause = text.parse().unwrap();
            assert_eq!(
                (pause.least.as_millis(), pause.most.as_millis()),
                (least, most),
                "{text}"
            );
        };
        check("200ms", 200, 200);
        check("0..1s", 0, 1000);
        check("0", 0, 0);
        assert_eq!(
            "1s..0".parse::<Pause>().unwrap_err(),
            "'1s..0' ends before it begins; write it as 0ns..1s"
        );
        assert_eq!(
            "..1s".parse::<Pause>().unwrap_err(),
            "'' is no duration; write 500ms, 2s, 1m or 1h"
        );
    }

    #[test]
    fn nothing_is_no_read_and_no_count() {
        let size = |text: &str| text.parse::<ReadSize>().map(|size| size.0.get());
        assert_eq!(size("64KiB"), Ok(65_536));
        for refused in ["0", "2GiB"] {
            let error = format!("one read takes 1 byte to 1GiB, not {refused}");
            assert_eq!(size(refused), Err(error));
        }
        let count = |text: &str| text.parse::<Count>().map(|count| count.0.get());
        assert_eq!(count("8"), Ok(8));
        for refused in ["0", "-1", "many"] {
            let error = format!("'{refused}' is no count; allowed are whole numbers from 1");
            assert_eq!(count(refused), Err(error));
        }
    }

    #[test]
    fn encodings_go_by_their_web_names() {
        assert_eq!("GBK".parse::<Charset>().unwrap().0, encoding_rs::GBK);
        assert_eq!(
            "latin1".parse::<Charset>().unwrap().0,
            encoding_rs::WINDOWS_1252
        );
        assert!(
            "klingon"
                .parse::<Charset>()
                .unwrap_err()
                .contains("utf-8, gbk")
        );
    }
}
