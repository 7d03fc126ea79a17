//! Message endpoints from their text to an open socket, both ways.

mod wire;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use socket2::{Domain, Type};
use sockeye_net::datagram::{Address, RecvBatch, Route, SendBatch, Socket, Tag};
use sockeye_net::{
    Endpoint, Families, Link, Listener, MessageLink, Name, Net, NetError, Received, StaticResolver,
    connect, listen,
};
use sockeye_trace::Recorder;

fn net() -> Net {
    Net::new(Recorder::new())
}

fn endpoint(text: &str) -> Endpoint {
    text.parse().unwrap()
}

async fn dial(net: &Net, text: &str) -> MessageLink {
    match connect(net, &endpoint(text)).await.unwrap() {
        Link::Messages(link) => link,
        other => panic!("{other:?}"),
    }
}

async fn bound(net: &Net, text: &str) -> Vec<Socket> {
    let listeners = listen(net, &endpoint(text)).await.unwrap();
    let socket = |listener| match listener {
        Listener::Datagram(socket) => socket,
        other => panic!("{other:?}"),
    };
    listeners.into_iter().map(socket).collect()
}

fn port_of(socket: &Socket) -> u16 {
    socket.local().socket_addr().unwrap().port()
}

/// Answers the first datagrams with themselves; says who sent the last one.
async fn answer(socket: &Socket, count: usize) -> Route {
    let (mut seen, mut last) = (0, None);
    while seen < count {
        let mut answers = SendBatch::default();
        std::future::poll_fn(|cx| {
            RecvBatch::lend(|batch| {
                std::task::ready!(socket.poll_recv(cx, batch)).unwrap();
                for datagram in batch.datagrams() {
                    answers.push(&datagram.route(), Tag::default(), datagram.payload);
                    last = Some(datagram.route());
                    seen += 1;
                }
                std::task::Poll::Ready(())
            })
        })
        .await;
        std::future::poll_fn(|cx| socket.poll_send(cx, &mut answers))
            .await
            .unwrap();
    }
    last.unwrap()
}

async fn ask(link: &mut MessageLink, message: &[u8]) -> Vec<u8> {
    let mut buf = vec![0; 1 << 16];
    link.send(message).await.unwrap();
    let received = link.recv(&mut buf);
    let received = tokio::time::timeout(Duration::from_secs(10), received).await;
    let Received { len, .. } = received.expect("no answer").unwrap().expect("no end");
    buf.truncate(len);
    buf
}

#[tokio::test]
async fn udp_without_a_host_listens_on_both_loopbacks_on_one_port() {
    let net = net();
    let sockets = bound(&net, "udp://:0").await;
    let names: Vec<IpAddr> = sockets
        .iter()
        .map(|it| it.local().socket_addr().unwrap().ip())
        .collect();
    assert_eq!(
        names,
        [
            IpAddr::from(Ipv4Addr::LOCALHOST),
            Ipv6Addr::LOCALHOST.into()
        ]
    );
    assert_eq!(port_of(&sockets[0]), port_of(&sockets[1]));
    for (socket, host) in sockets.iter().zip(["127.0.0.1", "[::1]"]) {
        let mut link = dial(&net, &format!("udp://{host}:{}", port_of(socket))).await;
        let (answered, _) = tokio::join!(ask(&mut link, b"hello"), answer(socket, 1));
        assert_eq!(answered, b"hello");
        assert_eq!(link.peer_name(), socket.local());
    }
}

/// On a socket of all addresses the answer has to come from the one that was asked, or a
/// connected peer does not hear it.
#[tokio::test]
async fn answers_leave_from_the_address_that_was_asked() {
    let net = net();
    for place in ["udp://0.0.0.0:0", "udp://*:0"] {
        let socket = bound(&net, place).await.remove(0);
        for host in ["127.0.0.1", "127.0.0.7", "127.9.9.9"] {
            let mut link = dial(&net, &format!("udp://{host}:{}", port_of(&socket))).await;
            let (answered, route) = tokio::join!(ask(&mut link, b"x"), answer(&socket, 1));
            assert_eq!(answered, b"x");
            let asked = route.from.map(|ip| ip.to_canonical().to_string());
            assert_eq!(asked.as_deref(), Some(host));
        }
    }
    let socket = bound(&net, "udp://*:0").await.remove(0);
    let mut link = dial(&net, &format!("udp://[::1]:{}", port_of(&socket))).await;
    let (answered, _) = tokio::join!(ask(&mut link, b"six"), answer(&socket, 1));
    assert_eq!(answered, b"six");
}

