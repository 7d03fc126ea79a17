//! The first process of a room, and the one outside that waits for it.
#![allow(unsafe_code)]

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::{AsRawFd, OwnedFd};

use super::{NamespaceError, Stage};

/// Forks a process that has one thread, or a child that does nothing but what [`super::enter`] does.
pub(super) fn fork_quietly() -> Result<ForkResult, Errno> {
    // SAFETY: the child of a process with several threads may use nothing that another thread held:
    // `enter` makes system calls and allocates, and the allocators of glibc and musl are usable
    // after fork(2).
    unsafe { fork() }
}

/// A pipe that no program started meanwhile inherits: who waits for its end would wait for theirs.
pub(super) fn pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    let made = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
    made.map_err(|error| Errno::from_raw(error.raw_os_error()))
}

/// Returns in a child, which is the first process of the namespace that was made for children. This
/// process stays to wait for it, and never returns.
pub(super) fn go_first() -> Result<(), NamespaceError> {
    let failed = |errno| Stage::Fork.failed()(errno);
    // Readable in the child as soon as this process is gone.
    let (outside_lives, outside) = pipe().map_err(failed)?;
    match fork_quietly().map_err(failed)? {
        ForkResult::Parent { child } => {
            drop(outside_lives);
            wait_outside(child, &outside)
        }
        ForkResult::Child => {
            drop(outside);
            set_pdeathsig(Signal::SIGKILL).map_err(failed)?;
            // It may have ended before we asked to be told.
            let mut gone = [PollFd::new(&outside_lives, PollFlags::empty())];
            if poll(&mut gone, Some(&Timespec::default())).is_ok_and(|count| count > 0) {
                leave(1);
            }
            Ok(())
        }
    }
}

/// Waits for the room's first process and ends as it ended.
fn wait_outside(first: Pid, sign_of_life: &OwnedFd) -> ! {
    // Or else a signal of the terminal would end the room before it could say what it saw: who wants
    // its end sends SIGKILL, or tells the first process.
    let _ = block_endings();
    close_all_but(sign_of_life);
    loop {
        match waitpid(first, None) {
            Ok(WaitStatus::Exited(_, status)) => leave(status),
            // What a shell reports for a program that died of a signal.
            Ok(WaitStatus::Signaled(_, signal, _)) => leave(128 + signal as i32),
            Err(Errno::EINTR) | Ok(_) => {}
            Err(_) => leave(1),
        }
    }
}

/// Keeps the signals that a terminal sends to everybody at it, and those that ask a process to end, from
/// the calling thread and the threads that it starts. Programs inherit that, unless whoever starts them
/// unblocks them again, as [`crate::watch::Tracer`] does.
pub fn block_endings() -> std::io::Result<()> {
    let mut kept = SigSet::empty();
    for signal in [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ] {
        kept.add(signal);
    }
    Ok(sigprocmask(SigmaskHow::SIG_BLOCK, Some(&kept), None)?)
}

/// What the room's first process has open belongs to it alone: who reads its pipes has to see their
/// end when it closes them.
fn close_all_but(kept: &OwnedFd) {
    let kept = kept.as_raw_fd().cast_unsigned();
    let below = kept.checked_sub(1).map(|last| (0, last));
    for (first, last) in below.into_iter().chain([(kept + 1, u32::MAX)]) {
        // SAFETY: this process uses no other descriptor any more; it only waits. A kernel before
        // 5.9 answers ENOSYS, and they stay until this process ends, right after the other.
        unsafe {
            libc::syscall(libc::SYS_close_range, first, last, 0u32);
        }
    }
}

/// Ends this process without running what a forked copy of somebody else's must not run.
pub(super) fn leave(status: i32) -> ! {
    // SAFETY: _exit(2) takes any number and does not return.
    unsafe { libc::_exit(status) }
}
