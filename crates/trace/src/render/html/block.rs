//! Bytes inside a page: base64 in script elements that no browser runs.
//!
//! The alphabet holds nothing that HTML could take for its own, so whatever a peer sent stays data.

use std::io::{self, Write};

/// Bytes of one element. A multiple of three, so that only the last one is padded; small enough that
/// no browser meets a string it cannot hold.
const BLOCK: usize = 3 << 18;
/// RFC 4648, section 4.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes bytes as a row of script elements.
pub(super) struct Blocks<'w> {
    out: &'w mut dyn Write,
    bytes: Vec<u8>,
    text: Vec<u8>,
    /// Bytes that were handed on before those in `bytes`.
    gone: u64,
}

impl<'w> Blocks<'w> {
    pub(super) fn new(out: &'w mut dyn Write) -> Self {
        Self {
            out,
            bytes: Vec::with_capacity(BLOCK),
            text: Vec::with_capacity(BLOCK / 3 * 4),
            gone: 0,
        }
    }

    /// How many bytes were given so far.
    pub(super) fn position(&self) -> u64 {
        self.gone + self.bytes.len() as u64
    }

    /// Appends bytes.
    pub(super) fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while self.bytes.len() + bytes.len() >= BLOCK {
            let (now, later) = bytes.split_at(BLOCK - self.bytes.len());
            self.bytes.extend_from_slice(now);
            self.flush()?;
            bytes = later;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Appends a number: seven bits a byte, the lowest first, the high bit says that more follow.
    pub(super) fn number(&mut self, mut number: u64) -> io::Result<()> {
        let mut bytes = [0; 10];
        let mut used = 0;
        while number >= 0x80 {
            bytes[used] = number as u8 | 0x80;
            number >>= 7;
            used += 1;
        }
        bytes[used] = number as u8;
        self.put(&bytes[..=used])
    }

    /// Appends a number that may be negative: 0, −1, 1, −2 … are 0, 1, 2, 3 …
    pub(super) fn signed(&mut self, number: i64) -> io::Result<()> {
        self.number((number << 1 ^ number >> 63).cast_unsigned())
    }

    /// Writes what is left.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.text.clear();
        encode(&self.bytes, &mut self.text);
        self.out
            .write_all(b"<script class=\"facts\" type=\"application/octet-stream\">")?;
        self.out.write_all(&self.text)?;
        self.out.write_all(b"</script>\n")?;
        self.gone += self.bytes.len() as u64;
        self.bytes.clear();
        Ok(())
    }
}

/// Base64 with padding.
pub(super) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    let digit = |bits: u32, at: u32| ALPHABET[(bits >> at & 63) as usize];
    let mut chunks = bytes.chunks_exact(3);
    for chunk in &mut chunks {
        let bits = u32::from(chunk[0]) << 16 | u32::from(chunk[1]) << 8 | u32::from(chunk[2]);
        out.extend_from_slice(&[18, 12, 6, 0].map(|at| digit(bits, at)));
    }
    match *chunks.remainder() {
        [one] => {
            let bits = u32::from(one) << 16;
            out.extend_from_slice(&[digit(bits, 18), digit(bits, 12), b'=', b'=']);
        }
        [one, two] => {
            let bits = u32::from(one) << 16 | u32::from(two) << 8;
            out.extend_from_slice(&[digit(bits, 18), digit(bits, 12), digit(bits, 6), b'=']);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of RFC 4648, section 10.
    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut out = Vec::new();
            encode(bytes.as_bytes(), &mut out);
            assert_eq!(out, text.as_bytes());
        }
    }

    #[test]
    fn a_long_run_of_bytes_becomes_several_elements() {
        let mut out = Vec::new();
        let mut blocks = Blocks::new(&mut out);
        let bytes = vec![7; BLOCK * 2 + 1];
        blocks.put(&bytes[..5]).unwrap();
        blocks.put(&bytes[5..]).unwrap();
        assert_eq!(blocks.position(), bytes.len() as u64);
        blocks.finish().unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches("<script").count(), 3);
        assert!(text.ends_with(">Bw==</script>\n"));
    }

    #[test]
    fn numbers_take_seven_bits_a_byte() {
        let mut out = Vec::new();
        let mut blocks = Blocks::new(&mut out);
        for number in [0, 127, 128, u64::MAX] {
            blocks.number(number).unwrap();
        }
        for number in [-1, 1, i64::MIN] {
            blocks.signed(number).unwrap();
        }
        let max = [&[0xff; 9][..], &[1]].concat();
        let want = [&[0, 127, 128, 1][..], &max, &[1, 2], &max].concat();
        assert_eq!(blocks.bytes, want);
    }
}
