//! TOPIC, KICK, INVITE.

use crate::world::limits::{INVITED_PER_ROOM, REASON_BYTES, TOPIC_BYTES};
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
fn topics_are_set_and_told() {
    room().plays(
        "tom > TOPIC #r
         tom < 331 tom #r :No topic is set
         bob > TOPIC #r :mine
         bob < 482 bob #r :You're not channel operator
         eve > TOPIC #r :mine
         eve < 442 eve #r :You're not on that channel
         eve > TOPIC #x
         eve < 403 eve #x :No such channel
         eve > TOPIC #x :mine
         eve < 403 eve #x :No such channel
         tom > TOPIC #R :about fish
         bob < :tom TOPIC #r :about fish
         tom < :tom TOPIC #r :about fish
         eve > TOPIC #r
         eve < 332 eve #r :about fish
         eve < 333 eve #r tom!tom@loopback 1795262400
         tom > MODE #r -t
         bob < :tom MODE #r -t
         tom < :tom MODE #r -t
         bob > TOPIC #r :
         bob < :bob TOPIC #r :
         tom < :bob TOPIC #r :
         bob > TOPIC #r
         bob < 331 bob #r :No topic is set",
    );
}

#[test]
fn topics_and_reasons_are_as_long_as_they_may_be() {
    let mut scene = room();
    let long = "鱼".repeat(150);
    scene.says("tom", &format!("TOPIC #r :{long}"));
    let fits = "鱼".repeat(TOPIC_BYTES / 3);
    scene.check("bob", &[&format!(":tom!tom@loopback TOPIC #r :{fits}")]);
    scene.says("tom", &format!("KICK #r bob :{long}"));
    let fits = "鱼".repeat(REASON_BYTES / 3);
    scene.check("bob", &[&format!(":tom!tom@loopback KICK #r bob :{fits}")]);
}

#[test]
fn who_is_put_out_is_out() {
    let mut scene = room();
    scene.plays(
        "bob > KICK #r tom
         bob < 482 bob #r :You're not channel operator
         eve > KICK #r tom
         eve < 442 eve #r :You're not on that channel
         tom > KICK #x bob
         tom < 403 tom #x :No such channel
         tom > KICK #r eve,nobody,BOB :no fish
         tom < 441 tom eve #r :They aren't on that channel
         tom < 441 tom nobody #r :They aren't on that channel
         bob < :tom KICK #r BOB :no fish
         tom < :tom KICK #r BOB :no fish
         bob > PRIVMSG #r hi
         bob < 404 bob #r :Cannot send to channel (+n): you are not in it
         bob > PART #r
         bob < 442 bob #r :You're not on that channel
         tom > KICK #r tom
         tom < :tom KICK #r tom :tom",
    );
    assert!(scene.world.rooms.is_empty());
}

#[test]
fn several_are_put_out_of_several_rooms() {
    let mut scene = room();
    scene.says("tom", "JOIN #s");
    scene.says("eve", "JOIN #s");
    scene.forget();
    scene.plays(
        "tom > KICK #r,#s bob,eve
         bob < :tom KICK #r bob :tom
         eve < :tom KICK #s eve :tom
         tom < :tom KICK #r bob :tom
         tom < :tom KICK #s eve :tom",
    );
}

#[test]
fn invitations_reach_who_is_invited_and_those_who_rule() {
    let mut scene = room();
    scene.comes("ann", "invite-notify server-time");
    scene.says("ann", "JOIN #r");
    scene.says("tom", "MODE #r +io ann");
    scene.forget();
    scene.plays(
        "bob > INVITE eve #r
         bob < 482 bob #r :You're not channel operator
         eve > INVITE bob #r
         eve < 442 eve #r :You're not on that channel
         tom > INVITE nobody #r
         tom < 401 tom nobody :No such nick/channel
         tom > INVITE bob #r
         tom < 443 tom bob #r :is already on channel
         tom > INVITE eve #x
         tom < 403 tom #x :No such channel
         tom > INVITE EVE #R
         ann < @time=2026-11-21T12:00:00.000Z :tom!tom@loopback INVITE eve :#r
         eve < :tom INVITE eve :#r
         tom < 341 tom eve #r",
    );
    scene.goes_away("eve", "asleep");
    scene.plays(
        "tom > INVITE eve #r
         ann < @time=2026-11-21T12:00:00.000Z :tom!tom@loopback INVITE eve :#r
         eve < :tom INVITE eve :#r
         tom < 341 tom eve #r
         tom < 301 tom eve :asleep",
    );
}

#[test]
fn the_oldest_invitation_is_forgotten_when_there_are_too_many() {
    let mut scene = room();
    for number in 0..=INVITED_PER_ROOM {
        let who = format!("m{number}");
        scene.comes(&who, "");
        scene.says("tom", &format!("INVITE {who} #r"));
    }
    scene.says("tom", "MODE #r +i");
    scene.forget();
    scene.says("m0", "JOIN #r");
    assert!(scene.hears("m0")[0].contains(" 473 "));
    scene.says("m1", "JOIN #r");
    assert!(scene.hears("m1")[0].contains(" JOIN #r"));
}

/// A labelled command that drafts several things has one answer with what became of each.
#[test]
fn a_labelled_kick_of_several_is_one_batch() {
    let mut scene = room();
    scene.comes("ann", "labeled-response batch");
    scene.says("ann", "JOIN #r");
    scene.says("tom", "MODE #r +o ann");
    scene.forget();
    scene.says("ann", "@label=7 KICK #r bob,eve,tom");
    let heard = scene.hears("ann");
    assert!(
        heard[0].starts_with("@label=7 :sockeye.local BATCH +"),
        "{heard:?}"
    );
    for (line, end) in heard[1..4].iter().zip([
        " 441 ann eve #r :They aren't on that channel",
        "KICK #r bob :ann",
        "KICK #r tom :ann",
    ]) {
        assert!(line.starts_with("@batch=") && line.ends_with(end), "{line}");
    }
    assert_eq!(heard.len(), 5);
}
