use std::sync::Arc;

use crate::log::{Draft, Log};
use crate::world::limits::{PING_AFTER, PONG_WITHIN, REGISTRATION_TIME};
use crate::world::scene::{NOON_MS, Scene, here};
use crate::world::{Settings, Then, Way};

/// Keeps nothing, and says nothing of it.
#[derive(Debug)]
struct Silent;

impl Log for Silent {
    fn submit(&self, _drafts: Vec<Draft>) {}
}

#[test]
fn who_comes_hears_what_clients_expect() {
    let settings = Settings {
        motd: "一\ntwo".into(),
        ..Settings::default()
    };
    let mut scene = Scene::with(settings, Some(Arc::new(Silent)));
    scene.connects_here("tom");
    scene.says("tom", "NICK tom");
    scene.check("tom", &[]);
    scene.says("tom", "USER !t@o 0 *");
    scene.check("tom", &[":sockeye.local 461 * USER :Not enough parameters"]);
    scene.says("tom", "USER !t@o 0 * :Tom himself");
    let heard = scene.hears("tom");
    let numbers: Vec<_> = heard
        .iter()
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    let expected = [
        "001", "002", "003", "004", "005", "005", "251", "255", "265", "266", "375", "372", "372",
        "376",
    ];
    assert_eq!(numbers, expected, "{heard:#?}");
    assert_eq!(
        heard[0],
        ":sockeye.local 001 tom :Welcome to sockeye, tom!to@loopback"
    );
    assert!(heard[4].len() <= 510 && heard[4].ends_with(":are supported by this server"));
    let tokens = heard[4..6].join(" ");
    for token in [
        "CASEMAPPING=ascii",
        "CHANTYPES=#",
        "CHANMODES=b,k,l,imnt",
        "PREFIX=(ov)@+",
        "NICKLEN=30",
        "CHANNELLEN=64",
        "UTF8ONLY",
        "NETWORK=sockeye",
        "WHOX",
        "MONITOR=128",
        "CHATHISTORY=200",
        "MSGREFTYPES=msgid,timestamp",
        "LINELEN=512",
        "SAFELIST",
    ] {
        assert!(
            tokens.split(' ').any(|there| there == token),
            "{token} of {tokens}"
        );
    }
    assert_eq!(heard[12], ":sockeye.local 372 tom :- two");
    scene.says("tom", "USER tom 0 * :again");
    scene.check("tom", &[":sockeye.local 462 tom :You may not reregister"]);
}

#[test]
fn what_needs_a_name_waits_for_it() {
    let mut scene = Scene::new();
    scene.connects_here("tom");
    for (line, answer) in [
        ("JOIN #r", ":sockeye.local 451 * :You have not registered"),
        ("WHAT", ":sockeye.local 451 * :You have not registered"),
        ("PING :a b", ":sockeye.local PONG sockeye.local :a b"),
        ("PING", ":sockeye.local 461 * PING :Not enough parameters"),
        ("NICK", ":sockeye.local 431 * :No nickname given"),
        ("NICK 0tom", ":sockeye.local 432 * 0tom :Erroneous nickname"),
    ] {
        scene.says("tom", line);
        scene.check("tom", &[answer]);
    }
    // Nobody is spoken to who is not in yet.
    scene.says("tom", "NICK tom");
    scene.comes("ann", "");
    scene.says("ann", "PRIVMSG tom hi");
    scene.check("ann", &[":sockeye.local 401 ann tom :No such nick/channel"]);
    scene.check("tom", &[]);
}

