//! WebSocket places: `ws://HOST:PORT/PATH?QUERY`, `wss://…`.

use std::fmt;

use super::error::{EndpointError, shown};
use super::{HostPort, Place, Scheme};

/// What a WebSocket asks for: a path with its query, as it stands in an HTTP request line (RFC 9112
/// §3.2.1, origin-form). Always begins with a slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WsPath(Box<str>);

impl WsPath {
    /// `/`
    pub fn root() -> Self {
        Self("/".into())
    }

    /// As it stands in a request line.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads what follows the port. What no request line can carry is escaped as a browser would.
    pub(crate) fn read(text: &str) -> Self {
        let slash = if text.starts_with('/') { "" } else { "/" };
        let mut path = String::from(slash);
        for c in text.chars() {
            if c.is_ascii_graphic() && c != '#' {
                path.push(c);
            } else {
                let mut bytes = [0; 4];
                let bytes = c.encode_utf8(&mut bytes).bytes();
                path.extend(bytes.map(|byte| format!("%{byte:02X}")));
            }
        }
        Self(path.into())
    }
}

impl fmt::Display for WsPath {
    /// Prints nothing for `/`, which is what nothing means.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if &*self.0 == "/" { "" } else { &self.0 })
    }
}

/// Reads what follows `ws://` or `wss://`.
pub(super) fn read(scheme: Scheme, text: &str) -> Result<Place, EndpointError> {
    let end = text.find(['/', '?']).unwrap_or(text.len());
    let (at, path) = text.split_at(end);
    let at = at.parse::<HostPort>().map_err(|error| match error {
        EndpointError::NoPort { .. } if !at.is_empty() => EndpointError::NoPort {
            text: shown(text),
            hint: shown(&format!("{}://{at}:PORT{path}", scheme.name())),
        },
        error => error,
    })?;
    Ok(Place::Ws {
        secure: scheme == Scheme::Wss,
        at,
        path: WsPath::read(path),
    })
}
