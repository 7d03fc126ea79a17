//! Listening and connecting: addresses, ports, limits, refusals.

use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use sockeye_frame::Blame;
use sockeye_net::{
    ByteLink, Endpoint, Errno, Families, Link, Listener, Net, NetError, OptionKey, StaticResolver,
    StreamListener, connect, listen, options::Value,
};
use sockeye_testkit::private_network;
use sockeye_trace::Recorder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn net() -> Net {
    Net::new(Recorder::new())
}

fn endpoint(text: &str) -> Endpoint {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

async fn open(net: &Net, text: &str) -> Result<Vec<StreamListener>, NetError> {
    let listeners = listen(net, &endpoint(text)).await?;
    let streams = listeners.into_iter().map(|listener| match listener {
        Listener::Stream(listener) => listener,
        other => panic!("no stream listener: {other:?}"),
    });
    Ok(streams.collect())
}

async fn open_one(text: &str) -> StreamListener {
    open(&net(), text).await.unwrap().remove(0)
}

async fn dial(net: &Net, text: &str) -> Result<ByteLink, NetError> {
    match connect(net, &endpoint(text)).await? {
        Link::Bytes(link) => Ok(link),
        other => panic!("no byte link: {other:?}"),
    }
}

/// Both ends of one connection.
async fn pair(listener: &StreamListener) -> (ByteLink, ByteLink) {
    // The kernel completes a connection before anybody accepts it.
    let link = dial(&net(), &listener.local().to_string()).await.unwrap();
    (link, listener.accept().await.unwrap())
}

fn address(listener: &StreamListener) -> SocketAddr {
    listener.local().socket_addr().unwrap()
}

fn flag(link: &ByteLink, key: OptionKey) -> Option<Value> {
    key.read(std::os::fd::AsFd::as_fd(link)).unwrap()
}

#[tokio::test]
async fn a_star_is_one_socket_for_both_families() {
    let open = open(&net(), "tcp://*:0").await.unwrap();
    assert_eq!(open.len(), 1);
    let port = address(&open[0]).port();
    let link = dial(&net(), &format!("tcp://127.0.0.1:{port}"))
        .await
        .unwrap();
    let accepted = open[0].accept().await.unwrap();
    assert_eq!(*accepted.peer_name(), link.local(), "IPv4 is shown as IPv4");
    dial(&net(), &format!("tcp://[::1]:{port}")).await.unwrap();
}

#[tokio::test]
async fn families_are_kept_to() {
    let only = |families| Net { families, ..net() };
    for (families, expected) in [(Families::V4, "127.0.0.1"), (Families::V6, "::1")] {
        let open = open(&only(families), "tcp://:0").await.unwrap();
        let ips: Vec<IpAddr> = open.iter().map(|listener| address(listener).ip()).collect();
        assert_eq!(ips, [expected.parse::<IpAddr>().unwrap()]);
    }
    let v4 = open(&only(Families::V4), "tcp://*:0").await.unwrap();
    assert_eq!(address(&v4[0]).ip(), IpAddr::from(Ipv4Addr::UNSPECIFIED));
    let error = dial(&only(Families::V6), "tcp://127.0.0.1:1")
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "tcp://127.0.0.1:1 has no IPv6 address");
}

#[tokio::test]
async fn an_address_in_use_names_its_holder() {
    let first = open_one("tcp://127.0.0.1:0").await;
    let error = open(&net(), &first.local().to_string()).await.unwrap_err();
    let shown = error.to_string();
    assert!(
        shown.contains("address already in use (EADDRINUSE, 98)"),
        "{shown}"
    );
    assert!(
        shown.contains("this very process") || shown.contains("held by"),
        "{shown}"
    );
    assert_eq!(error.blame(), Blame::Caller);
    let error = open(&net(), "tcp://192.0.2.1:0").await.unwrap_err();
    assert_eq!(error.errno().map(Errno::name), Some("EADDRNOTAVAIL"));
}

#[tokio::test]
async fn a_port_that_is_taken_on_one_loopback_is_not_chosen() {
    // The kernel gives ports at random: with this many taken on ::1 some pair has to be retried.
    let mut taken = vec![];
    for _ in 0..200 {
        taken.push(std::net::TcpListener::bind("[::1]:0").unwrap());
    }
    for _ in 0..50 {
        let open = open(&net(), "tcp://:0").await.unwrap();
        assert_eq!(open.len(), 2);
        assert_eq!(address(&open[0]).port(), address(&open[1]).port());
    }
}

