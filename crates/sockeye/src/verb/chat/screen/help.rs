//! The page that F1 shows: keys, then commands.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span, Text};

use super::look::Look;
use super::{picture, wrap};
use crate::catalogue::chat_screen as say;
use crate::catalogue::{Lang, Text as Words};

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

/// Draws the page from row `from` on, which is put right where there are not so many.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, from: &mut usize, lang: Lang) {
    let keys = KEYS
        .iter()
        .map(|(keys, _)| wrap::width(keys))
        .max()
        .unwrap_or(0);
    let most = usize::from(area.width.saturating_sub(4));
    let rows = if most >= keys + 24 {
        beside(keys, most.min(84), lang)
    } else {
        below(most, lang)
    };
    let widest = rows.iter().map(Line::width).max().unwrap_or(0);
    let inner = picture::boxed(
        frame,
        area,
        widest as u16,
        rows.len() as u16,
        say::HELP_TITLE.get(lang),
    );
    *from = (*from).min(rows.len().saturating_sub(usize::from(inner.height)));
    let shown = rows.into_iter().skip(*from).take(inner.height.into());
    frame.render_widget(shown.collect::<Text<'_>>(), inner);
}

/// What a key does beside it.
fn beside(keys: usize, columns: usize, lang: Lang) -> Vec<Line<'static>> {
    let room = columns.saturating_sub(keys + 2);
    let mut rows = vec![];
    for (name, does) in KEYS {
        let does = does.get(lang);
        for (at, row) in wrap::rows(does, room, room).into_iter().enumerate() {
            let name = wrap::padded(if at == 0 { name } else { "" }, keys + 2);
            let words = Span::raw(does[row].to_owned());
            rows.push(Line::from(vec![Span::styled(name, Look::bold()), words]));
        }
    }
    rows.push(Line::default());
    rows.extend(text(say::HELP_COMMANDS.get(lang), columns));
    rows
}

/// What a key does below it.
fn below(columns: usize, lang: Lang) -> Vec<Line<'static>> {
    let mut rows = vec![];
    for (name, does) in KEYS {
        rows.push(Line::styled(wrap::shortened(name, columns), Look::bold()));
        rows.extend(text(does.get(lang), columns));
    }
    rows.extend(text(say::HELP_COMMANDS.get(lang), columns));
    rows
}

fn text(text: &str, columns: usize) -> Vec<Line<'static>> {
    let rows = wrap::rows(text, columns, columns).into_iter();
    rows.map(|row| Line::styled(text[row].to_owned(), Style::new()))
        .collect()
}
