//! One conversation, recorded once, then told apart as two machines would have recorded it.

use std::time::Duration;

use super::foreign::shifted;
use super::*;
use crate::packet::{Body, dissect};
use crate::sample::{CLIENT, SERVER, Script};
use crate::session::packet_flag;
use crate::{Fact, Kind, Side};

/// How long a packet is under way.
const DELAY: Duration = Duration::from_micros(4);
const HOUR_NS: i64 = 3_600_000_000_000;

fn conversation() -> Session {
    let mut script = Script::new();
    let tcp = script.connected_tcp();
    for round in 0..3 {
        script.write(tcp, CLIENT, b"question");
        script.segment(tcp, CLIENT, round * 8..round * 8 + 8);
        script.read(tcp, SERVER, 1024, 8);
        script.write(tcp, SERVER, b"answer");
        script.segment(tcp, SERVER, round * 6..round * 6 + 6);
        script.read(tcp, CLIENT, 1024, 6);
    }
    script.close(tcp, CLIENT);
    script.close(tcp, SERVER);
    script.session()
}

/// What each machine sees of it; the server's clock is `ahead_ns` ahead.
fn told_apart(session: &Session, ahead_ns: i64, packets: bool) -> [Session; 2] {
    let timeline = Timeline::build(session);
    let client: Vec<u64> = timeline.flows[0].ends[0]
        .sides
        .iter()
        .map(|side| timeline.sides[*side as usize].id)
        .collect();
    let mut machines = ["here", "there"].map(|host| {
        Session::new(Head {
            host: host.into(),
            ..session.head().clone()
        })
    });
    for (_, fact) in session.facts() {
        let conn = fact.event.conn().number();
        let from_client = match fact.kind() {
            Kind::Packet if !packets => continue,
            Kind::Packet => {
                let packet = dissect(1, fact.data, fact.event.result.unsigned_abs());
                matches!(packet.body, Body::Tcp(tcp) if tcp.source == 40_000)
            }
            Kind::Process => fact.text.contains("client.py"),
            Kind::Side => fact.describes::<Side>().unwrap().pid == 100,
            _ => client.contains(&conn),
        };
        let everywhere = matches!(fact.kind(), Kind::Packet | Kind::Interface);
        for (which, machine) in machines.iter_mut().enumerate() {
            let sends = from_client == (which == 0);
            if !sends && !everywhere {
                continue;
            }
            let mut told = fact;
            if fact.kind() == Kind::Packet {
                told.flags = if sends { packet_flag::OUTGOING } else { 0 };
                if !sends {
                    told.event.time = told.event.time + DELAY;
                }
            }
            if which == 1 {
                told.event.time = shifted(told.event.time, -ahead_ns);
            }
            machine.push(&told);
        }
    }
    for machine in &mut machines {
        machine.sort();
    }
    machines
}

/// The lanes of the one flow: bytes of writes, of segments, of reads, in the order of time.
fn lanes(session: &Session) -> Vec<String> {
    let timeline = Timeline::build(session);
    assert_eq!(timeline.flows.len(), 1);
    let flow = &timeline.flows[0];
    let items = flow.items(&timeline);
    let mut lanes: Vec<_> = items
        .iter()
        .filter(|item| item.lane != crate::Lane::Life)
        .map(|item| {
            (
                item.to,
                format!("{:?} {} {}", item.lane, item.way, item.index),
            )
        })
        .collect();
    lanes.sort();
    lanes.into_iter().map(|(_, name)| name).collect()
}

#[test]
fn a_shifted_clock_is_found_and_the_lanes_are_as_on_one_machine() {
    let whole = conversation();
    for ahead_ns in [0, 1, 5_000_000, -3 * HOUR_NS, 24 * HOUR_NS] {
        for packets in [true, false] {
            let [here, there] = told_apart(&whole, ahead_ns, packets);
            let merged = merge(&here, &there, Lang::En);
            let clock = merged.clock;
            let error = clock.error_ns.expect("bytes went both ways");
            let off = clock.ahead_ns.abs_diff(ahead_ns);
            assert!(off <= error, "{ahead_ns}: {clock:?}");
            assert_eq!(matches!(clock.told_by, Evidence::Packets(_)), packets);
            if packets {
                assert!(error <= DELAY.as_nanos() as u64 && off == 0, "{clock:?}");
                assert_eq!(lanes(&merged.session), lanes(&whole), "{ahead_ns}");
            }
            assert_eq!((merged.joined, merged.alone), (1, [0, 0]));
            let timeline = Timeline::build(&merged.session);
            assert_eq!(
                timeline.flows[0].ways.each_ref().map(|way| way.written),
                [24, 18]
            );
            assert_eq!(
                timeline.flows[0].ways.each_ref().map(|way| way.read),
                [24, 18]
            );
            assert_eq!(timeline.processes.len(), 2);
            let note = &merged.session.head().wire_note;
            assert!(
                note.contains("the clock of there") && note.contains("± "),
                "{note}"
            );
        }
    }
}

