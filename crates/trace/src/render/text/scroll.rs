//! The lanes of one flow, drawn in part: for whoever scrolls, or draws while it happens.

use std::ops::Range;

use super::lanes::{PAUSE_NS, Picture, pause_line};
use super::layout::Layout;
use super::paint::Line;
use super::quantity::millis;
use super::rows::{Bars, Column, Row, of_flow};
use super::wire::Wire;
use super::{MIN_WIDTH, TextOptions};
use crate::timeline::Flow;
use crate::{Time, Timeline};

/// The rows of one flow in the order in which they are read; lines are made of those that are drawn.
#[derive(Debug)]
pub struct Lanes<'t, 's> {
    timeline: &'t Timeline<'s>,
    flow: &'t Flow,
    options: TextOptions,
    rows: Vec<Row>,
    layout: Layout,
    start: Time,
    time: usize,
}

impl<'t, 's> Lanes<'t, 's> {
    /// The lanes of `flow`. Of the options only the width, the language, and how payloads are shown count.
    pub fn new(timeline: &'t Timeline<'s>, flow: &'t Flow, options: &TextOptions) -> Self {
        let mut options = options.clone();
        options.width = options.width.max(MIN_WIDTH);
        let span = timeline.session.span().unwrap_or_default();
        let last = millis(span.end.since(span.start).as_nanos() as u64);
        let mut lanes = Self {
            timeline,
            flow,
            options,
            rows: of_flow(flow, timeline.session, None),
            layout: Layout::new(MIN_WIDTH, 0, [true; 3]),
            start: span.start,
            time: last.len().max(8),
        };
        lanes.layout = lanes.picture().layout(flow, &lanes.rows);
        lanes
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// When a row happened: its call began or, where something came out of it, ended.
    pub fn time_of(&self, row: usize) -> Option<Time> {
        self.rows.get(row).map(|row| row.at)
    }

    /// Which flow it is and what each way carried, three lines; then whose lane is whose, and a rule.
    pub fn heads(&self) -> Vec<Line> {
        let picture = self.picture();
        let title = picture.title(self.flow).into_iter();
        title
            .chain(picture.heads(self.flow, &self.layout))
            .collect()
    }

    /// Draws rows from `first` on, as long as `each` takes their lines: it is given the row's number and
    /// its lines, ahead of which a pause may stand.
    pub fn draw(&self, first: usize, mut each: impl FnMut(usize, Vec<Line>) -> bool) {
        let picture = self.picture();
        let mut wire = Wire::new(self.timeline, self.flow);
        let mut bars = [Column::Left, Column::Right].map(|column| Bars::new(&self.rows, column));
        for index in first..self.rows.len() {
            for bars in &mut bars {
                bars.advance(index);
            }
            let mut lines = vec![];
            let before = index.checked_sub(1).map(|before| self.rows[before].at);
            let pause = before.map_or(0, |before| {
                self.rows[index].at.since(before).as_nanos() as u64
            });
            if pause >= PAUSE_NS {
                lines.push(pause_line(&self.layout, &bars, index, pause));
            }
            let row = &self.rows[index];
            lines.extend(picture.row(self.flow, &self.layout, &mut wire, &bars, index, row));
            if !each(index, lines) {
                return;
            }
        }
    }

    /// The rows that were over within `span`, in the order in which they are read, with the time where
    /// each stands: what to draw next while more is coming. No bars, for what they stand beside may
    /// have been drawn long ago.
    pub fn over_within(&self, span: &Range<Time>) -> Vec<(Time, Vec<Line>)> {
        let picture = self.picture();
        let mut wire = Wire::new(self.timeline, self.flow);
        let bars = [Column::Left, Column::Right].map(|column| Bars::new(&[], column));
        let rows = self.rows.iter().filter(|row| span.contains(&row.to));
        rows.map(|row| {
            let lines = picture.row(self.flow, &self.layout, &mut wire, &bars, 0, row);
            (row.at, lines)
        })
        .collect()
    }

    fn picture(&self) -> Picture<'_, 's> {
        Picture {
            timeline: self.timeline,
            options: &self.options,
            start: self.start,
            time: self.time,
            window: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::text;
    use crate::render::text::tests::sticky;

    fn text_of(lines: Vec<Line>) -> String {
        let mut out = vec![];
        for line in lines {
            line.write(false, &mut out).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    /// However it is cut into parts, the lanes are those of the whole picture.
    #[test]
    fn parts_put_together_are_the_whole() {
        let session = sticky();
        let timeline = Timeline::build(&session);
        let options = TextOptions::default();
        let mut whole = vec![];
        text::write(&timeline, &[], &options, &mut whole).unwrap();
        let whole = String::from_utf8(whole).unwrap();
        let lanes = Lanes::new(&timeline, &timeline.flows[0], &options);
        let mut parts = text_of(lanes.heads());
        for first in 0..lanes.len() {
            lanes.draw(first, |index, lines| {
                assert_eq!(index, first);
                parts += &text_of(lines);
                false
            });
        }
        assert!(whole.contains(&parts), "{parts}\nis not in\n{whole}");
    }

    #[test]
    fn what_is_over_is_told_once() {
        let session = sticky();
        let timeline = Timeline::build(&session);
        let lanes = Lanes::new(&timeline, &timeline.flows[0], &TextOptions::default());
        let span = session.span().unwrap();
        let end = span.end + std::time::Duration::from_nanos(1);
        let middle = span.start + span.end.since(span.start) / 2;
        let told = [span.start..middle, middle..end].map(|span| lanes.over_within(&span).len());
        assert!(told[0] > 0 && told[1] > 0);
        assert_eq!(told[0] + told[1], lanes.len());
    }
}
