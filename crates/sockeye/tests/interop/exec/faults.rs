//! Servers that lie, die, stall or send garbage; and what of ours reaches a server.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use serde_json::{Value, json};
use sockeye_testkit::{Process, Signal};

use super::{event, exec, exit, scripted, started};

/// Whatever goes wrong on the way is 255, one line, and an event with the code that it has elsewhere.
#[test]
fn every_failure_of_our_own_is_255_with_its_reason() {
    let check = |steps: Value, says: &str, code: u8| {
        let Some(server) = scripted(&steps) else {
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let events = folder.path().join("events");
        let events = events.to_str().unwrap();
        let exit = Process::run(&mut exec(&[
            "--events",
            events,
            &server.endpoint,
            "--",
            "cat",
        ]));
        let said = exit.stderr_text();
        assert_eq!(exit.code, Some(255), "{steps}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(says), "{said} for {steps}");
        let events = std::fs::read_to_string(events).unwrap();
        let told = event(&events, "error");
        assert_eq!(told["exit"], code, "{told}");
        assert!(told["error"].as_str().unwrap().contains(says), "{told}");
        let ended = event(&events, "exec_ended");
        let knows_the_end = ended.get("signal").is_some();
        assert!(knows_the_end || ended["exit"] == code, "{ended}");
    };
    let asked = || json!({"await": "exec"});
    let error = |code: &str, message: &str| json!({"send": {"type": "error", "code": code, "message": message}});
    check(
        json!([asked(), error("denied", "no key of yours")]),
        "no key of yours",
        5,
    );
    check(
        json!([asked(), error("not_allowed", "not on the list")]),
        "not on the list",
        5,
    );
    check(
        json!([asked(), error("not_started", "no such program")]),
        "no such program",
        2,
    );
    check(json!([asked(), error("bad_request", "what?")]), "what?", 3);
    check(
        json!([asked(), error("ending", "going down")]),
        "going down",
        1,
    );
    check(
        json!([error("denied", "before a word was said")]),
        "before a word",
        5,
    );
    check(
        json!([asked(), started(), error("io", "the disk is gone")]),
        "the disk is gone",
        1,
    );
    check(
        json!([asked()]),
        "the connection ended before the command did",
        1,
    );
    check(
        json!([asked(), started()]),
        "the connection ended before the command did",
        1,
    );
    let cut = json!({"raw": "1a0000007b2274797065223a22"});
    check(json!([asked(), cut]), "before the end of the frame", 3);
    check(json!([asked(), {"raw": "ffffff7f7b"}]), "the limit is", 3);
    check(
        json!([asked(), {"raw": "485454502f312e31203430300d0a"}]),
        "",
        3,
    );
    check(json!([asked(), {"send": {"type": "dance"}}]), "dance", 3);
    check(
        json!([asked(), {"send": {"type": "stdout"}, "body": "early"}]),
        "before the command",
        3,
    );
    check(
        json!([asked(), started(), started()]),
        "while a command ran already",
        3,
    );
    check(
        json!([asked(), started(), exit(&json!({}))]),
        "neither a status nor a signal",
        3,
    );
    check(
        json!([asked(), started(), exit(&json!({"status": 256}))]),
        "256",
        3,
    );
    check(
        json!([asked(), started(), exit(&json!({"signal": "NONE"}))]),
        "NONE",
        3,
    );
    let late = exit(&json!({"signal": "KILL", "timed_out": true}));
    check(
        json!([asked(), started(), late]),
        "the command was ended",
        4,
    );
}

/// What is before `--` is ours, what is behind it gets there byte for byte.
#[test]
fn arguments_folder_and_environment_get_there_as_they_are() {
    let steps = json!([{"await": "exec"}, started(), exit(&json!({"status": 0}))]);
    let Some(server) = scripted(&steps) else {
        return;
    };
    let args = [
        "-n",
        "--cwd",
        "/tmp/a b",
        "--env",
        "A=1=2",
        "--env",
        "HERE",
        "--timeout",
        "1500ms",
        &server.endpoint,
        "--",
        "--lang",
        "zh",
        "",
        "a  \"b\" $c",
        "*",
        "--",
    ];
    let mut command = exec(&args);
    command
        .arg(OsStr::from_bytes(b"\xff\xfe"))
        .env("HERE", "von hier");
    let exit = Process::run(&mut command);
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    server.hears(&json!({
        "type": "exec",
        "argv": ["--lang", "zh", "", "a  \"b\" $c", "*", "--", {"base64": "//4="}],
        "cwd": "/tmp/a b",
        "env": {"A": "1=2", "HERE": "von hier"},
        "timeout_ms": 1500,
    }));
}

#[test]
fn input_leaves_by_credit_and_ends() {
    let credit = |bytes: u64| json!({"send": {"type": "credit", "bytes": bytes}});
    let steps = json!([
        {"await": "exec"}, started(), credit(5), {"await": "stdin"},
        credit(1 << 20), {"await": "stdin_end"}, exit(&json!({"status": 0})),
    ]);
    let Some(server) = scripted(&steps) else {
        return;
    };
    let mut client = Process::start(&mut exec(&[&server.endpoint, "--", "cat"]));
    client.write_stdin(&vec![b'x'; 200_000]);
    assert_eq!(client.exit().code, Some(0));
    server.hears(&json!({"type": "exec", "argv": ["cat"], "stdin": true}));
    server.process.wait_stdout("\"stdin\"}, \"bytes\": 5,");
    server.hears(&json!({"type": "stdin_end"}));
    assert_eq!(server.bytes(), 200_000);
}

/// The command takes no input at all, and there is much of it: Ctrl-C gets through, and is the
/// command's.
#[test]
fn ctrl_c_passes_input_that_waits() {
    let steps = json!([
        {"await": "exec"}, started(), {"await": "signal"},
        exit(&json!({"signal": "INT"})),
    ]);
    let Some(server) = scripted(&steps) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("events");
    let big = std::fs::File::open("/dev/zero").unwrap();
    let mut command = exec(&[
        "--events",
        events.to_str().unwrap(),
        &server.endpoint,
        "--",
        "cat",
    ]);
    let mut client = command.stdin(big).spawn().unwrap();
    wait_for(&events, "exec_started");
    let id = rustix::process::Pid::from_child(&client);
    rustix::process::kill_process(id, Signal::INT).unwrap();
    assert_eq!(client.wait().unwrap().code(), Some(130));
    server.hears(&json!({"type": "signal", "name": "INT"}));
    assert_eq!(server.bytes(), 0);
}

/// Waits until the file has a line with this event.
#[track_caller]
fn wait_for(events: &std::path::Path, ev: &str) {
    let until = std::time::Instant::now() + sockeye_testkit::DEADLINE;
    while !std::fs::read_to_string(events).is_ok_and(|text| text.contains(ev)) {
        assert!(std::time::Instant::now() < until, "never wrote {ev}");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// A client with its command running.
#[track_caller]
fn running(args: &[&str]) -> Process {
    let client = Process::start(exec(&["--events", "fd:2"]).args(args));
    client.wait_stderr("exec_started");
    client
}

#[test]
fn signals_get_there_and_a_second_ctrl_c_ends_us() {
    let steps = json!([{"await": "exec"}, started(), {"end": true}]);
    let Some(server) = scripted(&steps) else {
        return;
    };
    let mut client = running(&[&server.endpoint, "--", "stubborn"]);
    for (signal, name) in [
        (Signal::QUIT, "QUIT"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
        (Signal::INT, "INT"),
    ] {
        client.signal(signal);
        server.hears(&json!({"type": "signal", "name": name}));
    }
    assert!(client.is_running());
    // However slow this machine is: two in a row come within a second at some time.
    let exit = loop {
        client.signal(Signal::INT);
        if !client.is_running() {
            break client.end();
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert_eq!(exit.code, Some(255));
    assert_eq!(event(&exit.stderr_text(), "error")["exit"], 130);
    server.process.wait_stdout("\"end\"");
}

#[test]
fn sigterm_ends_us_and_the_connection() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let steps = json!([{"await": "exec"}, started(), {"end": true}]);
        let Some(server) = scripted(&steps) else {
            return;
        };
        let mut client = running(&[&server.endpoint, "--", "sleep", "9999"]);
        client.signal(signal);
        let exit = client.end();
        assert_eq!(exit.code, Some(255));
        assert_eq!(event(&exit.stderr_text(), "error")["exit"], code);
        server.process.wait_stdout("\"end\"");
    }
}

/// Ctrl-Z stops both; `fg` continues both.
#[test]
fn ctrl_z_stops_the_command_and_us() {
    let steps = json!([{"await": "exec"}, started(), {"end": true}]);
    let Some(server) = scripted(&steps) else {
        return;
    };
    let mut client = running(&[&server.endpoint, "--", "vi"]);
    client.signal(Signal::TSTP);
    server.hears(&json!({"type": "signal", "name": "STOP"}));
    let state = format!("/proc/{}/stat", client.id());
    let stopped = || std::fs::read_to_string(&state).unwrap().contains(") T ");
    let until = std::time::Instant::now() + sockeye_testkit::DEADLINE;
    while !stopped() {
        assert!(std::time::Instant::now() < until, "never stopped");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    client.signal(Signal::CONT);
    server.hears(&json!({"type": "signal", "name": "CONT"}));
    client.signal(Signal::TERM);
    assert_eq!(client.end().code, Some(255));
}

/// What whoever started us wants to be ignored we ignore: `nohup`.
#[test]
fn an_ignored_hangup_stays_ignored() {
    let steps =
        json!([{"await": "exec"}, started(), {"await": "signal"}, exit(&json!({"status": 4}))]);
    let (Some(nohup), Some(server)) = (sockeye_testkit::tool("nohup"), scripted(&steps)) else {
        return;
    };
    let mut command = std::process::Command::new(nohup);
    let binary = env!("CARGO_BIN_EXE_sockeye");
    command.args([
        binary,
        "exec",
        "--events",
        "fd:2",
        &server.endpoint,
        "--",
        "job",
    ]);
    let mut client = Process::start(&mut command);
    client.wait_stderr("exec_started");
    client.signal(Signal::HUP);
    client.signal(Signal::USR1);
    server.hears(&json!({"type": "signal", "name": "USR1"}));
    assert_eq!(client.end().code, Some(4));
}

#[test]
fn a_server_that_is_killed_is_255_with_a_line() {
    let steps = json!([{"await": "exec"}, started(), {"send": {"type": "stdout"}, "body": "half"}, {"end": true}]);
    let Some(server) = scripted(&steps) else {
        return;
    };
    let mut client = Process::start(&mut exec(&[&server.endpoint, "--", "long"]));
    client.wait_stdout("half");
    server.process.signal(Signal::KILL);
    let exit = client.end();
    assert_eq!((exit.code, &*exit.stdout_text()), (Some(255), "half"));
    assert_eq!(
        exit.stderr_text(),
        "sockeye: the connection ended before the command did\n"
    );
}

/// `| head`: nobody reads our output any more, so nobody wants the command's.
#[test]
fn a_closed_output_is_the_end_and_no_failure() {
    let steps = json!([
        {"await": "exec"}, started(),
        {"send": {"type": "stdout"}, "body": "line\n", "times": 1_000_000}, {"end": true},
    ]);
    let (Some(bash), Some(server)) = (sockeye_testkit::tool("bash"), scripted(&steps)) else {
        return;
    };
    let mut command = std::process::Command::new(bash);
    let line = format!(
        "{} exec {} -- yes | head -n 1; exit ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_sockeye"),
        server.endpoint
    );
    let exit = Process::run(command.args(["-c", &line]));
    assert_eq!((exit.code, &*exit.stdout_text()), (Some(0), "line\n"));
    assert_eq!(exit.stderr_text(), "");
    server.process.wait_stdout("\"gone\"");
}

#[test]
fn what_is_left_running_is_said() {
    let steps =
        json!([{"await": "exec"}, started(), exit(&json!({"status": 0, "left_running": true}))]);
    for (flag, lines) in [("-n", 1), ("-nq", 0)] {
        let Some(server) = scripted(&steps) else {
            return;
        };
        let exit = Process::run(&mut exec(&[flag, &server.endpoint, "--", "daemon"]));
        assert_eq!(exit.code, Some(0));
        let said = exit.stderr_text();
        assert_eq!(said.matches("still runs there").count(), lines, "{said}");
        assert_eq!(said.lines().count(), lines, "{said}");
    }
}

/// A mistake on the command line is 255 as well: 2 would be the command's.
#[test]
fn mistakes_are_one_line_and_255() {
    let check = |args: &[&str], says: &str| {
        let exit = Process::run(&mut exec(args));
        let said = exit.stderr_text();
        assert_eq!((exit.code, said.lines().count()), (Some(255), 1), "{said}");
        assert!(said.contains(says), "{said}");
    };
    check(&["--bad", "unix:/x", "--", "ls"], "--bad");
    check(&["unix:/x", "ls"], "the command stands behind `--`");
    check(&["unix:/x"], "no command: it stands behind `--`");
    check(&["--", "ls"], "nowhere to run it");
    check(&["unix:/x", "--shell", "--", "ls", "-l"], "quote all of it");
    check(
        &["unix:/x", "--env", "NOT_SET_HERE", "--", "ls"],
        "it is not set here",
    );
    check(&["unix:/x", "--env", "=1", "--", "ls"], "write NAME=VALUE");
    check(&["-t", "unix:/x", "--", "ls"], "-t needs a terminal");
    check(&["--parallel", "2", "unix:/x", "--", "ls"], "--host");
    check(
        &["unix:/no/such/socket", "--", "ls"],
        "there is no such socket file",
    );
}
