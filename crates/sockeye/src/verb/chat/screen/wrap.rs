//! Text cut into rows of so many columns: between words where it can be, between characters of
//! scripts that have no spaces, inside a word only where it is longer than a row.

use std::ops::Range;

use ratatui::buffer::CellWidth;
use ratatui::style::Style;
use ratatui::text::Span;

/// What no row begins with: marks that close what stands before them (kinsoku, JIS X 4051 §4.3).
const CLOSING: &str =
    "、。，．：；？！）〕］｝〉》」』】’”…%,.:;?!)]}ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ";
/// What no row ends with.
const OPENING: &str = "（〔［｛〈《「『【‘“([{";

/// One character as it is drawn: its bytes in the text, and its columns.
struct Cell<'t> {
    bytes: Range<usize>,
    text: &'t str,
    width: usize,
}

/// The rows of `text`: the first has room for `first` columns, all others for `others`. A space at
/// which a row ends belongs to no row.
pub(super) fn rows(text: &str, first: usize, others: usize) -> Vec<Range<usize>> {
    let cells = cells(text);
    let (first, others) = (first.max(2), others.max(2));
    let mut rows = vec![];
    let mut from = 0;
    while from < cells.len() {
        let room = if rows.is_empty() { first } else { others };
        let full = fill(&cells[from..], room) + from;
        let (end, next) = if full == cells.len() {
            (full, full)
        } else {
            cut(&cells, from, full, others)
        };
        rows.push(span(&cells, from, end));
        from = next;
    }
    if rows.is_empty() {
        rows.push(0..0);
    }
    rows
}

/// The columns that `text` takes.
pub(super) fn width(text: &str) -> usize {
    cells(text).iter().map(|cell| cell.width).sum()
}

/// The beginning of `text` that fits `room` columns, with an ellipsis where it is not all.
pub(super) fn shortened(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let cells = cells(text);
    let fits = fill(&cells, room.saturating_sub(1));
    let mut short = text[span(&cells, 0, fits)].to_owned();
    if room > 0 {
        short.push('…');
    }
    short
}

/// `text` in exactly `room` columns.
pub(super) fn padded(text: &str, room: usize) -> String {
    let mut padded = shortened(text, room);
    let spare = room.saturating_sub(width(&padded));
    padded.extend(std::iter::repeat_n(' ', spare));
    padded
}

/// The characters as ratatui draws them, so that what is measured here is what is drawn.
fn cells(text: &str) -> Vec<Cell<'_>> {
    let span = Span::raw(text);
    let mut at = 0;
    let mut cells = vec![];
    // What is drawn was escaped, so no character is left out and offsets add up.
    for grapheme in span.styled_graphemes(Style::new()) {
        let start = at;
        at += grapheme.symbol.len();
        cells.push(Cell {
            bytes: start..at,
            text: &text[start..at],
            width: grapheme.symbol.cell_width().into(),
        });
    }
    cells
}

/// How many of the cells fit; at least one, so that there is an end.
fn fill(cells: &[Cell<'_>], room: usize) -> usize {
    let mut used = 0;
    for (at, cell) in cells.iter().enumerate() {
        used += cell.width;
        if used > room {
            return if room == 0 { 0 } else { at.max(1) };
        }
    }
    cells.len()
}

/// Where the row that begins at `from` and is full before `full` ends, and where the next begins.
fn cut(cells: &[Cell<'_>], from: usize, full: usize, others: usize) -> (usize, usize) {
    if cells[full].text == " " {
        return (full, full + 1);
    }
    let may_break = |at: usize| {
        let (before, after) = (&cells[at - 1], &cells[at]);
        if before.text == " " {
            return true;
        }
        let is_wide = before.width == 2 || after.width == 2;
        is_wide && !CLOSING.contains(after.text) && !OPENING.contains(before.text)
    };
    let Some(at) = (from + 1..=full).rev().find(|at| may_break(*at)) else {
        return (full, full);
    };
    // A word that fits no row either is cut where this row ends, unless it could begin one: an
    // address that is long enough to be cut should at least be cut as seldom as possible.
    let word = cells[at..].iter().take_while(|cell| cell.text != " ");
    let length: usize = word.map(|cell| cell.width).sum();
    let used: usize = cells[from..at].iter().map(|cell| cell.width).sum();
    if length > others && used * 2 < others && cells[at - 1].text == " " {
        return (full, full);
    }
    let end = if cells[at - 1].text == " " {
        at - 1
    } else {
        at
    };
    (end.max(from + 1), at)
}

fn span(cells: &[Cell<'_>], from: usize, end: usize) -> Range<usize> {
    let start = cells.get(from).map_or(0, |cell| cell.bytes.start);
    let end = if end > from {
        cells[end - 1].bytes.end
    } else {
        start
    };
    start..end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, room: usize, expected: &[&str]) {
        let rows = rows(text, room, room);
        let rows: Vec<_> = rows.into_iter().map(|row| &text[row]).collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn rows_end_between_words_and_wide_characters() {
        check("", 10, &[""]);
        check("one two", 10, &["one two"]);
        check("one two three", 7, &["one two", "three"]);
        check("one two three", 8, &["one two", "three"]);
        check("abcdefghij", 4, &["abcd", "efgh", "ij"]);
        check("你好世界", 5, &["你好", "世界"]);
        // A full stop stays with what it ends.
        check("你好。世界", 4, &["你", "好。", "世界"]);
        check("see (你好)", 6, &["see", "(你好)"]);
        check("a你b", 2, &["a", "你", "b"]);
    }

    #[test]
    fn an_address_is_cut_only_where_no_row_holds_it() {
        let address = "http://example.org/a";
        check(&format!("look at {address}"), 20, &["look at", address]);
        check(
            "see http://example.org/abcdefgh",
            20,
            &["see http://example.o", "rg/abcdefgh"],
        );
    }

    #[test]
    fn joined_characters_stay_joined() {
        // An e and its accent; a family of three joined by U+200D; a flag of two letters.
        for joined in ["e\u{301}", "👩\u{200d}👩\u{200d}👧", "🇨🇳"] {
            let text = joined.repeat(4);
            for row in rows(&text, 4, 4) {
                assert_eq!(
                    text[row.clone()].len() % joined.len(),
                    0,
                    "{joined} {row:?}"
                );
            }
        }
        assert_eq!(width("e\u{301}"), 1);
        assert_eq!(width("一棵树"), 6);
    }

    #[test]
    fn what_is_short_is_filled_up_and_what_is_long_is_marked() {
        assert_eq!(padded("一棵树", 8), "一棵树  ");
        assert_eq!(padded("一棵树", 6), "一棵树");
        assert_eq!(padded("一棵树", 5), "一棵…");
        assert_eq!(padded("一棵树", 4), "一… ");
        assert_eq!(padded("abc", 0), "");
    }

    proptest! {
        #[test]
        fn no_row_is_wider_than_its_room_and_only_spaces_are_left_out(
            text in "[a-c 你。(e\u{301}-\u{302}👩\u{200d}]{0,60}", room in 2usize..12,
        ) {
            let rows = rows(&text, room, room);
            let mut at = 0;
            for row in &rows {
                let cells = cells(&text[row.clone()]);
                // What cannot be cut may be wider than a room.
                let width: usize = cells.iter().map(|cell| cell.width).sum();
                prop_assert!(width <= room || cells.len() == 1, "{row:?}");
                prop_assert!(text[at..row.start].chars().all(|c| c == ' '));
                at = row.end;
            }
            prop_assert!(text[at..].chars().all(|c| c == ' '));
        }
    }
}
