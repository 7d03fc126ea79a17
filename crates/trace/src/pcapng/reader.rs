//! Reading capture files: pcapng, and pcap as it was before.

use std::collections::VecDeque;
use std::io::{self, Read};

use thiserror::Error;

use super::blocks::{self, Captured, Order, Ticks};
use super::{PROGRAMS, block};
use crate::packet::link_type;
use crate::session::read_full;
use crate::{ConnId, Event, Fact, Gap, Head, Interface, Kind, Session, Time, WireSource};

/// A block or packet longer than this is damage, not data: the largest that a kernel hands over is
/// far below.
pub const BLOCK_LIMIT: u32 = 1 << 24;
/// Interfaces of one file; nobody captures on more.
pub const INTERFACE_LIMIT: usize = 1 << 16;

/// What is read into memory that was made ready for it; more than that grows as it comes.
const AT_ONCE: usize = 1 << 16;

/// Why a file is no capture.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CaptureFileError {
    /// Reading failed.
    #[error("cannot read the capture file")]
    Io(#[from] io::Error),
    /// The first bytes are those of neither format.
    #[error("not a capture file: {}", beginning(.0))]
    NotACapture(Vec<u8>),
    /// The file makes no sense from here on.
    #[error("the capture file is damaged at byte {at}: {what}")]
    Damaged {
        /// Where the block or packet begins.
        at: u64,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// How a file begins that is no capture, and what to do about those that people often try.
fn beginning(start: &[u8]) -> String {
    let packed = match start {
        [] => return "it is empty".into(),
        [0x1f, 0x8b, ..] => "gzip",
        [0x28, 0xb5, 0x2f, 0xfd] => "zstd",
        [0x04, 0x22, 0x4d, 0x18] => "lz4",
        _ => return format!("it begins with {start:02x?}"),
    };
    format!("it is packed with {packed}; unpack it first")
}

/// Reads a capture file whole.
pub fn read(input: impl Read) -> Result<Session, CaptureFileError> {
    let mut reader = CaptureReader::new(input)?;
    let mut session = Session::new(reader.head());
    while let Some(fact) = reader.next_fact()? {
        session.push(&fact);
    }
    session.head_mut().started_ns = reader.first.as_nanos();
    session.sort();
    Ok(session)
}

/// Reads a capture file, fact by fact: interfaces ahead of their packets, packets in the order of the
/// file, and a gap `cut` where the file ends too early.
///
/// Give it a reader that buffers. No memory is sized by what the file announces.
#[derive(Debug)]
pub struct CaptureReader<R> {
    input: R,
    /// Where the next block or packet begins.
    at: u64,
    format: Format,
    interfaces: Vec<Known>,
    /// The body of the block that was read last.
    body: Vec<u8>,
    /// The packet in it, not handed out yet.
    packet: Option<Ready>,
    /// What to say ahead of it.
    news: VecDeque<News>,
    text: String,
    over: bool,
    first: Time,
    last: Time,
}

#[derive(Debug)]
enum Format {
    /// pcapng: the section's byte order, and which interface is its first.
    Blocks { order: Order, base: usize },
    /// Classic pcap.
    Records { order: Order },
}

#[derive(Debug)]
struct Known {
    interface: Interface,
    ticks: Ticks,
    /// Whether it waits in the news.
    fresh: bool,
    /// Its packets are calls of programs, which our own writer put there, and none of a network.
    programs: bool,
}

#[derive(Debug)]
enum News {
    Interface(usize),
    Gap(Gap),
}

/// A packet in `body`.
#[derive(Clone, Copy, Debug)]
struct Ready {
    event: Event,
    flags: u32,
    at: usize,
    len: usize,
}

/// What reading came to.
enum Got {
    Whole,
    /// Nothing was left.
    End,
    /// Something was left, but not enough.
    Cut,
}

impl<R: Read> CaptureReader<R> {
    /// Reads the file's beginning.
    pub fn new(input: R) -> Result<Self, CaptureFileError> {
        let mut reader = Self {
            input,
            at: 0,
            format: Format::Records {
                order: Order::Little,
            },
            interfaces: vec![],
            body: vec![],
            packet: None,
            news: VecDeque::new(),
            text: String::new(),
            over: false,
            first: Time::default(),
            last: Time::default(),
        };
        reader.fill(4)?;
        let refused = CaptureFileError::NotACapture(reader.body.clone());
        let Some(magic) = Order::Little.u32(&reader.body, 0) else {
            return Err(refused);
        };
        // <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html>
        match magic {
            block::SECTION => {
                reader.format = Format::Blocks {
                    order: Order::Little,
                    base: 0,
                };
                reader.section()?;
            }
            0xa1b2_c3d4 => reader.classic(Order::Little, Ticks::MICROS)?,
            0xd4c3_b2a1 => reader.classic(Order::Big, Ticks::MICROS)?,
            0xa1b2_3c4d => reader.classic(Order::Little, Ticks::NANOS)?,
            0x4d3c_b2a1 => reader.classic(Order::Big, Ticks::NANOS)?,
            _ => return Err(refused),
        }
        Ok(reader)
    }

    /// Who recorded it, as far as a capture file tells; its start is known once a packet was read.
    pub fn head(&self) -> Head {
        Head {
            verb: "capture".into(),
            wire: WireSource::Captured,
            started_ns: self.first.as_nanos(),
            ..Head::default()
        }
    }

    /// The next fact; none at the end.
    pub fn next_fact(&mut self) -> Result<Option<Fact<'_>>, CaptureFileError> {
        while self.packet.is_none() && !self.over {
            match self.format {
                Format::Blocks { order, base } => self.block(order, base)?,
                Format::Records { order } => self.record(order)?,
            }
        }
        // Interfaces bear the time of the first packet behind them, so that a session begins there.
        if let Some(news) = self.news.pop_front() {
            return Ok(Some(self.tell(&news)));
        }
        Ok(self.packet.take().map(|packet| Fact {
            flags: packet.flags,
            data: &self.body[packet.at..packet.at + packet.len],
            ..Fact::new(packet.event)
        }))
    }

    fn tell(&mut self, news: &News) -> Fact<'_> {
        let (kind, number, json) = match news {
            News::Interface(index) => {
                let known = &mut self.interfaces[*index];
                known.fresh = false;
                let json = serde_json::to_string(&known.interface);
                (Kind::Interface, known.interface.number, json)
            }
            News::Gap(gap) => (Kind::Gap, 0, serde_json::to_string(gap)),
        };
        self.text = json.unwrap_or_default();
        Fact {
            text: &self.text,
            ..Fact::new(Event::new(kind, ConnId::new(number), self.last))
        }
    }

    const fn damaged(&self, what: &'static str) -> CaptureFileError {
        CaptureFileError::Damaged { at: self.at, what }
    }

    /// Reads `len` bytes into the body; it grows with what is there, not with what was announced.
    fn fill(&mut self, len: usize) -> Result<Got, CaptureFileError> {
        self.body.clear();
        if len <= AT_ONCE {
            self.body.resize(len, 0);
            let got = read_full(&mut self.input, &mut self.body)?;
            self.body.truncate(got);
        } else {
            let mut input = (&mut self.input).take(len as u64);
            input.read_to_end(&mut self.body)?;
        }
        let got = self.body.len();
        Ok(match got {
            _ if got == len => Got::Whole,
            0 => Got::End,
            _ => Got::Cut,
        })
    }

    /// The file ends too early: what was whole stays.
    fn cut(&mut self) {
        self.over = true;
        self.news.push_back(News::Gap(Gap {
            what: "cut".into(),
            count: 0,
            pid: 0,
            detail: format!(
                "the capture file ends inside what begins at byte {}",
                self.at
            ),
        }));
    }

    fn add(&mut self, described: blocks::Described) -> Result<(), CaptureFileError> {
        let number = self.interfaces.len();
        if number >= INTERFACE_LIMIT {
            return Err(self.damaged("it describes more interfaces than any machine has"));
        }
        let programs = described.link_type == link_type::UPPER_PDU && described.name == PROGRAMS;
        self.interfaces.push(Known {
            interface: Interface {
                number: number as u64,
                name: described.name,
                link_type: described.link_type,
                snap: described.snap,
                dropped: 0,
            },
            ticks: described.ticks,
            fresh: true,
            programs,
        });
        if !programs {
            self.news.push_back(News::Interface(number));
        }
        Ok(())
    }

    /// Takes a packet out of the body, where it fits.
    fn take(&mut self, index: usize, packet: &Captured) -> Result<(), CaptureFileError> {
        let Some(known) = self.interfaces.get(index) else {
            return Err(self.damaged("a packet names an interface that was not described"));
        };
        if known.programs {
            return Ok(());
        }
        let len = packet.len as usize;
        if self
            .body
            .get(packet.at..)
            .is_none_or(|rest| rest.len() < len)
        {
            return Err(self.damaged("a packet is longer than its block"));
        }
        // A block without a time happened no earlier than the one before it.
        self.last = packet
            .ticks
            .map_or(self.last, |ticks| known.ticks.time(ticks));
        if self.first == Time::default() {
            self.first = self.last;
        }
        let conn = ConnId::new(known.interface.number);
        let original = packet.original_len.max(packet.len);
        self.packet = Some(Ready {
            event: Event::new(Kind::Packet, conn, self.last)
                .with_result(i32::try_from(original).unwrap_or(i32::MAX))
                .with_asked(packet.gso_size),
            flags: packet.flags,
            at: packet.at,
            len,
        });
        Ok(())
    }

    // pcapng

    /// Reads the rest of a section's header; its type was read.
    fn section(&mut self) -> Result<(), CaptureFileError> {
        if !matches!(self.fill(8)?, Got::Whole) {
            self.cut();
            return Ok(());
        }
        let order = match Order::Little.u32(&self.body, 4) {
            Some(block::BYTE_ORDER) => Order::Little,
            Some(other) if other.swap_bytes() == block::BYTE_ORDER => Order::Big,
            _ => return Err(self.damaged("a section does not say its byte order")),
        };
        let total = order.u32(&self.body, 0).unwrap_or_default();
        self.format = Format::Blocks {
            order,
            base: self.interfaces.len(),
        };
        // The type, the length and the byte order were read.
        if !self.behind(order, total, 12)? {
            return Ok(());
        }
        if order.u16(&self.body, 0) != Some(1) {
            return Err(self.damaged("a section has another version than 1"));
        }
        self.at += u64::from(total);
        Ok(())
    }

    /// Reads what is behind the first `read` bytes of a block, and checks its length; false: cut.
    fn behind(&mut self, order: Order, total: u32, read: u32) -> Result<bool, CaptureFileError> {
        if total < read + 4 || !total.is_multiple_of(4) {
            return Err(self.damaged("a block has an impossible length"));
        }
        if total > BLOCK_LIMIT {
            return Err(self.damaged("a block is longer than any packet"));
        }
        let rest = (total - read) as usize;
        if !matches!(self.fill(rest)?, Got::Whole) {
            self.cut();
            return Ok(false);
        }
        if order.u32(&self.body, rest - 4) != Some(total) {
            return Err(self.damaged("a block's two lengths differ"));
        }
        self.body.truncate(rest - 4);
        Ok(true)
    }

    /// Reads the next block, of whatever kind.
    fn block(&mut self, order: Order, base: usize) -> Result<(), CaptureFileError> {
        match self.fill(4)? {
            Got::Whole => {}
            Got::End => {
                self.over = true;
                return Ok(());
            }
            Got::Cut => {
                self.cut();
                return Ok(());
            }
        }
        let kind = order.u32(&self.body, 0).unwrap_or_default();
        if kind == block::SECTION {
            return self.section();
        }
        if !matches!(self.fill(4)?, Got::Whole) {
            self.cut();
            return Ok(());
        }
        let total = order.u32(&self.body, 0).unwrap_or_default();
        let known = [
            block::INTERFACE,
            block::PACKET,
            block::SIMPLE,
            block::STATISTICS,
            block::ENHANCED,
        ];
        if !known.contains(&kind) {
            return self.skip(total);
        }
        if self.behind(order, total, 8)? {
            self.known(order, base, kind)?;
            self.at += u64::from(total);
        }
        Ok(())
    }

    /// Takes what a block says that was read whole.
    fn known(&mut self, order: Order, base: usize, kind: u32) -> Result<(), CaptureFileError> {
        let short = self.damaged("a block is too short for its kind");
        let body = &self.body[..];
        match kind {
            block::INTERFACE => {
                let described = blocks::interface(order, body).ok_or(short)?;
                self.add(described)
            }
            block::STATISTICS => {
                let (interface, lost) = blocks::statistics(order, body).ok_or(short)?;
                self.lost(base, interface, lost);
                Ok(())
            }
            block::SIMPLE => {
                let first = self.interfaces.get(base);
                let snap = first.map_or(0, |known| known.interface.snap);
                let packet = blocks::simple(order, body, snap).ok_or(short)?;
                self.take(base, &packet)
            }
            _ => {
                let old = kind == block::PACKET;
                let packet = blocks::enhanced(order, body, old).ok_or(short)?;
                self.take(base.saturating_add(packet.interface as usize), &packet)
            }
        }
    }

    fn lost(&mut self, base: usize, interface: u32, lost: u64) {
        let index = base.saturating_add(interface as usize);
        if let Some(known) = self.interfaces.get_mut(index)
            && known.interface.dropped != lost
        {
            known.interface.dropped = lost;
            if !std::mem::replace(&mut known.fresh, true) {
                self.news.push_back(News::Interface(index));
            }
        }
    }

    /// Passes a block by that says nothing to us, of any length.
    fn skip(&mut self, total: u32) -> Result<(), CaptureFileError> {
        if total < 12 || !total.is_multiple_of(4) {
            return Err(self.damaged("a block has an impossible length"));
        }
        let rest = u64::from(total) - 8;
        let passed = io::copy(&mut (&mut self.input).take(rest), &mut io::sink())?;
        if passed < rest {
            self.cut();
        } else {
            self.at += u64::from(total);
        }
        Ok(())
    }

    // Classic pcap

    /// Reads the rest of a classic file's header; its magic was read.
    fn classic(&mut self, order: Order, ticks: Ticks) -> Result<(), CaptureFileError> {
        self.format = Format::Records { order };
        if !matches!(self.fill(20)?, Got::Whole) {
            self.cut();
            return Ok(());
        }
        if order.u16(&self.body, 0) != Some(2) {
            return Err(self.damaged("a capture file has another version than 2"));
        }
        let word = |at| order.u32(&self.body, at).unwrap_or_default();
        self.at = 24;
        self.add(blocks::Described {
            // The upper half says whether frames carry check sums.
            link_type: word(16) & 0xffff,
            snap: word(12),
            name: String::new(),
            ticks,
        })
    }

    /// Reads the next packet of a classic file.
    fn record(&mut self, order: Order) -> Result<(), CaptureFileError> {
        match self.fill(16)? {
            Got::Whole => {}
            Got::End => {
                self.over = true;
                return Ok(());
            }
            Got::Cut => {
                self.cut();
                return Ok(());
            }
        }
        let word = |at| order.u32(&self.body, at).unwrap_or_default();
        let [seconds, fraction, len, original_len] = [word(0), word(4), word(8), word(12)];
        if len > BLOCK_LIMIT {
            return Err(self.damaged("a packet is longer than any packet"));
        }
        if !matches!(self.fill(len as usize)?, Got::Whole) {
            self.cut();
            return Ok(());
        }
        // In ticks: a file that counts more than a second's worth in a fraction means later.
        let unit = match self.interfaces[0].ticks {
            Ticks::NANOS => 1_000_000_000,
            _ => 1_000_000,
        };
        let packet = Captured {
            ticks: Some(u64::from(seconds) * unit + u64::from(fraction)),
            len,
            original_len,
            ..Captured::default()
        };
        self.take(0, &packet)?;
        self.at += 16 + u64::from(len);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::packet_flag;
    use crate::pcapng::{PacketRecord, PcapngWriter};

    /// Builds files of either byte order.
    struct Build {
        order: Order,
        bytes: Vec<u8>,
    }

    impl Build {
        fn new(order: Order) -> Self {
            Self {
                order,
                bytes: vec![],
            }
        }

        fn u16(&self, number: u16) -> [u8; 2] {
            match self.order {
                Order::Little => number.to_le_bytes(),
                Order::Big => number.to_be_bytes(),
            }
        }

        fn u32(&self, number: u32) -> [u8; 4] {
            match self.order {
                Order::Little => number.to_le_bytes(),
                Order::Big => number.to_be_bytes(),
            }
        }

        fn words(&mut self, words: &[u32]) -> &mut Self {
            for word in words {
                self.bytes.extend(self.u32(*word));
            }
            self
        }

        fn block(&mut self, kind: u32, words: &[u32], rest: &[u8]) -> &mut Self {
            let padding = rest.len().wrapping_neg() % 4;
            let total = (12 + words.len() * 4 + rest.len() + padding) as u32;
            self.words(&[kind, total]).words(words);
            self.bytes.extend_from_slice(rest);
            self.bytes.extend(&[0; 3][..padding]);
            self.words(&[total])
        }

        fn section(&mut self) -> &mut Self {
            let version = [self.u16(1), self.u16(0)].concat();
            let unknown = u32::MAX;
            let total = 28;
            self.words(&[block::SECTION, total, block::BYTE_ORDER]);
            self.bytes.extend(version);
            self.words(&[unknown, unknown, total])
        }

        fn interface(&mut self, snap: u32, resolution: u8) -> &mut Self {
            let link_type = [self.u16(1), [0; 2]].concat();
            let mut body = [link_type, self.u32(snap).to_vec()].concat();
            body.extend([self.u16(9), self.u16(1)].concat());
            body.extend([resolution, 0, 0, 0]);
            self.block(block::INTERFACE, &[], &body)
        }
    }

    /// Time, interface, original length, bytes.
    type Seen = (u64, u64, u64, Vec<u8>);

    fn packets(session: &Session) -> Vec<Seen> {
        let of_packets = session
            .facts()
            .filter(|(_, fact)| fact.kind() == Kind::Packet);
        of_packets
            .map(|(_, fact)| {
                let interface = fact.event.conn().number();
                (
                    fact.event.time.as_nanos(),
                    interface,
                    fact.moved(),
                    fact.data.to_vec(),
                )
            })
            .collect()
    }

    fn gaps(session: &Session) -> Vec<String> {
        let gaps = session.facts().filter(|(_, fact)| fact.kind() == Kind::Gap);
        gaps.map(|(_, fact)| fact.describes::<Gap>().unwrap().what)
            .collect()
    }

    #[test]
    fn sections_of_both_orders_in_one_file() {
        let mut file = vec![];
        for order in [Order::Little, Order::Big] {
            let mut build = Build::new(order);
            build
                .section()
                .interface(0, 6)
                .interface(3, 9)
                // Name resolution, and something of the future: nothing to us.
                .block(4, &[], &[0; 8])
                .block(0x0bad, &[], b"whatever")
                .block(block::ENHANCED, &[1, 0, 7, 2, 60], b"ab")
                .block(block::PACKET, &[0, 0, 8, 2, 61], b"cd")
                .block(block::SIMPLE, &[3], b"efg");
            file.extend(build.bytes);
        }
        let session = read(&file[..]).unwrap();
        assert_eq!(session.head().started_ns, 7);
        let section = |first: u64| {
            [
                (7, first + 1, 60, b"ab".to_vec()),
                (8000, first, 61, b"cd".to_vec()),
                (8000, first, 3, b"efg".to_vec()),
            ]
        };
        // Put in order of time by the session: the enhanced packets of both sections come first.
        let mut expected = [section(0), section(2)].concat();
        expected.sort_by_key(|seen| seen.0);
        assert_eq!(packets(&session), expected);
        let interfaces = session
            .facts()
            .filter(|(_, fact)| fact.kind() == Kind::Interface);
        assert_eq!(interfaces.count(), 4);
        assert_eq!(session.span().unwrap().start.as_nanos(), 7);
    }

    #[test]
    fn classic_files_of_every_kind() {
        let check = |order, magic, nanos| {
            let mut build = Build::new(order);
            build.words(&[magic]);
            let version = [build.u16(2), build.u16(4)].concat();
            build.bytes.extend(version);
            build.words(&[0, 0, 96, 0xf000_0071, 5, 7, 2, 1514]);
            build.bytes.extend(b"ab");
            let session = read(&build.bytes[..]).unwrap();
            assert_eq!(packets(&session), [(nanos, 0, 1514, b"ab".to_vec())]);
            let interface: Interface = session.fact(crate::FactId(0)).describes().unwrap();
            assert_eq!((interface.link_type, interface.snap), (113, 96));
        };
        check(Order::Little, 0xa1b2_c3d4, 5_000_007_000);
        check(Order::Big, 0xa1b2_c3d4, 5_000_007_000);
        check(Order::Little, 0xa1b2_3c4d, 5_000_000_007);
        check(Order::Big, 0xa1b2_3c4d, 5_000_000_007);
    }

    fn written(packets: &[(u64, u32, Vec<u8>)]) -> Vec<u8> {
        let mut writer = PcapngWriter::new(vec![], "").unwrap();
        let interface = Interface {
            name: "lo".into(),
            link_type: 1,
            dropped: 3,
            ..Interface::default()
        };
        writer.interface(&interface).unwrap();
        for (time, gso_size, bytes) in packets {
            let record = PacketRecord {
                time: Time::from_nanos(*time),
                original_len: bytes.len() as u32 + 9,
                flags: packet_flag::OUTGOING,
                gso_size: *gso_size,
                bytes,
                ..PacketRecord::default()
            };
            writer.packet(&record).unwrap();
        }
        writer.finish().unwrap();
        writer.into_inner()
    }

    prop_compose! {
        fn some_packets()(
            packets in prop::collection::vec(
                (any::<u64>(), 0u32..3000, prop::collection::vec(any::<u8>(), 0..50)), 0..8),
        ) -> Vec<(u64, u32, Vec<u8>)> { packets }
    }

    proptest! {
        #[test]
        fn what_was_written_reads_back(packets in some_packets()) {
            let file = written(&packets);
            let mut reader = CaptureReader::new(&file[..]).unwrap();
            let (mut seen, mut dropped) = (vec![], 0);
            while let Some(fact) = reader.next_fact().unwrap() {
                if let Some(interface) = fact.describes::<Interface>() {
                    prop_assert_eq!(interface.name, "lo");
                    dropped = interface.dropped;
                    continue;
                }
                prop_assert_eq!(fact.flags, packet_flag::OUTGOING);
                prop_assert_eq!(fact.moved(), fact.data.len() as u64 + 9);
                seen.push((fact.event.time.as_nanos(), fact.event.asked, fact.data.to_vec()));
            }
            prop_assert_eq!(seen, packets);
            prop_assert_eq!(dropped, 3);
        }

        /// Cut anywhere behind its first section: what was whole is there, and a gap says so.
        #[test]
        fn a_file_that_was_cut_keeps_what_is_whole(packets in some_packets(), cut: prop::sample::Index) {
            let file = written(&packets);
            let cut = 4 + cut.index(file.len() - 4);
            let session = read(&file[..cut]).unwrap();
            prop_assert!(gaps(&session).len() <= 1);
            let count = self::packets(&session).len();
            prop_assert!(count <= packets.len());
            if count < packets.len() && gaps(&session).is_empty() {
                // Cut between two blocks: nothing tells.
                prop_assert!(read(&file[..cut - 1]).is_ok_and(|session| !gaps(&session).is_empty()));
            }
        }

        /// Damage is an error that names a byte of the file, or a session; never a panic.
        #[test]
        fn damage_is_told(
            packets in some_packets(), classic: bool,
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let mut file = written(&packets);
            if classic {
                file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
                for (_, _, bytes) in &packets {
                    file.extend([1, 0, 0, 0, 2, 0, 0, 0, bytes.len() as u8, 0, 0, 0, 99, 0, 0, 0]);
                    file.extend(bytes);
                }
            }
            for (at, byte) in damage {
                let at = at.index(file.len());
                file[at] = byte;
            }
            match read(&file[..]) {
                Ok(session) => prop_assert!(session.len() <= file.len()),
                Err(CaptureFileError::Damaged { at, .. }) => prop_assert!(at <= file.len() as u64),
                Err(error) => prop_assert!(matches!(error, CaptureFileError::NotACapture(_)), "{}", error),
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_one_line_with_the_byte() {
        let check = |build: &mut Build, expected: &str| {
            let error = read(&build.bytes[..]).unwrap_err().to_string();
            assert_eq!(error, expected);
        };
        let begin = || {
            let mut build = Build::new(Order::Big);
            build.section();
            build
        };
        check(
            &mut Build::new(Order::Little),
            "not a capture file: it is empty",
        );
        check(
            Build::new(Order::Big).words(&[0x1f8b_0800]),
            "not a capture file: it is packed with gzip; unpack it first",
        );
        check(
            Build::new(Order::Big).words(&[0x736f_636b]),
            "not a capture file: it begins with [73, 6f, 63, 6b]",
        );
        check(
            begin().words(&[6, 7]),
            "the capture file is damaged at byte 28: a block has an impossible length",
        );
        check(
            begin().words(&[9, 8]),
            "the capture file is damaged at byte 28: a block has an impossible length",
        );
        check(
            begin().words(&[6, 0x7fff_fffc]),
            "the capture file is damaged at byte 28: a block is longer than any packet",
        );
        check(
            begin().words(&[1, 12, 16]),
            "the capture file is damaged at byte 28: a block's two lengths differ",
        );
        check(
            begin().block(1, &[], &[]),
            "the capture file is damaged at byte 28: a block is too short for its kind",
        );
        check(
            begin().block(block::ENHANCED, &[0, 0, 0, 0, 0], &[]),
            "the capture file is damaged at byte 28: a packet names an interface that was not described",
        );
        check(
            begin()
                .interface(0, 9)
                .block(block::ENHANCED, &[0, 0, 0, 0x7000_0000, 0], &[]),
            "the capture file is damaged at byte 56: a block is too short for its kind",
        );
        check(
            begin().interface(0, 9).block(block::SIMPLE, &[9], b"short"),
            "the capture file is damaged at byte 56: a packet is longer than its block",
        );
    }

    /// A header that announces 16 MiB costs what the file holds.
    #[test]
    fn what_a_file_announces_sizes_nothing() {
        let mut build = Build::new(Order::Little);
        build.section().interface(0, 9).words(&[6, BLOCK_LIMIT]);
        build.bytes.extend([0; 100]);
        let mut reader = CaptureReader::new(&build.bytes[..]).unwrap();
        while reader.next_fact().unwrap().is_some() {}
        assert!(reader.body.capacity() < 2 * AT_ONCE);
        // One that is passed by may announce even more.
        let mut build = Build::new(Order::Little);
        build.section().words(&[0x0bad, 0xffff_fffc, 0]);
        assert_eq!(gaps(&read(&build.bytes[..]).unwrap()), ["cut"]);
    }

    #[test]
    fn interfaces_have_a_limit() {
        let mut build = Build::new(Order::Little);
        build.section();
        for _ in 0..INTERFACE_LIMIT {
            build.interface(0, 9);
        }
        assert!(read(&build.bytes[..]).is_ok());
        build.interface(0, 9);
        let error = read(&build.bytes[..]).unwrap_err().to_string();
        assert!(
            error.ends_with("it describes more interfaces than any machine has"),
            "{error}"
        );
    }
}
