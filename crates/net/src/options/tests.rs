//! Options as text, and against the kernel.

use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::time::Duration;

use proptest::prelude::*;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use super::*;
use crate::endpoint::{Endpoint, Scheme};

/// Settings of an endpoint with this scheme.
#[track_caller]
fn settings(scheme: Scheme, query: &str) -> Settings {
    Settings::from_query(Some(query), scheme).unwrap_or_else(|error| panic!("{query}: {error}"))
}

#[track_caller]
fn refused(text: &str, says: &str) {
    let error = text.parse::<Endpoint>().expect_err(text).to_string();
    assert!(error.contains(says), "{text}: {error}");
    assert_eq!(error.lines().count(), 1);
}

/// One value for each option that can be written, as it is printed.
const SAMPLES: &[(&str, &str)] = &[
    ("tcp", "backlog=7"),
    ("tcp", "reuseaddr"),
    ("udp", "reuseport=0"),
    ("tcp", "nodelay=0"),
    ("tcp", "quickack"),
    ("tcp", "cork"),
    ("tcp", "maxseg=1000"),
    ("unix", "sndbuf=64KiB"),
    ("ip", "rcvbuf=5000"),
    ("tcp", "keepalive"),
    ("tcp", "keepidle=1m"),
    ("tcp", "keepintvl=7s"),
    ("tcp", "keepcnt=3"),
    ("tcp", "user-timeout=1500ms"),
    ("tcp", "linger=0s"),
    ("udp", "ttl=3"),
    ("tcp", "tos=16"),
    ("tcp", "priority=6"),
    ("ip", "mark=4294967295"),
    ("tcp", "bind=127.0.0.2"),
    ("tcp", "bind=:8889"),
    ("udp", "bind="),
    ("udp", "bind=*"),
    ("tcp", "bind=[fe80::1%25eth0]:1"),
    ("unix-dgram", "bind=@a%26b"),
    ("unix", "bind=/tmp/%FF"),
    ("ip", "bind=127.0.0.1"),
    ("udp", "interface=lo"),
    ("udp", "broadcast"),
    ("udp", "mcast-join=239.1.1.1"),
    ("udp", "mcast-join=239.1.1.1@lo&mcast-join=ff02::fb@1"),
    ("udp", "mcast-ttl=0"),
    ("udp", "mcast-loop=0"),
    ("udp", "mcast-if=lo"),
    ("tcp", "v6only"),
    ("tcp", "mptcp"),
    ("tcp", "fastopen=256"),
    ("tcp", "defer-accept=1s"),
    ("tcp", "congestion=reno"),
    ("ip", "hdrincl"),
    ("unix-seqpacket", "passcred"),
    ("tls", "cert=/etc/ssl/a%26b.pem"),
    ("quic", "key=me.key"),
    ("wss", "ca=system"),
    ("tls", "ca=./system"),
    (
        "tls",
        "pin=SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
    ),
    ("tls", "sni=example.org"),
    ("tls", "alpn=h2,http/1.1"),
    ("ws", "origin=https://example.org&origin=null"),
    ("ws", "subprotocol=binary.ircv3.net,text.ircv3.net"),
    ("wss", "binary"),
    ("ws", "max-message=64KiB"),
    ("exec", "frame=u32be"),
    ("tcp", "connect-timeout=250ms"),
    ("stdio", "timeout=5s"),
    ("tcp", "via=socks5://[::1]:1080"),
    ("tcp", "via=http://proxy:3128"),
];

#[test]
fn every_option_reads_and_prints() {
    for (scheme, query) in SAMPLES {
        let scheme = Scheme::ALL
            .into_iter()
            .find(|s| s.name() == *scheme)
            .expect("a scheme");
        let read = settings(scheme, query);
        let printed = Endpoint {
            place: crate::Place::Stdio,
            settings: read,
        }
        .to_string();
        assert_eq!(printed, format!("stdio:?{query}"));
    }
    for spec in OPTIONS {
        let is_sampled = SAMPLES
            .iter()
            .any(|(_, query)| query.starts_with(spec.name));
        assert!(is_sampled, "{} has no sample", spec.name);
    }
}

