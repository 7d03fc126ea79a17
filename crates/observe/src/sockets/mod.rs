//! The socket table of this network namespace, as the kernel tells it over `sock_diag`(7).
//!
//! [`Diag`] asks: for all sockets of some kinds ([`Diag::list`]), or for one connection by its two
//! addresses ([`Diag::tcp`], about 10 µs, holds no reference to the socket). [`Programs`] finds who
//! has a socket open, by looking into every process: the kernel has no shorter way.
//!
//! - **Namespace:** that of the thread which opened the [`Diag`].
//! - **Privilege:** none. Programs of other users are hidden without root; how many, is told.
//! - **A sample:** the kernel does not stop for us. Two sockets of one answer need not have been in
//!   these states at the same time.

mod details;
mod diag;
mod error;
mod inet;
mod netlink;
mod packet;
mod procfs;
mod programs;
mod query;
mod unix;

use sockeye_trace::{Address, Gauge, TcpState, Transport};

pub use details::TcpDetails;
pub use diag::{Diag, Missing, Table};
pub use error::DiagError;
pub use programs::{Program, Programs};
pub use query::{Part, Query, States};

/// One socket.
#[derive(Clone, Debug, PartialEq)]
pub struct Socket {
    /// What it speaks.
    pub transport: Transport,
    /// Whose addresses it has. A [`Family::V6`] socket may be connected to an IPv4 address.
    pub family: Family,
    /// Its state. What has no connection is [`TcpState::Close`], also UDP, raw and packet sockets;
    /// a connected UDP socket is [`TcpState::Established`].
    pub state: TcpState,
    /// Its own address.
    pub local: Address,
    /// The other end; of what is not connected, nothing or the unspecified address.
    pub remote: Address,
    /// The interface that it is bound to (`SO_BINDTODEVICE`; packet sockets: bind), 0 for any.
    pub interface: u32,
    /// Raw IP: the IP protocol. Packet sockets: the Ethernet protocol, 3 for all (`ETH_P_ALL`).
    pub protocol: u16,
    /// TCP: bytes that wait to be read; for a listener, connections that wait to be accepted.
    /// UDP and raw IP: memory that holds what waits. Unix: bytes; for a listener, connections.
    pub recv_queue: u32,
    /// TCP: bytes written and not yet acknowledged; for a listener, its backlog.
    /// UDP, raw IP, Unix: memory that holds what is on its way; for a Unix listener, its backlog.
    pub send_queue: u32,
    /// What it waits for.
    pub timer: Timer,
    /// Who made it; nothing where the kernel does not tell, as for [`TcpState::TimeWait`].
    pub uid: Option<u32>,
    /// Its inode, by which a process is found; 0 if no program holds it any more.
    pub inode: u32,
    /// The kernel's own number of this socket (`SO_COOKIE`), never used twice.
    pub cookie: u64,
    /// Its buffers, where asked for and told.
    pub memory: Option<Memory>,
    /// What TCP knows about the connection, where asked for and told.
    pub tcp: Option<Box<TcpDetails>>,
    /// Unix sockets: the inode of the other end, 0 if there is none.
    pub peer_inode: u32,
    /// Whether it is the MPTCP socket, whose subflows are listed as TCP.
    pub is_mptcp: bool,
}

/// Whose addresses a socket has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// Names in this machine.
    Unix,
    /// Network interfaces.
    Link,
}

/// What a socket waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timer {
    /// Which timer runs.
    pub kind: TimerKind,
    /// When it expires, in milliseconds from now.
    pub left_ms: u32,
    /// How often it has expired since something was heard.
    pub expired: u8,
}

/// Which timer runs (`idiag_timer`, `sock_diag`(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimerKind {
    /// None.
    #[default]
    Off,
    /// Something is sent again unless it is acknowledged.
    Retransmit,
    /// A silent peer is asked whether it is there, or a closing one is given up.
    Keepalive,
    /// The end of TIME-WAIT.
    TimeWait,
    /// A peer without room is asked whether it has some.
    Probe,
}

impl TimerKind {
    /// Its name, as ss(8) has it; empty if none runs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "",
            Self::Retransmit => "on",
            Self::Keepalive => "keepalive",
            Self::TimeWait => "timewait",
            Self::Probe => "persist",
        }
    }

    pub(crate) const fn of_number(number: u8) -> Self {
        match number {
            1 => Self::Retransmit,
            2 => Self::Keepalive,
            3 => Self::TimeWait,
            4 => Self::Probe,
            _ => Self::Off,
        }
    }
}

/// The memory of a socket's buffers, in bytes. It counts whole kernel buffers, headers and slack
/// included, and is therefore more than the data in them (`SK_MEMINFO_*`, linux/sock_diag.h).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Held by what arrived and was not read.
    pub recv: u32,
    /// What that may be (`SO_RCVBUF`); a single buffer may go over it.
    pub recv_limit: u32,
    /// Handed to the interface's queue.
    pub sending: u32,
    /// What may be written and not yet acknowledged (`SO_SNDBUF`).
    pub send_limit: u32,
    /// Held by what was written and not yet acknowledged (TCP).
    pub send_queued: u32,
    /// Arrived while the program was inside a call on the socket, and waits to be looked at.
    pub backlog: u32,
    /// Packets thrown away because there was no room.
    pub drops: u32,
}

impl Memory {
    /// Reads the array of `SK_MEMINFO_VARS` numbers.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let number = |index: usize| netlink::u32_at(bytes, index * 4);
        Self {
            recv: number(0),
            recv_limit: number(1),
            sending: number(2),
            send_limit: number(3),
            send_queued: number(5),
            backlog: number(7),
            drops: number(8),
        }
    }
}

/// The name of the network interface with this number, in this thread's network namespace.
pub fn interface_name(index: u32) -> Option<String> {
    let any = rustix::net::socket(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::DGRAM,
        None,
    );
    rustix::net::netdevice::index_to_name(any.ok()?, index).ok()
}

impl Socket {
    /// A socket of which nothing else is known.
    pub(crate) const fn of(transport: Transport, family: Family, state: TcpState) -> Self {
        Self {
            transport,
            family,
            state,
            local: Address::None,
            remote: Address::None,
            interface: 0,
            protocol: 0,
            recv_queue: 0,
            send_queue: 0,
            timer: Timer {
                kind: TimerKind::Off,
                left_ms: 0,
                expired: 0,
            },
            uid: None,
            inode: 0,
            cookie: 0,
            memory: None,
            tcp: None,
            peer_inode: 0,
            is_mptcp: false,
        }
    }

    /// Whether it takes connections.
    pub fn is_listener(&self) -> bool {
        self.state == TcpState::Listen
    }

    /// The name of its state: as RFC 9293 has it, and `UNCONN` for what has no connections or none now.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            TcpState::Close if self.transport != Transport::Tcp => "UNCONN",
            state => state.name(),
        }
    }

    /// How full its buffers are, as the timeline draws it.
    pub fn gauge(&self) -> Gauge {
        let memory = self.memory.unwrap_or_default();
        let unsent = self.tcp.as_ref().map_or(0, |tcp| tcp.unsent);
        let (unread, unacked) = if self.is_listener() {
            (0, 0)
        } else {
            (self.recv_queue, self.send_queue.saturating_sub(unsent))
        };
        Gauge {
            unsent,
            unacked,
            unread,
            send_memory: memory.send_queued.max(memory.sending),
            send_limit: memory.send_limit,
            recv_memory: memory.recv,
            recv_limit: memory.recv_limit,
        }
    }
}
