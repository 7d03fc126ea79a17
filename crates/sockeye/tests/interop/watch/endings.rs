//! How watching ends: by itself, by a signal, too late, or because somebody was killed.

use std::fs::File;
use std::io::Read as _;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use sockeye_testkit::{DEADLINE, Process, Signal, tool};

use super::{Stage, reading_server};
use crate::ours::sockeye;

#[test]
fn mistakes_are_one_line_and_the_exit_code_says_whose() {
    let check = |args: &[&str], code: i32, part: &str| {
        let exit = Process::run(sockeye(&["watch"]).args(args));
        let said = exit.stderr_text();
        assert_eq!(exit.code, Some(code), "{args:?}: {said}");
        assert!(
            said.contains(part) && said.lines().count() == 1,
            "{args:?}: {said}"
        );
        assert_eq!(exit.stdout, b"", "{args:?}");
    };
    check(&[], 2, "nothing to watch");
    check(
        &["--", "/nonexistent/program"],
        2,
        "cannot run /nonexistent/program",
    );
    check(
        &["--server", "/nonexistent/s", "--client", "x"],
        2,
        "cannot run /nonexistent/s",
    );
    check(&["--server", "a | b"], 2, "no shell reads the `|`");
    check(&["--server", "a", "-p", "1"], 2, "cannot be used with");
    check(&["--isolate", "-p", "1"], 2, "cannot be used with");
    check(&["--server", "a", "--", "b"], 2, "cannot be used with");
    check(&["-p", "4194304"], 2, "there is no process 4194304");
    check(&["--bytes", "1GiB", "--", "true"], 2, "no more than");
    check(
        &["--html", "/nonexistent/page", "--", "true"],
        2,
        "cannot write /nonexistent/page",
    );
    check(&["--interface", "nonesuch", "--", "true"], 2, "nonesuch");
}

#[test]
fn a_server_that_never_listens_is_told_of_in_time() {
    let Some(stage) = Stage::new() else { return };
    let server = stage.program("server.py", "import signal; signal.pause()");
    let args = ["watch", "--isolate", "--timeout", "1s", "--client", "true"];
    let exit = Process::run(sockeye(&args).args(["--server", &server]));
    let said = exit.stderr_text();
    assert_eq!(exit.code, Some(4), "{said}");
    assert!(said.contains("neither listened nor bound"), "{said}");
}

#[test]
fn a_server_that_ends_first_is_told_of() {
    let Some(stage) = Stage::new() else { return };
    let exit = Process::run(&mut stage.command("raise SystemExit(7)", "", &[]));
    let said = exit.stderr_text();
    assert_eq!(exit.code, Some(1), "{said}");
    assert!(
        said.contains("the server ended before it listened"),
        "{said}"
    );
}

#[test]
fn the_status_of_a_program_is_told_and_passed_on_where_that_is_asked_for() {
    let check = |more: &[&str], script: &str, code: i32, said: &str| {
        let exit = Process::run(
            sockeye(&["watch"])
                .args(more)
                .args(["--", "sh", "-c", script]),
        );
        let all = exit.stderr_text();
        assert_eq!(exit.code, Some(code), "{script}: {all}");
        assert!(all.contains(said), "{script}: {all}");
    };
    check(&[], "exit 3", 0, "sh: exit 3");
    check(&["--exit-status"], "exit 3", 3, "sh: exit 3");
    check(&["--exit-status"], "kill -9 $$", 137, "sh: signal KILL");
    check(&["--exit-status"], "exit 0", 0, "");
}

/// The first signal asks the programs to end, and what was seen is drawn.
#[test]
fn a_signal_ends_the_programs_and_draws_what_was_seen() {
    let Some(stage) = Stage::new() else { return };
    let client = "\
import signal, socket
s = socket.create_connection(('127.0.0.1', 5000))
s.send(b'hello')
print('sent')
signal.pause()
";
    let mut watch = Process::start(&mut stage.command(&reading_server(10), client, &[]));
    watch.wait_stderr("client | sent");
    watch.signal(Signal::INT);
    let exit = watch.exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    assert!(
        exit.stdout_text().contains("\"hello\""),
        "{}",
        exit.stdout_text()
    );
    assert!(
        exit.stderr_text().contains("client: signal TERM"),
        "{}",
        exit.stderr_text()
    );
}

