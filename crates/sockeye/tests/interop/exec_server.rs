//! `sockeye serve exec` with clients that were written from docs/wire.md alone, with the tutorials'
//! own, and with strangers.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use sockeye_testkit::{Process, python, tool};
use tempfile::TempDir;

use crate::ours::{Server, serve, sockeye};

mod keys;

const PAGE: &str = include_str!("../../../../docs/wire.md");
const CLIENT: &str = include_str!("peers/exec_client.py");
const STRANGERS: &str = include_str!("peers/strangers.py");
const TUTORIAL: &str = include_str!("peers/remote_command_client.py");
const TUTORIAL_UDP: &str = include_str!("peers/remote_command_udp_client.py");

/// A server on a Unix socket.
struct Unix {
    server: Server,
    socket: String,
    folder: TempDir,
}

#[track_caller]
fn unix(flags: &[&str]) -> Unix {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("exec.sock").display().to_string();
    let endpoint = format!("unix:{socket}");
    let server = serve(&[&["exec", &*endpoint], flags].concat());
    Unix {
        server,
        socket,
        folder,
    }
}

/// The code block of the page in this language.
#[track_caller]
fn block(language: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(&format!("```{language}\n")).unwrap();
    rest.split("```").next().unwrap()
}

/// The most memory that a process ever had, in bytes.
fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        * 1024
}

#[test]
fn the_client_of_the_page_runs_as_it_stands() {
    let at = unix(&[]);
    let client = block("python");
    assert!(client.lines().count() <= 16, "it is the client in 15 lines");
    let check = |argv: &[&str], code: i32, stdout: &str, stderr: &str| {
        let Some(mut ran) = python(client, &[&[&*at.socket], argv].concat()) else {
            return;
        };
        let exit = ran.exit();
        assert_eq!(
            (exit.code, &*exit.stdout_text(), &*exit.stderr_text()),
            (Some(code), stdout, stderr)
        );
    };
    check(&["echo", "hi", "a b", "*"], 0, "hi a b *\n", "");
    check(
        &["sh", "-c", "echo out; echo err >&2; exit 42"],
        42,
        "out\n",
        "err\n",
    );
    let missing = "cannot start /no/such: no such file or directory (ENOENT, 2)\n";
    check(&["/no/such"], 1, "", missing);
    at.server.stop();
}

#[test]
fn the_hexdump_of_the_page_is_true() {
    let at = unix(&[]);
    let lines = block("hexdump").lines();
    let sent = lines.filter_map(|line| line.strip_prefix("> ")?.split('|').next());
    let hex: String = sent
        .flat_map(|line| line.split_whitespace().skip(1))
        .collect();
    let script = "\
import socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[1])
sock.sendall(bytes.fromhex(sys.argv[2]))
data = b''
while b'took_ms' not in data or not data.endswith(b'}'):
    data += sock.recv(65536)
sys.stdout.buffer.write(data)
";
    let Some(mut peer) = python(script, &[&at.socket, &hex]) else {
        return;
    };
    let answer = peer.exit().stdout;
    let mut frames = vec![];
    let mut rest = &answer[..];
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (header, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        let header: serde_json::Value = serde_json::from_slice(header).unwrap();
        let (body, after) = after.split_at(header["size"].as_u64().unwrap_or(0) as usize);
        frames.push((header["type"].as_str().unwrap().to_owned(), body.to_vec()));
        rest = after;
    }
    let expected = [("started", &b""[..]), ("stdout", b"hi\n"), ("exit", b"")];
    assert_eq!(
        frames,
        expected.map(|(kind, body)| (kind.to_owned(), body.to_vec()))
    );
    at.server.stop();
}

