//! Endpoints: a place and its settings, written as one URL.
//!
//! One grammar serves listening and dialling; the command decides which. docs/endpoints.md has
//! the whole of it with examples. `Display` prints what `FromStr` reads.

mod command;
mod error;
mod host;
mod interface;
mod percent;
mod port;
mod raw;
#[cfg(test)]
mod tests;
mod unix;
mod websocket;

use std::fmt;
use std::os::fd::RawFd;
use std::str::FromStr;

pub use command::CommandLine;
pub use error::EndpointError;
pub(crate) use error::shown;
pub use host::{Host, HostName, HostPort};
pub use interface::Interface;
pub(crate) use percent::{decode_text, encode as percent_encode};
pub use port::PortRange;
pub use raw::{RawPlace, RawProtocol};
pub use unix::{UnixKind, UnixName};
pub use websocket::WsPath;

use crate::options::Settings;

/// Where to listen or whom to dial, and with which settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The place.
    pub place: Place,
    /// What rides in the query.
    pub settings: Settings,
}

/// A place: what remains of an endpoint without its options.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// `tcp://HOST:PORT`, or short `HOST:PORT`.
    Tcp(HostPort),
    /// `tls://HOST:PORT`: TLS over TCP.
    Tls(HostPort),
    /// `quic://HOST:PORT`.
    Quic(HostPort),
    /// `ws://HOST:PORT/PATH`, `wss://HOST:PORT/PATH`.
    Ws {
        /// Over TLS: `wss`.
        secure: bool,
        /// Host and port.
        at: HostPort,
        /// What is asked for there.
        path: WsPath,
    },
    /// `udp://HOST:PORT`.
    Udp(HostPort),
    /// `unix:/PATH`, `unix-dgram:/PATH`, `unix-seqpacket:/PATH`, each also with `@NAME`.
    Unix {
        /// Which of the three.
        kind: UnixKind,
        /// A file or an abstract name.
        name: UnixName,
    },
    /// `ip://HOST?proto=N`, a raw socket.
    Ip(RawPlace),
    /// `stdio:` or `-`: our own standard input and output.
    Stdio,
    /// `exec:COMMAND LINE`: the standard input and output of a program.
    Exec(CommandLine),
    /// `fd:N`: a descriptor that we inherited.
    Fd(RawFd),
}

/// What kind of socket a place is, which decides what options fit it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Scheme {
    /// `tcp://`
    Tcp,
    /// `tls://`
    Tls,
    /// `quic://`
    Quic,
    /// `ws://`
    Ws,
    /// `wss://`
    Wss,
    /// `udp://`
    Udp,
    /// `unix:`
    Unix,
    /// `unix-dgram:`
    UnixDgram,
    /// `unix-seqpacket:`
    UnixSeqpacket,
    /// `ip://`
    Ip,
    /// `stdio:`
    Stdio,
    /// `exec:`
    Exec,
    /// `fd:`
    Fd,
}

impl Scheme {
    /// All of them, in the order in which the documents list them.
    pub const ALL: [Self; 13] = [
        Self::Tcp,
        Self::Tls,
        Self::Quic,
        Self::Ws,
        Self::Wss,
        Self::Udp,
        Self::Unix,
        Self::UnixDgram,
        Self::UnixSeqpacket,
        Self::Ip,
        Self::Stdio,
        Self::Exec,
        Self::Fd,
    ];

    /// The word before the colon.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Quic => "quic",
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Udp => "udp",
            Self::Unix => "unix",
            Self::UnixDgram => "unix-dgram",
            Self::UnixSeqpacket => "unix-seqpacket",
            Self::Ip => "ip",
            Self::Stdio => "stdio",
            Self::Exec => "exec",
            Self::Fd => "fd",
        }
    }

    /// Whether what crosses it is messages already. No framing applies to them; only a WebSocket's
    /// may be taken as bytes laid end to end, which is what a framing written for it means.
    pub const fn is_messages(self) -> bool {
        matches!(
            self,
            Self::Udp | Self::UnixDgram | Self::UnixSeqpacket | Self::Ip | Self::Ws | Self::Wss
        )
    }

    /// Whether it is a WebSocket.
    pub const fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// Whether a TCP connection carries it.
    pub const fn is_over_tcp(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls | Self::Ws | Self::Wss)
    }

    /// Whether the handshake may prove the keys of both ends.
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Quic | Self::Wss)
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.name().eq_ignore_ascii_case(name))
    }

    /// Whether a host follows, after two slashes.
    const fn has_host(self) -> bool {
        self.is_over_tcp() || matches!(self, Self::Quic | Self::Udp | Self::Ip)
    }
}

impl Place {
    /// Host and port, where there are both.
    pub const fn host_port(&self) -> Option<&HostPort> {
        match self {
            Self::Tcp(at)
            | Self::Tls(at)
            | Self::Quic(at)
            | Self::Ws { at, .. }
            | Self::Udp(at) => Some(at),
            _ => None,
        }
    }

