//! `chat` on a terminal, as a person sees it: drawn by tmux, over a server that runs.

use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use sockeye_testkit::DEADLINE;
use unicode_width::UnicodeWidthStr;

use crate::irc::Irc;
use crate::server::{Server, sockeye};
use crate::tmux::{Tmux, last_line};

/// Contacts: two people on the server, and a plain peer.
fn contacts(home: &Path, server: &str, desk: &str) -> String {
    let file = home.join("contacts.toml");
    let text = format!(
        "[servers.home]\nendpoint = \"{server}\"\nnick = \"ann\"\nrooms = [\"#tea\"]\n\n\
         [contacts]\nTOM = \"home/tom\"\n\"一棵树\" = \"home/一棵树\"\ndesk = \"{desk}\"\n"
    );
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// The client of a person in this home.
fn client(home: &Path, contacts: &str) -> Command {
    let mut command = sockeye(home, &["chat", "--contacts", contacts]);
    command.env_remove("NO_COLOR");
    command
}

/// A server, a home for the client, and the client on a terminal of this size.
#[track_caller]
fn seat(columns: u16, rows: u16) -> Option<(Server, tempfile::TempDir, Tmux)> {
    let server = Server::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let contacts = contacts(
        home.path(),
        &format!("tcp://{}", server.address("tcp")),
        "udp://127.0.0.1:9",
    );
    let screen = Tmux::start(&client(home.path(), &contacts), columns, rows)?;
    screen.wait_for("connected as ann");
    Some((server, home, screen))
}

/// The column where `what` begins in a line, as the terminal counts.
fn column(line: &str, what: char) -> Option<usize> {
    line.find(what).map(|at| line[..at].width())
}

#[test]
fn one_chooses_a_contact_talks_and_goes_back() {
    let Some((server, _home, screen)) = seat(100, 24) else {
        return;
    };
    let mut tree = server.member("一棵树", "");
    tree.says("JOIN #tea");
    screen.wait_for("一棵树");
    screen.enters("nobody");
    screen.wait_for("nobody called nobody");
    screen.enters("一棵树");
    screen.wait_input("ann>");
    tree.says("PRIVMSG ann :你好，要喝茶吗？");
    screen.enters("yes please");
    assert!(tree.hears("yes please").contains("PRIVMSG 一棵树"));
    let shown = screen.wait("both", |shown| {
        shown.contains("│ 你好，要喝茶吗？") && shown.contains("│ yes please")
    });
    // The lines that divide the screen stand one below the other, whatever is written beside them.
    let firsts = shown.lines().filter_map(|line| column(line, '│'));
    let firsts: Vec<usize> = firsts.collect();
    assert!(
        firsts.len() > 15 && firsts.iter().all(|at| *at == firsts[0]),
        "{firsts:?}\n{shown}"
    );
    let talk = |what: &str| {
        let at = shown
            .lines()
            .find_map(|line| Some(line[..line.find(what)?].width()));
        at.unwrap()
    };
    assert_eq!(talk("│ 你好"), talk("│ yes please"), "{shown}");
    screen.enters("quit");
    screen.wait_input("name>");
    screen.wait_for("To whom?");
}

#[test]
fn what_is_unread_is_counted_and_found() {
    let Some((server, _home, screen)) = seat(100, 24) else {
        return;
    };
    let mut tom = server.member("tom", "");
    tom.says("JOIN #tea");
    screen.enters("desk");
    screen.wait_input("desk>");
    tom.says("PRIVMSG #tea :one");
    tom.says("PRIVMSG #tea :two, ann");
    tom.says("PRIVMSG ann :psst");
    let counts = |shown: &str, name: &str, count: &str| {
        let line = shown
            .lines()
            .find(|line| line.contains(name))
            .unwrap_or_default();
        line.split('│')
            .next()
            .is_some_and(|list| list.trim_end().ends_with(count))
    };
    screen.wait("what is unread", |shown| {
        counts(shown, "#tea", "2!1") && counts(shown, "TOM", "1")
    });
    screen.press(&["M-a"]);
    screen.wait_for("two, ann");
    screen.press(&["M-a"]);
    let shown = screen.wait_for("psst");
    assert!(
        !counts(&shown, "#tea", "1") && !counts(&shown, "TOM", "1"),
        "{shown}"
    );
}

#[test]
fn names_are_completed_and_lines_recalled() {
    let Some((server, _home, screen)) = seat(90, 20) else {
        return;
    };
    let mut tom = server.member("tom", "");
    tom.says("JOIN #tea");
    let mut tim = server.member("tim", "");
    tim.says("JOIN #tea");
    screen.enters("#tea");
    screen.wait_for("tim");
    tim.says("PRIVMSG #tea :hi");
    screen.wait_for("hi");
    screen.types("t");
    screen.press(&["Tab"]);
    screen.wait_input("ann> tim:");
    screen.press(&["Tab"]);
    screen.wait_input("ann> tom:");
    screen.types("hello");
    screen.press(&["Enter"]);
    assert!(tom.hears("hello").ends_with("PRIVMSG #tea :tom: hello"));
    screen.wait_input("ann>");
    screen.press(&["Up"]);
    screen.wait_input("ann> tom: hello");
    screen.press(&["C-u"]);
    screen.types("/to");
    screen.press(&["Tab"]);
    screen.types("Green 茶");
    screen.press(&["Enter"]);
    screen.wait("the topic", |shown| {
        shown
            .lines()
            .next()
            .is_some_and(|top| top.contains("Green 茶"))
    });
}

#[test]
fn a_paste_of_lines_is_shown_before_it_is_sent() {
    let Some((server, _home, screen)) = seat(90, 20) else {
        return;
    };
    let mut tom = server.member("tom", "");
    tom.says("JOIN #tea");
    tom.hears(" 366 ");
    screen.enters("#tea");
    screen.wait_input("ann>");
    screen.pastes("one\ntwo");
    screen.wait_for("2 lines");
    screen.press(&["Enter"]);
    assert!(tom.hears("PRIVMSG").ends_with(":one"));
    assert!(tom.hears("PRIVMSG").ends_with(":two"));
}

#[test]
fn one_scrolls_and_resizes_and_keeps_ones_place() {
    let Some((server, _home, screen)) = seat(90, 20) else {
        return;
    };
    let mut tom = server.member("tom", "");
    tom.says("JOIN #tea");
    screen.enters("#tea");
    screen.wait_input("ann>");
    for n in 0..60 {
        tom.says(&format!("PRIVMSG #tea :message {n};"));
    }
    screen.wait_for("message 59;");
    screen.press(&["PPage", "PPage"]);
    let shown = screen.wait("an older page", |shown| {
        shown.contains("Ctrl-End") && !shown.contains("message 40;")
    });
    let lowest = (0..60)
        .rev()
        .find(|n| shown.contains(&format!("message {n};")))
        .unwrap();
    tom.says("PRIVMSG #tea :something new");
    screen.wait_for("↓ 1 new");
    screen.resize(50, 16);
    let text = format!("message {lowest};");
    screen.wait("the same place", |shown| {
        shown.contains(&text)
            && shown.lines().all(|line| line.width() <= 50)
            && !shown.contains('│')
    });
    screen.press(&["C-End"]);
    screen.wait_for("something new");
    screen.resize(20, 3);
    screen.wait("three rows", |shown| {
        last_line(shown) == "ann>" && shown.trim_end().lines().count() <= 3
    });
    screen.resize(120, 30);
    // Members have room beside it.
    screen.wait("members", |shown| {
        shown.lines().any(|line| line.ends_with(" tom"))
    });
}

/// The numbers of `message 7;` on the screen.
fn numbers(shown: &str) -> Vec<u32> {
    let found = shown.split("message ").skip(1);
    found
        .filter_map(|rest| rest.split_once(';')?.0.parse().ok())
        .collect()
}

#[test]
fn what_was_said_before_is_fetched_to_its_beginning() {
    let server = Server::start(&["--flood", "off"]);
    let mut tom = server.member("tom", "echo-message");
    tom.says("JOIN #tea");
    tom.hears(" 366 ");
    for n in 0..300 {
        tom.says(&format!("PRIVMSG #tea :message {n};"));
    }
    tom.hears("message 299;");
    let home = tempfile::tempdir().unwrap();
    let contacts = contacts(
        home.path(),
        &format!("tcp://{}", server.address("tcp")),
        "udp://127.0.0.1:9",
    );
    let Some(screen) = Tmux::start(&client(home.path(), &contacts), 90, 40) else {
        return;
    };
    screen.wait_for("connected as ann");
    screen.enters("#tea");
    screen.wait_for("message 299;");
    let is_beginning = |shown: &str| shown.contains("the beginning of what is kept");
    let mut shown = screen.shown();
    while !is_beginning(&shown) {
        let before = numbers(&shown)[0];
        screen.press(&["C-Home"]);
        shown = screen.wait("something older", |shown| {
            is_beginning(shown) || numbers(shown)[0] < before
        });
    }
    let numbers = numbers(&shown);
    let all: Vec<u32> = (0..numbers.len() as u32).collect();
    assert!(numbers.len() > 30 && numbers == all, "{shown}");
    screen.press(&["C-End"]);
    screen.wait_for("message 299;");
}

#[test]
fn a_server_that_goes_is_told_of_and_met_again() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("run")).unwrap();
    let place = home.path().join("chat.sock");
    let endpoint = format!("unix:{}", place.display());
    let server = Server::start_on(&[&endpoint]);
    let own = tempfile::tempdir().unwrap();
    let contacts = contacts(own.path(), &endpoint, "udp://127.0.0.1:9");
    let Some(screen) = Tmux::start(&client(own.path(), &contacts), 100, 20) else {
        return;
    };
    screen.wait_for("connected as ann");
    screen.enters("#tea");
    screen.wait_input("ann>");
    server.stop();
    screen.wait_for("next try in");
    let server = Server::start_on(&[&endpoint]);
    let shown = screen.wait_for("connected as ann");
    assert!(last_line(&shown) == "ann>", "{shown}");
    let mut tom = Irc::connect_unix(&place);
    tom.registers("tom", "");
    tom.says("JOIN #tea");
    tom.hears(" 366 ");
    tom.says("PRIVMSG #tea :back again");
    screen.wait_for("back again");
    drop(server);
}

