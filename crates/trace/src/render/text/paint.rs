//! Styled pieces of a line: how wide they are, how they are cut and coloured.

use std::borrow::Cow;
use std::io::{self, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How a piece of text looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// As all text does.
    #[default]
    Plain,
    /// Of little weight.
    Dim,
    /// A name, a title.
    Bold,
    /// Something failed.
    Bad,
    /// Something to look at.
    Mark,
    /// Belongs to the message with this number.
    Message(u32),
}

/// The colours of messages: six that read on dark and light terminals, used in turn (ECMA-48 §8.3.117).
const MESSAGES: [u8; 6] = [36, 32, 35, 34, 96, 92];

impl Style {
    /// Its colour as a number of ECMA-48 (§8.3.117), where it has one.
    pub fn colour(self) -> Option<u8> {
        match self {
            Self::Plain | Self::Dim | Self::Bold => None,
            Self::Bad => Some(31),
            Self::Mark => Some(33),
            Self::Message(number) => Some(MESSAGES[number as usize % MESSAGES.len()]),
        }
    }

    fn code(self) -> Cow<'static, str> {
        match self {
            Self::Dim => "2".into(),
            Self::Bold => "1".into(),
            _ => self
                .colour()
                .map(|colour| colour.to_string())
                .unwrap_or_default()
                .into(),
        }
    }
}

/// A piece of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The text: nothing in it steers a terminal.
    pub text: String,
    /// How it looks.
    pub style: Style,
}

impl Span {
    pub(super) fn new(text: impl Into<String>, style: Style) -> Self {
        Self {
            text: text.into(),
            style,
        }
    }

    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Style::Plain)
    }

    pub(super) fn dim(text: impl Into<String>) -> Self {
        Self::new(text, Style::Dim)
    }

    pub(super) fn width(&self) -> usize {
        self.text.width()
    }
}

/// A line, or a part of one, left to right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(pub Vec<Span>);

impl Line {
    pub(super) fn push(&mut self, span: Span) -> &mut Self {
        if !span.text.is_empty() {
            self.0.push(span);
        }
        self
    }

    pub(super) fn width(&self) -> usize {
        self.0.iter().map(Span::width).sum()
    }

    /// Fills up with spaces to `width` columns; what is longer is cut.
    pub(super) fn pad(&mut self, width: usize) -> &mut Self {
        self.cut(width);
        let missing = width - self.width();
        self.push(Span::plain(" ".repeat(missing)))
    }

    /// Cuts at `width` columns, with `…` where something was lost.
    pub(super) fn cut(&mut self, width: usize) {
        if self.width() <= width {
            return;
        }
        let mut left = width;
        let mut kept = Vec::with_capacity(self.0.len());
        for span in self.0.drain(..) {
            let wide = span.width();
            if wide < left {
                left -= wide;
                kept.push(span);
            } else {
                kept.push(Span::new(shorten(&span.text, left), span.style));
                break;
            }
        }
        self.0 = kept;
    }

    /// Writes the line and its end; spaces at the end are left out.
    pub fn write(mut self, colour: bool, out: &mut dyn Write) -> io::Result<()> {
        while let Some(last) = self.0.last_mut() {
            last.text.truncate(last.text.trim_end_matches(' ').len());
            if !last.text.is_empty() {
                break;
            }
            self.0.pop();
        }
        for span in &self.0 {
            let code = span.style.code();
            if colour && !code.is_empty() {
                write!(out, "\x1b[{code}m{}\x1b[0m", span.text)?;
            } else {
                out.write_all(span.text.as_bytes())?;
            }
        }
        out.write_all(b"\n")
    }
}

/// At most `width` columns of a text; `…` stands for what was cut.
pub fn shorten(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut left = width.saturating_sub(1);
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if wide > left {
            break;
        }
        left -= wide;
        kept.push(c);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// A text over several lines of `width` columns: broken at spaces, and between characters that are two
/// columns wide, where Chinese may be broken.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in words(text) {
        let bare = word.trim_end();
        if !line.is_empty() && line.width() + bare.width() > width {
            line.truncate(line.trim_end().len());
            lines.push(std::mem::take(&mut line));
        }
        line.push_str(word);
    }
    line.truncate(line.trim_end().len());
    lines.push(line);
    lines
}

/// Pieces of a text behind which a line may end.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut chars = rest.char_indices().peekable();
        let (_, first) = chars.next()?;
        let mut before = first;
        let end = loop {
            let Some(&(at, c)) = chars.peek() else {
                break rest.len();
            };
            let may_break = before == ' ' && c != ' ' || is_wide(before) || is_wide(c);
            // A line begins with no mark that closes what was before it.
            if may_break && !"，。；：、）」』》！？".contains(c) && before != '（' {
                break at;
            }
            before = c;
            chars.next();
        };
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word)
    })
}

fn is_wide(c: char) -> bool {
    c.width() == Some(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_what_a_terminal_shows() {
        assert_eq!(shorten("naïve", 5), "naïve");
        assert_eq!(shorten("一棵树", 5), "一棵…");
        assert_eq!(shorten("一棵树", 4), "一…");
        assert_eq!(shorten("abc", 0), "");
        let mut line = Line::default();
        line.push(Span::plain("你好")).push(Span::dim("世界"));
        line.pad(7);
        assert_eq!(line.width(), 7);
        line.pad(10);
        assert_eq!(line.width(), 10);
    }

    #[test]
    fn lines_break_at_spaces_and_between_hanzi() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(
            wrap("三条消息变成一段。", 8),
            ["三条消息", "变成一", "段。"]
        );
        assert_eq!(wrap("unbreakable", 4), ["unbreakable"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn only_what_is_asked_for_is_coloured_and_no_space_ends_a_line() {
        let line = || {
            let mut line = Line::default();
            line.push(Span::new("a", Style::Message(7)));
            line.pad(9);
            line
        };
        let written = |colour| {
            let mut out = vec![];
            line().write(colour, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(false), "a\n");
        assert_eq!(written(true), "\x1b[32ma\x1b[0m\n");
    }

    #[test]
    fn cut_texts_keep_their_columns() {
        assert_eq!(shorten("一棵树", 5), "一棵…");
        assert_eq!(shorten("abc", 3), "abc");
        assert_eq!(shorten("abc", 0), "");
    }
}
