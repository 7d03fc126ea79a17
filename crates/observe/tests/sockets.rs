//! The socket table against sockets of our own, whose every number is known.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use sockeye_observe::sockets::{Diag, Family, Part, Query, Socket, States, TimerKind};
use sockeye_testkit::{DEADLINE, private_network};
use sockeye_trace::{Address, TcpState, Transport};

fn listed(parts: &[Part], states: States) -> Vec<Socket> {
    let query = Query {
        parts: parts.into(),
        states,
        ..Query::default()
    };
    let table = Diag::open().unwrap().list(&query);
    assert!(table.missing.is_empty(), "{:?}", table.missing);
    table.sockets
}

#[track_caller]
fn one(sockets: &[Socket], fits: impl Fn(&Socket) -> bool) -> &Socket {
    let found: Vec<_> = sockets.iter().filter(|socket| fits(socket)).collect();
    assert_eq!(found.len(), 1, "{sockets:#?}");
    found[0]
}

/// A listener and both ends of a connection, of which the second is accepted.
fn connection(at: &str) -> (TcpListener, TcpStream, TcpStream) {
    let listener = TcpListener::bind(at).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    (listener, client, server)
}

/// Asks until it is as expected: the kernel moves bytes in its own time.
#[track_caller]
fn eventually<T: std::fmt::Debug>(mut look: impl FnMut() -> T, is_right: impl Fn(&T) -> bool) -> T {
    let until = std::time::Instant::now() + DEADLINE;
    loop {
        let seen = look();
        if is_right(&seen) {
            return seen;
        }
        assert!(std::time::Instant::now() < until, "{seen:?}");
        std::thread::yield_now();
    }
}

#[test]
fn both_ends_of_a_connection_and_its_listener_are_told() {
    private_network(|| {
        let (listener, mut client, server) = connection("127.0.0.1:0");
        let (at, from) = (listener.local_addr().unwrap(), client.local_addr().unwrap());
        client.write_all(&[7; 1000]).unwrap();
        let mut diag = Diag::open().unwrap();
        let end = eventually(
            || diag.tcp(at, from).unwrap().unwrap(),
            |end| end.recv_queue == 1000,
        );
        assert_eq!(
            (end.state, end.local.clone()),
            (TcpState::Established, Address::Ip(at))
        );
        assert_eq!(end.remote, Address::Ip(from));
        let memory = end.memory.unwrap();
        assert!(
            memory.recv > 1000 && memory.recv_limit > memory.recv,
            "{memory:?}"
        );
        assert_eq!(end.gauge().unread, 1000);
        let tcp = end.tcp.unwrap();
        assert_eq!((tcp.bytes_received, tcp.data_segments_in), (1000, 1));
        assert!(!tcp.congestion.as_str().is_empty());

        let sender = eventually(
            || diag.tcp(from, at).unwrap().unwrap(),
            |end| end.send_queue == 0,
        );
        let tcp = sender.tcp.unwrap();
        assert_eq!((tcp.bytes_sent, tcp.retransmits), (1000, 0));
        assert!(
            tcp.rtt_us > 0 && tcp.cwnd > 0 && tcp.send_mss > 500,
            "{tcp:?}"
        );

        let all = listed(&[Part::Tcp4, Part::Tcp6], States::ALL);
        assert_eq!(all.len(), 3);
        let door = one(&all, |socket| socket.state == TcpState::Listen);
        assert_eq!((door.recv_queue, door.local.port()), (0, Some(at.port())));
        assert!(door.send_queue > 0 && door.inode > 0 && door.uid == Some(0));
        let again = one(&all, |socket| socket.cookie == end.cookie);
        assert_eq!((again.inode, again.recv_queue), (end.inode, 1000));
        drop((listener, server));
    });
}

#[test]
fn a_connection_that_is_gone_is_nothing_even_while_its_listener_stays() {
    private_network(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let mut diag = Diag::open().unwrap();
        let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
        assert_eq!(diag.tcp(at, nobody).unwrap(), None);
        assert_eq!(diag.tcp(nobody, nobody).unwrap(), None);
        // The same value answers the next question.
        let client = TcpStream::connect(at).unwrap();
        let found = diag.tcp(client.local_addr().unwrap(), at).unwrap();
        assert_eq!(found.unwrap().state, TcpState::Established);
    });
}

