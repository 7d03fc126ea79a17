use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::accounts::HashError;
use crate::log::{Draft, Log, MsgId, Refusal};
use crate::world::limits::{ACCOUNTS, LOGIN_TRIES};
use crate::world::scene::{Scene, here};
use crate::world::{Job, Outcome, Settings, Then, Way};

/// From afar, where others can listen.
fn plain() -> Way {
    Way {
        host: "far".into(),
        is_private: false,
        ..here()
    }
}

/// What PLAIN says.
fn plain_answer(name: &str, password: &str) -> String {
    STANDARD.encode(format!("\0{name}\0{password}"))
}

/// Somebody logs in with the right password.
pub(super) fn logs_in(scene: &mut Scene, who: &str, account: &str) {
    scene.says(who, "AUTHENTICATE PLAIN");
    scene.says(
        who,
        &format!("AUTHENTICATE {}", plain_answer(account, "right")),
    );
    scene.outcome(who, Outcome::Verified(Ok(true)));
}

#[test]
fn the_first_to_register_a_name_owns_it() {
    let mut scene = Scene::new();
    scene.comes("tom", "labeled-response batch account-notify");
    scene.comes("ann", "account-notify server-time account-tag");
    scene.comes("eve", "");
    for who in ["tom", "ann", "eve"] {
        scene.says(who, "JOIN #r");
    }
    scene.forget();
    scene.says("tom", "@label=1 REGISTER tom mail@example.org 12345678");
    let Some(Then::Wait(Job::Hash { password })) = scene.then.take() else {
        panic!("no hash is asked for");
    };
    assert_eq!(password.as_str(), "12345678");
    scene.check("tom", &[]);
    scene.outcome("tom", Outcome::Hashed(Ok("hash".into())));
    let heard = scene.hears("tom");
    assert!(
        heard[0].starts_with("@label=1 :sockeye.local BATCH +"),
        "{heard:?}"
    );
    let heard: Vec<_> = heard
        .iter()
        .filter_map(|line| line.split_once(' '))
        .collect();
    assert_eq!(
        heard[1].1,
        ":sockeye.local REGISTER SUCCESS tom :The account is yours"
    );
    assert_eq!(
        heard[2].1,
        ":sockeye.local 900 tom tom!tom@loopback tom :You are now logged in as tom"
    );
    assert_eq!(heard[3].1, ":tom!tom@loopback ACCOUNT tom");
    scene.check(
        "ann",
        &["@time=2026-11-21T12:00:00.000Z;account=tom :tom!tom@loopback ACCOUNT tom"],
    );
    scene.check("eve", &[]);
    scene.says("tom", "REGISTER * * 12345678");
    let why = "ALREADY_AUTHENTICATED tom :You are logged in already";
    scene.check("tom", &[&format!(":sockeye.local FAIL REGISTER {why}")]);
}

#[test]
fn who_cannot_register_is_told_why() {
    let mut scene = Scene::new();
    scene.comes("tom", "");
    scene.connects_here("new");
    scene.comes_by("far", plain(), "");
    let long = "x".repeat(301);
    for (who, line, why) in [
        (
            "new",
            "REGISTER * * 12345678",
            "COMPLETE_CONNECTION_REQUIRED * :Come in before you register",
        ),
        (
            "far",
            "REGISTER * * 12345678",
            "TEMPORARILY_UNAVAILABLE far :Passwords are taken over TLS only, or on this machine",
        ),
        (
            "tom",
            "REGISTER ann * 12345678",
            "ACCOUNT_NAME_MUST_BE_NICK ann :An account is named as its owner's nick is",
        ),
        (
            "tom",
            "REGISTER * * 1234567",
            "WEAK_PASSWORD tom :A password has eight bytes at least",
        ),
        (
            "tom",
            &format!("REGISTER * * {long}"),
            "UNACCEPTABLE_PASSWORD tom :The password is too long",
        ),
    ] {
        scene.says(who, line);
        scene.check(who, &[&format!(":sockeye.local FAIL REGISTER {why}")]);
    }
    scene.connects_here("x");
    scene.says("x", "PASS :");
    scene.check("x", &[":sockeye.local 461 * PASS :Not enough parameters"]);
    scene.says("tom", "REGISTER * * 12345678");
    scene.outcome("tom", Outcome::Hashed(Err(HashError::Busy)));
    let why = "TEMPORARILY_UNAVAILABLE tom :You were not registered: too many people log in at this moment";
    scene.check("tom", &[&format!(":sockeye.local FAIL REGISTER {why}")]);
}

