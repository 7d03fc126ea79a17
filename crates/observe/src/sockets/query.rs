//! What to ask for.

use sockeye_trace::{TcpState, Transport};

/// A kind of sockets that the kernel is asked about at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// TCP over IPv4, then over IPv6; so too below.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
    /// MPTCP over IPv4.
    Mptcp4,
    /// MPTCP over IPv6.
    Mptcp6,
    /// UDP over IPv4.
    Udp4,
    /// UDP over IPv6.
    Udp6,
    /// Raw IPv4.
    Raw4,
    /// Raw IPv6.
    Raw6,
    /// Unix sockets of all types.
    Unix,
    /// Packet sockets.
    Packet,
}

impl Part {
    /// All of them, in the order in which a table shows them.
    pub const ALL: [Self; 10] = [
        Self::Tcp4,
        Self::Tcp6,
        Self::Mptcp4,
        Self::Mptcp6,
        Self::Udp4,
        Self::Udp6,
        Self::Raw4,
        Self::Raw6,
        Self::Packet,
        Self::Unix,
    ];

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp4 => "TCP over IPv4",
            Self::Tcp6 => "TCP over IPv6",
            Self::Mptcp4 => "MPTCP over IPv4",
            Self::Mptcp6 => "MPTCP over IPv6",
            Self::Udp4 => "UDP over IPv4",
            Self::Udp6 => "UDP over IPv6",
            Self::Raw4 => "raw IPv4",
            Self::Raw6 => "raw IPv6",
            Self::Unix => "Unix",
            Self::Packet => "packet",
        }
    }

    /// What its sockets speak; Unix sockets are told as streams here.
    pub const fn transport(self) -> Transport {
        match self {
            Self::Tcp4 | Self::Tcp6 | Self::Mptcp4 | Self::Mptcp6 => Transport::Tcp,
            Self::Udp4 | Self::Udp6 => Transport::Udp,
            Self::Raw4 | Self::Raw6 => Transport::Raw,
            Self::Unix => Transport::Unix,
            Self::Packet => Transport::Packet,
        }
    }
}

/// A set of states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct States(u32);

impl States {
    /// Every state.
    pub const ALL: Self = Self(0x1fff);
    /// No state.
    pub const NONE: Self = Self(0);

    /// The set with one more state.
    #[must_use]
    pub const fn with(self, state: TcpState) -> Self {
        // The kernel keeps requests for a connection apart and asks for them as SYN-RECV.
        match state {
            TcpState::SynRecv | TcpState::NewSynRecv => {
                Self(self.0 | 1 << TcpState::SynRecv as u8 | 1 << TcpState::NewSynRecv as u8)
            }
            state => Self(self.0 | 1 << state as u8),
        }
    }

    /// What is in both sets or in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a state is in it.
    pub const fn has(self, state: TcpState) -> bool {
        self.0 & 1 << state as u8 != 0
    }

    pub(super) const fn bits(self) -> u32 {
        self.0
    }
}

/// Which sockets, and how much about each.
#[derive(Clone, Debug)]
pub struct Query {
    /// Which kinds, in this order.
    pub parts: Vec<Part>,
    /// In which states.
    pub states: States,
    /// Whether with [`super::Memory`].
    pub memory: bool,
    /// Whether with [`super::TcpDetails`].
    pub details: bool,
}

impl Default for Query {
    /// Everything about everything.
    fn default() -> Self {
        Self {
            parts: Part::ALL.into(),
            states: States::ALL,
            memory: true,
            details: true,
        }
    }
}