/// Not in everybody's network: another program's socket could get the port in between.
#[test]
fn a_dialler_may_choose_its_own_port() {
    sockeye_testkit::private_network(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let net = net();
            let socket = bound(&net, "udp://127.0.0.1:0").await.remove(0);
            let free = UdpSocket::bind("127.0.0.1:0").unwrap();
            let own = free.local_addr().unwrap();
            let to = format!("udp://127.0.0.1:{}?bind={own}", port_of(&socket));
            let error = connect(&net, &endpoint(&to)).await.unwrap_err();
            assert!(matches!(error, NetError::InUse { .. }), "{error}");
            drop(free);
            let to = format!("udp://127.0.0.1:{}?bind=:{}", port_of(&socket), own.port());
            let mut link = dial(&net, &to).await;
            let (_, route) = tokio::join!(ask(&mut link, b"x"), answer(&socket, 1));
            assert_eq!(route.to.inet(), Some(own));
        });
    });
}

#[tokio::test]
async fn names_resolve_and_families_are_heeded() {
    let here = StaticResolver::new().with(
        "here",
        [
            Ipv6Addr::LOCALHOST.into(),
            IpAddr::from(Ipv4Addr::LOCALHOST),
        ],
    );
    let mut net = net();
    net.resolver = std::sync::Arc::new(here);
    let sockets = bound(&net, "udp://here:0").await;
    assert_eq!(sockets.len(), 2);
    let to = format!("udp://here:{}", port_of(&sockets[0]));
    assert!(
        dial(&net, &to)
            .await
            .peer_name()
            .socket_addr()
            .unwrap()
            .is_ipv6()
    );
    net.families = Families::V4;
    assert!(
        dial(&net, &to)
            .await
            .peer_name()
            .socket_addr()
            .unwrap()
            .is_ipv4()
    );
    let error = connect(&net, &endpoint("udp://nowhere:1"))
        .await
        .unwrap_err();
    assert!(matches!(error, NetError::Resolve { .. }), "{error}");
}

#[tokio::test]
async fn a_port_in_use_names_its_holder() {
    let net = net();
    let first = bound(&net, "udp://127.0.0.1:0").await.remove(0);
    let again = endpoint(&first.local().to_string());
    let error = listen(&net, &again).await.unwrap_err();
    assert!(error.to_string().contains("pid"), "{error}");
}

#[tokio::test]
async fn unix_datagrams_are_answered_and_files_go_with_their_sockets() {
    let net = net();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echo");
    let socket = bound(&net, &format!("unix-dgram:{}", path.display()))
        .await
        .remove(0);
    let own = folder.path().join("own");
    for bind in [String::new(), format!("?bind={}", own.display())] {
        let mut link = dial(&net, &format!("unix-dgram:{}{bind}", path.display())).await;
        let (answered, route) = tokio::join!(ask(&mut link, b"by name"), answer(&socket, 1));
        assert_eq!(answered, b"by name");
        assert!(route.to.is_named());
        assert_eq!(route.to.unix_path().is_some(), !bind.is_empty());
    }
    assert!(!own.exists(), "the link's file goes with the link");
    drop(socket);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_unix_datagram_of_200_kilobytes_is_one_message() {
    let net = net();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    let socket = bound(&net, &format!("unix-dgram:{}", path.display()))
        .await
        .remove(0);
    let peer = UnixDatagram::unbound().unwrap();
    peer.send_to(&vec![7; 200_000], &path).unwrap();
    let (len, full_len) = std::future::poll_fn(|cx| {
        RecvBatch::lend(|batch| {
            std::task::ready!(socket.poll_recv(cx, batch)).unwrap();
            let datagram = batch.datagrams().next().unwrap();
            assert!(!datagram.peer.is_named());
            std::task::Poll::Ready((datagram.payload.len(), datagram.full_len))
        })
    })
    .await;
    assert_eq!((len, full_len), (200_000, 200_000));
}

#[tokio::test]
async fn sequenced_packets_connect_and_keep_their_boundaries() {
    let net = net();
    let folder = tempfile::tempdir().unwrap();
    for name in [
        format!("{}", folder.path().join("seq").display()),
        "@".into(),
    ] {
        let mut listeners = listen(&net, &endpoint(&format!("unix-seqpacket:{name}")))
            .await
            .unwrap();
        let Some(Listener::Seqpacket(listener)) = listeners.pop() else {
            panic!("{listeners:?}");
        };
        let to = listener.local().to_string();
        let (mut link, accepted) = tokio::join!(dial(&net, &to), listener.accept());
        let mut served = accepted.unwrap();
        assert_eq!(link.peer_name(), listener.local());
        assert_eq!(served.peer().pid, Some(std::process::id()));
        link.send(b"").await.unwrap();
        link.send(b"two").await.unwrap();
        link.shutdown().unwrap();
        let mut buf = [0; 8];
        for len in [0, 3] {
            assert_eq!(
                served.recv(&mut buf).await.unwrap().map(|it| it.len),
                Some(len)
            );
        }
        assert_eq!(served.recv(&mut buf).await.unwrap(), None);
        served.send(b"answer").await.unwrap();
        assert_eq!(link.recv(&mut buf).await.unwrap().map(|it| it.len), Some(6));
    }
}

/// Gives a socket away as a parent process would: open across exec.
fn handed_over(socket: impl Into<OwnedFd>) -> String {
    let socket = socket.into();
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::empty()).unwrap();
    format!("fd:{}", socket.into_raw_fd())
}