/// Two servers may take the same name before either hears of the other: the log decides.
#[test]
fn of_two_that_register_a_name_the_first_in_the_log_has_it() {
    let mut scene = Scene::new();
    scene.comes("tom", "");
    scene.says("tom", "REGISTER * * 12345678");
    scene.world.restore(crate::log::Kept {
        accounts: vec![crate::log::KeptAccount {
            name: "TOM".into(),
            password: "another".into(),
            since_ms: 1,
        }],
        ..Default::default()
    });
    scene.outcome("tom", Outcome::Hashed(Ok("mine".into())));
    let why = "ACCOUNT_EXISTS tom :This name belongs to somebody";
    scene.check("tom", &[&format!(":sockeye.local FAIL REGISTER {why}")]);
    let account = scene.world.accounts.values().next().unwrap();
    assert_eq!((&*account.name, &*account.password), ("TOM", "another"));
}

/// Keeps what it is given in mind, and nothing else.
#[derive(Debug, Default)]
struct Slow(Mutex<Vec<MsgId>>);

impl Log for Slow {
    fn submit(&self, drafts: Vec<Draft>) {
        let ids = drafts.into_iter().map(|draft| draft.id);
        self.0.lock().unwrap().extend(ids);
    }
}

/// What cannot be kept is no account; until it is known, nothing else is done for him.
#[test]
fn an_account_that_is_not_kept_is_none() {
    let log = Arc::new(Slow::default());
    let mut scene = Scene::with(Settings::default(), Some(log.clone()));
    scene.comes("tom", "labeled-response batch");
    scene.says("tom", "@label=1 REGISTER * * 12345678");
    scene.outcome("tom", Outcome::Hashed(Ok("hash".into())));
    scene.says("tom", "NICK ann");
    assert!(matches!(scene.then, Some(Then::Settle)));
    scene.check("tom", &[]);
    let drafts = log.0.lock().unwrap().clone();
    scene.world.refuse_drafts(&drafts, &Refusal::Busy);
    let why = "You were not registered: too much waits to be kept already";
    scene.check(
        "tom",
        &[&format!(
            "@label=1 :sockeye.local FAIL REGISTER TEMPORARILY_UNAVAILABLE tom :{why}"
        )],
    );
    assert!(scene.world.accounts.is_empty());
    scene.says("tom", "NICK ann");
    scene.check("tom", &[":tom!tom@loopback NICK :ann"]);
}

#[test]
fn plain_logs_in_whoever_knows_the_password() {
    let mut scene = Scene::new();
    scene.comes("tom", "");
    scene.registers("tom");
    scene.says("tom", "QUIT");
    scene.connects_here("tom");
    scene.says("tom", "CAP REQ sasl");
    scene.says("tom", "NICK tom");
    scene.says("tom", "USER tom 0 * :Tom");
    scene.hears("tom");
    scene.says("tom", "AUTHENTICATE PLAIN");
    scene.check("tom", &["AUTHENTICATE +"]);
    scene.says(
        "tom",
        &format!("AUTHENTICATE {}", plain_answer("TOM", "right")),
    );
    let Some(Then::Wait(Job::Verify { password, hash })) = scene.then.take() else {
        panic!("no password is compared");
    };
    assert_eq!((password.as_str(), &*hash), ("right", "hash of tom"));
    scene.outcome("tom", Outcome::Verified(Ok(true)));
    scene.check(
        "tom",
        &[
            ":sockeye.local 900 * *!*@loopback tom :You are now logged in as tom",
            ":sockeye.local 903 * :SASL authentication successful",
        ],
    );
    scene.says("tom", "CAP END");
    assert!(scene.hears("tom")[0].contains(" 001 tom "));
    scene.says("tom", "AUTHENTICATE PLAIN");
    scene.check(
        "tom",
        &[":sockeye.local 907 tom :You have already authenticated using SASL"],
    );
}

