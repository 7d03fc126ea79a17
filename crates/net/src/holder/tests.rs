//! Holders of every kind, real ones.

use std::io::{IoSlice, Read};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::time::Instant;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use sockeye_testkit::{private_network, python};

use super::*;
use crate::endpoint::UnixKind;

const HERE: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

fn unix_name(path: &Path) -> Name {
    Name::Unix {
        kind: UnixKind::Stream,
        name: Some(UnixName::Path(path.into())),
    }
}

/// What is found once `fits` likes it: the kernel's tables follow within moments.
#[track_caller]
fn find_until(name: &Name, fits: impl Fn(&Holder) -> bool) -> Holder {
    let start = Instant::now();
    loop {
        let found = Holder::find(name);
        if let Some(found) = found.clone().filter(&fits) {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "found {found:?}");
    }
}

#[test]
fn another_program_is_named() {
    let script = "
import socket, sys
tcp = socket.create_server(('127.0.0.1', 0))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(('0.0.0.0', 0))
print(tcp.getsockname()[1], udp.getsockname()[1])
sys.stdin.read()
";
    let Some(python) = python(script, &[]) else {
        return;
    };
    let ports = python.wait_line(|line| {
        let (tcp, udp) = line.split_once(' ')?;
        Some((tcp.parse::<u16>().ok()?, udp.trim().parse::<u16>().ok()?))
    });
    let text = format!("(pid {})", python.id());
    let here = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    for name in [Name::Tcp(here(ports.0)), Name::Udp(here(ports.1))] {
        let found = Holder::find(&name).expect("python holds it").to_string();
        assert!(found.starts_with("held by python3"), "{found}");
        assert!(found.ends_with(&text), "{found}");
    }
    // Any address is taken as well, another port is not.
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, ports.0));
    assert!(Holder::find(&Name::Tcp(any)).is_some());
    let dual: SocketAddr = format!("[::]:{}", ports.0).parse().unwrap();
    assert!(Holder::find(&Name::Tcp(dual)).is_some());
    let loopback6: SocketAddr = format!("[::1]:{}", ports.0).parse().unwrap();
    assert_eq!(Holder::find(&Name::Tcp(loopback6)), None);
}

#[test]
fn addresses_overlap_by_port_and_family() {
    let check = |a: &str, b: &str, overlap: bool| {
        let (one, other) = (a.parse().unwrap(), b.parse().unwrap());
        assert_eq!(is_conflict(one, other), overlap, "{a} {b}");
        assert_eq!(is_conflict(other, one), overlap, "{b} {a}");
    };
    check("127.0.0.1:80", "127.0.0.1:80", true);
    check("127.0.0.1:80", "127.0.0.1:81", false);
    check("127.0.0.1:80", "127.0.0.2:80", false);
    check("127.0.0.1:80", "0.0.0.0:80", true);
    check("127.0.0.1:80", "[::]:80", true);
    check("127.0.0.1:80", "[::ffff:127.0.0.1]:80", true);
    check("127.0.0.1:80", "[::1]:80", false);
    check("0.0.0.0:80", "[::1]:80", false);
    check("[::1]:80", "[::]:80", true);
    check("[::1]:80", "[::2]:80", false);
}

#[test]
fn we_name_ourselves() {
    let socket = UdpSocket::bind(HERE).unwrap();
    let found = Holder::find(&Name::Udp(socket.local_addr().unwrap())).unwrap();
    let pid = std::process::id();
    assert_eq!(
        found.to_string(),
        format!("held by this program itself (pid {pid})")
    );
}

