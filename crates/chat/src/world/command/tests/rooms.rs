//! JOIN, PART, NAMES, LIST.

use crate::log::{Kept, KeptBan, KeptRoom, KeptTopic, ModeChange};
use crate::world::limits::{LIST_ROOMS, ROOMS, ROOMS_PER_FOUNDER};
use crate::world::scene::Scene;
use crate::world::{Seat, Settings};

#[test]
fn rooms_are_come_into_and_left() {
    let mut scene = Scene::new();
    for who in ["tom", "bob", "eve"] {
        scene.comes(who, "");
    }
    scene.plays(
        "tom > JOIN
         tom < 461 tom JOIN :Not enough parameters
         tom > JOIN r,#a,,#b\u{7}
         tom < 403 tom r :No such channel
         tom < :tom JOIN #a
         tom < 353 tom = #a :@tom
         tom < 366 tom #a :End of /NAMES list
         tom < 403 tom #b\u{7} :No such channel
         tom > JOIN #A
         bob > JOIN #A
         bob < :bob JOIN #a
         tom < :bob JOIN #a
         bob < 353 bob = #a :@tom bob
         bob < 366 bob #a :End of /NAMES list
         bob > PART #x,#A,#a :see you
         bob < 403 bob #x :No such channel
         bob < :bob PART #a :see you
         tom < :bob PART #a :see you
         bob < 442 bob #a :You're not on that channel
         tom > JOIN 0
         tom < :tom PART #a
         tom > NAMES #a
         tom < 366 tom #a :End of /NAMES list
         eve > NAMES
         eve < 366 eve * :End of /NAMES list; name a channel",
    );
    assert!(scene.world.rooms.is_empty(), "nothing of it is kept");
}

#[test]
fn clients_are_told_what_they_asked_for() {
    let mut scene = Scene::new();
    scene.comes("tom", "extended-join away-notify server-time");
    scene.comes("bob", "multi-prefix userhost-in-names");
    scene.says("tom", "JOIN #r");
    scene.goes_away("bob", "gone fishing");
    scene.forget();
    scene.plays(
        "bob > JOIN #r
         bob < :bob JOIN #r
         bob < 353 bob = #r :@tom!tom@loopback bob!bob@loopback
         bob < 366 bob #r :End of /NAMES list
         tom < @time=2026-11-21T12:00:00.000Z :bob!bob@loopback JOIN #r * :bob himself
         tom < @time=2026-11-21T12:00:00.000Z :bob!bob@loopback AWAY :gone fishing
         tom > MODE #r +v tom
         tom < @time=2026-11-21T12:00:00.000Z :tom!tom@loopback MODE #r +v tom
         bob < :tom MODE #r +v tom
         bob > NAMES #r
         bob < 353 bob = #r :@+tom!tom@loopback bob!bob@loopback
         bob < 366 bob #r :End of /NAMES list",
    );
}

#[test]
fn who_is_invisible_shows_only_to_those_in_the_room() {
    let mut scene = Scene::new();
    for who in ["tom", "bob"] {
        scene.comes(who, "");
    }
    scene.says("tom", "JOIN #r");
    scene.forget();
    scene.plays(
        "tom > MODE tom +iox
         tom < 501 tom :Unknown MODE flag
         tom < :tom!tom@loopback MODE tom +i
         tom > MODE tom
         tom < 221 tom +i
         bob > NAMES #r
         bob < 366 bob #r :End of /NAMES list
         bob > MODE tom
         bob < 502 bob :Cannot change mode for other users
         bob > MODE nobody
         bob < 401 bob nobody :No such nick/channel
         tom > NAMES #r
         tom < 353 tom = #r :@tom
         tom < 366 tom #r :End of /NAMES list",
    );
}

