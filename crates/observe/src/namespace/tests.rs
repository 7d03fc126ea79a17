#![allow(unsafe_code)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};

use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, geteuid, setgid, setgroups, setuid};
use sockeye_testkit::not_run;

use super::*;

const NOBODY: u32 = 65534;

/// Who a test's child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum As {
    /// Whoever runs the tests.
    Oneself,
    /// A user without privilege, also where the tests run as root.
    Nobody,
}

/// Starts a child that enters a room and writes what `look` says to the pipe that is returned.
fn inside(who: As, isolation: Isolation, look: fn() -> String) -> (Pid, File) {
    let (told, telling) = guard::pipe().unwrap();
    match guard::fork_quietly().unwrap() {
        ForkResult::Parent { child } => (child, File::from(told)),
        ForkResult::Child => {
            drop(told);
            if who == As::Nobody && geteuid().is_root() {
                become_nobody();
            }
            let text = match std::panic::catch_unwind(|| enter(&isolation).map(|()| look())) {
                Ok(Ok(text)) => text,
                Ok(Err(why)) => format!("barred: {why}"),
                Err(why) => {
                    let text = why.downcast_ref::<String>().cloned();
                    let literal = why.downcast_ref::<&str>().map(|text| (*text).to_owned());
                    format!("panicked: {}", text.or(literal).unwrap_or_default())
                }
            };
            let _ = File::from(telling).write_all(text.as_bytes());
            guard::leave(0)
        }
    }
}

fn become_nobody() {
    setgroups(&[]).unwrap();
    setgid(NOBODY.into()).unwrap();
    setuid(NOBODY.into()).unwrap();
    // A program that was started as nobody is; one that became nobody owns not even its /proc files.
    nix::sys::prctl::set_dumpable(true).unwrap();
}

/// What `look` says in a room; none where this machine permits no rooms.
pub(crate) fn look_inside(who: As, isolation: Isolation, look: fn() -> String) -> Option<String> {
    let (child, mut told) = inside(who, isolation, look);
    let mut text = String::new();
    told.read_to_string(&mut text).unwrap();
    waitpid(child, None).unwrap();
    if text.starts_with("barred:") {
        not_run(&text);
        return None;
    }
    Some(text)
}

/// What every room has, in words.
fn describe() -> String {
    let mut told = vec![format!("pid {}", std::process::id())];
    let own = fs::read_link("/proc/self").unwrap();
    told.push(format!("self {}", own.display()));
    let numbered = |name: std::ffi::OsString| name.to_string_lossy().parse::<u32>().is_ok();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let seen = processes
        .filter(|entry| numbered(entry.file_name()))
        .count();
    told.push(format!("sees {seen}"));
    for address in ["127.0.0.1:80", "[::1]:443"] {
        let listener = TcpListener::bind(address).map(|listener| listener.local_addr().unwrap());
        let connected = listener.and_then(TcpStream::connect);
        told.push(format!(
            "{address} {}",
            connected.is_err_and(|error| { error.kind() == std::io::ErrorKind::ConnectionRefused })
        ));
    }
    let raw = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::empty(),
        SockProtocol::EthAll,
    );
    told.push(format!("packets {}", raw.is_ok()));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(socket.local_addr().unwrap()).unwrap();
    let mtu = nix::sys::socket::getsockopt(&socket.as_fd(), nix::sys::socket::sockopt::IpMtu);
    told.push(format!("mtu {}", mtu.unwrap_or_default()));
    told.push(format!("uid {}", geteuid()));
    told.join("\n")
}

fn check(who: As, isolation: Isolation, uid: u32) {
    let Some(told) = look_inside(who, isolation, describe) else {
        return;
    };
    let expected = [
        "pid 1",
        "self 1",
        "sees 1",
        // The listener is dropped before the connection is tried: bound, and up.
        "127.0.0.1:80 true",
        "[::1]:443 true",
        "packets true",
        "mtu 1500",
        &format!("uid {uid}"),
    ];
    assert_eq!(told, expected.join("\n"));
}

#[test]
fn a_room_has_its_own_processes_ports_and_packets() {
    check(As::Oneself, Isolation::default(), geteuid().as_raw());
}

#[test]
fn a_user_without_privilege_has_the_same_room() {
    let uid = if geteuid().is_root() {
        NOBODY
    } else {
        geteuid().as_raw()
    };
    check(As::Nobody, Isolation::default(), uid);
}

#[test]
fn a_room_can_be_a_network_only() {
    let isolation = Isolation {
        mtu: None,
        offload: false,
        processes: false,
        low_ports: false,
    };
    let look = || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(socket.local_addr().unwrap()).unwrap();
        let mtu = nix::sys::socket::getsockopt(&socket.as_fd(), nix::sys::socket::sockopt::IpMtu);
        format!("{} {}", mtu.unwrap_or_default(), std::process::id() > 1)
    };
    // 65,536, of which no packet can use the last byte.
    if let Some(told) = look_inside(As::Nobody, isolation, look) {
        assert_eq!(told, "65535 true");
    }
}

/// Three programs that hold our standard output, two of them in sessions of their own, all orphans.
fn start_sleepers() -> String {
    let script = "setsid sleep 600 & setsid sleep 600 & sleep 600 & exit 0";
    let mut shell = Command::new("sh");
    shell
        .args(["-c", script])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let started = shell.status().is_ok_and(|status| status.success());
    if started { "sleeping" } else { "no shell" }.to_owned()
}

#[test]
fn nothing_outlives_the_process_that_entered() {
    let (told, telling) = guard::pipe().unwrap();
    let child = match guard::fork_quietly().unwrap() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            // The room's programs inherit the pipe as their standard output.
            let _ = rustix::stdio::dup2_stdout(&telling);
            drop((told, telling));
            let text = match enter(&Isolation::default()) {
                Ok(()) => start_sleepers(),
                Err(why) => format!("barred: {why}"),
            };
            // Not `println`, which the harness catches.
            let _ = nix::unistd::write(std::io::stdout(), text.as_bytes());
            loop {
                nix::unistd::pause();
            }
        }
    };
    drop(telling);
    let mut told = File::from(told);
    let mut first = [0; 256];
    let got = told.read(&mut first).unwrap();
    let first = String::from_utf8_lossy(&first[..got]).into_owned();
    nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL).unwrap();
    waitpid(child, None).unwrap();
    // The end of the pipe is the end of everybody who holds it.
    let mut rest = String::new();
    told.read_to_string(&mut rest).unwrap();
    if first.starts_with("barred:") {
        return not_run(&first);
    }
    assert_eq!(first, "sleeping");
    assert_eq!(rest, "");
}

#[test]
fn what_bars_a_room_is_said_with_its_reason() {
    let look = || {
        // Of the user namespace that this room has: nobody else is concerned.
        fs::write("/proc/sys/user/max_net_namespaces", "0").unwrap();
        match probe(&Isolation::default()) {
            Ok(()) => "not barred".to_owned(),
            Err(why) => why.to_string(),
        }
    };
    if let Some(told) = look_inside(As::Nobody, Isolation::default(), look) {
        assert!(
            told.starts_with("cannot make namespaces: No space left"),
            "{told}"
        );
        assert!(told.contains("max_net_"), "{told}");
    }
}

#[test]
fn a_probe_leaves_this_process_where_it_was() {
    let before = fs::read_link("/proc/self/ns/net").unwrap();
    let outcome = probe(&Isolation::default());
    assert_eq!(fs::read_link("/proc/self/ns/net").unwrap(), before);
    if let Err(why) = outcome {
        not_run(&why.to_string());
    }
}
