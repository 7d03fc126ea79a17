use crate::world::limits::{GONE_MEMBERS, WATCHED_PER_MEMBER};
use crate::world::scene::{NOON_MS, Scene, here};
use crate::world::{Settings, Way};

/// From afar, with the key of an admin.
fn admin() -> Way {
    Way {
        address: "192.0.2.7:5".into(),
        host: "a1.hidden".into(),
        is_private: true,
        key_name: Some("root".into()),
        key_rules: true,
    }
}

fn far() -> Way {
    Way {
        address: "192.0.2.9:1024".into(),
        host: "b2.hidden".into(),
        ..Way::default()
    }
}

/// Tom, Ann and an admin in a room; Eve elsewhere.
fn company() -> Scene {
    let settings = Settings {
        desk: Some("#desk".into()),
        ..Settings::default()
    };
    let mut scene = Scene::with(settings, None);
    scene.comes("tom", "multi-prefix");
    scene.comes_by("ann", far(), "away-notify setname server-time");
    scene.comes_by("root", admin(), "");
    scene.comes("eve", "");
    for who in ["tom", "ann", "root"] {
        scene.says(who, "JOIN #r");
    }
    scene.forget();
    scene
}

/// What is answered to each line.
fn check(scene: &mut Scene, who: &str, table: &[(&str, &[&str])]) {
    for (line, answers) in table {
        scene.says(who, line);
        let answers: Vec<_> = answers
            .iter()
            .map(|answer| format!(":sockeye.local {answer}"))
            .collect();
        assert_eq!(scene.hears(who), answers, "what {who} hears of {line}");
    }
}

#[test]
fn who_goes_away_says_so() {
    let mut scene = company();
    scene.says("tom", "AWAY :at \u{1b}[31mtea");
    scene.check(
        "tom",
        &[":sockeye.local 306 tom :You have been marked as being away"],
    );
    scene.check(
        "ann",
        &["@time=2026-11-21T12:00:00.000Z :tom!tom@loopback AWAY :at [31mtea"],
    );
    scene.check("root", &[]);
    scene.says("tom", "AWAY :at [31mtea");
    scene.check("ann", &[]);
    scene.says("tom", "AWAY");
    scene.check(
        "ann",
        &["@time=2026-11-21T12:00:00.000Z :tom!tom@loopback AWAY"],
    );
    scene.says("tom", "AWAY :");
    let back = ":sockeye.local 305 tom :You are no longer marked as being away";
    let away = ":sockeye.local 306 tom :You have been marked as being away";
    scene.check("tom", &[away, back, back]);
}

#[test]
fn a_real_name_changes_for_those_who_ask() {
    let mut scene = company();
    scene.says("tom", "SETNAME :Tom the Cat");
    scene.check(
        "ann",
        &["@time=2026-11-21T12:00:00.000Z :tom!tom@loopback SETNAME :Tom the Cat"],
    );
    scene.check("root", &[]);
    scene.says("ann", "SETNAME :Ann");
    scene.check(
        "ann",
        &["@time=2026-11-21T12:00:00.000Z :ann!ann@b2.hidden SETNAME :Ann"],
    );
    check(
        &mut scene,
        "tom",
        &[(
            "SETNAME :\u{7}",
            &["FAIL SETNAME INVALID_REALNAME :A real name is not empty"],
        )],
    );
}

#[test]
fn names_are_looked_up() {
    let mut scene = company();
    scene.says("ann", "AWAY :tea");
    scene.says("root", "OPER x x");
    scene.forget();
    check(
        &mut scene,
        "tom",
        &[
            ("ISON Ann nobody :root x", &["303 tom :ann root"]),
            ("ISON nobody", &["303 tom :"]),
            (
                "USERHOST ann ROOT nobody",
                &["302 tom :ann=-ann@b2.hidden root*=+root@a1.hidden"],
            ),
        ],
    );
}