#[test]
fn a_room_lets_in_whom_it_wants() {
    let mut scene = Scene::new();
    for who in ["tom", "bob"] {
        scene.comes(who, "");
    }
    scene.says("tom", "JOIN #r");
    for (mode, undo, number, name) in [
        ("+i", "-i", "473", "+i"),
        ("+k key", "-k", "475", "+k"),
        ("+l 1", "-l", "471", "+l"),
        ("+b bob", "-b bob", "474", "+b"),
    ] {
        scene.says("tom", &format!("MODE #r {mode}"));
        scene.forget();
        scene.plays(&format!(
            "bob > JOIN #r wrong
             bob < {number} bob #r :Cannot join channel ({name})"
        ));
        // Whoever is invited comes in all the same, once.
        scene.says("tom", "INVITE bob #r");
        scene.says("bob", "JOIN #r");
        assert!(
            scene
                .hears("bob")
                .iter()
                .any(|line| line.contains(" JOIN #r"))
        );
        scene.says("bob", "PART #r");
        scene.says("bob", "JOIN #r");
        assert!(scene.hears("bob").last().unwrap().contains(number));
        scene.says("tom", &format!("MODE #r {undo}"));
    }
    scene.says("tom", "MODE #r +k key");
    scene.says("bob", "JOIN #x,#r ,key");
    let heard = scene.hears("bob");
    assert!(
        heard.iter().any(|line| line.ends_with(" JOIN #r")),
        "{heard:?}"
    );
}

#[test]
fn nobody_is_in_more_rooms_than_he_may() {
    let settings = Settings {
        rooms_per_member: 2,
        ..Settings::default()
    };
    let mut scene = Scene::with(settings, None);
    scene.comes("tom", "");
    scene.says("tom", "JOIN #a,#b,#c");
    let heard = scene.hears("tom");
    assert_eq!(
        heard.last().unwrap(),
        ":sockeye.local 405 tom #c :You have joined too many channels"
    );
    assert_eq!(scene.world.rooms.len(), 2);
}

/// The lines of NAMES are as long as they may be, and everybody stands in one of them.
#[test]
fn names_of_many_come_in_lines_that_fit() {
    let mut scene = Scene::new();
    scene.comes("tom", "");
    scene.says("tom", "JOIN #r");
    for number in 0..200 {
        let who = format!("member-{number:02}-{}", "x".repeat(number % 15));
        scene.comes(&who, "");
        scene.says(&who, "JOIN #r");
    }
    scene.forget();
    scene.says("tom", "NAMES #r");
    let heard = scene.hears("tom");
    let lines = &heard[..heard.len() - 1];
    let longest = lines.iter().map(String::len).max().unwrap();
    assert!((480..=510).contains(&longest), "{longest}");
    let names = lines.iter().map(|line| line.rsplit_once(':').unwrap().1);
    assert_eq!(names.flat_map(|names| names.split(' ')).count(), 201);
}

#[test]
fn rooms_are_listed_by_name_and_by_size() {
    let mut scene = Scene::new();
    for who in ["tom", "bob"] {
        scene.comes(who, "");
    }
    scene.says("tom", "JOIN #alpha,#beta");
    scene.says("bob", "JOIN #beta");
    scene.says("bob", "TOPIC #beta :second");
    scene.says("tom", "TOPIC #beta :second");
    scene.forget();
    for (words, rooms) in [
        ("", &["#beta 2 :second", "#alpha 1 :"][..]),
        (" >1", &["#beta 2 :second"]),
        (" <2", &["#alpha 1 :"]),
        (" #A*", &["#alpha 1 :"]),
        (" !#a*", &["#beta 2 :second"]),
        (" #beta,#alpha", &["#beta 2 :second", "#alpha 1 :"]),
        (" #alpha,>1", &[]),
    ] {
        scene.says("tom", &format!("LIST{words}"));
        let heard = scene.hears("tom");
        assert_eq!(heard[0], ":sockeye.local 321 tom Channel :Users  Name");
        let rooms = rooms
            .iter()
            .map(|room| format!(":sockeye.local 322 tom {room}"));
        assert_eq!(
            heard[1..heard.len() - 1],
            rooms.collect::<Vec<_>>(),
            "LIST{words}"
        );
        assert_eq!(
            heard.last().unwrap(),
            ":sockeye.local 323 tom :End of /LIST"
        );
    }
}

#[test]
fn a_list_of_too_many_rooms_says_so() {
    let mut scene = Scene::new();
    scene.comes("tom", "");
    let room = |number: usize| KeptRoom {
        name: format!("#r{number}"),
        founder: Some("tom".into()),
        ..KeptRoom::default()
    };
    scene.world.restore(Kept {
        rooms: (0..LIST_ROOMS + 3).map(room).collect(),
        ..Kept::default()
    });
    scene.says("tom", "LIST");
    let heard = scene.hears("tom");
    assert_eq!(heard.len(), LIST_ROOMS + 2);
    assert!(
        heard
            .last()
            .unwrap()
            .contains("3 smaller ones are left out"),
        "{:?}",
        heard.last()
    );
}

