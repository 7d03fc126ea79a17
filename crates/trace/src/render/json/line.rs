//! One line of JSON: an object whose fields come in the order in which they are added.

use std::fmt::Write;

use crate::{Time, errno_name};

/// Version of the schema.
const VERSION: u32 = 1;

/// One line: an object whose fields come in the order in which they are added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line(String);

impl Line {
    /// A line with the fields that all lines have.
    pub fn new(time: Time, event: &str) -> Self {
        let mut line = Self(format!("{{\"v\":{VERSION}"));
        line.put("t", &timestamp(time)).put("ev", event);
        line
    }

    /// A string field.
    pub fn put(&mut self, name: &str, value: &str) -> &mut Self {
        let _ = write!(self.0, ",\"{name}\":");
        string(value, &mut self.0);
        self
    }

    /// A field that is left out where it does not apply.
    pub fn put_some(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.put(name, value),
            None => self,
        }
    }

    /// A number.
    pub fn number(&mut self, name: &str, value: u64) -> &mut Self {
        self.raw(name, value)
    }

    /// A list of strings.
    pub fn list(&mut self, name: &str, values: &[String]) -> &mut Self {
        self.raw(name, serde_json::Value::from(values))
    }

    /// The two fields of a kernel error.
    pub fn errno(&mut self, errno: i32) -> &mut Self {
        self.raw("errno", errno).put("name", errno_name(errno))
    }

    /// Bytes, in base64.
    pub fn data(&mut self, bytes: &[u8]) -> &mut Self {
        self.put("data", &base64(bytes))
    }

    /// A field whose value prints as JSON.
    pub fn raw(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Self {
        let _ = write!(self.0, ",\"{name}\":{value}");
        self
    }

    /// The fields of a JSON object of ours, as its text.
    pub fn merge(&mut self, object: &[u8]) -> &mut Self {
        let text = String::from_utf8_lossy(object);
        let fields = text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'));
        if let Some(fields) = fields.filter(|fields| !fields.is_empty()) {
            self.0.push(',');
            self.0.push_str(fields);
        }
        self
    }

    /// The text, newline included.
    pub fn finish(&self) -> String {
        format!("{}}}\n", self.0)
    }
}

/// RFC 3339 in UTC with nanoseconds.
fn timestamp(time: Time) -> String {
    let nanos = i128::from(time.as_nanos());
    // Every `Time` lies before 2554, jiff's end is in 9999.
    jiff::Timestamp::from_nanosecond(nanos)
        .map_or_else(|_| time.to_string(), |stamp| format!("{stamp:.9}"))
}

/// A JSON string (RFC 8259, section 7).
fn string(text: &str, out: &mut String) {
    // Writing to memory and of a string fails never.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// RFC 4648, section 4, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = group
            .iter()
            .fold(0, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = ALPHABET[(word >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= group.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_the_vectors_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }
}
