//! How the screen is laid out and drawn.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Borders, Clear};

use super::look::Look;
use super::over::wrapped;
use super::page::Page;
use super::state::State;
use super::{side, top, wrap};
use crate::catalogue::chat_screen as say;
use crate::ui::escape;
use crate::verb::chat::model::{Conversation, Model};

/// Columns from which on the list stands on the left, and from which on members stand on the right.
const WITH_LIST: u16 = 64;
const WITH_MEMBERS: u16 = 96;
/// Rows from which on there is a line with what keys do, and from which on one above the messages.
const WITH_KEYS: u16 = 6;
const WITH_TOP: u16 = 4;
/// Conversations with something new that are named where there is no room for a list.
const ACTIVE: usize = 4;

/// Where everything stands.
struct Panes {
    top: Rect,
    list: Rect,
    body: Rect,
    members: Rect,
    keys: Rect,
    input: Rect,
}

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, state: &mut State, now_ms: u64) {
    let area = frame.area();
    if area.width < 4 || area.height < 2 {
        frame.render_widget(say::TOO_SMALL.get(model.lang), area);
        return;
    }
    let prompt = prompt(model, area.width);
    let panes = panes(area, model, state, wrap::width(&prompt) as u16);
    bar(
        frame,
        panes.top,
        top::line(
            model,
            model.current(),
            usize::from(panes.top.width),
            now_ms,
            state.look,
        ),
        state.look,
    );
    match model.current() {
        Some(conversation) => {
            side::contacts(frame, panes.list, model, Some(conversation.id), state.look);
            messages(frame, panes.body, model, conversation, state);
            side::members(frame, panes.members, conversation, model.lang, state.look);
        }
        None => choice(frame, panes.body, model, state),
    }
    for pane in [panes.list, panes.members] {
        rule(frame, pane, panes.body);
    }
    bar(
        frame,
        panes.keys,
        keys(
            model,
            state,
            usize::from(panes.keys.width),
            panes.list.is_empty(),
        ),
        state.look,
    );
    let corner = if panes.keys.is_empty() {
        panes.body
    } else {
        panes.keys
    };
    below(frame, corner, model, state);
    input(frame, panes.input, &prompt, state, model);
    if let Some(over) = &mut state.over {
        over.draw(frame, area, model.lang);
    }
}

/// Divides the terminal. What matters less gives way where there is little room.
fn panes(area: Rect, model: &Model, state: &State, prompt: u16) -> Panes {
    let given = |wanted: u16, least: u16| if area.height >= least { wanted } else { 0 };
    let most = (area.height / 2).max(1);
    let columns = area.width.saturating_sub(prompt);
    let rows = state.input(model).height(columns).min(most);
    let [top, middle, keys, input] = Layout::vertical([
        Constraint::Length(given(1, WITH_TOP)),
        Constraint::Min(1),
        Constraint::Length(given(1, WITH_KEYS)),
        Constraint::Length(rows),
    ])
    .areas(area);
    let conversation = model.current();
    let list = match conversation {
        Some(_) if area.width >= WITH_LIST => (area.width / 5).clamp(16, 26),
        _ => 0,
    };
    let is_room = conversation.is_some_and(|one| !one.members.is_empty());
    let members = if is_room && area.width >= WITH_MEMBERS {
        (area.width / 7).clamp(14, 22)
    } else {
        0
    };
    let gap = |pane: u16| u16::from(pane > 0);
    let [list, _, body, _, members] = Layout::horizontal([
        Constraint::Length(list),
        Constraint::Length(gap(list)),
        Constraint::Min(1),
        Constraint::Length(gap(members)),
        Constraint::Length(members),
    ])
    .areas(middle);
    Panes {
        top,
        list,
        body,
        members,
        keys,
        input,
    }
}

/// A line across the terminal.
fn bar(frame: &mut Frame<'_>, area: Rect, line: Line<'static>, look: Look) {
    frame.buffer_mut().set_style(area, look.bar());
    frame.render_widget(line, area);
}

/// The line between a pane and the messages.
fn rule(frame: &mut Frame<'_>, pane: Rect, body: Rect) {
    if pane.is_empty() {
        return;
    }
    let x = if pane.x < body.x {
        pane.right()
    } else {
        pane.x - 1
    };
    let line = Rect::new(x, pane.y, 1, pane.height);
    let rule = Block::new()
        .borders(Borders::LEFT)
        .border_style(Look::dim());
    frame.render_widget(rule, line);
}

/// What was said, the newest at the bottom.
fn messages(
    frame: &mut Frame<'_>,
    area: Rect,
    model: &Model,
    of: &Conversation,
    state: &mut State,
) {
    let height = usize::from(area.height);
    state.height = height;
    state.columns = usize::from(area.width);
    let (zone, look, traffic) = (state.zone.clone(), state.look, state.traffic);
    let page = Page {
        conversation: of,
        columns: usize::from(area.width),
        look,
        model,
        zone: &zone,
        traffic,
    };
    let scroll = state.scrolls.entry(of.id).or_default();
    let rows = scroll.picture(&page, height);
    let first = area.height.saturating_sub(rows.len() as u16);
    let rows_area = Rect::new(area.x, area.y + first, area.width, area.height - first);
    frame.render_widget(Text::from(rows), rows_area);
}

