//! Upper: answers in upper case, in the connection's encoding.

use encoding_rs::{DecoderResult, Encoding, ISO_2022_JP, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE};
use sockeye_trace::Time;
use thiserror::Error;

use crate::{Arrival, Out, Peer, Responder, Responders};

/// No encoding that we upper-case takes more bytes for a character (gb18030 takes four).
const LONGEST: usize = 4;
/// What one character can become: three UTF-8 characters of four bytes, or what they encode to.
const ROOM: usize = 16;

/// Makes responders that answer in upper case.
///
/// Upper case is Unicode's, in the encoding given: `ß` becomes `SS`, hanzi stay as they are. Bytes
/// that are no character of the encoding pass unchanged, and so does a character whose upper case
/// the encoding does not have. Where a message is whatever one read returned, a character that the
/// read cut waits for its rest.
#[derive(Clone, Copy, Debug)]
pub struct Upper {
    encoding: &'static Encoding,
}

/// An encoding that cannot be upper-cased in place.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{encoding} cannot be upper-cased: it has modes or is not built on ASCII; \
     UTF-8, GBK, gb18030, Big5, Shift_JIS, EUC-JP, EUC-KR, windows-125x, koi8-r and others can"
)]
pub struct NoUpper {
    encoding: &'static str,
}

impl Upper {
    /// Upper case in this encoding.
    ///
    /// # Errors
    /// UTF-16 and ISO-2022-JP, whose bytes mean nothing without those before them.
    pub fn new(encoding: &'static Encoding) -> Result<Self, NoUpper> {
        if [UTF_16BE, UTF_16LE, ISO_2022_JP, REPLACEMENT].contains(&encoding) {
            return Err(NoUpper {
                encoding: encoding.name(),
            });
        }
        Ok(Self { encoding })
    }
}

impl Default for Upper {
    fn default() -> Self {
        Self { encoding: UTF_8 }
    }
}

impl Responders for Upper {
    fn open(&self, peer: &Peer<'_>) -> Box<dyn Responder> {
        let waits = peer.arrival == Arrival::Chunks;
        Box::new(Raiser {
            encoding: self.encoding,
            waits,
            cut: Vec::new(),
        })
    }
}

struct Raiser {
    encoding: &'static Encoding,
    /// Whether the rest of a cut character may still come.
    waits: bool,
    /// The bytes of a character whose rest has not come yet: at most three.
    cut: Vec<u8>,
}

impl Raiser {
    /// Answers `message`, but for a character at its end that is still to be completed. Returns how
    /// many bytes that leaves.
    fn raise(&self, message: &[u8], out: &mut Out<'_>) -> usize {
        let mut left = 0;
        out.reply_with(message.len(), |reply| {
            let used = raise(self.encoding, message, reply);
            left = message.len() - used;
            if !self.waits {
                reply.extend_from_slice(&message[used..]);
            }
        });
        left
    }
}

impl Responder for Raiser {
    fn on_message(&mut self, _now: Time, message: &[u8], out: &mut Out<'_>) {
        if !self.waits {
            self.raise(message, out);
        } else if self.cut.is_empty() {
            let left = self.raise(message, out);
            self.cut.extend_from_slice(&message[message.len() - left..]);
        } else {
            let mut joined = std::mem::take(&mut self.cut);
            joined.extend_from_slice(message);
            let left = self.raise(&joined, out);
            joined.drain(..joined.len() - left);
            // A connection that waits for one character shall not hold the room of a whole read.
            joined.shrink_to(2 * LONGEST);
            self.cut = joined;
        }
    }

    fn on_half_close(&mut self, _now: Time, out: &mut Out<'_>) {
        if !self.cut.is_empty() {
            out.reply(&std::mem::take(&mut self.cut));
        }
        out.close();
    }

    fn needs_time(&self) -> bool {
        false
    }
}

/// Appends `src` in upper case and returns how much of it was taken: all, or all but the beginning
/// of a character at its end.
fn raise(encoding: &'static Encoding, src: &[u8], reply: &mut Vec<u8>) -> usize {
    let ascii = Encoding::ascii_valid_up_to(src);
    raise_ascii(&src[..ascii], reply);
    let rest = &src[ascii..];
    ascii
        + if encoding == UTF_8 {
            raise_utf8(rest, reply)
        } else {
            raise_other(encoding, rest, reply)
        }
}

fn raise_ascii(src: &[u8], reply: &mut Vec<u8>) {
    let from = reply.len();
    reply.extend_from_slice(src);
    reply[from..].make_ascii_uppercase();
}

