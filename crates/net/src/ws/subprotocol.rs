//! Sub-protocols: what the messages of a WebSocket mean, agreed on in its handshake (RFC 6455,
//! sections 1.9 and 4).

use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue, header};

/// Of which kind a message is: RFC 6455, section 5.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Binary,
}

impl Kind {
    /// The kind in which a sub-protocol speaks, if it says so: IRC has one for each
    /// (<https://ircv3.net/specs/extensions/websocket>).
    pub(super) fn of_subprotocol(name: &str) -> Option<Self> {
        match name {
            "text.ircv3.net" => Some(Self::Text),
            "binary.ircv3.net" => Some(Self::Binary),
            _ => None,
        }
    }
}

/// What a server speaks with a client: the first of what the client offers that is among `ours`.
pub(super) fn choose(headers: &HeaderMap, ours: &[Box<str>]) -> Option<Box<str>> {
    let choice = named(headers).find(|name| ours.iter().any(|our| **our == **name));
    choice.map(Into::into)
}

/// What the server has chosen of what we have `offered`; it may choose nothing.
pub(super) fn agreed(
    headers: &HeaderMap,
    offered: &[&str],
) -> Result<Option<Box<str>>, &'static str> {
    if !headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        return Ok(None);
    }
    let mut chosen = named(headers);
    match (chosen.next(), chosen.next()) {
        (Some(name), None) if offered.contains(&name) => Ok(Some(name.into())),
        _ if offered.is_empty() => Err("the server chose a sub-protocol although none was offered"),
        (Some(_), None) => Err("the server chose a sub-protocol that was not offered"),
        _ => Err("the server did not choose one sub-protocol"),
    }
}

/// The names in a header, in however many lines they stand.
fn named(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value: &HeaderValue| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
}
