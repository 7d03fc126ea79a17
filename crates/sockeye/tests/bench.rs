//! `sockeye bench` as a user runs it: exit codes, the JSON Lines, two servers compared.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use serde_json::Value;
use sockeye_testkit::{Exit, Process};

/// An echo that does something to the `nth` read of each connection.
fn echo(nth: u32, act: fn(&mut Vec<u8>)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("tcp://{}", listener.local_addr().expect("is bound"));
    let answer = move |mut stream: TcpStream| -> std::io::Result<()> {
        let mut buffer = vec![0; 65_536];
        for number in 1.. {
            let read = stream.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            let mut answer = buffer[..read].to_vec();
            if number == nth {
                act(&mut answer);
            }
            stream.write_all(&answer)?;
        }
        Ok(())
    };
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
    endpoint
}

fn honest() -> String {
    echo(0, |_| {})
}

fn bench(args: &[&str]) -> Exit {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockeye"));
    let short = ["-t", "100ms", "--warmup", "10ms", "-c", "3", "--lang", "en"];
    Process::run(command.arg("bench").args(args).args(short))
}

fn lines(exit: &Exit) -> Vec<Value> {
    let text = exit.stdout_text();
    text.lines()
        .map(|line| serde_json::from_str(line).expect("one object a line"))
        .collect()
}

#[test]
fn an_honest_server_gets_figures_and_a_picture() {
    let exit = bench(&[&honest()]);
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    let text = exit.stdout_text();
    // The bar of the fullest row is made of full blocks, whatever the latencies are.
    for part in ["3 connections × 64 bytes", "throughput", "p99.9", "≤ ", "█"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    // The holder of the port is this test, so its processor time is known.
    assert!(text.contains("of processor time a message"), "{text}");
}

#[test]
fn chinese_says_the_same() {
    let endpoint = honest();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockeye"));
    let exit = Process::run(command.args(["bench", &endpoint, "-t", "50ms", "--lang", "zh"]));
    assert!(
        exit.stdout_text().contains("吞吐量"),
        "{}",
        exit.stdout_text()
    );
}

#[test]
fn json_has_a_round_and_an_end() {
    let exit = bench(&[&honest(), "--json", "-s", "100", "-d", "2"]);
    let lines = lines(&exit);
    let names: Vec<_> = lines.iter().map(|line| line["ev"].as_str()).collect();
    assert_eq!(names, [Some("bench_round"), Some("bench")]);
    let round = &lines[0];
    assert_eq!(
        (&round["v"], &round["side"], &round["job"]),
        (&1.into(), &"a".into(), &"round_trip".into())
    );
    assert_eq!(
        (&round["size_bytes"], &round["depth"]),
        (&100.into(), &2.into())
    );
    let number = |name: &str| {
        round[name]
            .as_u64()
            .unwrap_or_else(|| panic!("{name} in {round}"))
    };
    assert!(number("messages") > 0 && number("rate") > 0);
    assert_eq!(number("payload_bytes"), number("messages") * 100);
    assert!(number("p50_ns") <= number("p99_ns") && number("p99_ns") <= number("max_ns"));
    assert!(number("server_cpu_ns") > 0 && number("server_fds") > 0);
    for nothing in ["lost", "late", "unanswered", "unsent", "broken", "no_port"] {
        assert_eq!(number(nothing), 0, "{nothing}");
    }
    let rows = round["histogram"].as_array().expect("rows");
    let sum: u64 = rows.iter().filter_map(|row| row["messages"].as_u64()).sum();
    assert_eq!(sum, number("messages"), "every message is in one row");
}

#[test]
fn two_servers_are_compared_pair_by_pair() {
    let (a, b) = (honest(), honest());
    let exit = bench(&[&a, "--against", &b, "--rounds", "3", "--json"]);
    let lines = lines(&exit);
    let names: Vec<_> = lines
        .iter()
        .filter_map(|line| line["ev"].as_str())
        .collect();
    let pair = ["bench_round", "bench_round", "bench_pair"];
    assert_eq!(
        names,
        [pair, pair, pair]
            .concat()
            .into_iter()
            .chain(["bench"])
            .collect::<Vec<_>>()
    );
    let mut ratios: Vec<u64> = lines
        .iter()
        .filter(|line| line["ev"] == "bench_pair")
        .map(|line| line["rate_ratio_ppm"].as_u64().expect("a ratio"))
        .collect();
    ratios.sort_unstable();
    let end = lines.last().expect("an end");
    assert_eq!(
        end["rate_ratio_ppm"].as_u64(),
        Some(ratios[1]),
        "the median of three"
    );

    let text = bench(&[&a, "--against", &b, "--rounds", "2"]).stdout_text();
    assert!(
        text.contains("A / B") && text.lines().last().is_some_and(|l| l.contains("median")),
        "{text}"
    );
}

#[test]
fn wrong_bytes_are_exit_3_and_say_where() {
    let exit = bench(&[&echo(5, |answer| answer[20] = b'!')]);
    assert_eq!(exit.code, Some(3), "{}", exit.stdout_text());
    let error = exit.stderr_text();
    assert!(
        error.contains("message 4: byte 20 came back as \"!"),
        "{error}"
    );
}

#[test]
fn exit_codes_tell_the_failures_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let refused = format!("tcp://{}", listener.local_addr().expect("is bound"));
    drop(listener);
    let silent = echo(1, Vec::clear);
    let check = |args: &[&str], code: i32, said: &str| {
        let exit = bench(args);
        assert_eq!(exit.code, Some(code), "{args:?}: {}", exit.stderr_text());
        let all = exit.stderr_text() + &exit.stdout_text();
        assert!(all.contains(said), "{args:?}: {said} in {all}");
    };
    check(&[&refused], 1, "refused");
    check(&[&silent, "--timeout", "50ms"], 4, "not answered in time");
    let server = honest();
    check(&[&server, "-s", "0"], 2, "--size");
    check(&[&server, "--rate", "0"], 2, "--rate");
    check(&[&server, "--frame", "fixed:10"], 2, "fixed:10");
    check(&[&server, "--gso"], 2, "--gso is for UDP");
    check(
        &["udp://127.0.0.1:9", "--frame", "line"],
        2,
        "--frame is for byte streams",
    );
    check(&["stdio:"], 2, "allowed are tcp");
    check(&[&server, "--connect", "--fan-out"], 2, "--fan-out");
}

#[test]
fn a_signal_ends_the_run_with_what_it_has() {
    let endpoint = honest();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockeye"));
    let command = command.args([
        "bench", &endpoint, "-t", "50ms", "--rounds", "1000", "--json",
    ]);
    let mut running = Process::start(command);
    running.event("bench_round");
    running.signal(sockeye_testkit::Signal::INT);
    let exit = running.exit();
    assert_eq!(exit.code, Some(130));
    assert!(
        exit.stdout_text().contains("\"ev\":\"bench\""),
        "the end is told"
    );
}
