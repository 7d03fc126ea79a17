//! What guests write and read: bytes in an encoding of theirs, lines in ours.

use std::fmt::Write as _;

use encoding_rs::{DecoderResult, EncoderResult, Encoding};

/// Bytes that encoding_rs is given room for at once.
const PIECE: usize = 4096;

/// Makes lines of a guest's bytes. Nothing is lost: what does not decode, and what would steer a
/// terminal, is shown escaped.
#[derive(Debug)]
pub(super) struct Reader {
    encoding: &'static Encoding,
    /// Messages may end within a character, whose beginning waits here.
    cut: Option<Vec<u8>>,
}

impl Reader {
    /// Reads messages that are whole, or (in `chunks`) what a read happened to return.
    pub(super) fn new(encoding: &'static Encoding, chunks: bool) -> Self {
        Self {
            encoding,
            cut: chunks.then(Vec::new),
        }
    }

    /// The lines of a message: at least one, unless all of it is the beginning of a character.
    pub(super) fn lines(&mut self, message: &[u8]) -> Vec<String> {
        let Some(cut) = &mut self.cut else {
            let (text, waiting) = decode(self.encoding, message);
            return lines(&escape(text, waiting));
        };
        cut.extend_from_slice(message);
        let bytes = std::mem::take(cut);
        let (text, waiting) = decode(self.encoding, &bytes);
        self.cut = Some(waiting.to_vec());
        if text.is_empty() && !message.is_empty() {
            return vec![];
        }
        lines(&text)
    }

    /// What is left of a character that never came.
    pub(super) fn finish(&mut self) -> Vec<String> {
        match self.cut.take() {
            Some(cut) if !cut.is_empty() => vec![escape(String::new(), &cut)],
            _ => vec![],
        }
    }
}

/// The text of some bytes, and the beginning of a character at their end.
fn decode<'a>(encoding: &'static Encoding, bytes: &'a [u8]) -> (String, &'a [u8]) {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text = String::with_capacity(bytes.len());
    let mut at = 0;
    loop {
        text.reserve(PIECE);
        let rest = &bytes[at..];
        let (result, read) = decoder.decode_to_string_without_replacement(rest, &mut text, false);
        at += read;
        match result {
            DecoderResult::InputEmpty => break,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(bad, after) => {
                let end = at.saturating_sub(usize::from(after));
                let start = end.saturating_sub(usize::from(bad));
                text = escape(text, &bytes[start..end]);
            }
        }
    }
    // Told that nothing more will come, the decoder says how much it was still waiting with.
    text.reserve(PIECE);
    let (result, _) = decoder.decode_to_string_without_replacement(&[], &mut text, true);
    let waiting = match result {
        DecoderResult::Malformed(waiting, _) => usize::from(waiting).min(bytes.len()),
        _ => 0,
    };
    (text, &bytes[bytes.len() - waiting..])
}

fn escape(mut text: String, bytes: &[u8]) -> String {
    for byte in bytes {
        let _ = write!(text, "\\x{byte:02x}");
    }
    text
}

/// A text in lines as IRC carries them. The end of the last line begins no other one.
fn lines(text: &str) -> Vec<String> {
    let text = text.replace("\r\n", "\n");
    let whole = text.strip_suffix(['\n', '\r']).unwrap_or(&text);
    whole.split(['\n', '\r']).map(plain).collect()
}

/// A line without what would steer a terminal; tabs stay.
fn plain(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    for char in line.chars() {
        if char.is_control() && char != '\t' {
            let _ = write!(shown, "\\x{:02x}", u32::from(char));
        } else {
            shown.push(char);
        }
    }
    shown
}

/// A line for a guest in his encoding; false if some of it cannot be said in it and is a `?` there.
pub(super) fn encode(encoding: &'static Encoding, line: &str) -> (Vec<u8>, bool) {
    let mut encoder = encoding.new_encoder();
    let (mut bytes, mut is_whole) = (Vec::with_capacity(2 * line.len() + 8), true);
    let mut rest = line;
    loop {
        bytes.reserve(PIECE);
        let (result, read) =
            encoder.encode_from_utf8_to_vec_without_replacement(rest, &mut bytes, true);
        rest = &rest[read..];
        match result {
            EncoderResult::InputEmpty => return (bytes, is_whole),
            EncoderResult::OutputFull => {}
            EncoderResult::Unmappable(_) => {
                bytes.push(b'?');
                is_whole = false;
            }
        }
    }
}

/// A line of IRC without what colours it (<https://modern.ircdocs.horse/formatting>).
pub(super) fn uncoloured(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(char) = rest.chars().next() {
        rest = &rest[char.len_utf8()..];
        match char {
            '\u{3}' => rest = behind_colours(rest),
            char if char.is_control() && char != '\t' => {}
            char => shown.push(char),
        }
    }
    shown
}

/// What stands behind up to two digits, and up to two more behind a comma.
fn behind_colours(text: &str) -> &str {
    let digits = |text: &str| text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let first = digits(text);
    let rest = &text[first..];
    match rest
        .strip_prefix(',')
        .map(|behind| (behind, digits(behind)))
    {
        Some((behind, second)) if first > 0 && second > 0 => &behind[second..],
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{GBK, UTF_8};

    #[test]
    fn messages_are_lines() {
        let mut reader = Reader::new(UTF_8, false);
        for (message, expected) in [
            (&b""[..], &[""][..]),
            (b"hello", &["hello"]),
            (b"hello\n", &["hello"]),
            (b"a\r\nb\rc\n\nd", &["a", "b", "c", "", "d"]),
            (
                b"\xff\x00\x1b[2J\t\xe4\xbd",
                &["\\xff\\x00\\x1b[2J\t\\xe4\\xbd"],
            ),
            ("一棵树".as_bytes(), &["一棵树"]),
        ] {
            assert_eq!(reader.lines(message), expected, "{message:?}");
        }
        assert_eq!(
            Reader::new(GBK, false).lines(b"\xc4\xe3\xff\xba\xc3"),
            ["你\\xff好"]
        );
    }

    /// A read may end anywhere, within a character too.
    #[test]
    fn a_character_that_was_cut_waits_for_its_rest() {
        let mut reader = Reader::new(UTF_8, true);
        assert_eq!(reader.lines(b"a\xe4\xbd"), ["a"]);
        assert_eq!(reader.lines(b"\xa0b"), ["你b"]);
        assert!(reader.lines(b"\xe4").is_empty());
        assert_eq!(reader.lines(b"x"), ["\\xe4x"]);
        assert!(reader.lines(b"\xe4").is_empty());
        assert_eq!(reader.finish(), ["\\xe4"]);
    }

    #[test]
    fn what_an_encoding_lacks_is_replaced() {
        assert_eq!(encode(GBK, "你"), (b"\xc4\xe3".to_vec(), true));
        assert_eq!(encode(GBK, "a🐟b"), (b"a?b".to_vec(), false));
        let long = "好".repeat(10_000);
        assert_eq!(encode(GBK, &long), (b"\xba\xc3".repeat(10_000), true));
    }

    #[test]
    fn colours_are_taken_off() {
        assert_eq!(
            uncoloured("\u{2}b\u{3}4,12red\u{3},x\u{f} 一\t"),
            "bred,x 一\t"
        );
    }
}