/// Who comes back to a room that was kept finds it as it was; who made it rules it.
#[test]
fn a_room_that_was_kept_is_as_it_was() {
    let mut scene = Scene::new();
    let change = |mode: char, param: Option<&str>| ModeChange {
        set: true,
        mode,
        param: param.map(str::to_owned),
    };
    scene.world.restore(Kept {
        rooms: vec![KeptRoom {
            name: "#Room".into(),
            since_ms: 7000,
            founder: Some("tom".into()),
            topic: Some(KeptTopic {
                text: "fish".into(),
                by: "tom!t@h".into(),
                set_ms: 9000,
            }),
            modes: vec![
                change('k', Some("key")),
                change('i', None),
                change('l', Some("9")),
            ],
            bans: vec![KeptBan {
                mask: "eve!*@*".into(),
                by: "tom!t@h".into(),
                set_ms: 8000,
            }],
        }],
        ..Kept::default()
    });
    for who in ["tom", "bob", "eve"] {
        scene.comes(who, "");
    }
    scene.registers("tom");
    scene.plays(
        "eve > JOIN #room key
         eve < 474 eve #room :Cannot join channel (+b)
         bob > JOIN #room key
         bob < 473 bob #room :Cannot join channel (+i)
         bob > TOPIC #room
         bob < 442 bob #room :You're not on that channel
         bob > MODE #room
         bob < 324 bob #Room +intkl * 9
         bob < 329 bob #Room 7
         tom > JOIN #room
         tom < :tom JOIN #Room
         tom < 332 tom #Room :fish
         tom < 333 tom #Room tom!t@h 9
         tom < 353 tom = #Room :@tom
         tom < 366 tom #Room :End of /NAMES list
         tom > MODE #room
         tom < 324 tom #Room +intkl key 9
         tom < 329 tom #Room 7
         tom > MODE #room b
         tom < 367 tom #Room eve!*@* tom!t@h 8
         tom < 368 tom #Room :End of channel ban list
         tom > PART #room
         tom < :tom PART #Room",
    );
    assert_eq!(scene.world.rooms.len(), 1, "what is kept stays, also empty");
}

/// Whoever made a room with an account gets back what he is, also when others are there.
#[test]
fn the_founder_rules_his_room_whenever_he_comes() {
    let mut scene = Scene::new();
    for who in ["tom", "bob"] {
        scene.comes(who, "");
    }
    scene.registers("tom");
    scene.says("tom", "JOIN #r");
    scene.says("tom", "PART #r");
    scene.forget();
    scene.plays(
        "bob > JOIN #r
         bob < :bob JOIN #r
         bob < 353 bob = #r :bob
         bob < 366 bob #r :End of /NAMES list
         tom > JOIN #r
         bob < :tom JOIN #r
         bob < :sockeye.local MODE #r +o tom
         tom < :tom JOIN #r
         tom < :sockeye.local MODE #r +o tom
         tom < 353 tom = #r :@tom bob
         tom < 366 tom #r :End of /NAMES list",
    );
}

/// A room that nobody owns goes to whoever comes first, and its invitations bind nobody.
#[test]
fn a_room_of_nobody_is_ruled_by_who_comes_first() {
    let mut scene = Scene::new();
    for who in ["tom", "bob"] {
        scene.comes(who, "");
    }
    scene.says("tom", "JOIN #r");
    scene.says("tom", "MODE #r +i");
    scene.says("tom", "PART #r");
    scene.forget();
    scene.plays(
        "bob > JOIN #r
         bob < :bob JOIN #r
         bob < 353 bob = #r :@bob
         bob < 366 bob #r :End of /NAMES list
         bob > MODE #r -i
         bob < :bob MODE #r -i
         bob > QUIT
         bob < ERROR :Quit",
    );
    assert!(scene.world.rooms.is_empty());
}

