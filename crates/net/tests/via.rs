//! Dialling through proxies: scripted ones for every reply, ncat as one that nobody here wrote.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use sockeye_frame::Blame;
use sockeye_net::{ByteLink, Endpoint, Link, Net, NetError, ProxyError, Secret, connect};
use sockeye_testkit::{Process, ScriptError, ScriptedPeer, free_tcp_port, tool};
use sockeye_trace::Recorder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

fn net() -> Net {
    Net::new(Recorder::new())
}

async fn dial(net: &Net, text: &str) -> Result<ByteLink, NetError> {
    let endpoint: Endpoint = text
        .parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    match connect(net, &endpoint).await? {
        Link::Bytes(link) => Ok(link),
        other => panic!("no byte link: {other:?}"),
    }
}

/// A proxy that follows a script for the one connection that it takes.
struct Proxy {
    address: SocketAddr,
    running: tokio::task::JoinHandle<Result<(), ScriptError>>,
}

impl Proxy {
    async fn start(script: ScriptedPeer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let running = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            script.start_over(stream).await
        });
        Self { address, running }
    }

    async fn finished(self) {
        self.running.await.unwrap().unwrap();
    }
}

/// Dials `target` through a proxy that follows the script; the error, with the proxy's part of it.
async fn refused(scheme: &str, net: &Net, script: ScriptedPeer) -> (ProxyError, String) {
    let proxy = Proxy::start(script).await;
    let text = format!("tcp://target:7?via={scheme}{}", proxy.address);
    let error = dial(net, &text).await.expect_err("the proxy refuses");
    let shown = error.to_string();
    let NetError::Proxy { source, .. } = error else {
        panic!("{error:?}")
    };
    proxy.finished().await;
    (source, shown)
}

const GREETING: &[u8] = b"\x05\x01\x00";
const ASK: &[u8] = b"\x05\x01\x00\x03\x06target\x00\x07";
const YES: &[u8] = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00";

#[tokio::test]
async fn socks_leaves_the_name_to_the_proxy_and_loses_no_byte() {
    let script = ScriptedPeer::new()
        .expects(GREETING)
        .sends(b"\x05")
        .sends(b"\x00")
        .expects(ASK)
        // The target speaks first, in the same segment as the reply.
        .sends([YES, b"220 welcome"].concat())
        .expects(b"hello")
        .expects_eof();
    let proxy = Proxy::start(script).await;
    let text = format!("tcp://target:7?via=socks5://{}", proxy.address);
    let mut link = dial(&net(), &text).await.unwrap();
    let mut banner = [0; 11];
    link.read_exact(&mut banner).await.unwrap();
    assert_eq!(&banner, b"220 welcome");
    link.write_all(b"hello").await.unwrap();
    link.shutdown().await.unwrap();
    proxy.finished().await;
    assert_eq!((link.read_bytes(), link.written_bytes()), (11, 5));
}

