//! `get`, against the Python server.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::Command;

use sockeye_testkit::{Process, Signal, tool};

use super::{assert_says, names, noise, theirs};
use crate::ours::sockeye;

#[test]
fn m19_files_and_folders_come_as_they_are() {
    let Some(theirs) = theirs("") else { return };
    fs::create_dir_all(theirs.there("a/deep/empty")).unwrap();
    fs::write(theirs.there("a/deep/一"), noise(70_000)).unwrap();
    fs::write(theirs.there("a/none"), b"").unwrap();
    fs::write(theirs.there("big"), noise(3_000_000)).unwrap();
    let exit = theirs.get(&["a/deep/一", "a", "big"]);
    assert_eq!((exit.code, &*exit.stdout_text()), (Some(0), ""));
    assert!(
        exit.stderr_text().starts_with("4 files, 3.14 MB in "),
        "{}",
        exit.stderr_text()
    );
    fs::remove_file(theirs.here("一")).unwrap();
    let differs = Process::run(
        Command::new("diff")
            .arg("-r")
            .args([theirs.here(""), theirs.there("")]),
    );
    assert_eq!(differs.stdout_text(), "");
    // The same again finds everything taken, except with leave to replace it.
    let exit = theirs.get(&["-q", "."]);
    assert_eq!(exit.code, Some(2));
    let said = exit.stderr_text();
    assert_eq!(said.lines().count(), 3, "{said}");
    let taken =
        "sockeye: big: there is a file or folder of that name already; --overwrite replaces it";
    assert!(said.lines().any(|line| line == taken), "{said}");
    assert_says(&theirs.get(&["-q", "--overwrite", "."]), 0, &[]);
}

#[test]
fn m19_one_file_under_another_name_or_into_a_pipe() {
    let Some(theirs) = theirs("") else { return };
    let content = noise(300_000);
    fs::write(theirs.there("f"), &content).unwrap();
    assert_says(&theirs.get(&["-q", "f", "-o", "g"]), 0, &[]);
    assert!(fs::read(theirs.here("g")).unwrap() == content);
    let exit = theirs.get(&["-q", "f", "f/../f"]);
    assert_says(&exit, 2, &["sockeye: f/../f: a part of a name is . or .."]);
    let exit = theirs.get(&["-q", "f", "-o", "-"]);
    assert!(exit.code == Some(0) && exit.stdout == content);
    assert_says(&theirs.get(&["-q", "f", "-o", "/dev/null"]), 0, &[]);
    // A reader that has had enough is no failure.
    let script = "\"$@\" | head -c 10 | wc -c; echo ${PIPESTATUS[0]}";
    let mut piped = Command::new("bash");
    piped.args(["-c", script, "bash", env!("CARGO_BIN_EXE_sockeye")]);
    piped.args([
        "get",
        "-q",
        "--digest",
        "sha256",
        &theirs.endpoint,
        "f",
        "-o",
        "-",
    ]);
    let exit = Process::run(&mut piped);
    assert_eq!(
        (&*exit.stdout_text(), &*exit.stderr_text()),
        ("10\n0\n", "")
    );
    let long = "x".repeat(300);
    let exit = theirs.get(&["-q", "f", "-o", &long]);
    let why = "a part of a name has 300 bytes, 255 are the limit";
    assert_says(&exit, 2, &[&format!("sockeye: {long}: {why}")]);
    let exit = theirs.get(&["-q", "f", "f", "-o", "h"]);
    assert_says(
        &exit,
        2,
        &["sockeye: --output is for one NAME; --into DIR takes several"],
    );
    assert_eq!(names(&theirs.here("")), ["g"]);
}

#[test]
fn m19_two_names_that_would_be_one_file_are_refused() {
    let Some(theirs) = theirs("") else { return };
    let exit = theirs.get(&["-q", "a/x", "b/x"]);
    let why = "a/x and b/x would both be written to x; get them one by one";
    assert_says(&exit, 2, &[&format!("sockeye: {why}")]);
}

