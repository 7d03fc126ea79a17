//! Both sides are ours: what a user of `sockeye exec` sees.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::io::ioctl_fionread;
use rustix::process::{Pid, kill_process, test_kill_process};
use sockeye_testkit::{DEADLINE, Exit, Process, Signal, tool};
use tempfile::TempDir;

use super::{event, exec};
use crate::ours::{Server, serve};

/// Our server on a Unix socket.
struct Place {
    server: Server,
    endpoint: String,
    folder: TempDir,
}

#[track_caller]
fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("unix:{}", folder.path().join("exec.sock").display());
    let server = serve(&["exec", &endpoint, "--shell"]);
    Place {
        server,
        endpoint,
        folder,
    }
}

impl Place {
    /// `sockeye exec FLAGS ENDPOINT -- WORDS`.
    fn exec(&self, flags: &[&str], words: &[&str]) -> Command {
        exec(&[flags, &[&self.endpoint, "--"], words].concat())
    }

    fn run(&self, words: &[&str]) -> Exit {
        Process::run(&mut self.exec(&[], words))
    }

    /// Starts a command that says `up` once it runs.
    #[track_caller]
    fn running(&self, words: &[&str]) -> Process {
        let client = Process::start(&mut self.exec(&[], words));
        client.wait_stdout("up");
        client
    }
}

