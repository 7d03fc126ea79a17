//! The line that is being typed: editing as readline has it, what was typed before, and names
//! completed by Tab.

use std::collections::VecDeque;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui_textarea::{CursorMove, DataCursor, ScreenCursor, TextArea, WrapMode};

use super::complete::Completing;
use crate::verb::chat::model::Completion;

/// Rows of what is typed that are shown at most.
const ROWS: u16 = 6;
/// Bytes that may stand in the input. Servers take lines of 512; a paste may be many lines.
pub(super) const LONGEST: usize = 64 * 1024;

/// What a key did to the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edited {
    /// The key is none of the input's.
    No,
    Yes,
    /// Enter: these lines are to be said.
    Done(Vec<String>),
}

/// What is typed and not sent.
#[derive(Debug)]
pub(super) struct Input {
    area: TextArea<'static>,
    /// Which of the lines that were typed before is shown, counted from the last one, and what
    /// stood here before them.
    recalled: Option<(usize, String)>,
    completing: Option<Completing>,
}

impl Default for Input {
    fn default() -> Self {
        Self::with("")
    }
}

impl Input {
    fn with(text: &str) -> Self {
        let mut area = TextArea::new(text.split('\n').map(str::to_owned).collect());
        area.set_cursor_line_style(Style::new());
        // The terminal's own cursor stands there, so that what is composed by an input method
        // appears in its place.
        area.set_cursor_style(Style::new());
        area.set_wrap_mode(WrapMode::WordOrGlyph);
        area.move_cursor(CursorMove::Bottom);
        area.move_cursor(CursorMove::End);
        Self {
            area,
            recalled: None,
            completing: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.area.is_empty()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// How many lines would be sent.
    pub(super) fn lines(&self) -> usize {
        self.area.lines().len()
    }

    /// The lines, whose place is empty then.
    fn take(&mut self) -> Vec<String> {
        let lines = self
            .area
            .lines()
            .iter()
            .map(|line| line.trim_end().to_owned());
        let lines = lines.filter(|line| !line.is_empty()).collect();
        self.clear();
        lines
    }

    /// Text from the clipboard. What steers a terminal is left out: it was hardly meant.
    pub(super) fn paste(&mut self, text: &str) {
        self.recalled = None;
        self.completing = None;
        let text = text.replace("\r\n", "\n").replace(['\r', '\t'], "\n");
        let room = LONGEST.saturating_sub(self.text().len());
        let text = text.trim_end_matches('\n');
        let text: String = text
            .chars()
            .filter(|c| *c == '\n' || !c.is_control())
            .collect();
        let end = (0..=room.min(text.len()))
            .rev()
            .find(|at| text.is_char_boundary(*at));
        self.area.insert_str(&text[..end.unwrap_or(0)]);
    }

    /// What a key does.
    pub(super) fn on_key(
        &mut self,
        key: KeyEvent,
        typed: &VecDeque<String>,
        words: impl FnOnce(&str) -> Completion,
    ) -> Edited {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Tab => return self.complete(words, true),
            KeyCode::BackTab => return self.complete(words, false),
            KeyCode::Enter if alt => self.area.insert_newline(),
            KeyCode::Enter => return Edited::Done(self.take()),
            KeyCode::Up if self.area.cursor().0 == 0 => return self.recall(typed, true),
            KeyCode::Down if self.area.cursor().0 + 1 == self.lines() => {
                return self.recall(typed, false);
            }
            KeyCode::Char(letter) if control => return self.control(letter),
            KeyCode::Char(letter) if alt => return self.alt(letter),
            KeyCode::Char(letter) => self.insert(letter),
            KeyCode::Backspace if alt || control => _ = self.area.delete_word(),
            KeyCode::Backspace => _ = self.area.delete_char(),
            KeyCode::Delete => _ = self.area.delete_next_char(),
            code => return self.walk(code, control),
        }
        self.completing = None;
        Edited::Yes
    }

    fn insert(&mut self, letter: char) {
        if self.text().len() + letter.len_utf8() <= LONGEST && !letter.is_control() {
            self.area.insert_char(letter);
        }
    }

    /// Keys that only move.
    fn walk(&mut self, code: KeyCode, by_words: bool) -> Edited {
        self.area.move_cursor(match code {
            KeyCode::Left if by_words => CursorMove::WordBack,
            KeyCode::Right if by_words => CursorMove::WordForward,
            KeyCode::Left => CursorMove::Back,
            KeyCode::Right => CursorMove::Forward,
            KeyCode::Up => CursorMove::Up,
            KeyCode::Down => CursorMove::Down,
            KeyCode::Home => CursorMove::Head,
            KeyCode::End if !self.is_empty() => CursorMove::End,
            _ => return Edited::No,
        });
        self.completing = None;
        Edited::Yes
    }

    fn control(&mut self, letter: char) -> Edited {
        match letter {
            'a' => self.area.move_cursor(CursorMove::Head),
            'e' => self.area.move_cursor(CursorMove::End),
            'b' => self.area.move_cursor(CursorMove::Back),
            'f' => self.area.move_cursor(CursorMove::Forward),
            'd' => _ = self.area.delete_next_char(),
            'h' => _ = self.area.delete_char(),
            'k' => _ = self.area.delete_line_by_end(),
            'u' => _ = self.area.delete_line_by_head(),
            'w' => _ = self.area.delete_word(),
            'y' => _ = self.area.paste(),
            // What Ctrl-_ and Ctrl-/ are in terminals.
            '_' | '7' | '/' => _ = self.area.undo(),
            _ => return Edited::No,
        }
        self.completing = None;
        Edited::Yes
    }

    fn alt(&mut self, letter: char) -> Edited {
        match letter {
            'b' => self.area.move_cursor(CursorMove::WordBack),
            'f' => self.area.move_cursor(CursorMove::WordForward),
            'd' => _ = self.area.delete_next_word(),
            _ => return Edited::No,
        }
        self.completing = None;
        Edited::Yes
    }

    /// An older line, or a newer one, of those that were typed.
    fn recall(&mut self, typed: &VecDeque<String>, older: bool) -> Edited {
        let recalled = self.recalled.take();
        let next = match (&recalled, older) {
            (None, true) => Some(0),
            (Some((at, _)), true) => Some((at + 1).min(typed.len().saturating_sub(1))),
            (Some((at, _)), false) => at.checked_sub(1),
            (None, false) => return Edited::Yes,
        };
        let draft = recalled.map_or_else(|| self.text(), |(_, draft)| draft);
        let line = next.and_then(|at| typed.iter().rev().nth(at).map(|line| (at, line)));
        match line {
            Some((at, line)) => {
                *self = Self::with(line);
                self.recalled = Some((at, draft));
            }
            None => *self = Self::with(&draft),
        }
        Edited::Yes
    }

    fn complete(&mut self, words: impl FnOnce(&str) -> Completion, forward: bool) -> Edited {
        let DataCursor(row, column) = self.area.cursor();
        let before: String = self.area.lines()[row].chars().take(column).collect();
        let begun = self.completing.take();
        let begun = begun.or_else(|| Completing::begin(&before, words(&before)));
        let Some(mut completing) = begun else {
            return Edited::Yes;
        };
        // What the last Tab wrote goes first.
        let (gone, put) = completing.turn(forward);
        for _ in 0..gone {
            self.area.delete_char();
        }
        self.area.insert_str(put);
        self.completing = Some(completing);
        Edited::Yes
    }

    /// The choices that Tab goes through now, and which of them stands in the line.
    pub(super) fn choices(&self) -> Option<(&[String], usize)> {
        self.completing.as_ref().and_then(Completing::choices)
    }

    /// How many rows it takes where it has so many columns.
    pub(super) fn height(&self, columns: u16) -> u16 {
        let columns = usize::from(columns.max(2));
        let rows = self.area.lines().iter();
        let rows: usize = rows
            // One more for the cursor behind the last character.
            .map(|line| super::wrap::rows(&format!("{line} "), columns, columns).len())
            .sum();
        (rows.min(usize::from(ROWS)) as u16).max(1)
    }

    /// Draws it and puts the cursor where it stands.
    pub(super) fn draw(&self, frame: &mut Frame<'_>, area: Rect) {
        if area.is_empty() {
            return;
        }
        frame.render_widget(&self.area, area);
        let ScreenCursor { row, col, .. } = self.area.screen_cursor();
        let (top, left) = self.area.scroll_offset();
        let x = (col as u16).saturating_sub(left).min(area.width - 1);
        let y = (row as u16).saturating_sub(top).min(area.height - 1);
        frame.set_cursor_position(Position::new(area.x + x, area.y + y));
    }
}
