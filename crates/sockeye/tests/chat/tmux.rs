//! A terminal that a person sits at: tmux's, which draws what a program sends and can be looked at.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use sockeye_testkit::{DEADLINE, tool};
use tempfile::TempDir;

/// A tmux of its own with one program in it. It ends with the value.
pub(crate) struct Tmux {
    program: PathBuf,
    folder: TempDir,
    /// Says that the program has written something.
    news: Receiver<()>,
}

impl Tmux {
    /// Runs `command` at a terminal of this size; what stands behind it in the shell is run after it
    /// ended. None: there is no tmux.
    #[track_caller]
    pub(crate) fn start(command: &Command, columns: u16, rows: u16) -> Option<Self> {
        let program = tool("tmux")?;
        let folder = tempfile::tempdir().unwrap();
        let news = Self::listen(&folder.path().join("news"));
        let tmux = Self {
            program,
            folder,
            news,
        };
        // The shell waits after the end, so that what is left on the terminal can be looked at.
        let line = format!(
            "{}; echo status=$?; stty -a | tr ' ' '\\n' | grep -x -e icanon -e echo; cat",
            shell_line(command)
        );
        let (width, height) = (columns.to_string(), rows.to_string());
        let new = ["new-session", "-d", "-x", &width, "-y", &height, &line];
        let set = [
            ";",
            "set-option",
            "-g",
            "status",
            "off",
            ";",
            "pipe-pane",
            "-O",
            "cat > news",
        ];
        tmux.run(&[&new[..], &set[..]].concat());
        Some(tmux)
    }

    /// Reads the pipe into which tmux writes whatever the program writes.
    fn listen(pipe: &Path) -> Receiver<()> {
        assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
        // For both ways, so that neither opening nor reading depends on the other end.
        let pipe: File = OpenOptions::new()
            .read(true)
            .write(true)
            .open(pipe)
            .unwrap();
        let (to, news) = channel();
        std::thread::spawn(move || {
            let (mut pipe, mut some) = (pipe, [0; 4096]);
            while let Ok(1..) = pipe.read(&mut some) {
                if to.send(()).is_err() {
                    return;
                }
            }
        });
        news
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> String {
        let mut command = Command::new(&self.program);
        command.current_dir(self.folder.path());
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
            .env("LC_ALL", "C.UTF-8")
            .env("SHELL", "/bin/sh")
            .env("HOME", self.folder.path());
        command.args(["-S", "socket", "-f", "/dev/null", "-u"]);
        let out = command.args(args).output().unwrap();
        let complaint = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "tmux {args:?}: {complaint}");
        String::from_utf8(out.stdout).unwrap()
    }

    /// What the terminal shows.
    #[track_caller]
    pub(crate) fn shown(&self) -> String {
        self.run(&["capture-pane", "-p"])
    }

    /// The same with the codes of its colours.
    #[track_caller]
    pub(crate) fn coloured(&self) -> String {
        self.run(&["capture-pane", "-p", "-e"])
    }

    /// Waits until what is shown is as it should be, and returns it.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, is_right: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let shown = self.shown();
            if is_right(&shown) {
                return shown;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.news.recv_timeout(left) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => panic!("{what} is not shown:\n{}", self.shown()),
                Err(RecvTimeoutError::Disconnected) => panic!("tmux tells nothing:\n{shown}"),
            }
        }
    }

    /// Waits until this is shown somewhere.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        self.wait(text, |shown| shown.contains(text))
    }

    /// Waits until the last line that is not empty is this: the input.
    #[track_caller]
    pub(crate) fn wait_input(&self, text: &str) -> String {
        self.wait(text, |shown| last_line(shown) == text)
    }

    /// Types text as it is.
    #[track_caller]
    pub(crate) fn types(&self, text: &str) {
        self.run(&["send-keys", "-l", "--", text]);
    }

    /// Presses keys by the names that tmux has for them: `Enter`, `PPage`, `M-a`, `C-c`.
    #[track_caller]
    pub(crate) fn press(&self, keys: &[&str]) {
        self.run(&[&["send-keys"], keys].concat());
    }

    /// Types a line.
    #[track_caller]
    pub(crate) fn enters(&self, text: &str) {
        self.types(text);
        self.press(&["Enter"]);
    }

    /// Pastes text as a terminal does that tells pastes from typing.
    #[track_caller]
    pub(crate) fn pastes(&self, text: &str) {
        self.run(&["set-buffer", "--", text, ";", "paste-buffer", "-p"]);
    }

    /// The number of the program's process.
    #[track_caller]
    pub(crate) fn process(&self) -> i32 {
        let shell = self.run(&["display-message", "-p", "#{pane_pid}"]);
        let shell = shell.trim();
        // proc(5): the children of a task, with blanks between.
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"));
        let children = children.unwrap();
        children.split_whitespace().next().unwrap().parse().unwrap()
    }

    #[track_caller]
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.run(&[
            "resize-window",
            "-x",
            &columns.to_string(),
            "-y",
            &rows.to_string(),
        ]);
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        // Ends this tmux and what runs in it, and no other.
        let mut command = Command::new(&self.program);
        command
            .current_dir(self.folder.path())
            .args(["-S", "socket", "kill-server"]);
        let _ = command.output();
    }
}

/// The last line in which something stands.
pub(crate) fn last_line(shown: &str) -> &str {
    shown
        .trim_end()
        .lines()
        .last()
        .unwrap_or_default()
        .trim_end()
}

/// The command with its environment, as a shell reads it.
fn shell_line(command: &Command) -> String {
    let quoted =
        |text: &std::ffi::OsStr| format!("'{}'", text.to_str().unwrap().replace('\'', r"'\''"));
    let settings = command.get_envs().filter_map(|(name, value)| {
        let name = name.to_str().unwrap();
        value.map(|value| format!("{name}={}", quoted(value)))
    });
    let words = [command.get_program()]
        .into_iter()
        .chain(command.get_args());
    let words: Vec<String> = settings.chain(words.map(quoted)).collect();
    format!("env -i TERM=\"$TERM\" {}", words.join(" "))
}
