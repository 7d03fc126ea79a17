//! What the peer said, on standard output.

use std::fmt::Write as _;

use crate::catalogue;
use crate::ui::{self, Colour, Flow, Shown, paint};
use crate::values::Charset;

/// How bytes are shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Style {
    /// Byte by byte as they came.
    Exact,
    /// As text; what cannot be decoded as escapes.
    Text { charset: Charset, ansi: bool },
    /// Two digits a byte.
    Hex,
}

/// A fatal alert of TLS, whole: type, version, length, level, description (RFC 8446 §5.1, §6). It is
/// all that a TLS server says to somebody who does not speak TLS.
const ALERT: usize = 7;

/// Prints while somebody edits a line.
pub(super) type Above = Box<dyn FnMut(String) -> anyhow::Result<()>>;

/// Prints the peer's messages.
pub(super) struct Printer {
    style: Style,
    /// Whether each message stands on a line of its own.
    a_line_each: bool,
    /// Pieces of a stream as text, once there are any.
    flow: Option<Flow>,
    /// Bytes of whole messages that did not decode.
    undecodable: usize,
    above: Option<(Above, String)>,
    /// The first of what came, and one byte more if there is one.
    first: Vec<u8>,
}

impl Printer {
    pub(super) fn new(style: Style, a_line_each: bool) -> Self {
        Self {
            style,
            a_line_each,
            flow: None,
            undecodable: 0,
            above: None,
            first: vec![],
        }
    }

    /// Takes note of bytes that are printed.
    pub(super) fn heard(&mut self, bytes: &[u8]) {
        let room = (ALERT + 1).saturating_sub(self.first.len());
        self.first
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Whether a TLS alert is all that came.
    fn heard_an_alert(&self) -> bool {
        matches!(self.first[..], [21, 3, _, 0, 2, 2, _])
    }

    /// From here on prints above the line that is being edited, with the peer's name.
    pub(super) fn print_above(&mut self, above: Above, peer: &str) {
        let peer = paint(peer, Colour::Cyan, true);
        self.above = Some((above, format!("{peer} ")));
    }

    /// Whether bytes go out as they are, so that nobody need look at them.
    pub(super) fn is_exact(&self) -> bool {
        self.style == Style::Exact && !self.a_line_each
    }

    /// Prints a whole message.
    pub(super) fn message(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        if !self.a_line_each {
            return self.piece(bytes);
        }
        self.heard(bytes);
        let mut line = match self.style {
            Style::Exact => bytes.to_vec(),
            Style::Hex => hex(bytes).into_bytes(),
            Style::Text { charset, ansi } => {
                let shown = Shown::new(bytes, charset.0, ansi);
                self.undecodable += shown.undecodable;
                shown.text.into_bytes()
            }
        };
        line.push(b'\n');
        self.write(&line)
    }

    /// Prints a piece of a stream, or of a body too long to be held.
    pub(super) fn piece(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.heard(bytes);
        let out = match self.style {
            Style::Exact => bytes.to_vec(),
            Style::Hex => hex(bytes).into_bytes(),
            Style::Text { charset, ansi } => {
                let flow = self.flow.get_or_insert_with(|| Flow::new(charset.0, ansi));
                flow.text(bytes).into_bytes()
            }
        };
        self.write(&out)
    }

    /// The end: a cut character will not be completed, and undecodable bytes are counted.
    pub(super) fn finish(&mut self, context: &crate::context::Context) -> anyhow::Result<()> {
        if let Some(mut flow) = self.flow.take() {
            self.write(flow.finish().as_bytes())?;
            self.undecodable += flow.undecodable;
        }
        if self.heard_an_alert() && !context.global.quiet {
            let text = catalogue::SPEAKS_TLS.fill(context.lang(), &[]);
            context.ui.complain(&text);
        }
        if self.undecodable > 0 && !context.global.quiet {
            let text = catalogue::UNDECODABLE_TOTAL;
            let count = catalogue::counted_bytes(self.undecodable as u64, context.lang());
            context
                .ui
                .complain(&text.fill(context.lang(), &[("count", &count)]));
        }
        Ok(())
    }

    fn write(&mut self, out: &[u8]) -> anyhow::Result<()> {
        if out.is_empty() {
            return Ok(());
        }
        match &mut self.above {
            Some((above, peer)) => above(format!("{peer}{}", String::from_utf8_lossy(out))),
            None => ui::write_stdout(out),
        }
    }
}

/// `68 65 6c 6c 6f`.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (at, byte) in bytes.iter().enumerate() {
        let space = if at == 0 { "" } else { " " };
        let _ = write!(text, "{space}{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    /// What is printed for these pieces.
    fn printed(style: Style, a_line_each: bool, pieces: &[&[u8]]) -> String {
        let said = Rc::new(RefCell::new(String::new()));
        let mut printer = Printer::new(style, a_line_each);
        let to = Rc::clone(&said);
        let above: Above = Box::new(move |text| {
            *to.borrow_mut() += &text;
            Ok(())
        });
        printer.above = Some((above, String::new()));
        for piece in pieces {
            printer.message(piece).unwrap();
        }
        drop(printer);
        Rc::into_inner(said).unwrap().into_inner()
    }

    fn text(charset: &str) -> Style {
        Style::Text {
            charset: charset.parse().unwrap(),
            ansi: false,
        }
    }

    #[test]
    fn a_character_that_a_read_cut_waits_for_its_rest() {
        let hanzi = "一棵树".as_bytes();
        let drip: Vec<&[u8]> = hanzi.chunks(1).collect();
        assert_eq!(printed(text("utf-8"), false, &drip), "一棵树");
        let (gbk, _, _) = encoding_rs::GBK.encode("一棵樹 ok");
        let drip: Vec<&[u8]> = gbk.chunks(1).collect();
        assert_eq!(printed(text("gbk"), false, &drip), "一棵樹 ok");
    }

    #[test]
    fn lines_stay_lines_and_nothing_else_steers_the_terminal() {
        let pieces: [&[u8]; 2] = [b"a\tb\r\nc\x1b[2J\n", b"\xffd"];
        assert_eq!(
            printed(text("utf-8"), false, &pieces),
            "a\tb\nc\\x1b[2J\n\\xffd"
        );
    }

    #[test]
    fn each_message_has_its_line() {
        let pieces: [&[u8]; 2] = [b"a\nb", b""];
        assert_eq!(printed(text("utf-8"), true, &pieces), "a\\nb\n\n");
        assert_eq!(printed(Style::Exact, true, &pieces), "a\nb\n\n");
        assert_eq!(printed(Style::Hex, true, &pieces), "61 0a 62\n\n");
    }
}
