//! In which order sockets are shown, and which two are the ends of one connection.

use std::cmp::Ordering;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use sockeye_observe::sockets::{Programs, Socket};
use sockeye_trace::{Address, Transport};

/// What to order by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) key: Key,
    pub(super) descending: bool,
}

macro_rules! keys {
    ($($key:ident = $name:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Key { $($key),* }

        impl Key {
            pub(super) const ALL: &[(&str, Self)] = &[$(($name, Self::$key)),*];
        }
    };
}

keys! {
    Local = "local";
    Remote = "remote";
    Port = "port";
    State = "state";
    RecvQ = "recv-q";
    SendQ = "send-q";
    Memory = "memory";
    Rtt = "rtt";
    Cwnd = "cwnd";
    Retransmits = "retransmits";
    Sent = "sent";
    Received = "received";
    Timer = "timer";
    User = "user";
    Program = "program";
    Pid = "pid";
}

impl FromStr for Sort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, way) = text.split_once(':').unwrap_or((text, "asc"));
        let key = Key::ALL.iter().find(|(of, _)| *of == name);
        let names = || {
            let names: Vec<_> = Key::ALL.iter().map(|(name, _)| *name).collect();
            format!(
                "'{name}' is nothing to order by; there are {}",
                names.join(", ")
            )
        };
        let (_, key) = key.ok_or_else(names)?;
        let descending = match way {
            "asc" => false,
            "desc" => true,
            other => return Err(format!("'{other}' is no order; allowed are asc and desc")),
        };
        Ok(Self {
            key: *key,
            descending,
        })
    }
}

impl Sort {
    /// Whether the kernel has to be asked for more than the table shows.
    pub(super) fn needs_details(self) -> bool {
        matches!(
            self.key,
            Key::Rtt | Key::Cwnd | Key::Retransmits | Key::Sent | Key::Received | Key::Memory
        )
    }

    /// The name of what it orders by.
    pub(super) fn name(self) -> &'static str {
        let named = Key::ALL.iter().find(|(_, key)| *key == self.key);
        named.map_or("", |(name, _)| name)
    }

    /// Whether it orders by who has a socket open.
    pub(super) fn needs_programs(self) -> bool {
        matches!(self.key, Key::Program | Key::Pid)
    }

    /// Orders indices of sockets; those that are equal stay as they are.
    pub(super) fn sort(self, shown: &mut [u32], sockets: &[Socket], programs: Option<&Programs>) {
        let compare = |a: &u32, b: &u32| {
            let (a, b) = (&sockets[*a as usize], &sockets[*b as usize]);
            let ordering = self.compare(a, b, programs);
            if self.descending {
                ordering.reverse()
            } else {
                ordering
            }
        };
        shown.sort_by(compare);
    }

    fn compare(self, a: &Socket, b: &Socket, programs: Option<&Programs>) -> Ordering {
        let number = |socket: &Socket| -> u64 {
            let tcp = socket.tcp.as_deref();
            match self.key {
                Key::Port => socket.local.port().unwrap_or(0).into(),
                Key::RecvQ => socket.recv_queue.into(),
                Key::SendQ => socket.send_queue.into(),
                Key::Memory => socket.memory.map_or(0, |it| {
                    u64::from(it.recv) + u64::from(it.send_queued.max(it.sending))
                }),
                Key::Rtt => tcp.map_or(0, |tcp| tcp.rtt_us.into()),
                Key::Cwnd => tcp.map_or(0, |tcp| tcp.cwnd.into()),
                Key::Retransmits => tcp.map_or(0, |tcp| tcp.retransmits.into()),
                Key::Sent => tcp.map_or(0, |tcp| tcp.bytes_sent),
                Key::Received => tcp.map_or(0, |tcp| tcp.bytes_received),
                Key::Timer => socket.timer.left_ms.into(),
                Key::User => socket.uid.map_or(0, |uid| u64::from(uid) + 1),
                _ => 0,
            }
        };
        let program = |socket: &Socket| programs.and_then(|all| all.of(socket.inode).next());
        match self.key {
            Key::Local => a.local.cmp(&b.local),
            Key::Remote => a.remote.cmp(&b.remote),
            Key::State => a.state.cmp(&b.state),
            Key::Program => program(a)
                .map(|it| it.name)
                .cmp(&program(b).map(|it| it.name)),
            Key::Pid => program(a)
                .map(|it| it.pid)
                .cmp(&program(b).map(|it| it.pid)),
            _ => number(a).cmp(&number(b)),
        }
    }
}

/// For each socket the index of the other end, where this machine has it.
#[derive(Debug, Default)]
pub(super) struct Peers(Vec<u32>);

/// No other end.
const NOBODY: u32 = u32::MAX;

impl Peers {
    pub(super) fn find(sockets: &[Socket]) -> Self {
        let mut peers = vec![NOBODY; sockets.len()];
        let mut join = |a: u32, b: u32| {
            peers[a as usize] = b;
            peers[b as usize] = a;
        };
        // Both ends of a connection have the same key: sorted, they are neighbours. That takes half of
        // the time and a third of the memory that a map takes.
        let mut ends: Vec<(u128, u32)> = Vec::with_capacity(sockets.len());
        let mut names: Vec<(u64, u32)> = vec![];
        for (socket, index) in sockets.iter().zip(0..) {
            if let Some((local, remote)) = connection(socket) {
                ends.push((key(local, remote), index));
            } else if socket.peer_inode != 0 {
                let (own, other) = (u64::from(socket.inode), u64::from(socket.peer_inode));
                names.push((own.min(other) << 32 | own.max(other), index));
            }
        }
        ends.sort_unstable();
        for group in ends.chunk_by(|a, b| a.0 == b.0) {
            // Mostly two; more where TCP and UDP, or MPTCP and its subflow, have the same addresses.
            for (at, (_, a)) in group.iter().enumerate() {
                let is_peer = |b: &u32| are_ends(&sockets[*a as usize], &sockets[*b as usize]);
                if let Some(b) = group[at + 1..].iter().map(|(_, b)| *b).find(is_peer) {
                    join(*a, b);
                }
            }
        }
        names.sort_unstable();
        for pair in names.chunk_by(|a, b| a.0 == b.0) {
            if let [(_, a), (_, b)] = pair {
                join(*a, *b);
            }
        }
        Self(peers)
    }

