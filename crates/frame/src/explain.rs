//! What a header that makes no sense probably is instead.

use std::fmt;
use std::str;

/// How many bytes of a frame an error keeps.
const KEPT: usize = 16;

/// The bytes at which a frame stopped making sense, and a guess at what they are instead.
///
/// `Display` continues a sentence that already says what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence(Box<Seen>);

/// Boxed, so that the answer of `decode` stays small.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    intro: &'static str,
    bytes: Vec<u8>,
    guess: Option<Guess>,
}

/// What a framing puts where the bytes come from. Text is no surprise where text belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Binary,
    Text,
}

/// What a peer seems to speak instead of the framing that was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Guess {
    /// Printable text, in ASCII or UTF-8.
    Text,
    /// An HTTP request or response.
    Http,
    /// A TLS record.
    Tls,
    /// The version line that opens SSH.
    Ssh,
    /// The same length field with its bytes the other way round.
    OtherOrder {
        /// What the length would be.
        number: u64,
        /// What that framing is called.
        name: String,
    },
}

impl Evidence {
    /// A binary header that was read, and what it would be if nothing else is known.
    pub(crate) fn header(header: &[u8], otherwise: Option<Guess>) -> Self {
        // With `off=` the field is at the end of what may be a long header.
        let bytes = &header[header.len().saturating_sub(KEPT)..];
        Self::of("; the header is", bytes, Expected::Binary, otherwise)
    }

    /// How a frame begins.
    pub(crate) fn beginning(frame: &[u8], expected: Expected) -> Self {
        Self::of(
            "; it begins with",
            &frame[..frame.len().min(KEPT)],
            expected,
            None,
        )
    }

    fn of(intro: &'static str, bytes: &[u8], expected: Expected, otherwise: Option<Guess>) -> Self {
        let guess = guess(bytes, expected).or(otherwise);
        Self(Box::new(Seen {
            intro,
            bytes: bytes.to_vec(),
            guess,
        }))
    }

    /// The bytes that are shown.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// What the peer seems to speak instead.
    pub fn guess(&self) -> Option<&Guess> {
        self.0.guess.as_ref()
    }
}

/// How requests and responses of HTTP begin (RFC 9110, section 9; RFC 9112, section 4), as far as
/// four bytes show it.
const HTTP: [&[u8]; 9] = [
    b"GET ", b"HEAD", b"POST", b"PUT ", b"DELE", b"OPTI", b"PATC", b"CONN", b"HTTP",
];

fn guess(bytes: &[u8], expected: Expected) -> Option<Guess> {
    match bytes {
        // A record's type and version: RFC 8446, section 5.1. SSL 3.0 to TLS 1.3 differ in the
        // third byte.
        [0x14..=0x17, 3, 0..=4, ..] => Some(Guess::Tls),
        _ if HTTP.iter().any(|start| bytes.starts_with(start)) => Some(Guess::Http),
        // RFC 4253, section 4.2.
        _ if bytes.starts_with(b"SSH-") => Some(Guess::Ssh),
        _ if expected == Expected::Binary && is_text(bytes) => Some(Guess::Text),
        _ => None,
    }
}

/// Two printable bytes at least; the last character may be cut.
fn is_text(bytes: &[u8]) -> bool {
    let whole = match str::from_utf8(bytes) {
        Ok(_) => bytes.len(),
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(_) => return false,
    };
    let printable = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    bytes.len() > 1
        && whole > 1
        && str::from_utf8(&bytes[..whole]).is_ok_and(|text| text.chars().all(printable))
}

impl fmt::Display for Guess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("the peer seems to speak text"),
            Self::Http => f.write_str("the peer seems to speak HTTP"),
            Self::Tls => f.write_str("the peer seems to speak TLS"),
            Self::Ssh => f.write_str("the peer seems to speak SSH"),
            Self::OtherOrder { number, name } => {
                write!(
                    f,
                    "read the other way round it is {number}, the peer seems to send {name}"
                )
            }
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seen {
            intro,
            bytes,
            guess,
        } = &*self.0;
        if bytes.is_empty() {
            return Ok(());
        }
        f.write_str(intro)?;
        for byte in bytes {
            write!(f, " {byte:02x}")?;
        }
        if bytes.iter().any(u8::is_ascii_graphic) {
            // What a peer sent goes to terminals: nothing but printable ASCII leaves here.
            let ascii = |b: &u8| {
                if matches!(b, 0x20..=0x7e) {
                    char::from(*b)
                } else {
                    '.'
                }
            };
            write!(
                f,
                ", ASCII \"{}\"",
                bytes.iter().map(ascii).collect::<String>()
            )?;
        }
        match guess {
            Some(guess) => write!(f, ": {guess}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], guess: Option<&Guess>, shown: &str) {
        let evidence = Evidence::header(bytes, None);
        assert_eq!(evidence.guess(), guess, "{bytes:x?}");
        assert_eq!(evidence.to_string(), shown);
    }

    #[test]
    fn well_known_beginnings_are_named() {
        check(
            b"GET ",
            Some(&Guess::Http),
            "; the header is 47 45 54 20, ASCII \"GET \": the peer seems to speak HTTP",
        );
        check(
            &[0x16, 3, 1, 2],
            Some(&Guess::Tls),
            "; the header is 16 03 01 02: the peer seems to speak TLS",
        );
        check(
            b"SSH-",
            Some(&Guess::Ssh),
            "; the header is 53 53 48 2d, ASCII \"SSH-\": the peer seems to speak SSH",
        );
    }

    #[test]
    fn text_is_no_surprise_where_text_belongs() {
        assert_eq!(Evidence::beginning(b"hello", Expected::Text).guess(), None);
        assert_eq!(
            Evidence::beginning(b"GET /", Expected::Text).guess(),
            Some(&Guess::Http)
        );
    }

    #[test]
    fn text_may_be_chinese_and_cut_in_a_character() {
        let cut = &"你好".as_bytes()[..4];
        check(
            cut,
            Some(&Guess::Text),
            "; the header is e4 bd a0 e5: the peer seems to speak text",
        );
    }

    #[test]
    fn what_is_not_known_is_only_shown() {
        check(
            &[0xff, 0x41, 0, 7],
            None,
            "; the header is ff 41 00 07, ASCII \".A..\"",
        );
        check(&[0x16, 3, 9, 2], None, "; the header is 16 03 09 02");
        check(b"A", None, "; the header is 41, ASCII \"A\"");
        check(b"", None, "");
    }

    #[test]
    fn escape_sequences_do_not_come_through() {
        check(
            b"\x1b[2J",
            None,
            "; the header is 1b 5b 32 4a, ASCII \".[2J\"",
        );
    }
}
