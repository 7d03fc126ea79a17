//! `exec` on a terminal, and on many hosts.

use std::process::Command;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use serde_json::{Value, json};
use sockeye_testkit::{DEADLINE, Process, python, tool};
use tempfile::TempDir;

use crate::harness::sockeye;
use crate::terminal::Terminal;

/// A server that plays a script (interop/peers/exec_script.py).
struct Scripted {
    process: Process,
    endpoint: String,
    _folder: TempDir,
}

#[track_caller]
fn scripted(steps: &Value) -> Option<Scripted> {
    named(steps, "exec.sock")
}

#[track_caller]
fn named(steps: &Value, name: &str) -> Option<Scripted> {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join(name);
    let socket = socket.to_str().unwrap();
    let script = include_str!("../interop/peers/exec_script.py");
    let process = python(script, &[socket, &steps.to_string()])?;
    process.wait_stdout("listening\n");
    Some(Scripted {
        process,
        endpoint: format!("unix:{socket}"),
        _folder: folder,
    })
}

impl Scripted {
    #[track_caller]
    fn hears(&self, fits: impl Fn(&Value) -> bool) -> Value {
        self.process.wait_line(|line| {
            let frame: Value = serde_json::from_str(line).ok()?;
            fits(&frame).then_some(frame)
        })
    }

    #[track_caller]
    fn hears_input(&self, text: &str) {
        self.hears(|frame| frame["text"] == text);
    }
}

fn asked() -> Value {
    json!({"await": "exec"})
}

fn started() -> Value {
    json!({"send": {"type": "started", "pid": 7}})
}

fn credit() -> Value {
    json!({"send": {"type": "credit", "bytes": 100_000}})
}

fn prints(text: &str) -> Value {
    json!({"send": {"type": "stdout"}, "body": text})
}

fn exits(status: u8) -> Value {
    json!({"send": {"type": "exit", "status": status, "took_ms": 1}})
}

/// `sockeye exec …` with the terminal as its own, so that keys can be signals.
fn on_a_terminal(args: &[&str]) -> Option<Terminal> {
    let setsid = tool("setsid")?;
    let mut command = Command::new(setsid);
    let environment = sockeye(&[]);
    command.env_clear();
    for (name, value) in environment.get_envs() {
        value.inspect(|value| {
            command.env(name, value);
        });
    }
    command.args(["--ctty", env!("CARGO_BIN_EXE_sockeye"), "exec"]);
    Some(Terminal::start(command.args(args)))
}

