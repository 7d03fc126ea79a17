//! Connections that begin with a handshake.

use std::sync::Arc;
use std::time::Duration;

use sockeye_frame::Framing;
use sockeye_net::trust::{FirstUse, Trust};
use sockeye_net::{ByteLink, Endpoint, Link, Net, connect};
use sockeye_service::reply::{Echo, Upper};
use sockeye_service::{Options, Relay};
use sockeye_trace::{Kind, Recorder};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use crate::place::{Place, within};

const ANYWHERE: &[&str] = &["tls://127.0.0.1:0"];

/// Somebody who trusts whom he meets first.
fn person() -> (Net, TempDir) {
    let home = tempfile::tempdir().unwrap();
    let mut net = Net::new(Recorder::new());
    net.trust = Arc::new(Trust::at(home.path()).with_first_use(FirstUse::Pin));
    (net, home)
}

async fn dial(net: &Net, place: &Place) -> ByteLink {
    let to: Endpoint = place.locals[0].parse().unwrap();
    match within(connect(net, &to)).await.unwrap() {
        Link::Bytes(link) => link,
        other => panic!("{other:?}"),
    }
}

/// Sends, ends our direction, reads the peer's to its end.
async fn exchange(mut link: ByteLink, question: &[u8]) -> Vec<u8> {
    link.write_all(question).await.unwrap();
    link.shutdown().await.unwrap();
    let mut answer = vec![];
    within(link.read_to_end(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn what_is_answered_ends_with_a_farewell_on_both_sides() {
    let (net, _home) = person();
    let mut place =
        Place::within(net.clone(), ANYWHERE, Upper::default(), Options::default()).await;
    assert_eq!(
        exchange(dial(&net, &place).await, b"question").await,
        b"QUESTION"
    );
    assert_eq!(place.until(Kind::Closed, 1).await, [""]);
    let summary = place.drain().await;
    assert_eq!((summary.accepted, summary.read_bytes), (1, 8));
}

#[tokio::test]
async fn a_relay_goes_on_over_tls_from_and_to() {
    let (net, _home) = person();
    let upper = Place::within(net.clone(), ANYWHERE, Upper::default(), Options::default()).await;
    let to: Endpoint = upper.locals[0].parse().unwrap();
    let between = Net {
        recorder: Recorder::new(),
        ..net.clone()
    };
    let relay = Relay::new(between.clone(), to, Framing::raw());
    let place = Place::within(between, ANYWHERE, relay, Options::default()).await;
    assert_eq!(exchange(dial(&net, &place).await, b"far").await, b"FAR");
}

/// Who sends without reading makes the server keep output in TLS, and has all of it in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_over_tls_gets_everything() {
    const SIZE: usize = 16 << 20;
    let (net, _home) = person();
    let place = Place::within(net.clone(), ANYWHERE, Echo, Options::default()).await;
    let (mut read, mut write) = dial(&net, &place).await.into_split();
    let sends = tokio::spawn(async move {
        let question: Vec<u8> = (0..SIZE).map(|at| (at / 7) as u8).collect();
        write.write_all(&question).await.unwrap();
        write.flush().await.unwrap();
        write.shutdown().await.unwrap();
        question
    });
    let mut answer = vec![];
    // Nothing is read before everything is on its way that finds room.
    let mut first = [0; 1];
    within(read.read_exact(&mut first)).await.unwrap();
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    answer.extend(first);
    within(read.read_to_end(&mut answer)).await.unwrap();
    assert!(answer == sends.await.unwrap());
}

/// An answer that did not fit is flushed although the peer says nothing more.
#[tokio::test]
async fn an_answer_does_not_wait_for_the_next_question() {
    const SIZE: usize = 8 << 20;
    let (net, _home) = person();
    let options = Options {
        framing: "u32be,max=16MiB".parse().unwrap(),
        ..Options::default()
    };
    let place = Place::within(net.clone(), ANYWHERE, Echo, options).await;
    let mut link = dial(&net, &place).await;
    let mut question = (SIZE as u32).to_be_bytes().to_vec();
    question.resize(4 + SIZE, b'x');
    link.write_all(&question).await.unwrap();
    link.flush().await.unwrap();
    let mut answer = vec![0; question.len()];
    within(link.read_exact(&mut answer)).await.unwrap();
    assert!(answer == question);
}

#[tokio::test]
async fn silent_handshakers_take_their_places_and_nobody_elses_time() {
    let (net, _home) = person();
    let options = Options {
        max_connections: 3,
        ..Options::default()
    };
    let mut place = Place::within(net.clone(), ANYWHERE, Upper::default(), options).await;
    let silent = [place.connect().await, place.connect().await];
    place.until(Kind::Accepted, 2).await;
    let link = dial(&net, &place).await;
    // The fourth finds no place, and learns it at once.
    let mut fourth = place.connect().await;
    assert_eq!(within(fourth.read(&mut [0; 8])).await.unwrap_or(0), 0);
    assert!(place.until(Kind::Refused, 1).await[0].contains("3 connections are the limit"));
    assert_eq!(exchange(link, b"served").await, b"SERVED");
    // One of them speaks, and not TLS.
    let [mut rude, _silent] = silent;
    rude.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let told = place.until(Kind::Closed, 2).await;
    assert!(
        told[1].starts_with("the peer does not speak TLS: got 47 45 54 20 "),
        "{told:?}"
    );
    // A server that ends does not wait for the last one.
    within(place.drain()).await;
}

/// Whoever only knocks is not the one peer that is served.
#[tokio::test]
async fn the_one_peer_is_the_first_that_completes_its_handshake() {
    let (net, _home) = person();
    let options = Options {
        once: true,
        ..Options::default()
    };
    let mut place = Place::within(net.clone(), ANYWHERE, Upper::default(), options).await;
    drop(place.connect().await);
    let told = place.until(Kind::Closed, 1).await;
    assert!(told[0].contains("during the handshake"), "{told:?}");
    assert_eq!(exchange(dial(&net, &place).await, b"me").await, b"ME");
    assert_eq!(place.ended().await.read_bytes, 2);
}

#[tokio::test]
async fn an_end_without_a_farewell_counts_between_messages_only() {
    let (net, _home) = person();
    let options = Options {
        framing: Framing::line(),
        ..Options::default()
    };
    let mut place = Place::within(net.clone(), ANYWHERE, Upper::default(), options).await;
    for (sent, answer) in [(&b"whole\n"[..], &b"WHOLE\n"[..]), (b"one\ntw", b"ONE\n")] {
        let mut link = dial(&net, &place).await;
        link.write_all(sent).await.unwrap();
        link.flush().await.unwrap();
        let mut heard = vec![0; answer.len()];
        within(link.read_exact(&mut heard)).await.unwrap();
        assert_eq!(heard, answer);
        // Dropped, and no word about the end.
    }
    let told = place.until(Kind::Closed, 2).await;
    let cut = "the peer ended without TLS's close_notify: what it sent may have been cut off";
    assert!(told.contains(&String::new()), "{told:?}");
    assert!(told.contains(&cut.to_owned()), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_over_tls() {
    const COUNT: usize = 1000;
    let (net, _home) = person();
    let place = Place::within(net.clone(), ANYWHERE, Upper::default(), Options::default()).await;
    // The key is pinned once, before everybody comes.
    drop(dial(&net, &place).await);
    let mut dialling = JoinSet::new();
    for number in 0..COUNT {
        let (net, to) = (net.clone(), place.locals[0].clone());
        dialling.spawn(async move {
            let Link::Bytes(mut link) = connect(&net, &to.parse().unwrap()).await.unwrap() else {
                panic!("no byte link")
            };
            link.write_all(format!("peer {number:04}").as_bytes())
                .await
                .unwrap();
            let mut answer = [0; 9];
            link.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer, format!("PEER {number:04}").as_bytes());
            link
        });
    }
    let minute = Duration::from_mins(1);
    let links = tokio::time::timeout(minute, dialling.join_all())
        .await
        .unwrap();
    assert!(place.control.open() >= COUNT);
    drop(links);
}
