//! Byte links over real sockets: listen, accept, connect, half-close, reset.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use sockeye_net::{
    ByteLink, Endpoint, Link, Listener, Name, Net, NetError, StaticResolver, StreamListener,
    connect, listen,
};
use sockeye_trace::{Kind, Recorder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn net() -> Net {
    Net::new(Recorder::new())
}

fn endpoint(text: &str) -> Endpoint {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

async fn listeners(net: &Net, text: &str) -> Vec<StreamListener> {
    let listeners = listen(net, &endpoint(text)).await.expect(text);
    let streams = listeners.into_iter().map(|listener| match listener {
        Listener::Stream(listener) => listener,
        other => panic!("no stream listener: {other:?}"),
    });
    streams.collect()
}

async fn dial(net: &Net, to: &Name) -> ByteLink {
    dialled(
        connect(net, &endpoint(&to.to_string()))
            .await
            .expect("connect"),
    )
}

fn dialled(link: Link) -> ByteLink {
    match link {
        Link::Bytes(link) => link,
        other => panic!("no byte link: {other:?}"),
    }
}

/// Both ends of one connection.
async fn pair(net: &Net, text: &str) -> (ByteLink, ByteLink) {
    let mut listeners = listeners(net, text).await;
    let listener = listeners.remove(0);
    // The kernel completes a connection before anybody accepts it.
    let ours = dial(net, listener.local()).await;
    (ours, listener.accept().await.expect("accept"))
}

async fn echo_and_half_close(text: &str) {
    let net = net();
    let (mut ours, mut theirs) = pair(&net, text).await;
    ours.write_all(b"hello").await.unwrap();
    ours.shutdown().await.unwrap();
    let mut heard = vec![];
    theirs.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"hello");
    theirs.write_all(b"goodbye").await.unwrap();
    drop(theirs);
    heard.clear();
    ours.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"goodbye");
    assert_eq!((ours.written_bytes(), ours.read_bytes()), (5, 7));
}

#[tokio::test]
async fn bytes_cross_and_half_close_works() {
    echo_and_half_close("tcp://127.0.0.1:0").await;
    echo_and_half_close("unix:@").await;
    let dir = tempfile::tempdir().unwrap();
    echo_and_half_close(&format!("unix:{}/socket", dir.path().display())).await;
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        0,
        "files were left behind"
    );
}

#[tokio::test]
async fn without_a_host_both_loopbacks_listen_on_one_port() {
    let net = net();
    let open = listeners(&net, "tcp://:0").await;
    let addresses: Vec<SocketAddr> = open
        .iter()
        .map(|listener| listener.local().socket_addr().unwrap())
        .collect();
    assert_eq!(addresses[0].ip(), IpAddr::from(Ipv4Addr::LOCALHOST));
    for address in &addresses {
        assert_eq!(address.port(), addresses[0].port());
        assert!(address.ip().is_loopback() && address.port() != 0);
    }
    let mut ours = dial(&net, &Name::tcp(addresses[0])).await;
    assert_eq!(ours.peer_name(), open[0].local());
    let mut theirs = open[0].accept().await.unwrap();
    assert_eq!(&ours.local(), theirs.peer_name());
    ours.abort();
    let error = theirs.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(104), "ECONNRESET");
    ours = dial(&net, open[0].local()).await;
    drop(ours);
    assert_eq!(
        open[0]
            .accept()
            .await
            .unwrap()
            .read(&mut [0; 8])
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn names_listen_and_dial_through_the_resolver() {
    let table = StaticResolver::new()
        .with(
            "both",
            [
                IpAddr::from(Ipv6Addr::LOCALHOST),
                IpAddr::from(Ipv4Addr::LOCALHOST),
            ],
        )
        .with("four", [IpAddr::from(Ipv4Addr::LOCALHOST)]);
    let net = Net {
        resolver: Arc::new(table),
        ..net()
    };
    let open = listeners(&net, "tcp://four:0").await;
    let port = open[0].local().socket_addr().unwrap().port();
    // ::1 is tried first and refuses, 127.0.0.1 takes the connection.
    let link = connect(&net, &endpoint(&format!("tcp://both:{port}")))
        .await
        .unwrap();
    assert_eq!(link.peer_name(), open[0].local());
    let error = connect(&net, &endpoint("tcp://unknown:1"))
        .await
        .unwrap_err();
    assert!(matches!(error, NetError::Resolve { .. }), "{error:?}");
}

#[tokio::test]
async fn reads_and_writes_reach_the_recorder() {
    let net = net();
    let mut observer = net.recorder.observe();
    let (mut ours, mut theirs) = pair(&net, "unix:@").await;
    ours.write_all(b"abc").await.unwrap();
    let mut heard = [0; 16];
    assert_eq!(theirs.read(&mut heard).await.unwrap(), 3);
    ours.write_all(b"de").await.unwrap();
    ours.shutdown().await.unwrap();
    assert_eq!(theirs.read(&mut heard).await.unwrap(), 2);
    assert_eq!(theirs.read(&mut heard).await.unwrap(), 0);
    let (ours, theirs) = (ours.conn(), theirs.conn());
    let mut seen = vec![];
    observer.drain_all(|event, payload| {
        seen.push((
            event.conn(),
            event.kind(),
            event.offset,
            event.result,
            payload.to_vec(),
        ));
    });
    seen.sort_by_key(|event| event.0);
    assert_eq!(
        seen,
        [
            (ours, Kind::Write, 0, 3, b"abc".to_vec()),
            (ours, Kind::Write, 3, 2, b"de".to_vec()),
            (ours, Kind::Shutdown, 5, 0, vec![]),
            (theirs, Kind::Read, 0, 3, b"abc".to_vec()),
            (theirs, Kind::Read, 3, 2, b"de".to_vec()),
            (theirs, Kind::Read, 5, 0, vec![]),
            (theirs, Kind::PeerClosed, 5, 0, vec![]),
        ]
    );
}
