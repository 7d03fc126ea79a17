//! What holds for every finding, whatever the session.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::check::findings;
use super::words::{bytes, of};
use super::*;
use crate::packet::TcpFlags;
use crate::sample::{CLIENT, SERVER, Script};
use crate::{Call, ConnId, Event, Fact, Kind, TcpState};

/// One read that gives two writes together, in a connection of its own.
fn sticky(script: &mut Script) {
    let tcp = script.connected_tcp();
    script.write(tcp, CLIENT, b"a");
    script.write(tcp, CLIENT, b"b");
    script.read(tcp, SERVER, 64, 2);
}

#[test]
fn names_are_unique_and_titles_in_both_languages() {
    let mut names: Vec<&str> = topics().map(|topic| topic.name).collect();
    let all = names.len();
    assert!(all > 20, "{names:?}");
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    for topic in topics() {
        let [en, zh] = topic.title;
        assert!(
            en.is_ascii() && !en.is_empty() && !zh.is_ascii(),
            "{topic:?}"
        );
    }
}

#[test]
fn every_finding_has_its_section_and_every_section_its_finding() {
    let documents = [
        include_str!("../../../../docs/findings.md"),
        include_str!("../../../../docs/findings.zh-CN.md"),
    ];
    let names: Vec<&str> = topics().map(|topic| topic.name).collect();
    for (document, what_to_do) in documents.into_iter().zip(["What to do: ", "对策："]) {
        let headings = document.lines().filter_map(|line| line.strip_prefix("## "));
        assert_eq!(headings.collect::<Vec<_>>(), names);
        for section in document.split("\n## ").skip(1) {
            let is_whole = section.contains("```text") && section.contains(what_to_do);
            assert!(is_whole, "{section}");
        }
    }
    // The Chinese one begins each with its title, as the page and the lists say it.
    for (topic, section) in topics().zip(documents[1].split("\n## ").skip(1)) {
        assert!(section.contains(topic.title[1]), "{section}");
    }
}

#[test]
fn a_reader_gets_summaries_then_trouble_then_the_rest() {
    let mut script = Script::new();
    sticky(&mut script);
    script.close(0, CLIENT);
    script.write(0, SERVER, b"late");
    script.fail(0, SERVER, Kind::Write, 4, libc::EPIPE);
    script.close(0, SERVER);
    let other = script.connected_tcp();
    script.close(other, CLIENT);
    script.close(other, SERVER);
    let found = findings(&script.session());
    let names: Vec<_> = found
        .iter()
        .map(|finding| (finding.name, finding.weight))
        .collect();
    assert_eq!(
        names,
        [
            ("summary", Weight::Note),
            ("summary", Weight::Note),
            ("write-after-close", Weight::Trouble),
            ("coalesced", Weight::Notice),
            ("time-wait", Weight::Note),
        ]
    );
}

#[test]
fn of_one_way_some_are_told_and_the_rest_counted() {
    let count = |reads: u32| {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        for _ in 0..reads {
            script.write(tcp, CLIENT, b"a");
            script.write(tcp, CLIENT, b"b");
            script.read(tcp, SERVER, 64, 2);
        }
        let found = findings(&script.session());
        let sticky = found
            .into_iter()
            .filter(|finding| finding.name == "coalesced");
        sticky.map(|finding| finding.count).collect::<Vec<_>>()
    };
    assert_eq!(count(Topic::SINGLE), [1, 1, 1]);
    assert_eq!(count(Topic::SINGLE + 1), [1, 1, 1, 1]);
    assert_eq!(count(1000), [1, 1, 1, 997]);
}

#[test]
fn of_many_flows_some_are_told_and_the_rest_counted() {
    let flows = Topic::TOGETHER + 8;
    let mut script = Script::new();
    for _ in 0..flows {
        sticky(&mut script);
    }
    let session = script.session();
    let found = findings(&session);
    let sticky: Vec<_> = found
        .iter()
        .filter(|finding| finding.name == "coalesced")
        .collect();
    assert_eq!(sticky.len(), Topic::TOGETHER + 1);
    let rest = sticky[Topic::TOGETHER];
    assert_eq!((rest.count, rest.flow), (8, None));
    assert_eq!(
        rest.sentence[0],
        "… and 8 more (coalesced) in 8 other flows."
    );
    // Whoever draws a flow that was only counted gets its headline all the same.
    let timeline = Timeline::build(&session);
    let [there, back] = summaries(&timeline, flows - 1);
    assert_eq!(
        there.map(|summary| summary.flow),
        Some(Some(flows as u32 - 1))
    );
    assert_eq!(back, None);
}