fn raise_utf8(src: &[u8], reply: &mut Vec<u8>) -> usize {
    let mut used = 0;
    for chunk in src.utf8_chunks() {
        raise_text(chunk.valid(), reply);
        used += chunk.valid().len();
        let bad = chunk.invalid();
        // Only at the very end can bytes be a beginning and not an error.
        if used + bad.len() == src.len() && is_cut_utf8(bad) {
            break;
        }
        reply.extend_from_slice(bad);
        used += bad.len();
    }
    used
}

fn is_cut_utf8(bad: &[u8]) -> bool {
    std::str::from_utf8(bad).is_err_and(|error| error.error_len().is_none())
}

fn raise_text(text: &str, reply: &mut Vec<u8>) {
    let mut room = [0; 4];
    for character in text.chars() {
        if character.is_ascii() {
            reply.push(character.to_ascii_uppercase() as u8);
        } else {
            for upper in character.to_uppercase() {
                reply.extend_from_slice(upper.encode_utf8(&mut room).as_bytes());
            }
        }
    }
}

/// For encodings of one byte a character and of lead and trail bytes. A trail byte may look like an
/// ASCII letter, so characters are found from the front and never by looking at single bytes.
fn raise_other(encoding: &'static Encoding, src: &[u8], reply: &mut Vec<u8>) -> usize {
    let mut at = 0;
    while at < src.len() {
        let rest = &src[at..];
        let ascii = Encoding::ascii_valid_up_to(rest);
        if ascii > 0 {
            raise_ascii(&rest[..ascii], reply);
            at += ascii;
            continue;
        }
        let mut room = [0; ROOM];
        match first_character(encoding, rest, &mut room) {
            Character::Cut => break,
            Character::Bad { len } => {
                reply.extend_from_slice(&rest[..len]);
                at += len;
            }
            Character::Good { len, text } => {
                raise_character(encoding, &rest[..len], text, reply);
                at += len;
            }
        }
    }
    at
}

enum Character<'a> {
    /// `len` bytes mean `text`.
    Good { len: usize, text: &'a str },
    /// `len` bytes mean nothing.
    Bad { len: usize },
    /// What is there is only the beginning of a character.
    Cut,
}

fn first_character<'a>(
    encoding: &'static Encoding,
    src: &[u8],
    room: &'a mut [u8; ROOM],
) -> Character<'a> {
    for len in 1..=src.len().min(LONGEST) {
        let mut decoder = encoding.new_decoder_without_bom_handling();
        let (result, _, written) =
            decoder.decode_to_utf8_without_replacement(&src[..len], room, false);
        if let DecoderResult::Malformed(bad, _) = result {
            return Character::Bad {
                len: usize::from(bad),
            };
        }
        if written > 0 {
            let text = std::str::from_utf8(&room[..written]).expect("a decoder writes UTF-8");
            return Character::Good { len, text };
        }
    }
    // A character that its longest form does not complete does not exist; taking one byte goes on.
    if src.len() < LONGEST {
        Character::Cut
    } else {
        Character::Bad { len: 1 }
    }
}

/// Appends the upper case of one character, or the bytes it came as where there is none.
fn raise_character(encoding: &'static Encoding, bytes: &[u8], text: &str, reply: &mut Vec<u8>) {
    let mut upper = Vec::new();
    if text
        .chars()
        .any(|character| !character.to_uppercase().eq([character]))
    {
        raise_text(text, &mut upper);
    }
    let upper = std::str::from_utf8(&upper).expect("upper case of UTF-8 is UTF-8");
    let mut room = [0; ROOM];
    let (result, read, written) = encoding
        .new_encoder()
        .encode_from_utf8_without_replacement(upper, &mut room, true);
    let encoded = result == encoding_rs::EncoderResult::InputEmpty && read == upper.len();
    let changed = encoded && written > 0;
    reply.extend_from_slice(if changed { &room[..written] } else { bytes });
}

#[cfg(test)]
mod tests {
    use encoding_rs::{BIG5, GB18030, GBK, KOI8_R, SHIFT_JIS, WINDOWS_1252};
    use proptest::prelude::*;

    use super::*;
    use crate::reply::Stage;

