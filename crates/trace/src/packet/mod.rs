//! Packets: what each byte of a captured frame is.

mod damage;
mod dissect;
mod flags;
pub mod layers;
mod names;
mod pieces;
pub mod row;
pub mod stream;

use std::net::IpAddr;
use std::ops::Range;

pub use damage::{Damage, Part};
pub use dissect::{dissect, link_type};
pub use flags::FlagText;
pub use layers::Layer;
pub use names::{Protocol, ProtocolText, ether_type, icmp_message, igmp_message, ip_protocol};
pub use pieces::{PIECE_LIMIT, Piece, Pieces};
pub use row::{Row, Rows};

/// A frame, taken apart. Lengths that lie are bounded by what was captured; what does not fit is said
/// in [`Packet::body`], or in [`Packet::oddity`] where the rest makes sense all the same.
#[derive(Clone, Debug)]
pub struct Packet<'a> {
    /// The frame as it was captured.
    pub bytes: &'a [u8],
    /// Its length on the wire, without the check sum that the hardware adds.
    pub original_len: u32,
    /// What the link's header says.
    pub link: Link,
    /// Where the header of IP (or what the link carries instead) begins in `bytes`.
    pub net_at: usize,
    /// Where the header of TCP, UDP … begins in `bytes`.
    pub transport_at: usize,
    /// The header of IP, where there is one.
    pub net: Option<Net>,
    /// What IP, or the link, carries.
    pub body: Body,
    /// Where the captured part of what TCP or UDP carries lies in `bytes`.
    pub payload: Range<usize>,
    /// How many bytes of it this packet carries, by the headers: of a datagram in fragments, this
    /// fragment's share.
    pub payload_len: u32,
    /// What an error of ICMP quotes: the packet that could not be delivered.
    pub quoted: Option<Quoted>,
    /// What does not fit, though the rest makes sense.
    pub oddity: Option<Damage>,
}

/// What the link's header says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// The link type (LINKTYPE_ of pcap).
    pub kind: u32,
    /// The sender's address, where the link has addresses of six bytes.
    pub source: Option<[u8; 6]>,
    /// The receiver's.
    pub destination: Option<[u8; 6]>,
    /// The VLAN it belongs to: the outermost tag's.
    pub vlan: Option<u16>,
    /// What it carries (an EtherType); 0 where the link does not say.
    pub protocol: u16,
}

/// The beginning of a packet that an error of ICMP speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// Its header of IP.
    pub net: Net,
    /// The ports of its TCP or UDP: whoever sent it, and whom it was for. None where other protocols
    /// were quoted, or too little.
    pub ports: Option<(u16, u16)>,
}

/// What the header of IP says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    /// Who sent it.
    pub source: IpAddr,
    /// Whom it is for.
    pub destination: IpAddr,
    /// What it carries (IANA protocol numbers), behind extension headers.
    pub protocol: u8,
    /// The number that fragments of one datagram share; none in IPv6 without a fragment header.
    pub id: Option<u32>,
    /// Which part of a datagram it is, if it is a part.
    pub fragment: Option<Fragment>,
    /// Hops left.
    pub ttl: u8,
}

/// A part of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Where it begins in what IP carries, in bytes.
    pub offset: u32,
    /// Its length in bytes.
    pub len: u32,
    /// More follow.
    pub more: bool,
}

/// What a frame carries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body {
    /// A TCP segment.
    Tcp(Tcp),
    /// A UDP datagram, or its first fragment.
    Udp(Udp),
    /// A fragment that has no header of its own but IP's.
    Fragment,
    /// ICMP or `ICMPv6`.
    Icmp {
        /// Which of the two.
        v6: bool,
        /// Its type and code.
        kind: u8,
        /// See `kind`.
        code: u8,
    },
    /// IGMP.
    Igmp {
        /// Its type.
        kind: u8,
    },
    /// ARP.
    Arp {
        /// 1 asks, 2 answers.
        operation: u16,
        /// Who says it.
        sender: IpAddr,
        /// Who is asked for.
        target: IpAddr,
    },
    /// Another protocol over IP, by its number.
    Other(u8),
    /// No IP: another EtherType (a length below 1536 in frames of 802.3).
    Link(u16),
    /// Headers that make no sense beyond here.
    Damaged(Damage),
}

/// The header of TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tcp {
    /// The sender's port.
    pub source: u16,
    /// The receiver's port.
    pub destination: u16,
    /// Sequence number of the first byte (or of SYN).
    pub seq: u32,
    /// The next byte that the sender expects.
    pub ack: u32,
    /// The flags.
    pub flags: TcpFlags,
    /// The window, as it stands there.
    pub window: u16,
    /// Bytes of the header, options included.
    pub header_len: u8,
    /// Options.
    pub options: TcpOptions,
}

/// The options of TCP that matter to a reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// Maximum segment size (SYN only).
    pub mss: Option<u16>,
    /// Window scale (SYN only).
    pub scale: Option<u8>,
    /// Selective acknowledgements are understood (SYN only).
    pub sack_permitted: bool,
    /// Time stamps: value and echo.
    pub timestamps: Option<(u32, u32)>,
    /// Blocks that arrived beyond a hole, at most four; the rest are (0, 0).
    pub sack: [(u32, u32); 4],
}

/// The flags of TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// The sender has sent its last byte.
    pub const FIN: u8 = 1;
    /// The sender opens the connection.
    pub const SYN: u8 = 2;
    /// The connection is gone.
    pub const RST: u8 = 4;
    /// The sender's buffer is empty behind this.
    pub const PSH: u8 = 8;
    /// The acknowledgement counts.
    pub const ACK: u8 = 16;
    /// Urgent data.
    pub const URG: u8 = 32;
    /// The network was congested (RFC 3168), or ECN is understood.
    pub const ECE: u8 = 64;
    /// The sender has slowed down (RFC 3168).
    pub const CWR: u8 = 128;

    /// Whether all of `flags` are set.
    pub const fn has(self, flags: u8) -> bool {
        self.0 & flags == flags
    }
}

/// The header of UDP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Udp {
    /// The sender's port.
    pub source: u16,
    /// The receiver's port.
    pub destination: u16,
    /// Bytes that the datagram carries, by its header: more than this packet holds where it is the
    /// first of several fragments.
    pub len: u32,
}

/// The least that a frame of Ethernet holds (IEEE 802.3, 4A.4.2), and its check sum.
pub(crate) const FRAME_MIN: u32 = 60;
pub(crate) const FCS: u32 = 4;

/// The length of a frame with the padding and the check sum that the hardware adds.
const fn with_fcs(frame_len: u32) -> u32 {
    let padded = if frame_len < FRAME_MIN {
        FRAME_MIN
    } else {
        frame_len
    };
    padded.saturating_add(FCS)
}
