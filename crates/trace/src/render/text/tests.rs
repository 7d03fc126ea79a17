//! Pictures of scripted sessions.

use super::*;
use crate::packet::TcpFlags;
use crate::sample::{CLIENT, SERVER, Script};
use crate::{Call, Session, finding};

fn draw(session: &Session, options: &TextOptions) -> String {
    let timeline = Timeline::build(session);
    let findings = finding::find(&timeline);
    let mut out = vec![];
    write(&timeline, &findings, options, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    for line in text.lines() {
        use unicode_width::UnicodeWidthStr;
        let bare = without_colours(line);
        assert!(bare.width() <= options.width.max(MIN_WIDTH), "{bare}");
        assert_eq!(bare.trim_end(), bare, "no spaces at the end");
    }
    text
}

fn without_colours(line: &str) -> String {
    let mut pieces = line.split('\x1b');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        text + piece.split_once('m').map_or("", |(_, rest)| rest)
    })
}

/// What people come for: messages that stick together.
pub(super) fn sticky() -> Session {
    let mut script = Script::new();
    let tcp = script.connected_tcp();
    script.wait(200_000);
    for text in ["hello, how are you?", "x", "再见，朋友"] {
        script.write(tcp, CLIENT, text.as_bytes());
    }
    script.segment(tcp, CLIENT, 0..19);
    script.wait(150);
    script.segment(tcp, CLIENT, 19..35);
    script.read(tcp, SERVER, 1024, 19);
    script.read(tcp, SERVER, 10, 10);
    script.read(tcp, SERVER, 10, 6);
    script.write(tcp, SERVER, b"\x1b[31mbye\r\n");
    script.segment(tcp, SERVER, 0..10);
    script.read(tcp, CLIENT, 1024, 10);
    script.close(tcp, CLIENT);
    script.close(tcp, SERVER);
    script.session()
}

#[test]
fn messages_that_stick_together() {
    insta::assert_snapshot!(draw(&sticky(), &TextOptions::default()));
}

#[test]
fn the_same_in_chinese_narrow_and_in_hex() {
    let options = TextOptions {
        width: 80,
        lang: Lang::Zh,
        hex: true,
        ..TextOptions::default()
    };
    insta::assert_snapshot!(draw(&sticky(), &options));
}

#[test]
fn colours_only_where_they_are_asked_for() {
    let plain = draw(&sticky(), &TextOptions::default());
    assert!(!plain.contains('\x1b'), "{plain}");
    let options = TextOptions {
        colour: true,
        ..TextOptions::default()
    };
    let coloured = draw(&sticky(), &options);
    assert!(coloured.contains("\x1b[36m[0..19)\x1b[0m"), "{coloured}");
    let bare: Vec<String> = coloured.lines().map(without_colours).collect();
    assert_eq!(bare, plain.lines().collect::<Vec<_>>());
}

/// Every width draws, and no line is wider: `draw` checks.
#[test]
fn every_width_holds() {
    for width in (0..200).step_by(7) {
        for lang in [Lang::En, Lang::Zh] {
            let options = TextOptions {
                width,
                lang,
                ..TextOptions::default()
            };
            draw(&sticky(), &options);
        }
    }
}

#[test]
fn what_is_left_out_is_counted() {
    let mut script = Script::new();
    let tcp = script.connected_tcp();
    for _ in 0..100 {
        script.write(tcp, CLIENT, b"x");
    }
    script.connected_tcp();
    let session = script.session();
    let options = TextOptions {
        limit: 20,
        flows: 1,
        ..TextOptions::default()
    };
    let text = draw(&session, &options);
    assert!(text.contains("… 86 more (--limit 0"), "{text}");
    assert!(text.contains("… 1 more conversations"), "{text}");
    let options = TextOptions {
        flow: Some(2),
        ..TextOptions::default()
    };
    let text = draw(&session, &options);
    assert!(
        text.contains("#2 tcp") && !text.contains("#1 tcp"),
        "{text}"
    );
    let options = TextOptions {
        window: Some(0..50_000),
        ..TextOptions::default()
    };
    let text = draw(&session, &options);
    assert!(
        text.contains("connect") && !text.contains("sendto"),
        "{text}"
    );
}

