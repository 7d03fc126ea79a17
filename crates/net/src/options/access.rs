//! How each option reaches the kernel, and how it is read back.

use std::ffi::c_int;
use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use socket2::{InterfaceIndexOrAddress, SockRef};

use super::registry::{Moment, OptionKey, Spec};
use super::settings::Settings;
use super::value::{Kind, Value};
use crate::endpoint::Interface;
use crate::sockopt::SockOpt;

/// How an option reaches the kernel.
#[derive(Clone, Copy, Debug)]
pub(super) enum Access {
    /// Not by setsockopt: whoever opens the socket heeds it.
    Elsewhere,
    /// As an `int`.
    Int(SockOpt),
    /// As an `int` under two names, one of IPv4 and one of IPv6.
    ByFamily { v4: SockOpt, v6: SockOpt },
    /// As an `int` that only IPv6 sockets have.
    OnlyV6(SockOpt),
    /// In a way of its own; see [`set_own`] and [`get_own`].
    Own,
}

/// A socket, and what it takes to set options on it.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) fd: BorrowedFd<'a>,
    pub(super) moment: Moment,
    pub(super) settings: &'a Settings,
}

const SO_DOMAIN: SockOpt = SockOpt::new(libc::SOL_SOCKET, libc::SO_DOMAIN);
const SO_TYPE: SockOpt = SockOpt::new(libc::SOL_SOCKET, libc::SO_TYPE);
const SO_PROTOCOL: SockOpt = SockOpt::new(libc::SOL_SOCKET, libc::SO_PROTOCOL);
const SO_ACCEPTCONN: SockOpt = SockOpt::new(libc::SOL_SOCKET, libc::SO_ACCEPTCONN);
const SO_LINGER: SockOpt = SockOpt::new(libc::SOL_SOCKET, libc::SO_LINGER);
const SO_BINDTODEVICE: SockOpt = SockOpt::new(libc::SOL_SOCKET, libc::SO_BINDTODEVICE);
const V6ONLY: SockOpt = SockOpt::new(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY);
const CONGESTION: SockOpt = SockOpt::new(libc::IPPROTO_TCP, libc::TCP_CONGESTION);
const FASTOPEN: SockOpt = SockOpt::new(libc::IPPROTO_TCP, libc::TCP_FASTOPEN);
const FASTOPEN_CONNECT: SockOpt = SockOpt::new(libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT);
const INFO: SockOpt = SockOpt::new(libc::IPPROTO_TCP, libc::TCP_INFO);
const MULTICAST_IF: SockOpt = SockOpt::new(libc::IPPROTO_IP, libc::IP_MULTICAST_IF);
const MULTICAST_IF_V6: SockOpt = SockOpt::new(libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF);

/// Sets one option.
pub(super) fn set(target: Target<'_>, spec: &Spec, value: &Value) -> io::Result<()> {
    let number = || int(spec.kind, value);
    match spec.access {
        Access::Int(option) => option.set(target.fd, &number()),
        Access::OnlyV6(option) if is_v6(target.fd)? => option.set(target.fd, &number()),
        Access::OnlyV6(_) | Access::Elsewhere => Ok(()),
        Access::ByFamily { v4, v6 } if is_v6(target.fd)? => {
            v6.set(target.fd, &number())?;
            if is_dual_stack(target.fd)? {
                v4.set(target.fd, &number())
            } else {
                Ok(())
            }
        }
        Access::ByFamily { v4, .. } => v4.set(target.fd, &number()),
        Access::Own => set_own(target, spec.key, value),
    }
}

/// Reads one option; nothing where this socket has none, or shows none.
pub(super) fn get(fd: BorrowedFd<'_>, spec: &Spec) -> io::Result<Option<Value>> {
    let option = match spec.access {
        Access::Int(option) => option,
        Access::OnlyV6(option) if is_v6(fd)? => option,
        Access::OnlyV6(_) => return Ok(None),
        Access::ByFamily { v6, .. } if is_v6(fd)? => v6,
        Access::ByFamily { v4, .. } => v4,
        Access::Own | Access::Elsewhere => return get_own(fd, spec.key),
    };
    let number = option.int(fd)?.cast_unsigned();
    Ok(Some(match spec.kind {
        Kind::Flag => Value::Flag(number != 0),
        Kind::Size => Value::Size(number),
        Kind::Seconds { .. } => Value::Duration(Duration::from_secs(number.into())),
        Kind::Millis => Value::Duration(Duration::from_millis(number.into())),
        _ => Value::Number(number),
    }))
}

/// What the kernel takes for a value that is one number, in the unit of its kind. Ranges were
/// checked when the value was read.
fn int(kind: Kind, value: &Value) -> c_int {
    match (kind, value) {
        (_, Value::Flag(on)) => c_int::from(*on),
        (_, Value::Number(number) | Value::Size(number)) => number.cast_signed(),
        (Kind::Seconds { .. }, Value::Duration(duration)) => duration.as_secs() as c_int,
        (Kind::Millis, Value::Duration(duration)) => duration.as_millis() as c_int,
        _ => unreachable!("{value} is no number, so its option has a way of its own"),
    }
}

