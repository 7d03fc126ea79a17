//! What rules do to packets.

use sockeye_trace::packet::{Body, Packet, dissect, link_type};

use super::*;
use crate::frames_by_hand::{sums_are_right, tcp, udp};

const A: u8 = 0x10;

fn chunk(bytes: &[u8]) -> Chunk<'_> {
    Chunk {
        way: Way::ToServer,
        peer: 0,
        content: Content::Packet,
        bytes,
    }
}

/// What becomes of these packets, and what leaves at once.
fn told(rules: &[&str], packets: &[Vec<u8>]) -> (Vec<String>, Vec<Vec<u8>>) {
    let rules = rules.iter().map(|rule| rule.parse().unwrap());
    let mut chain = Chain::new(rules.collect(), 1);
    let (mut verdicts, mut left) = (vec![], vec![]);
    for packet in packets {
        let Verdict { fate, why } = chain.on_chunk(START, chunk(packet));
        verdicts.push(format!("{fate:?} {why}").trim_end().to_owned());
        if fate == Fate::Pass {
            left.push(packet.clone());
        }
        let released = std::iter::from_fn(|| chain.poll_release(START));
        left.extend(released.map(|released| released.bytes));
    }
    (verdicts, left)
}

fn parsed(bytes: &[u8]) -> Packet<'_> {
    dissect(link_type::ETHERNET, bytes, bytes.len() as u32)
}

#[test]
fn matchers_look_into_packets() {
    let fates = |rule: &str| {
        let packets = [
            tcp(0x02, 1, b""),
            tcp(A, 2, b""),
            tcp(A, 2, b"hello"),
            udp(b"hello", true),
            tcp(0x11, 7, b""),
        ];
        let (verdicts, _) = told(&[rule], &packets);
        let letter = |verdict: &String| verdict.chars().next().unwrap();
        verdicts.iter().map(letter).collect::<String>()
    };
    assert_eq!(fates("drop:flags=S"), "DPPPP");
    assert_eq!(fates("drop:flags=data"), "PPDPP");
    assert_eq!(fates("drop:flags=ack"), "PDPPP");
    assert_eq!(fates("drop:flags=F"), "PPPPD");
    assert_eq!(fates("drop:proto=udp"), "PPPDP");
    assert_eq!(fates("drop:proto=icmp"), "PPPPP");
    assert_eq!(fates("drop:content=ell"), "PPDDP");
    assert_eq!(fates("drop:min=5"), "PPDDP");
    assert_eq!(fates("drop:max=0"), "DDPPD");
    assert_eq!(fates("drop:peer=1"), "DDDPD");
    assert_eq!(fates("drop:peer=2"), "PPPDP");
}

#[test]
fn both_ways_are_one_conversation() {
    let mut chain = Chain::new(vec!["drop:peer=1".parse().unwrap()], 1);
    let there = tcp(A, 1, b"x");
    let mut back = there.clone();
    back[26..34].copy_from_slice(&[10, 0, 0, 2, 10, 0, 0, 1]);
    back[34..38].copy_from_slice(&[0x23, 0x28, 0x0f, 0xa0]);
    assert_eq!(chain.on_chunk(START, chunk(&there)).fate, Fate::Drop);
    let back = Chunk {
        way: Way::ToClient,
        ..chunk(&back)
    };
    assert_eq!(chain.on_chunk(START, back).fate, Fate::Drop);
}

#[test]
fn frames_are_followed_by_sequence_numbers() {
    let split = "split:frame=u8,at=2";
    let packets = [
        tcp(0x02, 99, b""),
        tcp(A, 100, b"\x03abc"),
        // Once more, and what lies behind a hole.
        tcp(A, 100, b"\x03abc"),
        tcp(A, 108, b"\x03ghi"),
        tcp(A, 104, b"\x03def"),
        tcp(A, 108, b"\x03ghi"),
    ];
    let (verdicts, left) = told(&[split], &packets);
    let cut = format!("Held split in 2 by {split}");
    assert_eq!(verdicts, ["Pass", &cut, &cut, "Pass", &cut, &cut]);
    let payloads: Vec<_> = left[1..]
        .iter()
        .map(|bytes| String::from_utf8_lossy(&bytes[parsed(bytes).payload]).into_owned())
        .collect();
    assert_eq!(
        payloads,
        [
            "\u{3}a", "bc", "\u{3}a", "bc", "\u{3}ghi", "\u{3}d", "ef", "\u{3}g", "hi"
        ]
    );
}

#[test]
fn corruption_leaves_addresses_alone_and_check_sums_wrong() {
    let packets = vec![tcp(A, 1, b"hello"); 50];
    let (_, left) = told(&["corrupt"], &packets);
    for bytes in left {
        assert_eq!(bytes[..54], packets[0][..54]);
        assert_ne!(bytes, packets[0]);
        assert!(!sums_are_right(&bytes));
    }
    let (_, left) = told(&["corrupt"], &vec![tcp(A, 1, b""); 50]);
    assert!(
        left.iter()
            .all(|bytes| bytes[..34] == packets[0][..14 + 20] || bytes.len() == 54)
    );
}

