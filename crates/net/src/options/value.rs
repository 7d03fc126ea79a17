//! Values of options: their types, as text and in memory.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use sockeye_frame::{ByteSize, Framing, SpecError};

use super::address::{BindAddress, Group, Proxy, group};
use super::duration::{parse_duration, show_duration};
use super::secure::{self, Authorities};
use crate::endpoint::{
    EndpointError, Host, HostPort, Interface, Scheme, UnixKind, UnixName, decode_text,
    percent_encode,
};
use crate::trust::Fingerprint;

/// What type of value an option takes, and which values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// On or off; the bare name is on.
    Flag,
    /// A whole number, decimal or hexadecimal with `0x`.
    Number {
        /// The smallest.
        min: u32,
        /// The largest.
        max: u32,
        /// What is counted; empty for a plain number.
        unit: &'static str,
    },
    /// A length of a queue, which the bare name leaves to us.
    Queue {
        /// What the bare name means.
        default: u32,
    },
    /// A number of bytes.
    Size,
    /// A duration in whole seconds.
    Seconds {
        /// The shortest.
        min: u32,
        /// The longest.
        max: u32,
    },
    /// A duration in whole milliseconds, which the kernel keeps in an `int`.
    Millis,
    /// A duration that we measure ourselves.
    Wait,
    /// A word.
    Word,
    /// A network interface.
    Interface,
    /// Our own address.
    Address,
    /// A multicast group.
    Group,
    /// A framing.
    Frame,
    /// A proxy.
    Proxy,
    /// A file.
    File,
    /// Whom to trust to vouch for others.
    Authorities,
    /// A public key.
    Pin,
    /// The name of a server.
    ServerName,
    /// Names of protocols, with commas between them.
    Protocols,
    /// Where a page comes from.
    Origin,
    /// Names of sub-protocols, with commas between them.
    Subprotocols,
}

/// The value of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// On or off.
    Flag(bool),
    /// A number, or a length of a queue.
    Number(u32),
    /// A number of bytes.
    Size(u32),
    /// A duration.
    Duration(Duration),
    /// A word.
    Word(Box<str>),
    /// A network interface.
    Interface(Interface),
    /// Our own address.
    Address(BindAddress),
    /// A multicast group.
    Group(Group),
    /// A framing.
    Frame(Framing),
    /// A proxy.
    Proxy(Proxy),
    /// A file.
    File(PathBuf),
    /// Whom to trust to vouch for others.
    Authorities(Authorities),
    /// A public key.
    Pin(Fingerprint),
    /// A name of a server, of protocols, of an origin, of sub-protocols.
    Text(Box<str>),
}

impl Kind {
    /// Reads the text after `=`, or none when there was no `=`. The error says where it broke and
    /// what is allowed.
    pub(super) fn read(self, text: Option<&str>, scheme: Scheme) -> Result<Value, String> {
        let value = match (self, text) {
            (Self::Flag, None) => Some(Value::Flag(true)),
            (Self::Queue { default }, None) => Some(Value::Number(default)),
            (_, None) => None,
            (_, Some(text)) => self.read_given(text, scheme)?,
        };
        value.ok_or_else(|| format!("allowed is {}", self.allowed()))
    }

    fn read_given(self, raw: &str, scheme: Scheme) -> Result<Option<Value>, String> {
        // A Unix name decodes its own escapes, since they may stand for bytes that are no text.
        if let (Self::Address, Some(kind)) = (self, unix_kind(scheme)) {
            let name = UnixName::read(raw, kind).map_err(|error| self.because(&error))?;
            return Ok(Some(Value::Address(BindAddress::Unix(name))));
        }
        let text = decode_text(raw).map_err(|error| self.because(&error))?;
        let text = text.as_str();
        Ok(match self {
            Self::Flag => flag(text).map(Value::Flag),
            Self::Number { min, max, .. } => number(text)
                .filter(|n| (min..=max).contains(n))
                .map(Value::Number),
            Self::Queue { default } => match flag(text) {
                Some(true) if text == "on" => Some(Value::Number(default)),
                Some(false) => Some(Value::Number(0)),
                _ => number(text).filter(|n| *n <= INT_MAX).map(Value::Number),
            },
            Self::Size => {
                let size = text
                    .parse()
                    .ok()
                    .and_then(|ByteSize(size)| u32::try_from(size).ok());
                size.filter(|size| *size <= INT_MAX).map(Value::Size)
            }
            Self::Seconds { min, max } => parse_duration(text)
                .filter(|d| d.subsec_nanos() == 0)
                .filter(|d| (u64::from(min)..=u64::from(max)).contains(&d.as_secs()))
                .map(Value::Duration),
            Self::Millis => parse_duration(text)
                .filter(|d| d.subsec_nanos() % 1_000_000 == 0)
                .filter(|d| d.as_millis() <= u128::from(INT_MAX))
                .map(Value::Duration),
            Self::Wait => parse_duration(text).map(Value::Duration),
            Self::Word => word(text).map(Value::Word),
            Self::Frame => Some(Value::Frame(
                text.parse().map_err(|error: SpecError| error.to_string())?,
            )),
            Self::Interface => Some(Value::Interface(
                text.parse().map_err(|error| self.because(&error))?,
            )),
            Self::Address => Some(Value::Address(self.inet(text, scheme)?)),
            Self::Group => group(text).map(Value::Group),
            Self::Proxy => Some(Value::Proxy(
                text.parse().map_err(|error| self.because(&error))?,
            )),
            Self::File => (!text.is_empty()).then(|| Value::File(text.into())),
            Self::Authorities => secure::authorities(text).map(Value::Authorities),
            Self::Pin => text.parse().ok().map(Value::Pin),
            Self::ServerName => {
                let name = text.parse().map_err(|error| self.because(&error))?;
                matches!(name, Host::Name(_)).then(|| Value::Text(text.into()))
            }
            Self::Protocols => secure::protocols(text).map(Value::Text),
            Self::Origin => secure::origin(text).map(Value::Text),
            Self::Subprotocols => secure::subprotocols(text).map(Value::Text),
        })
    }