#[test]
fn whois_tells_everybody_what_is_for_everybody() {
    let mut scene = company();
    scene.says("ann", "AWAY :tea");
    scene.says("root", "OPER x x");
    scene.forget();
    check(
        &mut scene,
        "eve",
        &[
            (
                "WHOIS ann",
                &[
                    "311 eve ann ann b2.hidden * :ann himself",
                    "319 eve ann :#r",
                    "312 eve ann sockeye.local :sockeye",
                    "301 eve ann :tea",
                    "317 eve ann 0 1795262400 :seconds idle, signon time",
                    "318 eve ann :End of /WHOIS list",
                ],
            ),
            (
                "WHOIS root ROOT,tom",
                &[
                    "311 eve root root a1.hidden * :root himself",
                    "319 eve root :#r",
                    "312 eve root sockeye.local :sockeye",
                    "313 eve root :is an IRC operator",
                    "330 eve root root :is logged in as",
                    "671 eve root :is using a secure connection",
                    "317 eve root 0 1795262400 :seconds idle, signon time",
                    "318 eve ROOT :End of /WHOIS list",
                ],
            ),
            (
                "WHOIS nobody",
                &[
                    "401 eve nobody :No such nick/channel",
                    "318 eve nobody :End of /WHOIS list",
                ],
            ),
            ("WHOIS", &["431 eve :No nickname given"]),
        ],
    );
}

/// Admins, the desk, and whoever asks for himself.
#[test]
fn addresses_are_for_few() {
    let mut scene = company();
    let shown = |scene: &mut Scene, who: &str, of: &str| {
        scene.says(who, &format!("WHOIS {of}"));
        let heard = scene.hears(who);
        let told = heard
            .iter()
            .filter(|line| line.contains(" 338 ") || line.contains(" 378 "));
        told.count() == 2 && heard.iter().any(|line| line.contains("192.0.2.9:1024"))
    };
    assert!(shown(&mut scene, "ann", "ann"));
    assert!(!shown(&mut scene, "tom", "ann"));
    assert!(!shown(&mut scene, "root", "ann"));
    scene.says("root", "OPER");
    assert!(shown(&mut scene, "root", "ann"));
    scene.says("tom", "JOIN #desk");
    scene.hears("tom");
    assert!(shown(&mut scene, "tom", "ann"));
    // The right is taken away while he is here.
    let root = scene.id("root");
    scene.world.rights(root, Some("root".into()), false);
    scene.says("root", "PING x");
    assert_eq!(scene.hears("root")[0], ":sockeye.local MODE root :-o");
    assert!(!shown(&mut scene, "root", "ann"));
    scene.forget();
    check(
        &mut scene,
        "eve",
        &[(
            "WHO ann %i",
            &["354 eve 255.255.255.255", "315 eve ann :End of WHO list"],
        )],
    );
    check(
        &mut scene,
        "tom",
        &[(
            "WHO ann %i",
            &["354 tom 192.0.2.9:1024", "315 tom ann :End of WHO list"],
        )],
    );
}

#[test]
fn who_lists_rooms_and_masks() {
    let mut scene = company();
    scene.says("ann", "AWAY :tea");
    scene.says("root", "OPER x x");
    scene.forget();
    let (tom, ann, root) = (
        "352 tom #r tom loopback sockeye.local tom H@ :0 tom himself",
        "352 tom #r ann b2.hidden sockeye.local ann G :0 ann himself",
        "352 tom #r root a1.hidden sockeye.local root H* :0 root himself",
    );
    check(
        &mut scene,
        "tom",
        &[
            ("WHO #R", &[tom, ann, root, "315 tom #R :End of WHO list"]),
            ("WHO #r o", &[root, "315 tom #r :End of WHO list"]),
            ("WHO #none", &["315 tom #none :End of WHO list"]),
            (
                "WHO a*",
                &[
                    "352 tom * ann b2.hidden sockeye.local ann G :0 ann himself",
                    "315 tom a* :End of WHO list",
                ],
            ),
            (
                "WHO #r %tcuihsnfdlaor,42",
                &[
                    "354 tom 42 #r tom 127.0.0.1:5 loopback sockeye.local tom H@ 0 0 0 n/a :tom himself",
                    "354 tom 42 #r ann 255.255.255.255 b2.hidden sockeye.local ann G 0 0 0 n/a :ann himself",
                    "354 tom 42 #r root 255.255.255.255 a1.hidden sockeye.local root H* 0 0 root n/a :root himself",
                    "315 tom #r :End of WHO list",
                ],
            ),
            (
                "WHO root %na",
                &["354 tom root root", "315 tom root :End of WHO list"],
            ),
            ("WHO eve o%t,7", &["315 tom eve :End of WHO list"]),
        ],
    );
    scene.says("tom", "WHO");
    assert_eq!(scene.hears("tom").len(), 5);
}

