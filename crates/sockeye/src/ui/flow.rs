//! A peer's stream as text for a terminal, piece by piece.

use encoding_rs::{DecoderResult, Encoding};

use super::Shown;

/// Turns the pieces of one stream into text that is fit for a terminal: lines and tabs stay, a
/// character that was cut waits for its rest, what does not decode is escaped and counted.
#[derive(Debug)]
pub(crate) struct Flow {
    encoding: &'static Encoding,
    ansi: bool,
    /// The bytes of a character that the last piece cut.
    cut: Vec<u8>,
    /// How many bytes did not decode so far.
    pub(crate) undecodable: usize,
}

impl Flow {
    /// Text in this encoding; `ansi` lets what steers a terminal through.
    pub(crate) fn new(encoding: &'static Encoding, ansi: bool) -> Self {
        Self {
            encoding,
            ansi,
            cut: vec![],
            undecodable: 0,
        }
    }

    /// The text of the next piece.
    pub(crate) fn text(&mut self, bytes: &[u8]) -> String {
        self.cut.extend_from_slice(bytes);
        let whole = self.cut.len() - cut_character(&self.cut, self.encoding);
        let text = self.lines(whole);
        self.cut.drain(..whole);
        text
    }

    /// The end: what is left of a cut character will not be completed.
    pub(crate) fn finish(&mut self) -> String {
        let text = self.lines(self.cut.len());
        self.cut.clear();
        text
    }

    /// The first `len` cut bytes as text whose line ends and tabs are kept.
    fn lines(&mut self, len: usize) -> String {
        let mut text = String::new();
        let bytes = &self.cut[..len];
        // In every encoding of the list but UTF-16 these bytes are these characters.
        for part in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\t')) {
            let (line, end) = match part {
                [line @ .., b'\r', b'\n'] | [line @ .., b'\n'] => (line, "\n"),
                [line @ .., b'\t'] => (line, "\t"),
                line => (line, ""),
            };
            let shown = Shown::new(line, self.encoding, self.ansi);
            self.undecodable += shown.undecodable;
            text += &shown.text;
            text += end;
        }
        text
    }
}

/// How many bytes at the end are the beginning of a character.
fn cut_character(bytes: &[u8], encoding: &'static Encoding) -> usize {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut out = [0; 1024];
    let mut rest = bytes;
    loop {
        let (result, read, _) = decoder.decode_to_utf8_without_replacement(rest, &mut out, false);
        if result == DecoderResult::InputEmpty {
            break;
        }
        rest = &rest[read..];
    }
    // Told that nothing more will come, the decoder says how much it was still waiting with.
    match decoder
        .decode_to_utf8_without_replacement(&[], &mut out, true)
        .0
    {
        DecoderResult::Malformed(waiting, _) => usize::from(waiting).min(bytes.len()),
        _ => 0,
    }
}
