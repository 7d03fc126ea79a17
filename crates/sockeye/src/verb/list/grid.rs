//! Cells in columns, without an allocation a cell: twenty thousand rows are printed in one write.

use unicode_width::UnicodeWidthStr;

/// Between two columns.
const GAP: usize = 2;

/// Where a column's cells stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// Rows of cells. A row may have text of any length below it.
#[derive(Debug)]
pub(super) struct Grid {
    aligns: Vec<Align>,
    text: String,
    /// How long each cell is in `text`, and how wide on a terminal; row by row.
    cells: Vec<(u16, u16)>,
    /// Lines below a row: the number of cells before them, where their text lies.
    below: Vec<(usize, std::ops::Range<usize>)>,
    notes: String,
}

impl Grid {
    pub(super) fn new(aligns: Vec<Align>, rows: usize) -> Self {
        Self {
            text: String::with_capacity(rows * 64),
            cells: Vec::with_capacity((rows + 1) * aligns.len()),
            aligns,
            below: vec![],
            notes: String::new(),
        }
    }

    /// The next cell, to be written at the end of the text that is given.
    pub(super) fn cell(&mut self, write: impl FnOnce(&mut String)) {
        let start = self.text.len();
        write(&mut self.text);
        // Nothing that we show is so long; if ever, its end is left out.
        let most = self.text.floor_char_boundary(start + usize::from(u16::MAX));
        self.text.truncate(most);
        let cell = &self.text[start..];
        let width = if cell.is_ascii() {
            cell.len()
        } else {
            cell.width()
        };
        let width = u16::try_from(width).unwrap_or(u16::MAX);
        self.cells.push((cell.len() as u16, width));
    }

    /// Whole lines below the last row.
    pub(super) fn below(&mut self, write: impl FnOnce(&mut String)) {
        let start = self.notes.len();
        write(&mut self.notes);
        self.below.push((self.cells.len(), start..self.notes.len()));
    }

    /// How wide each column is.
    pub(super) fn widths(&self) -> Vec<usize> {
        let mut widths = vec![0; self.aligns.len()];
        for row in self.cells.chunks(self.aligns.len()) {
            for (width, (_, cell)) in widths.iter_mut().zip(row) {
                *width = (*width).max(usize::from(*cell));
            }
        }
        widths
    }

    /// How wide a column is without its head.
    pub(super) fn widest_content(&self, column: usize) -> usize {
        let rows = self.cells.chunks(self.aligns.len()).skip(1);
        let cells = rows.filter_map(|row| row.get(column));
        cells
            .map(|(_, width)| usize::from(*width))
            .max()
            .unwrap_or(0)
    }

    /// The width of a row with these columns.
    pub(super) fn total(widths: &[usize], columns: &[usize]) -> usize {
        let cells: usize = columns.iter().map(|column| widths[*column]).sum();
        cells + GAP * columns.len().saturating_sub(1)
    }

    /// Writes these columns, each as wide as said; what is wider is cut and marked by `…`.
    pub(super) fn render(&self, columns: &[usize], widths: &[usize], out: &mut String) {
        let count = self.aligns.len();
        let line = Self::total(widths, columns) + 1;
        out.reserve(self.cells.len() / count * line + self.notes.len());
        let mut below = self.below.iter().peekable();
        let (mut starts, mut next) = (vec![0; count], 0);
        for (row, cells) in self.cells.chunks(count).enumerate() {
            for (start, (length, _)) in starts.iter_mut().zip(cells) {
                *start = next;
                next += usize::from(*length);
            }
            for column in columns {
                let ((length, width), start) = (cells[*column], starts[*column]);
                let text = &self.text[start..start + usize::from(length)];
                self.put(text, usize::from(width), widths[*column], *column, out);
            }
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
            while let Some((_, note)) = below.next_if(|(after, _)| *after == (row + 1) * count) {
                out.push_str(&self.notes[note.clone()]);
            }
        }
    }

    fn put(&self, text: &str, width: usize, room: usize, column: usize, out: &mut String) {
        let spare = room.saturating_sub(width);
        if self.aligns[column] == Align::Right {
            pad(spare, out);
        }
        if width > room {
            cut(text, room, out);
        } else {
            out.push_str(text);
        }
        let after = if self.aligns[column] == Align::Right {
            0
        } else {
            spare
        };
        pad(after + GAP, out);
    }
}

fn pad(count: usize, out: &mut String) {
    const SPACES: &str = "                                                                ";
    let mut left = count;
    while left > 0 {
        let piece = left.min(SPACES.len());
        out.push_str(&SPACES[..piece]);
        left -= piece;
    }
}

/// As much of the text as fits, with `…` behind it, in exactly `room` columns.
pub(super) fn cut(text: &str, room: usize, out: &mut String) {
    let mut used = 0;
    let before = out.len();
    for c in text.chars() {
        let start = out.len();
        out.push(c);
        let width = out[start..].width();
        if used + width + 1 > room {
            out.truncate(start);
            break;
        }
        used += width;
    }
    if room > 0 {
        out.push('…');
        used += 1;
    } else {
        out.truncate(before);
    }
    pad(room.saturating_sub(used), out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let mut grid = Grid::new(vec![Align::Left, Align::Right], 2);
        for cell in ["NAME", "SIZE", "一棵树", "7", "long name", "1000"] {
            grid.cell(|text| text.push_str(cell));
        }
        grid.below(|text| text.push_str("  a note\n"));
        grid
    }

    #[test]
    fn columns_line_up_in_any_script() {
        let grid = grid();
        let mut out = String::new();
        grid.render(&[0, 1], &grid.widths(), &mut out);
        insta::assert_snapshot!(out, @"
        NAME       SIZE
        一棵树        7
        long name  1000
          a note
        ");
        assert_eq!(grid.widest_content(1), 4);
    }

    #[test]
    fn what_is_too_wide_is_cut_to_the_column() {
        let grid = grid();
        let mut out = String::new();
        grid.render(&[0, 1], &[6, 4], &mut out);
        insta::assert_snapshot!(out, @"
        NAME    SIZE
        一棵树     7
        long …  1000
          a note
        ");
        let mut cut_text = String::new();
        cut("一棵树", 4, &mut cut_text);
        assert_eq!(cut_text, "一… ");
    }
}
