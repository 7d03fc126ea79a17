//! Columns that line up, whatever script they are written in.

use unicode_width::UnicodeWidthStr;

/// Rows of cells; each column is as wide as its widest cell on a terminal.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The rows as lines, each behind `indent`; the last cell of a row is not padded.
    pub(crate) fn render(&self, indent: &str) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell: &String| cell.width()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            text.push_str(indent);
            for (column, cell) in row.iter().enumerate() {
                text.push_str(cell);
                if column + 1 < row.len() {
                    text.extend(std::iter::repeat_n(' ', widths[column] - cell.width() + 2));
                }
            }
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hanzi_are_two_columns_wide() {
        let mut table = Table::default();
        table.row(["服务", "地址", ""]);
        table.row(["echo", "tcp://127.0.0.1:7007", "原样返回"]);
        table.row(["upper"]);
        insta::assert_snapshot!(table.render("  "), @"
          服务   地址
          echo   tcp://127.0.0.1:7007  原样返回
          upper
        ");
    }
}
