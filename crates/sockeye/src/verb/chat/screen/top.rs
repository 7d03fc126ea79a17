//! The line above the messages: where one is, what it is about, how it stands with the server.

use ratatui::text::{Line, Span};

use super::look::Look;
use super::wrap;
use crate::catalogue::Lang;
use crate::catalogue::chat_screen as say;
use crate::ui::escape;
use crate::verb::chat::model::{Conversation, Model, Server, State};

/// The line, in so many columns.
pub(super) fn line(
    model: &Model,
    of: Option<&Conversation>,
    columns: usize,
    now_ms: u64,
    look: Look,
) -> Line<'static> {
    let Some(of) = of else {
        return choosing(model, columns, now_ms, look);
    };
    let server = of.place.server().map(|id| model.server(id));
    let (state, style) = match server {
        Some(server) => (state(server, now_ms, model.lang), state_style(server, look)),
        None => (peer(model, of), Look::dim()),
    };
    let state = wrap::shortened(&state, columns / 2);
    let name = wrap::shortened(&escape(&of.name), columns / 3);
    let topic = of.topic.as_deref().map(escape).unwrap_or_default();
    let room = columns.saturating_sub(wrap::width(&name) + wrap::width(&state) + 5);
    Line::from(vec![
        Span::raw(" "),
        Span::styled(name, Look::bold()),
        Span::raw("  "),
        Span::raw(wrap::padded(&topic, room)),
        Span::raw(" "),
        Span::styled(state, style),
        Span::raw(" "),
    ])
}

/// While a contact is chosen: all servers.
fn choosing(model: &Model, columns: usize, now_ms: u64, look: Look) -> Line<'static> {
    let mut spans = vec![Span::raw(" "), Span::styled("sockeye chat", Look::bold())];
    let mut left = columns.saturating_sub(13);
    for server in model.servers() {
        let name = escape(&server.setup.name).into_owned();
        let text = format!("  {name}: {}", state(server, now_ms, model.lang));
        let text = wrap::shortened(&text, left);
        left = left.saturating_sub(wrap::width(&text));
        spans.push(Span::styled(text, state_style(server, look)));
    }
    Line::from(spans)
}

/// A plain peer's address.
fn peer(model: &Model, of: &Conversation) -> String {
    let crate::verb::chat::model::Place::Contact(id) = of.place else {
        return String::new();
    };
    let contact = model.contact(id);
    let peer = contact
        .peer
        .as_deref()
        .map(|peer| escape(peer).into_owned());
    peer.unwrap_or_else(|| say::STOPPED.get(model.lang).to_owned())
}

/// How it stands with a server, in words.
fn state(server: &Server, now_ms: u64, lang: Lang) -> String {
    let words = match server.state {
        State::Up => {
            let nick = escape(&server.nick);
            return match &server.away {
                Some(_) => say::UP_AWAY.fill(lang, &[("nick", &nick)]),
                None => say::UP.fill(lang, &[("nick", &nick)]),
            };
        }
        State::Dialling | State::Registering => say::CONNECTING.get(lang).to_owned(),
        State::Waiting { until_ms } => {
            let left = until_ms.saturating_sub(now_ms).div_ceil(1000);
            say::RECONNECTING.fill(lang, &[("seconds", &left)])
        }
        State::Off => say::STOPPED.get(lang).to_owned(),
    };
    match &server.trouble {
        Some(why) => format!("{words} ({})", escape(why)),
        None => words,
    }
}

fn state_style(server: &Server, look: Look) -> ratatui::style::Style {
    match server.state {
        State::Up => look.here(),
        State::Off => look.wrong(),
        _ => look.away(),
    }
}

/// When the line would read differently, in milliseconds since 1970, if nothing else happens: the
/// next second that is counted down.
pub(super) fn next_change(model: &Model, now_ms: u64) -> Option<u64> {
    let waits = model
        .servers()
        .iter()
        .filter_map(|server| match server.state {
            State::Waiting { until_ms } if until_ms > now_ms => {
                Some((until_ms - now_ms - 1) % 1000 + 1)
            }
            _ => None,
        });
    waits.min().map(|after| now_ms + after)
}
