//! Over sequenced packets.

use sockeye_net::{Endpoint, Link, Net, connect};
use sockeye_service::reply::{Daytime, Echo};
use sockeye_service::{Options, Service};
use sockeye_trace::Recorder;

use crate::place::{Place, within};

async fn place(service: impl Into<Service>) -> (tempfile::TempDir, Place) {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = format!("unix-seqpacket:{}", dir.path().join("socket").display());
    let place = Place::at(&[&endpoint], service, Options::default()).await;
    (dir, place)
}

async fn client(place: &Place) -> sockeye_net::MessageLink {
    let endpoint: Endpoint = place.locals[0].parse().unwrap();
    match connect(&Net::new(Recorder::new()), &endpoint)
        .await
        .unwrap()
    {
        Link::Messages(link) => link,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn packets_are_messages_the_empty_one_too() {
    let (_dir, place) = place(Echo).await;
    let mut peer = client(&place).await;
    let messages = [&b"one"[..], b"", b"two", &[b'x'; 16_000]];
    for message in messages {
        peer.send(message).await.unwrap();
    }
    peer.shutdown().unwrap();
    let mut buffer = vec![0; 1 << 16];
    for message in messages {
        let got = within(peer.recv(&mut buffer)).await.unwrap().unwrap();
        assert!(buffer[..got.len] == *message);
    }
    assert_eq!(
        within(peer.recv(&mut buffer)).await.unwrap(),
        None,
        "both directions end"
    );
    let summary = place.drain().await;
    assert_eq!((summary.read_messages, summary.written_messages), (4, 4));
}

#[tokio::test]
async fn a_service_may_speak_first() {
    let (_dir, place) = place(Daytime::default()).await;
    let mut peer = client(&place).await;
    let mut buffer = vec![0; 100];
    let got = within(peer.recv(&mut buffer)).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&buffer[..got.len]).contains(", 2"));
    assert_eq!(within(peer.recv(&mut buffer)).await.unwrap(), None);
    drop(peer);
    place.drain().await;
}