#[tokio::test]
async fn bytes_behind_the_reply_survive_a_split() {
    let script = ScriptedPeer::new()
        .expects(b"CONNECT target:7 HTTP/1.1\r\nHost: target:7\r\n\r\n")
        .sends(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nabc")
        .expects_eof();
    let proxy = Proxy::start(script).await;
    let text = format!("tcp://target:7?via=http://{}", proxy.address);
    let (mut read, write) = dial(&net(), &text).await.unwrap().into_split();
    assert!(
        std::future::poll_fn(|cx| std::task::Poll::Ready(read.poll_read_with(cx, 9, |_| Ok(0))))
            .await
            .is_none(),
        "what was read ahead is not in the socket"
    );
    let mut two = [0; 2];
    read.read_exact(&mut two).await.unwrap();
    let mut link = read.reunite(write).unwrap();
    link.read_exact(&mut two[..1]).await.unwrap();
    assert_eq!(&two, b"cb");
    drop(link);
    proxy.finished().await;
}

#[tokio::test]
async fn a_socks_refusal_says_what_its_code_means() {
    for (code, meaning, blame) in [
        (1, "general failure", Blame::Path),
        (2, "not allowed", Blame::Caller),
        (4, "host unreachable", Blame::Path),
        (5, "connection refused", Blame::Peer),
        (8, "address type", Blame::Path),
        (99, "RFC 1928 does not know", Blame::Path),
    ] {
        let script = ScriptedPeer::new()
            .expects(GREETING)
            .sends(b"\x05\x00")
            .expects(ASK)
            .sends([5, code, 0, 1, 0, 0, 0, 0, 0, 0])
            .expects_eof();
        let (error, shown) = refused("socks5://", &net(), script).await;
        assert!(error.to_string().contains(meaning), "{error}");
        assert!(error.to_string().contains(&code.to_string()), "{error}");
        assert_eq!(error.blame(), blame);
        assert!(
            shown.starts_with("cannot reach target:7 through socks5://127.0.0.1:"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn logins_come_from_the_endpoint_and_the_context() {
    let net = Net {
        proxy_password: Some(Secret::new("s3")),
        ..net()
    };
    let script = ScriptedPeer::new()
        .expects(b"\x05\x02\x00\x02")
        .sends(b"\x05\x02")
        .expects(b"\x01\x02me\x02s3")
        .sends(b"\x01\x00")
        .expects(ASK)
        .sends(YES)
        .expects_eof();
    let proxy = Proxy::start(script).await;
    drop(
        dial(
            &net,
            &format!("tcp://target:7?via=socks5://me@{}", proxy.address),
        )
        .await
        .unwrap(),
    );
    proxy.finished().await;

    let script = ScriptedPeer::new()
        .expects(b"\x05\x02\x00\x02")
        .sends(b"\x05\x02")
        .expects(b"\x01\x02me\x02s3")
        .sends(b"\x01\x07")
        .expects_eof();
    let (error, _) = refused("socks5://me@", &net, script).await;
    assert_eq!(error, ProxyError::LoginRefused { status: 7 });

    let script = ScriptedPeer::new()
        .expects(b"CONNECT target:7 HTTP/1.1\r\nHost: target:7\r\n")
        .expects(b"Proxy-Authorization: Basic bWU6czM=\r\n\r\n")
        .sends(b"HTTP/1.0 200 OK\r\n\r\n")
        .expects_eof();
    let proxy = Proxy::start(script).await;
    drop(
        dial(
            &net,
            &format!("tcp://target:7?via=http://me@{}", proxy.address),
        )
        .await
        .unwrap(),
    );
    proxy.finished().await;
    assert!(
        !format!("{net:?}").contains("s3"),
        "secrets are never printed"
    );
}

#[tokio::test]
async fn a_login_that_is_missing_is_asked_for() {
    let script = ScriptedPeer::new()
        .expects(GREETING)
        .sends(b"\x05\xff")
        .expects_eof();
    let (error, _) = refused("socks5://", &net(), script).await;
    assert_eq!(error, ProxyError::WantsLogin);
    let (error, _) = refused("http://me@", &net(), ScriptedPeer::new().expects_eof()).await;
    assert_eq!(error, ProxyError::NoPassword);
    assert_eq!(error.blame(), Blame::Caller);
    let script = ScriptedPeer::new()
        .expects(b"CONNECT target:7 HTTP/1.1\r\nHost: target:7\r\n\r\n")
        .sends(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    let (error, _) = refused("http://", &net(), script).await;
    assert_eq!(
        error.to_string(),
        "the proxy answers 407 Proxy Authentication Required"
    );
    let wrong = "tcp://target:7?via=http://me:secret@127.0.0.1:1".parse::<Endpoint>();
    let wrong = wrong.unwrap_err().to_string();
    assert!(wrong.contains("SOCKEYE_PROXY_PASSWORD"), "{wrong}");
}

#[tokio::test]
async fn replies_that_are_none_end_at_once_and_long_ones_are_bounded() {
    let script = ScriptedPeer::new()
        .expects(GREETING)
        .sends(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let (error, _) = refused("socks5://", &net(), script).await;
    assert!(
        matches!(
            error,
            ProxyError::Malformed {
                protocol: "SOCKS 5",
                ..
            }
        ),
        "{error}"
    );

    let script = ScriptedPeer::new().expects(GREETING).sends(b"\x05");
    let (error, _) = refused("socks5://", &net(), script).await;
    assert_eq!(error, ProxyError::Closed { after: 1 });

    let endless = [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &[b'x'; 16 * 1024]].concat();
    let script = ScriptedPeer::new()
        .expects(b"CONNECT target:7 HTTP/1.1\r\n")
        .sends(endless);
    let proxy = Proxy::start(script).await;
    let text = format!("tcp://target:7?via=http://{}", proxy.address);
    let NetError::Proxy { source, .. } = dial(&net(), &text).await.unwrap_err() else {
        panic!("the proxy never ends its reply")
    };
    assert_eq!(source, ProxyError::TooLong { limit: 16 * 1024 });
}

#[tokio::test]
async fn a_silent_proxy_counts_against_the_time_for_connecting() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let text = format!("tcp://target:7?connect-timeout=50ms&via=socks5://{address}");
    let error = dial(&net(), &text).await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
}

#[tokio::test]
async fn proxies_are_asked_one_after_the_other() {
    // The first proxy's end of the tunnel plays the second proxy as well.
    let second = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let second_port = second.local_addr().unwrap().port();
    let script = ScriptedPeer::new()
        .expects(GREETING)
        .sends(b"\x05\x00")
        .expects(
            [
                b"\x05\x01\x00\x01\x7f\x00\x00\x01".as_slice(),
                &second_port.to_be_bytes(),
            ]
            .concat(),
        )
        .sends(YES)
        .expects(b"CONNECT target:7 HTTP/1.1\r\nHost: target:7\r\n\r\n")
        .sends(b"HTTP/1.1 502 Bad Gateway\r\n\r\n");
    let proxy = Proxy::start(script).await;
    let text = format!(
        "tcp://target:7?via=socks5://{}&via=http://127.0.0.1:{second_port}",
        proxy.address
    );
    let error = dial(&net(), &text).await.unwrap_err();
    proxy.finished().await;
    assert_eq!(
        error.to_string(),
        format!("cannot reach target:7 through http://127.0.0.1:{second_port} (proxy 2 of 2)")
    );
    assert_eq!(error.blame(), Blame::Path);
}

#[tokio::test]
async fn targets_that_no_proxy_could_reach_are_refused_beforehand() {
    for target in ["tcp://:7", "tcp://target:0"] {
        let error = dial(&net(), &format!("{target}?via=socks5://127.0.0.1:1"))
            .await
            .unwrap_err();
        assert!(matches!(error, NetError::Unfit { .. }), "{error:?}");
    }
}

/// ncat's own HTTP proxy.
#[tokio::test(flavor = "multi_thread")]
async fn ncat_is_a_proxy_too() {
    let Some(ncat) = tool("ncat") else { return };
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target_port = target.local_addr().unwrap().port();
    let port = free_tcp_port();
    let mut command = Command::new(ncat);
    command.args(["-v", "-l", "--proxy-type", "http", "--proxy-auth", "me:s3"]);
    let proxy = Arc::new(Process::start(
        command.args(["127.0.0.1", &port.to_string()]),
    ));
    let waiting = Arc::clone(&proxy);
    tokio::task::spawn_blocking(move || waiting.wait_stderr("Listening"))
        .await
        .unwrap();

    let net = Net {
        proxy_password: Some(Secret::new("s3")),
        ..net()
    };
    let text = format!("tcp://127.0.0.1:{target_port}?via=http://me@127.0.0.1:{port}");
    // It says that it listens a moment before it does.
    let listens = async {
        loop {
            match dial(&net, &text).await {
                Err(NetError::Unreached { .. }) => tokio::task::yield_now().await,
                dialled => return dialled.unwrap(),
            }
        }
    };
    let mut link = timeout(Duration::from_secs(20), listens).await.unwrap();
    let (mut accepted, _) = target.accept().await.unwrap();
    accepted.write_all(b"through ncat").await.unwrap();
    let mut heard = [0; 12];
    link.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"through ncat");
}
