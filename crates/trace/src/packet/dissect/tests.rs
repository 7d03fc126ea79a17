//! Frames of every kind, cut, lying, and at random.

use std::net::IpAddr;

use etherparse::PacketBuilder;
use proptest::prelude::*;

use super::transport::tcp_options;
use super::*;
use crate::packet::{Fragment, TcpFlags, TcpOptions, Udp};

fn tcp(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![];
    PacketBuilder::ethernet2([2; 6], [3; 6])
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .tcp(40000, 5000, 1000, 64240)
        .ack(77)
        .psh()
        // NOP, NOP, time stamps.
        .options_raw(&[1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8])
        .unwrap()
        .write(&mut bytes, payload)
        .unwrap();
    bytes
}

fn udp(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![];
    PacketBuilder::ethernet2([2; 6], [3; 6])
        .ipv6([1; 16], [2; 16], 64)
        .udp(40000, 5000)
        .write(&mut bytes, payload)
        .unwrap();
    bytes
}

#[test]
fn a_segment_of_the_tutorial() {
    let bytes = tcp(&[7; 1448]);
    let packet = dissect(1, &bytes, bytes.len() as u32);
    let Body::Tcp(segment) = packet.body else {
        panic!("{packet:?}");
    };
    assert_eq!((segment.source, segment.destination), (40000, 5000));
    assert_eq!(
        (segment.seq, segment.ack, segment.header_len),
        (1000, 77, 32)
    );
    assert_eq!(segment.flags, TcpFlags(TcpFlags::ACK | TcpFlags::PSH));
    assert_eq!(segment.options.timestamps, Some((9, 8)));
    assert_eq!((packet.net_at, packet.transport_at), (14, 34));
    assert_eq!((packet.payload, packet.payload_len), (66..1514, 1448));
    assert_eq!(packet.oddity, None);
}

#[test]
fn a_snap_length_hides_bytes_and_no_numbers() {
    let bytes = tcp(&[7; 1448]);
    let packet = dissect(1, &bytes[..70], 1514);
    assert_eq!((packet.payload.clone(), packet.payload_len), (66..70, 1448));
    // Inside the options: the ports are there, the stamps are not.
    let packet = dissect(1, &bytes[..60], 1514);
    let Body::Tcp(segment) = packet.body else {
        panic!("{packet:?}");
    };
    assert_eq!((segment.source, segment.options.timestamps), (40000, None));
    assert_eq!((packet.payload, packet.payload_len), (60..60, 1448));
    let packet = dissect(1, &bytes[..40], 1514);
    assert_eq!(packet.body, Body::Damaged(Damage::Cut(Part::Tcp)));
    assert!(packet.net.is_some());
    let packet = dissect(1, &bytes[..40], 40);
    assert_eq!(packet.body, Body::Damaged(Damage::Ends(Part::Tcp)));
    assert_eq!(packet.oddity, Some(Damage::Lies(Part::Ip)));
}

#[test]
fn padding_is_not_payload_and_a_length_of_zero_is_all_there_is() {
    let mut bytes = udp(&[7; 1]);
    bytes.extend([0; 20]);
    let packet = dissect(1, &bytes, bytes.len() as u32);
    assert_eq!((packet.payload, packet.payload_len), (62..63, 1));
    // A super-datagram: neither IP nor UDP can say its length.
    let mut bytes = udp(&[7; 3000]);
    bytes[18..20].fill(0);
    bytes[58..60].fill(0);
    let packet = dissect(1, &bytes, bytes.len() as u32);
    assert!(matches!(packet.body, Body::Udp(Udp { len: 3000, .. })));
    assert_eq!((packet.payload_len, packet.oddity), (3000, None));
    // Lengths that lie are bounded.
    bytes[58..60].fill(255);
    let packet = dissect(1, &bytes, bytes.len() as u32);
    assert_eq!(packet.payload_len, 3000);
    assert_eq!(packet.oddity, Some(Damage::Lies(Part::Udp)));
}

#[test]
fn unknown_options_are_passed_by() {
    let raw = [
        34, 4, 1, 2, 30, 6, 0, 0, 0, 0, 2, 4, 5, 180, 3, 3, 7, 4, 2, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2,
    ];
    let options = tcp_options(&raw);
    assert_eq!((options.mss, options.scale), (Some(1460), Some(7)));
    assert!(options.sack_permitted);
    assert_eq!(options.sack[..2], [(1, 2), (0, 0)]);
    assert_eq!(tcp_options(&[8, 0, 3, 3, 7]), TcpOptions::default());
    assert_eq!(tcp_options(&[8, 1, 3, 3, 7]), TcpOptions::default());
}

#[test]
fn an_error_quotes_what_it_speaks_of() {
    let inner = &tcp(b"lost")[14..];
    let mut bytes = vec![];
    PacketBuilder::ipv4([10, 0, 0, 2], [10, 0, 0, 1], 64)
        .icmpv4_raw(3, 3, [0; 4])
        .write(&mut bytes, &inner[..28])
        .unwrap();
    let packet = dissect(link_type::RAW, &bytes, bytes.len() as u32);
    assert!(matches!(
        packet.body,
        Body::Icmp {
            v6: false,
            kind: 3,
            code: 3
        }
    ));
    let quoted = packet.quoted.unwrap();
    assert_eq!(quoted.ports, Some((40000, 5000)));
    assert_eq!(quoted.net.source, IpAddr::from([10, 0, 0, 1]));
    // An error about the error is not our affair.
    assert_eq!(packet.oddity, None);
}

