//! Batches through real sockets: what is glued together, what cannot be sent, what is cut.

use std::future::poll_fn;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::task::{Poll, ready};
use std::time::Duration;

use sockeye_trace::{Kind, Recorder};
use tokio::time::timeout;

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

fn udp(recorder: &Recorder) -> Socket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    Socket::new(socket.into(), recorder.clone()).unwrap()
}

fn plain() -> (UdpSocket, Route) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let route = Address::from(socket.local_addr().unwrap()).into();
    (socket, route)
}

fn route_to(socket: &Socket) -> Route {
    Address::from(socket.local().socket_addr().unwrap()).into()
}

fn push(batch: &mut SendBatch, route: &Route, payload: &[u8]) {
    batch.push(route, Tag::default(), payload);
}

async fn send(socket: &Socket, batch: &mut SendBatch) {
    let sent = poll_fn(|cx| socket.poll_send(cx, batch));
    timeout(LIMIT, sent).await.expect("blocked").unwrap();
}

/// Takes this many datagrams, in the order of arrival.
async fn receive(socket: &Socket, count: usize) -> Vec<Vec<u8>> {
    let mut seen = vec![];
    while seen.len() < count {
        let batch = poll_fn(|cx| {
            RecvBatch::lend(|batch| {
                ready!(socket.poll_recv(cx, batch)).unwrap();
                seen.extend(batch.datagrams().map(|datagram| datagram.payload.to_vec()));
                Poll::Ready(())
            })
        });
        timeout(LIMIT, batch).await.expect("nothing came");
    }
    seen
}

/// Numbered datagrams of mixed sizes: runs of equal ones, shorter ones, empty ones.
fn mixed(count: usize) -> Vec<Vec<u8>> {
    let size = |at: usize| match at % 23 {
        0..=9 => 700,
        10 => 300,
        11 | 12 => 0,
        13..=20 => 100,
        21 => 1400,
        _ => 2,
    };
    (0..count).map(|at| vec![at as u8; size(at)]).collect()
}

#[tokio::test]
async fn answers_that_are_glued_together_arrive_one_by_one() {
    let (peer, route) = plain();
    let (socket, mut batch) = (udp(&Recorder::new()), SendBatch::default());
    // More than the receive buffer holds would be lost on the way, so each round is read.
    for _ in 0..4 {
        let messages = mixed(46);
        for message in &messages {
            push(&mut batch, &route, message);
        }
        assert!(batch.runs(INET_SLOT).count() < 20);
        send(&socket, &mut batch).await;
        let mut buf = [0; 2048];
        for message in &messages {
            let len = peer.recv(&mut buf).unwrap();
            assert_eq!(&buf[..len], message);
        }
    }
    assert_eq!((batch.len(), socket.dropped()), (0, 0));
}

/// Whatever is switched on meanwhile, one datagram is one message.
#[tokio::test]
async fn datagrams_that_arrive_glued_together_are_taken_apart() {
    let (from, to) = (udp(&Recorder::new()), udp(&Recorder::new()));
    let (route, mut turned_on) = (route_to(&to), false);
    for _ in 0..40 {
        let (messages, mut batch) = (mixed(46), SendBatch::default());
        for message in &messages {
            push(&mut batch, &route, message);
        }
        send(&from, &mut batch).await;
        assert_eq!(receive(&to, messages.len()).await, messages);
        turned_on |= to.is_gro_on();
    }
    assert!(turned_on, "what arrives coalesced is noticed");
}

#[tokio::test]
async fn one_datagram_that_cannot_be_sent_is_lost_and_the_others_go() {
    let recorder = Recorder::new();
    let mut observer = recorder.observe();
    let (peer, route) = plain();
    let (socket, mut batch) = (udp(&recorder), SendBatch::default());
    let nowhere = Route::from(Address::from(
        "[::1]:9".parse::<std::net::SocketAddr>().unwrap(),
    ));
    push(&mut batch, &route, b"first");
    push(&mut batch, &route, &vec![0; 65_508]);
    push(&mut batch, &nowhere, b"of another family");
    push(&mut batch, &Address::UNNAMED.into(), b"to nobody");
    push(&mut batch, &route, b"last");
    send(&socket, &mut batch).await;
    let mut buf = [0; 16];
    for expected in [&b"first"[..], b"last"] {
        let len = peer.recv(&mut buf).unwrap();
        assert_eq!(&buf[..len], expected);
    }
    assert_eq!(socket.dropped(), 3);
    let mut lost = vec![];
    observer.drain_all(|event, payload| {
        if event.kind() == Kind::Dropped {
            lost.push((event.asked, String::from_utf8_lossy(payload).into_owned()));
        }
    });
    assert_eq!((lost.len(), lost[0].0), (3, 65_508));
    assert!(lost[0].1.contains("EMSGSIZE"), "{lost:?}");
}