    /// The scheme it is written with.
    pub const fn scheme(&self) -> Scheme {
        match self {
            Self::Tcp(_) => Scheme::Tcp,
            Self::Tls(_) => Scheme::Tls,
            Self::Quic(_) => Scheme::Quic,
            Self::Ws { secure: false, .. } => Scheme::Ws,
            Self::Ws { secure: true, .. } => Scheme::Wss,
            Self::Udp(_) => Scheme::Udp,
            Self::Unix {
                kind: UnixKind::Stream,
                ..
            } => Scheme::Unix,
            Self::Unix {
                kind: UnixKind::Datagram,
                ..
            } => Scheme::UnixDgram,
            Self::Unix {
                kind: UnixKind::Seqpacket,
                ..
            } => Scheme::UnixSeqpacket,
            Self::Ip(_) => Scheme::Ip,
            Self::Stdio => Scheme::Stdio,
            Self::Exec(_) => Scheme::Exec,
            Self::Fd(_) => Scheme::Fd,
        }
    }
}

impl From<Place> for Endpoint {
    /// The place with no settings.
    fn from(place: Place) -> Self {
        Self {
            place,
            settings: Settings::default(),
        }
    }
}

impl Endpoint {
    /// Reads an endpoint from the front of a command's words: one of them, or two where they are
    /// `host 80`, as users of nc type it. Returns how many words were taken.
    pub fn from_words(words: &[impl AsRef<str>]) -> Result<(Self, usize), EndpointError> {
        port::from_words(words)
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = split_scheme(text)?;
        if scheme == Scheme::Exec {
            let (line, query) = CommandLine::read(rest)?;
            let settings = Settings::from_query(query, scheme)?;
            return Ok(Self {
                place: Place::Exec(line),
                settings,
            });
        }
        // A question mark is HTTP's own.
        let mark = match scheme {
            Scheme::Ws | Scheme::Wss => '#',
            _ => '?',
        };
        let (rest, query) = match rest.split_once(mark) {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let place = match scheme {
            Scheme::Tcp => Place::Tcp(rest.parse()?),
            Scheme::Tls => Place::Tls(rest.parse()?),
            Scheme::Quic => Place::Quic(rest.parse()?),
            Scheme::Ws | Scheme::Wss => websocket::read(scheme, rest)?,
            Scheme::Udp => Place::Udp(rest.parse()?),
            Scheme::Unix => unix(UnixKind::Stream, rest)?,
            Scheme::UnixDgram => unix(UnixKind::Datagram, rest)?,
            Scheme::UnixSeqpacket => unix(UnixKind::Seqpacket, rest)?,
            Scheme::Ip => return raw::read(text, rest, query),
            Scheme::Stdio if rest.is_empty() => Place::Stdio,
            Scheme::Stdio => {
                let (text, rest) = (shown(text), shown(rest));
                return Err(EndpointError::Trailing {
                    text,
                    after: "stdio:",
                    rest,
                });
            }
            Scheme::Fd => Place::Fd(descriptor(rest)?),
            Scheme::Exec => unreachable!("a command line was read above"),
        };
        Ok(Self {
            place,
            settings: Settings::from_query(query, scheme)?,
        })
    }
}

/// Splits the scheme off; a text without one is `HOST:PORT` and means TCP.
fn split_scheme(text: &str) -> Result<(Scheme, &str), EndpointError> {
    if text.is_empty() {
        return Err(EndpointError::Empty);
    }
    if let Some(rest) = text
        .strip_prefix('-')
        .filter(|rest| rest.is_empty() || rest.starts_with('?'))
    {
        return Ok((Scheme::Stdio, rest));
    }
    let Some((name, rest)) = text.split_once(':') else {
        return Ok((Scheme::Tcp, text));
    };
    match Scheme::from_name(name) {
        Some(scheme) if scheme.has_host() => match rest.strip_prefix("//") {
            Some(rest) => Ok((scheme, rest)),
            None => Err(EndpointError::NeedsSlashes {
                text: shown(text),
                scheme: scheme.name(),
            }),
        },
        Some(scheme) => Ok((scheme, rest)),
        None if rest.starts_with('/') => Err(EndpointError::UnknownScheme {
            scheme: shown(name),
        }),
        None => Ok((Scheme::Tcp, text)),
    }
}

fn unix(kind: UnixKind, text: &str) -> Result<Place, EndpointError> {
    Ok(Place::Unix {
        kind,
        name: UnixName::read(text, kind)?,
    })
}

fn descriptor(text: &str) -> Result<RawFd, EndpointError> {
    let is_digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let fd = is_digits.then(|| text.parse().ok()).flatten();
    fd.ok_or_else(|| EndpointError::BadFd { text: shown(text) })
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(place) => write!(out, "tcp://{place}"),
            Self::Tls(place) => write!(out, "tls://{place}"),
            Self::Quic(place) => write!(out, "quic://{place}"),
            Self::Ws { at, path, .. } => write!(out, "{}://{at}{path}", self.scheme().name()),
            Self::Udp(place) => write!(out, "udp://{place}"),
            Self::Unix { kind, name } => write!(out, "{}:{name}", kind.scheme()),
            Self::Ip(place) => place.fmt(out),
            Self::Stdio => out.write_str("stdio:"),
            Self::Exec(line) => write!(out, "exec:{line}"),
            Self::Fd(fd) => write!(out, "fd:{fd}"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(out)?;
        // A raw place ends with `?proto=` already.
        let mark = match self.place {
            Place::Ip(_) => '&',
            Place::Ws { .. } => '#',
            _ => '?',
        };
        self.settings.write_query(out, mark)
    }
}
