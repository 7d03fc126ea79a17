//! Who holds an address that could not be bound.
//!
//! Asked only after `EADDRINUSE`, so it may take the tens of milliseconds that looking into every
//! process costs.

mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use table::{ESTABLISHED, InetSocket, LISTEN, TIME_WAIT};

use crate::endpoint::{UnixName, shown};
use crate::name::Name;

/// Who holds an address, printed as one line: `held by python3 (pid 4711)`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Holder {
    /// A program.
    Program {
        /// Its name, as in ps(1).
        name: String,
        /// Its process, the first of those that share the socket.
        pid: u32,
        /// How many other processes have the same socket.
        others: usize,
        /// Whether it listens there, or receives datagrams; otherwise it has connections there.
        listens: bool,
    },
    /// A program that we may not look at.
    Hidden {
        /// The user it runs as, where the kernel tells.
        uid: Option<u32>,
    },
    /// Connections that are over, and guard the port against stray segments (RFC 9293 §3.6.1).
    TimeWait {
        /// How many.
        count: usize,
        /// How long the last of them stays.
        longest: Duration,
    },
    /// Connections that no program holds any more and that are not over yet.
    Closing {
        /// How many.
        count: usize,
    },
}

impl Holder {
    /// Looks for who holds the address of this socket; nothing where the kernel shows nobody: a
    /// socket that is bound and neither listens nor is connected is in none of its tables.
    pub fn find(name: &Name) -> Option<Self> {
        match name {
            Name::Tcp(address) | Name::Tls(address) => inet(*address, ["tcp", "tcp6"]),
            Name::Ws(name) => inet(name.address, ["tcp", "tcp6"]),
            Name::Udp(address) | Name::Quic(address) => inet(*address, ["udp", "udp6"]),
            Name::Unix {
                name: Some(name), ..
            } => unix(name),
            _ => None,
        }
    }
}

/// The table of the thread's own network namespace.
fn table_of(table: &str) -> Vec<u8> {
    fs::read(format!("/proc/thread-self/net/{table}")).unwrap_or_default()
}

fn inet(wanted: SocketAddr, tables: [&str; 2]) -> Option<Holder> {
    let is_tcp = tables[0] == "tcp";
    let tables = tables.map(|table| String::from_utf8_lossy(&table_of(table)).into_owned());
    let sockets: Vec<InetSocket> = tables
        .iter()
        .flat_map(|table| table::inet_sockets(table))
        .filter(|socket| is_conflict(wanted, socket.local))
        .collect();
    // UDP sockets carry the numbers of TCP's states, 7 unconnected and 1 connected.
    let listens = |socket: &InetSocket| !is_tcp || socket.state == LISTEN;
    let held = sockets.iter().filter(|socket| socket.inode != 0);
    let is_exact = |socket: &InetSocket| socket.local.is_ipv4() == wanted.is_ipv4();
    let holder = held.max_by_key(|socket| {
        (
            listens(socket),
            is_exact(socket),
            socket.state == ESTABLISHED,
        )
    });
    if let Some(socket) = holder {
        let seen = program(socket.inode, listens(socket));
        return Some(seen.unwrap_or(Holder::Hidden {
            uid: Some(socket.uid),
        }));
    }
    let (over, closing): (Vec<_>, Vec<_>) =
        sockets.iter().partition(|socket| socket.state == TIME_WAIT);
    if let Some(longest) = over.iter().map(|socket| socket.timer).max() {
        return Some(Holder::TimeWait {
            count: over.len(),
            longest,
        });
    }
    (!closing.is_empty()).then_some(Holder::Closing {
        count: closing.len(),
    })
}

/// Whether two sockets cannot both have their address: the same port, and one address or any.
fn is_conflict(wanted: SocketAddr, held: SocketAddr) -> bool {
    let (a, b) = (wanted.ip().to_canonical(), held.ip().to_canonical());
    let is_any_v6 = |ip: IpAddr| ip.is_ipv6() && ip.is_unspecified();
    let overlap = a == b
        || (a.is_ipv4() == b.is_ipv4() && (a.is_unspecified() || b.is_unspecified()))
        // A dual-stack socket takes IPv4 too; whether it is one, the table does not say.
        || is_any_v6(a)
        || is_any_v6(b);
    wanted.port() == held.port() && overlap
}

