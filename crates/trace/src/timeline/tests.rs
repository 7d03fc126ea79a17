use proptest::prelude::*;

use super::SegmentNote::{New, OutOfOrder, PartlyRetransmitted, Retransmission};
use super::*;
use crate::packet::TcpFlags;
use crate::sample::{CLIENT, SERVER, Script};
use crate::{Call, Kind, TcpState};

fn wire(way: &Way) -> Vec<(Range<u64>, SegmentNote)> {
    let segment = |segment: &Segment| (segment.bytes.clone(), segment.note);
    way.wire.iter().map(segment).collect()
}

fn bytes(moves: &[Move]) -> Vec<Range<u64>> {
    moves.iter().map(|call| call.bytes.clone()).collect()
}

#[test]
fn three_lanes_meet_at_the_same_bytes() {
    let mut script = Script::new();
    let tcp = script.connected_tcp();
    for text in [&b"one"[..], b"two", b"three"] {
        script.write(tcp, CLIENT, text);
    }
    script.segment(tcp, CLIENT, 0..3);
    script.segment(tcp, CLIENT, 3..11);
    script.read(tcp, SERVER, 1024, 7);
    script.read(tcp, SERVER, 1024, 4);
    script.close(tcp, CLIENT);
    let session = script.session();
    let timeline = Timeline::build(&session);

    let [flow] = &timeline.flows[..] else {
        panic!("{:?}", timeline.flows)
    };
    assert_eq!(flow.label(), "tcp 127.0.0.1:40000 → 127.0.0.1:5000");
    assert_eq!(
        timeline.process_at(flow, CLIENT).map(|process| process.pid),
        Some(100)
    );
    let way = &flow.ways[0];
    assert_eq!(bytes(&way.writes), [0..3, 3..6, 6..11]);
    assert_eq!(bytes(&way.reads), [0..7, 7..11]);
    let new = SegmentNote::New;
    assert_eq!(wire(way), [(0..3, new), (3..11, new)]);
    assert!(way.joined);
    assert_eq!((way.written, way.carried, way.read), (11, 11, 11));
    assert_eq!(way.writes_in(2..4), 0..2);
    assert_eq!(way.reads_in(7..8), 1..2);
    assert_eq!(way.wire_in(2..4).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(way.message_at(6), Some(2));
    assert_eq!(way.message_at(11), None);
    assert!(timeline.apart.is_empty());
    // socket, three packets of the handshake, connect, accept, FIN, close.
    assert_eq!(flow.life.len(), 8);
    let items = flow.items(&timeline);
    assert_eq!(items.len(), flow.len());
    assert!(items.is_sorted_by_key(|item| item.from));
}

#[test]
fn what_is_sent_again_overtaken_or_probed_is_told_apart() {
    let mut script = Script::new();
    let tcp = script.connected_tcp();
    script.write(tcp, CLIENT, &[7; 400]);
    for bytes in [0..100, 200..300, 100..200, 200..300, 250..350, 350..400] {
        script.segment(tcp, CLIENT, bytes);
    }
    let session = script.session();
    let timeline = Timeline::build(&session);
    assert_eq!(
        wire(&timeline.flows[0].ways[0]),
        [
            (0..100, New),
            (200..300, New),
            (100..200, OutOfOrder),
            (200..300, Retransmission),
            (250..350, PartlyRetransmitted),
            (350..400, New)
        ]
    );
}

#[test]
fn a_super_segment_is_drawn_as_its_pieces() {
    let mut script = Script::new();
    let tcp = script.connected_tcp();
    script.write(tcp, SERVER, &[1; 3_000]);
    script.super_segment(tcp, SERVER, 0..3_000, 1_448);
    let session = script.session();
    let timeline = Timeline::build(&session);
    let pieces: Vec<_> = timeline.flows[0].ways[1]
        .wire
        .iter()
        .map(|segment| {
            (
                segment.piece,
                segment.bytes.clone(),
                segment.flags & TcpFlags::PSH,
            )
        })
        .collect();
    assert_eq!(
        pieces,
        [
            ((0, 3), 0..1_448, 0),
            ((1, 3), 1_448..2_896, 0),
            ((2, 3), 2_896..3_000, TcpFlags::PSH)
        ]
    );
}

#[test]
fn offsets_go_on_beyond_four_gibibytes() {
    let mut script = Script::new();
    let tcp = script.connected_tcp();
    script.write(tcp, CLIENT, &[0; 10]);
    script.segment(tcp, CLIENT, 0..10);
    let session = script.session();
    let mut stream = super::wire::Stream::default();
    let mut other = super::wire::Stream::default();
    let mut wire = vec![];
    // The same segment, its sequence number moved on by a gibibyte each time.
    let (id, fact) = session
        .facts()
        .filter(|(_, fact)| fact.kind() == Kind::Packet)
        .last()
        .unwrap();
    let gibibyte = 1_u64 << 30;
    for step in 0..9 {
        let mut data = fact.data.to_vec();
        let seq = 5_u32.wrapping_add((step * gibibyte) as u32);
        data[38..42].copy_from_slice(&seq.to_be_bytes());
        let packet = crate::packet::dissect(1, &data, data.len() as u32);
        assert!(stream.segment(id, &fact, &packet, &mut other, &mut wire));
    }
    let starts: Vec<u64> = wire.iter().map(|segment| segment.bytes.start).collect();
    assert_eq!(
        starts,
        (0..9).map(|step| step * gibibyte).collect::<Vec<_>>()
    );
}

#[test]
fn a_port_that_is_used_again_is_another_flow() {
    let mut script = Script::new();
    let first = script.connected_tcp();
    script.write(first, CLIENT, b"first");
    script.segment(first, CLIENT, 0..5);
    let mut session = script.session();
    // The same addresses, other sockets, another initial number.
    let copies: Vec<_> = session
        .facts()
        .map(|(_, fact)| {
            let mut event = fact.event;
            event.time = event.time + std::time::Duration::from_secs(1);
            let mut data = fact.data.to_vec();
            let text = fact
                .text
                .replace("\"id\":1,", "\"id\":11,")
                .replace("\"id\":2,", "\"id\":12,");
            let text = text.replace("\"socket\":1001", "\"socket\":2001");
            let text = text.replace("\"socket\":1002", "\"socket\":2002");
            if fact.kind() == Kind::Packet {
                let from_client = data[34..36] == 40_000_u16.to_be_bytes();
                let at = if from_client { 38 } else { 42 };
                let moved = u32::from_be_bytes([0, 1, 2, 3].map(|byte| data[at + byte]));
                data[at..at + 4].copy_from_slice(&moved.wrapping_add(9_999).to_be_bytes());
            } else {
                let number = event.conn().number();
                let moved = crate::ConnId::new(if number == 0 { 0 } else { number + 10 });
                let call = event.call();
                let kept = event;
                event = crate::Event::new(kept.kind(), moved, kept.time)
                    .with_call(call)
                    .with_offset(kept.offset)
                    .with_result(kept.result)
                    .with_asked(kept.asked);
            }
            (event, text, data)
        })
        .collect();
    for (event, text, data) in &copies {
        session.push(&crate::Fact {
            text,
            data,
            ..crate::Fact::new(*event)
        });
    }
    session.sort();
    let timeline = Timeline::build(&session);
    let seen: Vec<_> = timeline
        .flows
        .iter()
        .map(|flow| (flow.number, flow.ways[0].writes.len(), wire(&flow.ways[0])))
        .collect();
    let new = SegmentNote::New;
    assert_eq!(seen, [(1, 1, vec![(0..5, new)]), (2, 1, vec![(0..5, new)])]);
}

#[test]
fn datagrams_meet_by_number_and_fragments_by_theirs() {
    let mut script = Script::new();
    let udp = script.udp();
    let sizes = [17_usize, 1, 0, 2_000];
    for (index, size) in sizes.into_iter().enumerate() {
        let bytes = vec![index as u8; size];
        script.datagram(udp, CLIENT, &bytes);
        script.write(udp, CLIENT, &bytes);
        script.receive(udp, SERVER, 1_024, &bytes);
    }
    let session = script.session();
    let timeline = Timeline::build(&session);
    let [flow] = &timeline.flows[..] else {
        panic!("{:?}", timeline.flows)
    };
    let way = &flow.ways[0];
    assert_eq!(bytes(&way.writes), [0..17, 17..18, 18..18, 18..2_018]);
    assert_eq!(bytes(&way.reads), [0..17, 17..18, 18..18, 18..1_042]);
    let (new, fragment) = (SegmentNote::New, SegmentNote::Fragment);
    assert_eq!(
        wire(way),
        [
            (0..17, new),
            (17..18, new),
            (18..18, new),
            (18..1_490, new),
            (1_490..2_018, fragment)
        ]
    );
    let numbers = |moves: &[Move]| moves.iter().map(|call| call.datagram).collect::<Vec<_>>();
    assert_eq!(numbers(&way.writes), [0, 1, 2, 3]);
    assert_eq!(numbers(&way.reads), [0, 1, 2, 3]);
    let carried: Vec<u32> = way.wire.iter().map(|segment| segment.datagram).collect();
    assert_eq!(carried, [0, 1, 2, 3, 3]);
}

#[test]
fn a_datagram_that_is_lost_leaves_the_others_joined() {
    let mut script = Script::new();
    let udp = script.udp();
    for text in [&b"first"[..], b"other", b"third"] {
        script.write(udp, CLIENT, text);
        if text != b"other" {
            script.datagram(udp, CLIENT, text);
            script.receive(udp, SERVER, 64, text);
        }
    }
    let session = script.session();
    let timeline = Timeline::build(&session);
    let way = &timeline.flows[0].ways[0];
    let reads: Vec<u32> = way.reads.iter().map(|call| call.datagram).collect();
    let carried: Vec<u32> = way.wire.iter().map(|segment| segment.datagram).collect();
    assert_eq!((reads, carried), (vec![0, 2], vec![0, 2]));
}

#[test]
fn who_connects_is_the_client_whatever_the_ports() {
    let mut script = Script::new();
    let tcp = script.connected_tcp();
    script.write(tcp, SERVER, b"220 hello");
    script.called(
        tcp,
        SERVER,
        Call::Shutdown,
        0,
        "SHUT_WR",
        TcpState::FinWait1,
    );
    let session = script.session();
    let timeline = Timeline::build(&session);
    let flow = &timeline.flows[0];
    assert_eq!(flow.ends[1].address.port(), Some(5_000));
    assert_eq!(
        bytes(&flow.ways[1].writes),
        std::iter::once(0..9).collect::<Vec<_>>()
    );
    assert_eq!(flow.life.last().map(|life| life.end), Some(SERVER));
}

#[test]
fn a_framing_cuts_the_stream_into_messages() {
    let mut script = Script::new();
    script.head().frame = "line".into();
    let tcp = script.connected_tcp();
    script.write(tcp, CLIENT, b"on");
    script.write(tcp, CLIENT, b"e\ntwo\n");
    let session = script.session();
    let timeline = Timeline::build(&session);
    let way = &timeline.flows[0].ways[0];
    assert_eq!(way.messages, [0..4, 4..8]);
    assert_eq!(way.message_at(3), Some(0));
    assert_eq!(way.message_at(4), Some(1));
}

/// Where the calls of small conversations are, and where none can be.
fn offset() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..12, any::<u64>(), Just(u64::MAX)]
}