/// What tells that there is more below: how much of it is new, on the right of `area`'s last row.
fn below(frame: &mut Frame<'_>, area: Rect, model: &Model, state: &State) {
    let Some(of) = model.current() else { return };
    let Some(scroll) = state.scrolls.get(&of.id).filter(|scroll| !scroll.follows()) else {
        return;
    };
    let (text, style) = match scroll.new_below(of) {
        0 => (say::BELOW.get(model.lang).to_owned(), Style::new()),
        n => (
            say::MORE_BELOW.fill(model.lang, &[("n", &n)]),
            state.look.unread(),
        ),
    };
    let width = (wrap::width(&text) as u16).min(area.width);
    let place = Rect::new(area.right() - width, area.bottom() - 1, width, 1);
    frame.render_widget(Clear, place);
    frame.render_widget(Line::styled(text, style.patch(Look::current())), place);
}

/// The contacts, to choose one from.
fn choice(frame: &mut Frame<'_>, area: Rect, model: &Model, state: &State) {
    let lang = model.lang;
    let text = match &state.hint {
        Some(hint) => escape(hint).into_owned(),
        None => say::WITH_WHOM.get(lang).to_owned(),
    };
    let rows = wrapped(&text, usize::from(area.width));
    let head = Rect {
        height: (rows.len() as u16).min(area.height / 2),
        ..area
    };
    frame.render_widget(Text::from(rows).style(Look::bold()), head);
    let list = Rect {
        x: area.x + 1,
        y: area.y + head.height,
        width: (area.width - 1).min(60),
        height: area.height - head.height,
    };
    if model.conversations().is_empty() {
        let text = say::NO_CONTACTS.get(lang);
        frame.render_widget(Text::from(wrapped(text, usize::from(list.width))), list);
    } else {
        side::contacts(frame, list, model, state.marked(model), state.look);
    }
}

/// What keys do, or what there is to say about what was typed, or what asks for attention elsewhere.
fn keys(model: &Model, state: &State, columns: usize, is_alone: bool) -> Line<'static> {
    let lang = model.lang;
    let lines = state.input(model).lines();
    let hint = state.hint.as_ref().filter(|_| model.current().is_some());
    let (text, style) = if let Some(hint) = hint {
        (escape(hint).into_owned(), Look::bold())
    } else if let Some((choices, at)) = state.input(model).choices() {
        return choices_line(choices, at, columns);
    } else if lines > 1 {
        (
            say::SEVERAL_LINES.fill(lang, &[("n", &lines)]),
            Look::bold(),
        )
    } else if let Some(active) = active(model).filter(|_| is_alone && model.current().is_some()) {
        (active, Look::bold())
    } else if model.current().is_none() {
        (say::KEYS_CHOOSING.get(lang).to_owned(), Style::new())
    } else {
        let long = say::KEYS.get(lang);
        let text = if wrap::width(long) + 2 > columns {
            say::KEYS_SHORT.get(lang)
        } else {
            long
        };
        (text.to_owned(), Style::new())
    };
    Line::styled(
        format!(" {}", wrap::shortened(&text, columns.saturating_sub(2))),
        style,
    )
}

/// The choices of Tab, from the one that stands in the line on.
fn choices_line(choices: &[String], at: usize, columns: usize) -> Line<'static> {
    let mut spans = vec![Span::raw(" ")];
    let mut left = columns.saturating_sub(1);
    for (place, choice) in choices
        .iter()
        .enumerate()
        .cycle()
        .skip(at)
        .take(choices.len())
    {
        let choice = escape(choice);
        let width = wrap::width(&choice) + 2;
        if width > left {
            break;
        }
        left -= width;
        let style = if place == at {
            Look::current()
        } else {
            Style::new()
        };
        spans.push(Span::styled(choice.into_owned(), style));
        spans.push(Span::raw("  "));
    }
    Line::from(spans)
}

/// `#tea 3, Tom 1`: where something is new.
fn active(model: &Model) -> Option<String> {
    let active = model.conversations().iter().filter(|one| one.unread > 0);
    let named = active
        .take(ACTIVE)
        .map(|one| format!("{} {}", escape(&one.name), one.unread));
    let named: Vec<String> = named.collect();
    (!named.is_empty()).then(|| format!("Alt-A: {}", named.join(", ")))
}

/// Whom one talks as, or what is asked for.
fn prompt(model: &Model, columns: u16) -> String {
    let name = match model.current() {
        None => say::CHOOSE_PROMPT.get(model.lang).to_owned(),
        Some(conversation) => match conversation.place.server() {
            Some(id) => escape(&model.server(id).nick).into_owned(),
            None => escape(&conversation.name).into_owned(),
        },
    };
    format!("{}> ", wrap::shortened(&name, usize::from(columns / 4)))
}

fn input(frame: &mut Frame<'_>, area: Rect, prompt: &str, state: &State, model: &Model) {
    let width = (wrap::width(prompt) as u16).min(area.width);
    let line = Rect {
        width,
        height: 1.min(area.height),
        ..area
    };
    frame.render_widget(Line::styled(prompt.to_owned(), Look::bold()), line);
    let rest = Rect {
        x: area.x + width,
        width: area.width - width,
        ..area
    };
    state.input(model).draw(frame, rest);
}