#[test]
fn a_plain_peer_answers_on_blue() {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(DEADLINE)).unwrap();
    let address = peer.local_addr().unwrap();
    let home = tempfile::tempdir().unwrap();
    let contacts = home.path().join("contacts.toml");
    std::fs::write(
        &contacts,
        format!("[contacts]\n\"一棵树\" = \"udp://{address}\"\n"),
    )
    .unwrap();
    let mut command = client(home.path(), contacts.to_str().unwrap());
    command.args(["--lang", "zh"]);
    let Some(screen) = Tmux::start(&command, 80, 16) else {
        return;
    };
    screen.wait_for("一棵树");
    screen.enters("一棵树");
    screen.wait_input("一棵树>");
    screen.enters("在吗？");
    let mut message = [0; 64];
    let (got, from) = peer.recv_from(&mut message).unwrap();
    assert_eq!(&message[..got], "在吗？".as_bytes());
    peer.send_to("在\x1b[2J".as_bytes(), from).unwrap();
    let head = format!("来自[{address}]的一条消息:");
    let shown = screen.wait("the answer", |shown| {
        shown.contains(&head) && shown.contains("在\\x1b[2J")
    });
    assert!(shown.contains("在吗？"), "{shown}");
    let coloured = screen.coloured();
    let line = coloured.lines().find(|line| line.contains(&head)).unwrap();
    // Bold on blue, which is number 4 of the terminal's colours in either way to write it (ECMA-48, 8.3.117).
    let is_blue = line.contains("[44m") || line.contains("[48;5;4m");
    assert!(line.contains(";1m") && is_blue, "{line:?}");
}