#[test]
fn the_invisible_are_seen_by_those_who_know_them() {
    let mut scene = company();
    let ann = scene.id("ann");
    scene.world.members.get_mut(&ann).unwrap().is_invisible = true;
    let count = |scene: &mut Scene, who: &str, line: &str| {
        scene.says(who, line);
        let heard = scene.hears(who);
        heard.iter().filter(|line| line.contains(" ann ")).count()
    };
    assert_eq!(count(&mut scene, "eve", "WHO *"), 0);
    assert_eq!(count(&mut scene, "eve", "WHO #r"), 0);
    assert_eq!(count(&mut scene, "tom", "WHO *"), 1);
    assert_eq!(count(&mut scene, "eve", "WHO ann"), 2);
    scene.says("eve", "WHOIS ann");
    assert!(!scene.hears("eve").iter().any(|line| line.contains(" 319 ")));
}

#[test]
fn long_answers_are_cut() {
    let mut scene = Scene::new();
    scene.comes("tom", "");
    for number in 0..1000 {
        scene.comes(&format!("n{number}"), "");
    }
    scene.says("tom", "WHO *");
    let heard = scene.hears("tom");
    assert_eq!(heard.len(), 1002);
    assert_eq!(
        heard[1000],
        ":sockeye.local 416 tom * :Output too long, cut here"
    );
}

#[test]
fn whowas_tells_of_the_last_who_were_here() {
    let mut scene = company();
    scene.says("ann", "NICK anna");
    scene.says("ann", "QUIT");
    scene.forget();
    scene.comes_by("ann", here(), "");
    scene.says("ann", "QUIT");
    check(
        &mut scene,
        "tom",
        &[
            (
                "WHOWAS Ann",
                &[
                    "314 tom ann ann loopback * :ann himself",
                    "312 tom ann sockeye.local :2026-11-21T12:00:00.000Z",
                    "314 tom ann ann b2.hidden * :ann himself",
                    "312 tom ann sockeye.local :2026-11-21T12:00:00.000Z",
                    "369 tom Ann :End of WHOWAS",
                ],
            ),
            (
                "WHOWAS ann 1",
                &[
                    "314 tom ann ann loopback * :ann himself",
                    "312 tom ann sockeye.local :2026-11-21T12:00:00.000Z",
                    "369 tom ann :End of WHOWAS",
                ],
            ),
            (
                "WHOWAS x",
                &[
                    "406 tom x :There was no such nickname",
                    "369 tom x :End of WHOWAS",
                ],
            ),
            ("WHOWAS", &["431 tom :No nickname given"]),
        ],
    );
    for number in 0..2 * GONE_MEMBERS {
        scene.says("eve", &format!("NICK eve{number}"));
    }
    assert_eq!(scene.world.gone.len(), GONE_MEMBERS);
}

#[test]
fn who_rules_the_server_closes_connections() {
    let mut scene = company();
    check(
        &mut scene,
        "tom",
        &[
            (
                "OPER tom x",
                &["491 tom :Only a key with the right chat-admin makes an operator"],
            ),
            (
                "KILL ann :x",
                &["481 tom :Permission Denied- You're not an IRC operator"],
            ),
        ],
    );
    scene.says("root", "OPER");
    scene.check(
        "root",
        &[
            ":sockeye.local 381 root :You are now an IRC operator",
            ":root!root@a1.hidden MODE root :+o",
        ],
    );
    check(
        &mut scene,
        "root",
        &[("KILL nobody :x", &["401 root nobody :No such nick/channel"])],
    );
    scene.says("root", "KILL ANN :spam");
    scene.check(
        "ann",
        &[
            ":root!root@a1.hidden KILL ann :spam",
            "ERROR :Killed (root (spam))",
        ],
    );
    scene.check("tom", &[":ann!ann@b2.hidden QUIT :Killed (root (spam))"]);
    scene.check("root", &[":ann!ann@b2.hidden QUIT :Killed (root (spam))"]);
    assert!(scene.world.called("ann").is_none());
}

