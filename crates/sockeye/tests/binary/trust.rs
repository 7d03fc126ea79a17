//! Whom a dialler trusts, and what it says when it does not.

use std::fs;
use std::path::Path;

use sockeye_testkit::{Exit, Process, python};
use tempfile::TempDir;

use crate::harness::{endpoint, sockeye};
use crate::terminal::Terminal;

/// What carries a handshake makes no difference.
const SCHEMES: [&str; 3] = ["tls", "quic", "wss"];
/// A key that nobody here has.
const OTHER: &str = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";

/// A server that proves its own key, and a user who has never met it.
struct Pair {
    scheme: &'static str,
    dialling: TempDir,
    serving: TempDir,
    server: Process,
    /// `HOST:PORT` of the server.
    place: String,
    /// Its key.
    key: String,
}

impl Pair {
    fn new() -> Self {
        Self::over("tls", "echo")
    }

    fn over(scheme: &'static str, service: &str) -> Self {
        let (serving, dialling) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let anywhere = format!("{scheme}://127.0.0.1:0");
        let args = ["serve", "--json", service, &anywhere];
        let server = Process::start(sockeye(&args).env("XDG_CONFIG_HOME", serving.path()));
        let endpoint = endpoint(&server, scheme);
        let (_, place) = endpoint.split_once("://").unwrap();
        let place = place.trim_end_matches('/').to_owned();
        let key = key_of(serving.path());
        Self {
            scheme,
            dialling,
            serving,
            server,
            place,
            key,
        }
    }

    fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.place)
    }

    /// Runs a command as the user who dials.
    fn run(&self, args: &[&str]) -> Exit {
        Process::run(sockeye(args).env("XDG_CONFIG_HOME", self.dialling.path()))
    }

    /// Says hello with these flags, in a script.
    fn hello(&self, flags: &[&str]) -> Exit {
        let url = self.url();
        self.run(&[&["dial", &url, "hello"], flags].concat())
    }

    /// Runs a command as the user who serves.
    #[track_caller]
    fn there(&self, args: &[&str]) {
        let exit = Process::run(sockeye(args).env("XDG_CONFIG_HOME", self.serving.path()));
        assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    }

    fn known_peers(&self) -> String {
        fs::read_to_string(self.dialling.path().join("sockeye/known_peers")).unwrap_or_default()
    }
}

fn key_of(home: &Path) -> String {
    let shown = Process::run(sockeye(&["key", "--json"]).env("XDG_CONFIG_HOME", home));
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout_text()).unwrap();
    shown["key"].as_str().unwrap().to_owned()
}

#[track_caller]
fn answered(exit: &Exit) {
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    assert_eq!(exit.stdout_text(), "hello\n");
}