#[test]
fn long_answers_come_in_pieces() {
    let mut scene = Scene::new();
    scene.comes("tom", "");
    scene.registers("tom");
    scene.comes("x", "");
    // Its base64 is 400 bytes long, so an empty piece says that it is all.
    let password = "p".repeat(300 - "\0tom\0".len());
    let answer = plain_answer("tom", &password);
    assert_eq!(answer.len(), 400);
    scene.says("x", "AUTHENTICATE PLAIN");
    scene.says("x", &format!("AUTHENTICATE {answer}"));
    assert!(matches!(scene.then, Some(Then::Go)));
    scene.says("x", "AUTHENTICATE +");
    assert!(
        matches!(&scene.then, Some(Then::Wait(Job::Verify { password: said, .. })) if said.as_str() == password)
    );
    scene.outcome("x", Outcome::Verified(Ok(false)));
    scene.hears("x");
    let piece = "A".repeat(400);
    scene.says("x", "AUTHENTICATE PLAIN");
    for _ in 0..3 {
        scene.says("x", &format!("AUTHENTICATE {piece}"));
    }
    scene.check(
        "x",
        &[
            "AUTHENTICATE +",
            ":sockeye.local 905 x :SASL message too long",
        ],
    );
}

#[test]
fn logins_fail_with_a_reason() {
    let mut scene = Scene::new();
    scene.comes("tom", "");
    scene.registers("tom");
    scene.comes("x", "");
    let far = Way {
        key_name: None,
        ..plain()
    };
    scene.comes_by("far", far, "");
    let other = STANDARD.encode("ann\0tom\0x");
    let two = STANDARD.encode("tom\0x");
    let fails = |why: &str| format!(":sockeye.local 904 x :{why}");
    for (first, second, last) in [
        (
            "PLAIN",
            "*",
            ":sockeye.local 906 x :SASL authentication aborted".to_owned(),
        ),
        ("PLAIN", "!", fails("What was said is no base64 of UTF-8")),
        (
            "PLAIN",
            &two,
            fails("PLAIN is a name, a name and a password"),
        ),
        ("PLAIN", &other, fails("Nobody logs in for somebody else")),
        (
            "PLAIN",
            &plain_answer("nobody", "x"),
            fails("SASL authentication failed"),
        ),
        (
            "EXTERNAL",
            "+",
            fails("Your key does not stand in `authorized`"),
        ),
    ] {
        scene.says("x", &format!("AUTHENTICATE {first}"));
        scene.check("x", &["AUTHENTICATE +"]);
        scene.says("x", &format!("AUTHENTICATE {second}"));
        scene.check("x", &[&last]);
    }
    scene.says("x", "AUTHENTICATE GSSAPI");
    scene.check(
        "x",
        &[
            ":sockeye.local 908 x PLAIN,EXTERNAL :are available SASL mechanisms",
            &fails("SASL authentication failed"),
        ],
    );
    // The password is not even asked for where others can hear it.
    scene.says("far", "AUTHENTICATE PLAIN");
    let why = "Passwords are taken over TLS only, or on this machine";
    scene.check("far", &[&format!(":sockeye.local 904 far :{why}")]);
}

/// Logging in holds nobody up who goes on without it.
#[test]
fn who_comes_in_meanwhile_is_not_logged_in() {
    let mut scene = Scene::new();
    scene.connects_here("x");
    for line in [
        "CAP REQ sasl",
        "AUTHENTICATE PLAIN",
        "NICK x",
        "USER x 0 * :x",
        "CAP END",
    ] {
        scene.says("x", line);
    }
    let heard = scene.hears("x");
    assert_eq!(
        heard[2],
        ":sockeye.local 906 x :SASL authentication aborted"
    );
    assert!(heard[3].contains(" 001 "), "{heard:?}");
    scene.says("x", "AUTHENTICATE PLAIN");
    scene.check("x", &["AUTHENTICATE +"]);
}

#[test]
fn accounts_have_an_end() {
    let mut scene = Scene::new();
    let accounts = (0..ACCOUNTS).map(|number| crate::log::KeptAccount {
        name: format!("n{number}"),
        ..Default::default()
    });
    scene.world.restore(crate::log::Kept {
        accounts: accounts.collect(),
        ..Default::default()
    });
    scene.comes("tom", "");
    scene.says("tom", "REGISTER * * 12345678");
    let why = "TEMPORARILY_UNAVAILABLE tom :There are as many accounts as may be";
    scene.check("tom", &[&format!(":sockeye.local FAIL REGISTER {why}")]);
}

