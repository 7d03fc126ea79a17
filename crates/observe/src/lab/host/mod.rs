//! A host: a network namespace, and a thread in it that does what is asked of it there.

mod counters;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc;
use std::thread::JoinHandle;

use nix::sched::{CloneFlags, unshare};

use super::Host;
use super::error::{LabError, kernel};
use crate::sockets::{Diag, Part, Query, Socket};

/// The network of one host. Sockets, settings and programs are in it if the thread that made them was.
///
/// What is asked is answered one after the other; any thread may ask.
pub struct HostNetwork {
    host: Host,
    namespace: OwnedFd,
    /// None once it is to end.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// Something that is done in the host's network.
type Job = Box<dyn FnOnce(&mut Inside) + Send>;

/// What the thread keeps.
#[derive(Default)]
struct Inside {
    /// Opened when it is first needed.
    diag: Option<Diag>,
}

impl HostNetwork {
    /// A new network with nothing in it but a loopback device, which is down.
    pub(super) fn make(host: Host) -> Result<Self, LabError> {
        let (told, tell) = (mpsc::sync_channel(1), mpsc::channel::<Job>());
        let (made, jobs) = (told.0, tell.1);
        let thread = std::thread::Builder::new()
            .name(name(host).into())
            .spawn(move || {
                let namespace = enter();
                let is_in = namespace.is_ok();
                let _ = made.send(namespace);
                let mut inside = Inside::default();
                while let (true, Ok(job)) = (is_in, jobs.recv()) {
                    job(&mut inside);
                }
            })
            .map_err(kernel("start a thread for a host"))?;
        let namespace = told.1.recv().map_err(|_| LabError::Ended(name(host)))??;
        Ok(Self {
            host,
            namespace,
            jobs: Some(tell.0),
            thread: Some(thread),
        })
    }

    /// Which of the two it is.
    pub fn host(&self) -> Host {
        self.host
    }

    /// Its namespace, for setns(2): what a program is started in.
    pub fn network(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }

    /// Does something in a thread of this host and gives back what came of it. Programs that are
    /// started there are in this host's network.
    ///
    /// - **Errors:** [`LabError::Ended`] if that panicked.
    pub fn inside<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, LabError> {
        self.ask(|_| job())
    }

    /// Its TCP and UDP sockets, with buffers and what TCP knows.
    pub fn sockets(&self) -> Result<Vec<Socket>, LabError> {
        self.ask(|inside| {
            let diag = match &mut inside.diag {
                Some(diag) => diag,
                none => none.insert(Diag::open()?),
            };
            let table = diag.list(&Query {
                parts: vec![Part::Tcp4, Part::Tcp6, Part::Udp4, Part::Udp6],
                ..Query::default()
            });
            // A kernel without IPv6 has no sockets of it.
            let missing = table
                .missing
                .into_iter()
                .find(|missing| matches!(missing.part, Part::Tcp4 | Part::Udp4));
            match missing {
                Some(missing) => Err(missing.why.into()),
                None => Ok(table.sockets),
            }
        })?
    }

    /// What its kernel has counted, by the names of nstat(8) with their group: `Tcp.RetransSegs`,
    /// `TcpExt.ListenOverflows`.
    pub fn counters(&self) -> Result<BTreeMap<String, i64>, LabError> {
        self.ask(|_| counters::read())?
            .map_err(kernel("read what a host has counted"))
    }

    /// Sets a setting of its kernel by its whole name: `net.ipv4.tcp_syncookies`.
    pub fn sysctl(&self, name: &str, value: &str) -> Result<(), LabError> {
        let path = path_of(name)?;
        let content = value.to_owned();
        self.ask(move |_| fs::write(path, content))?
            .map_err(|source| LabError::Setting {
                name: name.into(),
                value: value.into(),
                source,
            })
    }

    fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Inside) -> T + Send + 'static,
    ) -> Result<T, LabError> {
        let (answer, answered) = mpsc::sync_channel(1);
        let job: Job = Box::new(move |inside| {
            let _ = answer.send(job(inside));
        });
        let jobs = self.jobs.as_ref().ok_or(LabError::Ended(name(self.host)))?;
        let asked = jobs.send(job).ok().and_then(|()| answered.recv().ok());
        asked.ok_or(LabError::Ended(name(self.host)))
    }
}

impl Drop for HostNetwork {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It panicked in a job, which was told to whoever asked for that.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for HostNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostNetwork")
            .field("host", &self.host)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

const fn name(host: Host) -> &'static str {
    match host {
        Host::Client => "client's host",
        Host::Server => "server's host",
    }
}

/// Moves this thread into a network of its own.
fn enter() -> Result<OwnedFd, LabError> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(kernel("make a network for a host"))?;
    let namespace =
        File::open("/proc/thread-self/ns/net").map_err(kernel("refer to a host's network"))?;
    Ok(namespace.into())
}

/// The file of a setting. Only those of networks: whatever else there is belongs to the machine.
fn path_of(name: &str) -> Result<String, LabError> {
    let plain = |word: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        !word.is_empty() && word.bytes().all(known)
    };
    if !name.starts_with("net.") || !name.split('.').all(plain) {
        return Err(LabError::ForeignSetting(name.into()));
    }
    Ok(format!("/proc/sys/{}", name.replace('.', "/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settings_of_networks_have_a_file() {
        let path = path_of("net.ipv4.tcp_syncookies").unwrap();
        assert_eq!(path, "/proc/sys/net/ipv4/tcp_syncookies");
        for foreign in [
            "kernel.panic",
            "net",
            "net.",
            "net..x",
            "net.../x",
            "net.a/b",
        ] {
            let error = path_of(foreign).unwrap_err();
            assert!(matches!(error, LabError::ForeignSetting(_)), "{foreign}");
        }
    }
}
