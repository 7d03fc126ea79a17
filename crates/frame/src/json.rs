//! Just enough JSON to find where an object ends and what its members are, with the byte at which
//! it breaks; it allocates nothing and does not recurse.
//!
//! Source: RFC 8259.

use std::str;

use crate::error::JsonFault;

/// Arrays and objects in each other, below the header itself. One bit a level.
const DEPTH_LIMIT: u32 = 64;

/// What is wrong, and at which byte.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) at: usize,
    pub(crate) fault: JsonFault,
}

/// A member of the outermost object.
pub(crate) struct Member<'a> {
    /// Between the quotes, escapes and all.
    pub(crate) key: &'a [u8],
    /// The value's text.
    pub(crate) value: &'a [u8],
}

/// Reads the object at the front of `text` and returns where it ends. An error of `on_member` is
/// placed at the member's value.
pub(crate) fn object(
    text: &[u8],
    mut on_member: impl FnMut(Member<'_>) -> Result<(), JsonFault>,
) -> Result<usize, Broken> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.expect(b"{", "{")?;
    if scanner.peek_past_space() == Some(b'}') {
        scanner.at += 1;
    } else {
        loop {
            let key = scanner.key()?;
            scanner.peek_past_space();
            let start = scanner.at;
            scanner.value()?;
            let value = &text[start..scanner.at];
            on_member(Member { key, value }).map_err(|fault| Broken { at: start, fault })?;
            if scanner.expect(b",}", "a comma or }")? == b'}' {
                break;
            }
        }
    }
    match str::from_utf8(&text[..scanner.at]) {
        Ok(_) => Ok(scanner.at),
        Err(error) => Err(Broken {
            at: error.valid_up_to(),
            fault: JsonFault::NotUtf8,
        }),
    }
}

/// Whether a key, read between its quotes, is `name` (letters and `_` only).
pub(crate) fn spells(mut key: &[u8], name: &[u8]) -> bool {
    for letter in name {
        let (first, rest) = match key {
            [b'\\', b'u', hex @ ..] if hex.len() >= 4 => {
                let digits = str::from_utf8(&hex[..4]).unwrap_or_default();
                (u32::from_str_radix(digits, 16).ok(), &hex[4..])
            }
            [first, rest @ ..] => (Some(u32::from(*first)), rest),
            [] => return false,
        };
        if first != Some(u32::from(*letter)) {
            return false;
        }
        key = rest;
    }
    key.is_empty()
}