    /// A port may be left out, and on raw sockets there is none.
    fn inet(self, text: &str, scheme: Scheme) -> Result<BindAddress, String> {
        let address = match text.parse::<Host>() {
            Ok(host) => Ok(HostPort::new(host, 0)),
            Err(_) if scheme == Scheme::Ip => {
                return Err("allowed is HOST, for a raw socket has no port".into());
            }
            Err(_) => text.parse(),
        };
        address
            .map(BindAddress::Inet)
            .map_err(|error| self.because(&error))
    }

    fn because(self, error: &EndpointError) -> String {
        format!("{error}; allowed is {}", self.allowed())
    }

    /// What is allowed, in words.
    pub fn allowed(self) -> String {
        match self {
            Self::Flag => "1, 0, on or off".into(),
            Self::Number { min, max, unit: "" } => format!("a number from {min} to {max}"),
            Self::Number { min, max, unit } => format!("{min} to {max} {unit}"),
            Self::Queue { .. } => format!("a length from 0 to {INT_MAX}, on or off"),
            Self::Size => "a size up to 2147483647 bytes, such as 64KiB".into(),
            Self::Seconds { min, max } => format!("whole seconds from {min}s to {max}s"),
            Self::Millis => "whole milliseconds up to 2147483647ms".into(),
            Self::Wait => "a duration such as 500ms, 2s or 1m".into(),
            Self::Word => "a word of letters, digits, - and _".into(),
            Self::Interface => "an interface's name or index".into(),
            Self::Address => "HOST, HOST:PORT or :PORT (for Unix sockets /PATH or @NAME)".into(),
            Self::Group => "a multicast address, also with @INTERFACE".into(),
            Self::Frame => "a framing such as line or u32be".into(),
            Self::Proxy => "socks5://HOST:PORT or http://HOST:PORT, also with USER@".into(),
            Self::File => "the name of a file".into(),
            Self::Authorities => "system or a PEM file".into(),
            Self::Pin => "a key as SHA256: and 43 letters of base64".into(),
            Self::ServerName => "a host name".into(),
            Self::Protocols => "protocol names such as h2,http/1.1".into(),
            Self::Origin => "an origin such as https://example.org, or null".into(),
            Self::Subprotocols => "names such as binary.ircv3.net,text.ircv3.net".into(),
        }
    }
}

/// What the kernel's `int` holds.
pub(super) const INT_MAX: u32 = i32::MAX.unsigned_abs();

fn unix_kind(scheme: Scheme) -> Option<UnixKind> {
    UnixKind::ALL
        .into_iter()
        .find(|kind| kind.scheme() == scheme.name())
}

fn flag(text: &str) -> Option<bool> {
    match text {
        "1" | "on" => Some(true),
        "0" | "off" => Some(false),
        _ => None,
    }
}

fn number(text: &str) -> Option<u32> {
    let (digits, radix) = text.strip_prefix("0x").map_or((text, 10), |hex| (hex, 16));
    let is_digits = digits.chars().all(|c| c.is_digit(radix));
    is_digits
        .then(|| u32::from_str_radix(digits, radix).ok())
        .flatten()
}

fn word(text: &str) -> Option<Box<str>> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (!text.is_empty() && text.chars().all(is_word)).then(|| text.into())
}

impl fmt::Display for Value {
    /// The value for people; in an endpoint it is escaped besides.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(on) => u8::from(*on).fmt(out),
            Self::Number(number) => number.fmt(out),
            Self::Size(bytes) => ByteSize(u64::from(*bytes)).fmt(out),
            Self::Duration(duration) => out.write_str(&show_duration(*duration)),
            Self::Word(text) | Self::Text(text) => out.write_str(text),
            Self::Frame(framing) => framing.fmt(out),
            Self::Interface(interface) => interface.fmt(out),
            Self::Address(address) => address.fmt(out),
            Self::Group(group) => group.fmt(out),
            Self::Proxy(proxy) => proxy.fmt(out),
            Self::File(path) => path.display().fmt(out),
            Self::Authorities(from) => from.fmt(out),
            Self::Pin(key) => key.fmt(out),
        }
    }
}

impl Value {
    /// As it stands in an endpoint.
    pub(super) fn write_escaped(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A Unix name has escaped itself.
            Self::Address(BindAddress::Unix(name)) => fmt::Display::fmt(name, out),
            other => percent_encode(out, other.to_string().as_bytes(), &['&', '#']),
        }
    }
}
