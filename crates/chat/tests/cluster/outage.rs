//! NATS away, and back.

use std::time::Duration;

use sockeye_chat::log::Refusal;
use sockeye_testkit::Signal;

use crate::server::{LEASE, Server, nats};

/// What is said while NATS is away is refused and said so; what was said before and after is there
/// once, on both.
#[tokio::test(flavor = "multi_thread")]
async fn while_nats_is_away_what_is_said_is_refused_and_not_lost() {
    let Some((_folder, mut nats)) = nats() else {
        return;
    };
    let one = Server::start(&nats, "one.example").await;
    let two = Server::start(&nats, "two.example").await;
    one.comes("tom").await;
    two.comes("ann").await;
    for (server, who) in [(&one, "tom"), (&two, "ann")] {
        server.says(who, "JOIN #r").await;
        server.hears(who, &[" 366 "]).await;
    }
    one.says("tom", "PRIVMSG #r :before").await;
    two.hears("ann", &["before"]).await;
    nats.kill();
    one.hears("tom", &["NOTICE tom :The other servers cannot be reached"])
        .await;
    two.hears("ann", &["NOTICE ann :The other servers cannot be reached"])
        .await;
    one.says("tom", "@label=x PRIVMSG #r :meanwhile").await;
    one.hears("tom", &["label=x"]).await;
    assert!(
        matches!(one.refused()[..], [Refusal::Away(_)]),
        "{:?}",
        one.refused()
    );
    one.tries("new", "new").await;
    one.hears("new", &[" 437 "]).await;
    // The silence is longer than any lease.
    tokio::time::sleep(LEASE * 2).await;
    nats.restart();
    one.hears(
        "tom",
        &["NOTICE tom :The other servers can be reached again"],
    )
    .await;
    two.hears(
        "ann",
        &["NOTICE ann :The other servers can be reached again"],
    )
    .await;
    one.says("tom", "PRIVMSG #r :after").await;
    two.hears("ann", &["after"]).await;
    two.says("ann", "PRIVMSG #r :indeed").await;
    one.hears("tom", &["indeed"]).await;
    assert_eq!(one.cache.texts(), ["before", "after", "indeed"]);
    two.until("two has it all", || two.cache.all() == one.cache.all())
        .await;
    // Nobody has lost his nick, nobody is thought to be gone.
    assert_eq!(one.nick_of("tom").as_deref(), Some("tom"));
    assert_eq!(one.reach().len(), 2, "told once each: {:?}", one.reach());
    one.says("new", "NICK new").await;
    one.hears("new", &[" 001 "]).await;
    two.tries("late", "tom").await;
    two.hears("late", &[" 433 "]).await;
}

/// A NATS that is only slow to come back is no reason to tell anybody.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_nats_within_the_patience_is_not_noticed() {
    let Some((_folder, mut nats)) = nats() else {
        return;
    };
    let options = sockeye_chat::cluster::ClusterOptions {
        patience: Duration::from_secs(20),
        lease: Duration::from_secs(20),
        ..crate::server::options(&nats, "one.example")
    };
    let one = Server::start_with(options, std::sync::Arc::default())
        .await
        .unwrap();
    one.comes("tom").await;
    for number in 0..50 {
        one.says("tom", &format!("PRIVMSG tom :{number}")).await;
        if number % 20 == 10 {
            nats.kill();
            nats.restart();
        }
    }
    one.until("all is kept", || one.cache.all().len() >= 50)
        .await;
    let expected: Vec<_> = (0..50).map(|number| number.to_string()).collect();
    assert_eq!(one.cache.texts(), expected);
    assert_eq!(one.refused(), []);
    assert_eq!(one.reach(), []);
}

/// NATS takes something and answers too late: its author hears that nobody knows, and then what he
/// has said, once; what he says later stays behind it.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_knows_of_is_said_to_be_so_and_may_be_heard_later_once() {
    let Some((_folder, nats)) = nats() else {
        return;
    };
    let one = Server::start(&nats, "one.example").await;
    one.comes("tom").await;
    one.says("tom", "JOIN #r").await;
    one.hears("tom", &[" 366 "]).await;
    one.says("tom", "PRIVMSG #r :first").await;
    one.hears("tom", &["first"]).await;
    nats.signal(Signal::STOP);
    one.says("tom", "PRIVMSG #r :doubtful").await;
    one.hears("tom", &["FAIL * MESSAGE_IN_DOUBT "]).await;
    one.until("it is refused", || !one.refused().is_empty())
        .await;
    assert!(
        matches!(one.refused()[..], [Refusal::Unanswered(_)]),
        "{:?}",
        one.refused()
    );
    nats.signal(Signal::CONT);
    one.until("NATS is back", || one.reach().last() == Some(&None))
        .await;
    one.says("tom", "PRIVMSG #r :last").await;
    one.hears("tom", &["PRIVMSG #r :last"]).await;
    let texts = one.cache.texts();
    assert!(
        texts == ["first", "doubtful", "last"] || texts == ["first", "last"],
        "{texts:?}"
    );
}

/// A server that was held up for so long that others took its nicks does not fight for them.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_thought_dead_comes_back_in_peace() {
    let Some((_folder, nats)) = nats() else {
        return;
    };
    let one = Server::start(&nats, "one.example").await;
    one.comes("tom").await;
    let two = Server::start(&nats, "two.example").await;
    two.comes("ann").await;
    // As if one.example had been silent for longer than its lease: another has ended it.
    let client = async_nats::connect(nats.place()).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    for bucket in ["LEASES", "NICKS", "MEMBERS"] {
        let stream = jetstream
            .get_stream(format!("KV_SOCKEYE_testnet_{bucket}"))
            .await
            .unwrap();
        stream.purge().await.unwrap();
    }
    two.tries("thief", "tom").await;
    two.until("somebody is called tom", || {
        let nick = two.nick_of("thief");
        nick.as_deref() == Some("tom") || two.heard("thief").iter().any(|l| l.contains(" 433 "))
    })
    .await;
    if two.nick_of("thief").as_deref() == Some("tom") {
        one.hears("tom", &["NOTICE tom_"]).await;
        let nick = one.nick_of("tom").unwrap();
        assert!(nick.starts_with("tom_"), "{nick}");
    }
    let seen = || two.turn_with(|world| world.everybody_elsewhere().len()) == 1;
    two.until("its members are seen again", seen).await;
}
