//! The packet table: one row a packet, or a piece of a super-segment, as data.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use super::{
    Body, Damage, Packet, Piece, Protocol, Quoted, TcpFlags, TcpOptions, icmp_message,
    igmp_message, link_type,
};
use crate::{Lang, Time};

/// Directions of TCP whose first sequence number is remembered: what was quiet longest is forgotten
/// first, and shown with the numbers of the header from there on.
pub const ISN_LIMIT: usize = 1 << 16;

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
    body: Body,
    quoted: Option<Quoted>,
    oddity: Option<Damage>,
}

/// An address as the table shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// Of IP.
    Ip(IpAddr),
    /// Of the link.
    Mac([u8; 6]),
    /// None.
    None,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Mac(address) => {
                let mut text = String::with_capacity(17);
                for (index, byte) in address.iter().enumerate() {
                    let colon = if index == 0 { "" } else { ":" };
                    fmt::Write::write_fmt(&mut text, format_args!("{colon}{byte:02x}"))?;
                }
                f.pad(&text)
            }
            Self::None => f.pad("-"),
        }
    }
}

/// A sequence number as the table shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seq {
    /// From the start of its direction: SYN is 0, the first byte 1, and it counts on beyond 4 GiB.
    Relative(u64),
    /// As the header has it: the start was not seen.
    Absolute(u32),
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relative(number) => number.fmt(f),
            Self::Absolute(number) => number.fmt(f),
        }
    }
}

/// One direction of a TCP connection.
type Direction = (IpAddr, u16, IpAddr, u16);

/// Makes rows of packets: counts them, and remembers where sequence numbers began.
#[derive(Debug, Default)]
pub struct Rows {
    count: u64,
    /// Two generations: when the young one is full, the old one is forgotten.
    young: HashMap<Direction, Start>,
    old: HashMap<Direction, Start>,
}

/// Where a direction's numbers began, and how far they got.
#[derive(Clone, Copy, Debug)]
struct Start {
    isn: u32,
    latest: u64,
}

impl Start {
    /// The number nearest to where this direction is.
    fn relative(&mut self, seq: u32) -> u64 {
        let number = unwrap(self.latest, seq.wrapping_sub(self.isn));
        self.latest = self.latest.max(number);
        number
    }
}

/// The number with these lower 32 bits that is nearest to `near`.
pub(super) fn unwrap(near: u64, low: u32) -> u64 {
    let ahead = low.wrapping_sub(near as u32).cast_signed();
    near.checked_add_signed(i64::from(ahead))
        // Before the start: a stray number, shown as it is.
        .unwrap_or_else(|| u64::from(low))
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
            self.learn(ours, seq);
        }
        let shown = |start: Option<&mut Start>, number: u32| match start {
            Some(start) => Seq::Relative(start.relative(number)),
            None => Seq::Absolute(number),
        };
        let theirs = (net.destination, to, net.source, from);
        let ack = flags
            .has(TcpFlags::ACK)
            .then(|| shown(self.start(theirs), ack));
        (Some(shown(self.start(ours), seq)), ack)
    }

    fn learn(&mut self, direction: Direction, isn: u32) {
        // The SYN once more, not a new connection: keep how far it got.
        if self.start(direction).is_some_and(|start| start.isn == isn) {
            return;
        }
        self.keep(direction, Start { isn, latest: 0 });
    }

    fn keep(&mut self, direction: Direction, start: Start) {
        if self.young.len() >= ISN_LIMIT / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(direction, start);
    }

    fn start(&mut self, direction: Direction) -> Option<&mut Start> {
        if let Some(start) = self.old.remove(&direction)
            && !self.young.contains_key(&direction)
        {
            self.keep(direction, start);
        }
        self.young.get_mut(&direction)
    }
}

fn hosts(packet: &Packet<'_>) -> (Host, Host) {
    if let Some(net) = packet.net {
        return (Host::Ip(net.source), Host::Ip(net.destination));
    }
    if let Body::Arp { sender, target, .. } = packet.body {
        return (Host::Ip(sender), Host::Ip(target));
    }
    let mac = |address: Option<[u8; 6]>| address.map_or(Host::None, Host::Mac);
    (mac(packet.link.source), mac(packet.link.destination))
}

impl Row {
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

    /// What else there is to say: options, a message's meaning, what is wrong. Nothing for most.
    pub fn write_detail(&self, lang: Lang, out: &mut dyn fmt::Write) -> fmt::Result {
        self.write_body(lang, out)?;
        if let Some(of) = self.of {
            match lang {
                Lang::En => write!(out, "first fragment of a datagram of {of} bytes")?,
                Lang::Zh => write!(out, "{of} 字节数据报的首个分片")?,
            }
        }
        if let Some(oddity) = self.oddity {
            write!(out, " ({})", oddity.words(lang))?;
        }
        Ok(())
    }

