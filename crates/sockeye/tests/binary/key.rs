//! `key`: who we are, whom we know, who may come in.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use serde_json::Value;
use sockeye_testkit::{Exit, Process};

use crate::harness::sockeye;

const ALICE: &str = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
const BOB: &str = "SHA256:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ";

fn key(home: &Path, args: &[&str]) -> Exit {
    let args = [&["key"], args].concat();
    Process::run(sockeye(&args).env("XDG_CONFIG_HOME", home))
}

/// What it says when all goes well.
#[track_caller]
fn told(home: &Path, args: &[&str]) -> String {
    let exit = key(home, args);
    assert_eq!(exit.code, Some(0), "{args:?}: {}", exit.stderr_text());
    exit.stdout_text()
}

#[track_caller]
fn json(home: &Path, args: &[&str]) -> Vec<Value> {
    let text = told(home, &[args, &["--json"]].concat());
    crate::schema::names_in(&text);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The one line of a refusal.
#[track_caller]
fn refused(home: &Path, args: &[&str]) -> String {
    let exit = key(home, args);
    assert_eq!(exit.code, Some(2), "{args:?}: {}", exit.stdout_text());
    let text = exit.stderr_text();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn the_identity_is_made_once_and_shown_in_three_forms() {
    let home = tempfile::tempdir().unwrap();
    let first = key(home.path(), &[]);
    assert_eq!(first.code, Some(0));
    assert!(first.stderr_text().contains("made a new key"));
    let again = key(home.path(), &[]);
    assert_eq!(again.stdout_text(), first.stdout_text());
    assert_eq!(again.stderr_text(), "");

    let shown = &json(home.path(), &[])[0];
    let field = |name: &str| shown[name].as_str().unwrap().to_owned();
    let text = first.stdout_text();
    for name in [
        "key",
        "certificate_sha256",
        "curl",
        "key_file",
        "certificate_file",
    ] {
        assert!(text.contains(&field(name)), "{name} in {text}");
    }
    assert_eq!(
        field("curl"),
        field("key").replace("SHA256:", "sha256//") + "="
    );
    let folder = home.path().join("sockeye");
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(
        (mode(&folder), mode(&folder.join("key.pem"))),
        (0o700, 0o600)
    );

    let chinese = told(home.path(), &["--lang", "zh"]);
    assert!(chinese.contains("公钥") && chinese.contains(&field("key")));
}

#[test]
fn twenty_that_make_it_at_once_make_one() {
    let home = tempfile::tempdir().unwrap();
    let start = |_| Process::start(sockeye(&["key", "--json"]).env("XDG_CONFIG_HOME", home.path()));
    let running: Vec<_> = (0..20).map(start).collect();
    let mut certificates: Vec<_> = running
        .into_iter()
        .map(|mut process| {
            let exit = process.exit();
            assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
            let shown: Value = serde_json::from_str(&exit.stdout_text()).unwrap();
            shown["certificate_sha256"].as_str().unwrap().to_owned()
        })
        .collect();
    certificates.dedup();
    assert_eq!(certificates.len(), 1, "{certificates:?}");
}

#[test]
fn keys_are_allowed_listed_and_denied() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    assert_eq!(told(home, &["allowed"]), "");
    assert!(!home.join("sockeye").exists(), "a look makes nothing");
    told(home, &["allow", ALICE, "alice", "files,exec"]);
    assert!(told(home, &["allow", ALICE, "alice", "exec,files"]).contains("already"));
    told(home, &["allow", BOB, "王", "chat-admin"]);
    let expected = format!("alice  exec,files  {ALICE}\n王     chat-admin  {BOB}\n");
    assert_eq!(told(home, &["allowed"]), expected);
    let listed = json(home, &["allowed"]);
    assert_eq!(listed[0]["may"], serde_json::json!(["exec", "files"]));
    assert_eq!(listed[1]["line"], 2);

    assert_eq!(json(home, &["allow", BOB, "bob", "chat"])[0]["name"], "bob");
    assert_eq!(json(home, &["deny", "alice"])[0]["key"], ALICE);
    assert_eq!(told(home, &["allowed"]), format!("bob  chat  {BOB}\n"));
    told(home, &["deny", BOB]);
    let failed = key(home, &["deny", BOB, "--json"]).stdout_text();
    assert_eq!(crate::schema::names_in(&failed), ["error"], "{failed}");
    assert!(refused(home, &["deny", BOB]).contains("nobody is allowed in"));
    assert_eq!(
        fs::read_to_string(home.join("sockeye/authorized")).unwrap(),
        ""
    );
}

#[test]
fn peers_are_pinned_listed_and_forgotten() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    told(home, &["pin", "wss://Example.com:7022/chat", ALICE]);
    told(home, &["pin", "Example.com:7022", ALICE]);
    json(home, &["pin", "[::1]:22", BOB]);
    let expected = format!("Example.com:7022  {ALICE}\n[::1]:22          {BOB}\n");
    assert_eq!(told(home, &["known"]), expected);
    assert_eq!(json(home, &["known"])[1]["place"], "[::1]:22");
    let changed = refused(home, &["pin", "example.com:7022", BOB]);
    let file = home.join("sockeye/known_peers");
    assert!(
        changed.contains(&format!("is pinned to {ALICE} ({}:1)", file.display())),
        "{changed}"
    );

    assert_eq!(
        json(home, &["forget", "example.COM:7022"])[0]["ev"],
        "forgotten"
    );
    assert!(refused(home, &["forget", "example.com:7022"]).contains("no key of"));
    assert_eq!(told(home, &["known"]), format!("[::1]:22  {BOB}\n"));
}

