//! Who is where, as seen from other servers.

use std::sync::Arc;
use std::time::Duration;

use sockeye_chat::cluster::ClusterOptions;

use crate::server::{Server, nats, options};

#[tokio::test(flavor = "multi_thread")]
async fn what_members_do_on_one_server_is_seen_on_the_other() {
    let Some((_folder, nats)) = nats() else {
        return;
    };
    let one = Server::start(&nats, "one.example").await;
    let two = Server::start(&nats, "two.example").await;
    one.comes("tom").await;
    one.says("tom", "JOIN #r").await;
    one.says("tom", "JOIN #s").await;
    two.comes("ann").await;
    two.says("ann", "JOIN #r").await;
    let sees_tom = || {
        let heard = two.heard("ann");
        // In the room already, or on his way.
        heard
            .iter()
            .any(|line| line.contains("@tom") || line.ends_with("MODE #r +o tom"))
    };
    two.until("tom is seen", sees_tom).await;
    one.hears("tom", &["ann!u@loopback JOIN #r"]).await;
    one.says("tom", "NICK tim").await;
    two.hears("ann", &[":tom!u@loopback NICK :tim"]).await;
    one.says("tom", "PART #r").await;
    two.hears("ann", &[":tim!u@loopback PART #r"]).await;
    one.says("tom", "JOIN #r").await;
    two.hears("ann", &[":tim!u@loopback JOIN #r"]).await;
    one.breaks("tom", "Connection reset by peer");
    two.hears("ann", &[":tim!u@loopback QUIT :Connection reset by peer"])
        .await;
}

/// A thousand who come at once are all seen, each once.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_who_come_at_once_are_seen() {
    let Some((_folder, nats)) = nats() else {
        return;
    };
    let patient = ClusterOptions {
        patience: Duration::from_secs(20),
        ..options(&nats, "one.example")
    };
    let one = Server::start_with(patient, Arc::default()).await.unwrap();
    let two = Server::start(&nats, "two.example").await;
    two.comes("ann").await;
    two.says("ann", "JOIN #r").await;
    let coming = (0..1000).map(|number| {
        let one = one.clone();
        async move {
            let nick = format!("n{number}");
            one.tries(&nick, &nick).await;
            one.says(&nick, "JOIN #r").await;
        }
    });
    futures_util::future::join_all(coming).await;
    let seen = || two.turn_with(|world| world.everybody_elsewhere().len()) == 1000;
    two.until("all are seen", seen).await;
    let joined = || {
        let heard = two.heard("ann");
        heard
            .iter()
            .filter(|line| line.ends_with("JOIN #r"))
            .count()
            == 1001
    };
    two.until("all have come into the room", joined).await;
}
