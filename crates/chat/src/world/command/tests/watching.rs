use crate::world::limits::WATCHED_PER_MEMBER;
use crate::world::scene::Scene;

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