impl Terminal {
    fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.line).unwrap().local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    #[track_caller]
    fn wait_until(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let until = Instant::now() + DEADLINE;
        while !is(self) {
            assert!(Instant::now() < until, "never {what}");
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

#[test]
fn a_terminal_goes_to_the_command_and_comes_back() {
    let steps = json!([
        asked(), started(), credit(), prints("\x1b[1mraw\r\n"), {"await": "resize"},
        {"await": "stdin"}, {"await": "stdin"}, {"await": "signal"}, exits(3),
    ]);
    let Some(server) = scripted(&steps) else {
        return;
    };
    let Some(mut terminal) = on_a_terminal(&["-t", &server.endpoint, "--", "vi"]) else {
        return;
    };
    // What steers a terminal goes through: it is the command's.
    terminal.wait_for("\x1b[1mraw\r\n");
    let header = server.hears(|frame| frame["header"]["type"] == "exec");
    let tty = json!({"term": "xterm", "rows": 24, "columns": 80});
    assert_eq!(header["header"]["tty"], tty, "{header}");
    assert!(terminal.is_raw());
    let size = Winsize {
        ws_row: 50,
        ws_col: 132,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&terminal.line, size).unwrap();
    let resize = json!({"type": "resize", "rows": 50, "columns": 132});
    server.hears(|frame| frame["header"] == resize);
    // Ctrl-C and Ctrl-Z are keys like others.
    terminal.type_in("\x03");
    server.hears_input("\x03");
    terminal.type_in("\x1aq\r");
    server.hears_input("\x1aq\r");
    // A signal from elsewhere is still one.
    terminal.signal(Signal::INT);
    assert_eq!(terminal.end(), Some(3));
}

#[test]
fn a_raw_terminal_is_put_back_on_every_way_out() {
    let steps = json!([asked(), started(), prints("up"), {"end": true}]);
    let begin = || {
        let server = scripted(&steps)?;
        let mut terminal = on_a_terminal(&["-t", &server.endpoint, "--", "top"])?;
        terminal.wait_for("up");
        terminal.wait_until("raw", Terminal::is_raw);
        Some((server, terminal))
    };
    for signal in [Signal::TERM, Signal::HUP] {
        let Some((_server, terminal)) = begin() else {
            return;
        };
        terminal.signal(signal);
        assert_eq!(terminal.end(), Some(255));
    }
    let Some((server, mut terminal)) = begin() else {
        return;
    };
    server.process.signal(sockeye_testkit::Signal::KILL);
    terminal.wait_for("the connection ended before the command did");
    assert_eq!(terminal.end(), Some(255));
    // A stop from elsewhere leaves a terminal that a shell can use; it is raw again afterwards.
    let Some((server, terminal)) = begin() else {
        return;
    };
    terminal.signal(Signal::TSTP);
    server.hears(|frame| frame["header"]["name"] == "STOP");
    terminal.wait_until("put back", |terminal| !terminal.is_raw());
    terminal.signal(Signal::CONT);
    terminal.wait_until("raw again", Terminal::is_raw);
    server.hears(|frame| frame["header"]["name"] == "CONT");
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.end(), Some(255));
}

#[test]
fn ctrl_c_is_the_commands_and_its_text_steers_nothing() {
    let steps = json!([
        asked(), started(), prints("red \x1b[31m\u{c4}\u{e3}\u{ba}\u{c3}\n"), credit(),
        {"await": "stdin"}, {"await": "signal"},
        {"send": {"type": "exit", "signal": "INT", "took_ms": 1}},
    ]);
    let Some(server) = scripted(&steps) else {
        return;
    };
    let args = ["--encoding", "gbk", &server.endpoint, "--", "ask"];
    let Some(mut terminal) = on_a_terminal(&args) else {
        return;
    };
    terminal.wait_for("red \\x1b[31m你好\r\n");
    assert!(!terminal.is_raw());
    terminal.type_in("好\r");
    server.hears_input("\u{ba}\u{c3}\n");
    terminal.type_in("\x03");
    server.hears(|frame| frame["header"]["name"] == "INT");
    assert_eq!(terminal.end(), Some(130));

    let Some(server) = scripted(&json!([
        asked(),
        started(),
        prints("\x1b[31mred\n"),
        exits(0)
    ])) else {
        return;
    };
    let Some(mut terminal) = on_a_terminal(&["-n", "--ansi", &server.endpoint, "--", "ls"]) else {
        return;
    };
    terminal.wait_for("\x1b[31mred\r\n");
    assert_eq!(terminal.end(), Some(0));
}

/// The lines of `hosts`, each behind its own.
#[test]
fn many_hosts_have_their_lines_and_a_table() {
    let says = |text: &str, end: Value| json!([asked(), started(), prints(text), end]);
    let killed = json!({"send": {"type": "exit", "signal": "KILL", "took_ms": 70}});
    let denied = json!([asked(), {"send": {"type": "error", "code": "denied", "message": "no"}}]);
    let servers = [
        named(&says("one\ntwo\u{ff}", exits(0)), "a"),
        named(&says("", exits(4)), "网络"),
        named(&says("x\n", killed), "long-name"),
        named(&denied, "d"),
    ];
    let Some(servers): Option<Vec<_>> = servers.into_iter().collect() else {
        return;
    };
    let run = |some: &[&Scripted]| {
        let mut command = sockeye(&["exec", "--parallel", "2"]);
        for server in some {
            command.args(["--host", &server.endpoint]);
        }
        Process::run(command.args(["--events", "fd:1", "--", "id"]))
    };
    let exit = run(&servers.iter().collect::<Vec<_>>());
    assert_eq!(exit.code, Some(255), "{}", exit.stderr_text());
    let out = exit.stdout;
    let place = |server: &Scripted| server.endpoint.clone();
    let line = |server: &Scripted, text: &[u8]| {
        // Every name is padded to the width of the longest, where a character of Chinese is two wide.
        let wide = place(&servers[2]).len();
        let own = place(server).replace("网络", "wide").len();
        let spaces = " ".repeat(wide - own);
        [
            format!("{}{spaces} | ", place(server)).as_bytes(),
            text,
            b"\n",
        ]
        .concat()
    };
    for (server, text) in [(0, &b"one"[..]), (0, b"two\xff"), (2, b"x")] {
        let line = line(&servers[server], text);
        let latin = line.clone();
        assert!(
            out.windows(latin.len()).any(|part| part == latin),
            "{} in {}",
            String::from_utf8_lossy(&line),
            String::from_utf8_lossy(&out)
        );
    }
    let said = exit_text(&exit.stderr);
    for (server, row) in [(0, "0"), (1, "4"), (2, "137"), (3, "255")] {
        let place = place(&servers[server]);
        let found = said.lines().any(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some(&place) && words.next() == Some(row)
        });
        assert!(found, "{place} {row} in {said}");
    }
    assert!(said.contains("the server refuses: no"), "{said}");
}