/// Without IPv6 there is no ::1, and that is nobody's fault.
#[test]
fn a_machine_without_ipv6_listens_on_ipv4() {
    private_network(|| {
        std::fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1").unwrap();
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap().block_on(async {
            let both = open(&net(), "tcp://:0").await.unwrap();
            let ips: Vec<IpAddr> = both.iter().map(|listener| address(listener).ip()).collect();
            assert_eq!(ips, [IpAddr::from(Ipv4Addr::LOCALHOST)]);
            let error = open(&net(), "tcp://[::1]:0").await.unwrap_err();
            assert_eq!(error.errno().map(Errno::name), Some("EADDRNOTAVAIL"));
            let any = open(&net(), "tcp://*:0").await.unwrap();
            let text = format!("tcp://127.0.0.1:{}", address(&any[0]).port());
            dial(&net(), &text).await.unwrap();
        });
    });
}

/// Row M28: N + 1 connections wait for accept; what exceeds them is neither accepted nor refused.
#[tokio::test]
async fn the_backlog_is_no_limit_on_clients() {
    let listener = open_one("tcp://127.0.0.1:0?backlog=1").await;
    let text = listener.local().to_string();
    let mut waiting = vec![];
    for _ in 0..2 {
        waiting.push(dial(&net(), &text).await.unwrap());
    }
    let error = dial(&net(), &format!("{text}?connect-timeout=100ms"))
        .await
        .unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("no answer from {text}?connect-timeout=100ms within 100ms")
    );
    for _ in 0..2 {
        drop(listener.accept().await.unwrap());
    }
    // Unless it says so a listener takes what the kernel permits.
    let plain = open_one("tcp://127.0.0.1:0").await;
    let backlog = OptionKey::Backlog
        .read(std::os::fd::AsFd::as_fd(&plain))
        .unwrap();
    assert!(
        matches!(backlog, Some(Value::Number(128..=4096))),
        "{backlog:?}"
    );
}

/// A Unix socket has no retries: whoever finds the queue full waits in our process.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_unix_queue_is_waited_for() {
    let listener = open_one("unix:@?backlog=0").await;
    let text = listener.local().to_string();
    let first = dial(&net(), &text).await.unwrap();
    let error = dial(&net(), &format!("{text}?connect-timeout=50ms"))
        .await
        .unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    let waiting = tokio::spawn({
        let text = text.clone();
        async move {
            dial(&net(), &text).await.map(|mut link| async move {
                link.write_all(b"at last").await.unwrap();
            })
        }
    });
    drop(listener.accept().await.unwrap());
    waiting.await.unwrap().unwrap().await;
    let mut heard = String::new();
    listener
        .accept()
        .await
        .unwrap()
        .read_to_string(&mut heard)
        .await
        .unwrap();
    assert_eq!(heard, "at last");
    drop(first);
}

#[tokio::test]
async fn a_refusal_says_who_refused() {
    let listener = open_one("tcp://127.0.0.1:0").await;
    let gone = address(&listener);
    drop(listener);
    let error = dial(&net(), &format!("tcp://{gone}")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot connect to tcp://{gone}: connection refused (ECONNREFUSED, 111)")
    );
    let v6 = IpAddr::from(Ipv6Addr::LOCALHOST);
    let table = StaticResolver::new().with("here", [v6, gone.ip()]);
    let net = Net {
        resolver: Arc::new(table),
        ..net()
    };
    let error = dial(&net, &format!("tcp://here:{}", gone.port()))
        .await
        .unwrap_err();
    let NetError::Unreached { attempts, .. } = &error else {
        panic!("{error:?}")
    };
    let tried: Vec<SocketAddr> = attempts.iter().map(|attempt| attempt.address).collect();
    assert_eq!(tried, [SocketAddr::new(v6, gone.port()), gone]);
    let error = dial(&net, "unix:/no/such/socket").await.unwrap_err();
    assert_eq!(error.hint(), Some("there is no such socket file"));
    let error = dial(&net, "tcp://*:7").await.unwrap_err();
    assert!(matches!(error, NetError::Unfit { .. }), "{error:?}");
}

