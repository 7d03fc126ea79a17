//! What the server costs: its processor time, its memory, its descriptors.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::dial::Dialler;
use super::kernel;

/// The processes of a server. Those that they start are found when they are looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    pids: Vec<u32>,
}

/// What the processes of a server had used at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Processor time, in nanoseconds.
    pub(super) cpu_ns: u64,
    /// Time that its threads were ready to run and had no processor, in nanoseconds.
    pub(super) starved_ns: u64,
    /// Memory that is resident.
    pub(super) rss_bytes: u64,
    /// Open descriptors.
    pub(super) fds: u64,
}

/// What a tick of utime and stime is worth, in nanoseconds: USER_HZ is 100 (proc_pid_stat(5)).
const TICK_NS: u64 = 10_000_000;

impl Server {
    /// The processes that were named.
    pub(super) fn of(pids: Vec<u32>) -> Self {
        Self { pids }
    }

    /// The processes that hold the socket that a dialler would reach, as far as we may look.
    pub(super) fn holding(dialler: &Dialler) -> Self {
        let Some(inodes) = listening(dialler).filter(|inodes| !inodes.is_empty()) else {
            return Self::default();
        };
        let links: Vec<String> = inodes
            .iter()
            .map(|inode| format!("socket:[{inode}]"))
            .collect();
        let holds = |pid: &u32| {
            let Ok(fds) = fs::read_dir(format!("/proc/{pid}/fd")) else {
                return false;
            };
            fds.flatten().any(|fd| {
                fs::read_link(fd.path())
                    .is_ok_and(|link| links.iter().any(|wanted| link == Path::new(wanted)))
            })
        };
        Self {
            pids: pids().into_iter().filter(holds).collect(),
        }
    }

    pub(super) fn is_known(&self) -> bool {
        !self.pids.is_empty()
    }

    /// What it and its descendants have used until now; nothing if none of them is there.
    pub(super) fn usage(&self) -> Option<Usage> {
        let mut usage = Usage::default();
        let mut seen = false;
        for pid in self.family() {
            let Ok(cpu_ns) = kernel::cpu_time(pid) else {
                continue;
            };
            seen = true;
            // A child's time moves here when it has ended and was waited for.
            let waited = Stat::of(pid).map_or(0, |stat| stat.waited_ticks);
            usage.cpu_ns += cpu_ns + waited * TICK_NS;
            usage.starved_ns += starved(pid);
            usage.rss_bytes += rss(pid).unwrap_or(0);
            usage.fds +=
                fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |fds| fds.count() as u64);
        }
        seen.then_some(usage)
    }

    /// The processes and all that descend from them.
    fn family(&self) -> BTreeSet<u32> {
        let mut family: BTreeSet<u32> = self.pids.iter().copied().collect();
        if family.is_empty() {
            return family;
        }
        let parents: Vec<(u32, u32)> = pids()
            .into_iter()
            .filter_map(|pid| Some((pid, Stat::of(pid)?.parent)))
            .collect();
        loop {
            let before = family.len();
            family.extend(
                parents
                    .iter()
                    .filter(|(_, parent)| family.contains(parent))
                    .map(|(pid, _)| *pid)
                    .collect::<Vec<_>>(),
            );
            if family.len() == before {
                return family;
            }
        }
    }
}

/// All process numbers.
fn pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return vec![];
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// What /proc/PID/stat says that we need.
struct Stat {
    parent: u32,
    /// Processor time of children that ended and were waited for.
    waited_ticks: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        Self::read(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name in parentheses may hold anything, so fields count from the last one of them:
    /// state, ppid, …, cutime and cstime as fields 16 and 17 (proc_pid_stat(5)).
    fn read(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            parent: number(4)? as u32,
            waited_ticks: number(16)? + number(17)?,
        })
    }
}

/// How long the threads of a process waited for a processor: the second figure of each thread's
/// schedstat (Documentation/scheduler/sched-stats.rst). None waited if the kernel doesn't count it.
fn starved(pid: u32) -> u64 {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return 0;
    };
    let of = |thread: fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()
    };
    threads.flatten().filter_map(of).sum()
}

/// Resident memory. The roll-up is exact; where we may not read it, the counter in status is near.
fn rss(pid: u32) -> Option<u64> {
    let read = |file, name| {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
        kib_field(&text, name)
    };
    read("smaps_rollup", "Rss:").or_else(|| read("status", "VmRSS:"))
}