#[test]
fn values_may_be_written_in_several_ways() {
    let same = |scheme, a, b| assert_eq!(settings(scheme, a), settings(scheme, b), "{a} {b}");
    same(Scheme::Tcp, "nodelay", "nodelay=1");
    same(Scheme::Tcp, "nodelay=on", "nodelay=1");
    same(Scheme::Tcp, "nodelay=off", "nodelay=0");
    same(Scheme::Tcp, "keepidle=60", "keepidle=1m");
    same(Scheme::Tcp, "tos=0x10", "tos=16");
    same(Scheme::Tcp, "fastopen", "fastopen=256");
    same(Scheme::Tcp, "fastopen=on", "fastopen=256");
    same(Scheme::Tcp, "fastopen=off", "fastopen=0");
    same(Scheme::Udp, "mcast-join=[ff02::1]", "mcast-join=ff02::1");
    same(
        Scheme::Tcp,
        "via=http://proxy:3128/",
        "via=http://proxy:3128",
    );
    same(Scheme::Tcp, "keepcnt=3&&backlog=7&", "backlog=7&keepcnt=3");
}

#[test]
fn refusals_say_what_is_allowed() {
    refused(
        "h:1?nodely",
        "unknown option `nodely`, did you mean `nodelay`? tcp knows backlog, ",
    );
    refused("h:1?TCP_NODELAY=1", "did you mean `nodelay`?");
    refused("h:1?SO_REUSEADDR", "did you mean `reuseaddr`?");
    refused("h:1?user_timeout=1s", "did you mean `user-timeout`?");
    refused(
        "ip://h?proto=1&x",
        "unknown option `x`; ip knows proto, reuseaddr, ",
    );
    refused(
        "udp://h:1?nodelay",
        "option `nodelay` does not fit udp; it is for tcp, tls, ws, wss, fd",
    );
    refused(
        "udp://h:1?frame=line",
        "option `frame` does not fit udp; it is for tcp, tls, quic, ws, wss, unix, stdio",
    );
    refused("fd:3?bind=:1", "option `bind` does not fit fd");
    refused(
        "h:1?nodelay=2",
        "option `nodelay=2`: allowed is 1, 0, on or off",
    );
    refused(
        "h:1?backlog",
        "option `backlog=`: allowed is 0 to 2147483647 connections",
    );
    refused(
        "h:1?keepidle=500ms",
        "allowed is whole seconds from 1s to 32767s",
    );
    refused(
        "h:1?keepidle=32768s",
        "allowed is whole seconds from 1s to 32767s",
    );
    refused("h:1?user-timeout=0.5ms", "allowed is whole milliseconds");
    refused("h:1?maxseg=87", "allowed is 88 to 32767 bytes");
    refused(
        "h:1?sndbuf=2GiB",
        "allowed is a size up to 2147483647 bytes",
    );
    refused("h:1?ttl=0", "allowed is 1 to 255 hops");
    refused("h:1?ttl=+3", "allowed is 1 to 255 hops");
    refused(
        "h:1?bind=::1",
        "an IPv6 address stands in brackets; write [::1]",
    );
    refused("ip://h?proto=1&bind=:1", "a raw socket has no port");
    refused("h:1?interface=a/b", "is no network interface");
    refused(
        "udp://h:1?mcast-join=10.0.0.1",
        "allowed is a multicast address",
    );
    refused("h:1?congestion=a%20b", "allowed is a word");
    refused("h:1?frame=", "option `frame=`");
    refused("h:1?frame=nosuch", "nosuch");
    for bad in [
        "subprotocol",
        "subprotocol=",
        "subprotocol=a,",
        "subprotocol=a%20b",
        "subprotocol=a,b,a",
    ] {
        refused(
            &format!("ws://h:1#{bad}"),
            "allowed is names such as binary.ircv3.net,text.ircv3.net",
        );
    }
    refused("h:1?subprotocol=a", "it is for ws, wss");
    refused("h:1?via=ftp://x:1", "unknown proxy scheme `ftp`");
    refused("h:1?via=http://x", "has no port");
    refused("h:1?timeout=soon", "allowed is a duration such as 500ms");
    refused("h:1?timeout=%zz", "is no percent escape");
    refused("h:1?timeout=%ff", "is not UTF-8");
    refused("h:1?ttl=3&ttl=4", "option `ttl` is written twice");
}