/// A socket that dials its own port is connected to itself: the kernel permits that.
#[tokio::test]
async fn talking_to_oneself_is_a_refusal() {
    let free = sockeye_testkit::free_tcp_port();
    let text = format!("tcp://127.0.0.1:{free}?bind=127.0.0.1:{free}");
    let error = dial(&net(), &text).await.unwrap_err();
    assert_eq!(error.errno().map(Errno::name), Some("ECONNREFUSED"));
}

#[tokio::test]
async fn a_dialler_may_choose_its_own_end() {
    let open = open(&net(), "tcp://:0").await.unwrap();
    let port = address(&open[0]).port();
    let own = sockeye_testkit::free_tcp_port();
    let link = dial(&net(), &format!("tcp://127.0.0.1:{port}?bind=:{own}"))
        .await
        .unwrap();
    assert_eq!(
        link.local().socket_addr().map(|address| address.port()),
        Some(own)
    );
    // A new connection from the same port, although the old one is in TIME_WAIT.
    drop(link);
    drop(open[0].accept().await.unwrap());
    let text = format!("tcp://127.0.0.1:{port}?bind=127.0.0.2");
    let link = dial(&net(), &text).await.unwrap();
    assert_eq!(
        link.local().socket_addr().unwrap().ip().to_string(),
        "127.0.0.2"
    );
    // An address of one family keeps to that family.
    let table = StaticResolver::new().with(
        "both",
        [Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()],
    );
    let net = Net {
        resolver: Arc::new(table),
        ..net()
    };
    let link = dial(&net, &format!("tcp://both:{port}?bind=127.0.0.1"))
        .await
        .unwrap();
    assert!(link.peer_name().socket_addr().unwrap().is_ipv4());
    let error = dial(&net, &format!("tcp://[::1]:{port}?bind=127.0.0.1"))
        .await
        .unwrap_err();
    assert!(matches!(error, NetError::Unfit { .. }), "{error:?}");
}

#[tokio::test]
async fn unix_diallers_may_have_a_name() {
    let listener = open_one("unix:@").await;
    let own = format!("@sockeye-test-{}", std::process::id());
    let link = dial(&net(), &format!("{}?bind={own}", listener.local()))
        .await
        .unwrap();
    assert_eq!(link.local().to_string(), format!("unix:{own}"));
    let accepted = listener.accept().await.unwrap();
    assert_eq!(accepted.peer_name().to_string(), format!("unix:{own}"));
    let peer = accepted.peer();
    assert_eq!(peer.pid, Some(std::process::id()));
    assert_eq!(peer.uid, Some(rustix::process::geteuid().as_raw()));
}

#[tokio::test]
async fn options_are_set_on_both_ends() {
    let on = Some(Value::Flag(true));
    let listener = open_one("tcp://127.0.0.1:0?quickack=0&keepalive").await;
    let plain = dial(&net(), &listener.local().to_string()).await.unwrap();
    let accepted = listener.accept().await.unwrap();
    assert_eq!(
        flag(&accepted, OptionKey::NoDelay),
        on,
        "on by default, and handed down"
    );
    assert_eq!(flag(&accepted, OptionKey::KeepAlive), on);
    assert_eq!(
        flag(&accepted, OptionKey::QuickAck),
        Some(Value::Flag(false)),
        "set on accept"
    );
    assert_eq!(flag(&plain, OptionKey::NoDelay), on);
    // Multipath TCP knows fewer options than TCP.
    let link = dial(&net(), &format!("{}?mptcp", listener.local()))
        .await
        .unwrap();
    assert_eq!(flag(&link, OptionKey::Mptcp), on);
    let text = format!("{}?nodelay=0&user-timeout=3s", listener.local());
    let link = dial(&net(), &text).await.unwrap();
    assert_eq!(flag(&link, OptionKey::NoDelay), Some(Value::Flag(false)));
    let timeout = Some(Value::Duration(Duration::from_secs(3)));
    assert_eq!(flag(&link, OptionKey::UserTimeout), timeout);
}

/// Data in the SYN, where the kernel permits it (`net.ipv4.tcp_fastopen`); no difference elsewhere.
#[tokio::test]
async fn fast_open_and_long_waits_work() {
    let listener = open_one("tcp://127.0.0.1:0?fastopen").await;
    let text = format!("{}?fastopen&connect-timeout=5000000h", listener.local());
    for _ in 0..2 {
        let mut link = dial(&net(), &text).await.unwrap();
        link.write_all(b"early").await.unwrap();
        let mut heard = [0; 5];
        listener
            .accept()
            .await
            .unwrap()
            .read_exact(&mut heard)
            .await
            .unwrap();
        assert_eq!(&heard, b"early");
        assert_eq!(link.peer_name(), listener.local());
    }
}

