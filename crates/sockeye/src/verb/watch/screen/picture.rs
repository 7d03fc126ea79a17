//! How it is laid out and drawn.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};
use sockeye_trace::render::text::{self, Lanes, TextOptions, finding_lines};
use sockeye_trace::timeline::Flow;
use sockeye_trace::{Finding, Time, Timeline, WireSource};

use super::gauges;
use super::state::State;
use crate::catalogue::Lang;
use crate::catalogue::watch as say;
use crate::ui::escape;
use crate::ui::quantity::{bytes, count, duration};
use crate::verb::watch::seen::Seen;

/// Connections that are listed at once.
const LISTED: usize = 5;
/// Lines for what was found, and for what programs say.
const FOUND: usize = 6;
const SAID: usize = 6;
/// Lanes always have at least so many lines, five of which are their heads.
const LANES: u16 = 14;

/// What a picture is made from.
pub(super) struct View<'t, 's> {
    pub(super) timeline: &'t Timeline<'s>,
    pub(super) findings: &'t [Finding],
    pub(super) flow: Option<&'t Flow>,
    pub(super) lanes: Option<&'t Lanes<'t, 's>>,
    pub(super) seen: &'t Seen,
    pub(super) options: &'t TextOptions,
}

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, view: &View<'_, '_>, state: &mut State) {
    let area = frame.area();
    let found = if state.found { found(view) } else { vec![] };
    let gauges = gauges::lines(view, moment(view, state), state.lang);
    let said = if state.output {
        state.said.len().min(SAID)
    } else {
        0
    };
    // What matters less gives way where there is little room.
    let mut left = area.height.saturating_sub(2 + LANES);
    let mut take = |lines: usize, frame: u16| {
        let wanted = if lines == 0 { 0 } else { lines as u16 + frame };
        let given = if wanted > left { 0 } else { wanted };
        left -= given;
        given
    };
    let flows = match view.timeline.flows.len() {
        0 | 1 => 0,
        flows => take(flows.min(LISTED), 0),
    };
    let gauge_lines = take(gauges.len(), 0);
    let found_lines = take(found.len().min(FOUND), 1);
    let said_lines = take(said, 1);
    let [top, list, middle, gauge, below, output, help] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(flows),
        Constraint::Min(1),
        Constraint::Length(gauge_lines),
        Constraint::Length(found_lines),
        Constraint::Length(said_lines),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(title(view, state), top);
    let listed = connections(view, usize::from(flows), state.lang);
    frame.render_widget(Paragraph::new(listed), list);
    let rows = lanes(view, state, usize::from(middle.height));
    frame.render_widget(Paragraph::new(rows), middle);
    frame.render_widget(Paragraph::new(gauges), gauge);
    frame.render_widget(pane(found, say::FOUND.get(state.lang)), below);
    let lines = said_last(state, usize::from(said_lines.saturating_sub(1)));
    frame.render_widget(pane(lines, say::SAID.get(state.lang)), output);
    frame.render_widget(keys(state), help);
}

/// Whether it runs, what was seen, and where the wire comes from.
fn title(view: &View<'_, '_>, state: &State) -> Line<'static> {
    let lang = state.lang;
    let (status, colour) = match state {
        State {
            trouble: Some(why), ..
        } => (escape(why).into_owned(), Color::Red),
        State { ended: true, .. } => (say::ENDED.get(lang).to_owned(), Color::Yellow),
        State { ending: true, .. } => (say::ENDING.get(lang).to_owned(), Color::Yellow),
        State { paused: true, .. } => (say::PAUSED.get(lang).to_owned(), Color::Yellow),
        _ => (say::LIVE.get(lang).to_owned(), Color::Green),
    };
    let span = view.timeline.session.span().unwrap_or_default();
    let lasted = duration(span.end.since(span.start).as_nanos() as u64);
    let wire = match view.timeline.head().wire {
        WireSource::Captured => say::WIRE_CAPTURED,
        WireSource::Inferred => say::WIRE_INFERRED,
        WireSource::None => say::WIRE_NONE,
    };
    let values: [(&str, &dyn std::fmt::Display); 4] = [
        ("lasted", &lasted),
        ("flows", &view.timeline.flows.len()),
        ("calls", &count(view.seen.calls)),
        ("packets", &count(view.seen.packets)),
    ];
    let mut spans = vec![
        Span::styled(
            format!("sockeye {} ", view.timeline.head().verb),
            Style::new().add_modifier(Modifier::BOLD),
        ),
        Span::styled(format!("● {status}"), Style::new().fg(colour)),
        Span::raw(format!("  {}", say::SEEN.fill(lang, &values))),
        Span::styled(
            format!("  {}", wire.get(lang)),
            Style::new().fg(Color::DarkGray),
        ),
    ];
    let gaps = view.timeline.gaps.len();
    if gaps > 0 {
        let text = say::GAPS.fill(lang, &[("n", &gaps)]);
        spans.push(Span::styled(
            format!("  {text}"),
            Style::new().fg(Color::Red),
        ));
    }
    Line::from(spans)
}

