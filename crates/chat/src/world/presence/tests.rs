use std::sync::Arc;

use super::{Afar, Seen, SeenSeat};
use crate::log::{Act, Draft, Entry, MsgId, Source, Target, Verb};
use crate::world::scene::{NOON_MS, Scene};

const BOB: Afar = Afar { run: 7, member: 1 };

fn bob(nick: &str, rooms: &[(&str, bool)]) -> Seen {
    let seat = |(room, rules): &(&str, bool)| SeenSeat {
        room: (*room).to_owned(),
        rules: *rules,
        has_voice: false,
    };
    Seen {
        source: Source {
            nick: nick.into(),
            user: "bob".into(),
            host: "far".into(),
            account: None,
        },
        real_name: "Bob".into(),
        rooms: rooms.iter().map(seat).collect(),
        ..Seen::default()
    }
}

fn news(scene: &mut Scene, who: Afar, news: Result<&Seen, &str>) {
    scene.world.begin_turn(NOON_MS);
    scene.world.elsewhere("other.example", who, news);
    scene.world.end_turn();
}

/// What another server tells of a member is heard as if it had happened here.
#[test]
fn differences_are_heard_as_lines() {
    let mut scene = Scene::new();
    scene.comes("tom", "extended-join away-notify account-notify");
    scene.says("tom", "JOIN #r");
    scene.hears("tom");
    let first = bob("bob", &[("#r", true), ("#s", false)]);
    news(&mut scene, BOB, Ok(&first));
    scene.check(
        "tom",
        &[
            ":bob!bob@far JOIN #r * :Bob",
            ":sockeye.local MODE #r +o bob",
        ],
    );
    news(&mut scene, BOB, Ok(&first));
    scene.check("tom", &[]);
    let mut later = bob("bobby", &[("#R", false)]);
    later.away = Some("asleep".into());
    later.source.account = Some("bob".into());
    news(&mut scene, BOB, Ok(&later));
    scene.check(
        "tom",
        &[
            ":bob!bob@far NICK :bobby",
            ":bobby!bob@far ACCOUNT bob",
            ":bobby!bob@far AWAY :asleep",
            ":sockeye.local MODE #r -o bobby",
        ],
    );
    news(&mut scene, BOB, Ok(&bob("bobby", &[])));
    let heard = scene.hears("tom");
    assert!(
        heard.contains(&":bobby!bob@far PART #r".to_owned()),
        "{heard:?}"
    );
    news(&mut scene, BOB, Ok(&later));
    scene.hears("tom");
    news(&mut scene, BOB, Err("server other.example is gone"));
    scene.check(
        "tom",
        &[":bobby!bob@far QUIT :server other.example is gone"],
    );
    assert!(scene.world.everybody_elsewhere().is_empty());
}

/// With its time, his account, and what clients ask for, as if he were here.
#[test]
fn what_they_do_is_tagged_as_if_they_were_here() {
    let mut scene = Scene::new();
    scene.comes("tom", "server-time account-tag setname away-notify");
    scene.says("tom", "JOIN #r");
    scene.hears("tom");
    let mut seen = bob("bob", &[("#r", false)]);
    seen.source.account = Some("bob".into());
    seen.away = Some("tea".into());
    news(&mut scene, BOB, Ok(&seen));
    seen.real_name = "Bob the Builder".into();
    news(&mut scene, BOB, Ok(&seen));
    let begins = "@time=2026-11-21T12:00:00.000Z;account=bob :bob!bob@far";
    let expected = ["JOIN #r", "AWAY :tea", "SETNAME :Bob the Builder"];
    let expected = expected.map(|line| format!("{begins} {line}"));
    assert_eq!(scene.hears("tom"), expected);
}

/// A nick has one holder: who is told to hold it has it, whoever had it before.
#[test]
fn two_of_other_servers_never_share_a_nick() {
    let mut scene = Scene::new();
    scene.comes("tom", "");
    scene.says("tom", "JOIN #r");
    scene.hears("tom");
    news(&mut scene, BOB, Ok(&bob("bob", &[("#r", false)])));
    let other = Afar { run: 8, member: 1 };
    news(&mut scene, other, Ok(&bob("Bob", &[("#r", false)])));
    let heard = scene.hears("tom");
    assert!(
        heard[1].starts_with(":bob!bob@far NICK :lost-"),
        "{heard:?}"
    );
    assert_eq!(heard[2], ":Bob!bob@far JOIN #r");
    news(&mut scene, BOB, Ok(&bob("bob_", &[("#r", false)])));
    let heard = scene.hears("tom");
    assert!(heard[0].ends_with("NICK :bob_"), "{heard:?}");
    news(&mut scene, other, Err("bye"));
    scene.check("tom", &[":Bob!bob@far QUIT :bye"]);
    scene.says("tom", "NAMES #r");
    assert_eq!(
        scene.hears("tom")[0],
        ":sockeye.local 353 tom = #r :@tom bob_"
    );
}

/// What was in doubt and is kept after all is its author's: he hears it as he would have before.
#[test]
fn what_was_in_doubt_comes_back_to_its_author() {
    let mut scene = Scene::new();
    let tom = scene.comes("tom", "echo-message");
    scene.comes("ann", "");
    let from = scene.world.here(tom).unwrap().source;
    let draft = Draft {
        id: MsgId::new(9, 9),
        from: Arc::new(from),
        act: Act::Say {
            verb: Verb::Privmsg,
            to: Target::Person {
                nick: "ann".into(),
                account: None,
            },
            text: "late".into(),
            tags: String::new(),
        },
    };
    let entry = Entry {
        seq: 1,
        time_ms: NOON_MS,
        draft,
    };
    scene.world.apply(&[entry]);
    scene.check("ann", &[":tom!tom@loopback PRIVMSG ann :late"]);
    scene.check("tom", &[":tom!tom@loopback PRIVMSG ann :late"]);
}
