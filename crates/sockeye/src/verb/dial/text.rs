//! What people type, as the bytes of a message.

use crate::exit::usage;
use crate::values::Charset;

/// How typed text becomes bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Typed {
    charset: Option<Charset>,
    hex: bool,
}

impl Typed {
    pub(super) fn new(charset: Option<Charset>, hex: bool) -> Self {
        Self { charset, hex }
    }

    /// The message of one argument or one line of input. What is no UTF-8 is nobody's text and
    /// goes as it is.
    pub(super) fn message(self, typed: &[u8]) -> anyhow::Result<Vec<u8>> {
        match std::str::from_utf8(typed) {
            Ok(text) if self.hex => bytes_of_hex(text),
            Ok(text) => self.text(text),
            Err(error) if self.hex => Err(usage!(
                "byte {} of the line is no hex digit",
                error.valid_up_to()
            )),
            Err(_) => Ok(typed.to_vec()),
        }
    }

    /// Text in the peer's encoding.
    pub(super) fn text(self, text: &str) -> anyhow::Result<Vec<u8>> {
        let Some(Charset(encoding)) = self.charset else {
            return Ok(text.as_bytes().to_vec());
        };
        let (bytes, _, unmappable) = encoding.encode(text);
        if unmappable {
            let lost = text.chars().find(|c| {
                let mut buf = [0; 4];
                encoding.encode(c.encode_utf8(&mut buf)).2
            });
            return Err(usage!(
                "{} has no '{}'",
                encoding.name(),
                lost.map_or_else(|| text.to_owned(), String::from)
            ));
        }
        Ok(bytes.into_owned())
    }
}

/// Reads `68 65 6c6c6F`; spaces may stand between bytes.
fn bytes_of_hex(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = vec![];
    let mut high = None;
    for (at, c) in text
        .char_indices()
        .filter(|(_, c)| !matches!(c, ' ' | '\t' | '\r' | '\n'))
    {
        let digit = c
            .to_digit(16)
            .ok_or_else(|| usage!("'{c}' at byte {at} of '{text}' is no hex digit"))?;
        match high.take() {
            None => high = Some(digit),
            Some(high) => bytes.push((high << 4 | digit) as u8),
        }
    }
    match high {
        None => Ok(bytes),
        Some(_) => Err(usage!("'{text}' has half a byte: hex digits come in pairs")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_in_pairs_with_any_spaces() {
        assert_eq!(bytes_of_hex("68 656C\t6c6f").unwrap(), b"hello");
        assert_eq!(bytes_of_hex("").unwrap(), b"");
        let error = |text| bytes_of_hex(text).unwrap_err().to_string();
        assert_eq!(error("6"), "'6' has half a byte: hex digits come in pairs");
        assert_eq!(error("6g"), "'g' at byte 1 of '6g' is no hex digit");
    }

    #[test]
    fn text_goes_in_the_peers_encoding_or_is_refused() {
        let gbk = Typed::new(Some("gbk".parse().unwrap()), false);
        assert_eq!(gbk.message("你好".as_bytes()).unwrap(), b"\xc4\xe3\xba\xc3");
        assert_eq!(gbk.text("a🐟").unwrap_err().to_string(), "GBK has no '🐟'");
        let plain = Typed::new(None, false);
        assert_eq!(plain.message("你".as_bytes()).unwrap(), "你".as_bytes());
        assert_eq!(gbk.message(b"\xff\xfe").unwrap(), b"\xff\xfe");
    }
}
