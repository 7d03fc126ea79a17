//! A child process under a test: what it prints can be waited for, and it never outlives the test.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fmt, thread};

use rustix::process::{Pid, kill_process};
use serde_json::Value;

use crate::captured::Captured;

pub use rustix::process::Signal;

/// How long any single wait of this crate lasts before the test fails; generous, because tests
/// share their machine with other builds.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// A running child with both outputs captured; killed, by its id, when dropped.
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Captured,
    stderr: Captured,
    command: String,
}

/// How a child ended and everything that it wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The exit status, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// All of its standard error.
    pub stderr: Vec<u8>,
}

impl Exit {
    /// Standard output as text; bytes that are no UTF-8 become U+FFFD.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text; bytes that are no UTF-8 become U+FFFD.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl Process {
    /// Starts `command` with all three standard streams as pipes.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let line = words
            .map(OsStr::to_string_lossy)
            .collect::<Vec<_>>()
            .join(" ");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("`{line}` does not start: {error}"));
        let stdout = Captured::start(child.stdout.take().expect("stdout is a pipe"));
        let stderr = Captured::start(child.stderr.take().expect("stderr is a pipe"));
        Self {
            stdin: child.stdin.take(),
            child,
            stdout,
            stderr,
            command: line,
        }
    }

    /// Starts `command` and waits for its end: for programs that read no input.
    #[track_caller]
    pub fn run(command: &mut Command) -> Exit {
        Self::start(command).exit()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes to the child's standard input.
    #[track_caller]
    pub fn write_stdin(&mut self, bytes: &[u8]) {
        let stdin = self
            .stdin
            .as_mut()
            .expect("its standard input has been closed");
        if let Err(error) = stdin.write_all(bytes).and_then(|()| stdin.flush()) {
            self.fail(&format!("does not take its input: {error}"));
        }
    }

    /// Ends the child's standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// What it has written to standard output so far.
    pub fn stdout(&self) -> Vec<u8> {
        self.stdout.bytes()
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> Vec<u8> {
        self.stderr.bytes()
    }

    /// Waits until standard output contains `text`.
    #[track_caller]
    pub fn wait_stdout(&self, text: &str) {
        if self
            .stdout
            .wait(deadline(), |bytes| contains(bytes, text))
            .is_none()
        {
            self.fail(&format!("never printed {text:?}"));
        }
    }

    /// Waits until standard error contains `text`.
    #[track_caller]
    pub fn wait_stderr(&self, text: &str) {
        if self
            .stderr
            .wait(deadline(), |bytes| contains(bytes, text))
            .is_none()
        {
            self.fail(&format!("never said {text:?}"));
        }
    }

    /// Waits for the first whole line of standard output for which `look` returns something.
    #[track_caller]
    pub fn wait_line<T>(&self, mut look: impl FnMut(&str) -> Option<T>) -> T {
        let found = self
            .stdout
            .wait(deadline(), |bytes| whole_lines(bytes).find_map(&mut look));
        found.unwrap_or_else(|| self.fail("never printed the line that was waited for"))
    }

    /// Waits for a line `port N` of standard output, which the Python peers print once they listen.
    #[track_caller]
    pub fn port(&self) -> u16 {
        self.wait_line(|line| line.strip_prefix("port ")?.trim().parse().ok())
    }

    /// Waits for the first JSON event named `ev` on standard output.
    #[track_caller]
    pub fn event(&self, ev: &str) -> Value {
        self.event_where(ev, |_| true)
    }

    /// Waits for the first JSON event named `ev` on standard output that `fits`.
    #[track_caller]
    pub fn event_where(&self, ev: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let found = self.stdout.wait(deadline(), |bytes| {
            events_in(bytes, ev).into_iter().find(|event| fits(event))
        });
        found.unwrap_or_else(|| self.fail(&format!("never printed the event {ev:?} in question")))
    }

    /// All JSON events named `ev` on standard output so far.
    pub fn events(&self, ev: &str) -> Vec<Value> {
        events_in(&self.stdout.bytes(), ev)
    }

    /// Waits until there are `count` JSON events named `ev` on standard output.
    #[track_caller]
    pub fn wait_events(&self, ev: &str, count: usize) -> Vec<Value> {
        let found = self.stdout.wait(deadline(), |bytes| {
            Some(events_in(bytes, ev)).filter(|events| events.len() >= count)
        });
        found.unwrap_or_else(|| self.fail(&format!("never printed {count} events {ev:?}")))
    }

    /// Sends a signal to it.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        if let Err(error) = kill_process(self.pid(), signal) {
            self.fail(&format!("cannot be signalled: {error}"));
        }
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end, with its standard input closed, and returns how it ended.
    #[track_caller]
    pub fn exit(&mut self) -> Exit {
        self.exit_within(DEADLINE)
    }

    /// As [`Process::exit`], within `limit`.
    #[track_caller]
    pub fn exit_within(&mut self, limit: Duration) -> Exit {
        self.close_stdin();
        self.end_within(limit)
    }

    /// Waits for its end while its standard input stays open: for what a signal or its peer ends.
    #[track_caller]
    pub fn end(&mut self) -> Exit {
        self.end_within(DEADLINE)
    }

    #[track_caller]
    fn end_within(&mut self, limit: Duration) -> Exit {
        let deadline = Instant::now() + limit;
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(2));
                }
                Ok(None) => self.fail(&format!("did not end within {limit:?}")),
                Err(error) => self.fail(&format!("cannot be waited for: {error}")),
            }
        };
        // A grandchild may hold a pipe open; what it writes is not the child's output.
        let drained = Instant::now() + Duration::from_secs(5);
        self.stdout.wait_end(drained);
        self.stderr.wait_end(drained);
        Exit {
            code: status.code(),
            signal: status.signal(),
            stdout: self.stdout(),
            stderr: self.stderr(),
        }
    }

    #[track_caller]
    fn fail(&self, what: &str) -> ! {
        panic!(
            "`{}` {what}\n--- stdout\n{}\n--- stderr\n{}\n---",
            self.command,
            String::from_utf8_lossy(&self.stdout()),
            String::from_utf8_lossy(&self.stderr()),
        )
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // `Child::kill` does nothing once the child has been waited for, so the id is still ours.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Process({} `{}`)", self.id(), self.command)
    }
}