/// The order of the two files does not matter but for whose clock is kept.
#[test]
fn the_server_may_come_first() {
    let [here, there] = told_apart(&conversation(), -7_000_000, true);
    let merged = merge(&there, &here, Lang::Zh);
    assert_eq!(merged.clock.ahead_ns, 7_000_000);
    assert_eq!(lanes(&merged.session), lanes(&conversation()));
    assert!(merged.session.head().wire_note.contains("快 7.000 ms"));
}

/// Captures that do not say which way a packet went: who waits longer for the answer is the client.
#[test]
fn captures_without_directions_are_joined_too() {
    let whole = conversation();
    let machines = told_apart(&whole, 9_000_000, true).map(|machine| {
        let mut bare = Session::new(machine.head().clone());
        for (_, fact) in machine.facts() {
            if matches!(fact.kind(), Kind::Packet | Kind::Interface) {
                bare.push(&Fact { flags: 0, ..fact });
            }
        }
        bare
    });
    let merged = merge(&machines[0], &machines[1], Lang::En);
    assert_eq!(merged.clock.ahead_ns, 9_000_000);
    assert_eq!(merged.joined, 1);
}

/// Behind a translator of addresses the server sees another client's address.
#[test]
fn translated_addresses_are_joined_by_their_sequence_numbers() {
    let whole = conversation();
    let [here, there] = told_apart(&whole, 1_000_000, true);
    let mut translated = Session::new(there.head().clone());
    for (_, fact) in there.facts() {
        let text = fact.text.replace("127.0.0.1:40000", "127.0.0.9:61000");
        let mut data = fact.data.to_vec();
        if fact.kind() == Kind::Packet {
            // Ethernet takes 14 bytes, IP 20: the client's address and port.
            let (address, port) = if data[34..36] == 40_000u16.to_be_bytes() {
                (26, 34)
            } else {
                (30, 36)
            };
            data[address + 3] = 9;
            data[port..port + 2].copy_from_slice(&61_000u16.to_be_bytes());
        }
        translated.push(&Fact {
            text: &text,
            data: &data,
            ..fact
        });
    }
    let merged = merge(&here, &translated, Lang::En);
    assert_eq!((merged.joined, merged.alone), (1, [0, 0]));
    assert_eq!(merged.clock.ahead_ns, 1_000_000);
    assert_eq!(lanes(&merged.session), lanes(&whole));
}

#[test]
fn what_has_nothing_in_common_stays_apart_and_says_so() {
    let mut script = Script::new();
    let other = script.talk(crate::Transport::Tcp, true);
    script.write(other, CLIENT, b"x");
    script.talk(crate::Transport::Tcp, true);
    let one = script.session();
    let mut script = Script::new();
    script.talk(crate::Transport::Tcp, true);
    let talk = script.talk(crate::Transport::Tcp, true);
    script.write(talk, SERVER, b"y");
    let merged = merge(&one, &script.session(), Lang::En);
    assert_eq!(merged.clock.told_by, Evidence::Nothing);
    assert_eq!((merged.joined, merged.alone), (0, [1, 1]));
    let timeline = Timeline::build(&merged.session);
    assert_eq!(timeline.flows.len(), 2);
    // The same numbers on both machines are told apart.
    let mut pids: Vec<u32> = timeline.processes.iter().map(|one| one.pid).collect();
    pids.sort_unstable();
    assert_eq!(pids, [100, 200, 100 + FOREIGN_PIDS, 200 + FOREIGN_PIDS]);
    let note = &merged.session.head().wire_note;
    assert!(
        note.contains("nothing tells otherwise; 2 conversations"),
        "{note}"
    );
}
