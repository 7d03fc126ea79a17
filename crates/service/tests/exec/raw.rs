//! Commands as the tutorials have them.

use std::net::SocketAddr;

use sockeye_service::Options;
use sockeye_service::exec::server::{Policy, RAW_ANSWER, RAW_DATAGRAM, RawExec};
use sockeye_trace::Recorder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use crate::place::{Place, within};

fn service() -> RawExec {
    let policy = Policy {
        shell: true,
        ..Policy::default()
    };
    RawExec::new(policy, Recorder::new())
}

async fn ask(stream: &mut TcpStream, request: &str, expected: &str) {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; expected.len()];
    within(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), expected);
}

#[tokio::test]
async fn each_request_has_one_answer_also_where_nothing_is_printed() {
    let place = Place::tcp(service(), Options::default()).await;
    let mut stream = place.connect().await;
    ask(&mut stream, "echo out; echo err >&2", "err\nout\n").await;
    ask(&mut stream, "true", "[exit 0]\n").await;
    ask(&mut stream, "exit 3", "[exit 3]\n").await;
    ask(&mut stream, "kill -9 $$", "[signal KILL]\n").await;
    ask(&mut stream, "cat", "[exit 0]\n").await;
    // More than both pipes hold, errors last: whoever drains one at a time stands still.
    let script = "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero | tr '\\0' e >&2";
    ask(
        &mut stream,
        script,
        &("e".repeat(3_000_000) + &"\0".repeat(3_000_000)),
    )
    .await;
    // What is asked for before the end is still answered.
    stream.write_all(b"echo last").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = String::new();
    within(stream.read_to_string(&mut rest)).await.unwrap();
    assert_eq!(rest, "last\n");
    drop(stream);
    place.drain().await;
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let place = Place::tcp(service(), Options::default()).await;
    for request in ["echo a\necho b", "echo a\r\n"] {
        let mut stream = place.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await.unwrap();
        assert_eq!(answer, "[refused: a request is one line without its end]\n");
    }
    let mut stream = place.connect().await;
    stream.write_all(b"POST / HTTP/1.1").await.unwrap();
    let mut answer = vec![];
    let _ = within(stream.read_to_end(&mut answer)).await;
    assert_eq!(answer, b"");
    place.drain().await;

    let closed = RawExec::new(Policy::default(), Recorder::new());
    let place = Place::tcp(closed, Options::default()).await;
    let mut stream = place.connect().await;
    let expected = "[refused: this server runs no command lines of a shell]\n";
    ask(&mut stream, "id", expected).await;
    drop(stream);
    place.drain().await;
}

#[tokio::test]
async fn a_long_answer_is_cut_and_says_so() {
    let place = Place::tcp(service(), Options::default()).await;
    let mut stream = place.connect().await;
    stream
        .write_all(b"head -c 20000000 /dev/zero")
        .await
        .unwrap();
    let mut answer = vec![0; RAW_ANSWER];
    within(stream.read_exact(&mut answer)).await.unwrap();
    let end = format!("\0\n[cut: 20000000 bytes do not fit, {RAW_ANSWER} do]\n");
    assert!(answer.ends_with(end.as_bytes()));
    drop(stream);
    place.drain().await;
}

#[tokio::test]
async fn a_datagram_has_one_datagram_as_its_answer() {
    let place = Place::udp(service(), Options::default());
    let to: SocketAddr = place.address();
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    peer.connect(to).await.unwrap();
    let mut buffer = vec![0; 1 << 16];
    for (request, expected) in [
        ("echo out; echo err >&2", "err\nout\n".to_owned()),
        ("true", "[exit 0]\n".to_owned()),
        ("head -c 60000 /dev/zero | tr '\\0' x", "x".repeat(60_000)),
        (
            "echo a\necho b",
            "[refused: a request is one line without its end]\n".to_owned(),
        ),
    ] {
        peer.send(request.as_bytes()).await.unwrap();
        let got = within(peer.recv(&mut buffer)).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&buffer[..got]), expected);
    }
    peer.send(b"head -c 70000 /dev/zero").await.unwrap();
    let got = within(peer.recv(&mut buffer)).await.unwrap();
    assert_eq!(got, RAW_DATAGRAM);
    let end = format!("\0\n[cut: 70000 bytes do not fit, {RAW_DATAGRAM} do]\n");
    assert!(buffer[..got].ends_with(end.as_bytes()));
    place.drain().await;
}