/// The connections around the chosen one.
fn connections(view: &View<'_, '_>, room: usize, lang: Lang) -> Vec<Line<'static>> {
    let flows = &view.timeline.flows;
    let chosen = view.flow.map(|flow| flow.number);
    let place = flows
        .iter()
        .position(|flow| Some(flow.number) == chosen)
        .unwrap_or(0);
    let first = place
        .saturating_sub(room / 2)
        .min(flows.len().saturating_sub(room));
    let shown = flows.iter().skip(first).take(room);
    let line = |flow: &Flow| {
        let is_chosen = Some(flow.number) == chosen;
        let style = if is_chosen {
            Style::new().add_modifier(Modifier::REVERSED)
        } else {
            Style::new()
        };
        let [there, back] = [0, 1].map(|way| {
            let way = &flow.ways[way];
            bytes(way.written.max(way.carried).max(way.read))
        });
        let values: [(&str, &dyn std::fmt::Display); 2] = [("there", &there), ("back", &back)];
        let carried = say::CARRIED.fill(lang, &values);
        let label = escape(&flow.label()).into_owned();
        Line::styled(format!(" #{} {label}   {carried} ", flow.number), style)
    };
    shown.map(line).collect()
}

/// The lanes of the chosen connection, `height` lines of them: the heads, then as many rows as fit.
fn lanes(view: &View<'_, '_>, state: &mut State, height: usize) -> Vec<Line<'static>> {
    let Some(lanes) = view.lanes else {
        let text = if state.ended {
            say::NOTHING
        } else {
            say::NOTHING_YET
        };
        return vec![Line::raw(format!(" {}", text.get(state.lang)))];
    };
    let colour = view.options.colour;
    let mut drawn: Vec<_> = lanes
        .heads()
        .into_iter()
        .map(|line| styled(line, colour))
        .collect();
    drawn.truncate(height);
    let room = height - drawn.len();
    state.height = room.max(1);
    if state.following {
        state.first = lanes.len().saturating_sub(room);
    }
    state.first = state.first.min(lanes.len().saturating_sub(1));
    let mut rows: Vec<(usize, Line<'static>)> = vec![];
    lanes.draw(state.first, |index, lines| {
        rows.extend(lines.into_iter().map(|line| (index, styled(line, colour))));
        // Who follows wants to see the last lines, of however few rows.
        state.following || rows.len() < room
    });
    let over = rows.len().saturating_sub(room);
    if state.following {
        rows.drain(..over);
    } else {
        rows.truncate(room);
    }
    if let Some((first, _)) = rows.first() {
        state.first = *first;
    }
    state.last = rows.last().map_or(0, |(last, _)| *last);
    drawn.extend(rows.into_iter().map(|(_, line)| line));
    drawn
}

/// When the last row that is drawn happened; the end where the last ones are followed.
fn moment(view: &View<'_, '_>, state: &State) -> Time {
    let row = view
        .lanes
        .filter(|_| !state.following)
        .and_then(|lanes| lanes.time_of(state.last));
    row.unwrap_or(Time::from_nanos(u64::MAX))
}

/// What was found about the chosen connection, what matters most first.
fn found(view: &View<'_, '_>) -> Vec<Line<'static>> {
    let number = view.flow.map(|flow| flow.number);
    let place = view
        .timeline
        .flows
        .iter()
        .position(|flow| Some(flow.number) == number);
    let about = |finding: &&Finding| finding.flow.is_none_or(|flow| Some(flow as usize) == place);
    let mut findings: Vec<_> = view.findings.iter().filter(about).collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
    let lines = findings.into_iter().take(FOUND);
    lines
        .flat_map(|finding| finding_lines(finding, view.options))
        .map(|line| styled(line, view.options.colour))
        .collect()
}

/// The last lines that the programs said.
fn said_last(state: &State, room: usize) -> Vec<Line<'static>> {
    let first = state.said.len().saturating_sub(room);
    let shown = state.said.iter().skip(first);
    shown
        .map(|(who, line)| {
            Line::from(vec![
                Span::styled(format!(" {who} "), Style::new().fg(Color::Cyan)),
                Span::raw(line.clone()),
            ])
        })
        .collect()
}

/// Lines below a rule with a name.
fn pane(lines: Vec<Line<'static>>, name: &'static str) -> Paragraph<'static> {
    let rule = Style::new().fg(Color::DarkGray);
    let block = Block::new()
        .borders(Borders::TOP)
        .border_style(rule)
        .title(name);
    Paragraph::new(lines).block(block)
}

/// What each key does.
fn keys(state: &State) -> Line<'static> {
    let text = if state.ended {
        say::KEYS_ENDED
    } else {
        say::KEYS
    };
    Line::styled(
        text.get(state.lang),
        Style::new().add_modifier(Modifier::DIM),
    )
}

/// A line of the picture as text, in the terminal's colours.
fn styled(line: text::Line, colour: bool) -> Line<'static> {
    let spans = line.0.into_iter().map(|span| {
        let style = if colour {
            look(span.style)
        } else {
            Style::new()
        };
        Span::styled(span.text, style)
    });
    spans.collect()
}

fn look(style: text::Style) -> Style {
    let plain = Style::new();
    match style {
        text::Style::Dim => plain.add_modifier(Modifier::DIM),
        text::Style::Bold => plain.add_modifier(Modifier::BOLD),
        // The numbers of ECMA-48 §8.3.117: 30 and up, and 90 and up for their bright ones.
        other => match other.colour() {
            Some(bright @ 90..) => plain.fg(Color::Indexed(bright - 82)),
            Some(colour) => plain.fg(Color::Indexed(colour - 30)),
            None => plain,
        },
    }
}
