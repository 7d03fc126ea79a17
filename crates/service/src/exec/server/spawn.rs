//! Starting a command: its session, its descriptors, its environment.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use pty_process::{OwnedReadPty, OwnedWritePty, Size};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

use super::super::{Exec, Resize};
use super::environment;

/// A command that was just started, and our ends of what it reads and writes.
pub(super) struct Spawned {
    pub(super) child: Child,
    pub(super) input: Option<Input>,
    pub(super) stdout: Reading,
    /// None with a terminal, which has one output.
    pub(super) stderr: Option<Reading>,
}

/// Our end of a command's standard input.
pub(super) enum Input {
    Pipe(pipe::Sender),
    Terminal(OwnedWritePty),
}

/// Our end of a command's output.
pub(super) enum Reading {
    Pipe(pipe::Receiver),
    Terminal(OwnedReadPty),
}

/// Starts a command.
pub(super) fn spawn(exec: &Exec) -> io::Result<Spawned> {
    let mut command = if exec.shell {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg("--").arg(exec.argv[0].as_os_str());
        command
    } else {
        let mut command = Command::new(exec.argv[0].as_os_str());
        command.args(exec.argv[1..].iter().map(super::super::Argument::as_os_str));
        command
    };
    command.env_clear().envs(environment::of(exec));
    if let Some(cwd) = &exec.cwd {
        command.current_dir(cwd.as_os_str());
    }
    match &exec.tty {
        Some(terminal) => on_terminal(command, terminal.size),
        None => on_pipes(command, exec.stdin),
    }
}

fn on_pipes(mut command: Command, with_input: bool) -> io::Result<Spawned> {
    let (input, theirs_in): (_, Stdio) = if with_input {
        let (theirs, ours) = io::pipe()?;
        let ours = pipe::Sender::from_owned_fd(ours.into())?;
        (Some(Input::Pipe(ours)), theirs.into())
    } else {
        (None, Stdio::null())
    };
    let (stdout, theirs_out) = output()?;
    let (stderr, theirs_err) = output()?;
    command
        .stdin(theirs_in)
        .stdout(theirs_out)
        .stderr(theirs_err);
    let limit = descriptor_limit();
    // SAFETY: both calls are async-signal-safe: setsid(2), and what `clean` documents.
    unsafe {
        command.pre_exec(move || {
            rustix::process::setsid()?;
            clean(limit);
            Ok(())
        });
    }
    Ok(Spawned {
        child: command.spawn()?,
        input,
        stdout,
        stderr: Some(stderr),
    })
}

/// A pipe: our end, which never blocks, and theirs, which does.
fn output() -> io::Result<(Reading, OwnedFd)> {
    let (ours, theirs) = io::pipe()?;
    let ours = pipe::Receiver::from_owned_fd(ours.into())?;
    Ok((Reading::Pipe(ours), theirs.into()))
}

fn on_terminal(command: Command, size: Resize) -> io::Result<Spawned> {
    let (terminal, theirs) = pty_process::open().map_err(plain)?;
    terminal.resize(size.into()).map_err(plain)?;
    let limit = descriptor_limit();
    let command = pty_process::Command::from(command);
    // SAFETY: `clean` is async-signal-safe, as it documents.
    let command = unsafe {
        command.pre_exec(move || {
            clean(limit);
            Ok(())
        })
    };
    let child = command.spawn(theirs).map_err(plain)?;
    let (output, input) = terminal.into_split();
    Ok(Spawned {
        child,
        input: Some(Input::Terminal(input)),
        stdout: Reading::Terminal(output),
        stderr: None,
    })
}

impl From<Resize> for Size {
    fn from(size: Resize) -> Self {
        Self::new(size.rows, size.columns)
    }
}

/// What becomes readable when the process ends (pidfd_open(2)).
pub(super) fn watch_exit(pid: Pid) -> io::Result<AsyncFd<OwnedFd>> {
    let fd = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
    // SAFETY: the descriptor is owned, and moves into the AsyncFd, which keeps it open.
    unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.map_err(io::Error::from)
}

/// The kernel's error in one of a terminal.
pub(super) fn plain(error: pty_process::Error) -> io::Error {
    match error {
        pty_process::Error::Io(error) => error,
        pty_process::Error::Rustix(error) => error.into(),
        other => io::Error::other(other),
    }
}

/// `fs.nr_open`, unless it was changed: nobody may open more.
const NR_OPEN: u64 = 1 << 20;

/// No descriptor of ours has this number or a higher one.
fn descriptor_limit() -> libc::c_int {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    limit.unwrap_or(NR_OPEN).min(NR_OPEN) as libc::c_int
}

/// Between fork and exec: nothing of ours is handed on but the three standard descriptors, neither
/// an open file that lacks `O_CLOEXEC` nor a signal that we ignore.
///
/// It makes system calls alone, takes no lock and no memory, so that it may run there.
fn clean(descriptors: libc::c_int) {
    for signal in 1..=SIGNALS {
        // SAFETY: signal(2) with SIG_DFL touches no memory of ours. It fails for SIGKILL, SIGSTOP
        // and those that the C library keeps for itself, which is as it should be.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: close_range(2) changes flags of descriptors, which nobody uses until exec.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, flags) };
    if result == 0 {
        return;
    }
    // Before Linux 5.11 there is no such call.
    for descriptor in 3..descriptors {
        // SAFETY: as above; of a descriptor that is not open it is an error that is passed over.
        unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// signal(7): standard and real-time signals.
const SIGNALS: libc::c_int = 64;