fn exit_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The exit code is the highest of all; a host that nobody can reach keeps no other from running.
#[test]
fn the_worst_host_decides() {
    let run = |hosts: &[&str]| {
        let mut command = sockeye(&["exec", "-q"]);
        for host in hosts {
            command.args(["--host", host]);
        }
        Process::run(command.args(["--", "true"])).code
    };
    let server = |status| scripted(&json!([asked(), started(), exits(status)]));
    let (Some(good), Some(bad)) = (server(0), server(0)) else {
        return;
    };
    assert_eq!(run(&[&good.endpoint, &bad.endpoint]), Some(0));
    let (Some(good), Some(bad)) = (server(0), server(9)) else {
        return;
    };
    assert_eq!(run(&[&bad.endpoint, &good.endpoint]), Some(9));
    let Some(good) = server(0) else {
        return;
    };
    assert_eq!(run(&["unix:/no/such/socket", &good.endpoint]), Some(255));
    good.hears(|frame| frame["header"]["type"] == "exec");
}

/// What a host prints without any line end does not grow in our memory.
#[test]
fn a_line_without_an_end_is_cut() {
    let long = "x".repeat(70_000);
    let steps = json!([asked(), started(), prints(&long), exits(0)]);
    let Some(server) = scripted(&steps) else {
        return;
    };
    let flags = ["exec", "-q", "--host", &server.endpoint, "--", "cat"];
    let exit = Process::run(&mut sockeye(&flags));
    assert_eq!(exit.code, Some(0));
    let text = exit.stdout_text();
    let prefix = format!("{} | ", server.endpoint);
    let lines = text
        .lines()
        .map(|line| line.strip_prefix(&prefix).unwrap().len());
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.iter().sum::<usize>(), 70_000);
    // A cut falls on the end of a piece that was read, so that the limit is not exact.
    assert!(lines.len() == 2 && lines[0] >= 64 * 1024, "{lines:?}");
}

/// `| head`: nobody reads what the hosts print, so all of them end.
#[test]
fn a_closed_output_ends_all_hosts() {
    let Some(bash) = tool("bash") else { return };
    let line = json!({"send": {"type": "stdout"}, "body": "line\n", "times": 1_000_000});
    let loud = scripted(&json!([asked(), started(), line, {"end": true}]));
    let silent = scripted(&json!([asked(), started(), {"end": true}]));
    let (Some(loud), Some(silent)) = (loud, silent) else {
        return;
    };
    let line = format!(
        "{} exec --host {} --host {} -- yes | head -n 1; exit ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_sockeye"),
        silent.endpoint,
        loud.endpoint
    );
    let exit = Process::run(Command::new(bash).args(["-c", &line]));
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    assert!(exit.stdout_text().ends_with(" | line\n"));
    assert_eq!(exit.stderr_text(), "");
    silent.process.wait_stdout("\"end\"");
}

/// Ctrl-C: those that run get it, no further one is begun.
#[test]
fn ctrl_c_goes_to_all_hosts_that_run() {
    let interrupted = json!({"send": {"type": "exit", "signal": "INT", "took_ms": 1}});
    let steps = json!([asked(), started(), {"await": "signal"}, interrupted]);
    let (Some(a), Some(b), Some(never)) = (scripted(&steps), scripted(&steps), scripted(&steps))
    else {
        return;
    };
    let mut command = sockeye(&["exec", "--parallel", "2", "--events", "fd:1"]);
    for server in [&a, &b, &never] {
        command.args(["--host", &server.endpoint]);
    }
    let mut client = Process::start(command.args(["--", "sleep", "9999"]));
    client.wait_events("exec_started", 2);
    client.signal(sockeye_testkit::Signal::INT);
    let exit = client.end();
    assert_eq!(exit.code, Some(255));
    let said = exit.stderr_text();
    assert_eq!(said.matches("ended by signal INT").count(), 2, "{said}");
    assert_eq!(said.matches("not run").count(), 1, "{said}");
}

/// With our own server: the command has a real terminal of our size, and its keys.
#[test]
fn a_terminal_there_is_as_ours() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("unix:{}", folder.path().join("exec.sock").display());
    let mut server = crate::harness::serve(&["exec", &endpoint]);
    server.event("ready");
    let script = "trap 'stty size' WINCH; tty; echo $TERM; stty size; \
                  while ! read line; do :; done; echo got $line >&2; exec sleep 9999";
    let args = ["-t", &endpoint, "--", "sh", "-c", script];
    let Some(mut terminal) = on_a_terminal(&args) else {
        return;
    };
    terminal.wait_for("/dev/pts/");
    terminal.wait_for("\r\nxterm\r\n24 80\r\n");
    let size = Winsize {
        ws_row: 50,
        ws_col: 132,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&terminal.line, size).unwrap();
    terminal.wait_for("50 132\r\n");
    terminal.type_in("wrogn\x7f\x7fng 字\r");
    terminal.wait_for("got wrong 字\r\n");
    terminal.type_in("\x03");
    terminal.wait_for("^C");
    assert_eq!(terminal.end(), Some(130));
    server.signal(sockeye_testkit::Signal::TERM);
    assert_eq!(server.exit().code, Some(0));
}
