use std::sync::Arc;

use crate::accounts::Names;
use crate::world::Way;
use crate::world::scene::{Scene, here};

/// `ann` has a key.
#[derive(Debug)]
struct OnlyAnn;

impl Names for OnlyAnn {
    fn is_reserved(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case("ann")
    }
}

#[test]
fn a_name_is_one_persons() {
    let mut scene = Scene::new();
    scene.comes("tom", "server-time");
    scene.comes("ann", "");
    for who in ["tom", "ann"] {
        scene.says(who, "JOIN #r");
    }
    scene.forget();
    scene.says("ann", "NICK TOM");
    scene.check(
        "ann",
        &[":sockeye.local 433 ann TOM :Nickname is already in use"],
    );
    scene.says("ann", "NICK 一棵树");
    scene.check("ann", &[":ann!ann@loopback NICK :一棵树"]);
    scene.check(
        "tom",
        &["@time=2026-11-21T12:00:00.000Z :ann!ann@loopback NICK :一棵树"],
    );
    // Another case of one's own name is nobody else's.
    scene.says("tom", "NICK Tom");
    scene.check("ann", &[":tom!tom@loopback NICK :Tom"]);
    scene.says("tom", "NICK Tom");
    scene.check("ann", &[]);
    // On the way in too: the client tries another.
    scene.connects_here("eve");
    scene.says("eve", "NICK tom");
    scene.says("eve", "USER eve 0 * :Eve");
    scene.check(
        "eve",
        &[":sockeye.local 433 * tom :Nickname is already in use"],
    );
    scene.says("eve", "NICK ann");
    assert!(scene.hears("eve")[0].contains(" 001 ann "));
}

#[test]
fn reserved_names_are_for_those_they_are_reserved_for() {
    let mut scene = Scene::new();
    scene.world.reserve(Arc::new(OnlyAnn));
    scene.comes("tom", "");
    for (name, why) in [
        ("guest-62851", "Nickname is reserved for guests"),
        ("Guest-x", "Nickname is reserved for guests"),
        ("Ann", "Nickname belongs to somebody: log in to use it"),
    ] {
        scene.says("tom", &format!("NICK {name}"));
        scene.check("tom", &[&format!(":sockeye.local 433 tom {name} :{why}")]);
    }
    // Her key logs her in by itself.
    let way = Way {
        key_name: Some("ann".into()),
        ..here()
    };
    scene.connects("ann", way.clone());
    scene.says("ann", "NICK ann");
    scene.says("ann", "USER ann 0 * :Ann");
    let heard = scene.hears("ann");
    assert_eq!(
        heard[0],
        ":sockeye.local 900 * *!*@loopback ann :You are now logged in as ann"
    );
    assert!(heard[1].contains(" 001 ann "), "{heard:?}");
}

/// A connection that is dead and not gone yet does not keep anybody from his name.
#[test]
fn who_owns_a_name_takes_it() {
    let mut scene = Scene::new();
    scene.comes("tom", "");
    scene.registers("tom");
    scene.comes("bob", "");
    for who in ["tom", "bob"] {
        scene.says(who, "JOIN #r");
    }
    scene.forget();
    scene.comes("x", "");
    scene.says("x", "NICK tom");
    scene.check(
        "x",
        &[":sockeye.local 433 x tom :Nickname belongs to somebody: log in to use it"],
    );
    super::login::logs_in(&mut scene, "x", "tom");
    scene.hears("x");
    scene.says("x", "NICK tom");
    scene.check("x", &[":x!x@loopback NICK :tom"]);
    scene.check("bob", &[":tom!tom@loopback NICK :tom_1"]);
    scene.check(
        "tom",
        &[
            ":tom!tom@loopback NICK :tom_1",
            ":sockeye.local NOTICE tom_1 :tom was taken by its owner; you are called tom_1 now",
        ],
    );
}

/// The new name is cut between characters where it would be too long.
#[test]
fn who_gives_way_keeps_a_name_that_is_one() {
    let mut scene = Scene::new();
    let name = "一二三四五六七八九十";
    scene.comes(name, "");
    scene.registers(name);
    scene.comes("x", "");
    super::login::logs_in(&mut scene, "x", name);
    scene.says("x", &format!("NICK {name}"));
    let heard = scene.hears(name);
    assert!(
        heard[0].ends_with(" NICK :一二三四五六七八九_1"),
        "{heard:?}"
    );
}

#[test]
fn a_thousand_names_of_one_leave_nothing_behind() {
    let mut scene = Scene::new();
    scene.comes("tom", "");
    for number in 0..1000 {
        scene.says("tom", &format!("NICK tom{number}"));
    }
    assert_eq!(scene.hears("tom").len(), 1000);
    assert_eq!(scene.world.nicks.len(), 1);
}