/// What goes wrong with commands, each as a client that knows the page alone sees it.
#[test]
fn commands_that_do_as_they_like_and_clients_too() {
    let at = unix(&[]);
    let scenarios = [
        "megabytes",
        "errors_first",
        "closes_early",
        "ignores_hangup",
        "daemonises",
        "big_input_then_gone",
        "input_comes_back",
        "many_at_once",
        "two_gigabytes_of_header",
        "no_json",
        "bytes_as_they_are",
        "slow_reader",
    ];
    let Some(mut client) = python(CLIENT, &[&[&*at.socket], &scenarios[..]].concat()) else {
        return;
    };
    let exit = client.exit();
    let expected = format!("ok {}\n", scenarios.join("\nok "));
    assert_eq!(exit.stdout_text(), expected, "{}", exit.stderr_text());
    let peak = peak_memory(at.server.id());
    assert!(peak < 64 << 20, "{peak} bytes");
    let descriptors = at.server.descriptors();
    assert!(descriptors < 40, "{descriptors} descriptors are left open");
    at.server.stop();
}

#[test]
fn nothing_of_the_server_is_handed_on() {
    let Some(bash) = tool("bash") else { return };
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s").display().to_string();
    let binary = env!("CARGO_BIN_EXE_sockeye");
    // Descriptors that lack O_CLOEXEC, a signal that is ignored, a secret.
    let script = format!(
        "trap '' HUP USR1; exec 7</etc/passwd 8>/dev/null 200</dev/zero; \
         SECRET=1 exec {binary} serve --json exec unix:{socket}"
    );
    let server = Process::start(Command::new(bash).args(["-c", &script]));
    server.event("ready");
    let run = |argv: &[&str]| {
        let ran = python(block("python"), &[&[&*socket], argv].concat());
        ran.map(|mut ran| ran.exit().stdout_text())
    };
    let Some(descriptors) = run(&["ls", "/proc/self/fd"]) else {
        return;
    };
    assert_eq!(descriptors, "0\n1\n2\n3\n", "3 is the folder that ls reads");
    assert!(!run(&["env"]).unwrap().contains("SECRET"));
    let ignored = run(&["grep", "SigIgn", "/proc/self/status"]).unwrap();
    let ignored = ignored.split_whitespace().last().unwrap();
    let ignored = u64::from_str_radix(ignored, 16).unwrap();
    // The signals of signal(7); the C library keeps those behind them for itself.
    assert_eq!(ignored & 0x7fff_ffff, 0, "{ignored:x}");
}

#[test]
fn a_narrowed_server_runs_its_list_and_logs_who_asked() {
    let flags = [
        "--allow",
        "echo …",
        "--allow",
        "true",
        "--allow-env",
        "LANG",
    ];
    let at = unix(&flags);
    let run = |argv: &[&str]| {
        let ran = python(block("python"), &[&[&*at.socket], argv].concat());
        ran.map(|mut ran| ran.exit())
    };
    let Some(allowed) = run(&["echo", "a", "b"]) else {
        return;
    };
    assert_eq!(allowed.stdout_text(), "a b\n");
    assert!(
        run(&["id"])
            .unwrap()
            .stderr_text()
            .contains("not on the server's list")
    );
    assert!(
        run(&["true", "-x"])
            .unwrap()
            .stderr_text()
            .contains("not on the server's list")
    );
    let ended = at.server.event("command_ended");
    assert_eq!(ended["argv"], serde_json::json!(["echo", "a", "b"]));
    assert!(
        ended["who"].as_str().unwrap().starts_with("uid "),
        "{ended}"
    );
    assert!(ended["status"] == 0 && ended["took_ms"].is_u64());
    let refused = at.server.event("command_refused");
    assert_eq!(
        (&refused["code"], &refused["argv"][0]),
        (&"not_allowed".into(), &"id".into())
    );
    at.server.stop();
}

