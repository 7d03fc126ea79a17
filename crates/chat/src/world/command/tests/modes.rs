//! MODE of rooms.

use crate::world::limits::{BANS_PER_ROOM, KEY_BYTES, MODES_PER_LINE};
use crate::world::scene::Scene;

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
fn modes_are_asked_for_and_changed() {
    room().plays(
        "tom > MODE #R
         tom < 324 tom #r +nt
         tom < 329 tom #r 1795262400
         tom > MODE #x
         tom < 403 tom #x :No such channel
         tom > MODE #r +im-n+kl key 5
         bob < :tom MODE #r +im-n+kl key 5
         tom < :tom MODE #r +im-n+kl key 5
         bob > MODE #r
         bob < 324 bob #r +imtkl key 5
         bob < 329 bob #r 1795262400
         eve > MODE #r
         eve < 324 eve #r +imtkl * 5
         eve < 329 eve #r 1795262400
         tom > MODE #r +i-l
         bob < :tom MODE #r -l
         tom < :tom MODE #r -l
         tom > MODE #r -k
         bob < :tom MODE #r -k *
         tom < :tom MODE #r -k *
         tom > MODE #r -k wrong
         tom > MODE #r +x-m
         tom < 472 tom x :is not a recognised channel mode
         bob < :tom MODE #r -m
         tom < :tom MODE #r -m",
    );
}

#[test]
fn only_who_rules_a_room_changes_its_modes() {
    room().plays(
        "bob > MODE #r +im-t
         bob < 482 bob #r :You're not channel operator
         eve > MODE #r +o eve
         eve < 442 eve #r :You're not on that channel
         bob > MODE #r +b
         bob < 368 bob #r :End of channel ban list
         tom > MODE #r +ov bob bob
         bob < :tom MODE #r +ov bob bob
         tom < :tom MODE #r +ov bob bob
         bob > MODE #r -o tom
         bob < :bob MODE #r -o tom
         tom < :bob MODE #r -o tom
         tom > MODE #r +m
         tom < 482 tom #r :You're not channel operator",
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let key = "k".repeat(KEY_BYTES + 1);
    room().plays(&format!(
        "tom > MODE #r +o eve
         tom < 441 tom eve #r :They aren't on that channel
         tom > MODE #r +v nobody
         tom < 401 tom nobody :No such nick/channel
         tom > MODE #r +o
         tom > MODE #r +k
         tom < 525 tom #r :Key is not well-formed
         tom > MODE #r +k {key}
         tom < 525 tom #r :Key is not well-formed
         tom > MODE #r +k a,b
         tom < 525 tom #r :Key is not well-formed
         tom > MODE #r +l 0
         tom < 696 tom #r l 0 :A limit is a number above 0
         tom > MODE #r +l
         tom < 696 tom #r l * :A limit is a number above 0
         tom > MODE #r +l 99999999999999999999
         tom < 696 tom #r l 99999999999999999999 :A limit is a number above 0
         tom > MODE #r +b :a b
         tom < 696 tom #r b * :The mask is not well-formed"
    ));
}

#[test]
fn bans_are_listed_and_full_lists_take_no_more() {
    let mut scene = room();
    scene.plays(
        "tom > MODE #r +bb eve *@10.*
         bob < :tom MODE #r +bb eve!*@* *!*@10.*
         tom < :tom MODE #r +bb eve!*@* *!*@10.*
         tom > MODE #r +b EVE
         tom > MODE #r b
         tom < 367 tom #r eve!*@* tom!tom@loopback 1795262400
         tom < 367 tom #r *!*@10.* tom!tom@loopback 1795262400
         tom < 368 tom #r :End of channel ban list
         tom > MODE #r -b eve!*@*
         bob < :tom MODE #r -b eve!*@*
         tom < :tom MODE #r -b eve!*@*
         tom > MODE #r -b nobody",
    );
    for number in 1..BANS_PER_ROOM {
        scene.says("tom", &format!("MODE #r +b b{number}"));
    }
    scene.forget();
    scene.plays(
        "tom > MODE #r +b more
         tom < 478 tom #r more :Channel ban list is full",
    );
}

#[test]
fn of_too_many_changes_in_a_line_the_first_are_made() {
    let mut scene = room();
    let letters = "b".repeat(MODES_PER_LINE + 1);
    let masks: Vec<_> = (0..=MODES_PER_LINE)
        .map(|number| format!("b{number}"))
        .collect();
    scene.says("tom", &format!("MODE #r +{letters} {}", masks.join(" ")));
    assert_eq!(
        scene.world.rooms.values().next().unwrap().bans.len(),
        MODES_PER_LINE
    );
}

/// What one line asks for may be more than one line tells.
#[test]
fn long_changes_are_told_in_lines_that_fit() {
    let mut scene = room();
    let masks: Vec<_> = (0..5)
        .map(|number| format!("{}{number}", "x".repeat(93)))
        .collect();
    scene.says("tom", &format!("MODE #r +bbbbb {}", masks.join(" ")));
    let heard = scene.hears("bob");
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard.iter().all(|line| line.len() <= 510), "{heard:?}");
    assert_eq!(heard.join(" ").matches("!*@*").count(), 5);
}

/// A change of which nothing comes is still answered, once.
#[test]
fn a_labelled_change_is_acknowledged() {
    let mut scene = room();
    scene.comes("ann", "labeled-response batch");
    scene.says("ann", "JOIN #a");
    scene.forget();
    scene.plays(
        "ann > @label=1 MODE #a +n
         ann < @label=1 :sockeye.local ACK
         ann > @label=2 MODE #a +m
         ann < @label=2 :ann!ann@loopback MODE #a +m",
    );
}