#[tokio::test]
async fn inherited_sockets_are_what_they_are() {
    let net = net();
    let (ours, theirs) = socket2::Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    let mut link = dial(&net, &handed_over(ours)).await;
    theirs.send(b"").unwrap();
    let received = link.recv(&mut [0; 8]).await.unwrap();
    assert_eq!(received.map(|it| it.len), Some(0));

    let (ours, theirs) = UnixDatagram::pair().unwrap();
    let mut link = dial(&net, &handed_over(ours)).await;
    link.send(b"hi").await.unwrap();
    assert_eq!(theirs.recv(&mut [0; 8]).unwrap(), 2);

    let open = UdpSocket::bind("127.0.0.1:0").unwrap();
    let local = open.local_addr().unwrap();
    let socket = bound(&net, &handed_over(open)).await.remove(0);
    let mut link = dial(&net, &format!("udp://{local}")).await;
    let (answered, _) = tokio::join!(ask(&mut link, b"x"), answer(&socket, 1));
    assert_eq!(answered, b"x");
}

/// Multicast and broadcast, in a network of the test's own: no packet leaves the machine.
#[test]
fn groups_are_joined_and_whoever_answers_is_heard() {
    sockeye_testkit::private_network(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        wire::add();
        runtime.block_on(async {
            let net = net();
            for (listening, dialling) in [
                (
                    "udp://239.1.2.3:7007?mcast-join=239.1.2.3@lo",
                    "udp://239.1.2.3:7007?mcast-if=lo&mcast-loop&mcast-ttl=1",
                ),
                (
                    "udp://[ff02::7007%wire]:7007?mcast-join=ff02::7007@wire",
                    "udp://[ff02::7007%wire]:7007?mcast-if=wire",
                ),
                ("udp://0.0.0.0:7008", "udp://127.255.255.255:7008?broadcast"),
            ] {
                let socket = bound(&net, listening).await.remove(0);
                let mut link = dial(&net, dialling).await;
                let mut buf = [0; 16];
                link.send(b"anyone?").await.unwrap();
                let limit = Duration::from_secs(5);
                let heard = tokio::time::timeout(limit, answer(&socket, 1)).await;
                heard.unwrap_or_else(|_| panic!("{listening} hears nothing"));
                let received = tokio::time::timeout(limit, link.recv(&mut buf)).await;
                let received = received.unwrap_or_else(|_| panic!("{dialling} hears nothing"));
                let received = received.unwrap().unwrap();
                assert_eq!(&buf[..received.len], b"anyone?");
                let from = received.from.and_then(|from| from.inet()).unwrap();
                assert!(!from.ip().is_multicast(), "{from}");
                assert_eq!(from.port(), port_of(&socket));
            }
        });
    });
}

#[tokio::test]
async fn raw_sockets_say_what_they_need() {
    let net = net();
    for text in ["ip://127.0.0.1?proto=icmp", "ip://[::1]?proto=icmpv6"] {
        match connect(&net, &endpoint(text)).await {
            Ok(Link::Messages(link)) => assert!(matches!(link.peer_name(), Name::Ip { .. })),
            Ok(other) => panic!("{other:?}"),
            Err(error) => assert!(
                error
                    .hint()
                    .is_some_and(|hint| hint.contains("CAP_NET_RAW")),
                "{error}"
            ),
        }
    }
    let error = connect(&net, &endpoint("ip://[::1]?proto=icmp"))
        .await
        .unwrap_err();
    assert!(matches!(error, NetError::NoAddress { .. }), "{error}");
}

/// Packets wait for an Ethernet address that nobody has, so the socket's own buffer fills up until
/// the kernel gives up on it.
#[test]
fn a_socket_whose_own_buffer_is_full_is_waited_for() {
    sockeye_testkit::private_network(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        wire::add();
        runtime.block_on(async {
            let socket = bound(&net(), "udp://10.77.0.1:0?sndbuf=4608")
                .await
                .remove(0);
            let nobody: std::net::SocketAddr = "10.77.0.99:9".parse().unwrap();
            let (route, mut batch) = (Route::from(Address::from(nobody)), SendBatch::default());
            for size in [2000, 1900, 2000, 1900] {
                batch.push(&route, Tag::default(), &vec![0; size]);
            }
            assert!(!socket.try_send(&mut batch) && !batch.is_empty());
            let sent = std::future::poll_fn(|cx| socket.poll_send(cx, &mut batch));
            let sent = tokio::time::timeout(Duration::from_secs(20), sent).await;
            sent.expect("room came and nobody was woken").unwrap();
            assert_eq!((batch.len(), socket.dropped()), (0, 0));
        });
    });
}

#[test]
fn what_is_not_permitted_names_the_privilege() {
    let error = NetError::System {
        operation: sockeye_net::Operation::Open,
        endpoint: "ip://127.0.0.1?proto=icmp".into(),
        address: None,
        source: sockeye_net::Errno::new(libc::EPERM),
    };
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("CAP_NET_RAW"))
    );
}
