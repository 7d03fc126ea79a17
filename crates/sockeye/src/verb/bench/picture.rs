//! A histogram drawn in text: a row for each range of latencies, on a logarithmic scale.

use std::fmt::Write as _;

use hdrhistogram::Histogram;
use unicode_width::UnicodeWidthStr;

use crate::ui::quantity;

/// Rows of a picture.
const ROWS: usize = 14;
/// Columns of the longest bar.
const BAR: usize = 40;
/// From an eighth of a column to a whole one (U+258F to U+2588).
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// One range of latencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The largest latency in it, in nanoseconds.
    pub(super) to_ns: u64,
    /// Messages in it.
    pub(super) count: u64,
}

/// The ranges between the smallest and the largest latency; none if there is nothing to show.
pub(super) fn rows(latency: &Histogram<u64>) -> Vec<Row> {
    if latency.is_empty() {
        return vec![];
    }
    let (least, most) = (latency.min().max(1) as f64, latency.max().max(1) as f64);
    let step = ((most / least).powf(1.0 / ROWS as f64)).max(1.0 + 1e-9);
    let mut rows: Vec<Row> = (1..=ROWS)
        .map(|row| Row {
            to_ns: (least * step.powi(row as i32)).round() as u64,
            count: 0,
        })
        .collect();
    rows[ROWS - 1].to_ns = latency.max();
    for value in latency.iter_recorded() {
        let nanos = value.value_iterated_to();
        let row = rows
            .iter()
            .position(|row| nanos <= row.to_ns)
            .unwrap_or(ROWS - 1);
        rows[row].count += value.count_since_last_iteration();
    }
    // Close together, several rows end at the same nanosecond: the first of them has it all.
    rows.dedup_by_key(|row| row.to_ns);
    rows
}

/// The picture, a line a row.
pub(super) fn draw(rows: &[Row]) -> String {
    let most = rows.iter().map(|row| row.count).max().unwrap_or(0).max(1);
    let labels: Vec<String> = rows
        .iter()
        .map(|row| format!("≤ {}", quantity::duration(row.to_ns)))
        .collect();
    let counts: Vec<String> = rows.iter().map(|row| quantity::count(row.count)).collect();
    let widest = |texts: &[String]| texts.iter().map(|text| text.width()).max().unwrap_or(0);
    let (label_width, count_width) = (widest(&labels), widest(&counts));
    let mut picture = String::new();
    for ((label, count), row) in labels.iter().zip(&counts).zip(rows) {
        let bar = bar(row.count, most);
        let pad = |width: usize, text: &str| " ".repeat(width - text.width());
        let _ = writeln!(
            picture,
            "  {}{label}  {bar}{}  {}{count}",
            pad(label_width, label),
            pad(BAR, &bar),
            pad(count_width, count)
        );
    }
    picture
}

/// A bar; whoever counts at all has at least an eighth of a column.
fn bar(count: u64, most: u64) -> String {
    let eighths = (u128::from(count) * BAR as u128 * 8).div_ceil(u128::from(most)) as usize;
    let mut bar: String = std::iter::repeat_n(EIGHTHS[7], eighths / 8).collect();
    bar.extend((eighths % 8).checked_sub(1).map(|last| EIGHTHS[last]));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[(u64, u64)]) -> Histogram<u64> {
        let mut latency = super::super::tally::Tally::default().latency;
        for &(nanos, count) in values {
            latency.saturating_record_n(nanos, count);
        }
        latency
    }

    #[test]
    fn every_message_is_in_one_row() {
        for values in [
            &[(5, 1)][..],
            &[(1, 1), (2, 1)],
            &[(200_000, 7), (250_000, 100), (9_000_000, 1)],
            &[(0, 3), (3_600_000_000_000, 1)],
        ] {
            let rows = rows(&of(values));
            let sum: u64 = rows.iter().map(|row| row.count).sum();
            assert_eq!(
                sum,
                values.iter().map(|(_, count)| count).sum::<u64>(),
                "{values:?}"
            );
            assert!(rows.is_sorted_by(|a, b| a.to_ns < b.to_ns), "{rows:?}");
        }
        assert_eq!(rows(&of(&[])), []);
    }

    #[test]
    fn all_lines_are_as_wide_as_each_other() {
        let values: Vec<(u64, u64)> = (1..200).map(|n| (n * n * 1000, 1000 / n)).collect();
        let picture = draw(&rows(&of(&values)));
        let widths: std::collections::HashSet<usize> =
            picture.lines().map(UnicodeWidthStr::width).collect();
        assert_eq!(widths.len(), 1, "{picture}");
        assert!(picture.lines().all(|line| line.contains(['▏', '█', '▌'])
            || line.contains("  0")
            || EIGHTHS.iter().any(|eighth| line.contains(*eighth))));
    }

    #[test]
    fn a_single_message_is_seen_beside_a_million() {
        assert_eq!(bar(1, 1_000_000), "▏");
        assert_eq!(bar(0, 1_000_000), "");
        assert_eq!(bar(3, 3), "█".repeat(BAR));
    }
}
