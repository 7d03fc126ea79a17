//! The box over everything: what keys do, or what the client says in more than a line.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Clear};

use super::look::Look;
use super::wrap;
use crate::catalogue::{Lang, Text as Words, chat_screen as say};
use crate::ui::escape;

/// What keys do. The same table is in docs/chat.md.
pub(super) const KEYS: &[(&str, Words)] = &[
    ("Enter", say::KEY_ENTER),
    ("Alt-Enter", say::KEY_NEW_LINE),
    ("Tab, Shift-Tab", say::KEY_TAB),
    ("↑ ↓", say::KEY_RECALL),
    ("PageUp, PageDown", say::KEY_PAGE),
    ("Shift-↑ ↓", say::KEY_ROW),
    ("Ctrl-Home, Ctrl-End", say::KEY_ENDS),
    ("Alt-1 … Alt-9", say::KEY_NUMBER),
    ("Alt-↑ ↓, Ctrl-P Ctrl-N", say::KEY_NEIGHBOUR),
    ("Alt-A", say::KEY_UNREAD),
    ("Alt-J", say::KEY_TRAFFIC),
    ("F2", say::KEY_ADDRESS),
    ("quit, Ctrl-D", say::KEY_QUIT),
    ("Ctrl-A E B F W U K Y", say::KEY_READLINE),
    ("Ctrl-L", say::KEY_REDRAW),
    ("Ctrl-Z", say::KEY_STOP),
    ("Ctrl-C", say::KEY_END),
];

/// Columns that are filled at most: longer lines are hard to read.
const WIDEST: usize = 84;
/// Columns that are left for what a key does, beside the key.
const LEAST: usize = 24;

/// What stands in the box.
#[derive(Debug)]
pub(super) enum Content {
    /// The keys.
    Keys,
    /// Lines, as they came.
    Said(Vec<String>),
}

/// A box, and the row from which on it shows its content.
#[derive(Debug)]
pub(super) struct Over {
    content: Content,
    from: usize,
    /// Rows of content that it had when it was drawn last.
    height: usize,
}

impl Over {
    pub(super) fn new(content: Content) -> Self {
        Self {
            content,
            from: 0,
            height: 1,
        }
    }

    /// Whether the key only moved what is shown.
    pub(super) fn scrolls(&mut self, key: KeyEvent) -> bool {
        let page = self.height.saturating_sub(1).max(1);
        self.from = match key.code {
            KeyCode::Down => self.from + 1,
            KeyCode::Up => self.from.saturating_sub(1),
            KeyCode::PageDown => self.from + page,
            KeyCode::PageUp => self.from.saturating_sub(page),
            KeyCode::Home => 0,
            KeyCode::End => usize::MAX,
            _ => return false,
        };
        true
    }

    /// Draws the box in the middle.
    pub(super) fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, lang: Lang) {
        let columns = usize::from(area.width.saturating_sub(4)).min(WIDEST);
        let (title, rows) = match &self.content {
            Content::Keys => (say::HELP_TITLE, keys(columns, lang)),
            Content::Said(lines) => (say::SAID_TITLE, said(lines, columns)),
        };
        let widest = rows.iter().map(Line::width).max().unwrap_or(0);
        let inner = boxed(
            frame,
            area,
            widest as u16,
            rows.len() as u16,
            title.get(lang),
        );
        self.height = inner.height.into();
        self.from = self.from.min(rows.len().saturating_sub(self.height));
        let shown = rows.into_iter().skip(self.from).take(self.height);
        frame.render_widget(shown.collect::<Text<'_>>(), inner);
    }
}

/// The place inside of a box in the middle, with nothing of the picture behind it.
fn boxed(frame: &mut Frame<'_>, area: Rect, columns: u16, rows: u16, title: &str) -> Rect {
    let width = (columns + 4).min(area.width);
    let height = rows.saturating_add(2).min(area.height);
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, place);
    let block = Block::bordered().title(title.to_owned());
    let inner = block.inner(place);
    frame.render_widget(block, place);
    let indent = inner.width.min(1);
    Rect {
        x: inner.x + indent,
        width: inner.width.saturating_sub(2),
        ..inner
    }
}

/// The keys: beside them what they do, or below where there is no room for both.
fn keys(columns: usize, lang: Lang) -> Vec<Line<'static>> {
    let names = KEYS.iter().map(|(name, _)| wrap::width(name));
    let names = names.max().unwrap_or(0) + 2;
    let mut rows = vec![];
    for (name, does) in KEYS {
        let does = does.get(lang);
        if columns < names + LEAST {
            rows.push(Line::styled(wrap::shortened(name, columns), Look::bold()));
            rows.extend(wrapped(does, columns));
            continue;
        }
        for (at, row) in wrapped(does, columns - names).into_iter().enumerate() {
            let name = wrap::padded(if at == 0 { name } else { "" }, names);
            let name = Span::styled(name, Look::bold());
            rows.push([name].into_iter().chain(row.spans).collect());
        }
    }
    rows.push(Line::default());
    rows.extend(wrapped(say::HELP_COMMANDS.get(lang), columns));
    rows
}

/// Lines of the client; what goes on in the next row is indented.
fn said(lines: &[String], columns: usize) -> Vec<Line<'static>> {
    let mut rows = vec![];
    for line in lines {
        let line = escape(line);
        for (at, row) in wrap::rows(&line, columns, columns.saturating_sub(2))
            .into_iter()
            .enumerate()
        {
            let indent = if at == 0 { "" } else { "  " };
            rows.push(Line::raw(format!("{indent}{}", &line[row])));
        }
    }
    rows
}

/// Text in rows of so many columns.
pub(super) fn wrapped(text: &str, columns: usize) -> Vec<Line<'static>> {
    let rows = wrap::rows(text, columns, columns).into_iter();
    rows.map(|row| Line::styled(text[row].to_owned(), Style::new()))
        .collect()
}
