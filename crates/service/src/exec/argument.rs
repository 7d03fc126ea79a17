//! Arguments and paths: strings of bytes, which are text nearly always.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An argument as the wire writes it: a JSON string, or `{"base64":"…"}` where it is not UTF-8.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Argument(Vec<u8>);

impl Argument {
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As the system takes it.
    pub fn as_os_str(&self) -> &OsStr {
        OsStr::from_bytes(&self.0)
    }

    /// Whether no program could get it: arguments end with a zero byte.
    pub fn has_nul(&self) -> bool {
        self.0.contains(&0)
    }
}

impl std::fmt::Debug for Argument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_os_str().fmt(f)
    }
}

impl From<OsString> for Argument {
    fn from(text: OsString) -> Self {
        Self(text.into_vec())
    }
}

impl From<Vec<u8>> for Argument {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&str> for Argument {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// What is written where it is not UTF-8.
#[derive(Serialize, Deserialize)]
struct Coded<T> {
    base64: T,
}

impl Serialize for Argument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => Coded {
                base64: encode(&self.0),
            }
            .serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Argument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Coded(Coded<String>),
        }
        match Either::deserialize(deserializer) {
            Ok(Either::Text(text)) => Ok(Self(text.into_bytes())),
            Ok(Either::Coded(Coded { base64 })) => decode(&base64)
                .map(Self)
                .ok_or_else(|| D::Error::custom(format!("\"{base64}\" is no base64"))),
            Err(_) => Err(D::Error::custom(
                "an argument is a string, or {\"base64\":\"…\"} where it is not UTF-8",
            )),
        }
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648, section 4, with padding.
fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = group
            .iter()
            .fold(0u32, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = ALPHABET[(word >> (18 - 6 * place)) as usize & 63];
            let shown = place <= group.len();
            text.push(if shown { char::from(digit) } else { '=' });
        }
    }
    text
}

/// The same back; padding may be left out.
fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    if text.len() - digits.len() > 2 || digits.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let mut word = 0u32;
        for digit in group {
            let value = ALPHABET.iter().position(|known| known == digit)?;
            word = word << 6 | value as u32;
        }
        let word = word << (6 * (4 - group.len()));
        bytes.extend_from_slice(&word.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_text_and_the_rest_is_coded() {
        let check = |bytes: &[u8], json: &str| {
            let argument = Argument(bytes.to_vec());
            assert_eq!(serde_json::to_string(&argument).unwrap(), json);
            assert_eq!(serde_json::from_str::<Argument>(json).unwrap(), argument);
        };
        check("你 \"x\"".as_bytes(), "\"你 \\\"x\\\"\"");
        check(b"\xff\xfe", "{\"base64\":\"//4=\"}");
        for wrong in [
            "1",
            "null",
            "{\"base64\":\"*\"}",
            "{\"base64\":\"A\"}",
            "{}",
        ] {
            let error = serde_json::from_str::<Argument>(wrong).unwrap_err();
            assert!(error.to_string().contains("base64"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_read_back(bytes: Vec<u8>) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes.clone()));
            let argument = Argument(bytes);
            let json = serde_json::to_string(&argument).unwrap();
            prop_assert_eq!(serde_json::from_str::<Argument>(&json).unwrap(), argument);
        }
    }
}