/// In a network of its own: a machine under load may hold so many TIME_WAIT sockets that the
/// kernel makes no more (net.ipv4.tcp_max_tw_buckets).
#[test]
fn connections_that_are_over_are_counted() {
    private_network(|| {
        let listener = TcpListener::bind(HERE).unwrap();
        let name = Name::Tcp(listener.local_addr().unwrap());
        let mut clients =
            [(); 2].map(|()| TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let served = [(); 2].map(|()| listener.accept().unwrap().0);
        drop(listener);
        let found = find_until(&name, |found| {
            matches!(found, Holder::Program { listens: false, .. })
        });
        assert!(
            found.to_string().starts_with("held by this program itself"),
            "{found}"
        );
        drop(served);
        for client in &mut clients {
            assert_eq!(client.read(&mut [0]).unwrap(), 0);
        }
        let found = find_until(&name, |found| matches!(found, Holder::Closing { .. }));
        assert_eq!(
            found.to_string(),
            "2 connections of an ended program, still closing"
        );
        let [one, other] = clients;
        drop(one);
        drop(other);
        let found = find_until(&name, |found| {
            matches!(found, Holder::TimeWait { count: 2, .. })
        });
        let Holder::TimeWait { longest, .. } = found else {
            panic!("{found}")
        };
        assert!(
            longest > Duration::from_secs(30) && longest <= Duration::from_mins(1),
            "{found}"
        );
        let text = found.to_string();
        assert!(
            text.starts_with("2 connections in TIME_WAIT, the last for "),
            "{text}"
        );
    });
}

#[test]
fn time_is_rounded_up() {
    let one = Holder::TimeWait {
        count: 1,
        longest: Duration::from_millis(41_990),
    };
    assert_eq!(
        one.to_string(),
        "1 connection in TIME_WAIT, the last for 42 s more"
    );
}

#[test]
fn a_socket_that_nobody_shows_is_said_to_be_hidden() {
    let listener = TcpListener::bind(HERE).unwrap();
    let name = Name::Tcp(listener.local_addr().unwrap());
    // On its way to another process, a socket is open in none.
    let (near, far) = UnixStream::pair().unwrap();
    let fds = [listener.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    sendmsg(
        &near,
        &[IoSlice::new(b"x")],
        &mut control,
        SendFlags::empty(),
    )
    .unwrap();
    drop(listener);
    let uid = rustix::process::geteuid().as_raw();
    assert_eq!(Holder::find(&name), Some(Holder::Hidden { uid: Some(uid) }));
    drop(far);
}

#[test]
fn unix_sockets_have_holders_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a b.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let ours = Holder::find(&unix_name(&path)).unwrap();
    assert!(
        matches!(ours, Holder::Program { listens: true, .. }),
        "{ours:?}"
    );
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path(), &link).unwrap();
    assert_eq!(Holder::find(&unix_name(&link.join("a b.sock"))), Some(ours));
    drop(listener);
    assert_eq!(Holder::find(&unix_name(&path)), None);

    let socket = UnixDatagram::unbound().unwrap();
    rustix::net::bind(&socket, &rustix::net::SocketAddrUnix::new_unnamed()).unwrap();
    let local = rustix::net::getsockname(&socket).unwrap();
    let name = Name::unix_any(UnixKind::Datagram, Some(&local));
    assert!(Holder::find(&name).is_some(), "{name}");
}

#[test]
fn a_relative_path_is_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let script = "
import os, socket, sys
os.chdir(sys.argv[1])
s = socket.socket(socket.AF_UNIX)
s.bind('rel.sock')
s.listen()
print('ready')
sys.stdin.read()
";
    let folder_text = folder.path().to_str().unwrap();
    let Some(mut python) = python(script, &[folder_text]) else {
        return;
    };
    python.wait_stdout("ready");
    let found = Holder::find(&unix_name(&folder.path().join("rel.sock"))).unwrap();
    assert!(
        found
            .to_string()
            .ends_with(&format!("(pid {})", python.id())),
        "{found}"
    );
    python.write_stdin(b"");
}

#[test]
fn names_of_programs_cannot_move_the_cursor() {
    let name = shown("\u{1b}[2J");
    let holder = Holder::Program {
        name,
        pid: 1,
        others: 2,
        listens: false,
    };
    let text = r"held by a connection of \u{1b}[2J (pid 1 and 2 more)";
    assert_eq!(holder.to_string(), text);
}
