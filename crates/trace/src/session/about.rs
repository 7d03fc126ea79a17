//! What a session knows of the things that its facts are about.

use serde::{Deserialize, Serialize};

use crate::{Address, ConnId, Time, Transport};

/// The head of a session: who recorded it, when and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Head {
    /// The verb that recorded it.
    pub verb: String,
    /// The command line, as words.
    pub command: Vec<String>,
    /// The machine's name.
    pub host: String,
    /// When recording began, in nanoseconds since the epoch.
    pub started_ns: u64,
    /// Where the wire lane comes from.
    pub wire: WireSource,
    /// Why the wire could not be captured, where it could not.
    pub wire_note: String,
    /// Bytes kept of each call's payload.
    pub payload_cap: u64,
    /// The framing that the user named, as its spec text; empty: none.
    pub frame: String,
}

impl Head {
    /// When recording began.
    pub fn started(&self) -> Time {
        Time::from_nanos(self.started_ns)
    }
}

/// Where a wire lane comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireSource {
    /// There is none.
    #[default]
    None,
    /// Packets as they were captured.
    Captured,
    /// The kernel's counters (`TCP_INFO`), asked at each call.
    Inferred,
}

/// One process's hold on one socket. Told when the socket is first seen and again whenever an address
/// becomes known; the last word counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Side {
    /// Its number among the session's connections.
    pub id: u64,
    /// The process that holds it; 0: not known.
    pub pid: u32,
    /// Its descriptor there; -1: not known.
    pub fd: i32,
    /// The socket itself (`SO_COOKIE`): the same in every process that shares it. 0: not known.
    pub socket: u64,
    /// The socket at the other end, where the kernel tells (Unix sockets). 0: not known.
    pub twin: u64,
    /// What it speaks.
    pub transport: Transport,
    /// Our end.
    pub local: Address,
    /// The other end.
    pub peer: Address,
    /// It accepts connections.
    pub listening: bool,
    /// It came from accepting: this is the server's end.
    pub accepted: bool,
    /// Bytes that were read and written before the recording began (an attached program); the
    /// offsets of its events count them.
    pub read_before: u64,
    /// See `read_before`.
    pub written_before: u64,
    /// The recording began in the middle, and how many bytes passed before is not known.
    pub midway: bool,
    /// The protocol that its bytes are inside of (`tls`, `ws`), where they are not what the wire
    /// carries; else empty.
    pub inside: String,
}

impl Side {
    /// Its number.
    pub fn conn(&self) -> ConnId {
        ConnId::new(self.id.min(ConnId::MAX))
    }
}

/// A process that was watched. Told at its start, and again when something about it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// Its number, as the watched programs see it.
    pub pid: u32,
    /// The process that made it.
    pub parent: u32,
    /// What it was started as: `server`, `client`, or nothing.
    pub role: String,
    /// The program's name.
    pub name: String,
    /// Its command line.
    pub command: Vec<String>,
    /// How it ended: `exit 0`, `signal KILL`; empty while it runs.
    pub ended: String,
}

/// An interface that packets were captured on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Interface {
    /// Its number in this session: packets carry it as their connection.
    pub number: u64,
    /// Its name, such as `lo`.
    pub name: String,
    /// The link type (LINKTYPE_ of pcap): 1 Ethernet, 101 raw IP, 113 Linux cooked, 276 cooked v2.
    pub link_type: u32,
    /// Bytes that were kept of each packet; 0: all.
    pub snap: u32,
    /// Packets that the kernel could not hand over.
    pub dropped: u64,
}

/// Something that could not be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gap {
    /// What, in one word of the list in docs/trace-format.md: `lost-events`, `lost-packets`,
    /// `io-uring`, `foreign-architecture`, `setuid`, `attached-midway` …
    pub what: String,
    /// How many, where they can be counted.
    pub count: u64,
    /// The process it happened to; 0: none.
    pub pid: u32,
    /// More about it, for people.
    pub detail: String,
}

