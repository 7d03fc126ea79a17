//! A wire without rules.

use std::net::UdpSocket;

use super::*;

#[test]
fn a_connection_is_told_packet_by_packet() {
    check(|| {
        let laid = lay(&Setting::default(), &[]);
        laid.carry(5);
        let passed = laid.wire.passed();
        assert_eq!(passed.count(Some(sockeye_fault::Way::ToServer), "S"), 1);
        assert_eq!(passed.count(None, "data"), 1);
        assert_eq!(passed.count(None, "F"), 2);
        let (lines, statistics) = laid.end();
        let texts = texts(&lines);
        assert_eq!(texts[..2], ["interface 1 client", "interface 2 server"]);
        assert_eq!(texts[2..6], ["1 S 0", "2 AS 0", "1 A 0", "1 AP 5"]);
        assert_eq!(statistics.packets as usize, texts.len() - 2);
        assert_eq!((statistics.missed, statistics.refused), (0, 0));
        assert!(lines.iter().all(|line| line.why.is_empty()));
    });
}

/// Several mebibytes are carried in true segments, and each host received what the other sent, packet by
/// packet.
#[test]
fn much_is_carried_and_nothing_is_lost() {
    check(|| {
        let laid = lay(&Setting::default(), &[]);
        let bytes = 8 << 20;
        laid.carry(bytes);
        let counter = |host: &HostNetwork, name: &str| host.counters().unwrap()[name];
        let told = |end: char| {
            let lines = laid.told.lines();
            lines
                .iter()
                .filter(|line| line.text.starts_with(end))
                .count() as i64
        };
        for (sender, receiver, end) in [
            (&laid.client, &laid.server, '1'),
            (&laid.server, &laid.client, '2'),
        ] {
            let sent = sent_and_dropped(sender);
            let received = counter(receiver, "Ip.InReceives");
            assert_eq!((sent, received), ((told(end), 0), told(end)));
            assert_eq!(counter(receiver, "Tcp.InErrs"), 0);
        }
        let (lines, statistics) = laid.end();
        assert_eq!((statistics.missed, statistics.refused), (0, 0));
        let carried: u32 = lines.iter().map(|line| line.payload).sum();
        // A busy machine is late enough that something is sent again.
        assert!(carried as usize >= bytes);
        assert!(
            lines
                .iter()
                .all(|line| line.payload <= 1448 && line.piece == 0)
        );
    });
}

/// Packets that a host's interface sent, and those that found no room behind it (proc_pid_net(5), dev).
fn sent_and_dropped(host: &HostNetwork) -> (i64, i64) {
    let table = host.inside(|| std::fs::read_to_string("/proc/thread-self/net/dev").unwrap());
    let table = table.unwrap();
    let line = table
        .lines()
        .find_map(|line| line.trim().strip_prefix("eth0:"));
    let numbers: Vec<i64> = line
        .unwrap()
        .split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    (numbers[9], numbers[11])
}

#[test]
fn with_offload_super_segments_pass_and_are_told_as_such() {
    check(|| {
        let fast = Setting {
            fast: Some(true),
            ..Setting::default()
        };
        let laid = lay(&fast, &[]);
        let bytes = 4 << 20;
        laid.carry(bytes);
        let (lines, statistics) = laid.end();
        assert_eq!((statistics.missed, statistics.refused), (0, 0));
        let carried: u32 = lines.iter().map(|line| line.payload).sum();
        assert!(carried as usize >= bytes);
        let longest = lines.iter().max_by_key(|line| line.payload).unwrap();
        assert!(
            longest.payload > 1448 && longest.piece == 1448,
            "{longest:?}"
        );
    });
}

/// Nobody is asked for addresses, and what is for nobody arrives nowhere.
#[test]
fn what_is_for_nobody_is_told_and_goes_no_further() {
    check(|| {
        let laid = lay(&Setting::default(), &[]);
        let receiver = laid.server.inside(|| UdpSocket::bind("0.0.0.0:9").unwrap());
        let receiver = receiver.unwrap();
        receiver.set_read_timeout(Some(DEADLINE)).unwrap();
        let sender = laid.client.inside(|| UdpSocket::bind("0.0.0.0:0").unwrap());
        let sender = sender.unwrap();
        sender.send_to(b"lost", (NOBODY, 9)).unwrap();
        sender.send_to(b"found it", (SERVER, 9)).unwrap();
        let mut room = [0; 20];
        assert_eq!(receiver.recv(&mut room).unwrap(), 8);
        let arrived = laid.server.counters().unwrap()["Ip.InReceives"];
        let (lines, statistics) = laid.end();
        assert_eq!(arrived, 1);
        assert_eq!(texts(&lines)[2..], ["1 udp 4", "1 udp 8"]);
        assert_eq!(statistics.refused, 0);
    });
}

#[test]
fn hosts_have_the_settings_that_were_asked_for() {
    check(|| {
        let mut setting = Setting {
            mtu: Some(600),
            ..Setting::default()
        };
        let own = [
            ("net.ipv4.tcp_syncookies", "0"),
            ("net.core.somaxconn", "5"),
        ];
        setting.server.sysctl = own.map(|(name, value)| (name.into(), value.into())).into();
        let laid = lay(&setting, &[]);
        let read = |host: &HostNetwork, name: &str| {
            let path = format!("/proc/sys/net/{name}");
            let text = host.inside(move || std::fs::read_to_string(path).unwrap());
            text.unwrap().trim().to_owned()
        };
        assert_eq!(read(&laid.server, "ipv4/tcp_syncookies"), "0");
        assert_eq!(read(&laid.server, "core/somaxconn"), "5");
        assert_eq!(read(&laid.client, "ipv4/tcp_syncookies"), "1");
        for host in [&laid.client, &laid.server] {
            assert_eq!(read(host, "ipv4/tcp_congestion_control"), "reno");
        }
        let why = laid
            .server
            .sysctl("net.ipv4.no_such_thing", "1")
            .unwrap_err();
        assert!(why.to_string().contains("no_such_thing"), "{why}");
        laid.carry(2000);
        let (lines, _) = laid.end();
        let longest = lines.iter().map(|line| line.payload).max();
        assert_eq!(longest, Some(600 - 52));
    });
}

#[test]
fn a_link_has_no_mtu_that_none_may_have() {
    for mtu in [0, 67, 65_536, u32::MAX] {
        let setting = Setting {
            mtu: Some(mtu),
            ..Setting::default()
        };
        let why = Link::build(&setting).unwrap_err();
        let text = format!("an MTU of {mtu} is none that a link may have (68 to 65535)");
        assert_eq!(why.to_string(), text);
    }
}

/// What a host's thread was asked to do panicked: who asked is told, and so is everybody after.
#[test]
fn a_host_whose_thread_is_gone_says_so() {
    check(|| {
        let laid = lay(&Setting::default(), &[]);
        let why = laid.client.inside(|| panic!("on purpose")).unwrap_err();
        assert_eq!(why.to_string(), "the client's host has ended");
        assert!(laid.client.sockets().is_err());
        assert!(laid.server.sockets().is_ok());
    });
}
