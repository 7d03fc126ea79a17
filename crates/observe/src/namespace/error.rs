//! Why a room of its own cannot be had, and what would help.

use std::fmt;
use std::fs;
use std::io;

use nix::errno::Errno;
use thiserror::Error;

/// Which step was barred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Making the namespaces, unshare(2).
    Unshare,
    /// Saying who is who in them, `user_namespaces`(7).
    Map,
    /// Keeping mounts to ourselves.
    Mounts,
    /// Mounting `/proc`.
    Proc,
    /// Bringing the loopback device up.
    Loopback,
    /// Starting a process.
    Fork,
}

impl Stage {
    const ALL: [Self; 6] = [
        Self::Unshare,
        Self::Map,
        Self::Mounts,
        Self::Proc,
        Self::Loopback,
        Self::Fork,
    ];

    /// The error of this step.
    pub(super) fn failed(self) -> impl FnOnce(Errno) -> NamespaceError {
        move |errno| NamespaceError {
            stage: self,
            errno: errno as i32,
        }
    }
}

/// Why there is no room of its own. [`NamespaceError::reason`] says which setting bars it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub struct NamespaceError {
    /// The step.
    pub stage: Stage,
    /// The system's number for it.
    pub errno: i32,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unshare => "cannot make namespaces",
            Self::Map => "cannot map users into a namespace",
            Self::Mounts => "cannot make mounts private",
            Self::Proc => "cannot mount /proc",
            Self::Loopback => "cannot bring the loopback device up",
            Self::Fork => "cannot start a process",
        })
    }
}

impl fmt::Display for NamespaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = io::Error::from_raw_os_error(self.errno);
        write!(f, "{}: {error}", self.stage)?;
        match self.reason() {
            Some(reason) => write!(f, "; {reason}"),
            None => Ok(()),
        }
    }
}

impl NamespaceError {
    /// What bars it and what would help, as far as this machine's settings tell.
    pub fn reason(&self) -> Option<&'static str> {
        reason(self.errno, &|path| {
            fs::read_to_string(path)
                .ok()
                .map(|text| text.trim().to_owned())
        })
    }

    /// An outcome in five bytes, for a pipe.
    pub(super) fn report(outcome: Result<(), Self>) -> [u8; 5] {
        let (stage, errno) = match outcome {
            Ok(()) => (u8::MAX, 0),
            Err(why) => (why.stage as u8, why.errno),
        };
        let [a, b, c, d] = errno.to_le_bytes();
        [stage, a, b, c, d]
    }

    /// Reads back what [`NamespaceError::report`] wrote.
    pub(super) fn from_report(report: &[u8]) -> Option<Result<(), Self>> {
        let [stage, errno @ ..] = *<&[u8; 5]>::try_from(report).ok()?;
        if stage == u8::MAX {
            return Some(Ok(()));
        }
        Some(Err(Self {
            stage: *Stage::ALL.get(usize::from(stage))?,
            errno: i32::from_le_bytes(errno),
        }))
    }
}

/// The settings that are known to bar namespaces, looked up by `read`.
fn reason(errno: i32, read: &dyn Fn(&str) -> Option<String>) -> Option<&'static str> {
    let is = |path: &str, value: &str| read(path).is_some_and(|text| text == value);
    let limits = ["user", "net", "pid", "mnt"];
    match errno {
        libc::ENOSPC | libc::EUSERS
            if limits
                .iter()
                .any(|of| is(&format!("/proc/sys/user/max_{of}_namespaces"), "0")) =>
        {
            Some(
                "this system allows none: root may set user.max_user_namespaces (and max_net_, max_pid_, \
                 max_mnt_namespaces) with sysctl",
            )
        }
        libc::ENOSPC | libc::EUSERS => Some("all that the system allows are in use"),
        libc::EPERM | libc::EACCES => barred(&is, read),
        libc::EINVAL => Some("this kernel has no user namespaces"),
        _ => None,
    }
}

fn barred(
    is: &dyn Fn(&str, &str) -> bool,
    read: &dyn Fn(&str) -> Option<String>,
) -> Option<&'static str> {
    if is(
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
    ) {
        return Some(
            "AppArmor keeps them from unprivileged programs: run it as root, or let root set \
             kernel.apparmor_restrict_unprivileged_userns=0 with sysctl",
        );
    }
    if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        return Some(
            "they are for root only: run it as root, or let root set \
             kernel.unprivileged_userns_clone=1 with sysctl",
        );
    }
    // 2 is SECCOMP_MODE_FILTER, proc_pid_status(5).
    let filtered = read("/proc/self/status")?
        .lines()
        .filter_map(|line| line.strip_prefix("Seccomp:"))
        .any(|mode| mode.trim() == "2");
    filtered.then_some(
        "a seccomp filter is in force, as in containers: Docker permits them with \
         --security-opt seccomp=unconfined, or with --cap-add SYS_ADMIN for root",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with these files.
    fn check(errno: i32, files: &[(&str, &str)], expected: Option<&str>) {
        let read = |path: &str| {
            let found = files.iter().find(|(name, _)| *name == path);
            found.map(|(_, text)| (*text).to_owned())
        };
        let got = reason(errno, &read);
        match expected {
            Some(part) => assert!(got.is_some_and(|got| got.contains(part)), "{got:?}"),
            None => assert_eq!(got, None),
        }
    }

    #[test]
    fn the_setting_that_bars_it_is_named() {
        let apparmor = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
        check(libc::EPERM, &[(apparmor, "1")], Some("AppArmor"));
        let debian = "/proc/sys/kernel/unprivileged_userns_clone";
        check(
            libc::EPERM,
            &[(debian, "0")],
            Some("unprivileged_userns_clone=1"),
        );
        let status = "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1";
        check(
            libc::EPERM,
            &[(apparmor, "0"), ("/proc/self/status", status)],
            Some("seccomp"),
        );
        check(libc::EPERM, &[("/proc/self/status", "Seccomp:\t0\n")], None);
        check(
            libc::ENOSPC,
            &[("/proc/sys/user/max_user_namespaces", "0")],
            Some("max_user_namespaces"),
        );
        check(
            libc::ENOSPC,
            &[("/proc/sys/user/max_user_namespaces", "9")],
            Some("in use"),
        );
        check(libc::EINVAL, &[], Some("no user namespaces"));
        check(libc::ENOMEM, &[], None);
    }

    #[test]
    fn outcomes_pass_through_a_pipe() {
        for stage in Stage::ALL {
            let outcome = Err(stage.failed()(Errno::EPERM));
            let report = NamespaceError::report(outcome);
            assert_eq!(NamespaceError::from_report(&report), Some(outcome));
        }
        let fine = NamespaceError::report(Ok(()));
        assert_eq!(NamespaceError::from_report(&fine), Some(Ok(())));
        assert_eq!(NamespaceError::from_report(b""), None);
        assert_eq!(NamespaceError::from_report(&[9, 0, 0, 0, 0]), None);
    }
}