/// Who does not want to wait for programs that ignore the first signal sends another.
#[test]
fn a_second_signal_waits_for_nobody() {
    let script = "trap '' TERM INT; echo ready; while :; do sleep 600; done";
    let mut watch = Process::start(&mut sockeye(&["watch", "--", "sh", "-c", script]));
    watch.wait_stderr("ready");
    watch.signal(Signal::TERM);
    // A signal that comes while the same is pending is one signal.
    watch.signal(Signal::INT);
    let exit = watch.exit();
    assert!(matches!(exit.code, Some(130 | 143)), "{exit:?}");
}

/// A program, and what it started in a session of its own, end with whoever draws, however that ends.
#[test]
fn nothing_is_left_behind_by_a_watch_that_is_killed() {
    let Some(stage) = Stage::new() else { return };
    let fifo = stage.path("fifo");
    let made = Process::run(Command::new("mkfifo").arg(&fifo));
    assert_eq!(made.code, Some(0), "{}", made.stderr_text());
    for isolate in [&["--isolate"][..], &[]] {
        let script = format!("exec >'{fifo}'; setsid sleep 600 & sleep 600");
        let mut watch = Process::start(
            sockeye(&["watch"])
                .args(isolate)
                .args(["--", "sh", "-c", &script]),
        );
        // Opens when the program does.
        let mut held = File::open(&fifo).unwrap();
        watch.signal(Signal::KILL);
        watch.exit();
        let (to, ended) = channel();
        thread::spawn(move || to.send(held.read_to_end(&mut vec![]).is_ok()));
        assert_eq!(
            ended.recv_timeout(DEADLINE),
            Ok(true),
            "somebody still holds it, {isolate:?}"
        );
    }
}

/// The process that traces is killed: that is told, with what came until then.
#[test]
fn a_tracer_that_dies_is_told_of_and_what_came_is_drawn() {
    let Some(stage) = Stage::new() else { return };
    let client = "\
import signal, socket
s = socket.create_connection(('127.0.0.1', 5000))
s.send(b'hello')
print('sent')
signal.pause()
";
    let mut watch = Process::start(&mut stage.command(&reading_server(10), client, &[]));
    watch.wait_stderr("client | sent");
    let children = format!("/proc/{0}/task/{0}/children", watch.id());
    // The facts of what was said are on their way within some milliseconds.
    let saved = stage.path("session");
    let until = Instant::now() + DEADLINE;
    while !std::fs::read(&saved).is_ok_and(|file| file.windows(5).any(|part| part == b"hello")) {
        assert!(
            Instant::now() < until,
            "the session never held what was sent"
        );
        thread::yield_now();
    }
    let child = std::fs::read_to_string(children).unwrap();
    let child: i32 = child.split_whitespace().next().unwrap().parse().unwrap();
    let child = rustix::process::Pid::from_raw(child).unwrap();
    rustix::process::kill_process(child, Signal::KILL).unwrap();
    let exit = watch.exit();
    let said = exit.stderr_text();
    assert_eq!(exit.code, Some(1), "{said}");
    assert!(
        said.contains("the process that traces ended early"),
        "{said}"
    );
    assert!(
        exit.stdout_text().contains("\"hello\""),
        "{}",
        exit.stdout_text()
    );
}

/// Whoever has no privilege at all sees the same in a network of their own.
#[test]
fn nobody_sees_the_wire_of_an_isolated_run() {
    if !rustix::process::geteuid().is_root() {
        // Every other test of this file is that test then.
        return;
    }
    let (Some(stage), Some(setpriv)) = (Stage::new(), tool("setpriv")) else {
        return;
    };
    let python = "/usr/bin/python3";
    if !std::path::Path::new(python).exists() {
        return sockeye_testkit::not_run("needs a python3 that everybody may run");
    }
    let open = |path: &std::path::Path| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(path, mode).unwrap();
    };
    let folder = stage.folder.path();
    std::fs::copy(env!("CARGO_BIN_EXE_sockeye"), folder.join("sockeye")).unwrap();
    let client = "import socket; socket.create_connection(('127.0.0.1', 5000)).send(b'hello')";
    stage.program("server.py", &reading_server(10));
    stage.program("client.py", client);
    open(folder);
    open(&folder.join("sockeye"));
    let exit = Process::run(
        Command::new(setpriv)
            .current_dir(folder)
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .args(["--bounding-set", "-all", "./sockeye", "watch", "--isolate"])
            .args(["--server", &format!("{python} server.py")])
            .args(["--client", &format!("{python} client.py")]),
    );
    let (told, said) = (exit.stdout_text(), exit.stderr_text());
    assert_eq!(exit.code, Some(0), "{said}");
    assert!(
        told.contains("wire: packets as captured") && told.contains("PSH 5 [0..5)"),
        "{told}{said}"
    );
}
