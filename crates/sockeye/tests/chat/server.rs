//! A running `sockeye serve chat`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sockeye_testkit::{Exit, Process, Signal};
use tempfile::TempDir;

use crate::irc::Irc;

/// The binary in a home of its own, with nothing of the caller's settings.
pub(crate) fn sockeye(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockeye"));
    command
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LC_ALL", "C.UTF-8")
        .env("NO_COLOR", "1")
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home.join("config"))
        .env("XDG_DATA_HOME", home.join("data"))
        .env("XDG_RUNTIME_DIR", home.join("run"));
    command
}

/// A running `sockeye serve chat … --json` in a home of its own, called `irc.test`.
pub(crate) struct Server {
    pub(crate) process: Process,
    home: TempDir,
}

impl Server {
    /// A server on a free TCP port of loopback, with more flags and endpoints.
    #[track_caller]
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_on(&[&["127.0.0.1:0"], args].concat())
    }

    /// A server on these endpoints.
    #[track_caller]
    pub(crate) fn start_on(args: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("run")).unwrap();
        Self::start_at(home, args)
    }

    /// A server in this home, which may have been another's before. `{home}` in an argument stands
    /// for its path.
    #[track_caller]
    pub(crate) fn start_at(home: TempDir, args: &[&str]) -> Self {
        let path = home.path().to_str().unwrap();
        let args = args.iter().map(|arg| arg.replace("{home}", path));
        let mut command = sockeye(home.path(), &["serve", "chat", "--json"]);
        let process = Process::start(command.args(["--server-name", "irc.test"]).args(args));
        process.event("ready");
        Self { process, home }
    }

    /// After it was killed: another one in the same home.
    #[track_caller]
    pub(crate) fn again(mut self, args: &[&str]) -> Self {
        self.process.exit();
        Self::start_at(self.home, args)
    }

    /// A path in its home.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The address of its first endpoint of this scheme: `127.0.0.1:40000`.
    #[track_caller]
    pub(crate) fn address(&self, scheme: &str) -> String {
        let begins = format!("{scheme}://");
        let of_scheme = |event: &Value| {
            event["endpoint"]
                .as_str()
                .is_some_and(|endpoint| endpoint.starts_with(&begins))
        };
        let event = self.process.event_where("listening", of_scheme);
        let endpoint = event["endpoint"].as_str().unwrap();
        let address = endpoint.strip_prefix(&begins).unwrap();
        address.split('/').next().unwrap().to_owned()
    }

    /// Somebody who is let in over TCP, with these capabilities.
    #[track_caller]
    pub(crate) fn member(&self, nick: &str, caps: &str) -> Irc {
        Irc::join_in(&self.address("tcp"), nick, caps)
    }

    /// Somebody who is connected over TCP and has said nothing.
    #[track_caller]
    pub(crate) fn stranger(&self) -> Irc {
        Irc::connect(&self.address("tcp"))
    }

    /// Ends it as a power failure would, and gives back its home.
    #[track_caller]
    pub(crate) fn kill(mut self) -> TempDir {
        self.process.signal(Signal::KILL);
        self.process.exit();
        self.home
    }

    /// Asks it to end, and waits until it has.
    #[track_caller]
    pub(crate) fn stop(mut self) -> (Exit, TempDir) {
        self.process.signal(Signal::INT);
        let exit = self.process.exit();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
        (exit, self.home)
    }
}

#[test]
fn two_talk_and_the_end_is_told() {
    let server = Server::start(&["--history", "off"]);
    let mut tom = server.member("tom", "");
    let mut ann = server.member("一棵树", "message-tags server-time echo-message");
    tom.says("JOIN #r");
    tom.hears(" 366 ");
    ann.says("JOIN #r");
    ann.hears(" 366 ");
    tom.hears("JOIN");
    ann.says("PRIVMSG #r :你好");
    assert!(tom.hears("PRIVMSG #r").ends_with(":你好"));
    assert!(ann.hears("PRIVMSG #r").starts_with('@'));
    let came = server.process.wait_events("member_in", 2);
    assert_eq!([&came[0]["nick"], &came[1]["nick"]], ["tom", "一棵树"]);
    ann.says("NICK 两棵树");
    ann.hears("NICK");
    server.member("late", "").says("QUIT :bye");
    let gone = server.process.event("member_out");
    assert_eq!([&gone["nick"], &gone["reason"]], ["late", "Quit: bye"]);
    ann.says("NICK 一棵树");
    ann.hears("NICK");
    tom.says("PRIVMSG 一棵树 :hi");
    assert!(ann.hears("PRIVMSG").ends_with(":hi"));
    let (exit, _home) = server.stop();
    assert_eq!(
        tom.rest().last().map(String::as_str),
        Some("ERROR :The server is going down")
    );
    ann.hears("ERROR :The server is going down");
    let told = exit.stdout_text();
    let gone = told.lines().filter(|line| line.contains("member_out"));
    assert_eq!(gone.count(), 3, "{told}");
}
