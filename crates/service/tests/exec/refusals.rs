//! What is not run.

use serde_json::json;
use sockeye_net::trust::Right;
use sockeye_service::exec::server::Policy;
use sockeye_service::{Access, Options};
use sockeye_trace::Kind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::client::{Client, place, place_with, service};
use crate::place::{Place, within};

#[tokio::test]
async fn a_refusal_says_why_and_the_connection_goes_on() {
    let policy = Policy {
        allow: vec![
            "echo …".parse().unwrap(),
            "/proc/no/program".parse().unwrap(),
        ],
        ..Policy::default()
    };
    let (_dir, mut place) = place(policy).await;
    let mut client = Client::of(&place).await;
    let refused = |argv: serde_json::Value| json!({"type": "exec", "argv": argv});
    let ran = client.run(refused(json!(["id"]))).await;
    assert_eq!(ran.end["code"], "not_allowed");
    let ran = client
        .run(json!({"type": "exec", "argv": ["echo"], "env": {"LD_PRELOAD": "x"}}))
        .await;
    assert_eq!(ran.end["code"], "not_allowed");
    let ran = client.run(refused(json!(["/proc/no/program"]))).await;
    assert_eq!(
        (&ran.end["code"], &ran.end["errno"]),
        (&json!("not_started"), &json!(2))
    );
    let message = ran.end["message"].as_str().unwrap();
    assert!(
        message.contains("/proc/no/program") && message.contains("ENOENT"),
        "{message}"
    );
    assert_eq!(
        client.run(refused(json!(["echo", "hi"]))).await.stdout(),
        "hi\n"
    );
    drop(client);
    let told = place.until(Kind::CommandRefused, 3).await;
    assert!(
        told[0].contains(r#""argv":["id"],"code":"not_allowed""#),
        "{}",
        told[0]
    );
    place.drain().await;
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_told_of() {
    let (_dir, place) = place(Policy::default()).await;
    let mut client = Client::of(&place).await;
    let ran = client
        .run(json!({"type": "exec", "argv": ["pwd"], "cwd": "/proc/no"}))
        .await;
    let message = ran.end["message"].as_str().unwrap();
    assert!(message.contains("cannot enter /proc/no"), "{message}");
    drop(client);
    place.drain().await;
}

#[tokio::test]
async fn a_second_command_is_busy_and_who_never_reads_is_put_out() {
    let (_dir, place) = place(Policy::default()).await;
    let mut client = Client::of(&place).await;
    let request = json!({"type": "exec", "argv": ["sleep", "9999"]});
    client.send(&request, b"").await;
    client.expect("started").await;
    client.send(&request, b"").await;
    assert_eq!(client.expect("error").await["code"], "busy");
    // What comes for a command that has ended is passed over.
    client
        .send(json!({"type": "signal", "name": "KILL"}), b"")
        .await;
    assert_eq!(client.expect("exit").await["signal"], "KILL");
    client
        .send(json!({"type": "signal", "name": "KILL", "size": 3}), b"")
        .await;
    client.writer.get_ref();
    drop(client);

    // Answers wait for a client only so long.
    let mut client = Client::of(&place).await;
    client
        .send(json!({"type": "exec", "argv": ["yes"]}), b"")
        .await;
    within(async {
        loop {
            client.writer.feed(&request, b"");
            if client.writer.flush().await.is_err() {
                break;
            }
        }
    })
    .await;
    place.drain().await;
}

#[tokio::test]
async fn what_is_no_request_is_answered_and_ends_the_connection() {
    async fn check(place: &Place, bytes: &[u8], expected: &str) {
        let mut stream = UnixStream::connect(place.path(0)).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = vec![];
        within(stream.read_to_end(&mut answer)).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[4..]).into_owned();
        assert!(
            answer.contains("\"bad_request\"") && answer.contains(expected),
            "{answer}"
        );
    }
    let (_dir, place) = place(Policy::default()).await;
    check(&place, &[0, 0, 0, 0x80], "2147483648 bytes").await;
    check(&place, b"\x08\0\0\0nonsense", "byte 4").await;
    let frame = |header: &str| [&(header.len() as u32).to_le_bytes(), header.as_bytes()].concat();
    check(&place, &frame(r#"{"type":"dance"}"#), "dance").await;
    check(&place, &frame("{}"), "type").await;
    check(&place, &frame(r#"{"type":"exec","argv":[]}"#), "no program").await;
    check(&place, &frame(r#"{"type":"exec","argv":[1]}"#), "base64").await;
    check(
        &place,
        &frame(r#"{"type":"exec","argv":["x"],"size":-1}"#),
        "size",
    )
    .await;
    place.drain().await;
}

#[tokio::test]
async fn a_browser_is_closed_and_told_of() {
    let (_dir, mut place) = place(Policy::default()).await;
    let mut stream = UnixStream::connect(place.path(0)).await.unwrap();
    stream
        .write_all(b"POST /run HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = vec![];
    within(stream.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer, b"", "a page could read it");
    drop(stream);
    let closed = place.until(Kind::Closed, 1).await;
    assert!(
        closed[0].contains("HTTP request") && closed[0].contains("POST /run"),
        "{}",
        closed[0]
    );
    place.drain().await;
}

#[tokio::test]
async fn nobody_is_let_in_over_plain_tcp() {
    let server = service(Access::new(Right::Exec), Policy::default());
    let mut place = Place::tcp(server, Options::default()).await;
    for _ in 0..20 {
        let mut stream = place.connect().await;
        let header = br#"{"type":"exec","argv":["touch","/proc/no/x"]}"#;
        stream
            .write_all(&(header.len() as u32).to_le_bytes())
            .await
            .unwrap();
        stream.write_all(header).await.unwrap();
        let mut answer = vec![];
        within(stream.read_to_end(&mut answer)).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[4..]).into_owned();
        assert!(answer.contains("\"denied\""), "{answer}");
    }
    assert_eq!(place.until(Kind::Denied, 20).await.len(), 20);
    assert!(!place.has_seen(Kind::CommandStarted));
    place.drain().await;

    let open = Access::new(Right::Exec).with_anyone_on_loopback();
    let place = Place::tcp(service(open, Policy::default()), Options::default()).await;
    let mut stream = place.connect().await;
    let header = br#"{"type":"exec","argv":["echo","hi"]}"#;
    stream
        .write_all(&(header.len() as u32).to_le_bytes())
        .await
        .unwrap();
    stream.write_all(header).await.unwrap();
    let mut answer = [0; 200];
    let mut got = 0;
    while !String::from_utf8_lossy(&answer[..got]).contains("\"exit\"") {
        got += within(stream.read(&mut answer[got..])).await.unwrap();
    }
    drop(stream);
    place.drain().await;
}

#[tokio::test]
async fn who_is_idle_or_does_not_complete_a_frame_is_closed() {
    let options = Options {
        idle_timeout: Some(std::time::Duration::from_millis(50)),
        // Being looked at now and then is no use.
        frame_timeout: std::time::Duration::from_millis(10),
        ..Options::default()
    };
    let (_dir, mut idle) = place_with(Policy::default(), options).await;
    let mut client = Client::of(&idle).await;
    assert!(client.next().await.is_none());
    drop(client);
    assert!(idle.until(Kind::Closed, 1).await[0].contains("idle for 50ms"));
    idle.drain().await;

    let options = Options {
        frame_timeout: std::time::Duration::from_millis(50),
        ..Options::default()
    };
    let (_dir, slow) = place_with(Policy::default(), options).await;
    let mut stream = UnixStream::connect(slow.path(0)).await.unwrap();
    stream.write_all(&[9, 0]).await.unwrap();
    let mut answer = vec![];
    within(stream.read_to_end(&mut answer)).await.unwrap();
    assert!(String::from_utf8_lossy(&answer).contains("not complete within 50ms"));
    slow.drain().await;
}
