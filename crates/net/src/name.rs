//! Names of sockets: who is at either end of a connection.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, RawFd};

use rustix::net::{SocketAddrAny, SocketAddrUnix};

use crate::endpoint::{CommandLine, HostPort, RawPlace, RawProtocol, UnixKind, UnixName, WsPath};
use crate::sockopt::SockOpt;
use crate::trust::Fingerprint;

const PEERCRED: SockOpt = SockOpt::new(libc::SOL_SOCKET, libc::SO_PEERCRED);
/// What the kernel reports as the peer's uid while there is no peer.
const NOBODY_YET: libc::uid_t = libc::uid_t::MAX;

/// The name of one end of a connection, printed as an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Name {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A TCP address that speaks TLS.
    Tls(SocketAddr),
    /// A UDP address that speaks QUIC.
    Quic(SocketAddr),
    /// A TCP address that speaks WebSocket. In a box, because a connection holds its peer's name and
    /// nearly none is this one.
    Ws(Box<WsName>),
    /// A UDP address.
    Udp(SocketAddr),
    /// A Unix socket, which may have no name.
    Unix {
        /// Which of the three.
        kind: UnixKind,
        /// A file or an abstract name.
        name: Option<UnixName>,
    },
    /// An address of raw IP; its port is always 0.
    Ip {
        /// The address.
        address: SocketAddr,
        /// What the socket carries.
        protocol: RawProtocol,
    },
    /// Our own standard input and output.
    Stdio,
    /// A program that we run.
    Exec(CommandLine),
    /// A descriptor that is no socket, such as a pipe.
    Fd(RawFd),
}

/// One end of a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WsName {
    /// Over TLS: `wss`.
    pub secure: bool,
    /// The TCP address.
    pub address: SocketAddr,
    /// What was asked for there; `/` where the name is a client's.
    pub path: WsPath,
}

/// Who is at the other end: its name, for Unix sockets its process, for secure links its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Its name.
    pub name: Name,
    /// The process that made the connection, when the kernel says so; none where it lives in
    /// another pid namespace.
    pub pid: Option<u32>,
    /// The user it ran as at that moment (`SO_PEERCRED`, unix(7)).
    pub uid: Option<u32>,
    /// The key whose possession the handshake of this very connection has proved; a peer need not
    /// show one. What the key may do is for the service to look up, each time.
    pub key: Option<Fingerprint>,
}

impl Name {
    /// A TCP address; an IPv4 address that came through a dual-stack socket is shown as IPv4.
    pub fn tcp(address: SocketAddr) -> Self {
        Self::Tcp(plain(address))
    }

    /// A TCP address that speaks TLS, mapped like a bare one.
    pub fn tls(address: SocketAddr) -> Self {
        Self::Tls(plain(address))
    }

    /// A UDP address that speaks QUIC, mapped like a TCP one.
    pub fn quic(address: SocketAddr) -> Self {
        Self::Quic(plain(address))
    }

    /// An end of a WebSocket, mapped like a TCP one.
    pub fn ws(secure: bool, address: SocketAddr, path: WsPath) -> Self {
        let address = plain(address);
        Self::Ws(Box::new(WsName {
            secure,
            address,
            path,
        }))
    }

    /// A UDP address, mapped like a TCP one.
    pub fn udp(address: SocketAddr) -> Self {
        Self::Udp(plain(address))
    }

    /// A Unix address as the kernel gave it.
    pub fn unix(kind: UnixKind, address: &SocketAddrUnix) -> Self {
        Self::Unix {
            kind,
            name: UnixName::from_address(address),
        }
    }

    /// The Unix name in what getsockname(2), getpeername(2) or recvfrom(2) gave.
    pub fn unix_any(kind: UnixKind, address: Option<&SocketAddrAny>) -> Self {
        let unix = address.and_then(|any| SocketAddrUnix::try_from(any.clone()).ok());
        Self::Unix {
            kind,
            name: unix.as_ref().and_then(UnixName::from_address),
        }
    }

    /// The internet address, where there is one.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address)
            | Self::Tls(address)
            | Self::Quic(address)
            | Self::Udp(address)
            | Self::Ip { address, .. } => Some(*address),
            Self::Ws(name) => Some(name.address),
            _ => None,
        }
    }
}

/// `::ffff:192.0.2.1` is how IPv4 appears on an IPv6 socket (RFC 4291 §2.5.5.2).
fn plain(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => SocketAddr::from((v4, address.port())),
        IpAddr::V6(_) => address,
    }
}

impl fmt::Display for Name {
    /// Prints an endpoint; only a Unix socket without a name, `unix:`, cannot be dialled.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(out, "tcp://{}", HostPort::from(*address)),
            Self::Tls(address) => write!(out, "tls://{}", HostPort::from(*address)),
            Self::Quic(address) => write!(out, "quic://{}", HostPort::from(*address)),
            Self::Ws(name) => {
                let WsName {
                    secure,
                    address,
                    path,
                } = &**name;
                let scheme = if *secure { "wss" } else { "ws" };
                write!(out, "{scheme}://{}{path}", HostPort::from(*address))
            }
            Self::Udp(address) => write!(out, "udp://{}", HostPort::from(*address)),
            Self::Unix {
                kind,
                name: Some(name),
            } => write!(out, "{}:{name}", kind.scheme()),
            Self::Unix { kind, name: None } => write!(out, "{}:", kind.scheme()),
            Self::Ip { address, protocol } => {
                let HostPort { host, .. } = HostPort::from(plain(*address));
                RawPlace {
                    host,
                    protocol: *protocol,
                }
                .fmt(out)
            }
            Self::Stdio => out.write_str("stdio:"),
            Self::Exec(line) => write!(out, "exec:{line}"),
            Self::Fd(fd) => write!(out, "fd:{fd}"),
        }
    }
}

impl Peer {
    /// The process at the other end of a connected Unix socket; `name` alone where the kernel
    /// knows no more.
    pub fn with_credentials(name: Name, socket: impl AsFd) -> Self {
        let found = PEERCRED
            .get::<libc::ucred>(socket)
            .ok()
            .map(|(ucred, _)| ucred);
        Self {
            name,
            pid: found
                .and_then(|ucred| u32::try_from(ucred.pid).ok())
                .filter(|pid| *pid != 0),
            uid: found
                .map(|ucred| ucred.uid)
                .filter(|uid| *uid != NOBODY_YET),
            key: None,
        }
    }

    /// The same with the key that it has proved to hold.
    #[must_use]
    pub(crate) fn with_key(self, key: Option<Fingerprint>) -> Self {
        Self { key, ..self }
    }
}

impl From<Name> for Peer {
    fn from(name: Name) -> Self {
        Self {
            name,
            pid: None,
            uid: None,
            key: None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(out)?;
        match (self.pid, self.uid) {
            (Some(pid), Some(uid)) => write!(out, " (pid {pid}, uid {uid})"),
            (None, Some(uid)) => write!(out, " (uid {uid})"),
            (Some(pid), None) => write!(out, " (pid {pid})"),
            (None, None) => match &self.key {
                Some(key) => write!(out, " ({key})"),
                None => Ok(()),
            },
        }
    }
}
