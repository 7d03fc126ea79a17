//! Percent escapes in paths and values (RFC 3986 §2.1).

use std::fmt::{self, Write as _};

use super::error::{EndpointError, is_unprintable, shown};

/// Decodes every `%XX`; a percent sign that is none is an error, so that nothing is guessed.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, EndpointError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = &rest[at..];
        let byte = escape
            .get(1..3)
            .and_then(hex_byte)
            .ok_or_else(|| EndpointError::BadEscape {
                text: shown(text),
                escape: shown(&escape.chars().take(3).collect::<String>()),
            })?;
        bytes.push(byte);
        rest = &escape[3..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// The same where the result is text.
pub(crate) fn decode_text(text: &str) -> Result<String, EndpointError> {
    let bytes = decode(text)?;
    String::from_utf8(bytes).map_err(|_| EndpointError::NotUtf8 { text: shown(text) })
}

/// `from_str_radix` alone would also take `+f`.
fn hex_byte(digits: &str) -> Option<u8> {
    let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex
        .then(|| u8::from_str_radix(digits, 16).ok())
        .flatten()
}

/// Writes `bytes` so that [`decode`] gives them back: readable text stays as it is, and what
/// would end a path or a value (`reserved`), blanks, percent signs and unprintable bytes are
/// escaped.
pub(crate) fn encode(out: &mut fmt::Formatter<'_>, bytes: &[u8], reserved: &[char]) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let is_plain = c != '%' && !c.is_whitespace() && !is_unprintable(c);
            if is_plain && !reserved.contains(&c) {
                out.write_char(c)?;
            } else {
                escape(out, c.encode_utf8(&mut [0; 4]).as_bytes())?;
            }
        }
        escape(out, chunk.invalid())?;
    }
    Ok(())
}

fn escape(out: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(out, "%{byte:02X}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Encoded<'a>(&'a [u8]);

    impl fmt::Display for Encoded<'_> {
        fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            encode(out, self.0, &['?'])
        }
    }

    #[test]
    fn what_reads_well_stays_readable() {
        assert_eq!(
            Encoded("/tmp/聊天 a?%".as_bytes()).to_string(),
            "/tmp/聊天%20a%3F%25"
        );
        assert_eq!(Encoded(b"\xff\n").to_string(), "%FF%0A");
    }

    #[test]
    fn a_lone_percent_sign_is_refused() {
        for text in ["%", "a%2", "%zz", "%+f", "100%", "%中"] {
            let error = decode(text).unwrap_err();
            assert!(
                matches!(error, EndpointError::BadEscape { .. }),
                "{text}: {error}"
            );
        }
    }

    proptest! {
        #[test]
        fn decode_gives_back_what_encode_took(bytes: Vec<u8>) {
            prop_assert_eq!(decode(&Encoded(&bytes).to_string()), Ok(bytes));
        }
    }
}
