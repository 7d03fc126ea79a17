//! A room of its own for programs: own user, network, process and mount namespaces, in which a user
//! without privilege may capture packets and bind any port, and which nothing outlives.
//!
//! The caller keeps one rule: [`enter`] is called by a process with one thread, before it starts
//! another. What happens to the process that called it is told there.

pub(crate) mod device;
mod error;
mod guard;
mod loopback;

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{ForkResult, getegid, geteuid};

pub use error::{NamespaceError, Stage};
pub use guard::block_endings;

/// The MTU of Ethernet (RFC 894): with it a loopback device shows segments as a real link would.
pub const ETHERNET_MTU: u32 = 1500;

/// What a room is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isolation {
    /// The MTU of its loopback device; none: the kernel's own, 65,536.
    pub mtu: Option<u32>,
    /// Whether the loopback device takes segments that stand for several (TSO, GSO). Captures tell
    /// of the pieces either way; without, each packet is one piece, at a fifth of the speed.
    pub offload: bool,
    /// Whether it has processes of its own: numbers from 1, a `/proc` that shows them and no others,
    /// and the certainty that all of them end with the first.
    pub processes: bool,
    /// Whether everybody in it may bind ports below 1024.
    pub low_ports: bool,
}

impl Default for Isolation {
    fn default() -> Self {
        Self {
            mtu: Some(ETHERNET_MTU),
            offload: true,
            processes: true,
            low_ports: true,
        }
    }
}

impl Isolation {
    /// The same without what this machine bars and a room can do without: where `/proc` is partly
    /// hidden, as in most containers, no other may be mounted, and processes of its own are no use.
    pub fn fitting(mut self) -> Result<Self, NamespaceError> {
        match probe(&self) {
            Err(why) if self.processes && matches!(why.stage, Stage::Proc | Stage::Mounts) => {
                self.processes = false;
                probe(&self).map(|()| self)
            }
            outcome => outcome.map(|()| self),
        }
    }

    fn namespaces(&self) -> CloneFlags {
        let mut flags = CloneFlags::CLONE_NEWNET;
        if self.processes {
            flags |= CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS;
        }
        flags
    }
}

/// Moves this process into a room of its own. Users and groups keep their numbers; programs that are
/// started there by anybody but root have no privilege in it.
///
/// With [`Isolation::processes`] it returns in a child, the first process of the room, whose end ends
/// all others. The process that called stays outside to wait for it and ends as it ends; if it is
/// killed, the room ends. A parent whose end should end all this lets the caller ask for that first
/// (`PR_SET_PDEATHSIG`).
///
/// # Errors
/// What was barred, at which step. The process may be in part of the room then: it should end.
pub fn enter(isolation: &Isolation) -> Result<(), NamespaceError> {
    let flags = isolation.namespaces();
    // Root needs no user namespace, unless a container took from it what root usually may; without
    // one, programs that change their user go on working.
    let plain = geteuid().is_root() && unshare(flags).is_ok();
    if !plain {
        let (uid, gid) = (geteuid(), getegid());
        unshare(flags | CloneFlags::CLONE_NEWUSER).map_err(Stage::Unshare.failed())?;
        write("/proc/self/setgroups", "deny").or_else(unless_absent)?;
        write("/proc/self/uid_map", &format!("{uid} {uid} 1"))?;
        write("/proc/self/gid_map", &format!("{gid} {gid} 1"))?;
    }
    if isolation.processes {
        guard::go_first()?;
        fresh_proc()?;
    }
    loopback::bring_up(isolation)?;
    if isolation.low_ports {
        // ip-sysctl.rst. Where /proc/sys may not be written, ports are what they are elsewhere.
        let _ = fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
    }
    Ok(())
}

/// Whether [`enter`] would succeed, tried in a child that ends at once.
///
/// # Errors
/// What is barred, with a reason where the system's settings tell one.
pub fn probe(isolation: &Isolation) -> Result<(), NamespaceError> {
    let failed = |errno| Stage::Fork.failed()(errno);
    let (answer, report) = guard::pipe().map_err(failed)?;
    match guard::fork_quietly().map_err(failed)? {
        ForkResult::Child => {
            drop(answer);
            report_and_leave(isolation, report)
        }
        ForkResult::Parent { child } => {
            drop(report);
            let mut told = vec![];
            let heard = std::fs::File::from(answer).read_to_end(&mut told);
            // The child has closed its end, so it is about to end.
            let _ = nix::sys::wait::waitpid(child, None);
            match (heard, NamespaceError::from_report(&told)) {
                (Ok(_), Some(outcome)) => outcome,
                _ => Err(failed(Errno::ECHILD)),
            }
        }
    }
}

/// The trial child: tells by the pipe what [`enter`] came to, from whichever process it returned in.
fn report_and_leave(isolation: &Isolation, report: OwnedFd) -> ! {
    let outcome = enter(isolation);
    let _ = std::fs::File::from(report).write_all(&NamespaceError::report(outcome));
    guard::leave(0)
}

/// Mounts a `/proc` that shows the processes of this room, for us and everybody started from here.
fn fresh_proc() -> Result<(), NamespaceError> {
    const NOTHING: Option<&str> = None;
    // Or else what is mounted here is mounted outside as well (mount_namespaces(7)).
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NOTHING, "/", NOTHING, private, NOTHING).map_err(Stage::Mounts.failed())?;
    let usual = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), usual, NOTHING).map_err(Stage::Proc.failed())
}

fn write(path: &str, text: &str) -> Result<(), NamespaceError> {
    fs::write(path, text).map_err(|error| {
        let errno = Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
        Stage::Map.failed()(errno)
    })
}

/// Kernels before 3.19 have no such file.
fn unless_absent(why: NamespaceError) -> Result<(), NamespaceError> {
    if why.errno == libc::ENOENT {
        return Ok(());
    }
    Err(why)
}

#[cfg(test)]
pub(crate) mod tests;
