//! The panes beside the messages: contacts and rooms on the left, who is in the room on the right.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span, Text};

use super::look::Look;
use super::wrap;
use crate::catalogue::Lang;
use crate::catalogue::chat_screen as say;
use crate::ui::escape;
use crate::verb::chat::model::{
    Conversation, ConversationId, Model, Person, Place, ServerId, State,
};

/// Counts above it are told as `999+`.
const MOST: usize = 999;

/// One row of the list on the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    /// The head of the contacts.
    Contacts,
    /// A conversation, and which it is of all; a server's own stands as the head of its rooms and
    /// people.
    Talk(ConversationId, usize),
}

/// The rows of the list, in the model's order.
fn rows(model: &Model) -> Vec<Row> {
    let mut rows = vec![];
    for (at, conversation) in model.conversations().iter().enumerate() {
        if at == 0 && !matches!(conversation.place, Place::Server(_)) {
            rows.push(Row::Contacts);
        }
        rows.push(Row::Talk(conversation.id, at + 1));
    }
    rows
}

/// Draws the list around `marked`, the conversation that one is in or that would be opened.
pub(super) fn contacts(
    frame: &mut Frame<'_>,
    area: Rect,
    model: &Model,
    marked: Option<ConversationId>,
    look: Look,
) {
    let rows = rows(model);
    let place = marked.and_then(|id| {
        rows.iter()
            .position(|row| matches!(row, Row::Talk(talk, _) if *talk == id))
    });
    let height = usize::from(area.height);
    // The marked one stands in the middle where not all have room.
    let first = place.unwrap_or(0).saturating_sub(height / 2);
    let first = first.min(rows.len().saturating_sub(height));
    let columns = usize::from(area.width);
    let lines = rows.iter().skip(first).take(height).map(|row| match row {
        Row::Contacts => Line::styled(
            wrap::padded(say::CONTACTS.get(model.lang), columns),
            Look::dim(),
        ),
        Row::Talk(id, number) => {
            let line = talk(model, model.conversation(*id), columns, *number, look);
            if Some(*id) == marked {
                line.style(Look::current())
            } else {
                line
            }
        }
    });
    frame.render_widget(lines.collect::<Text<'_>>(), area);
}

/// `2● name        3`: the number for Alt, how that end stands, what is unread.
fn talk(
    model: &Model,
    of: &Conversation,
    columns: usize,
    number: usize,
    look: Look,
) -> Line<'static> {
    let (dot, dot_style) = dot(model, of, look);
    let is_head = matches!(of.place, Place::Server(_));
    let indent = if number <= 9 {
        number.to_string()
    } else {
        " ".to_owned()
    };
    let count = count(of);
    let room = columns.saturating_sub(wrap::width(&indent) + 2 + wrap::width(&count) + 1);
    let name = wrap::padded(&escape(&of.name), room);
    let style = match (of.mentions, of.unread) {
        (1.., _) => look.mention(),
        (0, 1..) => look.unread(),
        _ if is_head => Look::bold(),
        _ if !of.joined => Look::dim(),
        _ => Style::new(),
    };
    Line::from(vec![
        Span::styled(indent, Look::dim()),
        Span::styled(dot, dot_style),
        Span::raw(" "),
        Span::styled(name, style),
        Span::raw(" "),
        Span::styled(count, style),
    ])
}

/// Whether that end can be reached: ● yes, or away, ○ no, ◌ on the way, · nobody knows.
fn dot(model: &Model, of: &Conversation, look: Look) -> (&'static str, Style) {
    let server = |id: ServerId| match model.server(id).state {
        State::Up => ("●", look.here()),
        State::Dialling | State::Registering | State::Waiting { .. } => ("◌", look.away()),
        State::Off => ("○", Look::dim()),
    };
    match &of.place {
        Place::Server(id) => server(*id),
        Place::Room(..) if of.joined => ("·", Look::dim()),
        Place::Room(..) => ("○", Look::dim()),
        Place::Person(id, nick) => match (&model.server(*id).state, met(model, *id, nick)) {
            (State::Up, Some(person)) if person.away => ("●", look.away()),
            (State::Up, Some(_)) => ("●", look.here()),
            (State::Up, None) => ("·", Look::dim()),
            _ => ("○", Look::dim()),
        },
        Place::Contact(id) if model.contact(*id).peer.is_some() => ("●", look.here()),
        Place::Contact(_) => ("·", Look::dim()),
    }
}

/// Somebody as he is seen in a room where we are too. Of all others nothing is known.
fn met<'m>(model: &'m Model, server: ServerId, nick: &str) -> Option<&'m Person> {
    let folded = nick.to_ascii_lowercase();
    let rooms = model.conversations().iter();
    let mut rooms = rooms.filter(|room| room.place.server() == Some(server));
    rooms.find_map(|room| room.members.get(&folded))
}

/// What is unread, with a mark where somebody means us.
fn count(of: &Conversation) -> String {
    let number = |n: usize| {
        if n > MOST {
            format!("{MOST}+")
        } else {
            n.to_string()
        }
    };
    match (&of.place, of.mentions, of.unread) {
        (_, 0, 0) => String::new(),
        (Place::Room(..), 1.., _) => format!("{}!{}", number(of.unread), number(of.mentions)),
        _ => number(of.unread),
    }
}

/// Draws who is in the room: who has a prefix first, then by name.
pub(super) fn members(
    frame: &mut Frame<'_>,
    area: Rect,
    of: &Conversation,
    lang: Lang,
    look: Look,
) {
    let columns = usize::from(area.width);
    let head = match of.members.len() {
        1 => say::MEMBERS_ONE.get(lang).to_owned(),
        n => say::MEMBERS.fill(lang, &[("n", &n)]),
    };
    let mut lines = vec![Line::styled(wrap::shortened(&head, columns), Look::dim())];
    let room = usize::from(area.height).saturating_sub(1);
    let shown = ranked(of, room);
    let more = of.members.len() - shown.len();
    lines.extend(
        shown
            .into_iter()
            .map(|person| member(person, columns, look)),
    );
    if more > 0 && lines.len() > 1 {
        lines.pop();
        let text = say::AND_MORE.fill(lang, &[("n", &(more + 1))]);
        lines.push(Line::styled(wrap::shortened(&text, columns), Look::dim()));
    }
    frame.render_widget(Text::from(lines), area);
}

/// The first `room` of the members: by the highest prefix, then by name, which is their order in the map.
fn ranked(of: &Conversation, room: usize) -> Vec<&Person> {
    let mut shown: Vec<&Person> = vec![];
    for prefix in ["~", "&", "@", "%", "+"] {
        let has = |person: &&Person| person.prefixes.starts_with(prefix);
        let left = room - shown.len();
        shown.extend(of.members.values().filter(has).take(left));
    }
    let left = room - shown.len();
    let others = of
        .members
        .values()
        .filter(|person| person.prefixes.is_empty());
    shown.extend(others.take(left));
    shown
}

fn member(person: &Person, columns: usize, look: Look) -> Line<'static> {
    let prefix = person.prefixes.chars().next().unwrap_or(' ');
    let nick = escape(&person.nick).into_owned();
    let style = if person.away {
        Look::dim()
    } else {
        look.nick(&nick)
    };
    let name = wrap::shortened(&nick, columns.saturating_sub(1));
    Line::from(vec![
        Span::styled(prefix.to_string(), Look::bold()),
        Span::styled(name, style),
    ])
}
