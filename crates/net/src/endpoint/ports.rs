//! Ranges of ports, for checks.

use std::fmt;
use std::str::FromStr;

use super::error::{EndpointError, shown};
use super::host::{bad_port, from_words, host_before_port, port_number, split_port};
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