#[test]
fn what_would_serve_strangers_is_refused_in_one_line() {
    let check = |args: &[&str], part: &str| {
        let exit = Process::run(sockeye(&["serve", "exec"]).args(args));
        let said = exit.stderr_text();
        assert_eq!(exit.code, Some(2), "{args:?}: {said}");
        assert!(
            said.contains(part) && said.trim().lines().count() == 1,
            "{said}"
        );
    };
    check(&["tcp://127.0.0.1:0"], "--insecure-anyone");
    check(&["0.0.0.0:0", "--insecure-anyone"], "loopback alone");
    check(&["udp://127.0.0.1:0"], "quic://");
    check(&["ws://127.0.0.1:0/"], "--insecure-anyone");
    check(
        &["127.0.0.1:0", "--frame", "raw"],
        "--insecure-anyone --frame raw --shell",
    );
    check(&["unix:@x", "--allow", "a | b"], "no command");

    let at = serve(&["exec", "127.0.0.1:0", "--insecure-anyone"]);
    assert_eq!(at.event("insecure")["endpoint"], at.endpoint());
    at.stop();
}

#[test]
fn a_browser_is_closed_and_the_log_says_so() {
    let at = serve(&["exec", "127.0.0.1:0", "--insecure-anyone"]);
    let script = "\
import http.client, sys
connection = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]), timeout=60)
try:
    connection.request('POST', '/', '{\"type\":\"exec\",\"argv\":[\"touch\",\"/proc/no/x\"]}')
    print(connection.getresponse().status)
except (http.client.BadStatusLine, ConnectionError):
    print('closed')
";
    let Some(mut browser) = python(script, &[&at.port()]) else {
        return;
    };
    assert_eq!(browser.exit().stdout_text(), "closed\n");
    let closed = at.event("closed");
    let reason = closed["reason"].as_str().unwrap();
    assert!(
        reason.contains("HTTP request") && reason.contains("POST / HTTP/1.1"),
        "{reason}"
    );
    assert!(at.events("command_started").is_empty());
    at.stop();
}

/// A client whose machine is gone is asked after: the kernel's timer for that runs (proc_pid_net(5):
/// `tr` is 2).
#[test]
fn a_vanished_client_would_be_noticed() {
    let at = serve(&["exec", "127.0.0.1:0", "--insecure-anyone"]);
    let port: u16 = at.port().parse().unwrap();
    let _client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    at.event("accepted");
    let ours = format!("0100007F:{port:04X}");
    let runs = || {
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let lines = table
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        // Established, and ours is the local end.
        let mut mine =
            lines.filter(|cells| cells.len() > 5 && cells[1] == ours && cells[3] == "01");
        mine.any(|cells| cells[5].starts_with("02:"))
    };
    let end = std::time::Instant::now() + sockeye_testkit::DEADLINE;
    while !runs() {
        assert!(std::time::Instant::now() < end, "no keepalive timer");
        std::thread::yield_now();
    }
    at.stop();
}

#[test]
fn m18_commands_over_tcp_with_their_client() {
    let flags = ["--insecure-anyone", "--frame", "raw", "--shell"];
    let at = serve(&[&["exec", "127.0.0.1:0"], &flags[..]].concat());
    let long = "seq 1 300000; seq 1 300000 >&2";
    let digits: usize = (1..=300_000usize).map(|n| n.to_string().len() + 1).sum();
    let commands = [
        &*at.port(),
        "echo hello",
        "no-such-command-here 2>&1 | wc -l",
        &format!("{long}=>{}", 2 * digits),
        "true",
        "pwd >/dev/null; exit 5",
        "echo 你好",
    ];
    let Some(mut client) = python(TUTORIAL, &commands) else {
        return;
    };
    let exit = client.exit();
    let shown = exit.stdout_text();
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines[0], "6 b'hello\\n'", "{shown}{}", exit.stderr_text());
    assert_eq!(lines[1], "2 b'1\\n'");
    assert!(
        lines[2].starts_with(&format!("{} b'1\\n2\\n", 2 * digits)),
        "{}",
        lines[2]
    );
    // Nothing of a long answer is mixed with the next one, and one that prints nothing has one.
    assert_eq!(lines[3], "9 b'[exit 0]\\n'");
    assert_eq!(lines[4], "9 b'[exit 5]\\n'");
    assert!(lines[5].starts_with("7 b'"), "{}", lines[5]);
    assert_eq!(at.event("command_ended")["argv"][0], "echo hello");
    at.stop();
}

