//! `dial` on a terminal: a real one, as far as the program can tell.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use sockeye_testkit::DEADLINE;

use crate::harness::sockeye;

/// A person's end of a terminal, with a program at the other one.
pub(crate) struct Terminal {
    keys: File,
    /// The program's end, kept open so that it can be looked at.
    pub(crate) line: File,
    output: Receiver<Vec<u8>>,
    seen: String,
    pub(crate) child: Child,
}

impl Terminal {
    fn run(args: &[&str], home: &std::path::Path) -> Self {
        Self::start(sockeye(args).env("HOME", home))
    }

    /// Starts a program at the other end, 80 characters by 24.
    pub(crate) fn start(command: &mut Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, vec![]).unwrap();
        let name = name.to_str().unwrap();
        let line = OpenOptions::new()
            .read(true)
            .write(true)
            .open(name)
            .unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&line, size).unwrap();
        let side = || Stdio::from(line.try_clone().unwrap());
        let child = command
            .env("TERM", "xterm")
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .unwrap();
        let keys = File::from(master);
        let mut screen = keys.try_clone().unwrap();
        let (to, output) = channel();
        std::thread::spawn(move || {
            let mut buf = [0; 4096];
            while let Ok(got @ 1..) = screen.read(&mut buf) {
                if to.send(buf[..got].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            keys,
            line,
            output,
            seen: String::new(),
            child,
        }
    }

    pub(crate) fn type_in(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the screen has shown `text` since the last wait.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        let until = Instant::now() + DEADLINE;
        while !self.seen.contains(text) {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(more) = self.output.recv_timeout(left) else {
                panic!("never showed {text:?}, but {:?}", self.seen);
            };
            self.seen += &String::from_utf8_lossy(&more);
        }
        let end = self.seen.find(text).unwrap() + text.len();
        self.seen.drain(..end);
    }

    /// The exit code, and whether the terminal is as programs expect to find it.
    #[track_caller]
    pub(crate) fn end(mut self) -> Option<i32> {
        let code = self.child.wait().unwrap().code();
        let modes = tcgetattr(&self.line).unwrap().local_modes;
        assert!(
            modes.contains(LocalModes::ICANON | LocalModes::ECHO),
            "the terminal stays raw"
        );
        let flags = rustix::fs::fcntl_getfl(&self.line).unwrap();
        assert!(
            !flags.contains(OFlags::NONBLOCK),
            "the terminal stays non-blocking"
        );
        code
    }
}

/// A peer that echoes what one connection says, line by line.
fn echo() -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut back = stream.try_clone().unwrap();
        std::io::copy(&mut stream, &mut back).unwrap();
    });
    (address, peer)
}

#[test]
fn lines_are_edited_sent_and_answered_above_the_next_one() {
    let home = tempfile::tempdir().unwrap();
    let (address, peer) = echo();
    let mut terminal = Terminal::run(&["dial", &address], home.path());
    terminal.wait_for("Ctrl-D ends");
    terminal.wait_for("› ");
    // A slip of the finger, taken back.
    terminal.type_in("hellp\x7fo 一棵树\r");
    terminal.wait_for(&format!("tcp://{address}\x1b[0m hello 一棵树"));
    // An escape from the peer is shown and does nothing.
    terminal.wait_for("› ");
    terminal.type_in("a\x16\x1bc\r");
    terminal.wait_for(&format!("tcp://{address}\x1b[0m a\\x1bc"));
    terminal.wait_for("› ");
    terminal.type_in("\x04");
    assert_eq!(terminal.end(), Some(0));
    peer.join().unwrap();
    let history = home.path().join(".local/state/sockeye/history");
    assert!(
        std::fs::read_to_string(history)
            .unwrap()
            .contains("hello 一棵树")
    );

    // The next conversation remembers.
    let (address, peer) = echo();
    let mut terminal = Terminal::run(&["dial", &address], home.path());
    terminal.wait_for("› ");
    terminal.type_in("\x1b[A\x1b[A\r");
    terminal.wait_for(&format!("tcp://{address}\x1b[0m hello 一棵树"));
    terminal.wait_for("› ");
    terminal.type_in("\x03");
    assert_eq!(terminal.end(), Some(130));
    peer.join().unwrap();
}

#[test]
fn a_peer_that_closes_ends_it_in_the_middle_of_a_line() {
    let home = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut terminal = Terminal::run(&["dial", &address], home.path());
    let (mut stream, _) = listener.accept().unwrap();
    terminal.wait_for("› ");
    terminal.type_in("half a li");
    terminal.wait_for("li");
    stream.write_all(b"bye\n").unwrap();
    terminal.wait_for("\x1b[0m bye");
    drop(stream);
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn questions_are_asked_at_a_prompt() {
    let home = tempfile::tempdir().unwrap();
    let (address, peer) = echo();
    let mut terminal = Terminal::run(
        &[
            "dial",
            "--ask",
            "--exit-on",
            "exit",
            "--frame",
            "raw",
            &address,
        ],
        home.path(),
    );
    terminal.wait_for("› ");
    terminal.type_in("hi\r");
    terminal.wait_for("\x1b[0m hi");
    terminal.wait_for("› ");
    // An empty line is no message under raw; another question can follow at once.
    terminal.type_in("\r");
    terminal.wait_for("› ");
    terminal.type_in("exit\r");
    assert_eq!(terminal.end(), Some(0));
    peer.join().unwrap();
}