    fn write_body(&self, lang: Lang, out: &mut dyn fmt::Write) -> fmt::Result {
        match &self.body {
            Body::Tcp(tcp) => write_options(&tcp.options, out),
            Body::Icmp { v6, kind, code } => {
                match icmp_message(*v6, *kind, *code, lang) {
                    Some(message) => out.write_str(message)?,
                    None => write!(out, "{kind}/{code}")?,
                }
                self.write_quoted(lang, out)
            }
            Body::Igmp { kind } => match igmp_message(*kind, lang) {
                Some(message) => out.write_str(message),
                None => write!(out, "0x{kind:02x}"),
            },
            Body::Arp {
                operation,
                sender,
                target,
            } => match (operation, lang) {
                (1, Lang::En) => write!(out, "who has {target}? tell {sender}"),
                (1, Lang::Zh) => write!(out, "谁有 {target}？告诉 {sender}"),
                (2, Lang::En) => write!(out, "{sender} is here"),
                (2, Lang::Zh) => write!(out, "{sender} 在此"),
                (other, _) => write!(out, "{other}"),
            },
            Body::Damaged(damage) => out.write_str(&damage.words(lang)),
            Body::Udp(_) | Body::Fragment | Body::Other(_) | Body::Link(_) => Ok(()),
        }
    }

    /// What could not be delivered: `UDP 127.0.0.1:40000 > 127.0.0.1:9`.
    fn write_quoted(&self, lang: Lang, out: &mut dyn fmt::Write) -> fmt::Result {
        let Some(quoted) = self.quoted else {
            return Ok(());
        };
        let protocol = Protocol::Ip(quoted.net.protocol);
        let (from, to) = (quoted.net.source, quoted.net.destination);
        match quoted.ports {
            Some((source, destination)) => {
                let name = if quoted.net.protocol == 17 {
                    "UDP"
                } else {
                    "TCP"
                };
                let from = std::net::SocketAddr::new(from, source);
                let to = std::net::SocketAddr::new(to, destination);
                write!(out, ": {name} {from} > {to}")
            }
            None => write!(out, ": {} {from} > {to}", protocol.words(lang)),
        }
    }
}

