//! Both hosts on the loopback device of this machine: for where namespaces are barred.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use sockeye_trace::Address;

use crate::lab::Host;
use crate::lab::director::Kernel;
use crate::sockets::{Diag, Part, Query, Socket};

/// Two addresses of the loopback device. All of 127.0.0.0/8 is there (RFC 1122, 3.2.1.3): the
/// server's is one that no other lab and hardly any other program uses, so that its ports are free and
/// its connections are told from others.
#[derive(Debug)]
pub(super) struct Loopback {
    server: Ipv4Addr,
    /// The actors' processes, the client's first; 0 before they are there.
    actors: [AtomicU32; 2],
    diag: Mutex<Option<Diag>>,
}

/// What a connecting program has there unless it asks for another.
const CLIENT: Ipv4Addr = Ipv4Addr::LOCALHOST;

impl Loopback {
    pub(super) fn new() -> Self {
        let [_, _, high, low] = std::process::id().to_be_bytes();
        Self {
            server: Ipv4Addr::new(127, 64 | (high & 63), low, 2),
            actors: [AtomicU32::new(0), AtomicU32::new(0)],
            diag: Mutex::new(None),
        }
    }

    pub(super) fn address(&self, host: Host) -> Ipv4Addr {
        match host {
            Host::Client => CLIENT,
            Host::Server => self.server,
        }
    }

    /// What an actor's process is: sockets without a connection are known by whose they are.
    pub(super) fn know(&self, host: Host, process: u32) {
        let [client, server] = &self.actors;
        let of = match host {
            Host::Client => client,
            Host::Server => server,
        };
        of.store(process, Ordering::SeqCst);
    }

    /// One of the hosts.
    pub(super) fn host(&self, host: Host) -> LoopbackHost<'_> {
        LoopbackHost {
            loopback: self,
            host,
        }
    }
}

/// What can be asked of a host that is no machine of its own.
#[derive(Debug)]
pub(super) struct LoopbackHost<'a> {
    loopback: &'a Loopback,
    host: Host,
}

impl Kernel for LoopbackHost<'_> {
    fn sockets(&self) -> Result<Vec<Socket>, String> {
        let mut kept = self
            .loopback
            .diag
            .lock()
            .map_err(|_| "a look at the sockets has failed before".to_owned())?;
        let diag = match &mut *kept {
            Some(diag) => diag,
            none => none.insert(Diag::open().map_err(|why| why.to_string())?),
        };
        let table = diag.list(&Query {
            parts: vec![Part::Tcp4, Part::Udp4],
            ..Query::default()
        });
        let [client, server] = &self.loopback.actors;
        let process = match self.host {
            Host::Client => client,
            Host::Server => server,
        };
        let held = inodes(process.load(Ordering::SeqCst));
        let mut sockets = table.sockets;
        sockets.retain(|socket| self.has(socket, &held));
        Ok(sockets)
    }

    fn counters(&self) -> Result<BTreeMap<String, i64>, String> {
        // They count for all programs of this machine.
        Ok(BTreeMap::new())
    }

    fn sysctl(&self, name: &str, _value: &str) -> Result<(), String> {
        Err(format!(
            "{name} is a setting of this machine, which no lab changes: namespaces are barred"
        ))
    }
}

impl LoopbackHost<'_> {
    fn has(&self, socket: &Socket, held: &HashSet<u32>) -> bool {
        let server = IpAddr::from(self.loopback.server);
        let is = |address: &Address| matches!(address, Address::Ip(it) if it.ip() == server);
        if socket.inode != 0 && held.contains(&socket.inode) {
            return true;
        }
        // What no program holds any more: TIME-WAIT, or bytes that are still on their way.
        match self.host {
            Host::Client => socket.inode == 0 && is(&socket.remote),
            Host::Server => is(&socket.local),
        }
    }
}

/// The sockets that a process holds, by inode: `socket:[4711]` in its folder of descriptors, proc(5).
fn inodes(process: u32) -> HashSet<u32> {
    let entries = fs::read_dir(format!("/proc/{process}/fd"));
    let links = entries.into_iter().flatten().flatten();
    let links = links.filter_map(|entry| fs::read_link(entry.path()).ok());
    links
        .filter_map(|link| {
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            inode.parse().ok()
        })
        .collect()
}
