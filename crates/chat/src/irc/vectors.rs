//! Lines and what they mean, as tables: the cases that implementations of IRC have stumbled over.

use super::{Message, ParseError, Tags, Who, escape, unescape};

/// A line; source, command, parameters.
#[test]
fn lines_are_taken_apart() {
    let fifteen = [
        "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15 16 :x",
    ];
    let rows: &[(&str, Option<&str>, &str, &[&str])] = &[
        ("PING", None, "PING", &[]),
        ("ping a", None, "ping", &["a"]),
        ("X a b c", None, "X", &["a", "b", "c"]),
        // The colon marks the last parameter and is none of it.
        ("X :a", None, "X", &["a"]),
        ("X a :b c", None, "X", &["a", "b c"]),
        ("X a b :", None, "X", &["a", "b", ""]),
        ("X :", None, "X", &[""]),
        ("X :a b ", None, "X", &["a b "]),
        ("X : ", None, "X", &[" "]),
        ("X ::a", None, "X", &[":a"]),
        ("X :: a :b", None, "X", &[": a :b"]),
        // A colon inside of a word is a letter.
        ("X a:b c", None, "X", &["a:b", "c"]),
        ("X a: :b", None, "X", &["a:", "b"]),
        // Blanks in a row are one, but in the last parameter.
        ("X   a    b   :c  d", None, "X", &["a", "b", "c  d"]),
        ("X a  ", None, "X", &["a"]),
        ("  X a", None, "X", &["a"]),
        ("X ", None, "X", &[]),
        // Other white space separates nothing.
        ("X a\tb c", None, "X", &["a\tb", "c"]),
        ("X\u{b}a", None, "X\u{b}a", &[]),
        ("X a\u{a0}b \u{3000}", None, "X", &["a\u{a0}b", "\u{3000}"]),
        // Sources.
        (":s X a", Some("s"), "X", &["a"]),
        (":s  X  :a", Some("s"), "X", &["a"]),
        (":n!u@h.x X :a b", Some("n!u@h.x"), "X", &["a b"]),
        (
            ":树!u@h 001 树 :欢迎",
            Some("树!u@h"),
            "001",
            &["树", "欢迎"],
        ),
        (": X a", None, "X", &["a"]),
        (":n!\u{2}u@h X", Some("n!\u{2}u@h"), "X", &[]),
        // Fifteen parameters, the last of which needs no colon and may begin with one.
        (
            "X 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 :x",
            None,
            "X",
            &fifteen,
        ),
        (
            "X 1 2 3 4 5 6 7 8 9 10 11 12 13 14 :15 16 :x",
            None,
            "X",
            &fifteen,
        ),
        // What servers say in the wild.
        (
            ":irc.x MODE #r +o n ",
            Some("irc.x"),
            "MODE",
            &["#r", "+o", "n"],
        ),
        (
            ":irc.x 353 n = #r :@n +m",
            Some("irc.x"),
            "353",
            &["n", "=", "#r", "@n +m"],
        ),
        ("CAP * LS * :a=b c", None, "CAP", &["*", "LS", "*", "a=b c"]),
    ];
    for (line, source, command, params) in rows {
        let message = Message::parse(line.as_bytes()).expect(line);
        assert_eq!(message.source, *source, "{line:?}");
        assert_eq!(message.command, *command, "{line:?}");
        assert_eq!(message.params(), *params, "{line:?}");
        assert_eq!(message.tags, Tags::default(), "{line:?}");
    }
}

