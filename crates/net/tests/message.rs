//! Links of whole messages against plain sockets of the standard library and of Python.

use std::io;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use sockeye_net::{MessageLink, Received};
use sockeye_trace::{Kind, Observer, Recorder};

#[expect(
    clippy::unnecessary_wraps,
    reason = "it is compared with what recv returns"
)]
fn whole(len: usize) -> Option<Received> {
    Some(Received {
        len,
        full_len: len,
        from: None,
    })
}

fn udp_pair(host: &str, recorder: &Recorder) -> (MessageLink, UdpSocket) {
    let peer = UdpSocket::bind((host, 0)).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let ours = UdpSocket::bind((host, 0)).unwrap();
    ours.connect(peer.local_addr().unwrap()).unwrap();
    peer.connect(ours.local_addr().unwrap()).unwrap();
    (MessageLink::new(ours.into(), recorder).unwrap(), peer)
}

fn seqpacket_pair(recorder: &Recorder) -> (MessageLink, Socket) {
    let (ours, theirs) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    (MessageLink::new(ours, recorder).unwrap(), theirs)
}

fn seen(observer: &mut Observer) -> Vec<(Kind, u64, i32, u32, Vec<u8>)> {
    let mut seen = vec![];
    observer.drain_all(|event, payload| {
        seen.push((
            event.kind(),
            event.offset,
            event.result,
            event.asked,
            payload.to_vec(),
        ));
    });
    seen
}

#[tokio::test]
async fn udp_messages_keep_their_boundaries_the_empty_one_too() {
    for host in ["127.0.0.1", "::1"] {
        let (mut link, peer) = udp_pair(host, &Recorder::new());
        let mut buf = vec![0; 1 << 16];
        for message in [&b""[..], b"one", b"", &[7; 9000]] {
            link.send(message).await.unwrap();
            assert_eq!(peer.recv(&mut buf).unwrap(), message.len());
            peer.send(message).unwrap();
            assert_eq!(link.recv(&mut buf).await.unwrap(), whole(message.len()));
            assert_eq!(&buf[..message.len()], message);
        }
        assert_eq!((link.sent(), link.received()), ((4, 9003), (4, 9003)));
    }
}

#[tokio::test]
async fn what_exceeds_the_buffer_is_cut_and_reported() {
    let recorder = Recorder::new();
    let mut observer = recorder.observe();
    let (mut link, peer) = udp_pair("127.0.0.1", &recorder);
    peer.send(&[1; 2000]).unwrap();
    peer.send(b"next").unwrap();
    let mut buf = [0; 1024];
    let cut = link.recv(&mut buf).await.unwrap().unwrap();
    assert_eq!(
        (cut.len, cut.full_len, cut.is_truncated()),
        (1024, 2000, true)
    );
    assert_eq!(link.recv(&mut buf).await.unwrap(), whole(4));
    let seen = seen(&mut observer);
    assert_eq!(seen[0].0, Kind::Read);
    assert_eq!(
        (seen[1].0, seen[1].2, seen[1].3),
        (Kind::Truncated, 1024, 2000)
    );
    assert_eq!(seen[2], (Kind::Read, 1024, 4, 1024, b"next".to_vec()));
}

#[tokio::test]
async fn a_port_without_a_listener_is_refused_after_the_first_datagram() {
    let (mut link, peer) = udp_pair("127.0.0.1", &Recorder::new());
    drop(peer);
    link.send(b"the first send is no error").await.unwrap();
    let error = link.recv(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    // The error is told once; the link lives on.
    link.send(b"again").await.unwrap();
}

#[tokio::test]
async fn a_datagram_that_is_too_long_is_an_error_and_the_link_goes_on() {
    let (mut link, peer) = udp_pair("127.0.0.1", &Recorder::new());
    let error = link.send(&vec![0; 65_508]).await.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
    link.send(b"fits").await.unwrap();
    assert_eq!(peer.recv(&mut [0; 8]).unwrap(), 4);
}

#[tokio::test]
async fn on_sequenced_packets_an_empty_message_is_not_the_end() {
    let (mut link, theirs) = seqpacket_pair(&Recorder::new());
    for message in [&b"one"[..], b"", b"", b"two"] {
        theirs.send(message).unwrap();
    }
    theirs.shutdown(std::net::Shutdown::Write).unwrap();
    let mut buf = [0; 16];
    for len in [3, 0, 0, 3] {
        assert_eq!(link.recv(&mut buf).await.unwrap(), whole(len));
    }
    assert_eq!(link.recv(&mut buf).await.unwrap(), None);
    assert_eq!(link.recv(&mut buf).await.unwrap(), None);
    // The other direction is open still.
    link.send(b"").await.unwrap();
    link.send(b"answer").await.unwrap();
    let mut into = [std::mem::MaybeUninit::uninit(); 16];
    assert_eq!(theirs.recv(&mut into).unwrap(), 0);
    assert_eq!(theirs.recv(&mut into).unwrap(), 6);
}

#[tokio::test]
async fn a_sent_record_ends_and_a_half_close_is_heard() {
    let recorder = Recorder::new();
    let mut observer = recorder.observe();
    let (mut link, theirs) = seqpacket_pair(&recorder);
    link.send(b"last").await.unwrap();
    link.shutdown().unwrap();
    let mut into = [std::mem::MaybeUninit::uninit(); 16];
    assert_eq!(theirs.recv(&mut into).unwrap(), 4);
    assert_eq!(theirs.recv(&mut into).unwrap(), 0);
    drop(theirs);
    assert_eq!(link.recv(&mut [0; 4]).await.unwrap(), None);
    let kinds: Vec<_> = seen(&mut observer)
        .iter()
        .map(|event| (event.0, event.1))
        .collect();
    assert_eq!(
        kinds,
        [(Kind::Write, 0), (Kind::Shutdown, 4), (Kind::PeerClosed, 0)]
    );
}

/// The receiver's queue holds `net.unix.max_dgram_qlen` datagrams; a sender waits for room.
#[tokio::test]
async fn a_unix_datagram_link_waits_for_room_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("log");
    let peer = UnixDatagram::bind(&at).unwrap();
    let ours = Socket::new(Domain::UNIX, Type::DGRAM, None).unwrap();
    ours.connect(&SockAddr::unix(&at).unwrap()).unwrap();
    let mut link = MessageLink::new(ours, &Recorder::new()).unwrap();
    let reader = std::thread::spawn(move || {
        let mut buf = [0; 16];
        (0..200)
            .map(|_| peer.recv(&mut buf).map(|_| buf[0]).unwrap())
            .collect::<Vec<u8>>()
    });
    for number in 0..200_u8 {
        link.send(&[number]).await.unwrap();
    }
    assert_eq!(reader.join().unwrap(), (0..200).collect::<Vec<u8>>());
}
