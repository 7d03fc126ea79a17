//! What the kernel tells of an open descriptor, beside its options.

use std::ffi::c_int;
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;
use rustix::net::{SocketAddrAny, SocketAddrUnix};

use crate::endpoint::{RawProtocol, Scheme, UnixKind};
use crate::name::{Name, Peer};
use crate::options::show_duration;
use crate::sockopt::SockOpt;

const SO_DOMAIN: SockOpt = SockOpt::new(libc::SOL_SOCKET, libc::SO_DOMAIN);
const SO_TYPE: SockOpt = SockOpt::new(libc::SOL_SOCKET, libc::SO_TYPE);
const SO_PROTOCOL: SockOpt = SockOpt::new(libc::SOL_SOCKET, libc::SO_PROTOCOL);
const SO_ACCEPTCONN: SockOpt = SockOpt::new(libc::SOL_SOCKET, libc::SO_ACCEPTCONN);
const SO_RCVTIMEO: SockOpt = SockOpt::new(libc::SOL_SOCKET, libc::SO_RCVTIMEO);
const SO_SNDTIMEO: SockOpt = SockOpt::new(libc::SOL_SOCKET, libc::SO_SNDTIMEO);
const SO_MEMINFO: SockOpt = SockOpt::new(libc::SOL_SOCKET, libc::SO_MEMINFO);
const TCP_INFO: SockOpt = SockOpt::new(libc::IPPROTO_TCP, libc::TCP_INFO);

/// The states of `struct tcp_info`, from include/net/tcp_states.h.
const STATES: [&str; 13] = [
    "",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSED",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
];

/// What kind of socket a descriptor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SocketKind {
    domain: c_int,
    kind: c_int,
    protocol: c_int,
}

impl SocketKind {
    /// Nothing for what is no socket.
    pub(super) fn of(fd: BorrowedFd<'_>) -> io::Result<Option<Self>> {
        let domain = match SO_DOMAIN.int(fd) {
            Err(error) if error.raw_os_error() == Some(libc::ENOTSOCK) => return Ok(None),
            other => other?,
        };
        Ok(Some(Self {
            domain,
            kind: SO_TYPE.int(fd)?,
            protocol: SO_PROTOCOL.int(fd)?,
        }))
    }

    /// The scheme of endpoints that open such sockets.
    pub(super) fn scheme(self) -> Option<Scheme> {
        let is_inet = matches!(self.domain, libc::AF_INET | libc::AF_INET6);
        match (self.domain, self.kind) {
            (_, libc::SOCK_STREAM) if is_inet => Some(Scheme::Tcp),
            (_, libc::SOCK_DGRAM) if is_inet => Some(Scheme::Udp),
            (_, libc::SOCK_RAW) if is_inet => Some(Scheme::Ip),
            (libc::AF_UNIX, libc::SOCK_STREAM) => Some(Scheme::Unix),
            (libc::AF_UNIX, libc::SOCK_DGRAM) => Some(Scheme::UnixDgram),
            (libc::AF_UNIX, libc::SOCK_SEQPACKET) => Some(Scheme::UnixSeqpacket),
            _ => None,
        }
    }

    /// An address of such a socket as a name; nothing for an address that is not set.
    pub(super) fn name(self, address: &SocketAddrAny) -> Option<Name> {
        let inet = || std::net::SocketAddr::try_from(address.clone()).ok();
        let unix = |kind| {
            let address = SocketAddrUnix::try_from(address.clone()).ok();
            address.map(|address| Name::unix(kind, &address))
        };
        match self.scheme()? {
            Scheme::Tcp => inet().map(Name::tcp),
            Scheme::Udp => inet().map(Name::udp),
            Scheme::Ip => {
                let protocol = RawProtocol(u8::try_from(self.protocol).unwrap_or(u8::MAX));
                inet().map(|address| Name::Ip { address, protocol })
            }
            Scheme::Unix => unix(UnixKind::Stream),
            Scheme::UnixDgram => unix(UnixKind::Datagram),
            Scheme::UnixSeqpacket => unix(UnixKind::Seqpacket),
            // What runs over a socket is not the socket's to know.
            Scheme::Tls
            | Scheme::Quic
            | Scheme::Ws
            | Scheme::Wss
            | Scheme::Stdio
            | Scheme::Exec
            | Scheme::Fd => None,
        }
    }
}

impl fmt::Display for SocketKind {
    /// The three arguments of socket(2).
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domain = match self.domain {
            libc::AF_INET => "AF_INET",
            libc::AF_INET6 => "AF_INET6",
            libc::AF_UNIX => "AF_UNIX",
            other => return write!(out, "family {other}, type {}", self.kind),
        };
        let kind = match self.kind {
            libc::SOCK_STREAM => "SOCK_STREAM",
            libc::SOCK_DGRAM => "SOCK_DGRAM",
            libc::SOCK_SEQPACKET => "SOCK_SEQPACKET",
            libc::SOCK_RAW => "SOCK_RAW",
            _ => "another type",
        };
        let protocol = match self.protocol {
            libc::IPPROTO_ICMP => "IPPROTO_ICMP",
            libc::IPPROTO_IGMP => "IPPROTO_IGMP",
            libc::IPPROTO_TCP => "IPPROTO_TCP",
            libc::IPPROTO_UDP => "IPPROTO_UDP",
            libc::IPPROTO_ICMPV6 => "IPPROTO_ICMPV6",
            libc::IPPROTO_MPTCP => "IPPROTO_MPTCP",
            other => return write!(out, "{domain}, {kind}, {other}"),
        };
        write!(out, "{domain}, {kind}, {protocol}")
    }
}

