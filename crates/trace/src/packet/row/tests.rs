//! The table, row by row.

use std::net::IpAddr;

use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader};

use super::*;
use crate::Lang;
use crate::packet::dissect;

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
        rows.starts.learn((host, 1, host, 2), number);
        // This one is never quiet.
        let busy = IpAddr::from([0; 4]);
        let busy = rows.starts.shown((busy, 1, busy, 2), 0);
        assert!(matches!(busy, Seq::Relative(_)));
    }
    assert!(rows.starts.len() <= ISN_LIMIT);
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
