//! The requests of ptrace(2), with any signal number (nix knows no real-time signals) and
//! `PTRACE_LISTEN`.
#![allow(unsafe_code)]

use std::mem::{MaybeUninit, size_of};

use rustix::io::Errno;

/// Bits of `PTRACE_SETOPTIONS` that every tracee gets. EXITKILL is added for those that we started.
pub(super) const OPTIONS: i32 = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACEEXIT;
/// What only programs get that run under our filter and shall not outlive us.
pub(super) const STARTED: i32 = libc::PTRACE_O_TRACESECCOMP | libc::PTRACE_O_EXITKILL;
/// `PTRACE_EVENT_STOP` of <linux/ptrace.h>.
pub(super) const EVENT_STOP: i32 = 128;

/// How a stopped task goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// Its filter, a signal or an event stops it.
    Stopped,
    /// The next entry or exit of a call, too.
    Call,
}

fn request(request: u32, task: i32, address: usize, data: usize) -> Result<(), Errno> {
    // SAFETY: none of the requests that come here writes to our memory: address and data are
    // numbers to them.
    let result = unsafe { libc::ptrace(request as _, task, address, data) };
    if result == -1 { Err(last()) } else { Ok(()) }
}

fn last() -> Errno {
    Errno::from_raw_os_error(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

/// Becomes the tracer of a task without stopping it.
pub(super) fn seize(task: i32, options: i32) -> Result<(), Errno> {
    request(libc::PTRACE_SEIZE, task, 0, options as usize)
}

/// Lets a stopped task go on, with a signal (0: none).
pub(super) fn resume(task: i32, until: Until, signal: i32) -> Result<(), Errno> {
    let how = match until {
        Until::Stopped => libc::PTRACE_CONT,
        Until::Call => libc::PTRACE_SYSCALL,
    };
    request(how, task, 0, signal as usize)
}

/// Leaves a task in its group stop, but hears of its end.
pub(super) fn listen(task: i32) -> Result<(), Errno> {
    request(libc::PTRACE_LISTEN, task, 0, 0)
}

/// Stops a running task.
pub(super) fn interrupt(task: i32) -> Result<(), Errno> {
    request(libc::PTRACE_INTERRUPT, task, 0, 0)
}

/// Lets go of a stopped task, with a signal (0: none).
pub(super) fn detach(task: i32, signal: i32) -> Result<(), Errno> {
    request(libc::PTRACE_DETACH, task, 0, signal as usize)
}

/// The number that goes with an event: a new task's id, a task's id before exec.
pub(super) fn event_message(task: i32) -> Result<u64, Errno> {
    let mut message: libc::c_ulong = 0;
    // SAFETY: the kernel writes one unsigned long to where data points.
    let result = unsafe {
        libc::ptrace(
            libc::PTRACE_GETEVENTMSG as _,
            task,
            0usize,
            &raw mut message,
        )
    };
    if result == -1 {
        Err(last())
    } else {
        Ok(message)
    }
}

/// What a task that is stopped at a call is about to do, or did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtCall {
    /// About to make a call.
    Entry {
        /// `AUDIT_ARCH_*` of the calling convention.
        arch: u32,
        /// Its number there.
        nr: u64,
        /// Its arguments.
        args: [u64; 6],
    },
    /// Back from a call, with its result or minus the errno.
    Exit(i64),
    /// Not at a call.
    Elsewhere,
}

/// struct ptrace_syscall_info of <linux/ptrace.h>.
#[repr(C)]
struct SyscallInfo {
    op: u8,
    _pad: [u8; 3],
    arch: u32,
    _instruction_pointer: u64,
    _stack_pointer: u64,
    /// Of an entry: number and arguments; of an exit: the result.
    words: [u64; 8],
}

/// Asks what a stopped task is about to do, or did.
pub(super) fn at_call(task: i32) -> Result<AtCall, Errno> {
    let mut info = MaybeUninit::<SyscallInfo>::zeroed();
    // SAFETY: the kernel writes at most as many bytes as `addr` says to where data points.
    let result = unsafe {
        libc::ptrace(
            libc::PTRACE_GET_SYSCALL_INFO as _,
            task,
            size_of::<SyscallInfo>(),
            info.as_mut_ptr(),
        )
    };
    if result == -1 {
        return Err(last());
    }
    // SAFETY: integers all, zeroed before the kernel wrote to them.
    let info = unsafe { info.assume_init() };
    let [first, rest @ .., _] = info.words;
    Ok(match info.op {
        libc::PTRACE_SYSCALL_INFO_ENTRY | libc::PTRACE_SYSCALL_INFO_SECCOMP => AtCall::Entry {
            arch: info.arch,
            nr: first,
            args: rest,
        },
        libc::PTRACE_SYSCALL_INFO_EXIT => AtCall::Exit(first.cast_signed()),
        _ => AtCall::Elsewhere,
    })
}

/// Whether two processes share one table of descriptors (kcmp(2)); a kernel that cannot say says no.
pub(super) fn share_files(one: i32, other: i32) -> bool {
    /// `KCMP_FILES` of <linux/kcmp.h>.
    const KCMP_FILES: libc::c_long = 2;
    // SAFETY: kcmp takes numbers.
    unsafe { libc::syscall(libc::SYS_kcmp, one, other, KCMP_FILES, 0, 0) == 0 }
}