#[test]
fn what_makes_no_sense_is_one_line() {
    let home = tempfile::tempdir().unwrap();
    let check = |args: &[&str], part: &str| {
        let error = refused(home.path(), args);
        assert!(error.contains(part), "{error}");
    };
    check(
        &["allow", ALICE, "guest-7", "chat"],
        "are for guests of the chat",
    );
    check(&["allow", ALICE, "a b", "chat"], "is no name");
    check(
        &["allow", ALICE, "alice", "root"],
        "there are exec, files, chat, chat-admin",
    );
    check(
        &["allow", "MD5:7", "alice", "exec"],
        "write SHA256: and 43 characters",
    );
    check(&["allow", ALICE], "sockeye key allow --help");
    check(&["pin", "host", ALICE], "has no port");
    check(&["lock"], "unrecognized subcommand 'lock'");
    assert!(!home.path().join("sockeye").exists());
}

/// What is broken is told with its line, and what is not broken is listed all the same.
#[test]
fn broken_lines_are_told_and_the_rest_counts() {
    let home = tempfile::tempdir().unwrap();
    told(home.path(), &[]);
    let file = home.path().join("sockeye/authorized");
    fs::write(&file, format!("# mine\n{ALICE} alice\n{BOB} bob exec\n")).unwrap();
    let exit = key(home.path(), &["allowed"]);
    assert_eq!(exit.code, Some(2));
    assert_eq!(exit.stdout_text(), format!("bob  exec  {BOB}\n"));
    let error = exit.stderr_text();
    assert!(
        error.contains("authorized:2: expected SHA256:… NAME RIGHT,RIGHT"),
        "{error}"
    );
}

#[test]
fn what_others_could_read_or_write_is_refused_with_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    told(home.path(), &["allow", ALICE, "alice", "exec"]);
    told(home.path(), &[]);
    let set = |name: &str, mode| {
        let path = home.path().join("sockeye").join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    };
    let path = set("authorized", 0o664);
    assert!(refused(home.path(), &["allowed"]).contains(&format!("try chmod 644 {path}")));
    set("authorized", 0o644);
    let path = set("key.pem", 0o640);
    assert!(refused(home.path(), &[]).contains(&format!("try chmod 600 {path}")));
}

#[test]
fn without_a_home_it_says_so() {
    let exit = Process::run(
        sockeye(&["key"])
            .env("XDG_CONFIG_HOME", "relative")
            .env("HOME", "relative"),
    );
    assert_eq!(exit.code, Some(2));
    assert!(exit.stderr_text().contains("set HOME or XDG_CONFIG_HOME"));
}
