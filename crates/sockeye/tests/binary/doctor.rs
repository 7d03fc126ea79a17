//! `doctor` on this machine: beside the kernel's own files, in a network of its own, without privilege.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use sockeye_testkit::{Process, private_network, tool};

use crate::harness::sockeye;

/// The lines of one event.
fn events(args: &[&str], event: &str) -> Vec<Value> {
    let exit = Process::run(&mut sockeye(&[&["doctor", "--json"], args].concat()));
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    let text = exit.stdout_text();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["ev"] == event).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn file_of(setting: &str) -> PathBuf {
    PathBuf::from("/proc/sys").join(setting.replace('.', "/"))
}

/// The grade of something that one may do here.
fn grade(permits: &[Value], what: &str) -> String {
    let permit = permits.iter().find(|permit| permit["what"] == what);
    text(&permit.unwrap()["grade"]).to_owned()
}

#[test]
fn every_value_is_the_kernels() {
    let settings = events(&[], "setting");
    let mut seen = 0;
    for setting in &settings {
        let name = text(&setting["setting"]);
        let file = fs::read_to_string(file_of(name)).ok();
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let value = setting.get("value").map(|value| text(value).to_owned());
        assert_eq!(value, file.map(|file| words(&file)), "{name}");
        seen += usize::from(value.is_some());
        for field in ["does", "when", "source"] {
            assert!(!text(&setting[field]).is_empty(), "{field} of {name}");
        }
    }
    assert!(seen > 10, "this kernel has {seen} of {}", settings.len());
}

/// What it says is permitted, it can do itself: `capture` opens the socket that was tried.
#[test]
fn what_is_said_to_be_permitted_is() {
    let permits = events(&[], "permit");
    assert_eq!(permits.len(), 9);
    let capture = grade(&permits, "capture");
    let args = ["capture", "--json", "--interface", "lo"];
    let mut running = Process::start(&mut sockeye(&args));
    if capture == "yes" {
        running.event("capturing");
        running.signal(sockeye_testkit::Signal::INT);
        assert_eq!(running.exit().code, Some(0));
    } else {
        assert_eq!(running.exit().code, Some(2));
    }
}

/// In a network of its own everything about packets is permitted, and the file, applied line by line
/// as sysctl(8) does, leaves nothing to be changed.
#[test]
fn what_it_writes_is_what_it_asks_for() {
    private_network(|| {
        let permits = events(&[], "permit");
        for what in ["capture", "raw", "low-ports"] {
            assert_eq!(grade(&permits, what), "yes", "{what}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sockets.conf");
        let write = |more: &[&str]| {
            let path = path.to_str().unwrap();
            let args = ["doctor", "--for", "serve,dial,far", "--write", path];
            Process::run(&mut sockeye(&[&args, more].concat()))
        };
        let before = fs::read_to_string(file_of("net.ipv4.tcp_keepalive_time")).unwrap();
        let wrote = write(&[]);
        assert_eq!((wrote.code, &*wrote.stdout_text()), (Some(0), ""));
        assert!(
            wrote.stderr_text().contains("sysctl -p"),
            "{}",
            wrote.stderr_text()
        );
        let after = fs::read_to_string(file_of("net.ipv4.tcp_keepalive_time")).unwrap();
        assert_eq!(before, after, "nothing is applied");
        // What is there stays unless it is asked for.
        let content = fs::read_to_string(&path).unwrap();
        let again = write(&[]);
        assert_eq!(again.code, Some(2));
        assert!(
            again.stderr_text().contains("--force"),
            "{}",
            again.stderr_text()
        );
        assert_eq!(write(&["--force"]).code, Some(0));
        assert_eq!(fs::read_to_string(&path).unwrap(), content);

        let settings = content.lines().filter(|line| !line.starts_with('#'));
        let mut applied = vec![];
        for (name, value) in settings.filter_map(|line| line.split_once(" = ")) {
            // The others may belong to all networks of this machine.
            if name.starts_with("net.ipv4.") {
                fs::write(file_of(name), value).unwrap();
                applied.push(name);
            }
        }
        assert!(
            applied.contains(&"net.ipv4.tcp_keepalive_time"),
            "{applied:?}"
        );
        for setting in events(&["--for", "serve,dial,far"], "setting") {
            let name = text(&setting["setting"]);
            let is_asked = setting.get("better").is_some();
            assert!(!(is_asked && name.starts_with("net.ipv4.")), "{setting}");
        }
    });
}

/// One setting that no machine should have, in a network of its own: it is seen, told and counted.
#[test]
fn a_setting_that_is_wrong_is_found() {
    private_network(|| {
        let check = |code| {
            let mut doctor = sockeye(&["doctor", "tcp_sack", "--short", "--check"]);
            let exit = Process::run(&mut doctor);
            assert_eq!(exit.code, Some(code), "{}", exit.stdout_text());
            exit.stdout_text()
        };
        check(0);
        fs::write(file_of("net.ipv4.tcp_sack"), "0").unwrap();
        assert!(check(3).contains("→ 1"));
    });
}

/// Somebody without any capability gets the same report, with other answers.
#[test]
fn nobody_is_told_what_nobody_may() {
    let (Some(setpriv), true) = (tool("setpriv"), rustix::process::geteuid().is_root()) else {
        return;
    };
    let binary = env!("CARGO_BIN_EXE_sockeye");
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("sockeye");
    // Where the build lies nobody may be able to read.
    fs::copy(binary, &copy).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder.path(), open).unwrap();
    let mut nobody = Command::new(setpriv);
    nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    let exit = Process::run(nobody.arg(copy).args(["doctor", "--json"]));
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    let text = exit.stdout_text();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let permits: Vec<Value> = lines.filter(|line| line["ev"] == "permit").collect();
    assert_eq!(grade(&permits, "capture"), "no");
    assert_eq!(grade(&permits, "raw"), "no");
    assert_eq!(grade(&permits, "programs"), "partly");
    let capture = permits.iter().find(|permit| permit["what"] == "capture");
    assert!(capture.unwrap()["why"].to_string().contains("CAP_NET_RAW"));
}