#[test]
fn m19_commands_over_udp_with_their_client() {
    let flags = ["--insecure-anyone", "--frame", "raw", "--shell"];
    let at = serve(&[&["exec", "udp://127.0.0.1:0"], &flags[..]].concat());
    let commands = [
        &*at.port(),
        "echo out; echo err >&2",
        "true",
        "head -c 20000 /dev/zero | tr '\\0' x",
        "head -c 200000 /dev/zero | tr '\\0' y",
        "echo a\necho b",
    ];
    let Some(mut client) = python(TUTORIAL_UDP, &commands) else {
        return;
    };
    let exit = client.exit();
    let shown = exit.stdout_text();
    let lines: Vec<_> = shown.lines().collect();
    assert!(
        lines[0].starts_with("8 b'err\\nout\\n'"),
        "{shown}{}",
        exit.stderr_text()
    );
    assert!(lines[1].starts_with("9 b'[exit 0]\\n'"), "{shown}");
    assert!(lines[2].starts_with("20000 b'xxx"), "{shown}");
    assert!(lines[3].starts_with("65507 b'yyy"), "{shown}");
    assert!(
        lines[3].ends_with("[cut: 200000 bytes do not fit, 65507 do]\\n'"),
        "{shown}"
    );
    assert!(lines[4].contains("[refused: "), "{shown}");
    at.stop();
}

/// Asks `count` times from there; what came back, and that no command ran.
#[track_caller]
fn strangers(server: &Process, folder: &Path, count: usize, from: &[&str]) -> Option<String> {
    let marker = folder.join("it-ran").display().to_string();
    let count = count.to_string();
    let args = [&[&*count, &*marker], from].concat();
    let exit = python(STRANGERS, &args)?.exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    assert!(!Path::new(&marker).exists());
    assert!(server.events("command_started").is_empty());
    Some(exit.stdout_text())
}

#[test]
fn strangers_on_a_unix_socket_run_nothing() {
    if !rustix::process::geteuid().is_root() {
        return sockeye_testkit::not_run("needs root, to be somebody else");
    }
    let at = unix(&[]);
    let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    open(at.folder.path());
    open(Path::new(&at.socket));
    let count = 8200;
    let from = ["unix", &at.socket, "65534"];
    let Some(answers) = strangers(&at.server, at.folder.path(), count, &from) else {
        return;
    };
    assert_eq!(answers, format!("{{'denied': {count}}}\n"));
    at.server.stop();
}

/// Where some users have no number, a number proves nothing: not even ours.
#[test]
fn nobody_is_let_in_where_users_have_no_numbers() {
    let Some(unshare) = tool("unshare") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s").display().to_string();
    let mut command = Command::new(unshare);
    command.args(["--user", "--map-root-user", env!("CARGO_BIN_EXE_sockeye")]);
    command.args(["serve", "--json", "exec", &format!("unix:{socket}")]);
    let mut server = Process::start(&mut command);
    let listens = std::time::Instant::now() + sockeye_testkit::DEADLINE;
    while server.events("ready").is_empty() {
        if !server.is_running() {
            return sockeye_testkit::not_run("needs user namespaces");
        }
        assert!(std::time::Instant::now() < listens, "it never listens");
        std::thread::yield_now();
    }
    let Some(mut client) = python(block("python"), &[&socket, "id"]) else {
        return;
    };
    let said = client.exit().stderr_text();
    assert!(said.contains("cannot tell its own from others"), "{said}");
    assert!(server.events("command_started").is_empty());
}
