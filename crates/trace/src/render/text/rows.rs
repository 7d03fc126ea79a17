//! What a flow's lanes hold, row by row, in the order in which it is read.

use std::ops::Range;

use crate::timeline::Flow;
use crate::{Call, Kind, Session, Time};

/// A column of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Left,
    Wire,
    Right,
}

/// What a row shows: where to find it in the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A write of a way.
    Write(u8, u32),
    /// A read of a way.
    Read(u8, u32),
    /// A segment of a way.
    Wire(u8, u32),
    /// So many pieces of a super-segment that are not drawn one by one; the first of them.
    Pieces(u8, u32, u16),
    /// A call or a packet that carries no bytes.
    Life(u32),
}

/// One row. Calls that something comes out of (reads, accept) stand where they ended, all others where
/// they began: so what caused something always stands above it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) at: Time,
    /// When the call began and ended; packets are points.
    pub(super) from: Time,
    pub(super) to: Time,
    pub(super) column: Column,
    pub(super) what: What,
}

/// Super-segments of more pieces than this are drawn by their first and their last.
const PIECES: u16 = 4;

/// The rows of a flow within `window`.
pub(super) fn of_flow(flow: &Flow, session: &Session, window: Option<&Range<Time>>) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |row: Row| {
        if window.is_none_or(|window| window.start <= row.to && row.from < window.end) {
            rows.push(row);
        }
    };
    for (way, lanes) in (0u8..).zip(&flow.ways) {
        let (sender, receiver) = if way == 0 {
            (Column::Left, Column::Right)
        } else {
            (Column::Right, Column::Left)
        };
        for (index, write) in (0..).zip(&lanes.writes) {
            let event = session.event(write.fact);
            let began = event.began();
            add(row(began, event, sender, What::Write(way, index)));
        }
        for (index, segment) in (0..).zip(&lanes.wire) {
            let what = match segment.piece {
                (1, of) if of > PIECES => What::Pieces(way, index, of - 2),
                (piece, of) if of > PIECES && piece > 0 && piece + 1 < of => continue,
                _ => What::Wire(way, index),
            };
            let event = session.event(segment.fact);
            add(row(event.time, event, Column::Wire, what));
        }
        for (index, read) in (0..).zip(&lanes.reads) {
            let event = session.event(read.fact);
            add(row(event.time, event, receiver, What::Read(way, index)));
        }
    }
    for (index, life) in (0..).zip(&flow.life) {
        let event = session.event(life.fact);
        let own = if life.end == 0 {
            Column::Left
        } else {
            Column::Right
        };
        let accepts = matches!(
            event.call(),
            Call::Accept | Call::Accept4 | Call::UringAccept
        );
        let (at, column) = match event.kind() {
            Kind::Packet | Kind::Inferred => (event.time, Column::Wire),
            _ if accepts => (event.time, own),
            _ => (event.began(), own),
        };
        add(row(at, event, column, What::Life(index)));
    }
    rows.sort_by_key(|row| row.at);
    rows
}

fn row(at: Time, event: &crate::Event, column: Column, what: What) -> Row {
    let from = if column == Column::Wire {
        event.time
    } else {
        event.began()
    };
    Row {
        at,
        from,
        to: event.time,
        column,
        what,
    }
}

/// The bars beside the calls of one column: over which rows each call lasted.
#[derive(Debug)]
pub(super) struct Bars {
    /// First and last row of each bar, by first row.
    all: Vec<(usize, usize)>,
    next: usize,
    open: [Option<(usize, usize)>; 2],
}

impl Bars {
    /// The bars of `column`, for calls that lasted while something else was drawn.
    pub(super) fn new(rows: &[Row], column: Column) -> Self {
        let mut bars = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            if row.column != column || row.from == row.to {
                continue;
            }
            let bar = if row.at == row.to && row.from < row.at {
                (rows.partition_point(|other| other.at < row.from), index)
            } else {
                let after = rows.partition_point(|other| other.at <= row.to);
                (index, after.max(1) - 1)
            };
            if bar.0 < bar.1 {
                bars.push(bar);
            }
        }
        bars.sort_unstable();
        Self {
            all: bars,
            next: 0,
            open: [None; 2],
        }
    }

    /// Goes on to row `index`. Rows have to be asked for in order, from the first.
    pub(super) fn advance(&mut self, index: usize) {
        for place in &mut self.open {
            *place = place.filter(|(_, last)| *last >= index);
        }
        while let Some(&(first, last)) = self.all.get(self.next) {
            if first > index {
                break;
            }
            self.next += 1;
            // A third call at once has no room: its time is told beside it all the same.
            if let Some(place) = self.open.iter_mut().find(|place| place.is_none())
                && last >= index
            {
                *place = Some((first, last));
            }
        }
    }

    /// What stands beside row `index`, from the outside in; with the row's further lines and the gap
    /// before it told apart.
    pub(super) fn beside(&self, index: usize, part: Part) -> [char; 2] {
        let sign = |bar: Option<(usize, usize)>| match (bar, part) {
            (None, _) => ' ',
            (Some((first, _)), Part::Before) => {
                if first < index {
                    '│'
                } else {
                    ' '
                }
            }
            (Some((first, _)), Part::Row) if first == index => '┌',
            (Some((_, last)), Part::Row) if last == index => '└',
            (Some((_, last)), Part::Below) if last == index => ' ',
            (Some(_), _) => '│',
        };
        [sign(self.open[1]), sign(self.open[0])]
    }
}

/// A part of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Between the row before and this one.
    Before,
    /// Its first line.
    Row,
    /// Its other lines.
    Below,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(calls: &[(u64, u64, bool)], points: &[u64]) -> String {
        let time = Time::from_nanos;
        let call = |&(from, to, at_end): &(u64, u64, bool)| Row {
            at: time(if at_end { to } else { from }),
            from: time(from),
            to: time(to),
            column: Column::Left,
            what: What::Life(0),
        };
        let point = |&at: &u64| Row {
            at: time(at),
            from: time(at),
            to: time(at),
            column: Column::Wire,
            what: What::Life(1),
        };
        let mut rows: Vec<Row> = calls.iter().map(call).collect();
        rows.extend(points.iter().map(point));
        rows.sort_by_key(|row| row.at);
        let mut bars = Bars::new(&rows, Column::Left);
        let mut drawn = String::new();
        for index in 0..rows.len() {
            bars.advance(index);
            drawn.extend(bars.beside(index, Part::Row));
            drawn.push('/');
        }
        drawn
    }

    #[test]
    fn a_bar_lasts_as_long_as_its_call() {
        // A read that waits from before the packets until after them.
        assert_eq!(bars(&[(1, 9, true)], &[0, 2, 3, 10]), "  / ┌/ │/ └/  /");
        // A write that is over after the first packet.
        assert_eq!(bars(&[(1, 5, false)], &[2, 6]), " ┌/ └/  /");
        // Nothing happens meanwhile: no bar.
        assert_eq!(bars(&[(1, 9, true)], &[0, 10]), "  /  /  /");
    }

    #[test]
    fn two_bars_stand_side_by_side_and_a_third_has_no_room() {
        let calls = [(1, 9, true), (1, 8, true), (1, 7, true)];
        assert_eq!(bars(&calls, &[2, 10]), "┌┌/│└/└ /  /  /");
    }
}