fn is_v6(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(SO_DOMAIN.int(fd)? == libc::AF_INET6)
}

/// Whether an IPv6 socket carries IPv4 too, and takes IPv4's options. Raw ones never do.
fn is_dual_stack(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(V6ONLY.int(fd)? == 0 && SO_TYPE.int(fd)? != libc::SOCK_RAW)
}

fn set_own(target: Target<'_>, key: OptionKey, value: &Value) -> io::Result<()> {
    let fd = target.fd;
    match (key, value) {
        (OptionKey::Linger, Value::Duration(wait)) => SockRef::from(&fd).set_linger(Some(*wait)),
        (OptionKey::Congestion, Value::Word(name)) => CONGESTION.set_bytes(fd, name.as_bytes()),
        (OptionKey::Interface, Value::Interface(interface)) => {
            SO_BINDTODEVICE.set_bytes(fd, interface.name()?.as_bytes())
        }
        (OptionKey::FastOpen, Value::Number(queue)) if takes_connections(target)? => {
            FASTOPEN.set(fd, &queue.cast_signed())
        }
        (OptionKey::FastOpen, Value::Number(queue)) => {
            FASTOPEN_CONNECT.set(fd, &c_int::from(*queue != 0))
        }
        (OptionKey::McastJoin, Value::Group(group)) => {
            let chosen = group.interface.as_ref();
            let interface = chosen.or_else(|| target.settings.interface(OptionKey::McastIf));
            let index = interface.map_or(Ok(0), Interface::index)?;
            let socket = SockRef::from(&fd);
            match group.address {
                IpAddr::V4(v4) => {
                    socket.join_multicast_v4_n(&v4, &InterfaceIndexOrAddress::Index(index))
                }
                IpAddr::V6(v6) => socket.join_multicast_v6(&v6, index),
            }
        }
        (OptionKey::McastIf, Value::Interface(interface)) => {
            let index = interface.index()?.cast_signed();
            if is_v6(fd)? {
                return MULTICAST_IF_V6.set(fd, &index);
            }
            // struct ip_mreqn (ip(7)): group, local address, index.
            MULTICAST_IF.set(fd, &[0, 0, index])
        }
        _ => unreachable!("the table says that {key:?} has a way of its own, and no value {value}"),
    }
}

/// Whether the socket listens, or will.
fn takes_connections(target: Target<'_>) -> io::Result<bool> {
    match target.moment {
        Moment::Listen => Ok(true),
        Moment::Adopted => Ok(SO_ACCEPTCONN.int(target.fd)? != 0),
        Moment::Dial | Moment::Accepted | Moment::Connected => Ok(false),
    }
}

fn get_own(fd: BorrowedFd<'_>, key: OptionKey) -> io::Result<Option<Value>> {
    Ok(match key {
        OptionKey::Linger => {
            let ([on, seconds], _) = SO_LINGER.get::<[c_int; 2]>(fd)?;
            let wait = Duration::from_secs(seconds.cast_unsigned().into());
            (on != 0).then_some(Value::Duration(wait))
        }
        OptionKey::Congestion => word(&CONGESTION.get::<[u8; 16]>(fd)?.0).map(Value::Word),
        OptionKey::Interface => {
            let name = word(&SO_BINDTODEVICE.get::<[u8; 16]>(fd)?.0);
            name.and_then(|name| name.parse().ok())
                .map(Value::Interface)
        }
        OptionKey::FastOpen if SO_ACCEPTCONN.int(fd)? != 0 => {
            Some(Value::Number(FASTOPEN.int(fd)?.cast_unsigned()))
        }
        OptionKey::FastOpen => Some(Value::Number(FASTOPEN_CONNECT.int(fd)?.cast_unsigned())),
        // On IPv4 the kernel shows the address that was asked for, and an index has none.
        OptionKey::McastIf if is_v6(fd)? => match MULTICAST_IF_V6.int(fd)?.cast_unsigned() {
            0 => None,
            index => Some(Value::Interface(Interface::from_index(index))),
        },
        OptionKey::Mptcp => Some(Value::Flag(SO_PROTOCOL.int(fd)? == libc::IPPROTO_MPTCP)),
        OptionKey::Backlog => backlog(fd)?.map(Value::Number),
        _ => None,
    })
}

/// The limit of a TCP listener's queue: `struct tcp_info` shows it in `tcpi_sacked` while the
/// socket listens (net/ipv4/tcp.c, tcp_get_info).
fn backlog(fd: BorrowedFd<'_>) -> io::Result<Option<u32>> {
    const LISTEN: u8 = 10;
    const SACKED: usize = 28;
    let (info, len) = match INFO.get::<[u8; 32]>(fd) {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => return Ok(None),
        other => other?,
    };
    let sacked = info[SACKED..]
        .first_chunk()
        .map(|bytes| u32::from_ne_bytes(*bytes));
    Ok(sacked.filter(|_| info[0] == LISTEN && len == info.len()))
}

/// A word in a buffer that the kernel closes with NUL.
fn word(bytes: &[u8]) -> Option<Box<str>> {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    std::str::from_utf8(&bytes[..end])
        .ok()
        .filter(|word| !word.is_empty())
        .map(Into::into)
}