/// How full a socket's buffers are at one moment.
///
/// - **Units:** bytes; `*_memory` counts the kernel's bookkeeping too (`SK_MEMINFO`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gauge {
    /// Written by the program and not yet sent.
    pub unsent: u32,
    /// Sent and not yet acknowledged.
    pub unacked: u32,
    /// Arrived and not yet read.
    pub unread: u32,
    /// Memory that the send buffer holds.
    pub send_memory: u32,
    /// What it may hold (`SO_SNDBUF`).
    pub send_limit: u32,
    /// Memory that the receive buffer holds.
    pub recv_memory: u32,
    /// What it may hold (`SO_RCVBUF`).
    pub recv_limit: u32,
}

impl Gauge {
    const FIELDS: usize = 7;

    fn fields(self) -> [u32; Self::FIELDS] {
        [
            self.unsent,
            self.unacked,
            self.unread,
            self.send_memory,
            self.send_limit,
            self.recv_memory,
            self.recv_limit,
        ]
    }

    /// As the payload of an event.
    pub fn to_payload(self) -> Vec<u8> {
        self.fields()
            .into_iter()
            .flat_map(u32::to_le_bytes)
            .collect()
    }

    /// Reads back what [`Gauge::to_payload`] wrote.
    pub fn from_payload(payload: &[u8]) -> Option<Self> {
        let payload: &[u8; Self::FIELDS * 4] = payload.try_into().ok()?;
        let field =
            |index: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| payload[index * 4 + byte]));
        Some(Self {
            unsent: field(0),
            unacked: field(1),
            unread: field(2),
            send_memory: field(3),
            send_limit: field(4),
            recv_memory: field(5),
            recv_limit: field(6),
        })
    }
}

/// The state of a TCP socket, with the kernel's numbers (`include/net/tcp_states.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TcpState {
    /// Nobody said.
    #[default]
    Unknown,
    /// Data flows.
    Established,
    /// A SYN was sent.
    SynSent,
    /// A SYN was received.
    SynRecv,
    /// We closed first, and our FIN is not acknowledged.
    FinWait1,
    /// Our FIN is acknowledged, the peer's has not come.
    FinWait2,
    /// Both sides have closed, and late packets are waited for.
    TimeWait,
    /// No connection.
    Close,
    /// The peer has closed, this program has not.
    CloseWait,
    /// The peer closed first, then we; our FIN is not acknowledged.
    LastAck,
    /// It accepts connections.
    Listen,
    /// Both closed at once.
    Closing,
    /// A SYN was received, and no socket exists yet.
    NewSynRecv,
}

impl TcpState {
    const ALL: [Self; 13] = [
        Self::Unknown,
        Self::Established,
        Self::SynSent,
        Self::SynRecv,
        Self::FinWait1,
        Self::FinWait2,
        Self::TimeWait,
        Self::Close,
        Self::CloseWait,
        Self::LastAck,
        Self::Listen,
        Self::Closing,
        Self::NewSynRecv,
    ];

    /// The state with the kernel's number; [`TcpState::Unknown`] for any other.
    pub fn of_number(number: u8) -> Self {
        Self::ALL
            .get(usize::from(number))
            .copied()
            .unwrap_or_default()
    }

    /// Its name, as RFC 9293 writes it (with the kernel's `FIN-WAIT-1`); empty if unknown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN-SENT",
            Self::SynRecv | Self::NewSynRecv => "SYN-RECV",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::TimeWait => "TIME-WAIT",
            Self::Close => "CLOSED",
            Self::CloseWait => "CLOSE-WAIT",
            Self::LastAck => "LAST-ACK",
            Self::Listen => "LISTEN",
            Self::Closing => "CLOSING",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauges_read_back() {
        let gauge = Gauge {
            unsent: 1,
            unacked: 2,
            unread: 3,
            send_memory: 4,
            send_limit: 5,
            recv_memory: 6,
            recv_limit: u32::MAX,
        };
        assert_eq!(Gauge::from_payload(&gauge.to_payload()), Some(gauge));
        assert_eq!(Gauge::from_payload(b"short"), None);
    }

    #[test]
    fn states_keep_the_kernels_numbers() {
        for (number, state) in TcpState::ALL.into_iter().enumerate() {
            assert_eq!(TcpState::of_number(number as u8), state);
            assert_eq!(state as usize, number);
        }
        assert_eq!(TcpState::of_number(200), TcpState::Unknown);
    }
}