/// The one line of a refusal.
#[track_caller]
fn untrusted(exit: &Exit) -> String {
    let text = exit.stderr_text();
    assert_eq!(
        (exit.code, exit.stdout_text()),
        (Some(5), String::new()),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn a_script_is_refused_and_told_what_to_type() {
    let pair = Pair::new();
    let refusal = untrusted(&pair.hello(&[]));
    let (place, key) = (&pair.place, &pair.key);
    let told = format!("sockeye key pin {place} {key}");
    assert!(refusal.contains(&told), "{refusal}");
    assert_eq!(pair.known_peers(), "", "nothing is pinned by itself");
    let chinese = untrusted(&pair.hello(&["--lang", "zh"]));
    assert!(
        chinese.contains(&told) && chinese.contains("若确认无误"),
        "{chinese}"
    );

    // What was told to type is the way in.
    let words: Vec<_> = told.split(' ').skip(1).collect();
    assert_eq!(pair.run(&words).code, Some(0));
    answered(&pair.hello(&[]));
}

#[test]
fn first_use_pins_once_and_says_so() {
    for scheme in SCHEMES {
        let pair = Pair::over(scheme, "echo");
        let first = pair.hello(&["--trust-on-first-use"]);
        answered(&first);
        let line = format!("pinned the key of {}: {}\n", pair.place, pair.key);
        assert_eq!(first.stderr_text(), line);
        assert_eq!(pair.known_peers(), format!("{} {}\n", pair.place, pair.key));
        for flags in [&["--trust-on-first-use"][..], &[]] {
            let again = pair.hello(flags);
            answered(&again);
            assert_eq!(again.stderr_text(), "");
        }
    }
}

#[test]
fn a_changed_key_is_refused_with_both_and_the_line_of_the_pin() {
    for scheme in SCHEMES {
        let pair = Pair::over(scheme, "echo");
        let file = pair.dialling.path().join("sockeye/known_peers");
        assert_eq!(
            pair.run(&["key", "pin", "elsewhere:1", OTHER]).code,
            Some(0)
        );
        assert_eq!(pair.run(&["key", "pin", &pair.place, OTHER]).code, Some(0));
        let before = pair.known_peers();
        for flags in [&["--trust-on-first-use"][..], &[]] {
            let refusal = untrusted(&pair.hello(flags));
            let (place, key) = (&pair.place, &pair.key);
            let expected = format!(
                "the key of {place} has changed: it is {key}, pinned is {OTHER} ({}:2)",
                file.display()
            );
            assert!(refusal.contains(&expected), "{refusal}");
            assert!(
                refusal.contains(&format!("sockeye key forget {place}")),
                "{refusal}"
            );
            assert_eq!(pair.known_peers(), before, "a pin is never replaced");
        }
        assert_eq!(pair.run(&["key", "forget", &pair.place]).code, Some(0));
        answered(&pair.hello(&["--trust-on-first-use"]));
    }
}

#[test]
fn a_key_in_the_endpoint_decides_alone() {
    for scheme in SCHEMES {
        let pair = Pair::over(scheme, "echo");
        let dial = |key: &str| {
            // A question mark is HTTP's.
            let options = if scheme == "wss" { '#' } else { '?' };
            let url = format!("{}{options}pin={key}", pair.url());
            pair.run(&["dial", &url, "hello"])
        };
        answered(&dial(&pair.key));
        assert!(untrusted(&dial(OTHER)).contains(&pair.key));
        assert_eq!(pair.known_peers(), "");
    }
}

#[test]
fn a_check_of_a_port_is_untrusted_too() {
    let pair = Pair::new();
    let exit = pair.run(&["dial", "--check", &pair.url()]);
    assert_eq!(exit.code, Some(5), "{}", exit.stderr_text());
    assert!(
        exit.stdout_text().contains("is not known"),
        "{}",
        exit.stdout_text()
    );
}

#[test]
fn a_line_of_known_peers_that_cannot_be_read_lets_nobody_in() {
    let pair = Pair::new();
    let folder = pair.dialling.path().join("sockeye");
    key_of(pair.dialling.path());
    fs::write(
        folder.join("known_peers"),
        format!("{} SHA256:half\n", pair.place),
    )
    .unwrap();
    let exit = pair.hello(&["--trust-on-first-use"]);
    assert_eq!(exit.code, Some(2), "{}", exit.stderr_text());
    assert!(
        exit.stderr_text()
            .contains("known_peers:1: 'SHA256:half' has 4 characters")
    );
}

#[test]
fn a_person_is_asked_and_remembered() {
    let pair = Pair::new();
    let url = pair.url();
    let dial = |flags: &[&str]| {
        let args = [&["dial", &url, "hello"], flags].concat();
        Terminal::start(sockeye(&args).env("XDG_CONFIG_HOME", pair.dialling.path()))
    };
    // Neither yes nor no is no answer, and a no pins nothing.
    let mut terminal = dial(&[]);
    terminal.wait_for(&format!("The key of {} is {}", pair.place, pair.key));
    terminal.wait_for("Trust it? [yes/no]");
    terminal.type_in("y\r");
    terminal.wait_for("Please type yes or no:");
    terminal.type_in("no\r");
    terminal.wait_for("is not known");
    assert_eq!(terminal.end(), Some(5));
    assert_eq!(pair.known_peers(), "");

    let mut terminal = dial(&["--lang", "zh"]);
    terminal.wait_for("信任它吗？");
    // Ctrl-D: nothing more will be typed.
    terminal.type_in("\x04");
    assert_eq!(terminal.end(), Some(5));

    let mut terminal = dial(&[]);
    terminal.wait_for("[yes/no]");
    terminal.type_in("yes\r");
    terminal.wait_for("pinned the key of");
    terminal.wait_for("hello");
    assert_eq!(terminal.end(), Some(0));
    assert_eq!(pair.known_peers(), format!("{} {}\n", pair.place, pair.key));
    answered(&pair.hello(&[]));
}

/// A relay has nobody to ask; what it pins it tells.
#[test]
fn the_far_side_of_a_relay_is_pinned_and_told() {
    let pair = Pair::new();
    let url = pair.url();
    let start = |flags: &[&str]| {
        let args = ["serve", "relay", "127.0.0.1:0", "--to", &url, "--json"];
        let args = [&args, flags].concat();
        Process::start(sockeye(&args).env("XDG_CONFIG_HOME", pair.dialling.path()))
    };
    let say =
        |relay: &Process| Process::run(&mut sockeye(&["dial", &endpoint(relay, "tcp:"), "hello"]));
    let strict = start(&[]);
    assert_ne!(say(&strict).code, Some(0));
    assert_eq!(pair.known_peers(), "");

    let relay = start(&["--trust-on-first-use"]);
    answered(&say(&relay));
    let pinned = relay.event("pinned");
    assert_eq!(pinned["place"], *pair.place);
    assert_eq!(pinned["key"], *pair.key);
    answered(&say(&strict));
}

/// The key of whoever dials is let in, used, and taken away while a command runs.
#[test]
fn a_key_that_is_denied_ends_what_it_runs_and_comes_in_no_more() {
    for scheme in SCHEMES {
        let pair = Pair::over(scheme, "exec");
        let (url, ours) = (pair.url(), key_of(pair.dialling.path()));
        let exec = |words: &[&str]| {
            let args = [&["exec", "--trust-on-first-use", &url, "--"], words].concat();
            let mut command = sockeye(&args);
            command.env("XDG_CONFIG_HOME", pair.dialling.path());
            command
        };
        let refused = |because: &str| {
            let exit = Process::run(&mut exec(&["echo", "in"]));
            let text = exit.stderr_text();
            assert_eq!((exit.code, exit.stdout_text()), (Some(255), String::new()));
            assert!(text.contains(because), "{text}");
        };
        refused(&format!("the key {ours} has no right to exec here"));
        pair.there(&["key", "allow", &ours, "me", "files,chat-admin"]);
        refused("has no right to exec here");
        pair.there(&["key", "allow", &ours, "me", "exec"]);
        let exit = Process::run(&mut exec(&["echo", "in"]));
        assert_eq!(exit.stdout_text(), "in\n", "{}", exit.stderr_text());

        let mut running = Process::start(&mut exec(&["sh", "-c", "echo up; exec sleep 600"]));
        running.wait_stdout("up\n");
        pair.there(&["key", "deny", "me"]);
        let exit = running.exit();
        assert_eq!(exit.code, Some(255));
        assert!(
            exit.stderr_text().contains("has lost its right to exec"),
            "{}",
            exit.stderr_text()
        );
        refused("has no right to exec here");
        let runs = pair.server.events("command_started").len();
        assert_eq!(runs, 2, "the refused ran nothing");
    }
}

/// A resumed session shows no certificate again; its key is asked about all the same.
#[test]
fn a_resumed_session_is_asked_for_its_right_again() {
    let pair = Pair::over("tls", "exec");
    let ours = key_of(pair.dialling.path());
    let file = |home: &TempDir, name: &str| {
        let path = home.path().join("sockeye").join(name);
        path.display().to_string()
    };
    let (_, port) = pair.place.rsplit_once(':').unwrap();
    for version in ["TLSv1_2", "TLSv1_3"] {
        pair.there(&["key", "allow", &ours, "me", "exec"]);
        let script = include_str!("../interop/peers/exec_resumed.py");
        let args = [
            port,
            &file(&pair.serving, "cert.pem"),
            &file(&pair.dialling, "cert.pem"),
            &file(&pair.dialling, "key.pem"),
            version,
        ];
        let Some(mut peer) = python(script, &args) else {
            return;
        };
        peer.wait_stdout("new first\n");
        pair.there(&["key", "deny", &ours]);
        peer.write_stdin(b"\n");
        let exit = peer.exit();
        assert_eq!(
            exit.stdout_text(),
            "new first\nresumed denied\n",
            "{version}: {}",
            exit.stderr_text()
        );
    }
}

/// The answer is the answer, and what is typed after it is the command's.
#[test]
fn a_person_is_asked_before_anything_typed_is_the_commands() {
    let pair = Pair::over("tls", "exec");
    let ours = key_of(pair.dialling.path());
    pair.there(&["key", "allow", &ours, "me", "exec"]);
    let args = ["exec", &pair.url(), "--", "cat"];
    let mut terminal = Terminal::start(sockeye(&args).env("XDG_CONFIG_HOME", pair.dialling.path()));
    terminal.wait_for("[yes/no]");
    terminal.type_in("yes\r");
    terminal.wait_for("pinned the key of");
    terminal.type_in("mine\r");
    // The terminal's echo, and the command's.
    terminal.wait_for("mine\r\n");
    terminal.wait_for("mine\r\n");
    terminal.type_in("\x04");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn a_conversation_by_hand_begins_with_the_question() {
    let pair = Pair::new();
    let args = ["dial", &pair.url()];
    let mut command = sockeye(&args);
    // What was typed is remembered at home.
    command.env("HOME", pair.dialling.path());
    let mut terminal = Terminal::start(command.env("XDG_CONFIG_HOME", pair.dialling.path()));
    terminal.wait_for("[yes/no]");
    terminal.type_in("yes\r");
    terminal.wait_for("Ctrl-D ends");
    terminal.wait_for("› ");
    terminal.type_in("hello\r");
    terminal.wait_for("\x1b[0m hello");
    terminal.wait_for("› ");
    terminal.type_in("\x04");
    assert_eq!(terminal.end(), Some(0));
}

/// Who serves hears at the start what is wrong with the list, and not only that nobody gets in.
#[test]
fn a_server_tells_what_is_wrong_with_its_list() {
    let home = tempfile::tempdir().unwrap();
    key_of(home.path());
    fs::write(home.path().join("sockeye/authorized"), "all exec\n").unwrap();
    let args = ["serve", "exec", "tls://127.0.0.1:0"];
    let server = Process::start(sockeye(&args).env("XDG_CONFIG_HOME", home.path()));
    server.wait_stderr("authorized:1: expected SHA256:… NAME RIGHT,RIGHT");
    server.wait_stderr("listening on tls://127.0.0.1:");
}
