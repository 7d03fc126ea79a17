//! The pictures: the table, and one connection that is followed.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::super::cells::{self, COLUMNS, Column};
use super::super::details;
use super::super::grid::{Align, cut};
use super::super::text;
use super::view::{Change, View};
use crate::ui::{escape, quantity};

/// What changed. Bold as well, for terminals without colours and people who do not see them.
const CHANGED: Style = Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD);
const NEW: Style = Style::new().fg(Color::Green);
const DIM: Style = Style::new().add_modifier(Modifier::DIM);
const HEAD: Style = Style::new().add_modifier(Modifier::BOLD);
const SELECTED: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Columns in the order in which they are left out where there is no room.
const FIRST_TO_GO: [Column; 4] = [
    Column::Retransmits,
    Column::Rtt,
    Column::User,
    Column::Timer,
];
/// What a column that is cut keeps at least.
const LEAST: usize = 12;
/// Cells of a gauge at most.
const GAUGE: usize = 50;

impl View {
    /// Draws the present picture.
    pub(super) fn draw(&mut self, frame: &mut Frame<'_>) {
        let area = frame.area();
        if area.height < 3 {
            return;
        }
        if self.width != area.width {
            self.width = area.width;
            self.widths = [0; COLUMNS.len()];
        }
        let line = |at: u16| Rect::new(area.x, area.y + at, area.width, 1);
        let body = Rect::new(area.x, area.y + 1, area.width, area.height - 2);
        frame.render_widget(Line::styled(self.status(), DIM), line(0));
        if self.is_following {
            self.draw_followed(frame, body);
        } else {
            self.draw_table(frame, body);
        }
        frame.render_widget(self.footer(), line(area.height - 1));
    }

    fn status(&self) -> String {
        let every = quantity::duration(self.every.as_nanos() as u64);
        let mut status = text::LIVE_STATUS.fill(
            self.lang,
            &[
                ("shown", &quantity::count(self.rows.len() as u64)),
                ("all", &quantity::count(self.snapshot.shown.len() as u64)),
                ("every", &every),
            ],
        );
        if let Some(sort) = self.sort {
            let name = sort.name();
            let way = if sort.descending { "▼" } else { "▲" };
            status = format!("{status} · {name} {way}");
        }
        if self.is_paused() {
            status = format!("{status} · {}", text::PAUSED.get(self.lang));
        }
        if let Some(remark) = self.snapshot.remarks(self.lang).first() {
            status = format!("{status} · {}", escape(remark));
        }
        status
    }