/// A session of many events stays a short list, and takes no time that grows with its square.
#[test]
fn many_events_are_a_short_list_soon() {
    const EVENTS: usize = 100_000;
    const LONG: Duration = Duration::from_secs(20);
    let mut script = Script::new();
    script.head().frame = "line".into();
    let tcp = script.connected_tcp();
    for index in 0..EVENTS as u64 / 5 {
        script.write(tcp, CLIENT, b"\n");
        script.segment(tcp, CLIENT, index..index + 1);
        script.window(tcp, SERVER, (index % 2) as u16);
        script.packet(tcp, SERVER, TcpFlags::ACK, 0..0);
        script.segment(tcp, CLIENT, index..index + 1);
        if index % 4 == 3 {
            script.read(tcp, SERVER, 64, 4);
            script.write(tcp, SERVER, b"\n");
            script.wait(50_000);
        }
    }
    let session = script.session();
    let timeline = Timeline::build(&session);
    let began = Instant::now();
    let found = find(&timeline);
    assert!(began.elapsed() < LONG, "{:?}", began.elapsed());
    assert!((8..40).contains(&found.len()), "{found:#?}");
}

proptest! {
    /// However a stream is written, cut and read: the headline counts what was made, and everything
    /// else that is said points at something that is there.
    #[test]
    fn the_summary_counts_what_was_made(
        writes in prop::collection::vec(1usize..300, 1..12),
        cuts in prop::collection::vec(1u64..200, 1..12),
        reads in prop::collection::vec((1usize..300, 0u32..600), 1..12),
        frame in prop::sample::select(vec!["", "fixed:7", "line"]),
    ) {
        let mut script = Script::new();
        script.head().frame = frame.into();
        let tcp = script.connected_tcp();
        let total: usize = writes.iter().sum();
        for (index, size) in writes.iter().enumerate() {
            script.write(tcp, CLIENT, &vec![b'a' + index as u8; *size]);
        }
        let (mut at, mut segments) = (0, 0);
        for cut in cuts.iter().cycle() {
            if at == total as u64 { break }
            let to = (at + cut).min(total as u64);
            script.segment(tcp, CLIENT, at..to);
            (at, segments) = (to, segments + 1);
        }
        let (mut at, mut pieces) = (0, 0);
        for (size, more_room) in reads.iter().cycle() {
            if at == total { break }
            let got = (*size).min(total - at);
            script.read(tcp, SERVER, got as u32 + more_room, got);
            (at, pieces) = (at + got, pieces + 1);
        }
        let found = findings(&script.session());
        // Of each write 256 bytes are kept, so that no more is known of where messages end.
        let known = match writes.iter().position(|size| *size > 256) {
            Some(cut) => writes[..cut].iter().sum::<usize>() + 256,
            None => total,
        };
        let messages = match (frame, known / 7) {
            ("" | "line", _) | (_, 0) => String::new(),
            (_, n) if known < total => format!("at least {} in ", of(n as u64, "message")),
            (_, n) => format!("{} in ", of(n as u64, "message")),
        };
        let expected = format!(
            "{messages}{} ({}) by the client (python3) became {}; the server (python3) took {}.",
            of(writes.len() as u64, "write"),
            bytes(total as u64),
            of(segments, "segment"),
            of(pieces, "piece"),
        );
        prop_assert_eq!(&found[0].sentence[0], &super::words::capital(&expected));
    }

    /// No sequence of facts makes it panic or point at what is not there.
    #[test]
    fn any_facts_are_explained(
        facts in prop::collection::vec(
            (0u8..31, 0u8..40, 0u64..6, 0u64..40, -115i32..60, 0u32..60, prop::collection::vec(any::<u8>(), 0..40)),
            0..60,
        ),
        flags: u32,
        frame in prop::sample::select(vec!["", "fixed:3", "line"]),
    ) {
        let mut script = Script::new();
        script.head().frame = frame.into();
        let tcp = script.connected_tcp();
        let udp = script.udp();
        script.write(tcp, CLIENT, b"abcdefgh");
        script.write(tcp, SERVER, b"abcdefgh");
        script.write(udp, SERVER, b"abc");
        for (kind, call, conn, offset, result, asked, data) in &facts {
            let kind = Kind::of_number(*kind).expect("in range");
            if kind == Kind::Packet {
                let bits = (*asked & 0x1f) as u8;
                let from = *offset % 8;
                script.packet(tcp, (*conn % 2) as u8, bits, from..from);
                if conn.is_multiple_of(2) {
                    script.segment(tcp, CLIENT, from..(from + 3).min(8));
                }
                continue;
            }
            let event = Event::new(kind, ConnId::new(*conn), script.now())
                .with_call(Call::of_number(*call).unwrap_or_default())
                .with_offset(*offset)
                .with_result(*result)
                .with_asked(*asked);
            let text = ["", "SHUT_WR", "exit", "SO_LINGER 1 0", "TCP_NODELAY 1"][data.len() % 5];
            let state = TcpState::of_number((*result).rem_euclid(13) as u8);
            script.push(&Fact { flags, state, text, data, ..Fact::new(event) });
            script.wait(u64::from(*asked) * 10_000);
        }
        let session = script.session();
        let timeline = Timeline::build(&session);
        for finding in find(&timeline) {
            prop_assert!(finding.facts.len() <= Topic::FACTS);
            prop_assert!(finding.facts.iter().all(|fact| fact.index() < session.len()));
            prop_assert!(finding.flow.is_none_or(|flow| (flow as usize) < timeline.flows.len()));
            prop_assert!(finding.way.is_none_or(|way| way < 2));
            prop_assert!(finding.bytes.start <= finding.bytes.end);
        }
    }
}
