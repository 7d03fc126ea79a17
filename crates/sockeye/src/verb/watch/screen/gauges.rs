//! How full the buffers of both ends are, as bars: what the sender's kernel still holds, and what the
//! receiver's program has not read.

use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use sockeye_trace::{Gauge, Time};

use super::picture::View;
use crate::catalogue::Lang;
use crate::catalogue::watch as say;
use crate::ui::quantity::bytes;

/// Columns of a bar.
const BAR: usize = 16;

/// A line for each end that was watched.
pub(super) fn lines(view: &View<'_, '_>, at: Time, lang: Lang) -> Vec<Line<'static>> {
    let Some(flow) = view.flow else {
        return vec![];
    };
    let names = [say::CLIENT, say::SERVER];
    (0..2)
        .filter_map(|end| {
            let sides = flow.ends[end].sides.iter();
            let ids = sides.filter_map(|side| view.timeline.sides.get(*side as usize));
            let gauge = view.seen.gauge(ids.map(|side| side.id), at)?;
            Some(line(names[end].get(lang), &gauge, lang))
        })
        .collect()
}

fn line(name: &str, gauge: &Gauge, lang: Lang) -> Line<'static> {
    let held = u64::from(gauge.unsent) + u64::from(gauge.unacked);
    let mut spans = vec![Span::raw(format!(" {name}  {} ", say::TO_SEND.get(lang)))];
    spans.extend(bar(gauge.send_memory.max(held as u32), gauge.send_limit));
    let values: [(&str, &dyn std::fmt::Display); 2] = [
        ("unsent", &bytes(gauge.unsent.into())),
        ("unacked", &bytes(gauge.unacked.into())),
    ];
    spans.push(Span::raw(format!(
        " {}   {} ",
        say::HELD.fill(lang, &values),
        say::TO_READ.get(lang)
    )));
    spans.extend(bar(gauge.recv_memory.max(gauge.unread), gauge.recv_limit));
    spans.push(Span::raw(format!(
        " {}",
        say::UNREAD.fill(lang, &[("unread", &bytes(gauge.unread.into()))])
    )));
    Line::from(spans)
}

/// A bar that is filled as far as the buffer is.
fn bar(filled: u32, limit: u32) -> [Span<'static>; 2] {
    let columns = filled_columns(filled, limit);
    let colour = if columns * 4 >= BAR * 3 {
        Color::Red
    } else {
        Color::Green
    };
    [
        Span::styled("█".repeat(columns), Style::new().fg(colour)),
        Span::styled("░".repeat(BAR - columns), Style::new().fg(Color::DarkGray)),
    ]
}

/// Whatever there is fills at least one column.
fn filled_columns(filled: u32, limit: u32) -> usize {
    let share = (u64::from(filled) * BAR as u64).div_ceil(u64::from(limit.max(1)));
    (share as usize).min(BAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_shows_a_byte_and_never_more_than_is_there() {
        assert_eq!(filled_columns(0, 87_380), 0);
        assert_eq!(filled_columns(1, 87_380), 1);
        assert_eq!(filled_columns(43_690, 87_380), 8);
        assert_eq!(filled_columns(131_840, 131_072), BAR);
        assert_eq!(filled_columns(1, 0), BAR);
    }
}