/// A value that is a number from 0 to 2^64 - 1, without a sign, a fraction or an exponent.
pub(crate) fn whole_number(value: &[u8]) -> Option<u64> {
    let text = str::from_utf8(value).ok()?;
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn peek_past_space(&mut self) -> Option<u8> {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
        self.peek()
    }

    /// What is told of the byte at which the scanner stands.
    fn broken<T>(&self, allowed: &'static str) -> Result<T, Broken> {
        let fault = match self.peek() {
            Some(found) => JsonFault::Misplaced { found, allowed },
            None => JsonFault::Ended,
        };
        Err(Broken { at: self.at, fault })
    }

    /// Takes one of these bytes, after white space.
    fn expect(&mut self, bytes: &[u8], allowed: &'static str) -> Result<u8, Broken> {
        match self.peek_past_space() {
            Some(byte) if bytes.contains(&byte) => {
                self.at += 1;
                Ok(byte)
            }
            _ => self.broken(allowed),
        }
    }

    /// Takes `"key" :` and returns what stands between the quotes.
    fn key(&mut self) -> Result<&'a [u8], Broken> {
        if self.peek_past_space() != Some(b'"') {
            return self.broken("a string");
        }
        let start = self.at + 1;
        self.string()?;
        let key = &self.text[start..self.at - 1];
        self.expect(b":", "a colon")?;
        Ok(key)
    }

    /// Takes one value with all that is in it. `objects` has a bit for each level, the innermost
    /// last: set inside an object, clear inside an array.
    fn value(&mut self) -> Result<(), Broken> {
        let (mut depth, mut objects) = (0, 0_u64);
        loop {
            let opened = self.scalar_or_opening()?;
            if let Some(is_object) = opened {
                if depth == DEPTH_LIMIT {
                    let fault = JsonFault::Deep { limit: DEPTH_LIMIT };
                    return Err(Broken {
                        at: self.at - 1,
                        fault,
                    });
                }
                depth += 1;
                objects = objects << 1 | u64::from(is_object);
                let closing = if is_object { b'}' } else { b']' };
                if self.peek_past_space() != Some(closing) {
                    if is_object {
                        self.key()?;
                    }
                    continue;
                }
            }
            // A value has ended, and with it perhaps what it stands in.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let is_object = objects & 1 == 1;
                let next = if is_object {
                    self.expect(b",}", "a comma or }")?
                } else {
                    self.expect(b",]", "a comma or ]")?
                };
                if next == b',' {
                    if is_object {
                        self.key()?;
                    }
                    break;
                }
                depth -= 1;
                objects >>= 1;
            }
        }
    }

    /// Takes a scalar value (`None`), or the brace or bracket that opens an object (`true`) or an
    /// array (`false`).
    fn scalar_or_opening(&mut self) -> Result<Option<bool>, Broken> {
        match self.peek_past_space() {
            Some(byte @ (b'{' | b'[')) => {
                self.at += 1;
                return Ok(Some(byte == b'{'));
            }
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.literal(b"true")?,
            Some(b'f') => self.literal(b"false")?,
            Some(b'n') => self.literal(b"null")?,
            _ => return self.broken("a value"),
        }
        Ok(None)
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), Broken> {
        for letter in word {
            if self.peek() != Some(*letter) {
                return self.broken("true, false or null");
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Takes a string; the scanner stands at its opening quote.
    fn string(&mut self) -> Result<(), Broken> {
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                }
                Some(0x20..) => self.at += 1,
                _ => return self.broken("a character of a string"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Broken> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return self.broken("four hex digits after \\u");
                    }
                    self.at += 1;
                }
            }
            _ => return self.broken("one of \" \\ / b f n r t u after a backslash"),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Broken> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        // A number that begins with 0 has no further digit ahead of its point.
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Broken> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return self.broken("a digit");
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Deserializer, Map, Value};

    use super::*;

    /// Where the object ends and what its members are called, or the byte at which it breaks.
    #[track_caller]
    fn check(text: &str, result: Result<(usize, &[&str]), usize>) {
        let mut keys = vec![];
        let read = object(text.as_bytes(), |member| {
            keys.push(str::from_utf8(member.key).unwrap().to_owned());
            Ok(())
        });
        match result {
            Ok((end, names)) => {
                assert_eq!(read, Ok(end), "{text}");
                assert_eq!(keys, names, "{text}");
            }
            Err(at) => assert_eq!(read.map_err(|broken| broken.at), Err(at), "{text}"),
        }
    }

    #[test]
    fn objects_end_at_their_brace() {
        check("{}", Ok((2, &[])));
        check(" { } rest", Ok((4, &[])));
        check(r#"{"a":1,"b":[{"c":"}"},[]]}x"#, Ok((26, &["a", "b"])));
        check(
            r#"{"a":-0.5e+3,"b":true,"c":null,"d":"\u4f60\n"}"#,
            Ok((46, &["a", "b", "c", "d"])),
        );
    }

    #[test]
    fn what_breaks_is_found_at_its_byte() {
        check("", Err(0));
        check("[1]", Err(0));
        check("{", Err(1));
        check(r#"{"a""#, Err(4));
        check(r#"{"a":01}"#, Err(6));
        check(r#"{"a":1,}"#, Err(7));
        check(r#"{"a":[1}"#, Err(7));
        check(r#"{"a":tru}"#, Err(8));
        check("{\"a\":\"\n\"}", Err(6));
        check(r#"{"a":"\x"}"#, Err(7));
        check(r#"{"a":.5}"#, Err(5));
        check(r#"{"a":1.}"#, Err(7));
    }

    #[test]
    fn depth_has_a_limit() {
        let nested = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        let most = DEPTH_LIMIT as usize;
        check(&nested(most), Ok((6 + 2 * most, &["a"])));
        check(&nested(most + 1), Err(5 + most));
    }

    #[test]
    fn keys_are_compared_as_they_are_meant() {
        assert!(spells(b"size", b"size"));
        assert!(spells(br"s\u0069ze", b"size"));
        assert!(spells(br"siz\u0065", b"size"));
        for key in [
            &b"siz"[..],
            b"sizes",
            b"Size",
            br"size\u0000",
            br"s\nze",
            b"",
        ] {
            assert!(!spells(key, b"size"), "{key:?}");
        }
    }

    #[test]
    fn other_encodings_are_refused() {
        let broken = object(b"{\"name\":\"\xc4\xe3\"}", |_| Ok(()));
        assert_eq!(
            broken,
            Err(Broken {
                at: 9,
                fault: JsonFault::NotUtf8
            })
        );
    }

    /// What serde_json thinks of the object at the front of `text`.
    fn oracle(text: &[u8]) -> Option<usize> {
        let mut stream = Deserializer::from_slice(text).into_iter::<Map<String, Value>>();
        stream.next()?.ok()?;
        let end = stream.byte_offset();
        str::from_utf8(&text[..end]).ok().map(|_| end)
    }

    proptest! {
        /// Text made of JSON's own pieces, in any order: we agree with serde_json on what is an
        /// object and where it ends.
        #[test]
        fn agrees_with_serde_json(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"a\"", "\"\\u0062\"", "1", "-2.5e3", "0", "true",
                "null", " ", "\"", "\\", "\n", "{\"size\":", "{\"a\":[",
            ]), 0..24),
        ) {
            let text = pieces.concat();
            let ours = object(text.as_bytes(), |_| Ok(())).ok();
            prop_assert_eq!(ours, oracle(text.as_bytes()));
        }
    }
}