/// The value in bytes of a line `name   N kB`.
fn kib_field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(
        line.trim()
            .strip_suffix(" kB")?
            .trim()
            .parse::<u64>()
            .ok()?
            * 1024,
    )
}

/// Memory that the kernel holds in small objects (sockets, files, their names, epoll's entries).
pub(super) fn kernel_memory() -> Option<u64> {
    kib_field(&fs::read_to_string("/proc/meminfo").ok()?, "Slab:")
}

/// The inodes of the sockets that listen where a dialler would connect.
fn listening(dialler: &Dialler) -> Option<Vec<u64>> {
    if let Some(name) = dialler.unix_name() {
        return Some(unix_inodes(&fs::read("/proc/net/unix").ok()?, &name));
    }
    let port = dialler.local_port()?;
    let tables = if dialler.is_tcp() {
        ["tcp", "tcp6"]
    } else {
        ["udp", "udp6"]
    };
    let state = if dialler.is_tcp() {
        LISTEN
    } else {
        UNCONNECTED
    };
    let read = |table| fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
    Some(
        tables
            .iter()
            .flat_map(|table| inet_inodes(&read(table), port, state))
            .collect(),
    )
}

/// TCP_LISTEN (include/net/tcp_states.h).
const LISTEN: &str = "0A";
/// TCP_CLOSE, which is what a UDP socket without a peer is in.
const UNCONNECTED: &str = "07";

/// Rows are `sl local:PORT remote:PORT st tx:rx tr:when retr uid timeout inode …`, the numbers of
/// addresses, ports and states in hexadecimal (proc_pid_net(5)).
fn inet_inodes(table: &str, port: u16, state: &str) -> Vec<u64> {
    let row = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (_, local) = fields.get(1)?.rsplit_once(':')?;
        let here = u16::from_str_radix(local, 16).ok()? == port && *fields.get(3)? == state;
        here.then(|| fields.get(9)?.parse().ok()).flatten()
    };
    table.lines().skip(1).filter_map(row).collect()
}

/// Rows are `Num: RefCount Protocol Flags Type St Inode Path`; a path may hold spaces.
fn unix_inodes(table: &[u8], name: &[u8]) -> Vec<u64> {
    let row = |line: &[u8]| {
        let ahead = line.strip_suffix(name)?.strip_suffix(b" ")?;
        let mut fields = std::str::from_utf8(ahead).ok()?.split_ascii_whitespace();
        let inode = fields.nth(6)?.parse().ok();
        // More fields would be the start of a longer name.
        inode.filter(|_| fields.next().is_none())
    };
    table
        .split(|&byte| byte == b'\n')
        .skip(1)
        .filter_map(row)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_past_a_strange_name() {
        let stat = Stat::read(
            "42 (a) b (c)) S 7 42 42 0 -1 4194560 1 2 3 4 11 12 13 14 20 0 1 0 99 1000 50",
        )
        .expect("a stat line");
        assert_eq!((stat.parent, stat.waited_ticks), (7, 27));
    }

    #[test]
    fn listeners_are_found_by_port_and_state() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            \x20  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n\
            \x20  1: 0100007F:1F90 0100007F:ABCD 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1\n";
        assert_eq!(inet_inodes(table, 8080, LISTEN), [4711]);
        assert_eq!(inet_inodes(table, 8081, LISTEN), [0_u64; 0]);
    }

    #[test]
    fn unix_sockets_are_found_by_their_whole_name() {
        let table = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 815 /run/my sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 816\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 817 @abstract\n";
        assert_eq!(unix_inodes(table, b"/run/my sock"), [815]);
        assert_eq!(unix_inodes(table, b"@abstract"), [817]);
        assert_eq!(unix_inodes(table, b"sock"), [0_u64; 0]);
    }

    #[test]
    fn our_own_usage_can_be_seen() {
        let usage = Server::of(vec![std::process::id()])
            .usage()
            .expect("we are running");
        assert!(
            usage.cpu_ns > 0 && usage.rss_bytes > 0 && usage.fds > 2,
            "{usage:?}"
        );
        assert_eq!(Server::default().usage(), None);
    }

    #[tokio::test]
    async fn the_holder_of_a_port_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let endpoint = listener.local_addr().expect("is bound").to_string();
        let endpoint = endpoint.parse().expect("HOST:PORT is an endpoint");
        let net = sockeye_net::Net::new(sockeye_trace::Recorder::new());
        let dialler = Dialler::new(&net, endpoint).await.expect("it is TCP");
        assert!(Server::holding(&dialler).pids.contains(&std::process::id()));
    }
}