#[test]
fn m19_a_listing_lines_up_whatever_the_script() {
    let Some(theirs) = theirs("") else { return };
    fs::create_dir(theirs.there("照片")).unwrap();
    fs::write(theirs.there("照片/a"), "12345").unwrap();
    fs::write(theirs.there("b\x1b[31m"), noise(1234)).unwrap();
    let list = |words: &[&str]| {
        let exit = Process::run(
            sockeye(&["get", &theirs.endpoint, "--list"])
                .args(words)
                .env("TZ", "UTC"),
        );
        assert_says(&exit, 0, &[]);
        exit.stdout_text()
    };
    let all = "\
-rw-r--r--  1234  1970-01-01 00:00  b\\x1b[31m
drwxr-xr-x        1970-01-01 00:00  照片/
-rw-r--r--  5     1970-01-01 00:00  照片/a
";
    assert_eq!(list(&["--recursive"]), all);
    assert_eq!(
        list(&["照片/"]),
        "-rw-r--r--  5  1970-01-01 00:00  照片/a\n"
    );
    let json = list(&["--json", "照片"]);
    let entry = json
        .lines()
        .find(|line| line.contains("\"entry\""))
        .unwrap();
    assert!(
        entry.ends_with(r#""file_name":"照片/a","kind":"file","bytes":5,"mode":420,"mtime_ns":0}"#),
        "{entry}"
    );
}

#[test]
fn m19_a_download_goes_on_where_it_was_cut_and_only_behind_the_same_bytes() {
    let Some(theirs) = theirs("aborts") else {
        return;
    };
    let content = noise(500_000);
    fs::write(theirs.there("f"), &content).unwrap();
    // A real part: what the client keeps when its server dies in the middle.
    let part = |bytes: &[u8]| {
        let mut dying = super::theirs("dies").unwrap();
        fs::write(dying.there("f"), bytes).unwrap();
        let words = ["get", "-q", "--digest", "sha256", &dying.endpoint, "f"];
        let exit = Process::run(sockeye(&words).current_dir(theirs.here("")));
        assert_eq!(exit.code, Some(1), "{}", exit.stderr_text());
        assert_eq!(dying.process.exit().code, Some(0));
        let left = names(&theirs.here(""));
        assert!(
            left.len() == 1 && left[0].starts_with(".sockeye-"),
            "{left:?}"
        );
    };
    part(&content);
    let again = |expected: &str| {
        let Some(honest) = super::theirs("") else {
            return;
        };
        fs::write(honest.there("f"), &content).unwrap();
        let words = ["get", "--digest", "sha256", &honest.endpoint, "f"];
        let exit = Process::run(sockeye(&words).current_dir(theirs.here("")));
        assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
        honest.process.wait_stdout(expected);
        assert_eq!(names(&theirs.here("")), ["f"]);
        assert!(fs::read(theirs.here("f")).unwrap() == content);
        fs::remove_file(theirs.here("f")).unwrap();
    };
    again("offset 1000\n");
    part(&noise(500_001)[1..]);
    again("offset 0\n");
    // What changed on the other side while it came is worth nothing.
    let exit = theirs.get(&["-q", "f"]);
    assert_says(&exit, 1, &["sockeye: f: it changed while it was sent"]);
    assert!(names(&theirs.here("")).is_empty());
}

#[test]
fn m19_of_two_downloads_into_one_name_the_first_to_end_wins() {
    let (Some(one), Some(other)) = (theirs(""), theirs("")) else {
        return;
    };
    fs::write(one.there("f"), noise(100_000)).unwrap();
    fs::write(other.there("f"), "short").unwrap();
    // The long one is held up behind a file that its server has to read from a FIFO.
    let fifo = other.there("wait");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    let words = [
        "get",
        "-q",
        "--digest",
        "sha256",
        &other.endpoint,
        "f",
        "wait",
    ];
    let mut slow = Process::start(sockeye(&words).current_dir(one.here("")));
    // Its own `f` is stored: the name is taken.
    other.process.wait_stdout("offset 0\n");
    let until = std::time::Instant::now() + sockeye_testkit::DEADLINE;
    while !one.here("f").exists() {
        assert!(std::time::Instant::now() < until);
        std::thread::yield_now();
    }
    let exit = one.get(&["-q", "f"]);
    assert_eq!(exit.code, Some(2), "{}", exit.stderr_text());
    fs::write(&fifo, "now").unwrap();
    assert_eq!(slow.exit().code, Some(0));
    assert_eq!(fs::read(one.here("f")).unwrap(), b"short");
    assert_eq!(names(&one.here("")), ["f", "wait"]);
}

#[test]
fn m19_links_on_our_side_lead_nowhere() {
    let Some(theirs) = theirs("") else { return };
    fs::create_dir(theirs.there("d")).unwrap();
    fs::write(theirs.there("d/f"), "theirs").unwrap();
    fs::create_dir(theirs.folder.path().join("outside")).unwrap();
    symlink("../outside", theirs.here("d")).unwrap();
    let exit = theirs.get(&["-q", "--overwrite", "d"]);
    assert_eq!(exit.code, Some(2), "{}", exit.stderr_text());
    assert!(
        exit.stderr_text().contains("a symbolic link is in the way"),
        "{}",
        exit.stderr_text()
    );
    assert!(names(&theirs.folder.path().join("outside")).is_empty());
}

#[test]
fn m19_a_full_disk_here_leaves_nothing_and_says_so() {
    let Some(theirs) = theirs("") else { return };
    let Some(unshare) = tool("unshare") else {
        return;
    };
    fs::write(theirs.there("f"), noise(3_000_000)).unwrap();
    let namespaces = ["--user", "--map-root-user", "--mount"];
    let probe = Process::run(Command::new(&unshare).args(namespaces).arg("true"));
    if probe.code != Some(0) {
        return sockeye_testkit::not_run("needs unprivileged user and mount namespaces");
    }
    let script = "mkdir full && mount -t tmpfs -o size=1m none full && \"$@\"; code=$?; ls -A full; exit $code";
    let mut command = Command::new(unshare);
    command.args(namespaces).args(["sh", "-c", script, "sh"]);
    command
        .arg(env!("CARGO_BIN_EXE_sockeye"))
        .env("LC_ALL", "C.UTF-8");
    let words = ["get", "-q", "--digest", "sha256", &theirs.endpoint, "f"];
    command
        .args(words)
        .args(["--into", "full"])
        .current_dir(theirs.here(""));
    let exit = Process::run(&mut command);
    assert_says(
        &exit,
        2,
        &["sockeye: f cannot be written: no space left on device (ENOSPC, 28)"],
    );
    assert_eq!(exit.stdout_text(), "", "nothing is left on the full disk");
}

#[test]
fn m19_a_huge_sparse_file_needs_no_more_memory_than_a_small_one() {
    let Some(theirs) = theirs("") else { return };
    // A terabyte: only that it is begun and goes on is looked at.
    File::create(theirs.here("f"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let discard = crate::ours::serve(&["discard", "127.0.0.1:0"]);
    let endpoint = discard.endpoint();
    let words = ["put", "f", "--digest", "none", &endpoint];
    // A server that answers nothing: the part is asked for and never told, so nothing moves.
    let mut silent = Process::start(
        sockeye(&words)
            .args(["--timeout", "1s"])
            .current_dir(theirs.here("")),
    );
    let exit = silent.exit();
    assert_eq!(exit.code, Some(4), "{}", exit.stderr_text());
    assert!(
        exit.stderr_text().contains("nothing moved for 1s"),
        "{}",
        exit.stderr_text()
    );
    let Some(greedy) = sockeye_testkit::python(TAKES_ALL, &[]) else {
        return;
    };
    let endpoint = format!("127.0.0.1:{}", greedy.port());
    let words = ["put", "f", "--digest", "blake3", "--json", &endpoint];
    let mut process = Process::start(sockeye(&words).current_dir(theirs.here("")));
    process.event_where("progress", |event| {
        event["moved_bytes"].as_u64() > Some(300 << 20)
    });
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 64 << 10, "{peak} kB");
    process.signal(Signal::TERM);
    assert_eq!(process.end().code, Some(143));
}

/// Answers the one question about a part, and reads on for ever.
const TAKES_ALL: &str = "\
import socket, struct
listener = socket.socket()
listener.bind(('127.0.0.1', 0))
listener.listen(1)
print('port', listener.getsockname()[1])
connection, _ = listener.accept()
length = struct.unpack('<i', connection.recv(4, socket.MSG_WAITALL))[0]
connection.recv(length, socket.MSG_WAITALL)
answer = b'{\"type\":\"part\",\"file_name\":\"f\",\"bytes\":0}'
connection.sendall(struct.pack('<i', len(answer)) + answer)
while connection.recv(1 << 20):
    pass
";
