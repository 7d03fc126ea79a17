//! Over TLS: keys that may, keys that may not, and a key that loses its right.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sockeye_testkit::{Process, python};
use tempfile::TempDir;

use super::strangers;
use crate::ours::sockeye;

/// Runs a command of the wire over TLS with a certificate, and says what comes.
const CLIENT: &str = include_str!("../peers/exec_tls_client.py");

/// Somebody with an identity of his own.
struct Person {
    folder: TempDir,
    key: String,
    certificate: String,
    secret: String,
}

impl Person {
    #[track_caller]
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let exit = Process::run(&mut at(folder.path(), &["key", "--json"]));
        let line = exit.stdout_text();
        let identity: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
        let text = |name: &str| identity[name].as_str().unwrap().to_owned();
        Self {
            key: text("key"),
            certificate: text("certificate_file"),
            secret: text("key_file"),
            folder,
        }
    }

    #[track_caller]
    fn key(&self, args: &[&str]) {
        let exit = Process::run(&mut at(self.folder.path(), &[&["key"], args].concat()));
        assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    }
}

/// The binary of somebody whose settings lie here.
fn at(config: &Path, args: &[&str]) -> Command {
    let mut command = sockeye(args);
    command.env("XDG_CONFIG_HOME", config);
    command
}

/// A server with keys of its own; and its port.
#[track_caller]
fn serve(owner: &Person) -> (Process, String) {
    let flags = ["serve", "--json", "exec", "tls://127.0.0.1:0"];
    let server = Process::start(&mut at(owner.folder.path(), &flags));
    let endpoint = server.event("listening")["endpoint"]
        .as_str()
        .unwrap()
        .to_owned();
    server.event("ready");
    let port = endpoint.rsplit(':').next().unwrap().to_owned();
    (server, port)
}

#[test]
fn strangers_over_tls_run_nothing() {
    let (owner, wrong, files_only) = (Person::new(), Person::new(), Person::new());
    owner.key(&["allow", &files_only.key, "bob", "files"]);
    let (server, port) = serve(&owner);
    let folder = owner.folder.path();
    let count = 600;
    let denied = format!("{{'denied': {count}}}\n");
    for who in [None, Some(&wrong), Some(&files_only)] {
        let mut from = vec!["tls", &*port];
        from.extend(who.iter().flat_map(|who| [&*who.certificate, &*who.secret]));
        let Some(answers) = strangers(&server, folder, count, &from) else {
            return;
        };
        assert_eq!(answers, denied);
    }
    let turned_away = server.wait_events("turned_away", 3 * count);
    let last = turned_away.last().unwrap()["error"].as_str().unwrap();
    assert!(
        last.contains(&files_only.key) && last.contains("no right to exec"),
        "{last}"
    );
}

#[test]
fn a_key_that_loses_its_right_loses_its_command() {
    let (owner, alice) = (Person::new(), Person::new());
    owner.key(&["allow", &alice.key, "alice", "exec"]);
    let (server, port) = serve(&owner);
    let args = [&*port, &*alice.certificate, &*alice.secret, "sleep", "9999"];
    let Some(mut client) = python(CLIENT, &args) else {
        return;
    };
    let pid = client.wait_line(|line| line.strip_prefix("started ").map(str::to_owned));
    let started = server.event("command_started");
    assert_eq!(started["who"], format!("alice ({})", alice.key));
    let process = PathBuf::from(format!("/proc/{pid}"));
    assert!(process.exists());

    owner.key(&["deny", "alice"]);
    let said = client.exit().stdout_text();
    assert!(
        said.contains("error denied") && said.contains("lost its right"),
        "{said}"
    );
    let ended = server.event("command_ended");
    assert_eq!(
        (&ended["signal"], &ended["abandoned"]),
        (&"HUP".into(), &true.into())
    );
    assert!(!process.exists());
    // And does not get in again.
    let again = python(CLIENT, &args).unwrap().exit().stdout_text();
    assert!(
        again.contains("error denied") && again.contains("no right to exec"),
        "{again}"
    );
}

/// One server, one key, and every kind of connection on which exec is served.
#[test]
fn the_same_command_over_every_kind_of_connection() {
    let (owner, alice) = (Person::new(), Person::new());
    owner.key(&["allow", &alice.key, "alice", "exec"]);
    let socket = |name: &str| owner.folder.path().join(name).display().to_string();
    let (stream, packets) = (socket("stream"), socket("packets"));
    let endpoints = [
        "tls://127.0.0.1:0",
        "quic://127.0.0.1:0",
        "wss://127.0.0.1:0/run",
        &format!("unix:{stream}"),
        &format!("unix-seqpacket:{packets}"),
    ];
    let args = [&["serve", "--json", "exec"], &endpoints[..]].concat();
    let server = Process::start(&mut at(owner.folder.path(), &args));
    server.event("ready");
    for listening in server.events("listening") {
        let endpoint = listening["endpoint"].as_str().unwrap();
        let script = "head -c 3000000 /dev/zero; cat >&2; exit 7";
        let args = [
            "--trust-on-first-use",
            "exec",
            endpoint,
            "--",
            "sh",
            "-c",
            script,
        ];
        let mut client = Process::start(&mut at(alice.folder.path(), &args));
        client.write_stdin(b"typed here");
        let exit = client.exit();
        assert_eq!(exit.code, Some(7), "{endpoint}: {}", exit.stderr_text());
        assert_eq!(exit.stdout.len(), 3_000_000, "{endpoint}");
        assert!(exit.stderr_text().contains("typed here"), "{endpoint}");
    }
    server.wait_events("command_ended", endpoints.len());
}
