//! What servers of a cluster share: all that is said, in one order.

use std::sync::Arc;

use sockeye_chat::cluster::{ClusterError, ClusterOptions};

use crate::server::{Memory, Server, nats, options};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_on_one_server_is_heard_on_both_in_one_order() {
    let Some((_folder, nats)) = nats() else {
        return;
    };
    let one = Server::start(&nats, "one.example").await;
    let two = Server::start(&nats, "two.example").await;
    one.comes("tom").await;
    two.comes("ann").await;
    one.says("tom", "JOIN #r").await;
    two.says("ann", "JOIN #r").await;
    two.hears("ann", &[" 366 "]).await;
    one.hears("tom", &["ann!u@loopback JOIN #r"]).await;
    one.says("tom", "@label=a PRIVMSG #r :你好").await;
    one.hears("tom", &["label=a"]).await;
    two.hears("ann", &[":tom!u@loopback PRIVMSG #r :你好"])
        .await;
    two.says("ann", "PRIVMSG tom :and you?").await;
    one.hears("tom", &[":ann!u@loopback PRIVMSG tom :and you?"])
        .await;
    // Both talk at once: the order is one for both, and each one's own is kept.
    let talk = async |server: &Server, who: &str| {
        for number in 0..200 {
            server
                .says(who, &format!("PRIVMSG #r :{who} {number}"))
                .await;
        }
    };
    tokio::join!(talk(&one, "tom"), talk(&two, "ann"));
    let all = 2 + 400;
    one.until("one has it all", || one.cache.all().len() == all)
        .await;
    two.until("two has it all", || two.cache.all().len() == all)
        .await;
    assert_eq!(one.cache.all(), two.cache.all());
    for who in ["tom", "ann"] {
        let his = one.cache.texts();
        let his: Vec<_> = his.iter().filter(|text| text.starts_with(who)).collect();
        let expected: Vec<_> = (0..200).map(|number| format!("{who} {number}")).collect();
        assert_eq!(his, expected.iter().collect::<Vec<_>>());
    }
    let times: Vec<_> = one
        .cache
        .all()
        .iter()
        .map(|entry| (entry.seq, entry.time_ms))
        .collect();
    assert!(times.is_sorted(), "{times:?}");
}

/// A server that was away, and one that has lost all, know what the others know before anybody is
/// let in.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_away_catches_up_before_anybody_comes() {
    let Some((_folder, nats)) = nats() else {
        return;
    };
    let one = Server::start(&nats, "one.example").await;
    let two = Server::start(&nats, "two.example").await;
    one.comes("tom").await;
    one.says("tom", "JOIN #r").await;
    one.says("tom", "PRIVMSG #r :before").await;
    two.until("two has it", || two.cache.texts().len() == 1)
        .await;
    let cache = Arc::clone(&two.cache);
    two.cluster.leave().await;
    drop(two);
    for number in 0..1500 {
        one.says("tom", &format!("PRIVMSG #r :{number}")).await;
    }
    one.until("one has it all", || one.cache.all().len() == 1501)
        .await;
    let two = Server::start_with(options(&nats, "two.example"), cache)
        .await
        .unwrap();
    assert_eq!(two.cache.all(), one.cache.all());
    let three = Server::start(&nats, "three.example").await;
    assert_eq!(three.cache.all(), one.cache.all());
    // And they know who is here.
    three.comes("ann").await;
    three.says("ann", "JOIN #r").await;
    three.hears("ann", &["@tom"]).await;
}

/// A history that has seen more than the stream has is never mixed with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_not_the_one_of_before_is_refused() {
    let Some((_folder, first)) = nats() else {
        return;
    };
    let Some((_other_folder, second)) = nats() else {
        return;
    };
    let one = Server::start(&first, "one.example").await;
    one.comes("tom").await;
    one.says("tom", "PRIVMSG tom :something").await;
    one.until("it is kept", || one.cache.all().len() == 1).await;
    let cache = Arc::clone(&one.cache);
    let refused = Server::start_with(options(&second, "one.example"), cache).await;
    let refused = refused.err();
    assert!(
        matches!(refused, Some(ClusterError::OtherStream { .. })),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nats_that_is_not_there_is_said_so_in_time() {
    let port = sockeye_testkit::free_tcp_port();
    let place = format!("nats://127.0.0.1:{port}");
    let options = ClusterOptions {
        start_within: std::time::Duration::from_millis(300),
        ..ClusterOptions::new(&place, "testnet", "one.example")
    };
    let refused = Server::start_with(options, Arc::<Memory>::default()).await;
    let refused = refused.err().expect("nobody is there").to_string();
    assert!(
        refused.starts_with(&format!("NATS at {place} was not reached within 300ms")),
        "{refused}"
    );
}