fn deadline() -> Instant {
    Instant::now() + DEADLINE
}

fn contains(bytes: &[u8], text: &str) -> Option<()> {
    String::from_utf8_lossy(bytes).contains(text).then_some(())
}

fn whole_lines(bytes: &[u8]) -> impl Iterator<Item = &str> {
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .filter_map(|line| std::str::from_utf8(line.strip_suffix(b"\n")?).ok())
}

fn events_in(bytes: &[u8], ev: &str) -> Vec<Value> {
    whole_lines(bytes)
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|event| event["ev"] == ev)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        Process::start(Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn an_exit_has_the_status_and_both_outputs() {
        let exit = shell("echo out; echo err >&2; exit 3").exit();
        let expected = Exit {
            code: Some(3),
            signal: None,
            stdout: b"out\n".into(),
            stderr: b"err\n".into(),
        };
        assert_eq!(exit, expected);
    }

    #[test]
    fn events_are_found_among_other_lines() {
        let mut process =
            shell(r#"echo '{"ev":"open"}'; echo text; echo '{"ev":"listening","port":7}'; cat"#);
        assert_eq!(process.event("listening")["port"], 7);
        assert_eq!(process.events("open").len(), 1);
        process.write_stdin(b"port 99\n");
        assert_eq!(process.port(), 99);
        assert_eq!(process.exit().code, Some(0));
    }

    #[test]
    fn a_signal_is_told_apart_from_a_status() {
        let mut process = shell("echo up; exec sleep 60");
        process.wait_stdout("up");
        process.signal(Signal::TERM);
        let exit = process.exit();
        assert_eq!((exit.code, exit.signal), (None, Some(15)));
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let process = shell("echo up; exec sleep 60");
        process.wait_stdout("up");
        let proc_entry = format!("/proc/{}", process.id());
        drop(process);
        assert!(!std::path::Path::new(&proc_entry).exists());
    }

    #[test]
    #[should_panic(expected = "did not end within")]
    fn a_process_that_does_not_end_fails_the_test() {
        shell("exec sleep 60").exit_within(Duration::from_millis(20));
    }

    #[test]
    #[should_panic(expected = "never printed \"hello\"")]
    fn a_process_that_ends_too_early_fails_the_wait() {
        shell("echo hell").wait_stdout("hello");
    }
}