/// Idle is who says nothing to others, whatever he asks the server.
#[test]
fn who_speaks_is_not_idle() {
    let mut scene = company();
    let idle = |scene: &mut Scene| {
        scene.says("eve", "WHOIS tom");
        let heard = scene.hears("eve");
        let line = heard.iter().find(|line| line.contains(" 317 ")).unwrap();
        line.split(' ').nth(4).unwrap().to_owned()
    };
    scene.world.begin_turn(NOON_MS + 65_999);
    scene.says("tom", "PING x");
    assert_eq!(idle(&mut scene), "65");
    scene.says("tom", "NOTICE ann :x");
    assert_eq!(idle(&mut scene), "65");
    scene.says("tom", "PRIVMSG ann :x");
    assert_eq!(idle(&mut scene), "0");
}

/// Whatever is repeated of a line, the answer is one too.
#[test]
fn long_words_are_repeated_in_part() {
    let mut scene = company();
    let long = "树".repeat(130);
    let names = (0..WATCHED_PER_MEMBER).map(|number| format!("n{number}"));
    for names in names.collect::<Vec<_>>().chunks(20) {
        scene.says("tom", &format!("MONITOR + {}", names.join(",")));
    }
    scene.forget();
    let many = vec!["x"; 230].join(",");
    for line in [
        format!("PING {long}"),
        format!("NICK {long}"),
        format!("CAP {long}"),
        format!("CAP REQ {long}"),
        format!("REGISTER {long} * 12345678"),
        format!("WHO {long}"),
        format!("WHO tom %{long},{long}"),
        format!("WHO tom %t,{long}"),
        format!("WHOIS {long}"),
        format!("WHOWAS {long}"),
        format!("KILL {long}"),
        format!("HELP {long}"),
        format!("AUTHENTICATE {long}"),
        format!("SETNAME {long}"),
        format!("AWAY {long}"),
        format!("MONITOR + {many}"),
        long.clone(),
    ] {
        scene.says("tom", &line);
        let heard = scene.hears("tom");
        assert!(!heard.is_empty() || line.starts_with("SETNAME"), "{line}");
        for answer in heard {
            assert!(answer.len() <= 510, "{line} is answered with {answer}");
        }
    }
}

#[test]
fn the_server_tells_of_itself() {
    let mut scene = company();
    let version = concat!("sockeye-", env!("CARGO_PKG_VERSION"));
    check(
        &mut scene,
        "tom",
        &[
            ("TIME", &["391 tom sockeye.local :2026-11-21T12:00:00.000Z"]),
            ("MOTD", &["422 tom :There is no message of the day"]),
            (
                "HELP JOIN",
                &["524 tom JOIN :There is only HELP without a subject"],
            ),
            (
                "LUSERS",
                &[
                    "251 tom :There are 4 users and 0 invisible on 1 servers",
                    "254 tom 1 :channels formed",
                    "255 tom :I have 4 clients and 0 servers",
                    "265 tom 4 4 :Current local users 4, max 4",
                    "266 tom 4 4 :Current global users 4, max 4",
                ],
            ),
        ],
    );
    scene.connects("x", here());
    for (line, number, first) in [
        ("LUSERS", "253", "253 tom 1 :unknown connections".to_owned()),
        (
            "VERSION",
            "351",
            format!("351 tom {version} sockeye.local :"),
        ),
        (
            "INFO",
            "371",
            "371 tom :sockeye chat: rooms, accounts and history for clients of IRC".into(),
        ),
        ("HELP", "704", "704 tom * :Commands of this server".into()),
    ] {
        scene.says("tom", line);
        let heard = scene.hears("tom");
        let found = heard
            .iter()
            .find(|heard| heard.split(' ').nth(1) == Some(number));
        assert_eq!(
            found.map(String::as_str),
            Some(&*format!(":sockeye.local {first}")),
            "{heard:?}"
        );
        assert!(heard.iter().all(|line| line.len() <= 510));
    }
}
