use std::fs;

use super::*;
use crate::namespace::Stage;

const ALL: Trials = Trials {
    trace: Ok(()),
    room: Room::Whole,
    packet: Ok(()),
    raw: Ok(()),
    uring: Ok(()),
    files: (65_536, 65_536),
};

/// The answer of a machine with these files.
#[track_caller]
fn check(what: What, files: &[(&str, &str)], trials: Trials, grade: Grade, ground: Ground) {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join("proc").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let all = permits(&Tree::at(folder.path()), &trials);
    let got = all.iter().find(|permit| permit.what == what).unwrap();
    assert_eq!((got.grade, got.ground), (grade, ground));
}

const SCOPE: &str = "sys/kernel/yama/ptrace_scope";
const ROOT: (&str, &str) = ("self/status", "Name:\tx\nCapEff:\t000001ffffffffff\n");
const NOBODY: (&str, &str) = ("self/status", "Name:\tx\nCapEff:\t0000000000000000\n");

#[test]
fn watching_is_what_trying_says_and_the_scope_says_why_not() {
    let barred = Trials {
        trace: Err(libc::EPERM),
        ..ALL
    };
    check(What::Watch, &[(SCOPE, "1")], ALL, Grade::Yes, Ground::Tried);
    check(
        What::Watch,
        &[(SCOPE, "2")],
        barred,
        Grade::No,
        Ground::PtraceScope(Some(2)),
    );
    check(
        What::Watch,
        &[(SCOPE, "1")],
        barred,
        Grade::No,
        Ground::Failed(libc::EPERM),
    );
    check(
        What::Watch,
        &[],
        barred,
        Grade::No,
        Ground::Failed(libc::EPERM),
    );
}

#[test]
fn attaching_depends_on_scope_and_capability() {
    let scope = |value| Ground::PtraceScope(Some(value));
    let has = Ground::Has("CAP_SYS_PTRACE");
    check(
        What::Attach,
        &[NOBODY],
        ALL,
        Grade::Partly,
        Ground::PtraceScope(None),
    );
    check(
        What::Attach,
        &[NOBODY, (SCOPE, "0")],
        ALL,
        Grade::Partly,
        scope(0),
    );
    check(
        What::Attach,
        &[NOBODY, (SCOPE, "1")],
        ALL,
        Grade::No,
        scope(1),
    );
    check(What::Attach, &[ROOT, (SCOPE, "1")], ALL, Grade::Yes, has);
    check(What::Attach, &[ROOT, (SCOPE, "2")], ALL, Grade::Yes, has);
    check(
        What::Attach,
        &[ROOT, (SCOPE, "3")],
        ALL,
        Grade::No,
        scope(3),
    );
}

#[test]
fn what_was_refused_names_the_capability_that_is_missing() {
    let packet = |errno| Trials {
        packet: Err(errno),
        ..ALL
    };
    let lacks = Ground::Lacks("CAP_NET_RAW");
    check(What::Capture, &[], ALL, Grade::Yes, Ground::Tried);
    check(What::Capture, &[], packet(libc::EPERM), Grade::No, lacks);
    let failed = Ground::Failed(libc::EAFNOSUPPORT);
    check(
        What::Capture,
        &[],
        packet(libc::EAFNOSUPPORT),
        Grade::No,
        failed,
    );
    let raw = Trials {
        raw: Err(libc::EPERM),
        ..ALL
    };
    check(What::Raw, &[], raw, Grade::No, lacks);
    check(
        What::Programs,
        &[NOBODY],
        ALL,
        Grade::Partly,
        Ground::Lacks("CAP_SYS_PTRACE"),
    );
    check(
        What::Programs,
        &[ROOT],
        ALL,
        Grade::Yes,
        Ground::Has("CAP_SYS_PTRACE"),
    );
}

#[test]
fn low_ports_are_for_those_with_the_capability_or_for_all() {
    let start = "sys/net/ipv4/ip_unprivileged_port_start";
    let has = Ground::Has("CAP_NET_BIND_SERVICE");
    check(
        What::LowPorts,
        &[NOBODY],
        ALL,
        Grade::Partly,
        Ground::PortsFrom(1024),
    );
    check(
        What::LowPorts,
        &[NOBODY, (start, "80")],
        ALL,
        Grade::Partly,
        Ground::PortsFrom(80),
    );
    check(
        What::LowPorts,
        &[NOBODY, (start, "0")],
        ALL,
        Grade::Yes,
        Ground::PortsFrom(0),
    );
    check(What::LowPorts, &[ROOT], ALL, Grade::Yes, has);
}

#[test]
fn a_room_is_whole_in_part_or_barred() {
    let why = |stage| NamespaceError {
        stage,
        errno: libc::EPERM,
    };
    let (proc, unshare) = (why(Stage::Proc), why(Stage::Unshare));
    let with = |room| Trials { room, ..ALL };
    let part = with(Room::WithoutProcesses(proc));
    check(What::Room, &[], ALL, Grade::Yes, Ground::Tried);
    check(
        What::Room,
        &[],
        part,
        Grade::Partly,
        Ground::NoProcesses(proc),
    );
    check(
        What::Room,
        &[],
        with(Room::Barred(unshare)),
        Grade::No,
        Ground::NoRoom(unshare),
    );
}

#[test]
fn few_descriptors_are_said_to_be_few() {
    let with = |soft| Trials {
        files: (soft, 9_999),
        ..ALL
    };
    let ground = |soft| Ground::Files { soft, hard: 9_999 };
    check(What::Files, &[], with(4_095), Grade::Partly, ground(4_095));
    check(What::Files, &[], with(4_096), Grade::Yes, ground(4_096));
}

#[test]
fn io_uring_is_there_absent_or_disabled() {
    let disabled = "sys/kernel/io_uring_disabled";
    let with = |errno| Trials {
        uring: Err(errno),
        ..ALL
    };
    let eperm = with(libc::EPERM);
    check(
        What::Uring,
        &[(disabled, "0")],
        ALL,
        Grade::Yes,
        Ground::Tried,
    );
    check(
        What::Uring,
        &[(disabled, "2")],
        eperm,
        Grade::No,
        Ground::UringDisabled(2),
    );
    check(
        What::Uring,
        &[(disabled, "0")],
        eperm,
        Grade::No,
        Ground::Failed(libc::EPERM),
    );
    check(
        What::Uring,
        &[],
        with(libc::ENOSYS),
        Grade::No,
        Ground::Absent,
    );
}

/// Trying leaves nothing behind, so that it says the same again; a witness agrees about raw sockets.
#[test]
fn trying_says_what_doing_says() {
    let trials = Trials::make();
    assert_eq!(Trials::make(), trials);
    let domain = socket2::Domain::IPV4;
    let raw = socket2::Socket::new(domain, socket2::Type::RAW, Some(socket2::Protocol::ICMPV4));
    let raw = raw.map(drop).map_err(|error| error.raw_os_error().unwrap());
    assert_eq!(trials.raw, raw);
}