#[test]
fn capabilities_are_agreed_on_whole_or_not_at_all() {
    let mut scene = Scene::new();
    scene.connects_here("tom");
    scene.says("tom", "CAP LS 302");
    let heard = scene.hears("tom");
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(
        heard[0].starts_with(":sockeye.local CAP * LS :message-tags "),
        "{heard:?}"
    );
    assert!(heard[0].contains(" sasl=PLAIN,EXTERNAL "), "{heard:?}");
    assert!(heard[0].contains("draft/account-registration"), "{heard:?}");
    // Nothing is kept here.
    assert!(!heard[0].contains("chathistory"), "{heard:?}");
    for (line, answer) in [
        ("CAP LIST", ":sockeye.local CAP * LIST :cap-notify"),
        (
            "CAP REQ :server-time batch",
            ":sockeye.local CAP * ACK :server-time batch",
        ),
        (
            "CAP REQ :echo-message nothing",
            ":sockeye.local CAP * NAK :echo-message nothing",
        ),
        (
            "CAP REQ :draft/chathistory",
            ":sockeye.local CAP * NAK :draft/chathistory",
        ),
        (
            "CAP REQ :-batch setname",
            ":sockeye.local CAP * ACK :-batch setname",
        ),
        (
            "CAP LIST",
            ":sockeye.local CAP * LIST :server-time cap-notify setname",
        ),
        ("CAP what", ":sockeye.local 410 * WHAT :Invalid CAP command"),
    ] {
        scene.says("tom", line);
        scene.check("tom", &[answer]);
    }
    scene.says("tom", "NICK tom");
    scene.says("tom", "USER tom 0 * :tom");
    scene.check("tom", &[]);
    scene.says("tom", "CAP END");
    assert!(scene.hears("tom")[0].contains(" 001 tom "));
    // Later nothing is held up by it.
    scene.says("tom", "CAP REQ :echo-message");
    scene.check("tom", &[":sockeye.local CAP tom ACK :echo-message"]);
    scene.says("tom", "PING x");
    scene.check("tom", &[":sockeye.local PONG sockeye.local :x"]);
}

#[test]
fn long_lists_of_capabilities_fit_into_lines() {
    let mut scene = Scene::new();
    scene.connects_here("tom");
    let asked = vec!["labeled-response"; 28].join(" ");
    scene.says("tom", &format!("CAP REQ :{asked}"));
    let heard = scene.hears("tom");
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(
        heard
            .iter()
            .all(|line| line.len() <= 510 && line.contains(" ACK :"))
    );
}

#[test]
fn without_values_for_whom_does_not_know_them() {
    let mut scene = Scene::new();
    scene.connects("tom", Way::default());
    scene.says("tom", "CAP LS");
    let heard = scene.hears("tom");
    assert!(
        heard[0].contains(" sasl ") && !heard[0].contains('='),
        "{heard:?}"
    );
    // Whoever can be heard on his way is not asked for a new password.
    assert!(!heard[0].contains("account-registration"), "{heard:?}");
}

#[test]
fn who_says_nothing_is_asked_and_then_gone() {
    let mut scene = Scene::new();
    scene.comes("tom", "");
    scene.comes("ann", "");
    for who in ["tom", "ann"] {
        scene.says(who, "JOIN #r");
    }
    scene.forget();
    let ask_ms = NOON_MS + PING_AFTER.as_millis() as u64;
    scene.world.tick(ask_ms);
    scene.check("tom", &[]);
    scene.world.tick(ask_ms + 1);
    scene.check("tom", &["PING :sockeye.local"]);
    scene.world.tick(ask_ms + 2);
    scene.check("tom", &[]);
    scene.says("ann", "PONG sockeye.local");
    scene.check("ann", &["PING :sockeye.local"]);
    let gone_ms = ask_ms + 2 + PONG_WITHIN.as_millis() as u64;
    scene.world.tick(gone_ms);
    scene.check("tom", &["ERROR :Ping timeout"]);
    let heard = scene.hears("ann");
    assert_eq!(heard[0], ":tom!tom@loopback QUIT :Ping timeout");
    assert!(scene.world.members.len() == 1);
}

#[test]
fn who_never_says_who_he_is_is_gone() {
    let mut scene = Scene::new();
    scene.connects("tom", here());
    let late_ms = NOON_MS + REGISTRATION_TIME.as_millis() as u64;
    // Saying something else does not help.
    scene.says("tom", "PING x");
    scene.world.tick(late_ms);
    scene.check("tom", &[":sockeye.local PONG sockeye.local :x"]);
    scene.world.tick(late_ms + 1);
    scene.check("tom", &["ERROR :Registration timed out"]);
    assert!(scene.world.members.is_empty());
    scene.says("tom", "NICK tom");
    assert!(matches!(scene.then, Some(Then::Close)));
}
