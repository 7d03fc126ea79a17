//! Chat programs of others, started and told what to do as their users would.

use std::fs;
use std::io::Write as _;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use sockeye_testkit::{DEADLINE, Process, Signal, tool};
use tempfile::TempDir;

use crate::tmux::Tmux;

/// A folder that tells when something in it has changed (inotify(7)).
struct Watched {
    path: PathBuf,
    changes: OwnedFd,
}

impl Watched {
    fn new(path: PathBuf) -> Self {
        fs::create_dir_all(&path).unwrap();
        let changes = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap();
        inotify::add_watch(&changes, &path, WatchFlags::CREATE | WatchFlags::MODIFY).unwrap();
        Self { path, changes }
    }

    /// Looks after each change until something is found; a look that finds nothing tells what there
    /// is instead.
    #[track_caller]
    fn wait_for<T>(&self, what: &str, look: impl Fn(&Path) -> Result<T, String>) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            match look(&self.path) {
                Ok(found) => return found,
                Err(seen) => self.wait(deadline.saturating_duration_since(Instant::now()), || {
                    format!("no {what}; there is:\n{seen}")
                }),
            }
        }
    }

    #[track_caller]
    fn wait(&self, left: Duration, why: impl FnOnce() -> String) {
        let timeout = Timespec::try_from(left).unwrap();
        let mut changes = [PollFd::new(&self.changes, PollFlags::IN)];
        let changed = poll(&mut changes, Some(&timeout)).unwrap();
        assert!(changed > 0, "{}", why());
        let mut room = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.changes, &mut room);
        // All that has changed is looked at together.
        while events.next().is_ok() {}
    }
}

/// weechat without a screen: what it shows stands in its logs.
pub(crate) struct Weechat {
    /// What it leaves behind goes with it.
    _home: TempDir,
    logs: Watched,
    fifo: PathBuf,
    process: Process,
}

impl Weechat {
    /// Connects to a server under a nick, with more options of its `/server add`.
    #[track_caller]
    pub(crate) fn start(server: &str, nick: &str, options: &str) -> Option<Self> {
        let program = tool("weechat-headless")?;
        let home = tempfile::tempdir().unwrap();
        let root = Watched::new(home.path().to_owned());
        let logs = Watched::new(home.path().join("logs"));
        let server = server.replace(':', "/");
        let add = format!("/server add t {server} -nicks={nick} -username={nick} {options}");
        let process = Process::start(
            Command::new(program)
                .arg("-d")
                .arg(home.path())
                .args(["-r", "/set logger.file.flush_delay 0"])
                .args(["-r", &add, "-r", "/connect t"])
                .env("LC_ALL", "C.UTF-8")
                .stdin(Stdio::null()),
        );
        let name = format!("weechat_fifo_{}", process.id());
        let fifo = root.wait_for(&name, |root| {
            let fifo = root.join(&name);
            if fifo.exists() {
                Ok(fifo)
            } else {
                Err(String::from_utf8_lossy(&process.stderr()).into_owned())
            }
        });
        Some(Self {
            _home: home,
            logs,
            fifo,
            process,
        })
    }

    /// Types something into the buffer of a room or a person.
    #[track_caller]
    pub(crate) fn types(&self, buffer: &str, text: &str) {
        let mut fifo = fs::OpenOptions::new().write(true).open(&self.fifo).unwrap();
        let line = format!("irc.t.{buffer} *{text}\n");
        fifo.write_all(line.as_bytes()).unwrap();
    }

    /// Waits for a line in such a buffer that has all of this in it.
    #[track_caller]
    pub(crate) fn shows(&self, buffer: &str, parts: &[&str]) {
        let name = format!("irc.t.{buffer}.weechatlog");
        self.logs
            .wait_for(&format!("{parts:?} in {name}"), |folder| {
                let text = fs::read_to_string(folder.join(&name)).unwrap_or_default();
                let has_all = |line: &str| parts.iter().all(|part| line.contains(part));
                if text.lines().any(has_all) {
                    Ok(())
                } else {
                    Err(text)
                }
            });
    }

    /// Lets it end, which it does on no other signal.
    #[track_caller]
    pub(crate) fn end(mut self) {
        self.process.signal(Signal::TERM);
        self.process.exit();
    }
}

/// irssi at a terminal, with a home that lasts as long as it does.
#[track_caller]
pub(crate) fn irssi(server: &str, nick: &str) -> Option<(Tmux, TempDir)> {
    let home = tempfile::tempdir().unwrap();
    let (host, port) = server.rsplit_once(':').unwrap();
    let mut command = Command::new(tool("irssi")?);
    command
        .arg(format!("--home={}", home.path().display()))
        .args([format!("--connect={host}"), format!("--port={port}")])
        .arg(format!("--nick={nick}"))
        .env("LC_ALL", "C.UTF-8");
    Some((Tmux::start(&command, 100, 30)?, home))
}

/// Waits until a line with all of this stands on a terminal.
#[track_caller]
pub(crate) fn shows(terminal: &Tmux, parts: &[&str]) {
    terminal.wait(&format!("{parts:?}"), |shown| {
        shown
            .lines()
            .any(|line| parts.iter().all(|part| line.contains(part)))
    });
}
