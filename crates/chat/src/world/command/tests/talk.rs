//! PRIVMSG, NOTICE, TAGMSG.

use std::sync::{Arc, Mutex};

use crate::log::{Draft, Log, Refusal};
use crate::world::limits::{DRAFTS_PER_MEMBER, TARGETS_PER_LINE};
use crate::world::scene::Scene;
use crate::world::{Settings, Then};

/// Keeps nothing by itself: the test says what becomes of each draft.
#[derive(Debug, Default)]
struct Held(Mutex<Vec<Draft>>);

impl Log for Held {
    fn submit(&self, drafts: Vec<Draft>) {
        self.0.lock().unwrap().extend(drafts);
    }
}

fn room() -> Scene {
    let mut scene = Scene::new();
    for who in ["tom", "bob", "eve"] {
        scene.comes(who, "");
    }
    scene.says("tom", "JOIN #r");
    scene.says("bob", "JOIN #r");
    scene.forget();
    scene
}

#[test]
fn what_is_said_is_heard() {
    room().plays(
        "tom > PRIVMSG #R :hello  world 
         bob < :tom PRIVMSG #r :hello  world
         tom > NOTICE #r,bob \u{1}ACTION waves\u{1}
         bob < :tom NOTICE #r :\u{1}ACTION
         bob < :tom NOTICE bob :\u{1}ACTION
         eve > PRIVMSG TOM :hi
         tom < :eve PRIVMSG tom :hi
         eve > PRIVMSG eve :note
         eve < :eve PRIVMSG eve :note",
    );
}

#[test]
fn what_cannot_be_said_is_answered_but_for_notices() {
    let mut scene = room();
    let many: Vec<_> = (0..=TARGETS_PER_LINE)
        .map(|number| format!("x{number}"))
        .collect();
    let many = many.join(",");
    let long = "x".repeat(485);
    for (parameters, number, rest) in [
        ("", "411", "tom :No recipient given"),
        (" bob", "412", "tom :No text to send"),
        (" bob :", "412", "tom :No text to send"),
        (" nobody hi", "401", "tom nobody :No such nick/channel"),
        (" #x hi", "403", "tom #x :No such channel"),
        (
            &format!(" {many} hi"),
            "407",
            &format!("tom {many} :Too many targets; nobody has heard it"),
        ),
        (
            &format!(" bob {long}"),
            "417",
            "tom bob :The line would be too long; nobody has heard it",
        ),
    ] {
        scene.says("tom", &format!("PRIVMSG{parameters}"));
        scene.check("tom", &[&format!(":sockeye.local {number} {rest}")]);
        scene.says("tom", &format!("NOTICE{parameters}"));
        scene.check("tom", &[]);
    }
    scene.check("bob", &[]);
}

/// The longest line that is taken is the longest that fits when it is relayed.
#[test]
fn a_line_is_taken_if_it_fits_and_else_not() {
    let mut scene = room();
    let fixed = ":tom!tom@loopback PRIVMSG #r :\r\n".len();
    for (bytes, is_heard) in [(512 - fixed, true), (513 - fixed, false)] {
        let text = "x".repeat(bytes);
        scene.says("tom", &format!("PRIVMSG #r :{text}"));
        let heard = scene.hears("bob");
        assert_eq!(heard.len(), usize::from(is_heard), "{bytes}");
        assert!(heard.iter().all(|line| line.len() == 510));
    }
}

#[test]
fn rooms_hear_whom_they_want_to() {
    let mut scene = room();
    scene.plays(
        "eve > PRIVMSG #r hi
         eve < 404 eve #r :Cannot send to channel (+n): you are not in it
         tom > MODE #r -n+m
         bob < :tom MODE #r -n+m
         tom < :tom MODE #r -n+m
         bob > PRIVMSG #r hi
         bob < 404 bob #r :Cannot send to channel (+m): you have no voice
         tom > MODE #r +v bob
         bob < :tom MODE #r +v bob
         tom < :tom MODE #r +v bob
         bob > PRIVMSG #r hi
         tom < :bob PRIVMSG #r :hi
         tom > MODE #r -mv+b bob *@loopback
         bob < :tom MODE #r -mv+b bob *!*@loopback
         tom < :tom MODE #r -mv+b bob *!*@loopback
         bob > PRIVMSG #r hi
         bob < 404 bob #r :Cannot send to channel (+b): you are banned
         eve > PRIVMSG #r hi
         eve < 404 eve #r :Cannot send to channel (+b): you are banned
         tom > PRIVMSG #r hi
         bob < :tom PRIVMSG #r :hi
         tom > MODE #r -b *!*@loopback
         bob < :tom MODE #r -b *!*@loopback
         tom < :tom MODE #r -b *!*@loopback
         eve > PRIVMSG #r :from outside
         bob < :eve PRIVMSG #r :from outside
         tom < :eve PRIVMSG #r :from outside",
    );
}

