//! `chat` without a screen, over servers that run: ours and ngircd.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use sockeye_testkit::{Exit, Process, Signal, free_tcp_port, tool};
use tempfile::TempDir;

use crate::server::{Server, sockeye};

/// A client in lines, in this home.
fn client(home: &Path, args: &[&str]) -> Process {
    Process::start(&mut sockeye(home, &[&["chat"], args].concat()))
}

/// What it says for a script, to the end.
#[track_caller]
fn says(home: &Path, args: &[&str], input: &str) -> Exit {
    let mut process = client(home, args);
    process.write_stdin(input.as_bytes());
    process.exit()
}

/// Lines of output without their times.
fn talk(output: &str) -> Vec<&str> {
    let lines = output.lines();
    lines
        .map(|line| line.split_once(' ').map_or(line, |(_, rest)| rest))
        .collect()
}

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn what_a_script_says_has_arrived_when_it_ends() {
    let server = Server::start(&[]);
    let (at, home) = (server.address("tcp"), home());
    let mut anna = client(
        home.path(),
        &[
            &at,
            "--nick",
            "anna",
            "--room",
            "#r",
            "--no-stdin",
            "--until",
            "done",
        ],
    );
    anna.wait_stderr("#r: anna joined");
    let input = "备份完成\n/me waves\n//slash\n/msg anna psst\n/notice #r note\ndone\n";
    let exit = says(
        home.path(),
        &[&at, "--nick", "backup", "--room", "#r"],
        input,
    );
    assert_eq!(
        (exit.code, exit.stdout_text()),
        (Some(0), String::new()),
        "{}",
        exit.stderr_text()
    );
    let exit = anna.end();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    assert_eq!(
        talk(&exit.stdout_text()),
        [
            "#r <backup> 备份完成",
            "#r * backup waves",
            "#r <backup> /slash",
            "backup <backup> psst",
            "#r -backup- note",
            "#r <backup> done",
        ]
    );
    // Whom nobody knows nothing can be said to, and a room may stay closed.
    let exit = says(
        home.path(),
        &[&at, "--nick", "b", "--to", "nobody"],
        "hello\n",
    );
    assert_eq!(exit.code, Some(1));
    let told = exit.stderr_text();
    assert!(told.contains("not delivered to nobody: hello"), "{told}");
    let exit = says(home.path(), &[&at, "--nick", "b"], "/bogus\n");
    assert!(
        exit.stderr_text().contains("/address /away"),
        "{}",
        exit.stderr_text()
    );
    server.stop();
    let exit = says(
        home.path(),
        &[&at, "--nick", "b", "--room", "#r"],
        "hello\n",
    );
    assert_eq!(exit.code, Some(1));
    assert!(
        exit.stderr_text().contains("ECONNREFUSED"),
        "{}",
        exit.stderr_text()
    );
}

#[test]
fn a_nick_in_use_gets_a_stroke() {
    let server = Server::start(&["--history", "off"]);
    let home = home();
    let _tom = server.member("tom", "");
    let exit = says(home.path(), &[&server.address("tcp"), "--nick", "tom"], "");
    assert_eq!(exit.code, Some(0));
    assert!(
        exit.stderr_text().contains("connected as tom_"),
        "{}",
        exit.stderr_text()
    );
    server.stop();
}

