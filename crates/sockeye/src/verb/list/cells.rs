//! What stands in each column.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use sockeye_observe::sockets::{Socket, TimerKind, interface_name};
use sockeye_trace::{Address, Transport};

use super::grid::Align;
use super::snapshot::Snapshot;
use super::text;
use crate::catalogue::{Lang, Text};
use crate::ui::{escape, quantity};

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Kind,
    State,
    RecvQ,
    SendQ,
    Local,
    Remote,
    Timer,
    Rtt,
    Retransmits,
    User,
    Program,
}

/// In the order in which they stand.
pub(super) const COLUMNS: [Column; 11] = [
    Column::Kind,
    Column::State,
    Column::RecvQ,
    Column::SendQ,
    Column::Local,
    Column::Remote,
    Column::Timer,
    Column::Rtt,
    Column::Retransmits,
    Column::User,
    Column::Program,
];

impl Column {
    pub(super) fn head(self, lang: Lang) -> &'static str {
        let head: Text = match self {
            Self::Kind => text::KIND,
            Self::State => text::STATE,
            Self::RecvQ => text::RECV_Q,
            Self::SendQ => text::SEND_Q,
            Self::Local => text::LOCAL,
            Self::Remote => text::REMOTE,
            Self::Timer => text::TIMER,
            Self::Rtt => text::RTT,
            Self::Retransmits => text::RETRANSMITS,
            Self::User => text::USER,
            Self::Program => text::PROGRAM,
        };
        head.get(lang)
    }

    pub(super) fn align(self) -> Align {
        match self {
            Self::RecvQ | Self::SendQ | Self::Rtt | Self::Retransmits => Align::Right,
            _ => Align::Left,
        }
    }

    /// Writes what a socket has in this column.
    pub(super) fn write(self, index: u32, from: &Snapshot, out: &mut String) {
        let socket = &from.sockets[index as usize];
        match self {
            Self::Kind => out.push_str(kind(socket)),
            Self::State => out.push_str(socket.state_name()),
            Self::RecvQ => number(socket.recv_queue.into(), out),
            Self::SendQ => number(socket.send_queue.into(), out),
            Self::Local => local(socket, out),
            Self::Remote => remote(socket, from.peer(index), out),
            Self::Timer => timer(socket, out),
            Self::Rtt => {
                if let Some(rtt) = socket
                    .tcp
                    .as_ref()
                    .map(|tcp| tcp.rtt_us)
                    .filter(|us| *us > 0)
                {
                    out.push_str(&quantity::duration(u64::from(rtt) * 1000));
                }
            }
            Self::Retransmits => {
                let again = socket.tcp.as_ref().map_or(0, |tcp| tcp.retransmits);
                if again > 0 {
                    number(again.into(), out);
                }
            }
            Self::User => user(socket, from, out),
            Self::Program => program(socket, from, out),
        }
    }
}

/// What a socket is, in a word.
pub(super) fn kind(socket: &Socket) -> &'static str {
    use sockeye_observe::sockets::Family::V6;
    match (socket.transport, socket.family) {
        (Transport::Tcp, V6) if socket.is_mptcp => "mptcp6",
        (Transport::Tcp, _) if socket.is_mptcp => "mptcp",
        (Transport::Tcp, V6) => "tcp6",
        (Transport::Udp, V6) => "udp6",
        (Transport::Raw, V6) => "raw6",
        (transport, _) => transport.name(),
    }
}

/// A number in decimal, without the detour over the formatter.
pub(super) fn number(number: u64, out: &mut String) {
    let (mut digits, mut at, mut rest) = ([0; 20], 20, number);
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    // Digits are ASCII.
    out.extend(digits[at..].iter().map(|digit| char::from(*digit)));
}

/// A socket's own end.
pub(super) fn local(socket: &Socket, out: &mut String) {
    match socket.transport {
        Transport::Packet => {
            interface(socket.interface, out);
            out.push(':');
            ethernet(socket.protocol, out);
        }
        Transport::Raw => {
            end(&socket.local, out);
            // It has no port: the protocol stands in its place.
            out.truncate(out.rfind(':').unwrap_or(out.len()) + 1);
            ip_protocol(socket.protocol, out);
        }
        _ => {
            end(&socket.local, out);
            // A link-local address has named it already.
            let is_named =
                matches!(socket.local, Address::Ip(SocketAddr::V6(it)) if it.scope_id() != 0);
            if socket.interface != 0 && !is_named {
                out.push('%');
                interface(socket.interface, out);
            }
        }
    }
}

