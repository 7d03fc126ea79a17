//! What /proc/net tells of TCP, UDP and raw sockets, for kernels that have no `sock_diag` for them.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use sockeye_trace::{Address, TcpState, Transport};

use super::query::Part;
use super::{Family, Socket, Timer, TimerKind};

/// The table of a part; nothing where there is none.
fn table_of(part: Part) -> Option<&'static str> {
    Some(match part {
        Part::Tcp4 => "tcp",
        Part::Tcp6 => "tcp6",
        Part::Udp4 => "udp",
        Part::Udp6 => "udp6",
        Part::Raw4 => "raw",
        Part::Raw6 => "raw6",
        _ => return None,
    })
}

/// Hands on the sockets of a part, in the network namespace of this thread.
pub(super) fn list(part: Part, each: impl FnMut(Socket)) -> io::Result<()> {
    let table = table_of(part).ok_or(io::ErrorKind::NotFound)?;
    let text = fs::read_to_string(format!("/proc/thread-self/net/{table}"))?;
    text.lines()
        .skip(1)
        .filter_map(|line| read(part, line))
        .for_each(each);
    Ok(())
}

/// Whether there is an MPTCP socket in the network namespace of this thread; also where nobody tells.
///
/// Asking for them walks through a table that is large even while it is empty.
pub(super) fn has_mptcp() -> bool {
    let Ok(text) = fs::read_to_string("/proc/thread-self/net/protocols") else {
        return true;
    };
    // Name, size, how many, …
    text.lines().any(|line| {
        let mut fields = line.split_whitespace();
        let name = fields.next().unwrap_or_default();
        name.starts_with("MPTCP") && fields.nth(1).is_some_and(|count| count != "0")
    })
}

/// About how many TCP sockets there are, whatever their state; 0 where nobody tells.
pub(super) fn tcp_sockets() -> usize {
    ["sockstat", "sockstat6"]
        .into_iter()
        .filter_map(|file| fs::read_to_string(format!("/proc/thread-self/net/{file}")).ok())
        .map(|text| in_sockstat(&text))
        .sum()
}

/// `TCP: inuse 5 orphan 0 tw 2 alloc 9 mem 1`: those in use, and those in TIME-WAIT beside them.
fn in_sockstat(text: &str) -> usize {
    let tcp = text.lines().filter(|line| line.starts_with("TCP"));
    tcp.flat_map(|line| {
        let words: Vec<&str> = line.split_whitespace().skip(1).collect();
        let counts = words
            .chunks_exact(2)
            .filter(|pair| matches!(pair[0], "inuse" | "tw"));
        counts
            .filter_map(|pair| pair[1].parse::<usize>().ok())
            .collect::<Vec<_>>()
    })
    .sum()
}

/// A port in the middle of those that are given out (ip_local_port_range, ip(7)).
pub(super) fn middle_port() -> u16 {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut ends = text
        .split_whitespace()
        .filter_map(|word| word.parse::<u16>().ok());
    let (low, high) = (ends.next().unwrap_or(32_768), ends.next().unwrap_or(60_999));
    low.midpoint(high)
}

/// Reads a line (proc_pid_net(5)): number, local, remote, state, queues, timer, expired, uid, …, inode.
fn read(part: Part, line: &str) -> Option<Socket> {
    let mut fields = line.split_whitespace().skip(1);
    let transport = part.transport();
    let (local, remote) = (address(fields.next()?)?, address(fields.next()?)?);
    let state = TcpState::of_number(hex(fields.next()?)? as u8);
    let (send, recv) = fields.next()?.split_once(':')?;
    let (kind, jiffies) = fields.next()?.split_once(':')?;
    let expired = hex(fields.next()?)?;
    let uid = fields.next()?.parse().ok()?;
    let inode = fields.nth(1)?.parse().ok()?;
    // Raw sockets have their protocol where others have their port.
    let is_raw = transport == Transport::Raw;
    let portless = |it: SocketAddr| SocketAddr::new(it.ip(), if is_raw { 0 } else { it.port() });
    let family = if local.is_ipv4() {
        Family::V4
    } else {
        Family::V6
    };
    Some(Socket {
        local: Address::ip(portless(local)),
        remote: Address::ip(portless(remote)),
        protocol: if is_raw { local.port() } else { 0 },
        recv_queue: hex(recv)?,
        send_queue: hex(send)?,
        timer: Timer {
            kind: TimerKind::of_number(hex(kind)? as u8),
            // Hundredths of a second, whatever the kernel's own clock does (USER_HZ).
            left_ms: hex(jiffies)?.saturating_mul(10),
            expired: expired.min(255) as u8,
        },
        uid: Some(uid).filter(|_| state != TcpState::TimeWait),
        inode,
        ..Socket::of(transport, family, state)
    })
}

fn hex(digits: &str) -> Option<u32> {
    u32::from_str_radix(digits, 16).ok()
}

/// `0100007F:1F90`: the words of the address as this machine has them in memory, then the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (words, port) = text.split_once(':')?;
    let word = |at: usize| words.get(at * 8..at * 8 + 8).and_then(hex);
    let ip = match words.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?.to_ne_bytes())),
        32 => {
            let mut bytes = [0; 16];
            for at in 0..4 {
                bytes[at * 4..at * 4 + 4].copy_from_slice(&word(at)?.to_ne_bytes());
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_counted_with_those_in_time_wait() {
        let text =
            "sockets: used 9\nTCP: inuse 5 orphan 0 tw 2 alloc 9 mem 1\nUDP: inuse 3 mem 0\n";
        assert_eq!(in_sockstat(text), 7);
        assert_eq!(in_sockstat("TCP6: inuse 4\n"), 4);
    }
    use proptest::prelude::*;

    #[test]
    fn a_line_of_each_table_is_read() {
        let line = "   1: 0100007F:0001 00000000:0000 07 00000000:00000300 00:00000000 00000000     \
                    0        0 4711 2 0000000000000000 0";
        let raw = read(Part::Raw4, line).unwrap();
        assert_eq!((raw.protocol, raw.inode, raw.recv_queue), (1, 4711, 0x300));
        assert_eq!(raw.local.to_string(), "127.0.0.1:0");
        assert_eq!(raw.state, TcpState::Close);
        let line = "  0: 00000000000000000000000001000000:1F90 00000000000000000000000001000000:A001 06 \
                    00000000:00000000 03:00001770 00000000     0        0 0 3 0000000000000000";
        let over = read(Part::Tcp6, line).unwrap();
        assert_eq!(over.local.to_string(), "[::1]:8080");
        assert_eq!(
            (over.timer.kind, over.timer.left_ms),
            (TimerKind::TimeWait, 60_000)
        );
        assert_eq!(over.uid, None);
    }

    proptest! {
        #[test]
        fn no_line_panics(line in "[ 0-9A-Fa-f:]{0,160}") {
            let _ = read(Part::Tcp4, &line);
            let _ = read(Part::Raw6, &line);
        }
    }
}
