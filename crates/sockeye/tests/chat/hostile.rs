//! Peers that mean no good.

use std::path::Path;

use crate::server::Server;

/// Lines said by whoever means no good.
const HOSTILE_LINES: usize = 10_000;

#[test]
fn a_web_browser_is_closed_at_its_first_line() {
    let server = Server::start(&["--history", "off"]);
    let mut browser = server.stranger();
    browser.sends(b"POST / HTTP/1.1\r\nNICK x\r\nUSER x 0 * :x\r\nJOIN #r\r\n");
    assert!(browser.rest().is_empty());
    let closed = server.process.event("closed");
    assert_eq!(closed["reason"], "this is an HTTP request");
    server.stop();
}

#[test]
fn a_reset_is_a_quit() {
    let server = Server::start(&["--history", "off"]);
    let mut tom = server.member("tom", "");
    let mut ann = server.member("ann", "");
    for member in [&mut tom, &mut ann] {
        member.says("JOIN #r");
        member.hears(" 366 ");
    }
    tom.hears("JOIN");
    // What is unread when a socket is closed makes of its end a reset.
    tom.says("PRIVMSG ann :unread");
    tom.settles();
    drop(ann);
    let quit = tom.hears("QUIT");
    assert!(quit.starts_with(":ann!ann@loopback QUIT :"), "{quit}");
    server.stop();
}

/// A byte at a time is a line in the end, and costs nobody else anything.
#[test]
fn who_drips_is_one_connection() {
    let server = Server::start(&["--history", "off", "--flood", "off"]);
    let mut dripping = server.stranger();
    let mut tom = server.member("tom", "");
    for byte in b"NICK drip\r\nUSER drip 0 * :drip\r\n" {
        dripping.sends(&[*byte]);
        tom.settles();
    }
    dripping.hears(" 001 drip ");
    server.stop();
}

/// Every file of these folders.
fn corpus() -> Vec<Vec<u8>> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let folders = ["irc", "chat_lines"].map(|name| fuzz.join(name));
    let mut files: Vec<_> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

#[test]
fn who_talks_notices_nothing_of_ten_thousand_hostile_lines() {
    let server = Server::start(&["--history", "off", "--flood", "off"]);
    let [mut tom, mut ann] = ["tom-of-the-quiet", "ann-of-the-quiet"].map(|nick| {
        let mut member = server.member(nick, "");
        member.says("JOIN #a-quiet-place");
        member.hears(" 366 ");
        member
    });
    tom.settles();
    let corpus = corpus();
    let lines = corpus
        .iter()
        .flat_map(|file| file.split(|byte| *byte == b'\n'));
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    assert!(lines.len() > 20, "{} lines are no corpus", lines.len());
    let mut hostile = server.stranger();
    for count in 0..HOSTILE_LINES {
        let mut line = lines[count % lines.len()].to_vec();
        // Each round differs from the last one by a byte.
        let (round, len) = (count / lines.len(), line.len());
        line[round % len] ^= (round % 256) as u8;
        line.push(b'\n');
        if hostile.tries_to_send(&line).is_err() || count % 500 == 499 {
            hostile = server.stranger();
            let who = format!("NICK h{count}\nUSER h 0 * :h\n");
            let _ = hostile.tries_to_send(who.as_bytes());
        }
        if count % 50 == 0 {
            tom.says(&format!("PRIVMSG #a-quiet-place :{count}"));
            let heard = ann.next().unwrap();
            assert!(
                heard.ends_with(&format!("PRIVMSG #a-quiet-place :{count}")),
                "{heard}"
            );
        }
    }
    assert_eq!(tom.settles(), Vec::<String>::new());
    server.stop();
}

#[test]
fn two_thousand_connections_are_one_server() {
    let server = Server::start(&["--history", "off"]);
    let address = server.address("tcp");
    // Whoever says nothing costs one connection, and so does whoever is in.
    let silent: Vec<_> = (0..1000).map(|_| server.stranger()).collect();
    let mut members: Vec<_> = (0..1000)
        .map(|count| {
            let mut member = crate::irc::Irc::connect(&address);
            member.sends(format!("NICK m{count}\nUSER m 0 * :m\nJOIN #all\n").as_bytes());
            member.hears(" 366 ");
            member
        })
        .collect();
    let mut last = members.pop().unwrap();
    last.says("PRIVMSG #all :everybody");
    for member in &mut members {
        member.hears("PRIVMSG #all :everybody");
    }
    drop(silent);
    last.settles();
    server.stop();
}
