//! The process group of a command: signals, its end, and that nothing of it stays behind.

use std::io;
use std::os::fd::OwnedFd;
use std::process::ExitStatus;

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process_group, test_kill_process_group, waitid,
};
use tokio::io::unix::AsyncFd;
use tokio::process::Child;
use tokio::time::Instant;

use super::super::SignalName;
use super::KILLED_AFTER;
use super::events::Record;
use super::spawn::watch_exit;

/// A command and its process group. Dropping it hangs the group up and kills what is left of it
/// [`KILLED_AFTER`] later.
///
/// The command is not reaped before its group was seen to: until then nobody else can get its number.
pub(super) struct Group {
    /// Gone once it was reaped, or handed to whoever sees to its end.
    child: Option<Child>,
    pid: Pid,
    exited: AsyncFd<OwnedFd>,
    /// Gone once the end was recorded.
    record: Option<Record>,
}

impl Group {
    /// Takes over a command that was just started as the leader of its group.
    pub(super) fn new(child: Child, record: Record) -> io::Result<Self> {
        let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let pid = pid.ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))?;
        match watch_exit(pid) {
            Ok(exited) => Ok(Self {
                child: Some(child),
                pid,
                exited,
                record: Some(record),
            }),
            Err(error) => {
                signal(pid, Signal::KILL);
                Err(error)
            }
        }
    }

    /// Its number, which is that of the command too.
    pub(super) fn id(&self) -> u32 {
        self.pid.as_raw_pid().cast_unsigned()
    }

    /// Records that it runs.
    pub(super) fn started(&self) {
        if let Some(record) = &self.record {
            record.started(self.id());
        }
    }

    pub(super) fn signal(&self, name: SignalName) {
        signal(self.pid, number(name));
    }

    pub(super) fn kill(&self) {
        signal(self.pid, Signal::KILL);
    }

    /// Whether anybody in the group has not ended yet. Looks through all processes (proc_pid_stat(5):
    /// state, parent, group), so it is for the rare case in which that is not known otherwise.
    pub(super) fn has_living(&self) -> bool {
        let group = self.pid.as_raw_pid().to_string();
        let Ok(processes) = std::fs::read_dir("/proc") else {
            return false;
        };
        processes.flatten().any(|process| {
            let stat = std::fs::read_to_string(process.path().join("stat")).unwrap_or_default();
            let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
            let ended = fields
                .next()
                .is_none_or(|state| ["Z", "X", ""].contains(&state));
            !ended && fields.nth(1) == Some(&*group)
        })
    }

    /// Waits until the command itself has ended; it is not reaped by that.
    pub(super) async fn exited(&self) -> io::Result<()> {
        loop {
            let mut ready = self.exited.readable().await?;
            let found = waitid(
                WaitId::Pid(self.pid),
                WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG,
            )?;
            if found.is_some() {
                return Ok(());
            }
            ready.clear_ready();
        }
    }

    /// The command has ended: ends what it left in its group, and reaps it.
    pub(super) async fn finish(mut self) -> io::Result<(ExitStatus, Record)> {
        let gone = || io::Error::from_raw_os_error(libc::ESRCH);
        let mut doomed = self.doom().ok_or_else(gone)?;
        let record = self.record.take().ok_or_else(gone)?;
        let status = doomed.reap().await?;
        if doomed.is_left() {
            tokio::spawn(doomed.killed_in_time());
        }
        Ok((status, record))
    }

    /// Hangs the group up. Nothing is left to be done if it was handed over before.
    fn doom(&mut self) -> Option<Doomed> {
        let child = self.child.take()?;
        signal(self.pid, Signal::HUP);
        // What is stopped hears nothing else.
        signal(self.pid, Signal::CONT);
        Some(Doomed {
            child: Some(child),
            group: self.pid,
            deadline: Instant::now() + KILLED_AFTER,
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(doomed) = self.doom() else {
            return;
        };
        let record = self.record.take();
        // Without a runtime it is killed at once.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(doomed.abandoned(record));
        }
    }
}

/// A group that was hung up. Dropping it kills whoever is left of it, and the end of the runtime
/// drops it.
struct Doomed {
    /// Gone once it was reaped.
    child: Option<Child>,
    group: Pid,
    deadline: Instant,
}

impl Doomed {
    /// Waits for the command itself and reaps it.
    async fn reap(&mut self) -> io::Result<ExitStatus> {
        let Some(child) = &mut self.child else {
            return Err(io::Error::from_raw_os_error(libc::ECHILD));
        };
        let status = child.wait().await?;
        self.child = None;
        Ok(status)
    }

    /// Whether anybody is left. Who is keeps the number from being given to others.
    fn is_left(&self) -> bool {
        self.child.is_some() || test_kill_process_group(self.group).is_ok()
    }

    /// Waits for the deadline, and kills by being dropped.
    async fn killed_in_time(self) {
        tokio::time::sleep_until(self.deadline).await;
    }

    /// Sees to the end of a command that nobody waits for.
    async fn abandoned(mut self, record: Option<Record>) {
        let deadline = self.deadline;
        let mut status = tokio::time::timeout_at(deadline, self.reap()).await.ok();
        if self.is_left() {
            tokio::time::sleep_until(deadline).await;
            signal(self.group, Signal::KILL);
        }
        if self.child.is_some() {
            status = Some(self.reap().await);
        }
        if let (Some(Ok(status)), Some(record)) = (status, record) {
            record.abandoned(status);
        }
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        if self.is_left() {
            signal(self.group, Signal::KILL);
        }
    }
}

/// It fails only where nobody is left to hear it.
fn signal(group: Pid, signal: Signal) {
    let _ = kill_process_group(group, signal);
}

fn number(name: SignalName) -> Signal {
    match name {
        SignalName::Hup => Signal::HUP,
        SignalName::Int => Signal::INT,
        SignalName::Quit => Signal::QUIT,
        SignalName::Term => Signal::TERM,
        SignalName::Kill => Signal::KILL,
        SignalName::Usr1 => Signal::USR1,
        SignalName::Usr2 => Signal::USR2,
        SignalName::Stop => Signal::STOP,
        SignalName::Tstp => Signal::TSTP,
        SignalName::Cont => Signal::CONT,
    }
}
