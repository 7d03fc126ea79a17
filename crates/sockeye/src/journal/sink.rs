//! Where the journal writes to.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::path::PathBuf;
use std::str::FromStr;

use rustix::event::{PollFd, PollFlags, Timespec};
use sockeye_net::Errno;

use crate::exit::usage;
/// Where JSON Lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Stdout,
    /// A descriptor that our parent left open for us.
    Fd(RawFd),
    /// A file, which is emptied first.
    File(PathBuf),
}

impl FromStr for Target {
    type Err = String;

    /// Reads what `--events` takes: a file's name or `fd:N`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("fd:") {
            None if text.is_empty() => Err("a file's name is missing".into()),
            None => Ok(Self::File(text.into())),
            Some(number) => match number.parse::<u16>() {
                Ok(number) => Ok(Self::Fd(number.into())),
                Err(_) => Err(format!("'{number}' is no descriptor's number")),
            },
        }
    }
}

/// A writer that gathers lines until they are written together.
#[derive(Debug)]
pub(super) struct Sink {
    to: To,
    held: String,
}

#[derive(Debug)]
enum To {
    Stdout,
    Stderr,
    File(File),
}

impl Sink {
    pub(super) fn stderr() -> Self {
        Self {
            to: To::Stderr,
            held: String::new(),
        }
    }

    pub(super) fn open(target: Target) -> anyhow::Result<Self> {
        let to =
            match target {
                Target::Stdout => To::Stdout,
                Target::Fd(number) => To::File(
                    inherited(number)
                        .map_err(|error| usage!("--events fd:{number}: {}", Errno::of(&error)))?,
                ),
                Target::File(path) => To::File(File::create(&path).map_err(|error| {
                    usage!("--events {}: {}", path.display(), Errno::of(&error))
                })?),
            };
        Ok(Self {
            to,
            held: String::new(),
        })
    }

    pub(super) fn put(&mut self, line: &str) {
        self.held.push_str(line);
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Writes what was put, all of it, however long that takes. Where there is nothing to write,
    /// it still finds out whether the reader of a pipe has gone: `| head` has had enough long before
    /// the next event.
    pub(super) fn write(&mut self) -> io::Result<()> {
        if self.held.is_empty() {
            return self.reader();
        }
        let bytes = self.held.as_bytes();
        let result = match &mut self.to {
            To::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes).and_then(|()| stdout.flush())
            }
            To::Stderr => io::stderr().lock().write_all(bytes),
            To::File(file) => file.write_all(bytes),
        };
        self.held.clear();
        result
    }
}

impl Sink {
    /// Fails once a pipe or a socket has nobody at its other end (`POLLERR`, poll(2)).
    fn reader(&self) -> io::Result<()> {
        let fd = match &self.to {
            To::Stdout => rustix::stdio::stdout(),
            To::Stderr => rustix::stdio::stderr(),
            To::File(file) => file.as_fd(),
        };
        let mut asked = [PollFd::from_borrowed_fd(fd, PollFlags::empty())];
        rustix::event::poll(&mut asked, Some(&Timespec::default()))?;
        if asked[0].revents().contains(PollFlags::ERR) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }
}

/// A copy of a descriptor that we inherited.
fn inherited(number: RawFd) -> io::Result<File> {
    // SAFETY: the descriptor is only borrowed for the call that copies it, and that call fails with
    // EBADF if the number is not open.
    #[allow(unsafe_code)]
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    fd.try_clone_to_owned().map(File::from)
}
