use crate::world::limits::{PING_AFTER, WATCHED_PER_MEMBER};
use crate::world::scene::{NOON_MS, Scene};

#[test]
fn who_waits_for_somebody_hears_that_he_comes_and_goes() {
    let mut scene = Scene::new();
    scene.comes("tom", "");
    scene.comes("ann", "");
    scene.says("tom", "MONITOR + Ann,bob,,no*,bob");
    scene.check(
        "tom",
        &[
            ":sockeye.local 730 tom :ann!ann@loopback",
            ":sockeye.local 731 tom :bob,bob",
        ],
    );
    scene.comes("bob", "");
    scene.check("tom", &[":sockeye.local 730 tom :bob!bob@loopback"]);
    scene.says("bob", "NICK BOB");
    scene.check("tom", &[]);
    scene.says("bob", "NICK rob");
    scene.check("tom", &[":sockeye.local 731 tom :BOB"]);
    scene.says("ann", "NICK bob");
    scene.check(
        "tom",
        &[
            ":sockeye.local 731 tom :ann",
            ":sockeye.local 730 tom :bob!ann@loopback",
        ],
    );
    scene.says("ann", "QUIT");
    scene.check("tom", &[":sockeye.local 731 tom :bob"]);
    scene.says("tom", "MONITOR L");
    scene.check(
        "tom",
        &[
            ":sockeye.local 732 tom :ann,bob",
            ":sockeye.local 733 tom :End of MONITOR list",
        ],
    );
    scene.says("tom", "MONITOR - ANN");
    scene.says("tom", "MONITOR S");
    scene.check("tom", &[":sockeye.local 731 tom :bob"]);
    scene.says("tom", "MONITOR C");
    scene.says("tom", "MONITOR L");
    scene.check("tom", &[":sockeye.local 733 tom :End of MONITOR list"]);
    assert!(scene.world.watchers.is_empty());
}

/// Whoever answers at the desk can wait for a guest; what is silent there is not asked why.
#[test]
fn guests_come_and_go_too() {
    let mut scene = Scene::new();
    scene.comes("tom", "");
    scene.says("tom", "MONITOR + guest-1");
    scene.check("tom", &[":sockeye.local 731 tom :guest-1"]);
    let guest = scene.guest_comes("guest-1");
    scene.check("tom", &[":sockeye.local 730 tom :guest-1!guest@loopback"]);
    scene.forget();
    scene
        .world
        .tick(NOON_MS + 2 * PING_AFTER.as_millis() as u64);
    scene.check("guest-1", &[]);
    scene.world.leave(guest, "gone");
    scene.world.end_turn();
    scene.check(
        "tom",
        &["PING :sockeye.local", ":sockeye.local 731 tom :guest-1"],
    );
}

#[test]
fn nobody_watches_more_than_he_may() {
    let mut scene = Scene::new();
    scene.comes("tom", "");
    for number in 0..10_000 {
        scene.says("tom", &format!("MONITOR + a{number},b{number}"));
    }
    let heard = scene.hears("tom");
    let full = heard.iter().filter(|line| line.contains(" 734 ")).count();
    assert_eq!(full, 10_000 - WATCHED_PER_MEMBER / 2);
    let last = ":sockeye.local 734 tom 128 a9999,b9999 :Monitor list is full";
    assert_eq!(heard.last().unwrap(), last);
    assert_eq!(scene.world.watchers.len(), WATCHED_PER_MEMBER);
    // One that he watches already takes no room.
    scene.says("tom", "MONITOR + a0");
    scene.check("tom", &[":sockeye.local 731 tom :a0"]);
    scene.says("tom", "MONITOR L");
    assert!(scene.hears("tom").iter().all(|line| line.len() <= 510));
    scene.says("tom", "QUIT");
    assert!(scene.world.watchers.is_empty());
}
