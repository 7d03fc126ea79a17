//! A peer's bytes and text, made fit for a terminal.

use std::borrow::Cow;
use std::fmt::Write;

use encoding_rs::Encoding;

/// Whether a terminal or a reader could be misled by it: C0, DEL, C1, line and paragraph separators,
/// and the marks that reorder text (Unicode's Bidi_Control, UAX #9).
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with everything that could steer a terminal written out as an escape.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if is_unsafe(c) && c.is_ascii() => {
                let _ = write!(escaped, "\\x{:02x}", c as u32);
            }
            c if is_unsafe(c) => {
                let _ = write!(escaped, "\\u{{{:x}}}", c as u32);
            }
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// A peer's bytes as text for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Decoded and escaped; a byte that does not decode is `\xNN`.
    pub(crate) text: String,
    /// How many bytes did not decode.
    pub(crate) undecodable: usize,
}

impl Shown {
    /// Decodes by `encoding`; bytes that cannot be decoded become escapes, and what is not safe too,
    /// unless `ansi` lets it through.
    pub(crate) fn new(bytes: &[u8], encoding: &'static Encoding, ansi: bool) -> Self {
        let mut decoder = encoding.new_decoder_without_bom_handling();
        let (mut text, mut undecodable) = (String::new(), 0);
        let mut rest = bytes;
        // One malformed sequence a round: each takes at least one byte off `rest`.
        loop {
            let room = decoder.max_utf8_buffer_length_without_replacement(rest.len());
            let mut piece = String::with_capacity(room.unwrap_or(rest.len() * 3 + 16));
            let (result, used) =
                decoder.decode_to_string_without_replacement(rest, &mut piece, true);
            text.push_str(&if ansi {
                Cow::Borrowed(&piece[..])
            } else {
                escape(&piece)
            });
            let encoding_rs::DecoderResult::Malformed(bad, after) = result else {
                break;
            };
            // The malformed bytes lie `after` bytes before the point that was reached.
            let end = used - usize::from(after);
            for byte in &rest[end.saturating_sub(usize::from(bad))..end] {
                let _ = write!(text, "\\x{byte:02x}");
            }
            undecodable += usize::from(bad);
            rest = &rest[end..];
            decoder = encoding.new_decoder_without_bom_handling();
        }
        Self { text, undecodable }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{GBK, UTF_8};

    #[test]
    fn nothing_that_steers_a_terminal_gets_through() {
        assert_eq!(escape("\x1b[2J"), "\\x1b[2J");
        assert_eq!(escape("a\r\n\tb"), "a\\r\\n\\tb");
        assert_eq!(escape("\u{7f}\u{9b}31m"), "\\x7f\\u{9b}31m");
        assert_eq!(
            escape("\u{202e}exe.txt\u{2066}"),
            "\\u{202e}exe.txt\\u{2066}"
        );
        assert!(matches!(escape("一棵树, naïve 🐟"), Cow::Borrowed(_)));
    }

    #[test]
    fn bytes_that_do_not_decode_are_shown_and_counted() {
        let check = |bytes: &[u8], encoding, text: &str, undecodable| {
            let expected = Shown {
                text: text.into(),
                undecodable,
            };
            assert_eq!(Shown::new(bytes, encoding, false), expected, "{bytes:x?}");
        };
        check(b"hello", UTF_8, "hello", 0);
        check("你好".as_bytes(), UTF_8, "你好", 0);
        check(b"\xc4\xe3\xba\xc3", GBK, "你好", 0);
        check(b"a\xffb\xc3", UTF_8, "a\\xffb\\xc3", 2);
        check(
            "你好".as_bytes().split_last().unwrap().1,
            UTF_8,
            "你\\xe5\\xa5",
            2,
        );
        check(b"\xff\xfe\x1b", UTF_8, "\\xff\\xfe\\x1b", 2);
        check(b"", UTF_8, "", 0);
        assert_eq!(Shown::new(b"\x1b[1m", UTF_8, true).text, "\x1b[1m");
    }
}
