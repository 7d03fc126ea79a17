//! The grammar as a whole: examples, refusals, and that printing and reading agree.

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

#[track_caller]
fn parse(text: &str) -> Endpoint {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Reads `text` and prints it as `printed`, which reads back the same.
#[track_caller]
fn check(text: &str, printed: &str) {
    let endpoint = parse(text);
    assert_eq!(endpoint.to_string(), printed, "{text}");
    assert_eq!(parse(printed), endpoint, "{text}");
}

/// `text` is refused, on one line that contains `says`.
#[track_caller]
fn refused(text: &str, says: &str) {
    let error = text.parse::<Endpoint>().expect_err(text).to_string();
    assert!(error.contains(says), "{text}: {error}");
    assert_eq!(error.lines().count(), 1, "{text}: {error}");
}

#[test]
fn every_scheme_reads_and_prints() {
    check("tcp://localhost:80", "tcp://localhost:80");
    check("udp://127.0.0.1:0", "udp://127.0.0.1:0");
    check("unix:/run/x.sock", "unix:/run/x.sock");
    check("unix:///run/x.sock", "unix:/run/x.sock");
    check("unix:x.sock", "unix:x.sock");
    check("unix-dgram:@name", "unix-dgram:@name");
    check("unix-seqpacket://@name", "unix-seqpacket:@name");
    check("unix:@", "unix:@");
    check("ip://127.0.0.1?proto=icmp", "ip://127.0.0.1?proto=icmp");
    check(
        "ip://[::1]?hdrincl&proto=58",
        "ip://[::1]?proto=icmpv6&hdrincl",
    );
    check("ip://*?proto=253", "ip://*?proto=253");
    check("stdio:", "stdio:");
    check("-", "stdio:");
    check("-?frame=line", "stdio:?frame=line");
    check("exec:wc -l", "exec:wc -l");
    check("fd:3", "fd:3");
    check("TCP://Host:80", "tcp://Host:80");
}

#[test]
fn short_forms_mean_tcp() {
    check("localhost:80", "tcp://localhost:80");
    check(":80", "tcp://:80");
    check("*:80", "tcp://*:80");
    check("0.0.0.0:80", "tcp://0.0.0.0:80");
    check("[::]:80", "tcp://[::]:80");
    check("[::1]:80?nodelay=off", "tcp://[::1]:80?nodelay=0");
}

#[test]
fn scopes_are_raw_or_escaped() {
    check("[fe80::1%eth0]:7", "tcp://[fe80::1%eth0]:7");
    check("[fe80::1%25eth0]:7", "tcp://[fe80::1%eth0]:7");
    check("[fe80::1%2]:7", "tcp://[fe80::1%2]:7");
    check("[fe80::1%25]:7", "tcp://[fe80::1%25]:7");
    check("[fe80::1%2525g0]:7", "tcp://[fe80::1%2525g0]:7");
    refused("[fe80::1%]:7", "1 to 15 bytes");
    refused("[fe80::1%0]:7", "an index is a number from 1");
    refused("[fe80::1%a-very-long-name]:7", "1 to 15 bytes");
}

#[test]
fn escapes_are_decoded_once() {
    check("unix:/tmp/a%20b", "unix:/tmp/a%20b");
    check("unix:/tmp/a b", "unix:/tmp/a%20b");
    check("unix:%40x", "unix:%40x");
    check("unix:%2F/x", "unix:%2F/x");
    check("unix:@%00%ff", "unix:@%00%FF");
    check("unix:/tmp/聊天", "unix:/tmp/聊天");
    check("unix:/x?frame=delim:%26%3F", "unix:/x?frame=delim:%26?");
    let name = UnixName::Path(OsStr::from_bytes(b"/a\xff?").into());
    check(
        "unix:/a%FF%3f",
        &Place::Unix {
            kind: UnixKind::Stream,
            name,
        }
        .to_string(),
    );
}

#[test]
fn command_lines_are_split_as_a_shell_would() {
    let words = |text: &str| match parse(text).place {
        Place::Exec(line) => {
            let args = line.args().iter().map(String::as_str);
            std::iter::once(line.program())
                .chain(args)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        }
        other => panic!("{other}"),
    };
    assert_eq!(
        words("exec:printf 'a b' \"c \\\"d\" e\\ f"),
        ["printf", "a b", "c \"d", "e f"]
    );
    assert_eq!(words("exec: date  +%H:%M "), ["date", "+%H:%M"]);
    assert_eq!(words("exec:x '' 'a'\"b\"c"), ["x", "", "abc"]);
    assert_eq!(words("exec:x 'a?b' c\\?d?frame=line"), ["x", "a?b", "c?d"]);
    assert_eq!(words("exec:sh -c 'ls | wc'"), ["sh", "-c", "ls | wc"]);
    check(
        "exec:x 'it'\\''s' '?'?frame=line",
        "exec:x 'it'\\''s' '?'?frame=line",
    );
}

#[test]
fn what_cannot_be_shown_is_quoted_with_a_dollar() {
    check("exec:printf 'a\nb\u{1b}' x", r"exec:printf $'a\nb\x1b' x");
    check("exec:x $'\\u4e2d\\'\\\\'", r"exec:x '中'\''\'");
    check("exec:x '\u{202e}'", r"exec:x $'\U0000202e'");
    refused("exec:x $'\\q'", "the \\ at byte 4 begins none of");
    refused("exec:x $'\\xff'", "begins none of");
    refused("exec:x $'\\x中'", "begins none of");
    refused("exec:x $'a", "the $' at byte 2 is never closed");
    refused("exec:x $'\\x00'", "NUL");
}

#[test]
fn what_needs_a_shell_is_refused() {
    refused("exec:ls | wc", "no shell reads the `|` at byte 3");
    refused("exec:echo $HOME", "no shell reads the `$`");
    refused("exec:echo \"$HOME\"", "no shell reads the `$`");
    refused("exec:~/x", "no shell reads the `~`");
    refused("exec:x 'a", "the ' at byte 2 is never closed");
    refused("exec:x \"a", "the \" at byte 2 is never closed");
    refused("exec:x \\", "quotes nothing");
    refused("exec:", "a program to run is missing");
    refused("exec:'' x", "a program to run is missing");
    refused("exec:x a?b", "unknown option `b`");
}

#[test]
fn refusals_say_what_to_write() {
    refused("", "the endpoint is empty; allowed are HOST:PORT");
    refused(
        "ssl://host:1",
        "unknown scheme `ssl`; allowed are HOST:PORT, :PORT, tcp://",
    );
    refused("http://host:1/", "unknown scheme `http`");
    refused("tcp:host:80", "write tcp://HOST:PORT");
    refused("host 80", "write host:80");
    refused("::1 80", "write [::1]:80");
    refused("localhost", "write localhost:PORT");
    refused("9000", "write :9000 or HOST:9000");
    refused("[::1]", "write [::1]:PORT");
    refused("::1:7", "write [::1]:7 or [::1:7]:PORT");
    refused("::1", "write [::1]:PORT");
    refused("fe80::1%eth0:7", "write [fe80::1%eth0]:7");
    refused("host:http", "`http` is no port; allowed are 0 to 65535");
    refused("host:65536", "`65536` is no port");
    refused("host:+80", "`+80` is no port");
    refused("host:", "`` is no port");
    refused("host:20-25", "a range only where ports are checked");
    refused("256.0.0.1:80", "`256.0.0.1` is no IPv4 address");
    refused("[::g]:80", "`[::g]` is no IPv6 address");
    refused("[::1:80", "write [::1]:80");
    refused("[fe80::1", "write [fe80::1]:PORT");
    refused("[\u{1}fe", "write [ADDRESS]:PORT");
    refused("ho st:80", "a name has no blanks");
    refused("ho\0st:80", "is no host name");
    refused("user@host:80", "is no host name");
    refused("host..org:80", "between two dots");
    refused("localhost:80:81", "one colon stands before the port");
    refused("tcp://h:80/x", "may follow the port, not `/x`");
    refused("h:80/?nodelay", "may follow the port, not `/`");
    refused("unix:", "`unix:`: a Unix socket needs a name");
    refused("unix:/a%00", "no NUL");
    refused(
        "unix://run/x",
        "`unix://run/x`: an absolute path or @NAME follows",
    );
    refused("unix:/a%zz", "`%zz` is no percent escape");
    refused("fd:x", "`x` is no file descriptor");
    refused("fd:-1", "is no file descriptor");
    refused("fd:2147483648", "is no file descriptor");
    refused("stdio:x", "only ?OPTION=VALUE&… may follow stdio:, not `x`");
    refused("ip://127.0.0.1", "ip:// needs proto=icmp");
    refused("ip://127.0.0.1?proto=256", "not `256`");
    refused(
        "ip://127.0.0.1?proto=1&proto=2",
        "option `proto` is written twice",
    );
    refused("ip://127.0.0.1:80?proto=1", "a raw socket has no port");
    refused("host:80\n", "`80\\n` is no port");
}

#[test]
fn websockets_have_a_path_and_options_behind_a_hash() {
    check("ws://host:80", "ws://host:80");
    check("ws://host:80/", "ws://host:80");
    check(
        "WSS://[::1]:443/a/b?c=d&e#nodelay=0&frame=line",
        "wss://[::1]:443/a/b?c=d&e#nodelay=0&frame=line",
    );
    check("ws://host:80?x", "ws://host:80/?x");
    check("ws://host:80/聊 天", "ws://host:80/%E8%81%8A%20%E5%A4%A9");
    check("ws://:80#cork", "ws://:80#cork");
    refused("ws://host/chat", "write ws://host:PORT/chat");
    refused("ws://host:80/#frame=x", "frame");
    refused("ws:host:80", "write ws://HOST:PORT");
    refused("tls:host:80", "write tls://HOST:PORT");
    refused("tls://host:80/x", "may follow the port, not `/x`");
}

#[test]
fn names_have_limits() {
    let label = "a".repeat(63);
    let longest = [&*label, &label, &label, &label[..61]].join(".");
    assert_eq!(longest.len(), 253);
    parse(&format!("{longest}:80"));
    refused(&format!("{longest}a:80"), "at most 253 bytes");
    refused(&format!("a{label}:80"), "1 to 63 bytes");
    parse("bücher.example.:80");
    parse("my_host:80");
    let path = "/".repeat(107);
    parse(&format!("unix:/{}", &path[1..].replace('/', "x")));
    refused(&format!("unix:x{path}"), "has 108 bytes, the limit is 107");
    parse(&format!("unix:@{}", "x".repeat(107)));
    for text in [
        format!("unix:{}", "x".repeat(107)),
        format!("unix:@{}", "x".repeat(107)),
    ] {
        let Place::Unix { name, .. } = parse(&text).place else {
            panic!("{text}")
        };
        assert_eq!(UnixName::from_address(&name.address().unwrap()), Some(name));
    }
    refused(
        &format!("unix:@{}", "x".repeat(108)),
        "has 108 bytes, the limit is 107",
    );
}

#[test]
fn ranges_of_ports_are_for_checks() {
    let range: PortRange = "host:20-22?connect-timeout=1s".parse().unwrap();
    let endpoints: Vec<_> = range
        .endpoints()
        .map(|endpoint| endpoint.to_string())
        .collect();
    let port = |port| format!("tcp://host:{port}?connect-timeout=1s");
    assert_eq!(endpoints, [port(20), port(21), port(22)]);
    assert_eq!(range.count(), 3);
    assert_eq!(range.to_string(), "tcp://host:20-22?connect-timeout=1s");
    let whole: PortRange = "udp://[::1]:0-65535".parse().unwrap();
    assert_eq!(whole.count(), 65536);
    assert_eq!(
        "h:80".parse::<PortRange>().unwrap().to_string(),
        "tcp://h:80"
    );
    for (text, says) in [
        ("host:22-20", "ends before it begins"),
        ("host:a-b", "`a-b` is no port"),
        ("host", "has no port"),
        ("unix:/x", "has no port"),
    ] {
        let error = text.parse::<PortRange>().unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn two_words_may_be_a_host_and_a_port() {
    let read = |words: &[&str]| {
        Endpoint::from_words(words).map(|(endpoint, used)| (endpoint.to_string(), used))
    };
    assert_eq!(read(&["host", "80"]), Ok(("tcp://host:80".into(), 2)));
    assert_eq!(
        read(&["host", "80?nodelay=0", "x"]),
        Ok(("tcp://host:80?nodelay=0".into(), 2))
    );
    assert_eq!(read(&["::1", "80"]), Ok(("tcp://[::1]:80".into(), 2)));
    assert_eq!(read(&["udp://host", "80"]), Ok(("udp://host:80".into(), 2)));
    assert_eq!(read(&["host:80", "81"]), Ok(("tcp://host:80".into(), 1)));
    assert_eq!(read(&["unix:/x", "81"]), Ok(("unix:/x".into(), 1)));
    assert!(matches!(
        read(&["host", "hello"]),
        Err(EndpointError::NoPort { .. })
    ));
    assert!(matches!(
        read(&["host", "80x"]),
        Err(EndpointError::BadPort { .. })
    ));
    assert!(matches!(read(&["host"]), Err(EndpointError::NoPort { .. })));
    assert_eq!(read(&[]), Err(EndpointError::Empty));
    let (range, used) = PortRange::from_words(&["::1", "20-25"]).unwrap();
    assert_eq!((range.to_string(), used), ("tcp://[::1]:20-25".into(), 2));
}

#[test]
fn hosts_are_what_they_say() {
    let host = |text: &str| match parse(text).place {
        Place::Tcp(place) => place.host,
        other => panic!("{other}"),
    };
    assert_eq!(host(":80"), Host::Unspecified);
    assert_eq!(host("*:80"), Host::Any);
    assert_eq!(host("0.0.0.0:80"), Host::V4(Ipv4Addr::UNSPECIFIED));
    assert_eq!(
        host("[::1]:80").with_port(7).unwrap(),
        Some("[::1]:7".parse().unwrap())
    );
    assert_eq!(
        host("[fe80::1%lo]:80").with_port(7).unwrap(),
        Some("[fe80::1%1]:7".parse().unwrap())
    );
    assert!(host("[fe80::1%none0]:80").with_port(7).is_err());
    assert_eq!(host("example.org:80").ip(), None);
}

fn places() -> impl Strategy<Value = Place> {
    let name = prop_oneof![
        "[a-z][a-z0-9_-]{0,12}(\\.[a-z]{1,9}){0,2}\\.?",
        "[\\w&&[^0-9]]{1,8}",
        any::<Ipv4Addr>().prop_map(|v4| v4.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|v6| format!("[{v6}]")),
        (any::<std::net::Ipv6Addr>(), "[a-z0-9.]{1,15}")
            .prop_map(|(v6, at)| format!("[{v6}%{at}]")),
        Just("*".into()),
        Just(String::new()),
    ];
    let host = name.prop_filter_map("a host", |name: String| name.parse::<Host>().ok());
    let at = (host.clone(), any::<u16>()).prop_map(|(host, port)| HostPort::new(host, port));
    let path = prop::collection::vec(1u8..=255, 1..108)
        .prop_map(|path| UnixName::Path(PathBuf::from(OsStr::from_bytes(&path))));
    let abstract_name =
        prop::collection::vec(any::<u8>(), 0..108).prop_map(|name| UnixName::Abstract(name.into()));
    let kind = prop::sample::select(&UnixKind::ALL[..]);
    let words =
        prop::collection::vec("[^\0]{0,8}", 1..4).prop_filter_map("a program", CommandLine::new);
    prop_oneof![
        at.clone().prop_map(Place::Tcp),
        at.clone().prop_map(Place::Udp),
        at.clone().prop_map(Place::Tls),
        at.clone().prop_map(Place::Quic),
        (any::<bool>(), at, "/[!-~&&[^#]]{0,12}").prop_map(|(secure, at, path)| Place::Ws {
            secure,
            at,
            path: WsPath::read(&path),
        }),
        (kind, prop_oneof![path, abstract_name])
            .prop_map(|(kind, name)| Place::Unix { kind, name }),
        (host, any::<u8>()).prop_map(|(host, n)| Place::Ip(RawPlace {
            host,
            protocol: RawProtocol(n)
        })),
        Just(Place::Stdio),
        words.prop_map(Place::Exec),
        (0..=i32::MAX).prop_map(Place::Fd),
    ]
}

proptest! {
    #[test]
    fn every_place_reads_back(place in places()) {
        let printed = place.to_string();
        prop_assert!(!printed.contains(char::is_control), "{printed:?}");
        let read = printed.parse::<Endpoint>();
        prop_assert_eq!(read, Ok(Endpoint::from(place)), "{}", printed);
    }

    #[test]
    fn no_text_panics_and_what_is_read_reads_back(text in any::<String>()) {
        let _ = text.parse::<PortRange>();
        if let Ok(endpoint) = text.parse::<Endpoint>() {
            prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
        }
    }

    #[test]
    fn nearly_endpoints_neither(
        text in "(tcp://|udp://|tls://|quic://|wss?://|unix:|unix-dgram:|ip://|exec:|fd:|-|)?(h|\\[::1\\]|\\*|/x|@|cat 'a)?(:?[0-9]{0,5})(\\?([a-z-]{1,9}|nodelay|sndbuf|timeout|bind|via|mcast-join|proto)(=\\PC{0,9})?)?"
    ) {
        if let Ok(endpoint) = text.parse::<Endpoint>() {
            prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
        }
    }
}