/// The other end, `*` where there is none that could be named.
pub(super) fn remote(socket: &Socket, peer: Option<&Socket>, out: &mut String) {
    match &socket.remote {
        Address::Ip(address) if address.port() == 0 && address.ip().is_unspecified() => {
            out.push('*');
        }
        // The other end of a Unix socket may have a name; if not, its inode says which it is.
        Address::None => match peer {
            Some(peer) if !peer.local.is_none() => end(&peer.local, out),
            _ if socket.peer_inode != 0 => {
                out.push('#');
                number(socket.peer_inode.into(), out);
            }
            _ => out.push('*'),
        },
        other => end(other, out),
    }
}

/// An address; a Unix socket without a name has a `*`.
pub(super) fn end(address: &Address, out: &mut String) {
    match address {
        Address::Ip(address) => ip(*address, out),
        Address::Unix(name) => out.push_str(&escape(name)),
        Address::None => out.push('*'),
    }
}

fn ip(address: SocketAddr, out: &mut String) {
    match address.ip() {
        IpAddr::V4(ip) => {
            for (index, octet) in ip.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push('.');
                }
                number(octet.into(), out);
            }
            out.push(':');
            number(address.port().into(), out);
        }
        IpAddr::V6(_) => {
            let _ = write!(out, "{address}");
        }
    }
}

fn interface(index: u32, out: &mut String) {
    match interface_name(index) {
        _ if index == 0 => out.push('*'),
        Some(name) => out.push_str(&escape(&name)),
        None => number(index.into(), out),
    }
}

/// Ethernet protocols by name (linux/if_ether.h).
fn ethernet(protocol: u16, out: &mut String) {
    let name = match protocol {
        // ETH_P_ALL; 0 receives nothing at all (packet(7)).
        0x0003 => "all",
        0 => "none",
        0x0800 => "ip",
        0x0806 => "arp",
        0x86dd => "ipv6",
        other => {
            let _ = write!(out, "0x{other:04x}");
            return;
        }
    };
    out.push_str(name);
}

/// IP protocols by name (IANA's list of protocol numbers).
fn ip_protocol(protocol: u16, out: &mut String) {
    let name = match protocol {
        1 => "icmp",
        2 => "igmp",
        6 => "tcp",
        17 => "udp",
        58 => "icmpv6",
        255 => "raw",
        other => return number(other.into(), out),
    };
    out.push_str(name);
}

/// Which timer runs, how long yet, and how often it has expired.
pub(super) fn timer(socket: &Socket, out: &mut String) {
    let timer = socket.timer;
    if timer.kind == TimerKind::Off {
        return;
    }
    out.push_str(timer.kind.name());
    out.push(' ');
    match timer.left_ms {
        ms @ ..1000 => {
            number(ms.into(), out);
            out.push_str(" ms");
        }
        ms => {
            number(u64::from(ms).div_ceil(1000), out);
            out.push_str(" s");
        }
    }
    if timer.expired > 0 {
        out.push_str(" ×");
        number(timer.expired.into(), out);
    }
}

fn user(socket: &Socket, from: &Snapshot, out: &mut String) {
    let Some(uid) = socket.uid else { return };
    match from.users.name(uid) {
        Some(name) => out.push_str(&escape(name)),
        None => number(uid.into(), out),
    }
}

/// `python3 (4711)`, and how many other processes have the socket too.
pub(super) fn program(socket: &Socket, from: &Snapshot, out: &mut String) {
    let mut programs = from.programs_of(socket);
    let Some(first) = programs.next() else { return };
    out.push_str(&escape(first.name));
    out.push_str(" (");
    number(first.pid.into(), out);
    out.push(')');
    let others = programs.count();
    if others > 0 {
        out.push_str(" +");
        number(others as u64, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_formatter() {
        for value in [0, 7, 10, 65_535, u64::from(u32::MAX), u64::MAX] {
            let mut out = String::new();
            number(value, &mut out);
            assert_eq!(out, value.to_string());
        }
    }

    #[test]
    fn addresses_are_those_of_the_formatter() {
        for text in [
            "127.0.0.1:80",
            "0.0.0.0:0",
            "255.1.20.3:65535",
            "[fe80::1%3]:9",
            "[::]:0",
        ] {
            let address: SocketAddr = text.parse().unwrap();
            let mut out = String::new();
            ip(address, &mut out);
            assert_eq!(out, text);
        }
    }
}
