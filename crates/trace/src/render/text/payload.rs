//! Payloads made fit for a terminal.

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Whether a terminal or a reader could be misled by it: C0, DEL, C1, line and paragraph separators,
/// and the marks that reorder text (Unicode's Bidi_Control, UAX #9).
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text that came from outside, with everything that could steer a terminal written out.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        put(c, &mut escaped);
    }
    escaped
}

fn put(c: char, text: &mut String) {
    let _ = match c {
        '\n' => text.write_str("\\n"),
        '\r' => text.write_str("\\r"),
        '\t' => text.write_str("\\t"),
        c if is_unsafe(c) && c.is_ascii() => write!(text, "\\x{:02x}", c as u32),
        c if is_unsafe(c) => write!(text, "\\u{{{:x}}}", c as u32),
        c => text.write_char(c),
    };
}

/// The beginning of `bytes` between quotes, in at most `width` columns. `whole` says that nothing
/// follows them.
pub(super) fn quoted(bytes: &[u8], whole: bool, width: usize) -> String {
    let mut text = String::from("\"");
    // Both quotes, and what says that there is more.
    let room = width.saturating_sub(3);
    let (mut used, mut all) = (0, whole);
    'text: for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid().chars().map(|c| {
            let mut piece = String::new();
            match c {
                '"' | '\\' => piece.extend(['\\', c]),
                c => put(c, &mut piece),
            }
            piece
        });
        let invalid = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
        for piece in valid.chain(invalid) {
            let wide = piece.width();
            if used + wide > room {
                all = false;
                break 'text;
            }
            used += wide;
            text.push_str(&piece);
        }
    }
    text.push_str(if all { "\"" } else { "…\"" });
    text
}

/// The beginning of `bytes` as hexadecimal numbers, in at most `width` columns.
pub(super) fn hex(bytes: &[u8], whole: bool, width: usize) -> String {
    // Three columns a byte, one for what says that there is more.
    let room = width.saturating_sub(1) / 3;
    let shown = &bytes[..bytes.len().min(room)];
    let text: Vec<String> = shown.iter().map(|byte| format!("{byte:02x}")).collect();
    let more = if whole && shown.len() == bytes.len() {
        ""
    } else {
        "…"
    };
    text.join(" ") + more
}

/// How many columns all of `bytes` would take between quotes, as far as that is at most `limit`.
pub(super) fn quoted_width(bytes: &[u8], limit: usize) -> usize {
    let mut width = 2;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let mut piece = String::new();
            put(c, &mut piece);
            let escaped = usize::from(matches!(c, '"' | '\\'));
            width += piece
                .chars()
                .filter_map(UnicodeWidthChar::width)
                .sum::<usize>()
                + escaped;
            if width > limit {
                return width;
            }
        }
        width += chunk.invalid().len() * 4;
    }
    width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_gets_through() {
        let check = |bytes: &[u8], expected: &str| {
            assert_eq!(quoted(bytes, true, 40), expected);
            assert_eq!(quoted_width(bytes, 40), expected.width(), "{expected}");
        };
        check(b"hello", "\"hello\"");
        check(b"\x1b[2J\r\n\x7f", "\"\\x1b[2J\\r\\n\\x7f\"");
        check("\u{9b}31m\u{202e}".as_bytes(), "\"\\u{9b}31m\\u{202e}\"");
        check(b"a\xff\"\\", "\"a\\xff\\\"\\\\\"");
        check("你好".as_bytes(), "\"你好\"");
        check(b"", "\"\"");
    }

    #[test]
    fn what_does_not_fit_is_cut_between_characters() {
        assert_eq!(quoted("你好世界".as_bytes(), true, 9), "\"你好世…\"");
        assert_eq!(quoted(b"abcdef", true, 8), "\"abcde…\"");
        assert_eq!(quoted(b"abc", false, 40), "\"abc…\"");
        assert_eq!(quoted(b"a\nb", true, 6), "\"a\\n…\"");
        assert_eq!(hex(b"abc", true, 9), "61 62…");
        assert_eq!(hex(b"abc", true, 10), "61 62 63");
        assert_eq!(hex(b"abc", false, 10), "61 62 63…");
    }
}
