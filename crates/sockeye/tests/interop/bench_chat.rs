//! `bench --chat` with our own server, and with servers that know nothing of us.

use std::fs;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use sockeye_testkit::{Exit, Process, free_tcp_port, tool};

use crate::ours::{serve, sockeye};

/// A short run with more words, as JSON.
fn bench(endpoint: &str, words: &[&str]) -> Exit {
    let short = ["-c", "9", "-t", "200ms", "--warmup", "20ms", "--json"];
    let args = [&["bench", endpoint], words, &short[..]].concat();
    Process::run(&mut sockeye(&args))
}

/// The event of this name that a good run has told.
#[track_caller]
fn event(exit: &Exit, name: &str) -> Value {
    assert_eq!(
        exit.code,
        Some(0),
        "{}{}",
        exit.stderr_text(),
        exit.stdout_text()
    );
    let text = exit.stdout_text();
    let mut events = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    events.find(|event| event["ev"] == name).expect("is told")
}

/// Everything that a room can be asked, of a server.
fn check(endpoint: &str, chat: &str) {
    for (words, batch, depth) in [
        (&[][..], 16, 64),
        (&["-d", "1"], 1, 1),
        (&["--stuck", "2"], 16, 64),
        (&["--rate", "500"], 16, 64),
    ] {
        let words = [&[chat], words].concat();
        let round = event(&bench(endpoint, &words), "bench_round");
        let number = |field: &str| round[field].as_u64().expect(field);
        assert_eq!(round["job"], "chat");
        assert_eq!(
            (number("batch"), number("depth")),
            (batch, depth),
            "{words:?}"
        );
        assert!(
            number("messages") > 8 && number("p50_ns") > 0,
            "{words:?}: {round}"
        );
        assert_eq!(
            number("unanswered") + number("broken"),
            0,
            "{words:?}: {round}"
        );
        assert_eq!(number("payload_bytes"), number("messages") * 64);
    }
}

#[test]
fn our_own_server_is_loaded() {
    for history in ["off", "on"] {
        let home = tempfile::tempdir().unwrap();
        let args = ["serve", "--json", "chat", "127.0.0.1:0", "--flood", "off"];
        let args = [&args[..], &["--history", history]].concat();
        let mut command = sockeye(&args);
        let server = Process::start(command.env("XDG_DATA_HOME", home.path()));
        let endpoint = server.event("listening")["endpoint"].clone();
        let endpoint = endpoint.as_str().expect("an endpoint");
        check(endpoint, "--chat");
        let idle = bench(endpoint, &["--chat", "--idle", "120"]);
        let idle = event(&idle, "bench_idle");
        assert_eq!(idle["connections"], 120);
        assert!(idle["server_rss_bytes"].as_u64() > Some(0), "{idle}");
    }
    let hub = serve(&["hub", "127.0.0.1:0", "--frame", "line"]);
    check(&hub.endpoint(), "--chat=bare");
    hub.stop();
}

/// A server that is given a port; `None` if it is not installed.
fn start(program: &str, args: impl Fn(u16) -> Vec<String>) -> Option<(Process, String)> {
    let program = tool(program)?;
    let port = free_tcp_port();
    let mut server = Process::start(Command::new(program).args(args(port)));
    let end = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            server.is_running() && Instant::now() < end,
            "does not listen"
        );
        std::thread::yield_now();
    }
    Some((server, format!("tcp://127.0.0.1:{port}")))
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[test]
fn ngircd_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("ngircd.conf");
    let started = start("ngircd", |port| {
        let text = format!(
            "[Global]\nName=irc.test\nInfo=test\nListen=127.0.0.1\nPorts={port}\n\
             [Limits]\nMaxConnections=0\nMaxConnectionsIP=0\nMaxJoins=0\nMaxPenaltyTime=0\n\
             [Options]\nDNS=no\nIdent=no\nPAM=no\n"
        );
        fs::write(&config, text).unwrap();
        let config = config.display().to_string();
        ["-n", "-f", &config].map(str::to_owned).to_vec()
    });
    if let Some((_server, endpoint)) = started {
        check(&endpoint, "--chat");
    }
}

#[test]
fn redis_is_loaded() {
    let started = start("redis-server", |port| {
        let mut args = words(&format!("--port {port} --bind 127.0.0.1 --save"));
        args.push(String::new());
        args
    });
    if let Some((_server, endpoint)) = started {
        check(&endpoint, "--chat=redis");
    }
}

#[test]
fn nats_is_loaded() {
    let started = start("nats-server", |port| {
        words(&format!("-a 127.0.0.1 -p {port}"))
    });
    if let Some((_server, endpoint)) = started {
        check(&endpoint, "--chat=nats");
    }
}

#[test]
fn what_cannot_be_measured_is_said() {
    for (words, said) in [
        (&["--chat", "-s", "10"][..], "between 37 and 400 bytes"),
        (
            &["--chat", "--batch", "9", "-d", "8"],
            "--batch 9 is not between",
        ),
        (&["--chat", "--batch", "0"], "--batch 0"),
        (&["--batch", "4"], "--chat"),
        (&["--chat", "--fan-out"], "--fan-out"),
        (&["--chat=telex"], "telex"),
    ] {
        let exit = bench("tcp://127.0.0.1:9", words);
        assert_eq!(exit.code, Some(2), "{words:?}");
        assert!(
            exit.stderr_text().contains(said),
            "{words:?}: {}",
            exit.stderr_text()
        );
    }
    let exit = bench("udp://127.0.0.1:9", &["--chat"]);
    assert_eq!(exit.code, Some(2), "{}", exit.stderr_text());
}