#[test]
fn an_mtu_drops_refuses_or_fragments() {
    // Headers of 20 and 20 bytes.
    let (fits, large) = (tcp(A, 1, &[0; 60]), tcp(A, 1, &[0; 61]));
    let packets = [fits, large];
    let (verdicts, _) = told(&["mtu:100"], &packets);
    assert_eq!(
        verdicts,
        ["Pass", "Drop dropped as larger than 100 by mtu:100"]
    );
    let (verdicts, _) = told(&["mtu:100,icmp"], &packets);
    assert_eq!(
        verdicts,
        [
            "Pass",
            "TooBig(100) refused as larger than 100 by mtu:100,icmp"
        ]
    );
}

#[test]
fn fragments_put_together_are_the_packet() {
    let payload: Vec<u8> = (0..200).collect();
    let whole = udp(&payload, false);
    let (verdicts, left) = told(&["mtu:100"], std::slice::from_ref(&whole));
    assert_eq!(verdicts, ["Held fragmented in 3 by mtu:100"]);
    let mut body = vec![];
    for (index, bytes) in left.iter().enumerate() {
        let packet = parsed(bytes);
        let fragment = packet.net.unwrap().fragment.unwrap();
        assert_eq!(fragment.offset as usize, body.len());
        assert_eq!(fragment.more, index < 2);
        assert!(bytes.len() - 14 <= 100 && packet.oddity.is_none());
        body.extend_from_slice(&bytes[34..]);
    }
    assert_eq!(body, whole[34..]);
    // Fragments of fragments are fragments too.
    let (verdicts, left) = told(&["mtu:100", "mtu:68"], std::slice::from_ref(&whole));
    assert!(verdicts[0].starts_with("Held fragmented in 3 by mtu:100; fragmented in 2"));
    let ends: u32 = left
        .iter()
        .map(|bytes| u32::from(!parsed(bytes).net.unwrap().fragment.unwrap().more))
        .sum();
    assert_eq!(ends, 1);
    let total: usize = left.iter().map(|bytes| bytes.len() - 34).sum();
    assert_eq!(total, whole.len() - 34);
}

#[test]
fn what_cannot_be_cut_stays_whole() {
    for packet in [udp(b"abcdef", false), tcp(A | 0x20, 1, b"abcdef")] {
        let (verdicts, left) = told(&["split:2"], std::slice::from_ref(&packet));
        assert_eq!(verdicts, ["Pass"]);
        assert_eq!(left, [packet]);
    }
}

#[test]
fn gathered_packets_leave_together() {
    let packets = [b"a", b"b", b"c"].map(|payload| tcp(A, 1, payload));
    let (verdicts, left) = told(&["coalesce:3"], &packets);
    assert!(
        verdicts
            .iter()
            .all(|it| it == "Held gathered by coalesce:3")
    );
    assert_eq!(left, packets);
    let (_, left) = told(&["coalesce:4"], &packets);
    assert!(left.is_empty());
}

#[test]
fn packets_pass_each_other_only_where_that_is_asked_for() {
    let order = |rule: &str| {
        let mut chain = Chain::new(vec![rule.parse().unwrap()], 3);
        for number in 0..50 {
            chain.on_chunk(START, chunk(&tcp(A, number, b"x")));
        }
        let mut seqs = vec![];
        while let Some(due) = chain.poll_timeout() {
            while let Some(released) = chain.poll_release(due) {
                let Body::Tcp(tcp) = parsed(&released.bytes).body else {
                    panic!("no TCP");
                };
                seqs.push(tcp.seq);
            }
        }
        assert_eq!(seqs.len(), 50);
        seqs
    };
    assert!(order("delay:20ms,jitter=20ms").is_sorted());
    assert!(!order("delay:20ms,jitter=20ms,unordered").is_sorted());
}

#[test]
fn conversations_have_a_limit() {
    let mut chain = Chain::new(vec!["drop:peer=65536".parse().unwrap()], 1);
    let mut fate = |number: u32| {
        let mut packet = tcp(A, 1, b"");
        packet[26..30].copy_from_slice(&number.to_be_bytes());
        chain.on_chunk(START, chunk(&packet)).fate
    };
    let limit = crate::peers::PEERS_LIMIT as u32;
    assert!((1..limit).all(|number| fate(number) == Fate::Pass));
    assert_eq!(fate(limit), Fate::Drop);
    assert_eq!(fate(limit + 1), Fate::Pass);
    assert_eq!(fate(limit), Fate::Drop);
}