#[tokio::test]
async fn a_peer_that_is_gone_ends_nothing() {
    let (socket, mut batch) = (udp(&Recorder::new()), SendBatch::default());
    let (gone, to_nobody) = plain();
    drop(gone);
    let (peer, route) = plain();
    for _ in 0..3 {
        push(&mut batch, &to_nobody, b"anyone?");
        push(&mut batch, &route, b"you");
        send(&socket, &mut batch).await;
        assert_eq!(peer.recv(&mut [0; 8]).unwrap(), 3);
        peer.send_to(b"yes", socket.local().socket_addr().unwrap())
            .unwrap();
        assert_eq!(receive(&socket, 1).await, [b"yes"]);
    }
    assert_eq!(socket.dropped(), 0);
}

/// unix(7): the queue of a Unix datagram socket holds `net.unix.max_dgram_qlen` datagrams.
#[tokio::test]
async fn a_unix_peer_whose_queue_is_full_loses_its_datagrams_and_blocks_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let bind = |name: &str| {
        let path = folder.path().join(name);
        let address = socket2::SockAddr::unix(&path).unwrap();
        (
            UnixDatagram::bind(path).unwrap(),
            Route::from(Address::from(&address)),
        )
    };
    let ((ours, _), (full, to_full), (peer, to_peer)) = (bind("ours"), bind("full"), bind("peer"));
    let recorder = Recorder::new();
    let socket = Socket::new(std::os::fd::OwnedFd::from(ours).into(), recorder).unwrap();
    let held = std::fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen").unwrap();
    let held: u64 = held.trim().parse().unwrap();
    let mut batch = SendBatch::default();
    for _ in 0..held + 40 {
        push(&mut batch, &to_full, b"x");
    }
    push(&mut batch, &to_peer, b"for you");
    send(&socket, &mut batch).await;
    assert_eq!(peer.recv(&mut [0; 8]).unwrap(), 7);
    // The kernel compares after it has let one more in.
    assert!(
        (39..=40).contains(&socket.dropped()),
        "{}",
        socket.dropped()
    );
    full.set_nonblocking(true).unwrap();
    let taken = (0..=held)
        .take_while(|_| full.recv(&mut [0; 8]).is_ok())
        .count() as u64;
    assert_eq!(taken + socket.dropped(), held + 40);
}

#[tokio::test]
async fn a_read_limit_cuts_and_says_so() {
    let socket = udp(&Recorder::new()).with_read_limit(1024);
    let (peer, _) = plain();
    for len in [2000, 1024, 0] {
        peer.send_to(&vec![1; len], socket.local().socket_addr().unwrap())
            .unwrap();
    }
    let mut seen = vec![];
    while seen.len() < 3 {
        poll_fn(|cx| {
            RecvBatch::lend(|batch| {
                ready!(socket.poll_recv(cx, batch)).unwrap();
                let each = |it: Datagram<'_>| (it.payload.len(), it.full_len, it.is_truncated());
                seen.extend(batch.datagrams().map(each));
                Poll::Ready(())
            })
        })
        .await;
    }
    assert_eq!(
        seen,
        [(1024, 2000, true), (1024, 1024, false), (0, 0, false)]
    );
}

/// A batch of Unix datagrams needs larger slots than one of UDP, and both use the thread's.
#[tokio::test]
async fn sockets_of_different_kinds_share_the_buffer_of_a_thread() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours");
    let ours = UnixDatagram::bind(&path).unwrap();
    let recorder = Recorder::new();
    let unix = Socket::new(std::os::fd::OwnedFd::from(ours).into(), recorder.clone()).unwrap();
    let (udp, peer) = (udp(&recorder), UnixDatagram::unbound().unwrap());
    let (plain, _) = plain();
    for round in 0..3_u8 {
        let large = vec![round; 150_000];
        peer.send_to(&large, &path).unwrap();
        plain
            .send_to(&[round; 9], udp.local().socket_addr().unwrap())
            .unwrap();
        assert_eq!(receive(&unix, 1).await, [large]);
        assert_eq!(receive(&udp, 1).await, [vec![round; 9]]);
        // What one socket brought is not there for the next.
        RecvBatch::lend(|batch| assert_eq!(batch.datagrams().count(), 0));
    }
}