fn unix(name: &UnixName) -> Option<Holder> {
    let (wanted, path) = match name {
        // As the kernel prints it.
        UnixName::Abstract(name) => {
            let shown = name
                .iter()
                .map(|byte| if *byte == 0 { b'@' } else { *byte });
            (
                std::iter::once(b'@').chain(shown).collect::<Vec<u8>>(),
                None,
            )
        }
        UnixName::Path(path) => (
            path.as_os_str().as_bytes().to_vec(),
            fs::canonicalize(path).ok(),
        ),
    };
    let table = table_of("unix");
    let mut sockets: Vec<_> = table::unix_sockets(&table).collect();
    // What was accepted has the listener's name; the listener itself is the one to name.
    sockets.sort_by_key(|socket| !socket.accepting);
    let holder = sockets.iter().find(|socket| {
        socket.name == wanted || path.as_deref().is_some_and(|path| is_file(socket, path))
    })?;
    Some(program(holder.inode, true).unwrap_or(Holder::Hidden { uid: None }))
}

/// Whether the socket was bound to the file at `path`, which it may have called otherwise: by a
/// relative path, or through a link.
fn is_file(socket: &table::UnixSocket, path: &Path) -> bool {
    let bound = PathBuf::from(std::ffi::OsString::from_vec(socket.name.clone()));
    if socket.name.starts_with(b"@") || bound.file_name() != path.file_name() {
        return false;
    }
    if bound.is_absolute() {
        return fs::canonicalize(bound).is_ok_and(|bound| bound == path);
    }
    processes_with(socket.inode).iter().any(|pid| {
        fs::canonicalize(format!("/proc/{pid}/cwd"))
            .and_then(|cwd| fs::canonicalize(cwd.join(&bound)))
            .is_ok_and(|bound| bound == path)
    })
}

/// The program that has this socket open; nothing if it is not ours to see.
fn program(inode: u64, listens: bool) -> Option<Holder> {
    let pids = processes_with(inode);
    let pid = *pids.first()?;
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    let name = shown(String::from_utf8_lossy(&name).trim_end());
    Some(Holder::Program {
        name,
        pid,
        others: pids.len() - 1,
        listens,
    })
}

/// The processes that have this socket open, by ascending pid, as far as we may look.
fn processes_with(inode: u64) -> Vec<u32> {
    let link = format!("socket:[{inode}]");
    let Ok(processes) = fs::read_dir("/proc") else {
        return vec![];
    };
    let mut pids: Vec<u32> = processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| has_open(*pid, &link))
        .collect();
    pids.sort_unstable();
    pids
}

fn has_open(pid: u32, link: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    descriptors
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .any(|target| target.as_os_str() == link)
}

impl fmt::Display for Holder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program { pid, .. } if *pid == std::process::id() => {
                write!(out, "held by this program itself (pid {pid})")
            }
            Self::Program {
                name,
                pid,
                others,
                listens,
            } => {
                let role = if *listens { "" } else { "a connection of " };
                write!(out, "held by {role}{name} (pid {pid}")?;
                if *others > 0 {
                    write!(out, " and {others} more")?;
                }
                out.write_str(")")
            }
            Self::Hidden { uid: Some(uid) } => {
                write!(
                    out,
                    "held by a program of uid {uid} that we may not look at"
                )
            }
            Self::Hidden { uid: None } => {
                out.write_str("held by a program that we may not look at")
            }
            Self::TimeWait { count, longest } => {
                let s = if *count == 1 { "" } else { "s" };
                // A started second counts: whoever waits as long as we say must succeed.
                let seconds = longest.as_millis().div_ceil(1000);
                write!(
                    out,
                    "{count} connection{s} in TIME_WAIT, the last for {seconds} s more"
                )
            }
            Self::Closing { count } => {
                let s = if *count == 1 { "" } else { "s" };
                write!(
                    out,
                    "{count} connection{s} of an ended program, still closing"
                )
            }
        }
    }
}