#[test]
fn a_key_logs_in_as_whom_it_stands_for() {
    let mut scene = Scene::new();
    let way = Way {
        key_name: Some("ann".into()),
        ..here()
    };
    scene.connects("ann", way);
    scene.says("ann", "CAP REQ sasl");
    scene.hears("ann");
    scene.says("ann", "AUTHENTICATE external");
    scene.says("ann", &format!("AUTHENTICATE {}", STANDARD.encode("tom")));
    scene.check(
        "ann",
        &[
            "AUTHENTICATE +",
            ":sockeye.local 904 * :Your key is somebody else's",
        ],
    );
    scene.says("ann", "AUTHENTICATE EXTERNAL");
    scene.says("ann", "AUTHENTICATE +");
    let heard = scene.hears("ann");
    assert!(
        heard[1].contains(" 900 ") && heard[2].contains(" 903 "),
        "{heard:?}"
    );
}

#[test]
fn pass_logs_in_on_the_way_or_not_at_all() {
    let mut scene = Scene::new();
    scene.comes("tom", "");
    scene.registers("tom");
    scene.says("tom", "QUIT");
    for (pass, nick, said) in [
        ("PASS right", "tom", "right"),
        ("PASS tom:right", "ann", "right"),
        ("PASS :a:b", "tom", "a:b"),
    ] {
        scene.connects_here("x");
        scene.says("x", pass);
        scene.says("x", &format!("NICK {nick}"));
        scene.says("x", "USER x 0 * :x");
        assert!(
            matches!(&scene.then, Some(Then::Wait(Job::Verify { password, .. })) if password.as_str() == said),
            "{pass}"
        );
        scene.outcome("x", Outcome::Verified(Ok(true)));
        let heard = scene.hears("x");
        assert!(
            heard[0].contains(" 900 ") && heard[1].contains(&format!(" 001 {nick} ")),
            "{heard:?}"
        );
        scene.says("x", "PASS again");
        scene.check(
            "x",
            &[&format!(
                ":sockeye.local 462 {nick} :You may not reregister"
            )],
        );
        scene.says("x", "QUIT");
    }
    for (way, outcome, why) in [
        (here(), Some(Ok(false)), "Password incorrect"),
        (
            here(),
            Some(Err(HashError::Busy)),
            "too many people log in at this moment",
        ),
        (
            plain(),
            None,
            "Passwords are taken over TLS only, or on this machine",
        ),
    ] {
        scene.connects("x", way);
        scene.says("x", "PASS wrong");
        scene.says("x", "NICK tom");
        scene.says("x", "USER x 0 * :x");
        if let Some(outcome) = outcome {
            scene.outcome("x", Outcome::Verified(outcome));
        }
        assert!(matches!(scene.then, Some(Then::Close)));
        scene.check(
            "x",
            &[
                &format!(":sockeye.local 464 * :{why}"),
                &format!("ERROR :{why}"),
            ],
        );
    }
}

#[test]
fn who_guesses_passwords_is_sent_away() {
    let mut scene = Scene::new();
    scene.comes("tom", "");
    scene.registers("tom");
    let mut connections = 0;
    let mut failed = 0;
    while failed < 1000 {
        scene.comes("x", "");
        connections += 1;
        loop {
            scene.says("x", "AUTHENTICATE PLAIN");
            scene.says(
                "x",
                &format!("AUTHENTICATE {}", plain_answer("tom", "wrong")),
            );
            scene.outcome("x", Outcome::Verified(Ok(false)));
            failed += 1;
            if matches!(scene.then, Some(Then::Close)) {
                break;
            }
        }
        let heard = scene.hears("x");
        assert_eq!(heard.last().unwrap(), "ERROR :Too many failed logins");
    }
    assert_eq!(connections, 1000 / u32::from(LOGIN_TRIES));
    assert_eq!(scene.world.members.len(), 1);
    // Whoever is gone meanwhile is not asked any more.
    scene.outcome("x", Outcome::Verified(Ok(true)));
    assert!(matches!(scene.then, Some(Then::Close)));
    assert!(Arc::strong_count(&scene.world.names) == 1);
}