#[test]
fn an_ipv6_socket_that_talks_ipv4_is_found_by_the_addresses_of_the_wire() {
    private_network(|| {
        let (listener, client, _server) = connection("[::]:0");
        let at = listener.local_addr().unwrap();
        let v4 = TcpStream::connect(("127.0.0.1", at.port())).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let to = SocketAddr::from(([127, 0, 0, 1], at.port()));
        let from = v4.local_addr().unwrap();
        let mut diag = Diag::open().unwrap();
        let found = diag.tcp(to, from).unwrap().unwrap();
        assert_eq!((found.family, found.local), (Family::V6, Address::Ip(to)));
        let own = diag.tcp(client.local_addr().unwrap(), client.peer_addr().unwrap());
        assert_eq!(own.unwrap().unwrap().family, Family::V6);
        drop(accepted);
    });
}

#[test]
fn who_closes_first_waits_and_belongs_to_nobody() {
    private_network(|| {
        let (_listener, client, server) = connection("127.0.0.1:0");
        drop(client);
        let waiting = eventually(
            || listed(&[Part::Tcp4], States::NONE.with(TcpState::FinWait2)),
            |found| found.len() == 1,
        );
        assert_eq!(waiting[0].inode, 0);
        let left = listed(&[Part::Tcp4], States::NONE.with(TcpState::CloseWait));
        assert_eq!(left.len(), 1);
        drop(server);
        let over = eventually(
            || listed(&[Part::Tcp4], States::NONE.with(TcpState::TimeWait)),
            |found| found.len() == 1,
        );
        assert_eq!((over[0].inode, over[0].uid), (0, None));
        assert_eq!(over[0].timer.kind, TimerKind::TimeWait);
        assert!(
            (50_000..=60_000).contains(&over[0].timer.left_ms),
            "{:?}",
            over[0].timer
        );
    });
}

#[test]
fn datagrams_that_nobody_reads_fill_memory() {
    private_network(|| {
        let here = UdpSocket::bind("127.0.0.1:0").unwrap();
        let there = UdpSocket::bind("127.0.0.1:0").unwrap();
        there.connect(here.local_addr().unwrap()).unwrap();
        there.send(&[1; 100]).unwrap();
        let all = eventually(
            || listed(&[Part::Udp4], States::ALL),
            |all| all.iter().any(|socket| socket.recv_queue > 0),
        );
        let end = one(&all, |socket| socket.recv_queue > 100);
        assert_eq!(end.local, Address::Ip(here.local_addr().unwrap()));
        assert_eq!((end.state, end.state_name()), (TcpState::Close, "UNCONN"));
        assert_eq!(end.memory.unwrap().recv, end.recv_queue);
        let other = one(&all, |socket| socket.state == TcpState::Established);
        assert_eq!(other.remote, end.local);
    });
}

/// Unix sockets belong to a network namespace too.
#[test]
fn the_two_ends_of_a_unix_connection_name_each_other() {
    private_network(|| {
        let folder = std::env::temp_dir().join(format!("sockeye-list-{}", std::process::id()));
        let _ = std::fs::remove_file(&folder);
        let listener = UnixListener::bind(&folder).unwrap();
        let client = UnixStream::connect(&folder).unwrap();
        let waiting = listed(&[Part::Unix], States::ALL);
        let door = one(&waiting, |socket| socket.state == TcpState::Listen);
        assert_eq!(door.recv_queue, 1, "one connection waits to be accepted");
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(b"hello").unwrap();
        let (a, _b) = UnixDatagram::pair().unwrap();
        a.send(b"x").unwrap();
        let all = listed(&[Part::Unix], States::ALL);
        let here = one(&all, |socket| {
            socket.recv_queue == 5 && socket.transport == Transport::Unix
        });
        let there = one(&all, |socket| socket.inode == here.peer_inode);
        assert_eq!(there.peer_inode, here.inode);
        assert_eq!(there.local, Address::Unix(folder.to_str().unwrap().into()));
        let datagrams = all
            .iter()
            .filter(|socket| socket.transport == Transport::UnixDgram);
        assert_eq!(datagrams.count(), 2);
        std::fs::remove_file(&folder).unwrap();
        drop(client);
    });
}
