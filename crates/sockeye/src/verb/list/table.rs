//! The table: one line a socket.

use super::cells::{COLUMNS, Column};
use super::details;
use super::grid::Grid;
use super::snapshot::Snapshot;
use crate::catalogue::Lang;

/// The widest terminal on which no column could be added that costs a further question.
pub(super) const NARROW: usize = 80;

/// Columns that are shown where there is room, the most telling first.
const OPTIONAL: [Column; 4] = [
    Column::Timer,
    Column::User,
    Column::Rtt,
    Column::Retransmits,
];
/// Columns that are cut where there is none.
const FLEXIBLE: [Column; 3] = [Column::Local, Column::Remote, Column::Program];
/// What a cut column keeps at least.
const LEAST: usize = 12;

/// Writes the table in a width, or in as much as it needs.
pub(super) fn write(
    from: &Snapshot,
    lang: Lang,
    width: Option<usize>,
    is_detailed: bool,
    out: &mut String,
) {
    // Nobody reads a file to see a timer run down: it holds what every table has.
    let columns: Vec<Column> = match width {
        Some(_) => COLUMNS.into(),
        None => COLUMNS
            .into_iter()
            .filter(|column| !OPTIONAL.contains(column))
            .collect(),
    };
    let has_programs = from.programs.is_some();
    let columns: Vec<Column> = columns
        .into_iter()
        .filter(|column| has_programs || *column != Column::Program)
        .collect();
    let aligns = columns.iter().map(|column| column.align()).collect();
    let mut grid = Grid::new(aligns, from.shown.len());
    for column in &columns {
        grid.cell(|text| text.push_str(column.head(lang)));
    }
    for index in &from.shown {
        let socket = &from.sockets[*index as usize];
        for column in &columns {
            grid.cell(|text| column.write(*index, from, text));
        }
        if is_detailed {
            grid.below(|text| details::write(socket, from.peer(*index), lang, text));
        }
    }
    let (kept, widths) = fit(&grid, &columns, width);
    grid.render(&kept, &widths, out);
}

/// Which columns are shown and how wide each is.
fn fit(grid: &Grid, columns: &[Column], width: Option<usize>) -> (Vec<usize>, Vec<usize>) {
    let mut widths = grid.widths();
    let all = || 0..columns.len();
    let Some(room) = width else {
        return (all().collect(), widths);
    };
    let is_fixed = |at: &usize| !OPTIONAL.contains(&columns[*at]);
    let mut kept: Vec<usize> = all().filter(is_fixed).collect();
    for optional in OPTIONAL {
        let Some(at) = columns.iter().position(|column| *column == optional) else {
            continue;
        };
        let mut wider = kept.clone();
        wider.push(at);
        wider.sort_unstable();
        // An empty column tells nothing.
        if grid.widest_content(at) > 0 && Grid::total(&widths, &wider) <= room {
            kept = wider;
        }
    }
    narrow(columns, &kept, &mut widths, room);
    (kept, widths)
}

/// Makes the widest of the flexible columns narrower, one by one, until the row fits.
fn narrow(columns: &[Column], kept: &[usize], widths: &mut [usize], room: usize) {
    while Grid::total(widths, kept) > room {
        let flexible = kept.iter().filter(|at| FLEXIBLE.contains(&columns[**at]));
        let widest = flexible.max_by_key(|at| widths[**at]).copied();
        let Some(at) = widest.filter(|at| widths[*at] > LEAST) else {
            return;
        };
        widths[at] -= 1;
    }
}