/// The client sleeps while its server is killed, comes back, and others talk: it has all of it once.
#[test]
fn after_a_server_was_killed_nothing_is_missed_and_nothing_comes_twice() {
    let server = Server::start(&[]);
    let (at, home) = (server.address("tcp"), home());
    let events = home.path().join("events");
    let args = [
        &*at,
        "--nick",
        "anna",
        "--room",
        "#r",
        "--events",
        events.to_str().unwrap(),
    ];
    let mut anna = client(home.path(), &args);
    anna.wait_stderr("#r: anna joined");
    let mut tom = server.member("tom", "");
    tom.says("JOIN #r");
    tom.hears(" 366 ");
    tom.says("PRIVMSG #r :before");
    anna.wait_stdout("before");

    anna.signal(Signal::STOP);
    let store = server.kill();
    let server = Server::start_at(store, &[&at]);
    let mut tom = server.member("tom", "");
    tom.says("JOIN #r");
    tom.hears(" 366 ");
    for n in 1..=3 {
        tom.says(&format!("PRIVMSG #r :missed {n}"));
    }
    tom.says("PING :said");
    tom.hears("PONG");
    anna.signal(Signal::CONT);
    anna.wait_stdout("missed 3");
    tom.says("PRIVMSG #r :after");
    anna.wait_stdout("after");
    anna.write_stdin(b"here again\n");
    assert!(tom.hears("PRIVMSG #r :here").ends_with("again"));
    let exit = anna.exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    let expected = ["before", "missed 1", "missed 2", "missed 3", "after"];
    let expected: Vec<_> = expected
        .iter()
        .map(|text| format!("#r <tom> {text}"))
        .collect();
    assert_eq!(talk(&exit.stdout_text()), expected);
    let told = std::fs::read_to_string(&events).unwrap();
    let told = told
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let missed = told.filter(|event| event["missed"] == true);
    let missed: Vec<_> = missed.map(|event| event["text"].clone()).collect();
    assert_eq!(missed, ["missed 1", "missed 2", "missed 3"]);
    server.stop();
}

#[test]
fn several_servers_are_told_apart() {
    let (one, two) = (
        Server::start(&["--history", "off"]),
        Server::start(&["--history", "off"]),
    );
    let home = home();
    let contacts = home.path().join("contacts.toml");
    let text = format!(
        "[servers.one]\nendpoint = \"{}\"\nnick = \"anna\"\nrooms = [\"#r\"]\n\
         [servers.two]\nendpoint = \"{}\"\nnick = \"bea\"\nrooms = [\"#r\"]\n\
         [contacts]\nTOM = \"two/tom\"\n",
        one.address("tcp"),
        two.address("tcp")
    );
    std::fs::write(&contacts, text).unwrap();
    let (mut here, mut there) = (one.member("tom", ""), two.member("tom", ""));
    let mut client = client(home.path(), &["--contacts", contacts.to_str().unwrap()]);
    client.wait_stderr("one/#r: anna joined");
    client.wait_stderr("two/#r: bea joined");
    here.says("PRIVMSG anna :from one");
    client.wait_stdout("one/tom <tom> from one");
    there.says("PRIVMSG bea :from two");
    client.wait_stdout("two/TOM <tom> from two");
    client.write_stdin(b"TOM\nhello two\n");
    assert!(there.hears("PRIVMSG tom").ends_with(":hello two"));
    assert_eq!(client.exit().code, Some(0));
    one.stop();
    two.stop();
}

#[test]
fn a_signal_cuts_talking_short_and_ends_listening() {
    let server = Server::start(&["--history", "off"]);
    let (at, home) = (server.address("tcp"), home());
    for (args, signal, code) in [
        (&[][..], Signal::INT, 130),
        (&[], Signal::TERM, 143),
        (&["--no-stdin"], Signal::INT, 0),
    ] {
        let args = [&[&*at, "--nick", "anna", "--room", "#r"], args].concat();
        let mut client = client(home.path(), &args);
        client.wait_stderr("#r: anna joined");
        client.signal(signal);
        let exit = client.end();
        assert_eq!((exit.code, exit.signal), (Some(code), None), "{args:?}");
    }
    // The room is empty again: every one of them has said goodbye.
    let mut tom = server.member("tom", "");
    tom.says("JOIN #r");
    assert!(tom.hears(" 353 ").ends_with(":@tom"));
    server.stop();
}

