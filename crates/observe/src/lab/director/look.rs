//! Sockets as a look tells them.

use std::fmt::Write as _;

use sockeye_trace::{Address, TcpState, Transport};

use crate::lab::{Host, Seen};
use crate::sockets::Socket;

/// What a host is called.
pub(super) const fn name(host: Host) -> &'static str {
    match host {
        Host::Client => "client",
        Host::Server => "server",
    }
}

/// All TCP and UDP sockets, listeners first, then by the ports.
pub(super) fn seen(sockets: &[Socket]) -> Vec<Seen> {
    let mut seen: Vec<Seen> = sockets.iter().filter_map(one).collect();
    seen.sort_by(|a, b| {
        let key = |seen: &Seen| (seen.state != "LISTEN", seen.port, seen.peer);
        (key(a), &a.state).cmp(&(key(b), &b.state))
    });
    seen
}

fn one(socket: &Socket) -> Option<Seen> {
    let kind = match socket.transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
        _ => return None,
    };
    Some(Seen {
        kind: kind.to_owned(),
        state: state(socket).to_owned(),
        port: port(&socket.local),
        peer: port(&socket.remote),
        unread: socket.recv_queue,
        unacked: socket.send_queue,
        timer: socket.timer.kind.name().to_owned(),
        timer_ms: socket.timer.left_ms,
        orphan: is_orphan(socket),
    })
}

/// As ss(8) writes it.
fn state(socket: &Socket) -> &'static str {
    match socket.state {
        TcpState::Established => "ESTAB",
        _ => socket.state_name(),
    }
}

fn port(address: &Address) -> u16 {
    match address {
        Address::Ip(address) => address.port(),
        _ => 0,
    }
}

/// Whether no program holds it any more: without a descriptor, and not because it waits to be accepted.
fn is_orphan(socket: &Socket) -> bool {
    let was_closed = matches!(
        socket.state,
        TcpState::FinWait1
            | TcpState::FinWait2
            | TcpState::Closing
            | TcpState::LastAck
            | TcpState::TimeWait
    );
    socket.inode == 0 && was_closed
}

/// All of them on one line.
pub(super) fn listed(sockets: &[Seen]) -> String {
    if sockets.is_empty() {
        return "there are no sockets".to_owned();
    }
    let mut line = String::from("there is");
    for (index, seen) in sockets.iter().enumerate() {
        line.push_str(if index == 0 { " " } else { ", " });
        let _ = write!(line, "{} {} :{}", seen.kind, seen.state, seen.port);
        if seen.peer != 0 {
            let _ = write!(line, "-:{}", seen.peer);
        }
        for (what, count) in [("unread", seen.unread), ("unacked", seen.unacked)] {
            // A listener's backlog is no news.
            if count > 0 && seen.state != "LISTEN" {
                let _ = write!(line, " {count} {what}");
            }
        }
    }
    line
}