/// A labelled JOIN has one answer, whole.
#[test]
fn a_labelled_join_is_one_batch() {
    let mut scene = Scene::new();
    scene.comes("tom", "labeled-response batch");
    scene.comes("bob", "");
    scene.registers("tom");
    scene.says("bob", "JOIN #b");
    scene.forget();
    scene.says("tom", "@label=1 JOIN #a,#b");
    let heard = scene.hears("tom");
    assert!(
        heard[0].starts_with("@label=1 :sockeye.local BATCH +"),
        "{heard:?}"
    );
    assert_eq!(heard.len(), 2 + 3 + 3, "{heard:?}");
    assert!(
        heard[1..7].iter().all(|line| line.starts_with("@batch=")),
        "{heard:?}"
    );
    assert!(heard[7].starts_with(":sockeye.local BATCH -"), "{heard:?}");
    scene.says("tom", "@label=2 PART #a,#b");
    assert_eq!(scene.hears("tom").len(), 4);
}

#[test]
fn prefixes_show_what_somebody_is() {
    for (rules, has_voice, all, prefix) in [
        (true, true, true, "@+"),
        (true, true, false, "@"),
        (false, true, true, "+"),
        (false, false, true, ""),
    ] {
        let seat = Seat {
            rules,
            has_voice,
            ..Seat::default()
        };
        assert_eq!(seat.prefix(all), prefix);
    }
}

#[test]
fn a_server_has_so_many_rooms_and_no_more() {
    let mut scene = Scene::new();
    scene.comes("tom", "");
    let room = |number: usize| KeptRoom {
        name: format!("#r{number}"),
        founder: Some("tom".into()),
        ..KeptRoom::default()
    };
    scene.world.restore(Kept {
        rooms: (0..ROOMS).map(room).collect(),
        ..Kept::default()
    });
    scene.plays(
        "tom > JOIN #more
         tom < 437 tom #more :There are too many channels on this server
         tom > JOIN #r7
         tom < :tom JOIN #r7
         tom < 353 tom = #r7 :tom
         tom < 366 tom #r7 :End of /NAMES list",
    );
}

/// Whoever has made many rooms goes on making them, but they are not his for ever.
#[test]
fn an_account_owns_so_many_rooms_and_no_more() {
    let mut scene = Scene::new();
    scene.comes("tom", "");
    scene.registers("tom");
    for number in 0..=ROOMS_PER_FOUNDER {
        scene.says("tom", &format!("JOIN #r{number}"));
        scene.says("tom", &format!("PART #r{number}"));
    }
    assert_eq!(scene.world.rooms.len(), ROOMS_PER_FOUNDER);
}

/// Whoever rules over the server is stopped by nothing that a room wants.
#[test]
fn who_rules_the_server_may_do_everything_in_rooms() {
    let mut scene = Scene::new();
    for who in ["tom", "bob", "boss"] {
        scene.comes(who, "");
    }
    let boss = scene.id("boss");
    scene.world.members.get_mut(&boss).unwrap().is_oper = true;
    scene.says("tom", "JOIN #r");
    scene.says("bob", "JOIN #r");
    scene.says("tom", "MODE #r +imkb key boss");
    scene.forget();
    scene.plays(
        "boss > TOPIC #r :order
         bob < :boss TOPIC #r :order
         tom < :boss TOPIC #r :order
         boss > MODE #r -o+o tom bob
         bob < :boss MODE #r -o+o tom bob
         tom < :boss MODE #r -o+o tom bob
         boss > PRIVMSG #r hi
         bob < :boss PRIVMSG #r :hi
         tom < :boss PRIVMSG #r :hi
         boss > KICK #r tom :out
         bob < :boss KICK #r tom :out
         tom < :boss KICK #r tom :out
         boss > JOIN #r
         bob < :boss JOIN #r
         boss < :boss JOIN #r
         boss < 332 boss #r :order
         boss < 333 boss #r boss!boss@loopback 1795262400
         boss < 353 boss = #r :@bob boss
         boss < 366 boss #r :End of /NAMES list",
    );
}

/// However many rooms two share, each hears once what the other does.
#[test]
fn who_shares_several_rooms_hears_once() {
    let mut scene = Scene::new();
    for who in ["tom", "bob", "eve"] {
        scene.comes(who, "");
    }
    scene.says("tom", "JOIN #a,#b,#c");
    scene.says("bob", "JOIN #b,#a");
    scene.says("eve", "JOIN #c");
    scene.forget();
    scene.plays(
        "tom > NICK thomas
         bob < :tom NICK :thomas
         eve < :tom NICK :thomas
         tom < :tom NICK :thomas
         bob > QUIT
         bob < ERROR :Quit
         tom < :bob QUIT :Quit",
    );
}
