//! Nicks among several servers.

use crate::server::{LEASE, Server, nats};

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_want_a_nick_at_once_one_has_it() {
    let Some((_folder, nats)) = nats() else {
        return;
    };
    let one = Server::start(&nats, "one.example").await;
    let two = Server::start(&nats, "two.example").await;
    for number in 0..20 {
        let nick = format!("n{number}");
        tokio::join!(one.tries(&nick, &nick), two.tries(&nick, &nick));
        let won = |server: &Server| {
            let heard = server.heard(&nick);
            let in_ = heard.iter().any(|line| line.contains(" 001 "));
            let not = heard.iter().any(|line| line.contains(" 433 "));
            assert!(in_ != not, "{heard:?}");
            in_
        };
        assert!(won(&one) != won(&two), "{nick} has one holder");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nick_is_free_when_its_holder_quits_or_is_called_something_else() {
    let Some((_folder, nats)) = nats() else {
        return;
    };
    let one = Server::start(&nats, "one.example").await;
    let two = Server::start(&nats, "two.example").await;
    one.comes("tom").await;
    two.comes("ann").await;
    two.says("ann", "NICK tom").await;
    two.hears("ann", &[" 433 ann tom "]).await;
    one.says("tom", "NICK tim").await;
    one.hears("tom", &["NICK :tim"]).await;
    // It is free as soon as the others have heard of it, which takes a moment.
    two.until("tom is called tim there", || {
        two.turn_with(|world| world.everybody_elsewhere().len()) == 1
    })
    .await;
    loop {
        two.says("ann", "NICK tom").await;
        if two.nick_of("ann").as_deref() == Some("tom") {
            break;
        }
        two.hears("ann", &[" 433 "]).await;
    }
    one.says("tom", "QUIT :bye").await;
    loop {
        two.says("ann", "NICK tim").await;
        if two.nick_of("ann").as_deref() == Some("tim") {
            break;
        }
        two.hears("ann", &[" 433 "]).await;
    }
}

/// A server that dies takes its own people with it and nobody else, and their nicks come free when
/// its lease ends.
#[tokio::test(flavor = "multi_thread")]
async fn the_nicks_of_a_dead_server_come_free_with_its_lease() {
    let Some((_folder, nats)) = nats() else {
        return;
    };
    let one = Server::start(&nats, "one.example").await;
    let two = Server::start(&nats, "two.example").await;
    one.comes("tom").await;
    one.says("tom", "JOIN #r").await;
    two.comes("ann").await;
    two.says("ann", "JOIN #r").await;
    one.hears("tom", &["ann!u@loopback JOIN #r"]).await;
    two.hears("ann", &[" 366 "]).await;
    drop(one);
    let began = tokio::time::Instant::now();
    two.hears("ann", &[":tom!u@loopback QUIT :server one.example is gone"])
        .await;
    assert!(
        began.elapsed() > LEASE / 3,
        "not before its lease has ended"
    );
    two.comes("tom").await;
}

/// A server that comes back at once ends what its own earlier run has left.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_started_again_need_not_wait_for_its_own_lease() {
    let Some((_folder, nats)) = nats() else {
        return;
    };
    let one = Server::start(&nats, "one.example").await;
    one.comes("tom").await;
    drop(one);
    let began = tokio::time::Instant::now();
    let again = Server::start(&nats, "one.example").await;
    again.comes("tom").await;
    assert!(began.elapsed() < LEASE, "{:?}", began.elapsed());
}
