//! Names of Unix sockets.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use rustix::net::{SocketAddrUnix, SocketType};

use super::error::{EndpointError, shown};
use super::percent;

/// `sun_path` has 108 bytes: a path ends with a NUL, an abstract name begins with one (unix(7)).
const NAME_LIMIT: usize = 107;

/// Which of the three Unix sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnixKind {
    /// `unix:`, a byte stream.
    Stream,
    /// `unix-dgram:`, datagrams.
    Datagram,
    /// `unix-seqpacket:`, connected and in messages.
    Seqpacket,
}

/// The name of a Unix socket. Holds no NUL in a path and never more than `sun_path` takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UnixName {
    /// A file.
    Path(PathBuf),
    /// A name without a file, `@NAME`. An empty one lets the kernel choose (autobind, unix(7)),
    /// as port 0 does elsewhere.
    Abstract(Box<[u8]>),
}

impl UnixKind {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Stream, Self::Datagram, Self::Seqpacket];

    /// The scheme it is written with.
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Stream => "unix",
            Self::Datagram => "unix-dgram",
            Self::Seqpacket => "unix-seqpacket",
        }
    }

    /// The kernel's word for it.
    pub const fn socket_type(self) -> SocketType {
        match self {
            Self::Stream => SocketType::STREAM,
            Self::Datagram => SocketType::DGRAM,
            Self::Seqpacket => SocketType::SEQPACKET,
        }
    }
}

impl UnixName {
    /// Reads `/PATH`, `PATH` or `@NAME`, each also after `//`, percent escapes decoded.
    pub(crate) fn read(text: &str, kind: UnixKind) -> Result<Self, EndpointError> {
        let scheme = kind.scheme();
        let bad = |why| EndpointError::BadUnixName {
            text: shown(&format!("{scheme}:{text}")),
            scheme,
            why,
        };
        let name = match text.strip_prefix("//") {
            Some(name) if name.starts_with(['/', '@']) => name,
            Some(_) => return Err(bad("an absolute path or @NAME follows the two slashes")),
            None => text,
        };
        let too_long = |len| EndpointError::UnixNameTooLong {
            text: shown(text),
            len,
            limit: NAME_LIMIT,
        };
        if let Some(name) = name.strip_prefix('@') {
            let name = percent::decode(name)?;
            return if name.len() > NAME_LIMIT {
                Err(too_long(name.len()))
            } else {
                Ok(Self::Abstract(name.into()))
            };
        }
        let path = percent::decode(name)?;
        match path.len() {
            0 => Err(bad("a Unix socket needs a name")),
            _ if path.contains(&0) => Err(bad("a path holds no NUL byte")),
            len if len > NAME_LIMIT => Err(too_long(len)),
            _ => Ok(Self::Path(OsStr::from_bytes(&path).into())),
        }
    }

    /// As the kernel takes it.
    pub fn address(&self) -> io::Result<SocketAddrUnix> {
        Ok(match self {
            Self::Path(path) => SocketAddrUnix::new(path.as_path())?,
            Self::Abstract(name) if name.is_empty() => SocketAddrUnix::new_unnamed(),
            Self::Abstract(name) => SocketAddrUnix::new_abstract_name(name)?,
        })
    }

    /// From what the kernel gave; nothing for a socket without a name.
    pub fn from_address(address: &SocketAddrUnix) -> Option<Self> {
        // The kernel's answer for an unnamed socket may read as an abstract name of no bytes.
        if let Some(name) = address.abstract_name() {
            return (!name.is_empty()).then(|| Self::Abstract(name.into()));
        }
        // A path that fills `sun_path` comes with its NUL.
        let path = address.path_bytes()?.split(|byte| *byte == 0).next()?;
        let path = (!path.is_empty()).then(|| OsString::from_vec(path.to_vec()))?;
        Some(Self::Path(path.into()))
    }
}

impl fmt::Display for UnixName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const RESERVED: &[char] = &['?', '#', '&'];
        match self {
            Self::Abstract(name) => {
                out.write_str("@")?;
                percent::encode(out, name, RESERVED)
            }
            Self::Path(path) => {
                let path = path.as_os_str().as_bytes();
                // `@x` and `//x` would be read as something else: their first byte is escaped.
                let escaped = match path {
                    [b'@', ..] => "%40",
                    [b'/', b'/', ..] => "%2F",
                    _ => "",
                };
                out.write_str(escaped)?;
                percent::encode(out, &path[usize::from(!escaped.is_empty())..], RESERVED)
            }
        }
    }
}
