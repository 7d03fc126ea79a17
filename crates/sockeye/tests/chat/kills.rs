//! What was acknowledged outlives everything that can happen to a server.

use std::collections::HashMap;
use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use sockeye_testkit::{DEADLINE, Process, Signal, tool};

use crate::irc::Irc;
use crate::server::Server;

/// Whoever reads the history with these is shown nothing by itself.
const CAPS: &str = "echo-message message-tags batch server-time draft/chathistory";

/// Lines that a talker has under way.
const WINDOW: usize = 8;

/// A message as it was heard: its name and its text.
type Heard = (String, String);

/// Name and text of a message to a room.
fn message(line: &str) -> Option<Heard> {
    let (head, text) = line.split_once(" PRIVMSG #r :")?;
    let (_, id) = head.split_once("msgid=")?;
    let id = id.split([';', ' ']).next()?;
    Some((id.to_owned(), text.to_owned()))
}

/// Says lines until the server is gone, never more than the window without an echo. Rings at each
/// echo, and gives all that it has heard in its order.
fn talk(irc: Irc, prefix: &str, echoes: &Sender<()>) -> Vec<Heard> {
    let (mut wire, reader) = irc.into_parts();
    let (mut heard, mut said, mut echoed) = (vec![], 0, 0);
    let mut lines = reader.split(b'\n');
    loop {
        while said - echoed < WINDOW {
            let line = format!("PRIVMSG #r :{prefix}{said}\r\n");
            if wire.write_all(line.as_bytes()).is_err() {
                break;
            }
            said += 1;
        }
        let Some(Ok(line)) = lines.next() else {
            return heard;
        };
        let line = String::from_utf8_lossy(&line);
        if let Some(message) = message(line.trim_end()) {
            if message.1.starts_with(prefix) {
                echoed += 1;
                // Nobody counts any more once enough were heard.
                let _ = echoes.send(());
            }
            heard.push(message);
        }
    }
}

/// Everything that is kept of the room, page by page.
fn history(server: &Server) -> Vec<Heard> {
    let mut irc = server.member("reader", CAPS);
    irc.says("JOIN #r");
    irc.hears(" 366 ");
    let (mut all, mut place) = (vec![], "timestamp=1970-01-01T00:00:00.000Z".to_owned());
    loop {
        irc.says(&format!("CHATHISTORY AFTER #r {place} 200"));
        irc.hears(" chathistory #r");
        let lines = std::iter::from_fn(|| irc.next().filter(|line| !line.contains(" BATCH -")));
        let page: Vec<Heard> = lines.filter_map(|line| message(&line)).collect();
        let Some((last, _)) = page.last() else {
            return all;
        };
        place = format!("msgid={last}");
        all.extend(page);
    }
}

/// Checks that what one has heard is in the history, in its order, and there once.
fn check(place: &HashMap<&Heard, usize>, heard: &[Heard]) {
    let places: Vec<_> = heard
        .iter()
        .map(|message| {
            *place
                .get(message)
                .unwrap_or_else(|| panic!("{message:?} is lost"))
        })
        .collect();
    let in_order = places.windows(2).all(|two| two[0] < two[1]);
    assert!(
        in_order,
        "what was heard has another order than the history"
    );
}

/// At how many points something is killed, and the seed from which these are drawn.
pub(crate) fn campaign() -> (u64, u64) {
    let number = |name, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    (number("SOCKEYE_KILLS", 3), number("SOCKEYE_SEED", 1))
}

