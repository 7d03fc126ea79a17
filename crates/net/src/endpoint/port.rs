//! Ports: one of them behind a host, in a word of its own, or a range of them for checks.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::error::{EndpointError, shown};
use super::host::{bracketed, host_before_port};
use super::{Endpoint, Host, HostPort, Place, Scheme, split_scheme};
use crate::options::Settings;

/// `HOST:FIRST-LAST`: one TCP or UDP endpoint a port. Only checks take it; elsewhere it is an
/// error, for nobody can hold one conversation with several ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortRange {
    scheme: Scheme,
    host: Host,
    first: u16,
    last: u16,
    settings: Settings,
}

impl PortRange {
    /// The endpoints, by ascending port.
    pub fn endpoints(&self) -> impl Iterator<Item = Endpoint> + '_ {
        (self.first..=self.last).map(|port| {
            let at = HostPort::new(self.host.clone(), port);
            let place = if self.scheme == Scheme::Udp {
                Place::Udp(at)
            } else {
                Place::Tcp(at)
            };
            Endpoint {
                place,
                settings: self.settings.clone(),
            }
        })
    }

    /// Reads a range from the front of a command's words, as [`Endpoint::from_words`] does.
    pub fn from_words(words: &[impl AsRef<str>]) -> Result<(Self, usize), EndpointError> {
        from_words(words)
    }

    /// How many ports; never none.
    pub fn count(&self) -> usize {
        usize::from(self.last - self.first) + 1
    }
}

impl FromStr for PortRange {
    type Err = EndpointError;

    /// Reads `HOST:FIRST-LAST` and `HOST:PORT`, with `tcp://` or `udp://` and options if wished.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = split_scheme(text)?;
        if !matches!(scheme, Scheme::Tcp | Scheme::Udp) {
            return Err(EndpointError::NoPort {
                text: shown(text),
                hint: "HOST:FIRST-LAST".into(),
            });
        }
        let (place, query) = match rest.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (rest, None),
        };
        let (host, ports) = split_port(place)?;
        let host = host_before_port(host, place)?;
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let (Some(first), Some(last)) = (port_number(first), port_number(last)) else {
            return Err(bad_port(place, ports));
        };
        if last < first {
            return Err(EndpointError::BackwardRange { text: shown(place) });
        }
        Ok(Self {
            scheme,
            host,
            first,
            last,
            settings: Settings::from_query(query, scheme)?,
        })
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://{}:{}", self.scheme.name(), self.host, self.first)?;
        if self.last != self.first {
            write!(out, "-{}", self.last)?;
        }
        self.settings.write_query(out, '?')
    }
}

/// Splits at the last colon outside brackets.
pub(super) fn split_port(text: &str) -> Result<(&str, &str), EndpointError> {
    let no_port = || EndpointError::NoPort {
        text: shown(text),
        hint: port_hint(text),
    };
    // `[::1`, `[::1:80`: the bracket is never closed.
    if let Some(open) = text.strip_prefix('[').filter(|_| !text.contains(']')) {
        let hint = match open.rsplit_once(':') {
            Some((host, port))
                if host.parse::<Ipv6Addr>().is_ok() && port_number(port).is_some() =>
            {
                format!("[{host}]:{port}")
            }
            _ if open.parse::<Ipv6Addr>().is_ok() => format!("[{open}]:PORT"),
            _ => "[ADDRESS]:PORT".into(),
        };
        return Err(EndpointError::NeedsBrackets {
            text: shown(text),
            hint,
        });
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(no_port)?;
    // `::1 80`: the second word is the port.
    if text
        .split_whitespace()
        .nth(1)
        .is_some_and(|word| port_number(word).is_some())
    {
        return Err(no_port());
    }
    // The colon lies inside `[::1]`, or the text is `::1` and may be no more than an address.
    if port.ends_with(']') || (text.starts_with('[') && !host.ends_with(']')) {
        return Err(no_port());
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(EndpointError::NeedsBrackets {
            text: shown(text),
            hint: if host.parse::<Ipv6Addr>().is_ok() && port_number(port).is_some() {
                format!("[{host}]:{port} or [{text}]:PORT")
            } else {
                format!("[{text}]:PORT")
            },
        });
    }
    Ok((host, port))
}

pub(super) fn bad_port(text: &str, port: &str) -> EndpointError {
    let text = shown(text);
    match port.find('/') {
        Some(at) if port_number(&port[..at]).is_some() => {
            let rest = shown(&port[at..]);
            EndpointError::Trailing {
                text,
                after: "the port",
                rest,
            }
        }
        _ => EndpointError::BadPort {
            text,
            port: shown(port),
        },
    }
}

/// A port in plain digits; `u16::from_str` alone would take `+80`.
pub(super) fn port_number(text: &str) -> Option<u16> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

/// What the author of a text without a port probably meant.
fn port_hint(text: &str) -> String {
    let mut words = text.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(host), Some(port), None) if port_number(port).is_some() => {
            shown(&format!("{}:{port}", bracketed(host)))
        }
        (Some(port), None, _) if port_number(port).is_some() => format!(":{port} or HOST:{port}"),
        (Some(host), None, _) => shown(&format!("{}:PORT", bracketed(host))),
        _ => "HOST:PORT".into(),
    }
}

/// Reads `T` from one word, or from two where the first lacks the port that the second is.
pub(super) fn from_words<T: FromStr<Err = EndpointError>>(
    words: &[impl AsRef<str>],
) -> Result<(T, usize), EndpointError> {
    let [first, rest @ ..] = words else {
        return Err(EndpointError::Empty);
    };
    let first = first.as_ref();
    let error = match first.parse() {
        Ok(read) => return Ok((read, 1)),
        Err(error) => error,
    };
    let lacks_port = matches!(
        error,
        EndpointError::NoPort { .. } | EndpointError::NeedsBrackets { .. }
    );
    let port = rest
        .first()
        .map(AsRef::as_ref)
        .filter(|port| lacks_port && port.starts_with(|c: char| c.is_ascii_digit()));
    let Some(port) = port else { return Err(error) };
    let joined = match first.split_once("://") {
        Some((scheme, host)) => format!("{scheme}://{}:{port}", bracketed(host)),
        None => format!("{}:{port}", bracketed(first)),
    };
    joined.parse().map(|read| (read, 2))
}