#[test]
fn who_is_away_says_so() {
    let mut scene = room();
    scene.goes_away("bob", "asleep");
    scene.plays(
        "tom > PRIVMSG bob hi
         bob < :tom PRIVMSG bob :hi
         tom < 301 tom bob :asleep
         tom > NOTICE bob hi
         bob < :tom NOTICE bob :hi",
    );
}

#[test]
fn tags_that_clients_say_to_each_other_are_passed_on() {
    let mut scene = Scene::new();
    scene.comes("tom", "message-tags");
    scene.comes("ann", "message-tags");
    scene.comes("bob", "");
    for who in ["tom", "ann", "bob"] {
        scene.says(who, "JOIN #r");
    }
    scene.forget();
    scene.says(
        "tom",
        "@+typing=active;time=x;+bad/k_ey=1;+draft/reply=a\\:b TAGMSG #r",
    );
    let heard = scene.hears("ann");
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(
        heard[0].ends_with(";+typing=active;+draft/reply=a\\:b :tom!tom@loopback TAGMSG #r"),
        "{heard:?}"
    );
    scene.check("bob", &[]);
    scene.check("tom", &[]);
    scene.says("tom", "TAGMSG #r");
    scene.says("bob", "@+typing=active TAGMSG #r");
    scene.check("ann", &[]);
    scene.says("tom", "@+draft/react=x PRIVMSG #r yes");
    scene.check("bob", &[":tom!tom@loopback PRIVMSG #r :yes"]);
    assert!(scene.hears("ann")[0].contains(";+draft/react=x :tom!"));
}

/// However many targets a command has, it is acknowledged once.
#[test]
fn each_command_has_one_acknowledgement() {
    let mut scene = room();
    scene.comes("ann", "labeled-response batch");
    scene.comes("joe", "labeled-response batch echo-message");
    for who in ["ann", "joe"] {
        scene.says(who, "JOIN #r");
    }
    scene.forget();
    scene.says("ann", "@label=1 PRIVMSG #r,bob,#r :hi");
    scene.check("ann", &["@label=1 :sockeye.local ACK"]);
    scene.check(
        "bob",
        &[
            ":ann!ann@loopback PRIVMSG #r :hi",
            ":ann!ann@loopback PRIVMSG bob :hi",
        ],
    );
    scene.says("ann", "@label=2 PRIVMSG #r,nobody :hi");
    scene.check(
        "ann",
        &["@label=2 :sockeye.local 401 ann nobody :No such nick/channel"],
    );
    scene.says("ann", "@label=3 NOTICE nobody :hi");
    scene.check("ann", &["@label=3 :sockeye.local ACK"]);
    scene.hears("joe");
    scene.says("joe", "@label=4 PRIVMSG joe :note");
    scene.check("joe", &["@label=4 :joe!joe@loopback PRIVMSG joe :note"]);
    scene.says("joe", "@label=5 PRIVMSG #r,nobody,bob :hi");
    let heard = scene.hears("joe");
    assert!(
        heard[0].starts_with("@label=5 :sockeye.local BATCH +"),
        "{heard:?}"
    );
    assert!(
        heard[1].ends_with(" 401 joe nobody :No such nick/channel"),
        "{heard:?}"
    );
    assert!(
        heard[2].ends_with(":joe!joe@loopback PRIVMSG #r :hi"),
        "{heard:?}"
    );
    assert!(
        heard[3].ends_with(":joe!joe@loopback PRIVMSG bob :hi"),
        "{heard:?}"
    );
    assert_eq!(heard.len(), 5);
}

