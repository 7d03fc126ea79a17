//! The packet table: one row a packet, or a piece of a super-segment, as data.

mod detail;
mod host;
mod seq;

use super::{Body, Damage, Packet, Piece, Protocol, Quoted, TcpFlags, link_type};
use crate::{Time, Verdict};
use host::hosts;
use seq::Starts;

pub use host::Host;
pub use seq::{ISN_LIMIT, Seq};

/// A packet as the table shows it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its number, from 1. The pieces of a super-segment share one.
    pub number: u64,
    /// Which piece of how many; (0, 1) for what is one packet.
    pub piece: (u32, u32),
    /// When it passed.
    pub time: Time,
    /// Who sent it.
    pub source: Host,
    /// Whom it is for.
    pub destination: Host,
    /// The frame's length, as the kernel shows it.
    pub frame_len: u32,
    /// The same with padding and check sum: see [`Packet::frame_len_with_fcs`].
    pub frame_len_with_fcs: Option<u32>,
    /// What it is.
    pub protocol: Protocol,
    /// The ports, where there are any.
    pub ports: Option<(u16, u16)>,
    /// The flags (TCP).
    pub flags: Option<TcpFlags>,
    /// The sequence number (TCP).
    pub seq: Option<Seq>,
    /// The acknowledgement (TCP, where the flag is set).
    pub ack: Option<Seq>,
    /// The window as the header has it (TCP).
    pub window: Option<u16>,
    /// How many bytes TCP, UDP or the fragment carries.
    pub len: u32,
    /// How many bytes the whole datagram carries, where this is the first of its fragments.
    pub of: Option<u32>,
    /// Hops left.
    pub ttl: Option<u8>,
    /// What was done to it on its way ([`crate::Verdict`]); empty: nothing.
    pub verdict: String,
    body: Body,
    quoted: Option<Quoted>,
    oddity: Option<Damage>,
}

/// Makes rows of packets: counts them, and remembers where sequence numbers began.
#[derive(Debug, Default)]
pub struct Rows {
    count: u64,
    starts: Starts,
}

impl Rows {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many packets were seen.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The row of the next packet.
    pub fn row(&mut self, packet: &Packet<'_>, time: Time) -> Row {
        self.count += 1;
        let (source, destination) = hosts(packet);
        let mut row = Row {
            number: self.count,
            piece: (0, 1),
            time,
            source,
            destination,
            frame_len: packet.original_len,
            frame_len_with_fcs: packet.frame_len_with_fcs(),
            protocol: packet.protocol(),
            ports: packet.ports(),
            flags: None,
            seq: None,
            ack: None,
            window: None,
            len: packet.payload_len,
            of: None,
            ttl: packet.net.map(|net| net.ttl),
            verdict: String::new(),
            body: packet.body.clone(),
            quoted: packet.quoted,
            oddity: packet.oddity,
        };
        match &packet.body {
            Body::Tcp(tcp) => {
                row.flags = Some(tcp.flags);
                row.window = Some(tcp.window);
                (row.seq, row.ack) = self.numbers(packet, tcp.seq, tcp.ack, tcp.flags);
            }
            Body::Udp(udp) if udp.len > packet.payload_len => row.of = Some(udp.len),
            _ => {}
        }
        row
    }

    fn numbers(
        &mut self,
        packet: &Packet<'_>,
        seq: u32,
        ack: u32,
        flags: TcpFlags,
    ) -> (Option<Seq>, Option<Seq>) {
        let (Some(net), Some((from, to))) = (packet.net, packet.ports()) else {
            return (None, None);
        };
        let ours = (net.source, from, net.destination, to);
        if flags.has(TcpFlags::SYN) {
            self.starts.learn(ours, seq);
        }
        let theirs = (net.destination, to, net.source, from);
        let ack = flags
            .has(TcpFlags::ACK)
            .then(|| self.starts.shown(theirs, ack));
        (Some(self.starts.shown(ours, seq)), ack)
    }
}

impl Row {
    /// The row with what was done to its packet on its way.
    #[must_use]
    pub fn with_verdict(mut self, verdict: Option<Verdict<'_>>) -> Self {
        self.verdict = verdict.map_or_else(String::new, |verdict| verdict.as_str().to_owned());
        self
    }

    /// The row of one piece of the packet (a super-segment stands for several).
    #[must_use]
    pub fn piece(&self, piece: &Piece) -> Self {
        let mut row = self.clone();
        row.piece = (piece.index, piece.count);
        row.frame_len = piece.frame_len;
        row.frame_len_with_fcs = self
            .frame_len_with_fcs
            .map(|_| super::with_fcs(piece.frame_len));
        row.len = piece.len;
        row.seq = self.seq.map(|seq| match seq {
            Seq::Relative(number) => Seq::Relative(number + u64::from(piece.offset)),
            Seq::Absolute(number) => Seq::Absolute(number.wrapping_add(piece.offset)),
        });
        row.flags = self.flags.map(|_| piece.flags);
        row
    }
}

impl Packet<'_> {
    /// The ports of TCP or UDP: sender, receiver.
    pub const fn ports(&self) -> Option<(u16, u16)> {
        match &self.body {
            Body::Tcp(tcp) => Some((tcp.source, tcp.destination)),
            Body::Udp(udp) => Some((udp.source, udp.destination)),
            _ => None,
        }
    }

    /// The frame's length with what the hardware adds: padding to 60 bytes and a check sum of four.
    /// Computed, not seen; none where the link is not Ethernet.
    pub const fn frame_len_with_fcs(&self) -> Option<u32> {
        if self.link.kind == link_type::ETHERNET {
            Some(super::with_fcs(self.original_len))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests;