    fn footer(&self) -> Line<'static> {
        if self.is_typing || !self.filter.is_empty() && !self.is_following {
            let cursor = if self.is_typing { "▏" } else { "" };
            return Line::from(format!("/{}{cursor}", escape(&self.filter)));
        }
        let keys = if self.is_following {
            text::KEYS_FOLLOWING
        } else {
            text::KEYS
        };
        Line::styled(keys.get(self.lang), DIM)
    }

    fn draw_table(&mut self, frame: &mut Frame<'_>, area: Rect) {
        // One line is the head's.
        self.page = usize::from(area.height).saturating_sub(1).max(1);
        let place = self.place();
        self.top = self.top.clamp((place + 1).saturating_sub(self.page), place);
        let end = (self.top + self.page).min(self.rows.len());
        let visible: Vec<u32> = self.rows[self.top.min(end)..end].to_vec();
        let cells: Vec<Vec<String>> = visible.iter().map(|index| self.cells(*index)).collect();
        self.widen(&cells);
        let (columns, widths) = self.fit(usize::from(area.width));
        let mut lines = vec![self.head(&columns, &widths)];
        for (row, (index, cells)) in visible.iter().zip(&cells).enumerate() {
            let change = self.change(&self.snapshot.sockets[*index as usize]);
            let is_selected = self.top + row == place;
            lines.push(line(cells, &columns, &widths, change, is_selected));
        }
        frame.render_widget(ratatui::text::Text::from(lines), area);
    }

    fn cells(&self, index: u32) -> Vec<String> {
        let cell = |column: Column| {
            let mut text = String::new();
            column.write(index, &self.snapshot, &mut text);
            text
        };
        COLUMNS.map(cell).into()
    }

    fn widen(&mut self, rows: &[Vec<String>]) {
        for (at, width) in self.widths.iter_mut().enumerate() {
            let head = COLUMNS[at].head(self.lang).width();
            let cells = rows.iter().map(|row| row[at].width());
            *width = cells.fold((*width).max(head), usize::max);
        }
    }

    /// The columns that have room, and how wide they are.
    fn fit(&self, room: usize) -> (Vec<usize>, [usize; COLUMNS.len()]) {
        let mut widths = self.widths;
        let has_programs = self.snapshot.programs.is_some();
        let mut columns: Vec<usize> = (0..COLUMNS.len())
            .filter(|at| has_programs || COLUMNS[*at] != Column::Program)
            .collect();
        let total = |columns: &[usize], widths: &[usize]| {
            columns.iter().map(|at| widths[*at] + 2).sum::<usize>()
        };
        for column in FIRST_TO_GO {
            if total(&columns, &widths) > room + 2 {
                columns.retain(|at| COLUMNS[*at] != column);
            }
        }
        while total(&columns, &widths) > room + 2 {
            let flexible = [Column::Local, Column::Remote, Column::Program];
            let flexible = columns
                .iter()
                .filter(|at| flexible.contains(&COLUMNS[**at]));
            let Some(at) = flexible.max_by_key(|at| widths[**at]).copied() else {
                break;
            };
            if widths[at] <= LEAST {
                break;
            }
            widths[at] -= 1;
        }
        (columns, widths)
    }

    fn head(&self, columns: &[usize], widths: &[usize]) -> Line<'static> {
        let mut spans = vec![];
        for at in columns {
            let text = COLUMNS[*at].head(self.lang);
            spans.push(Span::styled(
                padded(text, widths[*at], COLUMNS[*at].align()),
                HEAD,
            ));
            spans.push(Span::raw("  "));
        }
        Line::from(spans)
    }

    fn draw_followed(&mut self, frame: &mut Frame<'_>, area: Rect) {
        let Some(index) = self.chosen() else {
            let gone = Line::styled(text::GONE.get(self.lang), CHANGED);
            frame.render_widget(gone, area);
            return;
        };
        let gauge = usize::from(area.width).saturating_sub(40).clamp(10, GAUGE);
        let mut lines = vec![];
        for index in [Some(index), self.snapshot.peers.of(index)]
            .into_iter()
            .flatten()
        {
            lines.extend(self.end(index, gauge));
            lines.push(Line::default());
        }
        frame.render_widget(ratatui::text::Text::from(lines), area);
    }

    /// One end of the connection that is followed.
    fn end(&self, index: u32, gauge: usize) -> Vec<Line<'static>> {
        let socket = &self.snapshot.sockets[index as usize];
        let change = self.change(socket);
        let cell = |column: Column| {
            let mut text = String::new();
            column.write(index, &self.snapshot, &mut text);
            text
        };
        let mut title = vec![
            Span::styled(cell(Column::Kind), HEAD),
            Span::raw("  "),
            Span::styled(cell(Column::Local), HEAD),
            Span::raw(" → "),
            Span::raw(cell(Column::Remote)),
            Span::raw("  "),
        ];
        let state = if change.state { CHANGED } else { Style::new() };
        title.push(Span::styled(cell(Column::State), state));
        title.push(Span::raw(format!("  {}", cell(Column::Program))));
        let mut lines = vec![Line::from(title)];
        let raw = |text: String| Line::raw(format!("  {text}"));
        lines.extend(
            details::buffers(socket, None, self.lang, gauge)
                .into_iter()
                .map(raw),
        );
        let mut timer = String::new();
        cells::timer(socket, &mut timer);
        if !timer.is_empty() {
            lines.push(raw(text::TIMER_LINE.fill(self.lang, &[("timer", &timer)])));
        }
        if let Some(tcp) = &socket.tcp {
            let known = details::connection(tcp, self.lang);
            lines.extend(known.into_iter().filter(|text| !text.is_empty()).map(raw));
        }
        lines
    }
}

fn line(
    cells: &[String],
    columns: &[usize],
    widths: &[usize],
    change: Change,
    is_selected: bool,
) -> Line<'static> {
    let mut spans = vec![];
    for at in columns {
        let is_changed = match COLUMNS[*at] {
            Column::State => change.state,
            Column::RecvQ => change.recv_queue,
            Column::SendQ => change.send_queue,
            _ => false,
        };
        let style = match (is_changed, change.is_new) {
            (true, _) => CHANGED,
            (false, true) => NEW,
            (false, false) => Style::new(),
        };
        let text = padded(&cells[*at], widths[*at], COLUMNS[*at].align());
        spans.push(Span::styled(text, style));
        spans.push(Span::raw("  "));
    }
    let line = Line::from(spans);
    if is_selected {
        line.style(SELECTED)
    } else {
        line
    }
}

/// The text in exactly so many columns.
fn padded(text: &str, room: usize, align: Align) -> String {
    let width = text.width();
    if width > room {
        let mut short = String::new();
        cut(text, room, &mut short);
        return short;
    }
    let spare = " ".repeat(room - width);
    match align {
        Align::Left => format!("{text}{spare}"),
        Align::Right => format!("{spare}{text}"),
    }
}