/// Numbers that are drawn, the same for the same seed (Knuth's constants).
pub(crate) fn draw(state: &mut u64, below: u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

/// kill -9 while four talk, at so many points: whatever anybody has heard is in the history exactly
/// once, and everybody has heard it in the history's order. `cargo xtask soak chat-kills` asks for
/// more points.
#[test]
fn what_was_heard_outlives_the_sudden_death_of_the_server() {
    let (points, mut seed) = campaign();
    let args = ["127.0.0.1:0", "--flood", "off"];
    let mut server = Server::start(&args[1..]);
    let mut all: Vec<Vec<Heard>> = vec![];
    for point in 0..points {
        let (rings, echoes) = channel();
        let talkers: Vec<_> = (0..4)
            .map(|number| {
                let mut irc = server.member(&format!("talker{number}"), CAPS);
                irc.says("JOIN #r");
                irc.hears(" 366 ");
                let (rings, prefix) = (rings.clone(), format!("{point}-{number}-"));
                thread::spawn(move || talk(irc, &prefix, &rings))
            })
            .collect();
        for _ in 0..=draw(&mut seed, 600) {
            echoes.recv_timeout(DEADLINE).expect("they talk");
        }
        server.process.signal(Signal::KILL);
        all.extend(talkers.into_iter().map(|talker| talker.join().unwrap()));
        server = server.again(&args);
    }
    let kept = history(&server);
    let place: HashMap<&Heard, usize> = kept.iter().zip(0..).collect();
    assert_eq!(place.len(), kept.len(), "a message is in the history twice");
    let texts: HashMap<_, _> = kept.iter().map(|(id, text)| (text, id)).collect();
    assert_eq!(texts.len(), kept.len(), "a text was kept under two names");
    assert!(all.iter().any(|heard| !heard.is_empty()));
    for heard in &all {
        check(&place, heard);
    }
    let (_, home) = server.stop();
    is_sound(&home.path().join("data/sockeye/chat/chat.sqlite"));
}

/// SQLite's own tool finds nothing wrong with a store.
fn is_sound(store: &Path) {
    let Some(sqlite) = tool("sqlite3") else {
        return;
    };
    let mut command = Command::new(sqlite);
    let exit = Process::run(command.arg(store).arg("PRAGMA integrity_check"));
    assert_eq!(exit.stdout_text(), "ok\n", "{}", exit.stderr_text());
}

/// A thousand who talk in twenty rooms: each word is acknowledged, and everybody in a room hears the
/// same in the same order.
#[test]
fn a_thousand_talk_and_all_is_kept_in_one_order() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const TALKERS: usize = 1_000;
    const ROOMS: usize = 20;
    const LINES: usize = 4;
    let most = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: most,
        maximum: most,
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    let server = Server::start(&["--flood", "off", "--max-connections", "2000"]);
    let mut talkers: Vec<Irc> = (0..TALKERS)
        .map(|number| {
            let mut irc = server.member(&format!("t{number}"), CAPS);
            irc.says(&format!("JOIN #{}", number % ROOMS));
            irc.hears(" 366 ");
            irc
        })
        .collect();
    for (number, irc) in talkers.iter_mut().enumerate() {
        let room = number % ROOMS;
        for line in 0..LINES {
            irc.says(&format!("PRIVMSG #{room} :{number} says {line}"));
        }
    }
    let mut orders: Vec<Vec<String>> = vec![vec![]; ROOMS];
    for (number, irc) in talkers.iter_mut().enumerate() {
        // Everybody hears all that is said in his room, his own words among it.
        let count = TALKERS / ROOMS * LINES;
        let heard = (0..count).map(|_| {
            let line = irc.hears(" PRIVMSG ");
            line.split_once(" PRIVMSG ").unwrap().1.to_owned()
        });
        let heard: Vec<_> = heard.collect();
        let own = format!(":{number} says ");
        assert_eq!(
            heard.iter().filter(|line| line.contains(&own)).count(),
            LINES
        );
        let order = &mut orders[number % ROOMS];
        if order.is_empty() {
            *order = heard;
        } else {
            assert!(*order == heard, "two heard another order");
        }
    }
    for (room, order) in orders.iter().enumerate() {
        talkers[room].says(&format!("CHATHISTORY LATEST #{room} * 200"));
        for said in order {
            assert!(talkers[room].hears(" PRIVMSG ").ends_with(said.as_str()));
        }
    }
    drop(talkers);
    server.stop();
}