#[test]
fn fragments_of_both_versions() {
    let mut first = vec![];
    PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(40000, 5000)
        .write(&mut first, &[7; 1472])
        .unwrap();
    // 2000 bytes in all; id 9, more fragments.
    first[24..26].copy_from_slice(&2008u16.to_be_bytes());
    first[4..8].copy_from_slice(&[0, 9, 0x20, 0]);
    let packet = dissect(link_type::RAW, &first, 1500);
    assert!(matches!(packet.body, Body::Udp(Udp { len: 2000, .. })));
    assert_eq!((packet.payload, packet.payload_len), (28..1500, 1472));
    let whole = Fragment {
        offset: 0,
        len: 1480,
        more: true,
    };
    assert_eq!(packet.net.unwrap().fragment, Some(whole));
    assert_eq!((packet.net.unwrap().id, packet.oddity), (Some(9), None));

    // A later fragment of IPv6, behind hop-by-hop options.
    let mut later = vec![0x60, 0, 0, 0, 0, 36, 0, 64];
    later.extend([1; 16].into_iter().chain([2; 16]));
    later.extend([44, 0, 1, 4, 0, 0, 0, 0]);
    later.extend([17, 0, 5, 200, 0, 1, 0, 2]);
    later.extend([9; 20]);
    let packet = dissect(link_type::RAW, &later, later.len() as u32);
    assert_eq!(packet.body, Body::Fragment);
    let net = packet.net.unwrap();
    assert_eq!((net.id, net.protocol), (Some(0x10002), UDP));
    assert_eq!(
        net.fragment,
        Some(Fragment {
            offset: 1480,
            len: 20,
            more: false
        })
    );
    assert_eq!((packet.payload, packet.payload_len), (56..76, 20));
}

#[test]
fn every_link_finds_the_same_packet() {
    let ip = &udp(b"hi")[14..];
    let mut tagged = udp(b"hi");
    tagged.splice(12..12, [0x88, 0xa8, 0, 5, 0x81, 0, 0x20, 7]);
    let behind = |head: &[u8]| [head, ip].concat();
    let frames = [
        (1, tagged),
        (101, ip.to_vec()),
        (229, ip.to_vec()),
        (0, behind(&[10, 0, 0, 0])),
        (108, behind(&[0, 0, 0, 24])),
        (
            113,
            behind(&[0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 0x86, 0xdd]),
        ),
        (
            276,
            behind(&[
                0x86, 0xdd, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0,
            ]),
        ),
    ];
    for (kind, frame) in frames {
        let packet = dissect(kind, &frame, frame.len() as u32);
        assert!(
            matches!(
                packet.body,
                Body::Udp(Udp {
                    source: 40000,
                    len: 2,
                    ..
                })
            ),
            "{packet:?}"
        );
        assert_eq!(&frame[packet.payload], b"hi");
        assert_eq!(packet.link.vlan, (kind == 1).then_some(5));
    }
    let packet = dissect(147, b"x", 1);
    assert_eq!(packet.body, Body::Damaged(Damage::LinkType(147)));
}

#[test]
fn who_asks_for_whom() {
    let mut frame = [0xff; 6].to_vec();
    frame.extend([2, 0, 0, 0, 0, 1, 8, 6]);
    frame.extend([
        0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
    ]);
    let packet = dissect(1, &frame, 42);
    let (sender, target) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
    assert_eq!(
        packet.body,
        Body::Arp {
            operation: 1,
            sender,
            target
        }
    );
    assert_eq!(packet.payload_len, 0);
}

proptest! {
    /// Whatever the bytes: no panic, and every range lies in them.
    #[test]
    fn any_bytes_stay_in_bounds(
        kind in prop::sample::select(vec![0u32, 1, 12, 101, 108, 113, 228, 276, 147]),
        mut bytes in prop::collection::vec(any::<u8>(), 0..120),
        like in 0usize..4, original: u16,
    ) {
        // Most random bytes fail at once: begin as a real frame does.
        let real = [vec![], tcp(b"hello"), udp(b"hello"), udp(b"")];
        let shared = real[like].len().min(bytes.len());
        for (place, byte) in bytes.iter_mut().zip(&real[like][..shared]) {
            if *place % 16 != 0 {
                *place = *byte;
            }
        }
        let packet = dissect(kind, &bytes, original.into());
        prop_assert!(packet.payload.start <= packet.payload.end);
        prop_assert!(packet.payload.end <= bytes.len());
        prop_assert!(packet.payload.len() as u32 <= packet.payload_len);
        prop_assert!(packet.payload_len <= packet.original_len);
        prop_assert!(packet.net_at <= packet.transport_at);
    }
}