#[test]
fn a_password_is_refused_and_not_repeated() {
    for text in [
        "h:1?via=http://u:hunter2@x:1",
        "h:1?via=http://u:hunter2%40x:1",
    ] {
        let error = text.parse::<Endpoint>().unwrap_err().to_string();
        assert!(error.contains("a password does not belong"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn what_is_for_one_role_is_refused_in_the_other() {
    let check = |query, moment| settings(Scheme::Tcp, query).check(moment);
    let error = check("via=http://p:1", Moment::Listen)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "option `via` is only for dialling, and this endpoint is listened on"
    );
    let error = check("nodelay&backlog=3", Moment::Dial)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "option `backlog` is only for listening, and this endpoint is dialled"
    );
    assert!(check("bind=:1", Moment::Listen).is_err());
    assert!(check("bind=:1&via=http://p:1&timeout=1s", Moment::Dial).is_ok());
    assert!(check("backlog=3&timeout=1s&frame=line", Moment::Listen).is_ok());
    assert!(
        settings(Scheme::Fd, "defer-accept=1s")
            .check(Moment::Adopted)
            .is_ok()
    );
}

#[test]
fn flags_of_a_command_replace_what_the_endpoint_says() {
    let mut read = settings(Scheme::Tcp, "timeout=1s&nodelay");
    read.set("timeout=2s", Scheme::Tcp).unwrap();
    read.set("backlog=3", Scheme::Tcp).unwrap();
    assert_eq!(read, settings(Scheme::Tcp, "backlog=3&nodelay&timeout=2s"));
    assert_eq!(
        read.duration(OptionKey::Timeout),
        Some(Duration::from_secs(2))
    );
    assert_eq!(read.number(OptionKey::Backlog), Some(3));
    assert_eq!(read.flag(OptionKey::NoDelay), Some(true));
    assert_eq!(read.flag(OptionKey::Cork), None);
    assert!(read.set("nosuch", Scheme::Tcp).is_err());
}

fn tcp(domain: Domain) -> Socket {
    Socket::new(domain, Type::STREAM, Some(Protocol::TCP)).unwrap()
}

/// A listener of 127.0.0.1 with these settings.
fn listener(settings: &Settings) -> (Socket, SockAddr) {
    let socket = tcp(Domain::IPV4);
    settings
        .apply(&socket, Scheme::Tcp, Moment::Listen)
        .unwrap();
    socket
        .bind(&SockAddr::from(std::net::SocketAddr::from((
            Ipv4Addr::LOCALHOST,
            0,
        ))))
        .unwrap();
    let backlog = settings.number(OptionKey::Backlog).unwrap_or(128);
    socket.listen(backlog.cast_signed()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// The listener's end and the dialler's end of a connection.
fn connection(listener: &(Socket, SockAddr)) -> (Socket, Socket) {
    let dialled = tcp(Domain::IPV4);
    dialled.connect(&listener.1).unwrap();
    (listener.0.accept().unwrap().0, dialled)
}

#[track_caller]
fn got(socket: &Socket, key: OptionKey) -> Option<String> {
    key.read(socket.as_fd())
        .unwrap()
        .map(|value| value.to_string())
}

/// Options of TCP that the kernel gives back as they were asked.
const EXACT: &[&str] = &[
    "reuseaddr=1",
    "reuseport=1",
    "nodelay=0",
    "cork=1",
    "keepalive=1",
    "keepidle=1m",
    "keepintvl=7s",
    "keepcnt=3",
    "user-timeout=1500ms",
    "linger=3s",
    "ttl=33",
    "tos=16",
    "priority=5",
    "interface=lo",
    "congestion=reno",
];

#[test]
fn what_a_listener_is_given_its_connections_have() {
    let settings = settings(Scheme::Tcp, &EXACT.join("&"));
    let listener = listener(&settings);
    let (accepted, _dialled) = connection(&listener);
    settings
        .apply(&accepted, Scheme::Tcp, Moment::Accepted)
        .unwrap();
    for setting in settings.iter() {
        let asked = Some(setting.value().to_string());
        assert_eq!(
            got(&listener.0, setting.key()),
            asked,
            "{setting} of the listener"
        );
        assert_eq!(
            got(&accepted, setting.key()),
            asked,
            "{setting} of the connection"
        );
    }
    let read_back = settings.read_back(&accepted, Scheme::Tcp, Moment::Listen);
    assert_eq!(read_back.len(), EXACT.len());
    assert!(
        read_back
            .iter()
            .all(|one| one.got.as_ref() == Some(&one.asked)),
        "{read_back:?}"
    );
}

#[test]
fn small_segments_leave_at_once_and_accepting_costs_no_call() {
    let none = Settings::default();
    let listener = listener(&none);
    let (accepted, dialled) = connection(&listener);
    assert_eq!(got(&accepted, OptionKey::NoDelay).unwrap(), "1");
    assert_eq!(got(&listener.0, OptionKey::ReuseAddr).unwrap(), "1");
    assert_eq!(got(&dialled, OptionKey::NoDelay).unwrap(), "0");
    let fresh = tcp(Domain::IPV4);
    none.apply(&fresh, Scheme::Tcp, Moment::Dial).unwrap();
    assert_eq!(got(&fresh, OptionKey::NoDelay).unwrap(), "1");
    assert_eq!(got(&fresh, OptionKey::ReuseAddr).unwrap(), "0");
    let defaults = none.read_back(&listener.0, Scheme::Tcp, Moment::Listen);
    assert_eq!(defaults.len(), 2);
    // Any call would fail on what is no socket.
    let no_socket = std::fs::File::open("/dev/null").unwrap();
    none.apply(&no_socket, Scheme::Tcp, Moment::Accepted)
        .unwrap();
    assert!(none.apply(&no_socket, Scheme::Tcp, Moment::Listen).is_err());
    let adopted = tcp(Domain::IPV4);
    none.apply(&adopted, Scheme::Fd, Moment::Adopted).unwrap();
    assert_eq!(got(&adopted, OptionKey::NoDelay).unwrap(), "0");
    // Handed over for a TCP endpoint, it is like one that we opened.
    none.apply(&adopted, Scheme::Tcp, Moment::Adopted).unwrap();
    assert_eq!(got(&adopted, OptionKey::NoDelay).unwrap(), "1");
}

#[test]
fn the_kernel_doubles_caps_and_rounds() {
    let query =
        "backlog=2147483647&sndbuf=64KiB&rcvbuf=100000&maxseg=1000&fastopen=5&defer-accept=2s";
    let settings = settings(Scheme::Tcp, query);
    let (socket, _) = listener(&settings);
    let read_back = settings.read_back(&socket, Scheme::Tcp, Moment::Listen);
    let got = |key| {
        let found = read_back.iter().find(|one| one.key == key).unwrap();
        found.got.clone().unwrap_or_else(|| panic!("{found:?}"))
    };
    let somaxconn = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    assert_eq!(got(OptionKey::Backlog).to_string(), somaxconn.trim());
    assert_eq!(got(OptionKey::SndBuf), Value::Size(2 * 65536));
    assert_eq!(got(OptionKey::RcvBuf), Value::Size(200_000));
    assert_eq!(got(OptionKey::MaxSeg), Value::Number(1000));
    assert_eq!(got(OptionKey::FastOpen), Value::Number(5));
    // Rounded up to whole retransmissions of the SYN-ACK: after 1 s and 2 s more.
    assert_eq!(
        got(OptionKey::DeferAccept),
        Value::Duration(Duration::from_secs(3))
    );
}

#[test]
fn a_dual_stack_socket_gets_the_options_of_both_families() {
    let socket = tcp(Domain::IPV6);
    settings(Scheme::Tcp, "ttl=9&tos=16&v6only=0")
        .apply(&socket, Scheme::Tcp, Moment::Listen)
        .unwrap();
    let sock = SockRef::from(&socket);
    assert_eq!(
        (sock.unicast_hops_v6().unwrap(), sock.ttl_v4().unwrap()),
        (9, 9)
    );
    assert_eq!(
        (sock.tclass_v6().unwrap(), sock.tos_v4().unwrap()),
        (16, 16)
    );
    let single = tcp(Domain::IPV6);
    settings(Scheme::Tcp, "ttl=9&v6only")
        .apply(&single, Scheme::Tcp, Moment::Listen)
        .unwrap();
    assert_eq!(got(&single, OptionKey::V6Only).unwrap(), "1");
    assert_eq!(got(&tcp(Domain::IPV4), OptionKey::V6Only), None);
}

#[test]
fn what_the_kernel_refuses_names_option_and_errno() {
    let socket = tcp(Domain::IPV4);
    let apply = |scheme, query| settings(scheme, query).apply(&socket, scheme, Moment::Dial);
    let error = apply(Scheme::Tcp, "congestion=nosuch").unwrap_err();
    let text = error.to_string();
    let start = "option `congestion=nosuch` was refused (allowed here: ";
    assert!(text.starts_with(start) && text.contains("reno"), "{text}");
    let OptionError::Refused { source, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(source.name(), "ENOENT");
    assert!(apply(Scheme::Udp, "interface=none0").is_err());
    assert!(apply(Scheme::Fd, "passcred").is_err());
}

#[test]
fn datagram_sockets_join_groups_and_hear_them() {
    let query = "mcast-join=239.255.7.7&mcast-if=lo&mcast-ttl=0&mcast-loop&broadcast&reuseaddr";
    let options = settings(Scheme::Udp, query);
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    options.apply(&socket, Scheme::Udp, Moment::Listen).unwrap();
    socket
        .bind(&SockAddr::from(std::net::SocketAddr::from((
            Ipv4Addr::UNSPECIFIED,
            0,
        ))))
        .unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let port = socket
        .local_addr()
        .unwrap()
        .as_socket_ipv4()
        .unwrap()
        .port();
    let to = std::net::SocketAddr::from((Ipv4Addr::new(239, 255, 7, 7), port));
    socket.send_to(b"hello", &to.into()).unwrap();
    let mut buf = [0; 16];
    assert_eq!(std::io::Read::read(&mut &socket, &mut buf).unwrap(), 5);
    assert_eq!(got(&socket, OptionKey::McastTtl).unwrap(), "0");
    assert_eq!(got(&socket, OptionKey::McastLoop).unwrap(), "1");
    assert_eq!(got(&socket, OptionKey::Broadcast).unwrap(), "1");
    assert_eq!(got(&socket, OptionKey::McastIf), None);

    let v6 = Socket::new(Domain::IPV6, Type::DGRAM, None).unwrap();
    settings(
        Scheme::Udp,
        "mcast-join=ff02::7777@lo&mcast-if=lo&mcast-ttl=3",
    )
    .apply(&v6, Scheme::Udp, Moment::Listen)
    .unwrap();
    assert_eq!(got(&v6, OptionKey::McastIf).unwrap(), "1");
    assert_eq!(got(&v6, OptionKey::McastTtl).unwrap(), "3");
}

#[test]
fn unix_sockets_have_buffers_and_credentials() {
    let options = settings(Scheme::Unix, "sndbuf=32KiB&passcred");
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    options
        .apply(&listener, Scheme::Unix, Moment::Listen)
        .unwrap();
    listener.bind(&SockAddr::unix("").unwrap()).unwrap();
    listener.listen(1).unwrap();
    let dialled = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    dialled.connect(&listener.local_addr().unwrap()).unwrap();
    let (accepted, _) = listener.accept().unwrap();
    assert_eq!(got(&accepted, OptionKey::PassCred).unwrap(), "1");
    options
        .apply(&accepted, Scheme::Unix, Moment::Accepted)
        .unwrap();
    assert_eq!(got(&accepted, OptionKey::SndBuf).unwrap(), "64KiB");
    assert_eq!(got(&accepted, OptionKey::Backlog), None);
}

#[test]
fn raw_sockets_take_their_own_header() {
    sockeye_testkit::private_network(|| {
        for (domain, protocol) in [(Domain::IPV4, 1), (Domain::IPV6, 58)] {
            let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(protocol))).unwrap();
            let options = settings(Scheme::Ip, "hdrincl&ttl=7&mark=9");
            options.apply(&socket, Scheme::Ip, Moment::Dial).unwrap();
            assert_eq!(got(&socket, OptionKey::HdrIncl).unwrap(), "1");
            assert_eq!(got(&socket, OptionKey::Mark).unwrap(), "9");
        }
    });
}

#[test]
fn diallers_switch_fast_open_on() {
    let socket = tcp(Domain::IPV4);
    settings(Scheme::Tcp, "fastopen")
        .apply(&socket, Scheme::Tcp, Moment::Dial)
        .unwrap();
    assert_eq!(got(&socket, OptionKey::FastOpen).unwrap(), "1");
    let error = settings(Scheme::Tcp, "quickack").apply(&socket, Scheme::Tcp, Moment::Connected);
    assert_eq!(error, Ok(()));
}

/// A row of the table in docs/endpoints.md.
fn documented(spec: &Spec) -> String {
    let has = |moment| spec.when.has(moment);
    let when = match (has(Moment::Listen), has(Moment::Dial)) {
        (true, true) => "listening, dialling",
        (true, false) => "listening",
        (false, true) => "dialling",
        (false, false) if has(Moment::Accepted) => "each connection",
        (false, false) => "in use",
    };
    let Spec {
        name,
        fits,
        doc,
        source,
        ..
    } = spec;
    format!(
        "| `{name}` | {} | {fits} | {when} | {doc} | {source} |\n",
        spec.kind.allowed()
    )
}

#[test]
fn the_documents_list_every_option() {
    let text = include_str!("../../../../docs/endpoints.md");
    let head =
        "| option | value | fits | when | what it does | source |\n|---|---|---|---|---|---|\n";
    let table: String = head.to_owned() + &OPTIONS.iter().map(documented).collect::<String>();
    assert!(
        text.contains(&table),
        "docs/endpoints.md should have this table:\n{table}"
    );
}

/// Queries of real names, with values that are often good.
fn queries() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        9 => (0..OPTIONS.len()).prop_map(|index| OPTIONS[index].name.to_owned()),
        1 => "[a-z0-9-]{0,14}",
    ];
    let value = prop_oneof![
        "(=[0-9]{1,5}(ms|s|m|KiB|\\.5s)?)?",
        "(=(on|off|lo|reno|line|u32be,max=9|@x|:1|\\*|239\\.1\\.1\\.1@lo|http://(u@)?x:1/?))?",
        "=\\PC{0,12}",
    ];
    let pairs = prop::collection::vec((name, value), 0..4);
    pairs.prop_map(|pairs| {
        pairs
            .into_iter()
            .map(|(name, value)| name + &value + "&")
            .collect()
    })
}

proptest! {
    #[test]
    fn no_query_panics_and_what_is_read_reads_back(query in queries(), scheme in 0usize..9) {
        let scheme = Scheme::ALL[scheme];
        if let Ok(read) = Settings::from_query(Some(&query), scheme) {
            let settings = read.clone();
            let printed = Endpoint { place: crate::Place::Stdio, settings }.to_string();
            let again = Settings::from_query(printed.split_once('?').map(|(_, query)| query), scheme);
            prop_assert_eq!(again, Ok(read), "{} {}", query, printed);
        }
    }
}

#[test]
fn a_quic_socket_asks_for_room_unless_another_size_is_written() {
    let asked = |text: &str| {
        let endpoint: Endpoint = text.parse().unwrap();
        let (settings, scheme) = (&endpoint.settings, endpoint.place.scheme());
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        settings.apply(&socket, scheme, Moment::Listen).unwrap();
        let back = settings.read_back(&socket, scheme, Moment::Listen);
        back.into_iter()
            .map(|one| one.asked.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(asked("quic://:7"), ["2MiB"]);
    assert_eq!(asked("quic://:7?rcvbuf=64KiB"), ["64KiB"]);
    assert!(asked("udp://:7").is_empty());
}