#[tokio::test]
async fn an_address_that_a_name_has_twice_is_used_once() {
    let ip = IpAddr::from(Ipv4Addr::LOCALHOST);
    let net = Net {
        resolver: Arc::new(StaticResolver::new().with("twice", [ip, ip])),
        ..net()
    };
    assert_eq!(open(&net, "tcp://twice:0").await.unwrap().len(), 1);
    let free = sockeye_testkit::free_tcp_port();
    let error = dial(&net, &format!("tcp://twice:{free}"))
        .await
        .unwrap_err();
    assert!(matches!(&error, NetError::Unreached { attempts, .. } if attempts.len() == 1));
}

#[tokio::test]
async fn a_dialler_whose_port_is_taken_hears_by_whom() {
    let taken = open_one("tcp://127.0.0.1:0").await;
    let port = address(&taken).port();
    let error = dial(&net(), &format!("tcp://127.0.0.2:7?bind=127.0.0.1:{port}"))
        .await
        .unwrap_err();
    let shown = error.to_string();
    assert!(
        shown.starts_with("cannot bind the socket of tcp://127.0.0.2:7?bind="),
        "{shown}"
    );
    assert!(shown.contains("(EADDRINUSE, 98), "), "{shown}");
}

#[tokio::test]
async fn an_option_for_the_other_side_is_refused() {
    let error = open(&net(), "tcp://127.0.0.1:0?connect-timeout=1s")
        .await
        .unwrap_err();
    assert!(matches!(error, NetError::Option { .. }), "{error:?}");
    let error = dial(&net(), "tcp://127.0.0.1:1?backlog=1")
        .await
        .unwrap_err();
    assert!(matches!(error, NetError::Option { .. }), "{error:?}");
}

/// Row M5: a server that closed its connections first has them in TIME_WAIT, and starts again. Not
/// in everybody's network: another program's connection could get the port in between.
#[test]
fn a_listener_comes_back_at_once() {
    private_network(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = open_one("tcp://127.0.0.1:0").await;
            let text = listener.local().to_string();
            for _ in 0..100 {
                let (mut link, accepted) = pair(&listener).await;
                drop(accepted);
                assert_eq!(link.read(&mut [0; 1]).await.unwrap(), 0);
            }
            drop(listener);
            open(&net(), &text).await.unwrap();
        });
    });
}

#[tokio::test]
async fn accepting_goes_on_when_a_waiting_peer_resets() {
    let listener = open_one("tcp://127.0.0.1:0").await;
    let text = listener.local().to_string();
    dial(&net(), &text).await.unwrap().abort();
    let mut first = listener.accept().await.unwrap();
    assert_eq!(
        first.read(&mut [0; 1]).await.unwrap_err().raw_os_error(),
        Some(104)
    );
    // Shutting down what is gone already is no failure.
    first.shutdown().await.unwrap();
    pair(&listener).await;
}

/// What splicing needs: the caller's own calls on the socket, with readiness and counts kept.
#[tokio::test]
async fn halves_lend_their_sockets() {
    let listener = open_one("tcp://127.0.0.1:0").await;
    let (link, mut peer) = pair(&listener).await;
    let (mut read, mut write) = link.into_split();
    let sent = poll_fn(|cx| {
        write
            .poll_write_with(cx, 5, |fd| Ok(rustix::io::write(fd, b"hello")?))
            .expect("it is a socket")
    });
    assert_eq!(sent.await.unwrap(), 5);
    assert_eq!(write.written_bytes(), 5);
    let mut heard = [0; 8];
    assert_eq!(peer.read(&mut heard).await.unwrap(), 5);

    let waits = poll_fn(|cx| {
        let polled = read.poll_read_with(cx, 8, |fd| Ok(rustix::io::read(fd, &mut heard)?));
        Poll::Ready(polled.expect("it is a socket").is_pending())
    });
    assert!(waits.await, "nothing has come");
    drop(peer);
    let end = poll_fn(|cx| {
        read.poll_read_with(cx, 8, |fd| Ok(rustix::io::read(fd, &mut [0; 8])?))
            .unwrap()
    });
    assert_eq!(end.await.unwrap(), 0);
}
