//! Asking for sockets.

use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::thread::{self, available_parallelism};

use nix::sched::{CloneFlags, setns};
use sockeye_trace::{Address, TcpState};

use super::netlink::{Netlink, SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK, Told};
use super::query::{Part, Query, States};
use super::{DiagError, Socket, inet, packet, procfs, unix};

/// How often a table that changed while it was read is read again before what came is taken.
const TRIES: usize = 3;

/// From how many TCP sockets on two threads ask for them: below, a thread costs more than it saves.
const MANY: usize = 4_000;

/// A kept way to ask the kernel about sockets.
#[derive(Debug)]
pub struct Diag {
    netlink: Netlink,
    body: Vec<u8>,
}

/// What the kernel told.
#[derive(Debug, Default)]
pub struct Table {
    /// The sockets, part by part, within a part as the kernel has them.
    pub sockets: Vec<Socket>,
    /// What it told nothing about.
    pub missing: Vec<Missing>,
    /// Parts that changed while they were read, every time: something may be missing or double.
    pub interrupted: Vec<Part>,
}

/// A part that the kernel told nothing about, and why: mostly that it was built without.
#[derive(Debug)]
pub struct Missing {
    /// Which.
    pub part: Part,
    /// Why.
    pub why: DiagError,
}

impl Diag {
    /// Opens a netlink socket in the network namespace of this thread; needs no privilege.
    pub fn open() -> Result<Self, DiagError> {
        Ok(Self {
            netlink: Netlink::open()?,
            body: Vec::with_capacity(128),
        })
    }

    /// The same for another network namespace, which the descriptor leads to: a socket belongs for ever to
    /// the one in which it was made. Needs `CAP_SYS_ADMIN` over it.
    pub fn open_in(network: BorrowedFd<'_>) -> Result<Self, DiagError> {
        // A thread of its own goes there, so that whatever fails this one is where it was.
        let opened = thread::scope(|scope| {
            let there = scope.spawn(|| {
                setns(network, CloneFlags::CLONE_NEWNET)
                    .map_err(|errno| DiagError::Open(errno.into()))?;
                Self::open()
            });
            there.join()
        });
        opened.unwrap_or_else(|_| Err(DiagError::Open(io::ErrorKind::Other.into())))
    }

    /// All sockets that a query asks for.
    ///
    /// What the kernel was built to tell only in /proc/net comes from there, without cookie, memory and
    /// details.
    ///
    /// - **Errors:** none: a part that cannot be read is in [`Table::missing`].
    pub fn list(&mut self, query: &Query) -> Table {
        let mut table = Table::default();
        let has = |part| query.parts.contains(&part);
        let is_joined = has(Part::Tcp4) && has(Part::Tcp6) && self.both_tcp(query, &mut table);
        let has_mptcp = (has(Part::Mptcp4) || has(Part::Mptcp6)) && procfs::has_mptcp();
        for part in &query.parts {
            match part {
                Part::Tcp4 | Part::Tcp6 if is_joined => continue,
                Part::Mptcp4 | Part::Mptcp6 if !has_mptcp => continue,
                _ => {}
            }
            match self.part(*part, query, &mut table.sockets) {
                Ok(Told::Whole) => {}
                Ok(Told::Interrupted) => table.interrupted.push(*part),
                // MPTCP is an option of TCP's: a kernel without it has no such sockets.
                Err(_) if matches!(part, Part::Mptcp4 | Part::Mptcp6) => {}
                Err(_) if from_procfs(*part, query, &mut table.sockets) => {}
                Err(why) => table.missing.push(Missing { part: *part, why }),
            }
        }
        table
    }