/// Nobody hears what is not kept yet, and its author hears of it when it is, or that it never will.
#[test]
fn what_is_kept_is_heard_and_what_is_not_is_not() {
    let log = Arc::new(Held::default());
    let mut scene = Scene::with(Settings::default(), Some(log.clone()));
    scene.comes("tom", "labeled-response batch echo-message");
    scene.comes("bob", "");
    for who in ["tom", "bob"] {
        scene.says(who, "JOIN #r");
    }
    scene.forget();
    scene.says("tom", "@label=1 PRIVMSG #r,bob :hi");
    scene.check("tom", &[]);
    scene.check("bob", &[]);
    // A command that is no message waits, so that order stays.
    scene.says("tom", "PING x");
    assert!(matches!(scene.then, Some(Then::Settle)));
    let drafts = std::mem::take(&mut *log.0.lock().unwrap());
    let [to_room, to_bob] = &drafts[..] else {
        panic!("{drafts:?}");
    };
    scene.commits(to_room);
    scene.check("bob", &[":tom!tom@loopback PRIVMSG #r :hi"]);
    scene.check("tom", &[]);
    scene
        .world
        .refuse_drafts(std::slice::from_ref(&to_bob.id), &Refusal::Busy);
    scene.check("bob", &[]);
    let heard = scene.hears("tom");
    assert!(heard[1].ends_with(" PRIVMSG #r :hi"), "{heard:?}");
    assert!(heard[2].contains(" FAIL * MESSAGE_NOT_KEPT "), "{heard:?}");
    assert_eq!(heard.len(), 4, "{heard:?}");
    scene.says("tom", "PING x");
    scene.check("tom", &[":sockeye.local PONG sockeye.local :x"]);
}

#[test]
fn who_drafts_too_much_waits() {
    let log = Arc::new(Held::default());
    let mut scene = Scene::with(Settings::default(), Some(log.clone()));
    scene.comes("tom", "");
    for _ in 0..=DRAFTS_PER_MEMBER {
        scene.says("tom", "PRIVMSG tom :hi");
        assert!(matches!(scene.then, Some(Then::Go)));
    }
    scene.says("tom", "PRIVMSG tom :hi");
    assert!(matches!(scene.then, Some(Then::Settle)));
}

/// Whoever has an account gets what was said to him while he was not here, if anything is kept.
#[test]
fn messages_wait_for_an_account_where_they_are_kept() {
    let log = Arc::new(Held::default());
    let mut scene = Scene::with(Settings::default(), Some(log.clone()));
    scene.comes("tom", "");
    scene.world.restore(crate::log::Kept {
        accounts: vec![crate::log::KeptAccount {
            name: "Ann".into(),
            ..crate::log::KeptAccount::default()
        }],
        ..crate::log::Kept::default()
    });
    scene.says("tom", "PRIVMSG ann :hi");
    scene.check(
        "tom",
        &[":sockeye.local 301 tom ann :Not here; the message waits in the history"],
    );
    let drafts = std::mem::take(&mut *log.0.lock().unwrap());
    assert!(
        format!("{drafts:?}").contains(r#"nick: "Ann", account: Some("Ann")"#),
        "{drafts:?}"
    );
    scene.commits(&drafts[0]);
    scene.check("tom", &[]);
    scene.says("tom", "@+typing=active TAGMSG ann");
    let mut scene = Scene::new();
    scene.comes("tom", "");
    scene.comes("ann", "");
    scene.registers("ann");
    scene.says("ann", "QUIT");
    scene.forget();
    scene.plays(
        "tom > PRIVMSG ann :hi
         tom < 401 tom ann :No such nick/channel",
    );
}

/// What is not kept is not done, whatever it is, and the answer says what it was.
#[test]
fn what_cannot_be_kept_is_told_as_what_it_is() {
    let log = Arc::new(Held::default());
    let mut scene = Scene::with(Settings::default(), Some(log.clone()));
    scene.comes("tom", "");
    let tom = scene.id("tom");
    let named = |source: &mut crate::log::Source| source.account = Some("tom".into());
    scene.world.members.get_mut(&tom).unwrap().rename(named);
    for (line, told) in [
        (
            "JOIN #r",
            "FAIL JOIN NOT_KEPT :The channel is open, but not yours: ",
        ),
        ("TOPIC #r :fish", "FAIL * NOT_KEPT :It was not done: "),
        ("MODE #r +m", "FAIL * NOT_KEPT :It was not done: "),
        (
            "PRIVMSG #r :hi",
            "FAIL * MESSAGE_NOT_KEPT :Nobody has heard it: ",
        ),
    ] {
        scene.says("tom", line);
        scene.forget();
        let drafts = std::mem::take(&mut *log.0.lock().unwrap());
        assert_eq!(drafts.len(), 1, "{line}");
        scene
            .world
            .refuse_drafts(std::slice::from_ref(&drafts[0].id), &Refusal::Busy);
        let heard = scene.hears("tom");
        assert!(
            heard.len() == 1 && heard[0].contains(told),
            "{line}: {heard:?}"
        );
    }
    scene.says("tom", "TOPIC #r");
    assert!(scene.hears("tom")[0].contains(" 331 "));
}
