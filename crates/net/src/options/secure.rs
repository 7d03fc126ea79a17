//! Values of the options for TLS and WebSocket.

use std::fmt;
use std::path::PathBuf;

/// The longest name of a protocol, in bytes (RFC 7301 §3.1: one byte holds its length).
const PROTOCOL_LIMIT: usize = 255;

/// Whom to trust to vouch for others: `ca=`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Authorities {
    /// The certificate authorities that this machine trusts.
    System,
    /// Those of a PEM file.
    File(PathBuf),
}

impl fmt::Display for Authorities {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => out.write_str("system"),
            Self::File(path) => path.display().fmt(out),
        }
    }
}

/// Reads `system` or the name of a file; a file of that very name is `./system`.
pub(super) fn authorities(text: &str) -> Option<Authorities> {
    match text {
        "" => None,
        "system" => Some(Authorities::System),
        path => Some(Authorities::File(path.into())),
    }
}

/// Reads names of protocols with commas between them.
pub(super) fn protocols(text: &str) -> Option<Box<str>> {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.len() <= PROTOCOL_LIMIT
            && name.bytes().all(|byte| byte.is_ascii_graphic())
    };
    text.split(',').all(is_name).then(|| text.into())
}

/// Reads names of sub-protocols with commas between them: tokens (RFC 6455, section 4.1; RFC 9110,
/// section 5.6.2), each once.
pub(super) fn subprotocols(text: &str) -> Option<Box<str>> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let names: Vec<_> = text.split(',').collect();
    let are_names = names.iter().enumerate().all(|(at, name)| {
        !name.is_empty()
            && name.len() <= PROTOCOL_LIMIT
            && name.bytes().all(is_token)
            && !names[..at].contains(name)
    });
    are_names.then(|| text.into())
}

/// Reads an origin as browsers write it: scheme and host, a port if it is no usual one, or `null`
/// (RFC 6454 §6.2).
pub(super) fn origin(text: &str) -> Option<Box<str>> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase();
    let is_origin = text == "null"
        || text.split_once("://").is_some_and(|(scheme, host)| {
            !scheme.is_empty() && !host.is_empty() && !host.contains(['/', '?', '#', '@'])
        });
    (is_origin && text.bytes().all(is_plain)).then(|| text.into())
}