#[track_caller]
fn until(what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is() {
        assert!(Instant::now() < deadline, "never {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn is_alive(pid: i32) -> bool {
    test_kill_process(Pid::from_raw(pid).unwrap()).is_ok()
}

#[test]
fn a_status_and_a_signal_are_passed_on() {
    let place = place();
    for status in [0, 1, 5, 254, 255] {
        let exit = place.run(&["sh", "-c", &format!("exit {status}")]);
        assert_eq!(exit.code, Some(status), "{}", exit.stderr_text());
        assert_eq!(exit.stderr_text(), "");
    }
    for (name, number) in [("TERM", 15), ("KILL", 9), ("SEGV", 11)] {
        let exit = place.run(&["sh", "-c", &format!("kill -{name} $$")]);
        assert_eq!(exit.code, Some(128 + number), "{name}");
    }
    let exit = place.run(&["no-such-program-anywhere"]);
    assert_eq!(exit.code, Some(255));
    assert!(
        exit.stderr_text().contains("ENOENT"),
        "{}",
        exit.stderr_text()
    );
    place.server.stop();
}

#[test]
fn words_get_there_byte_for_byte_and_a_shell_is_asked_for() {
    let place = place();
    let mut command = place.exec(&[], &["printf", "<%s>", "a  b", "", "$HOME", "*", "'"]);
    command.arg(OsStr::from_bytes(b"\xff\x01"));
    let exit = Process::run(&mut command);
    assert_eq!(exit.stdout, b"<a  b><><$HOME><*><'><\xff\x01>");
    let exit = Process::run(&mut place.exec(&["--shell"], &["echo $((6 * 7)) | cat"]));
    assert_eq!((exit.code, &*exit.stdout_text()), (Some(0), "42\n"));
    let flags = ["--cwd", "/usr", "--env", "A=b c", "--env", "MINE"];
    let mut command = place.exec(&flags, &["sh", "-c", "pwd; echo \"$A|$MINE|$OTHER\""]);
    let exit = Process::run(command.env("MINE", "from here").env("OTHER", "stays"));
    assert_eq!(exit.stdout_text(), "/usr\nb c|from here|\n");
    place.server.stop();
}

/// Noise that compresses to nothing a mistake could hide behind.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(|_| byte()).collect()
}

#[test]
fn megabytes_pass_both_ways_unchanged() {
    let place = place();
    let file = place.folder.path().join("noise");
    let bytes = noise(20_000_000);
    fs::write(&file, &bytes).unwrap();
    let copy = place.folder.path().join("copy");
    let run = |words: &[&str], input: &Path, output: &Path| {
        let mut command = place.exec(&[], words);
        command.stdin(File::open(input).unwrap());
        command.stdout(File::create(output).unwrap());
        assert!(command.status().unwrap().success());
    };
    run(&["cat"], &file, &copy);
    assert!(fs::read(&copy).unwrap() == bytes, "through cat");
    let stored = place.folder.path().join("stored");
    run(
        &["tee", stored.to_str().unwrap()],
        &file,
        Path::new("/dev/null"),
    );
    assert!(fs::read(&stored).unwrap() == bytes, "up");
    run(
        &["cat", file.to_str().unwrap()],
        Path::new("/dev/null"),
        &copy,
    );
    assert!(fs::read(&copy).unwrap() == bytes, "down");
    // A pipe at both our ends, which is read and written as it comes.
    let mut client = Process::start(&mut place.exec(&[], &["cat"]));
    client.write_stdin(&bytes[..5_000_000]);
    assert!(client.exit().stdout == bytes[..5_000_000], "through pipes");
    place.server.stop();
}

#[test]
fn both_outputs_come_apart_and_errors_first_block_nothing() {
    let place = place();
    let script = "head -c 10000000 /dev/zero >&2; echo out; echo err >&2";
    let exit = place.run(&["sh", "-c", script]);
    assert_eq!((exit.code, &*exit.stdout_text()), (Some(0), "out\n"));
    assert_eq!(exit.stderr.len(), 10_000_004);
    assert!(exit.stderr.ends_with(b"\0err\n"));
    place.server.stop();
}

#[test]
fn ctrl_c_is_a_sigint_there() {
    let place = place();
    let script = "trap 'echo caught; exit 9' INT; echo up; while :; do sleep 0.05; done";
    let mut client = place.running(&["sh", "-c", script]);
    client.signal(Signal::INT);
    let exit = client.end();
    assert_eq!((exit.code, &*exit.stdout_text()), (Some(9), "up\ncaught\n"));
    place.server.stop();
}

/// Much input for a command that sleeps: nothing of it is held, and Ctrl-C gets through.
#[test]
fn input_that_nobody_takes_waits_where_it_is() {
    let place = place();
    let mut command = place.exec(&[], &["sh", "-c", "echo up; exec sleep 9999"]);
    let input = File::open("/dev/zero").unwrap();
    let mut client = command.stdin(input).stdout(Stdio::piped()).spawn().unwrap();
    let mut up = [0; 3];
    client.stdout.as_mut().unwrap().read_exact(&mut up).unwrap();
    kill_process(Pid::from_child(&client), Signal::INT).unwrap();
    assert_eq!(client.wait().unwrap().code(), Some(130));
    let closed = place.server.closed(1);
    let read = closed[0]["read_bytes"].as_u64().unwrap();
    assert!(read < 1 << 20, "{read} bytes of input were taken");
    place.server.stop();
}

#[test]
fn a_killed_client_leaves_nothing_running() {
    let place = place();
    let script = "trap '' HUP; sleep 9999 & echo $! $$ up; wait";
    let mut client = place.running(&["sh", "-c", script]);
    let said = String::from_utf8(client.stdout()).unwrap();
    let pids = said.split_whitespace().filter_map(|word| word.parse().ok());
    let pids: Vec<i32> = pids.collect();
    assert_eq!(pids.len(), 2, "{said}");
    client.signal(Signal::KILL);
    client.end();
    until("ended", || !pids.iter().any(|pid| is_alive(*pid)));
    place.server.stop();
}

#[test]
fn a_killed_server_is_255_with_a_line() {
    let place = place();
    let mut client = place.running(&["sh", "-c", "echo up; exec sleep 9999"]);
    place.server.signal(Signal::KILL);
    let exit = client.end();
    assert_eq!(exit.code, Some(255));
    assert_eq!(
        exit.stderr_text(),
        "sockeye: the connection ended before the command did\n"
    );
}

#[test]
fn a_pipeline_that_has_had_enough_ends_the_command() {
    let Some(bash) = tool("bash") else { return };
    let place = place();
    let binary = env!("CARGO_BIN_EXE_sockeye");
    let endpoint = &place.endpoint;
    let line = format!("{binary} exec {endpoint} -- yes | head -n 1; exit ${{PIPESTATUS[0]}}");
    let exit = Process::run(Command::new(bash).args(["-c", &line]));
    assert_eq!((exit.code, &*exit.stdout_text()), (Some(0), "y\n"));
    place.server.closed(1);
    place.server.stop();
}

/// A reader of ours that does not read holds the command up, and nothing is held for it.
#[test]
fn a_slow_reader_holds_the_command_up() {
    let place = place();
    let said = place.folder.path().join("said");
    let mut command = place.exec(
        &[],
        &["sh", "-c", "head -c 100000000 /dev/zero; echo done >&2"],
    );
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut client = command
        .stderr(File::create(&said).unwrap())
        .spawn()
        .unwrap();
    let mut stdout = client.stdout.take().unwrap();
    // Our pipe is full, and so is all before it: what is under way is at most a few megabytes.
    until("filled the pipe", || {
        ioctl_fionread(&stdout).unwrap() >= 65_536
    });
    assert_eq!(fs::read(&said).unwrap(), b"");
    let mut all = vec![];
    stdout.read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), 100_000_000);
    let status = fs::read_to_string(format!("/proc/{}/status", place.server.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: u64 = peak
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    assert!(peak < 64 << 10, "the server held {peak} KiB");
    assert_eq!(client.wait().unwrap().code(), Some(0));
    assert_eq!(fs::read(&said).unwrap(), b"done\n");
    place.server.stop();
}

#[test]
fn a_command_that_takes_too_long_is_ended_and_255() {
    let place = place();
    let events = place.folder.path().join("events");
    let flags = ["--timeout", "200ms", "--events", events.to_str().unwrap()];
    let script = "trap '' HUP TERM; echo $$; while :; do sleep 0.05; done";
    let exit = Process::run(&mut place.exec(&flags, &["sh", "-c", script]));
    assert_eq!(exit.code, Some(255));
    let line = "sockeye: the command was ended, it had run for 200ms\n";
    assert_eq!(exit.stderr_text(), line);
    let events = fs::read_to_string(events).unwrap();
    assert_eq!(event(&events, "error")["exit"], 4);
    assert_eq!(event(&events, "exec_ended")["timed_out"], true);
    let pid = exit.stdout_text().trim().parse().unwrap();
    until("ended", || !is_alive(pid));
    place.server.stop();
}

#[test]
fn what_lives_on_is_said() {
    let Some(_) = tool("setsid") else { return };
    let place = place();
    // It lives on until this file is gone, so that it never outlives the test for long.
    let alive = place.folder.path().join("alive");
    fs::write(&alive, "").unwrap();
    let script = "setsid sh -c 'while [ -e \"$0\" ]; do sleep 0.05; done' \"$0\" & echo out";
    let exit = place.run(&["sh", "-c", script, alive.to_str().unwrap()]);
    fs::remove_file(alive).unwrap();
    assert_eq!((exit.code, &*exit.stdout_text()), (Some(0), "out\n"));
    assert!(
        exit.stderr_text().contains("still runs there"),
        "{}",
        exit.stderr_text()
    );
    place.server.stop();
}

/// A loop that reads lines keeps its lines with `-n`, and without it the command gets them.
#[test]
fn without_input_ours_is_left_alone() {
    let Some(bash) = tool("bash") else { return };
    let place = place();
    let binary = env!("CARGO_BIN_EXE_sockeye");
    let line = format!(
        "while read line; do {binary} exec -n {} -- echo $line; done",
        place.endpoint
    );
    let mut shell = Process::start(Command::new(bash).args(["-c", &line]));
    shell.write_stdin(b"one\ntwo\n");
    assert_eq!(shell.exit().stdout_text(), "one\ntwo\n");
    place.server.stop();
}

/// Over TLS and QUIC with keys: a stranger is refused, as is a server that nobody knows.
#[test]
fn keys_decide_who_may_run_what() {
    let folder = tempfile::tempdir().unwrap();
    let sockeye = |side: &str, args: &[&str]| {
        let mut command = crate::ours::sockeye(args);
        command.env("XDG_CONFIG_HOME", folder.path().join(side));
        command
    };
    let served = [
        "serve",
        "exec",
        "--json",
        "tls://127.0.0.1:0",
        "quic://127.0.0.1:0",
    ];
    let mut server = Process::start(&mut sockeye("server", &served));
    server.event("ready");
    let events = server.events("listening");
    for endpoint in events
        .iter()
        .map(|event| event["endpoint"].as_str().unwrap())
    {
        let run = |flags: &[&str]| {
            let args = [
                &["exec", "-n", "--events", "fd:1"],
                flags,
                &[endpoint, "--", "echo", "hi"],
            ];
            Process::run(&mut sockeye("client", &args.concat()))
        };
        let unknown = run(&[]);
        assert_eq!(unknown.code, Some(255), "{endpoint}");
        assert_eq!(
            event(&unknown.stdout_text(), "error")["exit"],
            5,
            "{endpoint}"
        );
        let stranger = run(&["--trust-on-first-use"]);
        assert_eq!(stranger.code, Some(255), "{endpoint}");
        let told = event(&stranger.stdout_text(), "error");
        assert_eq!(told["exit"], 5, "{told}");
        let key = Process::run(&mut sockeye("client", &["key", "--json"]));
        let key = event(&key.stdout_text(), "identity");
        let allow = [
            "key",
            "allow",
            key["key"].as_str().unwrap(),
            "tester",
            "exec",
        ];
        assert_eq!(Process::run(&mut sockeye("server", &allow)).code, Some(0));
        let friend = run(&[]);
        assert_eq!(friend.code, Some(0), "{endpoint}: {}", friend.stderr_text());
        assert!(friend.stdout_text().lines().any(|line| line == "hi"));
        let deny = ["key", "deny", "tester"];
        assert_eq!(Process::run(&mut sockeye("server", &deny)).code, Some(0));
    }
    server.signal(Signal::INT);
    assert_eq!(server.exit().code, Some(0));
}