    /// The TCP socket that has these two addresses, with everything about it; nothing if there is
    /// none. IPv4 addresses also find an IPv6 socket that talks IPv4.
    ///
    /// - **Cost:** about 10 µs, one question and one answer.
    /// - **Source:** `inet_diag_find_one_icsk`, net/ipv4/inet_diag.c. It falls back to a listener,
    ///   which is not what was asked for: that is told as nothing.
    pub fn tcp(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Result<Option<Socket>, DiagError> {
        self.body.clear();
        inet::request_one(local, remote, &mut self.body);
        let mut found = None;
        let asked = self.netlink.get(&self.body, |answer| {
            found = inet::read(Part::Tcp4, answer);
        });
        match asked {
            Ok(()) => {}
            Err(error) if error.errno() == Some(libc::ENOENT) => return Ok(None),
            Err(error) => return Err(error),
        }
        let wanted = Address::ip(remote);
        Ok(found.filter(|socket| {
            socket.state != TcpState::Listen && socket.remote.port() == wanted.port()
        }))
    }

    /// The Unix socket with this inode; nothing if there is none.
    ///
    /// - **Source:** `unix_diag_get_exact`, net/unix/diag.c.
    pub fn unix(&mut self, inode: u32) -> Result<Option<Socket>, DiagError> {
        self.body.clear();
        unix::request_one(inode, &mut self.body);
        let mut found = None;
        let asked = self
            .netlink
            .get(&self.body, |answer| found = unix::read(answer));
        match asked {
            Err(error) if error.errno() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
            Ok(()) => Ok(found),
        }
    }

    /// Whether TCP of both families could be asked for at once, and is in the table now.
    fn both_tcp(&mut self, query: &Query, table: &mut Table) -> bool {
        let sockets = &mut table.sockets;
        let told = if procfs::tcp_sockets() >= MANY
            && available_parallelism().is_ok_and(|count| count.get() > 1)
        {
            self.tcp_in_halves(query, sockets)
        } else {
            tcp_dump(&mut self.netlink, query, None, sockets)
        };
        // Where it does not work, or changed meanwhile, each family is asked for by itself.
        let is_whole = matches!(told, Ok(Told::Whole));
        if !is_whole {
            sockets.clear();
        }
        is_whole
    }

    /// Nearly all of the time is the kernel's, and it answers two at once.
    fn tcp_in_halves(
        &mut self,
        query: &Query,
        sockets: &mut Vec<Socket>,
    ) -> Result<Told, DiagError> {
        let middle = procfs::middle_port();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let mut sockets = Vec::new();
                let half = Some((inet::Half::Apart, middle));
                let told = tcp_dump(&mut Netlink::open()?, query, half, &mut sockets)?;
                Ok((told, sockets))
            });
            let half = Some((inet::Half::Together, middle));
            let mine = tcp_dump(&mut self.netlink, query, half, sockets);
            let (theirs, mut rest) = other.join().unwrap_or(Err(DiagError::Answer))?;
            sockets.append(&mut rest);
            Ok(if theirs == Told::Interrupted {
                theirs
            } else {
                mine?
            })
        })
    }

    fn part(
        &mut self,
        part: Part,
        query: &Query,
        sockets: &mut Vec<Socket>,
    ) -> Result<Told, DiagError> {
        let before = sockets.len();
        let mut told = Told::Whole;
        for _ in 0..TRIES {
            sockets.truncate(before);
            told = self.once(part, query, sockets)?;
            if told == Told::Whole {
                break;
            }
        }
        Ok(told)
    }

    fn once(
        &mut self,
        part: Part,
        query: &Query,
        sockets: &mut Vec<Socket>,
    ) -> Result<Told, DiagError> {
        self.body.clear();
        let (states, body) = (query.states, &mut self.body);
        match part {
            Part::Unix => unix::request(states.bits(), query.memory, body),
            Part::Packet if !states.has(TcpState::Close) => return Ok(Told::Whole),
            Part::Packet => packet::request(body),
            part => inet::request(part, states.bits(), query.memory, query.details, body),
        }
        self.netlink
            .dump(SOCK_DIAG_BY_FAMILY, &self.body, |answer| {
                let socket = match part {
                    Part::Unix => unix::read(answer),
                    Part::Packet => packet::read(answer),
                    part => inet::read(part, answer),
                };
                // The kernel does not look at the states of every kind of socket.
                sockets.extend(socket.filter(|socket| states_have(states, socket.state)));
            })
    }
}

/// Asks for TCP of both families, or for one half of it.
fn tcp_dump(
    netlink: &mut Netlink,
    query: &Query,
    half: Option<(inet::Half, u16)>,
    sockets: &mut Vec<Socket>,
) -> Result<Told, DiagError> {
    let mut body = Vec::with_capacity(128);
    inet::request_tcp(query.states.bits(), query.memory, query.details, &mut body);
    if let Some((half, middle)) = half {
        inet::only(half, middle, &mut body);
    }
    netlink.dump(TCPDIAG_GETSOCK, &body, |answer| {
        sockets.extend(inet::read(Part::Tcp4, answer));
    })
}

/// Whether /proc/net had what `sock_diag` has not.
fn from_procfs(part: Part, query: &Query, sockets: &mut Vec<Socket>) -> bool {
    let told = procfs::list(part, |socket| {
        if states_have(query.states, socket.state) {
            sockets.push(socket);
        }
    });
    told.is_ok()
}

/// A state that we have no name for is in every full set.
fn states_have(states: States, state: TcpState) -> bool {
    states == States::ALL || states.has(state)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Both halves have sockets of ours here, none is in both, and together they are all.
    #[test]
    fn two_halves_are_the_whole_table() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ends: Vec<_> = (0..64)
            .map(|_| {
                (
                    TcpStream::connect(address).unwrap(),
                    listener.accept().unwrap(),
                )
            })
            .collect();
        let mut ports: Vec<u16> = ends
            .iter()
            .map(|(client, _)| client.local_addr().unwrap().port())
            .collect();
        ports.sort_unstable();
        let ours = |half| {
            let mut sockets = vec![];
            let half = Some((half, ports[32]));
            let mut netlink = Netlink::open().unwrap();
            tcp_dump(&mut netlink, &Query::default(), half, &mut sockets).unwrap();
            let here = address.port();
            let ours = |socket: &&Socket| {
                socket.local.port() == Some(here) || socket.remote.port() == Some(here)
            };
            let cookies = sockets.iter().filter(ours).map(|socket| socket.cookie);
            cookies.collect::<BTreeSet<u64>>()
        };
        let (apart, together) = (ours(inet::Half::Apart), ours(inet::Half::Together));
        assert!(apart.is_disjoint(&together));
        assert_eq!(apart.len() + together.len(), 2 * 64 + 1);
        // A listener's other port is 0, so it is with either.
        assert!(
            apart.len().abs_diff(together.len()) <= 3,
            "{} {}",
            apart.len(),
            together.len()
        );
    }
}