#[test]
fn a_call_that_waits_has_a_bar() {
    let mut script = Script::new();
    let tcp = script.connected_tcp();
    script.write(tcp, CLIENT, b"ping");
    script.segment(tcp, CLIENT, 0..4);
    script.wait(30_000);
    script.write(tcp, SERVER, b"pong");
    let mut session = script.session();
    // The client waits for the answer from before the question left until now.
    let last = session.span().unwrap().end;
    let conn = session
        .facts()
        .find(|(_, fact)| fact.call() == Call::Connect);
    let conn = conn.unwrap().1.event.conn();
    let mut event = crate::Event::new(crate::Kind::Read, conn, last + Duration::from_micros(40))
        .with_call(Call::Recvfrom)
        .with_result(4)
        .with_asked(1024);
    event.took_ns = 30_070_000;
    session.push(&crate::Fact {
        data: b"pong",
        ..crate::Fact::new(event)
    });
    session.sort();
    insta::assert_snapshot!(draw(&session, &TextOptions::default()));
}

/// Retransmissions, a closed window, super-segments, datagrams, failures, and how full buffers were.
#[test]
fn what_goes_wrong_and_what_is_large() {
    let mut script = Script::new();
    let tcp = script.connected_tcp();
    script.write(tcp, CLIENT, &vec![b'x'; 20_000]);
    script.super_segment(tcp, CLIENT, 0..14_480, 1448);
    script.wait(210_000);
    script.segment(tcp, CLIENT, 0..1448);
    script.gauge(
        tcp,
        SERVER,
        crate::Gauge {
            unread: 14_480,
            recv_limit: 131_072,
            ..crate::Gauge::default()
        },
    );
    script.window(tcp, SERVER, 0);
    script.packet(tcp, SERVER, crate::packet::TcpFlags::ACK, 0..0);
    script.fail(tcp, CLIENT, crate::Kind::Write, 100, 11);
    script.fail(tcp, SERVER, crate::Kind::Read, 100, 104);
    let udp = script.udp();
    script.write(udp, CLIENT, b"question");
    script.datagram(udp, CLIENT, b"question");
    script.receive(udp, SERVER, 4, b"question");
    script.gap(&crate::Gap {
        what: "io-uring".into(),
        count: 3,
        pid: 200,
        detail: "a ring that polls".into(),
    });
    insta::assert_snapshot!(draw(&script.session(), &TextOptions::default()));
}

/// Nothing of a hostile session reaches the terminal as it is, and nothing panics.
#[test]
fn what_the_wire_did_stands_below_the_arrow() {
    let mut script = Script::new();
    let tcp = script.connected_tcp();
    script.write(tcp, CLIENT, b"ping");
    script.verdict("dropped by drop:nth=4,to=server");
    script.segment(tcp, CLIENT, 0..4);
    script.verdict("").wait(200_000);
    script.segment(tcp, CLIENT, 0..4);
    script.verdict("delayed 20ms by delay:20ms");
    script.packet(tcp, SERVER, TcpFlags::ACK, 0..0);
    script.verdict("dropped by \u{1b}[31m");
    script.packet(tcp, SERVER, TcpFlags::ACK, 0..0);
    let session = script.session();
    insta::assert_snapshot!(draw(&session, &TextOptions::default()));
    let options = TextOptions {
        lang: Lang::Zh,
        width: 80,
        ..TextOptions::default()
    };
    insta::assert_snapshot!(draw(&session, &options));
}

#[test]
fn hostile_words_are_escaped() {
    let mut script = Script::new();
    script.head().command = vec!["evil\u{1b}[2J\u{202e}".into()];
    script.head().wire_note = "\u{1b}]0;title\u{7}".into();
    script.gap(&crate::Gap {
        what: "\u{1b}c".into(),
        detail: "\u{9b}1m".into(),
        ..crate::Gap::default()
    });
    let tcp = script.connected_tcp();
    script.called(
        tcp,
        CLIENT,
        Call::Bind,
        0,
        "\u{1b}[1m",
        crate::TcpState::Close,
    );
    script.write(tcp, CLIENT, b"\x1b[31m</script>\x00\xff");
    let text = draw(&script.session(), &TextOptions::default());
    let steers = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
    assert!(!text.contains(steers), "{text:?}");
}

#[test]
fn the_end_of_a_direction_is_told_in_the_narrowest_lane() {
    let mut script = Script::new();
    let tcp = script.connected_tcp();
    script.write(tcp, CLIENT, &vec![b'x'; 50_000]);
    script.segment(tcp, CLIENT, 0..48_600);
    let last = TcpFlags::FIN | TcpFlags::PSH | TcpFlags::ACK;
    script.packet(tcp, CLIENT, last, 48_600..50_000);
    let session = script.session();
    for width in [MIN_WIDTH, 100, 160] {
        let options = TextOptions {
            width,
            ..TextOptions::default()
        };
        let drawn = draw(&session, &options);
        let ends = drawn.lines().filter(|line| line.contains("FIN"));
        assert_eq!(ends.count(), 1, "{drawn}");
    }
}