    /// Runs `chunks` through one connection and returns all that was answered.
    fn upper<'a>(
        encoding: &'static Encoding,
        chunks: impl IntoIterator<Item = &'a [u8]>,
    ) -> Vec<u8> {
        let mut raiser = Raiser {
            encoding,
            waits: true,
            cut: vec![],
        };
        let mut stage = Stage::raw();
        for chunk in chunks {
            raiser.on_message(Time::default(), chunk, &mut stage.out(chunk));
            assert!(raiser.cut.len() < LONGEST);
        }
        raiser.on_half_close(Time::default(), &mut stage.out(b""));
        stage.sent()
    }

    /// The answer to `text` must be `want`, in one piece and drip-fed by the byte.
    fn check(encoding: &'static Encoding, text: &str, want: &str) {
        let (bytes, _, unmappable) = encoding.encode(text);
        assert!(!unmappable, "the test's own text");
        let want = encoding.encode(want).0;
        assert_eq!(
            upper(encoding, [&*bytes]),
            *want,
            "{} in one piece",
            encoding.name()
        );
        assert_eq!(
            upper(encoding, bytes.chunks(1)),
            *want,
            "{} by the byte",
            encoding.name()
        );
    }

    #[test]
    fn text_is_raised_in_its_encoding() {
        check(UTF_8, "hello, straße ǆ é ŉ 好", "HELLO, STRASSE Ǆ É ʼN 好");
        check(GBK, "hello 你好 яблоко", "HELLO 你好 ЯБЛОКО");
        check(GB18030, "é ß 你 𠮷 🐟a", "É SS 你 𠮷 🐟A");
        check(BIG5, "abc 繁體中文 xyz", "ABC 繁體中文 XYZ");
        check(SHIFT_JIS, "abc ａｂｃ ソース", "ABC ＡＢＣ ソース");
        check(KOI8_R, "привет, мир", "ПРИВЕТ, МИР");
        check(WINDOWS_1252, "ÿ é ß µ", "Ÿ É SS µ");
    }

    #[test]
    fn four_hundred_hanzi_pass_unharmed() {
        let hanzi: String = "汉字".chars().cycle().take(400).collect();
        check(UTF_8, &hanzi, &hanzi);
        check(GBK, &hanzi, &hanzi);
    }

    /// Trail bytes of GBK below 0x80 look like letters: 乤 is 81 61, 亃 is 81 7A.
    #[test]
    fn traditional_text_in_gbk_keeps_its_trail_bytes() {
        let text = "乤亃 繁體中文軟體網絡協議 abc";
        assert!(
            GBK.encode(text)
                .0
                .windows(2)
                .any(|pair| pair == [0x81, b'a'])
        );
        check(GBK, text, "乤亃 繁體中文軟體網絡協議 ABC");
    }

    #[test]
    fn invalid_bytes_pass_unchanged() {
        assert_eq!(
            upper(UTF_8, [&b"a\xffb\xc3(c\xe4\xbdd"[..]]),
            b"A\xffB\xc3(C\xe4\xbdD"
        );
        assert_eq!(upper(GBK, [&b"a\xffb\x81 c"[..]]), b"A\xffB\x81 C");
        assert_eq!(
            upper(UTF_8, [&b"\xe4\xbd"[..]]),
            b"\xe4\xbd",
            "cut for good by the end"
        );
        assert_eq!(upper(GBK, [&b"x\xc4"[..]]), b"X\xc4");
    }

    #[test]
    fn a_whole_message_does_not_wait() {
        let mut raiser = Raiser {
            encoding: UTF_8,
            waits: false,
            cut: vec![],
        };
        let mut stage = Stage::datagrams();
        for message in [&b"a\xe4\xbd"[..], b"\xa0b"] {
            raiser.on_message(Time::default(), message, &mut stage.out(message));
        }
        assert_eq!(stage.messages(), [&b"A\xe4\xbd"[..], b"\xa0B"]);
    }

    #[test]
    fn a_read_that_completes_nothing_is_no_answer() {
        let mut raiser = Raiser {
            encoding: UTF_8,
            waits: true,
            cut: vec![],
        };
        let mut stage = Stage::raw();
        raiser.on_message(Time::default(), b"\xe4", &mut stage.out(b"\xe4"));
        assert_eq!(stage.count(), 0);
        raiser.on_message(Time::default(), b"\xbd\xa0", &mut stage.out(b"\xbd\xa0"));
        assert_eq!(stage.count(), 1);
    }

    #[test]
    fn encodings_with_modes_are_refused() {
        assert_eq!(Upper::new(UTF_16LE).unwrap_err().encoding, "UTF-16LE");
        assert!(Upper::new(ISO_2022_JP).is_err());
        assert!(Upper::new(GBK).is_ok());
    }

    proptest! {
        /// Whatever a peer sends and however it is cut, the answer is the same.
        #[test]
        fn cuts_never_change_the_answer(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            size in 1usize..9,
            which in 0usize..6,
        ) {
            let encoding = [UTF_8, GBK, GB18030, BIG5, SHIFT_JIS, WINDOWS_1252][which];
            prop_assert_eq!(upper(encoding, bytes.chunks(size)), upper(encoding, [&bytes[..]]));
        }

        /// In UTF-8 it is exactly what the standard library says.
        #[test]
        fn utf8_is_raised_as_unicode_says(text in ".{0,40}", size in 1usize..9) {
            let want: String = text.chars().flat_map(char::to_uppercase).collect();
            prop_assert_eq!(upper(UTF_8, text.as_bytes().chunks(size)), want.into_bytes());
        }
    }
}
