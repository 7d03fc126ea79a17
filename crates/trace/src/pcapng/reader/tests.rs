//! Files written by hand, files of our own, and damage.

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