fn write_options(options: &TcpOptions, out: &mut dyn fmt::Write) -> fmt::Result {
    let mut gap = "";
    let mut next = || std::mem::replace(&mut gap, " ");
    if let Some(mss) = options.mss {
        write!(out, "{}mss={mss}", next())?;
    }
    if let Some(scale) = options.scale {
        write!(out, "{}ws={scale}", next())?;
    }
    if options.sack_permitted {
        write!(out, "{}sackOK", next())?;
    }
    for (from, to) in options.sack.iter().filter(|block| **block != (0, 0)) {
        write!(out, "{}sack={from}..{to}", next())?;
    }
    Ok(())
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
mod tests {
    use super::*;
    use crate::packet::dissect;
    use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader};

    type Step = PacketBuilderStep<TcpHeader>;

    fn tcp(back: bool, seq: u32, payload: &[u8], set: impl FnOnce(Step) -> Step) -> Vec<u8> {
        let (a, b) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        let (from, to, ports) = if back {
            (b, a, (5000, 4000))
        } else {
            (a, b, (4000, 5000))
        };
        let step = PacketBuilder::ethernet2([2; 6], [3; 6])
            .ipv4(from, to, 64)
            .tcp(ports.0, ports.1, seq, 64240);
        let mut bytes = vec![];
        set(step).write(&mut bytes, payload).unwrap();
        bytes
    }

    fn row(rows: &mut Rows, bytes: &[u8]) -> Row {
        rows.row(&dissect(1, bytes, bytes.len() as u32), Time::default())
    }

    fn detail(row: &Row) -> String {
        let mut text = String::new();
        row.write_detail(Lang::En, &mut text).unwrap();
        text
    }

    #[test]
    fn numbers_count_from_the_start_where_it_was_seen() {
        let mut rows = Rows::new();
        let start = u32::MAX - 5;
        let seen = |row: Row| (row.seq, row.ack);
        let syn = tcp(false, start, b"", Step::syn);
        assert_eq!(seen(row(&mut rows, &syn)), (Some(Seq::Relative(0)), None));
        let back = tcp(true, 70, b"", |step| step.syn().ack(start.wrapping_add(1)));
        let both = (Some(Seq::Relative(0)), Some(Seq::Relative(1)));
        assert_eq!(seen(row(&mut rows, &back)), both);
        // Across the wrap, and then across 4 GiB of it.
        for round in 0..5u64 {
            for part in 0..4u64 {
                let at = round * (1 << 32) + part * (1 << 30) + 1;
                let data = tcp(false, start.wrapping_add(at as u32), b"x", |step| {
                    step.ack(71)
                });
                let both = (Some(Seq::Relative(at)), Some(Seq::Relative(1)));
                assert_eq!(seen(row(&mut rows, &data)), both);
            }
        }
        assert_eq!(rows.count(), 22);
    }

    #[test]
    fn numbers_stay_as_they_are_where_the_start_was_not_seen() {
        let mut rows = Rows::new();
        let row = row(
            &mut rows,
            &tcp(false, 1000, b"x", |step| step.ack(71).psh()),
        );
        assert_eq!(row.seq, Some(Seq::Absolute(1000)));
        assert_eq!(row.ack, Some(Seq::Absolute(71)));
        assert_eq!(row.flags.unwrap().by_position().as_str(), ".AP...");
        assert_eq!(
            (row.len, row.frame_len, row.frame_len_with_fcs),
            (1, 55, Some(64))
        );
    }

    #[test]
    fn starts_are_forgotten_one_by_one_and_never_pile_up() {
        let mut rows = Rows::new();
        for number in 0..2 * ISN_LIMIT as u32 {
            let host = IpAddr::from(number.to_be_bytes());
            rows.learn((host, 1, host, 2), number);
            // This one is never quiet.
            let busy = IpAddr::from([0; 4]);
            assert!(rows.start((busy, 1, busy, 2)).is_some());
        }
        assert!(rows.young.len() + rows.old.len() <= ISN_LIMIT);
    }

    #[test]
    fn the_table_of_the_tutorial() {
        let mut rows = Rows::new();
        let syn = tcp(false, 9, b"", |step| {
            let options = [
                2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 10,
            ];
            step.syn().options_raw(&options).unwrap()
        });
        let syn = row(&mut rows, &syn);
        assert_eq!((syn.frame_len, syn.frame_len_with_fcs), (74, Some(78)));
        assert_eq!(syn.flags.unwrap().by_position().as_str(), "....S.");
        assert_eq!(detail(&syn), "mss=1460 ws=10 sackOK");
        // A super-segment of 2000 bytes: 1448 + 552.
        let stamps = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0];
        let big = tcp(false, 10, &[0; 2000], |step| {
            step.ack(1).psh().options_raw(&stamps).unwrap()
        });
        let packet = dissect(1, &big, big.len() as u32);
        let whole = rows.row(&packet, Time::default());
        let pieces: Vec<_> = packet
            .pieces(1448)
            .map(|piece| whole.piece(&piece))
            .collect();
        let seen: Vec<_> = pieces
            .iter()
            .map(|row| {
                (
                    row.piece,
                    row.seq.unwrap(),
                    row.len,
                    row.frame_len,
                    row.frame_len_with_fcs,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ((0, 2), Seq::Relative(1), 1448, 1514, Some(1518)),
                ((1, 2), Seq::Relative(1449), 552, 618, Some(622)),
            ]
        );
    }

    #[test]
    fn fragments_have_no_ports() {
        let mut bytes = vec![];
        PacketBuilder::ethernet2([2; 6], [3; 6])
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .udp(4000, 5000)
            .write(&mut bytes, &[0; 1472])
            .unwrap();
        bytes[20] = 0x20;
        bytes[38..40].copy_from_slice(&2008u16.to_be_bytes());
        let mut rows = Rows::new();
        let first = row(&mut rows, &bytes);
        assert_eq!(
            (first.ports, first.len, first.of),
            (Some((4000, 5000)), 1472, Some(2000))
        );
        assert_eq!(detail(&first), "first fragment of a datagram of 2000 bytes");
        bytes[20..22].copy_from_slice(&185u16.to_be_bytes());
        bytes[16..18].copy_from_slice(&548u16.to_be_bytes());
        bytes.truncate(562);
        let later = row(&mut rows, &bytes);
        assert_eq!((later.ports, later.len, later.frame_len), (None, 528, 562));
        assert_eq!(later.protocol.words(Lang::En).to_string(), "IP fragment");
    }

    #[test]
    fn an_error_says_what_could_not_be_delivered() {
        let mut inner = vec![];
        PacketBuilder::ipv4([127, 0, 0, 1], [127, 0, 0, 1], 64)
            .udp(40000, 9)
            .write(&mut inner, b"hi")
            .unwrap();
        let mut bytes = vec![];
        PacketBuilder::ethernet2([0; 6], [0; 6])
            .ipv4([127, 0, 0, 1], [127, 0, 0, 1], 64)
            .icmpv4_raw(3, 3, [0; 4])
            .write(&mut bytes, &inner)
            .unwrap();
        let row = row(&mut Rows::new(), &bytes);
        assert_eq!(
            detail(&row),
            "port unreachable: UDP 127.0.0.1:40000 > 127.0.0.1:9"
        );
        assert_eq!(row.ports, None);
    }
}
