use std::collections::BTreeSet;
use std::fs;

use proptest::prelude::*;
use sockeye_trace::{Address, TcpState, Transport};
use tempfile::TempDir;

use super::*;
use crate::sockets::{Family, Socket};

/// A machine of these files below its `/proc`, there as long as the folder.
fn machine(files: &[(&str, &str)]) -> (TempDir, Tree) {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join("proc").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let tree = Tree::at(folder.path());
    (folder, tree)
}

fn values(of: &[(&'static str, &str)]) -> Values {
    of.iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect()
}

fn tcp(state: TcpState, local: &str, remote: &str, backlog: u32) -> Socket {
    Socket {
        local: Address::Ip(local.parse().unwrap()),
        remote: Address::Ip(remote.parse().unwrap()),
        send_queue: backlog,
        ..Socket::of(Transport::Tcp, Family::V4, state)
    }
}

#[test]
fn a_setting_is_read_with_one_space_between_its_numbers_and_absent_ones_are_left_out() {
    let (_folder, tree) = machine(&[
        ("sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n"),
        ("sys/net/core/somaxconn", "128\n"),
    ]);
    let read = read(&tree);
    assert_eq!(
        read,
        values(&[
            ("net.core.somaxconn", "128"),
            ("net.ipv4.tcp_rmem", "4096 131072 6291456")
        ])
    );
    assert_eq!(tree.number("net.core.somaxconn"), Some(128));
    assert_eq!(tree.number("net.ipv4.tcp_rmem"), None);
    assert!(super::read(&Tree::at("/nonexistent")).is_empty());
}

#[test]
fn names_are_said_once_and_what_is_advised_contents_the_adviser() {
    let names: BTreeSet<_> = SETTINGS.iter().map(|it| it.name).collect();
    assert_eq!(names.len(), SETTINGS.len());
    for setting in SETTINGS {
        // What a kernel has of itself is sound, but for what has changed since.
        let newest = setting.defaults.first();
        let unsound = newest.and_then(|value| setting.sound?.change(value));
        assert_eq!(unsound, None, "{}", setting.name);
    }
    assert_eq!(SETTINGS.iter().filter(|it| it.is_gone()).count(), 1);
}

#[test]
fn only_what_differs_is_suggested_each_with_its_reason() {
    let check =
        |of: &[(&'static str, &str)], purposes: &[Purpose], facts: &Facts, expected: &[_]| {
            let got = suggestions(&values(of), purposes, facts);
            let got: Vec<_> = got.iter().map(|it| (it.setting, &*it.to, it.why)).collect();
            assert_eq!(got, expected);
        };
    let nothing = Facts::default();
    let plain = [
        ("net.ipv4.tcp_syncookies", "1"),
        ("net.core.somaxconn", "4096"),
        ("net.ipv4.tcp_tw_reuse", "2"),
        ("net.core.rmem_max", "212992"),
    ];
    check(&plain, &[], &nothing, &[]);
    let bad = [
        ("net.ipv4.tcp_syncookies", "0"),
        ("net.core.somaxconn", "128"),
    ];
    let sound = [
        ("net.ipv4.tcp_syncookies", "1", Why::Sound),
        ("net.core.somaxconn", "1024", Why::Sound),
    ];
    check(&bad, &[], &nothing, &sound);
    // The larger change, for the first reason.
    let serve = [sound[0], ("net.core.somaxconn", "4096", Why::Sound)];
    check(&bad, &[Purpose::Serve], &nothing, &serve);
    let dial = ("net.ipv4.tcp_tw_reuse", "1", Why::For(Purpose::Dial));
    check(&plain, &[Purpose::Dial], &nothing, &[dial]);
    let lost = Facts {
        datagrams_lost: 7,
        ..Facts::default()
    };
    let room = ("net.core.rmem_max", "8388608", Why::DatagramsLost(7));
    check(&plain, &[], &lost, &[room]);
}

#[test]
fn facts_ask_for_a_setting_only_where_it_is_what_was_short() {
    let of = values(&[
        ("net.core.somaxconn", "4096"),
        ("net.ipv4.tcp_max_tw_buckets", "8192"),
        ("net.ipv4.tcp_tw_reuse", "2"),
        ("net.ipv4.ip_local_port_range", "50000 50003"),
    ]);
    let mut facts = Facts {
        listen_overflows: 9,
        ..Facts::default()
    };
    // A program that asked for a short queue is not helped by the limit of longer ones.
    assert_eq!(suggestions(&of, &[], &facts), []);
    let sockets = [
        tcp(TcpState::Listen, "0.0.0.0:80", "0.0.0.0:0", 4096),
        tcp(TcpState::Listen, "0.0.0.0:81", "0.0.0.0:0", 5),
        tcp(TcpState::Established, "10.0.0.1:80", "10.0.0.2:50001", 0),
        tcp(TcpState::TimeWait, "10.0.0.1:50000", "10.0.0.3:5432", 0),
        tcp(TcpState::Established, "10.0.0.1:50001", "10.0.0.3:5432", 0),
        tcp(TcpState::Established, "10.0.0.1:50001", "10.0.0.4:5432", 0),
    ];
    let ports = Ports::of(&sockets, &of);
    assert_eq!(
        (ports.range, ports.taken, ports.capped, ports.waiting),
        (4, 2, 1, 1)
    );
    assert_eq!(ports.busiest, Some(("10.0.0.3:5432".parse().unwrap(), 2)));
    facts.ports = Some(ports);
    facts.time_wait_overflows = 3;
    let got = suggestions(&of, &[], &facts);
    let got: Vec<_> = got.iter().map(|it| (&*it.to, it.why)).collect();
    let short = Why::PortsShort { taken: 2, of: 4 };
    let full = Why::QueuesFull {
        listeners: 1,
        overflows: 9,
    };
    let expected = [
        ("8192", full),
        ("1", short),
        ("16384", Why::TimeWaitFull(3)),
        ("10240 65535", short),
    ];
    assert_eq!(got, expected);
}

#[test]
fn what_the_kernel_counted_is_read() {
    let net = |file: &str| format!("thread-self/net/{file}");
    let (_folder, tree) = machine(&[
        (
            &net("sockstat"),
            "sockets: used 9\nTCP: inuse 5 orphan 1 tw 2 alloc 9 mem 1\n",
        ),
        (
            &net("netstat"),
            "TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPTimeWaitOverflow\nTcpExt: 4 5 6 7\n\
             IpExt: InNoRoutes\nIpExt: 0\n",
        ),
        (
            &net("snmp"),
            "Tcp: MaxConn OutSegs RetransSegs\nTcp: -1 100 8\nUdp: InDatagrams RcvbufErrors\nUdp: 1 2\n",
        ),
        (
            &net("snmp6"),
            "Udp6InDatagrams                 \t5\nUdp6RcvbufErrors\t3\n",
        ),
        ("sys/fs/file-nr", "1024\t0\t9223372036854775807\n"),
    ]);
    let expected = Facts {
        time_wait: 2,
        orphans: 1,
        listen_overflows: 5,
        listen_drops: 6,
        syn_cookies: 4,
        time_wait_overflows: 7,
        retransmitted: 8,
        sent: 100,
        datagrams_lost: 5,
        files: Some((1024, 9_223_372_036_854_775_807)),
        ports: None,
    };
    assert_eq!(Facts::read(&tree), expected);
    assert_eq!(Facts::read(&Tree::at("/nonexistent")), Facts::default());
}

#[test]
fn this_machine_tells_its_settings_as_its_own_files_have_them() {
    let read = read(&Tree::machine());
    for (name, value) in &read {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        let file = fs::read_to_string(path).unwrap();
        assert!(file.split_whitespace().eq(value.split(' ')), "{name}");
    }
    assert!(read.contains_key("net.ipv4.tcp_fin_timeout"), "{read:?}");
}

proptest! {
    /// A kernel of tomorrow may write these files in another way.
    #[test]
    fn no_text_of_the_kernel_panics(text in "(?s).{0,80}", value in ".{0,24}") {
        let (_folder, tree) = machine(&[
            ("thread-self/net/sockstat", &text),
            ("thread-self/net/netstat", &text),
            ("thread-self/net/snmp6", &text),
            ("sys/fs/file-nr", &text),
        ]);
        let facts = Facts { listen_overflows: 1, time_wait_overflows: 1, datagrams_lost: 1, ..Facts::read(&tree) };
        let all: Values = SETTINGS.iter().map(|it| (it.name, value.clone())).collect();
        let ports = Some(Ports { capped: 1, ..Ports::of(&[], &all) });
        for change in suggestions(&all, &[Purpose::Serve, Purpose::Dial], &Facts { ports, ..facts }) {
            prop_assert_ne!(change.to, change.here);
        }
    }
}