#[test]
fn nobody_has_to_read_to_the_end() {
    let Some(bash) = tool("bash") else { return };
    let server = Server::start(&["--history", "off"]);
    let home = home();
    let mut tom = server.member("tom", "");
    tom.says("JOIN #r");
    tom.hears(" 366 ");
    let line =
        "sockeye chat $AT --nick anna --room '#r' --no-stdin | head -n 1; echo ${PIPESTATUS[0]}";
    let binary = Path::new(env!("CARGO_BIN_EXE_sockeye")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(bash);
    command
        .args(["-c", line])
        .stdin(Stdio::null())
        .env("HOME", home.path());
    command
        .env("AT", server.address("tcp"))
        .env("LC_ALL", "C.UTF-8");
    command.env("PATH", format!("{}:{path}", binary.display()));
    let mut pipe = Process::start(&mut command);
    tom.hears("JOIN");
    tom.says("PRIVMSG #r :one");
    pipe.wait_stdout("one");
    // head is gone by now or soon: one of these lines meets nobody.
    while pipe.is_running() {
        tom.says("PRIVMSG #r :more");
        tom.says("PING :x");
        tom.hears("PONG");
        if String::from_utf8_lossy(&pipe.stdout()).ends_with("0\n") {
            break;
        }
    }
    assert!(pipe.exit().stdout_text().ends_with("one\n0\n"));
    server.stop();
}

#[test]
fn mistakes_are_told_before_anybody_is_dialled() {
    let home = home();
    for (args, part) in [
        (&["--contacts", "/nowhere"][..], "contacts /nowhere: "),
        (&["127.0.0.1:1", "--nick", "a b"], "'a b' is no nick"),
        (
            &["127.0.0.1:1", "--password-file", "/nowhere"],
            "password file /nowhere",
        ),
        (
            &["udp://127.0.0.1:1", "--room", "#r"],
            "--room is for a server",
        ),
        (&["nonsense"], "nonsense"),
        (
            &["udp://127.0.0.1:1", "--account", "a"],
            "--account and --password-file",
        ),
    ] {
        let exit = says(home.path(), args, "");
        assert_eq!(exit.code, Some(2), "{args:?}: {}", exit.stderr_text());
        assert!(
            exit.stderr_text().contains(part),
            "{args:?}: {}",
            exit.stderr_text()
        );
    }
}

/// Another server, which knows no capabilities to speak of: what has arrived is asked by PING.
#[test]
fn ngircd_takes_what_we_say() {
    let Some(ngircd) = tool("ngircd") else { return };
    let (home, port) = (home(), free_tcp_port());
    let config = home.path().join("ngircd.conf");
    let text = format!(
        "[Global]\nName = irc.example.net\nInfo = test\nListen = 127.0.0.1\nPorts = {port}\n\
         [Options]\nPAM = no\nDNS = no\nIdent = no\n"
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(ngircd);
    command.args(["-n", "-f"]).arg(&config);
    let server = Process::start(&mut command);
    server.wait_line(|line| line.contains("Now listening on").then_some(()));
    let at = format!("127.0.0.1:{port}");
    let mut anna = client(
        home.path(),
        &[
            &at,
            "--nick",
            "anna",
            "--room",
            "#r",
            "--no-stdin",
            "--until",
            "done",
        ],
    );
    anna.wait_stderr("#r: anna joined");
    let exit = says(
        home.path(),
        &[&at, "--nick", "tom", "--room", "#r"],
        "hello\n/topic new\ndone\n",
    );
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    let exit = anna.end();
    assert_eq!(
        talk(&exit.stdout_text()),
        ["#r <tom> hello", "#r <tom> done"]
    );
    assert!(
        exit.stderr_text().contains("#r: tom set the topic: new"),
        "{}",
        exit.stderr_text()
    );
    let exit = says(
        home.path(),
        &[&at, "--nick", "tom", "--to", "nobody"],
        "hello\n",
    );
    assert_eq!(exit.code, Some(1), "{}", exit.stderr_text());
}

#[test]
fn what_is_kept_can_be_exported() {
    let server = Server::start(&[]);
    let home = home();
    let args = [&*server.address("tcp"), "--nick", "tom", "--room", "#r"];
    assert_eq!(says(home.path(), &args, "你好\n").code, Some(0));
    let store = server.path("data/sockeye/chat");
    let args = ["--store", store.to_str().unwrap(), "--export"];
    let exit = says(home.path(), &[&args[..], &["-"]].concat(), "");
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    let texts: Vec<_> = exit
        .stdout_text()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["text"].clone())
        .collect();
    assert_eq!(texts, ["你好"]);
    let file = home.path().join("kept.txt");
    let exit = says(
        home.path(),
        &[&args[..], &[file.to_str().unwrap()]].concat(),
        "",
    );
    assert!(
        exit.stderr_text().contains("1 messages are in"),
        "{}",
        exit.stderr_text()
    );
    assert!(std::fs::read_to_string(&file).unwrap().contains("你好"));
    let exit = says(home.path(), &["--export", "-"], "");
    assert_eq!(exit.code, Some(2));
    assert!(
        exit.stderr_text().contains("nothing is kept"),
        "{}",
        exit.stderr_text()
    );
    server.stop();
}