/// A line; each tag as it is meant, and what stands behind them.
#[test]
fn tags_are_taken_apart() {
    let rows: &[(&str, &[(&str, &str)])] = &[
        ("@a=b X", &[("a", "b")]),
        ("@a=b;c X", &[("a", "b"), ("c", "")]),
        ("@a=;c= X", &[("a", ""), ("c", "")]),
        ("@a=b=c;d==e X", &[("a", "b=c"), ("d", "=e")]),
        ("@;a;;b; X", &[("a", ""), ("b", "")]),
        ("@ X", &[]),
        ("@=a;b=c;= X", &[("b", "c")]),
        ("@a  :s X", &[("a", "")]),
        ("@+x.y/z=1;+w X", &[("+x.y/z", "1"), ("+w", "")]),
        // Escapes.
        (r"@a=\:\s\\\r\n X", &[("a", "; \\\r\n")]),
        (r"@a=\\s\\: X", &[("a", r"\s\:")]),
        (r"@a=\b\q\1 X", &[("a", "bq1")]),
        (r"@a=b\ X", &[("a", "b")]),
        (r"@a=\ X", &[("a", "")]),
        (r"@a=1\\;b X", &[("a", r"1\"), ("b", "")]),
        ("@a=树:@! X", &[("a", "树:@!")]),
        // Once more: both are there, and the last counts.
        ("@a=1;b;a=2 X", &[("a", "1"), ("b", ""), ("a", "2")]),
    ];
    for (line, tags) in rows {
        let message = Message::parse(line.as_bytes()).expect(line);
        let read: Vec<_> = message
            .tags
            .iter()
            .map(|(key, value)| (key, unescape(value)))
            .collect();
        let expected: Vec<_> = tags
            .iter()
            .map(|(key, value)| (*key, (*value).into()))
            .collect();
        assert_eq!(read, expected, "{line}");
        assert_eq!(message.command, "X", "{line}");
        for (key, _) in *tags {
            let last = tags.iter().rev().find(|(other, _)| other == key);
            assert_eq!(
                message.tags.get(key).as_deref(),
                last.map(|(_, value)| *value),
                "{line}"
            );
        }
        assert_eq!(message.tags.get("none"), None);
        assert!(
            message
                .tags
                .client_only()
                .all(|(key, _)| key.starts_with('+'))
        );
    }
}

#[test]
fn values_of_tags_are_escaped() {
    for (meant, written) in [
        ("", ""),
        ("plain", "plain"),
        ("a;b c\\d\re\nf", r"a\:b\sc\\d\re\nf"),
        ("a\0b", r"a\sb"),
        ("树 ", r"树\s"),
    ] {
        assert_eq!(escape(meant), written);
    }
}

#[test]
fn what_is_no_message_is_told_apart() {
    for (line, error) in [
        (&b""[..], ParseError::Empty),
        (b"   ", ParseError::Empty),
        (b":", ParseError::NoCommand),
        (b":s", ParseError::NoCommand),
        (b":s  ", ParseError::NoCommand),
        (b"@a=b", ParseError::NoCommand),
        (b"@a :s ", ParseError::NoCommand),
        (b"@ @a X", ParseError::NoCommand),
        (b": :s X", ParseError::NoCommand),
        (b"X a\xffb", ParseError::NotUtf8 { at: 3 }),
        (b"\xed\xa0\x80", ParseError::NotUtf8 { at: 0 }),
        (b"X \xe4\xbd", ParseError::NotUtf8 { at: 2 }),
        (b"X a\0b", ParseError::Control { at: 3 }),
        (b"X a\rb", ParseError::Control { at: 3 }),
        (b"X\nY", ParseError::Control { at: 1 }),
        (b"X\r", ParseError::Control { at: 1 }),
    ] {
        assert_eq!(Message::parse(line), Err(error), "{}", line.escape_ascii());
        assert_eq!(Message::parse_said(line), Err(error));
    }
}

/// What a client says has limits; what a server says is limited by whoever reads it.
#[test]
fn lines_of_clients_have_limits() {
    let line = |tags: usize, rest: usize| {
        let tags = match tags {
            0 => String::new(),
            tags => format!("@{} ", "t".repeat(tags - 2)),
        };
        format!("{tags}X {}", "p".repeat(rest - 4)).into_bytes()
    };
    for (tags, rest) in [(0, 512), (4096, 512), (4096, 5), (2, 512)] {
        let line = line(tags, rest);
        assert_eq!(Message::parse_said(&line), Message::parse(&line));
        assert!(Message::parse(&line).is_ok());
    }
    for (tags, rest, error) in [
        (0, 513, ParseError::TooLong { bytes: 513 }),
        (100, 513, ParseError::TooLong { bytes: 513 }),
        (4097, 5, ParseError::TagsTooLong { bytes: 4097 }),
    ] {
        let line = line(tags, rest);
        assert_eq!(Message::parse_said(&line), Err(error));
        assert!(error.is_too_long() && Message::parse(&line).is_ok());
    }
    let endless = [&b"@"[..], &[b't'; 9000]].concat();
    assert_eq!(
        Message::parse_said(&endless),
        Err(ParseError::TagsTooLong { bytes: 9001 })
    );
}

#[test]
fn sources_are_taken_apart() {
    for (source, name, user, host) in [
        ("n", "n", None, None),
        ("irc.x", "irc.x", None, None),
        ("n!u@h", "n", Some("u"), Some("h")),
        ("n@h", "n", None, Some("h")),
        ("n!u", "n", Some("u"), None),
        ("n!a!u@h", "n", Some("a!u"), Some("h")),
        ("n!u@v@h", "n", Some("u@v"), Some("h")),
        ("n!@", "n", Some(""), Some("")),
        ("", "", None, None),
    ] {
        assert_eq!(Who::of(source), Who { name, user, host }, "{source}");
    }
}

#[test]
fn commands_are_compared_without_their_case() {
    let message = Message::parse(b"PrivMsg a :b").unwrap();
    assert!(message.is("PRIVMSG") && !message.is("PRIVMS") && !message.is("NOTICE"));
    assert_eq!((message.param(1), message.param(2)), (Some("b"), None));
}