#[test]
fn without_colours_there_are_none() {
    let server = Server::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let contacts = contacts(
        home.path(),
        &format!("tcp://{}", server.address("tcp")),
        "udp://127.0.0.1:9",
    );
    let Some(screen) = Tmux::start(client(home.path(), &contacts).env("NO_COLOR", "1"), 100, 20)
    else {
        return;
    };
    let mut tom = server.member("tom", "");
    tom.says("JOIN #tea");
    screen.wait_for("connected as ann");
    screen.enters("#tea");
    screen.wait_input("ann>");
    tom.says("PRIVMSG #tea :ann, look");
    screen.wait_for("ann, look");
    let coloured = screen.coloured();
    let codes = coloured
        .split("\x1b[")
        .skip(1)
        .filter_map(|rest| rest.split('m').next());
    let numbers = codes.flat_map(|code| code.split([';', ':']).map(str::to_owned));
    let colours: Vec<String> = numbers
        .filter(|number| {
            number
                .parse::<u32>()
                .is_ok_and(|n| n >= 30 && n != 39 && n != 49)
        })
        .collect();
    assert!(colours.is_empty(), "{colours:?}\n{coloured:?}");
}

#[test]
fn ctrl_c_asks_and_ends_and_the_terminal_is_as_it_was() {
    let Some((_server, _home, screen)) = seat(80, 16) else {
        return;
    };
    screen.types("half a na");
    screen.press(&["C-c"]);
    screen.wait_input("name>");
    screen.press(&["C-c"]);
    screen.wait_for("once more");
    screen.press(&["C-c"]);
    restored(&screen, 0);
}

#[test]
fn a_signal_ends_and_the_terminal_is_as_it_was() {
    let Some((_server, _home, screen)) = seat(80, 16) else {
        return;
    };
    screen.enters("#tea");
    screen.wait_input("ann>");
    let process = Pid::from_raw(screen.process()).unwrap();
    kill_process(process, Signal::TERM).unwrap();
    restored(&screen, 0);
}

/// Waits until the program has ended with this status, on a terminal where lines are lines again.
#[track_caller]
fn restored(screen: &Tmux, status: i32) {
    let wanted = format!("status={status}");
    let shown = screen.wait("the end", |shown| {
        shown
            .lines()
            .filter(|line| ["icanon", "echo"].contains(line))
            .count()
            == 2
    });
    assert!(
        shown.contains(&wanted) && !shown.contains("name>"),
        "{shown}"
    );
}