proptest! {
    /// Whatever is written, cut and read, every call and packet is in the timeline once, at the bytes
    /// that it touched.
    #[test]
    fn every_byte_is_accounted_for(
        writes in prop::collection::vec(1usize..300, 1..12),
        cuts in prop::collection::vec(1u64..200, 1..12),
        reads in prop::collection::vec(1usize..300, 1..12),
    ) {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        let total: usize = writes.iter().sum();
        for (index, size) in writes.iter().enumerate() {
            script.write(tcp, CLIENT, &vec![index as u8; *size]);
        }
        let mut at = 0;
        for cut in cuts.iter().cycle() {
            if at == total as u64 { break }
            let to = (at + cut).min(total as u64);
            script.segment(tcp, CLIENT, at..to);
            at = to;
        }
        let mut at = 0;
        for read in reads.iter().cycle() {
            if at == total { break }
            let got = (*read).min(total - at);
            script.read(tcp, SERVER, 1024, got);
            at += got;
        }
        let session = script.session();
        let timeline = Timeline::build(&session);
        let way = &timeline.flows[0].ways[0];
        for lane in [bytes(&way.writes), bytes(&way.reads), wire(way).into_iter().map(|(bytes, _)| bytes).collect()] {
            prop_assert_eq!(lane.first().map(|first| first.start), Some(0));
            prop_assert!(lane.windows(2).all(|two| two[0].end == two[1].start));
            prop_assert_eq!(lane.last().map(|last| last.end), Some(total as u64));
        }
        prop_assert!(way.wire.iter().all(|segment| segment.note == SegmentNote::New));
        prop_assert!(timeline.apart.is_empty());
        for offset in 0..total as u64 {
            let one = offset..offset + 1;
            prop_assert_eq!(way.writes_in(one.clone()).len(), 1);
            prop_assert_eq!(way.reads_in(one.clone()).len(), 1);
            prop_assert_eq!(way.wire_in(one).count(), 1);
        }
    }

    /// No sequence of facts makes it panic, and none is lost.
    #[test]
    fn any_facts_are_taken(
        facts in prop::collection::vec((0u8..34, 0u64..5, offset(), prop_oneof![any::<i32>(), Just(i32::MIN)], any::<u32>(), prop::collection::vec(any::<u8>(), 0..60)), 0..60),
    ) {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        let udp = script.udp();
        script.write(tcp, CLIENT, b"abc");
        script.write(udp, SERVER, b"abc");
        for (kind, conn, offset, result, asked, data) in &facts {
            let kind = Kind::of_number(*kind).expect("in range");
            let event = crate::Event::new(kind, crate::ConnId::new(*conn), script.now())
                .with_offset(*offset).with_result(*result).with_asked(*asked);
            let data = if kind == Kind::Packet { [vec![0; 12], vec![8, 0, 0x45], data.clone()].concat() } else { data.clone() };
            script.push(&crate::Fact { data: &data, ..crate::Fact::new(event) });
        }
        let session = script.session();
        let timeline = Timeline::build(&session);
        for flow in &timeline.flows {
            for item in flow.items(&timeline) {
                timeline.fact(flow.fact_of(&item));
            }
            for lane in flow.ways.iter().flat_map(|way| [&way.writes, &way.reads]) {
                let apart = |two: &[Move]| two[0].bytes.end <= two[1].bytes.start;
                prop_assert!(!flow.transport.is_stream() || lane.windows(2).all(apart));
            }
        }
        crate::finding::find(&timeline);
    }
}

#[test]
fn what_the_wire_took_did_not_arrive() {
    let mut script = Script::new();
    let tcp = script.connected_tcp();
    script.write(tcp, CLIENT, b"one two");
    script.segment(tcp, CLIENT, 0..4);
    script.verdict("dropped by drop:nth=5");
    script.segment(tcp, CLIENT, 4..7);
    let session = script.verdict("").clone().session();
    let timeline = Timeline::build(&session);
    let way = &timeline.flows[0].ways[0];
    assert_eq!((way.written, way.carried), (7, 4));
    let lost: Vec<_> = way.wire.iter().map(|segment| segment.lost).collect();
    assert_eq!(lost, [false, true]);

    script.segment(tcp, CLIENT, 4..7);
    let session = script.session();
    let timeline = Timeline::build(&session);
    let way = &timeline.flows[0].ways[0];
    assert_eq!(way.carried, 7);
    let last = way.wire.last().unwrap();
    assert_eq!((last.lost, last.note), (false, Retransmission));
}