/// Calls `tell` with what there is to know about a socket that is not an option.
pub(super) fn of_socket(
    fd: BorrowedFd<'_>,
    kind: SocketKind,
    mut tell: impl FnMut(&'static str, String),
) {
    tell("socket", kind.to_string());
    let listens = SO_ACCEPTCONN.int(fd).is_ok_and(|listens| listens != 0);
    let info = TCP_INFO.get::<[u8; 32]>(fd).ok().map(|(info, _)| info);
    let tcp_state = info.and_then(|info| STATES.get(usize::from(info[0])));
    if let Some(state) = tcp_state {
        tell("state", (*state).into());
    } else if listens {
        tell("state", "LISTEN".into());
    }
    let local = rustix::net::getsockname(fd).ok();
    if let Some(name) = local.and_then(|address| kind.name(&address)) {
        tell("local", name.to_string());
    }
    let peer = rustix::net::getpeername(fd).ok().flatten();
    if let Some(name) = peer.and_then(|address| kind.name(&address)) {
        let is_unix = kind.domain == libc::AF_UNIX;
        let peer = if is_unix {
            Peer::with_credentials(name, fd)
        } else {
            name.into()
        };
        tell("peer", peer.to_string());
    }
    tell("blocking", blocking(fd));
    tell("receive-timeout", timeout(SO_RCVTIMEO, fd));
    tell("send-timeout", timeout(SO_SNDTIMEO, fd));
    tell("error", pending_error(fd).into());
    match info {
        // tcpi_unacked of a listener: how many connections wait (net/ipv4/tcp.c, tcp_get_info).
        Some(info) if listens => tell("waiting", word(&info, 24).to_string()),
        _ if listens => {}
        _ => {
            if let Ok(unread) = rustix::io::ioctl_fionread(fd) {
                tell("unread", format!("{unread} bytes"));
            }
            if let Ok(unsent) = crate::sockopt::unsent(fd) {
                tell("unsent", format!("{unsent} bytes"));
            }
        }
    }
    // SK_MEMINFO_DROPS of include/uapi/linux/sock_diag.h.
    if let Ok((memory, 36)) = SO_MEMINFO.get::<[c_int; 9]>(fd) {
        tell("drops", memory[8].cast_unsigned().to_string());
    }
}

/// The same for what is no socket.
pub(super) fn of_file(fd: BorrowedFd<'_>, mut tell: impl FnMut(&'static str, String)) {
    let file = rustix::fs::fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode));
    let kind = match file {
        Ok(FileType::Fifo) => "a pipe",
        Ok(FileType::CharacterDevice) if rustix::termios::isatty(fd) => "a terminal",
        Ok(FileType::CharacterDevice) => "a device",
        Ok(FileType::RegularFile) => "a file",
        _ => "no socket",
    };
    tell("socket", format!("none, {kind}"));
    tell("blocking", blocking(fd));
    if let Ok(unread) = rustix::io::ioctl_fionread(fd) {
        tell("unread", format!("{unread} bytes"));
    }
}

/// The number and what it leads to.
pub(super) fn descriptor(fd: BorrowedFd<'_>) -> String {
    fd.as_raw_fd().to_string()
}

fn blocking(fd: BorrowedFd<'_>) -> String {
    let flags = rustix::fs::fcntl_getfl(fd);
    let is_blocking = flags.is_ok_and(|flags| !flags.contains(rustix::fs::OFlags::NONBLOCK));
    u8::from(is_blocking).to_string()
}

fn timeout(option: SockOpt, fd: BorrowedFd<'_>) -> String {
    match option.get::<libc::timeval>(fd) {
        Ok((time, _)) if time.tv_sec != 0 || time.tv_usec != 0 => {
            let micros = time.tv_sec * 1_000_000 + time.tv_usec;
            show_duration(Duration::from_micros(micros.cast_unsigned()))
        }
        Ok(_) => "none".into(),
        Err(_) => "unknown".into(),
    }
}

/// Reading SO_ERROR would take the error away from whoever it is meant for, so only whether there
/// is one is told.
fn pending_error(fd: BorrowedFd<'_>) -> &'static str {
    let mut polled = [PollFd::from_borrowed_fd(fd, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    match poll(&mut polled, Some(&now)) {
        Ok(_) if polled[0].revents().contains(PollFlags::ERR) => "pending",
        _ => "none",
    }
}

fn word(bytes: &[u8; 32], at: usize) -> u32 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |word| u32::from_ne_bytes(*word))
}
