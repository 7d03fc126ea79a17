//! TCP, MPTCP, UDP and raw IP: linux/inet_diag.h.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use sockeye_trace::{Address, TcpState, Transport};

use super::details::Name;
use super::netlink::{Attributes, u32_at, u64_at};
use super::query::Part;
use super::{Family, Memory, Socket, TcpDetails, Timer, TimerKind};

const AF_INET: u8 = libc::AF_INET as u8;
const AF_INET6: u8 = libc::AF_INET6 as u8;
const IPPROTO_TCP: u8 = libc::IPPROTO_TCP as u8;
const IPPROTO_UDP: u8 = libc::IPPROTO_UDP as u8;
const IPPROTO_RAW: u8 = libc::IPPROTO_RAW as u8;

/// Attributes of a request and of an answer.
const INET_DIAG_REQ_BYTECODE: u16 = 1;
const INET_DIAG_REQ_PROTOCOL: u16 = 3;
const INET_DIAG_INFO: u16 = 2;
const INET_DIAG_CONG: u16 = 4;
const INET_DIAG_SKMEMINFO: u16 = 7;

/// `struct inet_diag_msg`.
const MESSAGE: usize = 72;

/// `struct inet_diag_req_v2` for all sockets of a part.
pub(super) fn request(part: Part, states: u32, memory: bool, details: bool, out: &mut Vec<u8>) {
    let (family, protocol) = match part {
        Part::Tcp4 => (AF_INET, IPPROTO_TCP),
        Part::Tcp6 => (AF_INET6, IPPROTO_TCP),
        Part::Udp4 => (AF_INET, IPPROTO_UDP),
        Part::Udp6 => (AF_INET6, IPPROTO_UDP),
        // The number of MPTCP does not fit the field: the attribute below has it.
        Part::Mptcp6 | Part::Raw6 => (AF_INET6, IPPROTO_RAW),
        _ => (AF_INET, IPPROTO_RAW),
    };
    head(family, protocol, states, memory, details, out);
    out.extend_from_slice(&[0; 48]);
    if matches!(part, Part::Mptcp4 | Part::Mptcp6) {
        out.extend_from_slice(&8_u16.to_ne_bytes());
        out.extend_from_slice(&INET_DIAG_REQ_PROTOCOL.to_ne_bytes());
        out.extend_from_slice(&(libc::IPPROTO_MPTCP as u32).to_ne_bytes());
    }
}

/// `struct inet_diag_req` for all TCP sockets of both families: one walk through the kernel's table, which
/// is as large for few sockets as for many, instead of two.
pub(super) fn request_tcp(states: u32, memory: bool, details: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0, 0, 0, extensions(memory, details)]);
    out.extend_from_slice(&[0; 48]);
    out.extend_from_slice(&states.to_ne_bytes());
    out.extend_from_slice(&[0; 4]);
}

/// Half of all TCP sockets, so that two threads can ask at once.
///
/// Of the many sockets of one service one port is the service's and the other is any: with a port in the
/// middle of those that are given out, either half has about as many, on whichever end we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    /// One port is below the middle, the other is not.
    Apart,
    /// Both ports are below it, or neither is.
    Together,
}

/// Adds to [`request_tcp`] that only one half is wanted, as `struct inet_diag_bc_op`s. The kernel wants
/// every target of a jump to lie on the way that is taken when all answers are yes.
pub(super) fn only(half: Half, middle: u16, out: &mut Vec<u8>) {
    const JUMP: u8 = 1;
    const LOCAL_AT_LEAST: u8 = 2;
    const REMOTE_AT_LEAST: u8 = 4;
    const REMOTE_AT_MOST: u8 = 5;
    /// Four bytes behind the end: the socket is not wanted.
    const REFUSE: usize = END + 4;
    const END: usize = 28;
    let below = middle.saturating_sub(1);
    let (high, low) = match half {
        Half::Apart => ((REMOTE_AT_MOST, below), (REMOTE_AT_LEAST, middle)),
        Half::Together => ((REMOTE_AT_LEAST, middle), (REMOTE_AT_MOST, below)),
    };
    let start = out.len();
    out.extend_from_slice(&((4 + END) as u16).to_ne_bytes());
    out.extend_from_slice(&INET_DIAG_REQ_BYTECODE.to_ne_bytes());
    let mut at = 0;
    let mut step = |code: u8, port: Option<u16>, no: usize| {
        let size: u8 = if port.is_some() { 8 } else { 4 };
        out.extend_from_slice(&[code, size]);
        out.extend_from_slice(&((no - at) as u16).to_ne_bytes());
        if let Some(port) = port {
            out.extend_from_slice(&[0, 0]);
            out.extend_from_slice(&port.to_ne_bytes());
        }
        at += usize::from(size);
    };
    step(LOCAL_AT_LEAST, Some(middle), 20);
    step(high.0, Some(high.1), REFUSE);
    step(JUMP, None, END);
    step(low.0, Some(low.1), REFUSE);
    debug_assert_eq!(out.len() - start, 4 + END);
}

/// The same for one TCP connection.
pub(super) fn request_one(local: SocketAddr, remote: SocketAddr, out: &mut Vec<u8>) {
    let is_v4 = local.is_ipv4() && remote.is_ipv4();
    let family = if is_v4 { AF_INET } else { AF_INET6 };
    head(family, IPPROTO_TCP, u32::MAX, true, true, out);
    out.extend_from_slice(&local.port().to_be_bytes());
    out.extend_from_slice(&remote.port().to_be_bytes());
    for address in [local, remote] {
        match address.ip() {
            IpAddr::V4(ip) if is_v4 => {
                out.extend_from_slice(&ip.octets());
                out.extend_from_slice(&[0; 12]);
            }
            IpAddr::V4(ip) => out.extend_from_slice(&ip.to_ipv6_mapped().octets()),
            IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
        }
    }
    let scope = |address| match address {
        SocketAddr::V6(address) => address.scope_id(),
        SocketAddr::V4(_) => 0,
    };
    out.extend_from_slice(&scope(local).max(scope(remote)).to_ne_bytes());
    // INET_DIAG_NOCOOKIE, twice: whichever socket has these addresses.
    out.extend_from_slice(&[0xff; 8]);
}