    /// The other end of a socket.
    pub(super) fn of(&self, index: u32) -> Option<u32> {
        let peer = self.0.get(index as usize).copied();
        peer.filter(|peer| *peer != NOBODY)
    }
}

/// A number that both ends of a connection have in common, and few others.
fn key(local: SocketAddr, remote: SocketAddr) -> u128 {
    let end = |address: SocketAddr| -> u64 {
        let ip = match address.ip() {
            IpAddr::V4(ip) => u64::from(ip.to_bits()),
            // What two addresses of a network have in common cancels out nothing: fold all of it.
            IpAddr::V6(ip) => {
                let bits = ip.to_bits();
                ((bits >> 64) as u64)
                    .wrapping_mul(31)
                    .wrapping_add(bits as u64)
            }
        };
        ip << 16 ^ ip >> 48 ^ u64::from(address.port())
    };
    let (a, b) = (end(local), end(remote));
    u128::from(a.min(b)) << 64 | u128::from(a.max(b))
}

/// Whether two sockets are the ends of one connection.
fn are_ends(a: &Socket, b: &Socket) -> bool {
    a.transport == b.transport
        && a.is_mptcp == b.is_mptcp
        && a.local == b.remote
        && a.remote == b.local
        // A socket that is connected to itself has one end.
        && a.local != a.remote
}

/// Both addresses of what is connected over IP.
fn connection(socket: &Socket) -> Option<(SocketAddr, SocketAddr)> {
    match (&socket.local, &socket.remote) {
        (Address::Ip(local), Address::Ip(remote)) if remote.port() != 0 => Some((*local, *remote)),
        _ => None,
    }
}

/// The order in which nobody asked for another: kind by kind, each listener before its connections,
/// and of each connection of this machine the server's end before the client's.
pub(super) fn by_service(shown: &mut [u32], sockets: &[Socket], peers: &Peers) {
    let mut listens = vec![false; 1 << 16];
    for socket in sockets.iter().filter(|socket| socket.is_listener()) {
        if let Some(port) = socket.local.port() {
            listens[usize::from(port)] = true;
        }
    }
    let place = |index: u32| {
        let socket = &sockets[index as usize];
        let first = peers.of(index).map_or(index, |peer| peer.min(index));
        (rank(socket, &listens), first)
    };
    shown.sort_by_cached_key(|index| place(*index));
}

/// Kind, port of the service, listener or not, port of the client, which end: in one number.
fn rank(socket: &Socket, listens: &[bool]) -> u64 {
    let kind: u64 = match socket.transport {
        Transport::Tcp => 0,
        Transport::Udp => 1,
        Transport::Raw => 2,
        Transport::Packet => 3,
        Transport::Unix => 4,
        Transport::UnixSeqpacket => 5,
        Transport::UnixDgram => 6,
        _ => 7,
    };
    let is_door = u64::from(!socket.is_listener());
    let Some((local, remote)) = connection(socket) else {
        let port = u64::from(socket.local.port().unwrap_or(0));
        return kind << 56 | port << 40 | is_door << 32;
    };
    let (local, remote) = (local.port(), remote.port());
    let is_service = |port: u16| listens[usize::from(port)];
    // Where both or none listens, the smaller number is more often the service's.
    let is_server = match (is_service(local), is_service(remote)) {
        (true, false) => true,
        (false, true) => false,
        _ => local <= remote,
    };
    let (service, client) = if is_server {
        (local, remote)
    } else {
        (remote, local)
    };
    let (service, client) = (u64::from(service), u64::from(client));
    kind << 56 | service << 40 | 1 << 32 | client << 8 | u64::from(!is_server)
}

/// Whether this end is the server's, as far as [`by_service`] can tell.
pub(super) fn is_server(
    socket: &Socket,
    peer: &Socket,
    has_listener: impl Fn(u16) -> bool,
) -> bool {
    match (socket.local.port(), peer.local.port()) {
        (Some(own), Some(other)) => match (has_listener(own), has_listener(other)) {
            (true, false) => true,
            (false, true) => false,
            _ => own <= other,
        },
        // Of two Unix sockets the one that was accepted has the listener's name.
        _ => socket.local > peer.local || socket.local == peer.local && socket.inode < peer.inode,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_key_and_a_way() {
        let sort: Sort = "rtt:desc".parse().unwrap();
        assert_eq!((sort.key, sort.descending), (Key::Rtt, true));
        let sort: Sort = "recv-q".parse().unwrap();
        assert_eq!((sort.key, sort.descending), (Key::RecvQ, false));
        assert!(
            "rtt:down"
                .parse::<Sort>()
                .unwrap_err()
                .ends_with("asc and desc")
        );
        assert!(
            "size"
                .parse::<Sort>()
                .unwrap_err()
                .contains("there are local, ")
        );
    }
}
