//! What this machine lets us do, and what would help where it does not.
//!
//! Two steps: [`Trials::make`] tries what can be tried without leaving a trace, [`permits`] judges by that
//! and by the machine's files, and is pure. Sentences are made by whoever shows them.

mod trial;

use crate::namespace::NamespaceError;
use crate::settings::Tree;

pub use trial::{Room, Trials};

/// Something that one may want to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// Watching the calls of programs that we start.
    Watch,
    /// Watching programs that run already.
    Attach,
    /// Namespaces of our own, for `watch --isolate` and the labs.
    Room,
    /// Packets of this machine's interfaces.
    Capture,
    /// Raw IP sockets.
    Raw,
    /// Ports below 1024.
    LowPorts,
    /// Seeing which programs have the sockets of other users.
    Programs,
    /// As many connections as descriptors.
    Files,
    /// `io_uring`, which programs may use in place of calls.
    Uring,
}

/// How far something is permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// As far as one may want.
    Yes,
    /// Not all of it.
    Partly,
    /// Not at all.
    No,
}

/// What the answer comes from, and with it what would change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ground {
    /// We have tried, and it works.
    Tried,
    /// We have tried, and this is what the system said.
    Failed(i32),
    /// We have this capability.
    Has(&'static str),
    /// We lack this capability.
    Lacks(&'static str),
    /// `kernel.yama.ptrace_scope`; nothing where there is none.
    PtraceScope(Option<u64>),
    /// Namespaces cannot be made.
    NoRoom(NamespaceError),
    /// Namespaces can be made, but for a `/proc` of their own.
    NoProcesses(NamespaceError),
    /// Everybody may bind ports from this one on.
    PortsFrom(u64),
    /// Descriptors that a process may have, and how many it may ask for.
    Files {
        /// The limit in force.
        soft: u64,
        /// How far it may be raised.
        hard: u64,
    },
    /// `kernel.io_uring_disabled`.
    UringDisabled(u64),
    /// This kernel has none.
    Absent,
}

/// One answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    /// To what.
    pub what: What,
    /// How far.
    pub grade: Grade,
    /// Why.
    pub ground: Ground,
}

/// Capabilities by number (linux/capability.h).
const NET_BIND_SERVICE: u32 = 10;
const SYS_PTRACE: u32 = 19;

/// Connections that a server should be able to have before it needs to be told.
const ENOUGH_FILES: u64 = 4096;

/// All answers.
pub fn permits(tree: &Tree, trials: &Trials) -> Vec<Permit> {
    [
        watch(tree, trials),
        attach(tree),
        room(trials),
        tried(What::Capture, trials.packet, "CAP_NET_RAW"),
        tried(What::Raw, trials.raw, "CAP_NET_RAW"),
        low_ports(tree),
        programs(tree),
        files(trials),
        uring(tree, trials),
    ]
    .to_vec()
}

const fn permit(what: What, grade: Grade, ground: Ground) -> Permit {
    Permit {
        what,
        grade,
        ground,
    }
}

/// What a trial came to, where a capability would permit it.
fn tried(what: What, outcome: Result<(), i32>, capability: &'static str) -> Permit {
    match outcome {
        Ok(()) => permit(what, Grade::Yes, Ground::Tried),
        Err(libc::EPERM | libc::EACCES) => permit(what, Grade::No, Ground::Lacks(capability)),
        Err(errno) => permit(what, Grade::No, Ground::Failed(errno)),
    }
}

fn watch(tree: &Tree, trials: &Trials) -> Permit {
    let scope = tree.number("kernel.yama.ptrace_scope");
    match trials.trace {
        Ok(()) => permit(What::Watch, Grade::Yes, Ground::Tried),
        Err(_) if scope.is_some_and(|scope| scope > 1) => {
            permit(What::Watch, Grade::No, Ground::PtraceScope(scope))
        }
        Err(errno) => permit(What::Watch, Grade::No, Ground::Failed(errno)),
    }
}

/// ptrace(2), "Ptrace access mode checking", and Documentation/admin-guide/LSM/Yama.rst.
fn attach(tree: &Tree) -> Permit {
    let scope = tree.number("kernel.yama.ptrace_scope");
    let (grade, ground) = match scope {
        Some(3..) => (Grade::No, Ground::PtraceScope(scope)),
        _ if has(tree, SYS_PTRACE) => (Grade::Yes, Ground::Has("CAP_SYS_PTRACE")),
        // Programs of our own user.
        None | Some(0) => (Grade::Partly, Ground::PtraceScope(scope)),
        _ => (Grade::No, Ground::PtraceScope(scope)),
    };
    permit(What::Attach, grade, ground)
}

fn room(trials: &Trials) -> Permit {
    let (grade, ground) = match trials.room {
        Room::Whole => (Grade::Yes, Ground::Tried),
        Room::WithoutProcesses(why) => (Grade::Partly, Ground::NoProcesses(why)),
        Room::Barred(why) => (Grade::No, Ground::NoRoom(why)),
    };
    permit(What::Room, grade, ground)
}

/// ip-sysctl.rst, `ip_unprivileged_port_start`.
fn low_ports(tree: &Tree) -> Permit {
    // Kernels before 4.11 have no such setting.
    let from = tree
        .number("net.ipv4.ip_unprivileged_port_start")
        .unwrap_or(1024);
    let (grade, ground) = match from {
        0 => (Grade::Yes, Ground::PortsFrom(0)),
        _ if has(tree, NET_BIND_SERVICE) => (Grade::Yes, Ground::Has("CAP_NET_BIND_SERVICE")),
        from => (Grade::Partly, Ground::PortsFrom(from)),
    };
    permit(What::LowPorts, grade, ground)
}

/// proc_pid_fd(5): whoever may trace a process may look at its descriptors.
fn programs(tree: &Tree) -> Permit {
    if has(tree, SYS_PTRACE) {
        return permit(What::Programs, Grade::Yes, Ground::Has("CAP_SYS_PTRACE"));
    }
    permit(
        What::Programs,
        Grade::Partly,
        Ground::Lacks("CAP_SYS_PTRACE"),
    )
}

fn files(trials: &Trials) -> Permit {
    let (soft, hard) = trials.files;
    let is_enough = soft >= ENOUGH_FILES;
    let grade = if is_enough { Grade::Yes } else { Grade::Partly };
    permit(What::Files, grade, Ground::Files { soft, hard })
}

/// Documentation/admin-guide/sysctl/kernel.rst, `io_uring_disabled`.
fn uring(tree: &Tree, trials: &Trials) -> Permit {
    let disabled = tree.number("kernel.io_uring_disabled").filter(|it| *it > 0);
    let (grade, ground) = match (trials.uring, disabled) {
        (Ok(()), _) => (Grade::Yes, Ground::Tried),
        (Err(libc::ENOSYS), _) => (Grade::No, Ground::Absent),
        (Err(_), Some(level)) => (Grade::No, Ground::UringDisabled(level)),
        (Err(errno), None) => (Grade::No, Ground::Failed(errno)),
    };
    permit(What::Uring, grade, ground)
}

/// Whether this process has a capability in force (proc_pid_status(5), `CapEff`).
fn has(tree: &Tree, number: u32) -> bool {
    let status = tree.text("proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = mask.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << number) != 0)
}

#[cfg(test)]
mod tests;