fn head(family: u8, protocol: u8, states: u32, memory: bool, details: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(&[family, protocol, extensions(memory, details), 0]);
    out.extend_from_slice(&states.to_ne_bytes());
}

/// The attributes that an answer shall have, as bits.
fn extensions(memory: bool, details: bool) -> u8 {
    let wanted = |attribute: u16, is: bool| u8::from(is) << (attribute - 1);
    wanted(INET_DIAG_INFO, details)
        | wanted(INET_DIAG_CONG, details)
        | wanted(INET_DIAG_SKMEMINFO, memory)
}

/// Reads an answer; nothing if it is too short to be one.
pub(super) fn read(part: Part, answer: &[u8]) -> Option<Socket> {
    let (message, attributes) = answer.split_first_chunk::<MESSAGE>()?;
    let port = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
    let state = TcpState::of_number(message[1]);
    let transport = part.transport();
    let interface = u32_at(message, 40);
    let end = |address: usize, port| end(message, address, port, interface);
    // Raw sockets have their protocol where others have their port.
    let (local, remote, protocol) = match transport {
        Transport::Raw => (end(8, 0), end(24, 0), port(4)),
        _ => (end(8, port(4)), end(24, port(6)), 0),
    };
    let mut socket = Socket {
        transport,
        family: if message[0] == AF_INET {
            Family::V4
        } else {
            Family::V6
        },
        state,
        local,
        remote,
        interface,
        protocol,
        recv_queue: u32_at(message, 56),
        send_queue: u32_at(message, 60),
        timer: Timer {
            kind: TimerKind::of_number(message[2]),
            left_ms: u32_at(message, 52),
            expired: message[3],
        },
        // What is left of a connection belongs to nobody, and 0 would say root.
        uid: Some(u32_at(message, 64)).filter(|_| state != TcpState::TimeWait),
        inode: u32_at(message, 68),
        cookie: u64::from(u32_at(message, 44)) | u64::from(u32_at(message, 48)) << 32,
        memory: None,
        tcp: None,
        peer_inode: 0,
        is_mptcp: matches!(part, Part::Mptcp4 | Part::Mptcp6),
    };
    for (kind, content) in Attributes(attributes) {
        match kind {
            INET_DIAG_SKMEMINFO => socket.memory = Some(Memory::read(content)),
            INET_DIAG_INFO if socket.is_mptcp => socket.tcp = Some(mptcp(content)),
            // What it says of a listener is nothing, or something else under the same name.
            _ if state == TcpState::Listen => {}
            INET_DIAG_INFO => info(&mut socket, content),
            INET_DIAG_CONG => {
                let details: &mut TcpDetails = socket.tcp.get_or_insert_default();
                details.congestion = Name::read(content);
            }
            _ => {}
        }
    }
    Some(socket)
}

fn info(socket: &mut Socket, content: &[u8]) {
    if socket.transport != Transport::Tcp {
        return;
    }
    // The name of the congestion control may have come first.
    let congestion = socket.tcp.as_ref().map(|tcp| tcp.congestion);
    let mut details = TcpDetails::read(content);
    details.congestion = congestion.unwrap_or_default();
    socket.tcp = Some(Box::new(details));
}

/// `struct mptcp_info` (linux/mptcp.h): sums over the subflows.
fn mptcp(content: &[u8]) -> Box<TcpDetails> {
    Box::new(TcpDetails {
        bytes_retransmitted: u64_at(content, 48),
        bytes_sent: u64_at(content, 56),
        bytes_received: u64_at(content, 64),
        bytes_acked: u64_at(content, 72),
        ..TcpDetails::default()
    })
}

fn end(message: &[u8; MESSAGE], at: usize, port: u16, interface: u32) -> Address {
    let bytes: [u8; 16] = std::array::from_fn(|index| message[at + index]);
    if message[0] == AF_INET {
        let ip = Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]);
        return Address::Ip(SocketAddr::new(ip.into(), port));
    }
    let ip = Ipv6Addr::from(bytes);
    // A link-local address means something only together with its interface.
    let scope = if ip.is_unicast_link_local() {
        interface
    } else {
        0
    };
    let address = std::net::SocketAddrV6::new(ip, port, 0, scope);
    Address::ip(SocketAddr::V6(address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mapped_addresses_are_those_of_the_wire() {
        let mut message = [0; MESSAGE];
        message[0] = AF_INET6;
        message[1] = 1;
        message[4..6].copy_from_slice(&80_u16.to_be_bytes());
        message[18..24].copy_from_slice(&[0xff, 0xff, 127, 0, 0, 1]);
        let socket = read(Part::Tcp6, &message).unwrap();
        assert_eq!(socket.local.to_string(), "127.0.0.1:80");
        assert_eq!(socket.family, Family::V6);
        assert_eq!(socket.remote.to_string(), "[::]:0");
    }

    proptest! {
        #[test]
        fn no_answer_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let is_long = bytes.len() >= MESSAGE;
            prop_assert_eq!(read(Part::Tcp4, &bytes).is_some(), is_long);
            prop_assert_eq!(read(Part::Mptcp6, &bytes).is_some(), is_long);
        }
    }
}
