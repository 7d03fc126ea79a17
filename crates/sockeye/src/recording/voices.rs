//! What the watched programs say on their standard output and error.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

/// A line that is longer is shown in pieces.
const LINE_LIMIT: usize = 4096;

/// Something that programs are started with, and the other end of which we read.
#[derive(Debug)]
pub(crate) struct Voice {
    /// The program's end.
    pub(crate) speaks: OwnedFd,
    heard: File,
}

impl Voice {
    /// A terminal where we have one, so that programs say each line when they have it, as they would
    /// without us; else a pipe.
    pub(crate) fn new() -> io::Result<Self> {
        if isatty(io::stderr())
            && let Ok(voice) = Self::terminal()
        {
            return Ok(voice);
        }
        let (heard, speaks) = io::pipe()?;
        Ok(Self {
            speaks: speaks.into(),
            heard: File::from(OwnedFd::from(heard)),
        })
    }

    fn terminal() -> io::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, vec![])?;
        let line = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY)
            .open(OsStr::from_bytes(name.as_bytes()))?;
        // What is written arrives as it is; nothing is typed.
        let mut modes = tcgetattr(&line)?;
        modes.make_raw();
        tcsetattr(&line, OptionalActions::Now, &modes)?;
        if let Ok(size) = tcgetwinsize(io::stderr()) {
            tcsetwinsize(&line, size)?;
        }
        Ok(Self {
            speaks: line.into(),
            heard: File::from(master),
        })
    }

    /// Gives each line to `tell`, from a thread of its own, until nobody holds the other end. Returns the
    /// program's end.
    pub(crate) fn listen(self, mut tell: impl FnMut(&[u8]) + Send + 'static) -> OwnedFd {
        let mut heard = self.heard;
        thread::spawn(move || {
            let mut lines = Lines::default();
            let mut buffer = [0; 8192];
            // A terminal whose other end is closed fails with EIO.
            while let Ok(got @ 1..) = heard.read(&mut buffer) {
                lines.take(&buffer[..got], &mut tell);
            }
            lines.finish(&mut tell);
        });
        self.speaks
    }
}

/// Cuts what a program says into lines.
#[derive(Debug, Default)]
struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    fn take(&mut self, bytes: &[u8], tell: &mut impl FnMut(&[u8])) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(piece);
            while self.begun.len() > LINE_LIMIT {
                tell(&self.begun[..LINE_LIMIT]);
                self.begun.drain(..LINE_LIMIT);
            }
            if let [line @ .., b'\n'] = &self.begun[..] {
                tell(line.strip_suffix(b"\r").unwrap_or(line));
                self.begun.clear();
            }
        }
    }

    fn finish(self, tell: &mut impl FnMut(&[u8])) {
        if !self.begun.is_empty() {
            tell(&self.begun);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pieces: &[&[u8]], expected: &[&str]) {
        let mut lines = Lines::default();
        let mut told = vec![];
        let mut tell = |line: &[u8]| told.push(String::from_utf8_lossy(line).into_owned());
        for piece in pieces {
            lines.take(piece, &mut tell);
        }
        lines.finish(&mut tell);
        assert_eq!(told, expected);
    }

    #[test]
    fn lines_are_told_whole() {
        check(&[b"a\nb", b"c\r\n", b"\n", b"d"], &["a", "bc", "", "d"]);
        check(&[], &[]);
    }

    #[test]
    fn a_line_without_end_is_told_in_pieces() {
        let long = vec![b'x'; LINE_LIMIT + 3];
        check(&[&long, b"\n"], &["x".repeat(LINE_LIMIT).as_str(), "xxx"]);
    }
}
