//! What has happened and what is there, as far as settings have to do with it.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use sockeye_trace::{Address, TcpState, Transport};

use super::{Tree, Values, Want, Why};
use crate::sockets::Socket;

/// What the kernel has counted since it started, in this network namespace, and what is there now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Sockets of both IP versions that are in TIME-WAIT.
    pub time_wait: u64,
    /// TCP sockets that no program has any more and that are not closed yet.
    pub orphans: u64,
    /// Connections that found the queue of their listener full (TcpExt `ListenOverflows`).
    pub listen_overflows: u64,
    /// First packets of connections that were thrown away, for that or another reason (`ListenDrops`).
    pub listen_drops: u64,
    /// Answers to first packets that were made as cookies (`SyncookiesSent`).
    pub syn_cookies: u64,
    /// Sockets that could not stay in TIME-WAIT (`TCPTimeWaitOverflow`).
    pub time_wait_overflows: u64,
    /// Segments of TCP that were sent again (Tcp `RetransSegs`), of all that were sent (`OutSegs`).
    pub retransmitted: u64,
    /// Segments of TCP that were sent.
    pub sent: u64,
    /// Datagrams that found no room (Udp and Udp6 `RcvbufErrors`).
    pub datagrams_lost: u64,
    /// Files that are open on this machine, and how many may be (fs.file-nr).
    pub files: Option<(u64, u64)>,
    /// What the socket table told.
    pub ports: Option<Ports>,
}

/// Ports and queues of the socket table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// How many ports the kernel gives out by itself (`ip_local_port_range`).
    pub range: u64,
    /// How many of them are taken by TCP sockets.
    pub taken: u64,
    /// The peer to which most of them are taken, and how many: what runs out runs out there.
    pub busiest: Option<(SocketAddr, u64)>,
    /// Of those: how many are only in TIME-WAIT.
    pub waiting: u64,
    /// Listeners whose backlog is `net.core.somaxconn`, which is what cuts a larger one.
    pub capped: u64,
}

impl Facts {
    /// Reads what /proc tells; the socket table is asked by whoever has it.
    pub fn read(tree: &Tree) -> Self {
        let file = |name: &str| tree.text(&format!("proc/thread-self/net/{name}"));
        let sockstat = file("sockstat").unwrap_or_default();
        let tcp = |key: &str| in_line(&sockstat, "TCP:", key);
        let netstat = paired(&file("netstat").unwrap_or_default());
        let snmp = paired(&file("snmp").unwrap_or_default());
        let udp6 = file("snmp6").unwrap_or_default();
        let udp6 = udp6
            .lines()
            .filter_map(|line| line.split_once(char::is_whitespace));
        let lost6 = udp6.filter(|(name, _)| *name == "Udp6RcvbufErrors");
        let lost6: u64 = lost6
            .filter_map(|(_, count)| count.trim().parse::<u64>().ok())
            .sum();
        let of = |from: &HashMap<String, u64>, key: &str| from.get(key).copied().unwrap_or(0);
        Self {
            time_wait: tcp("tw"),
            orphans: tcp("orphan"),
            listen_overflows: of(&netstat, "TcpExt.ListenOverflows"),
            listen_drops: of(&netstat, "TcpExt.ListenDrops"),
            syn_cookies: of(&netstat, "TcpExt.SyncookiesSent"),
            time_wait_overflows: of(&netstat, "TcpExt.TCPTimeWaitOverflow"),
            retransmitted: of(&snmp, "Tcp.RetransSegs"),
            sent: of(&snmp, "Tcp.OutSegs"),
            datagrams_lost: of(&snmp, "Udp.RcvbufErrors").saturating_add(lost6),
            files: files(tree),
            ports: None,
        }
    }

    /// What these facts want of a setting.
    pub(super) fn signs(&self, name: &str, values: &Values) -> Option<(Want, Why)> {
        let here: Option<u64> = values.get(name).and_then(|value| value.parse().ok());
        let ports = self.ports.clone().unwrap_or_default();
        // What a peer's ports are taken by: half of them is where one looks for free ones for long.
        let busiest = ports.busiest.map_or(0, |(_, taken)| taken);
        let is_short = ports.range > 0 && busiest.saturating_mul(2) >= ports.range;
        let short = Why::PortsShort {
            taken: busiest,
            of: ports.range,
        };
        match name {
            "net.core.somaxconn" if ports.capped > 0 && self.listen_overflows > 0 => {
                let why = Why::QueuesFull {
                    listeners: ports.capped,
                    overflows: self.listen_overflows,
                };
                Some((Want::AtLeast(here?.saturating_mul(2)), why))
            }
            "net.ipv4.tcp_max_tw_buckets" if self.time_wait_overflows > 0 => {
                let why = Why::TimeWaitFull(self.time_wait_overflows);
                Some((Want::AtLeast(here?.saturating_mul(2)), why))
            }
            "net.ipv4.tcp_tw_reuse" if is_short && ports.waiting > 0 => Some((Want::Is(1), short)),
            "net.ipv4.ip_local_port_range" if is_short => {
                Some((Want::Range(10_240, 65_535), short))
            }
            "net.core.rmem_max" if self.datagrams_lost > 0 => Some((
                Want::AtLeast(8 << 20),
                Why::DatagramsLost(self.datagrams_lost),
            )),
            _ => None,
        }
    }
}

impl Ports {
    /// What TCP sockets of this table take of the ports that these settings give out.
    pub fn of<'s>(sockets: impl IntoIterator<Item = &'s Socket>, values: &Values) -> Self {
        let numbers = |name: &str| -> Vec<u64> {
            let words = values.get(name).into_iter().flat_map(|it| it.split(' '));
            words.filter_map(|word| word.parse().ok()).collect()
        };
        let (low, high) = match numbers("net.ipv4.ip_local_port_range")[..] {
            [low, high] if low <= high => (low, high),
            _ => (32_768, 60_999),
        };
        let somaxconn = numbers("net.core.somaxconn").first().copied();
        let (mut taken, mut capped) = (HashSet::new(), 0);
        let mut peers: HashMap<SocketAddr, (u64, u64)> = HashMap::new();
        for socket in sockets
            .into_iter()
            .filter(|it| it.transport == Transport::Tcp)
        {
            if socket.state == TcpState::Listen {
                capped += u64::from(Some(u64::from(socket.send_queue)) == somaxconn);
                continue;
            }
            let given_out = |port: &u16| (low..=high).contains(&u64::from(*port));
            let Some(port) = socket.local.port().filter(given_out) else {
                continue;
            };
            taken.insert(port);
            if let Address::Ip(peer) = socket.remote {
                let (all, waiting) = peers.entry(peer).or_default();
                *all += 1;
                *waiting += u64::from(socket.state == TcpState::TimeWait);
            }
        }
        let busiest = peers.iter().max_by_key(|(peer, (all, _))| (*all, **peer));
        Self {
            range: high - low + 1,
            taken: taken.len() as u64,
            busiest: busiest.map(|(peer, (all, _))| (*peer, *all)),
            waiting: busiest.map_or(0, |(_, (_, waiting))| *waiting),
            capped,
        }
    }
}

/// `fs.file-nr`: open, free, limit (proc_sys_fs(5)).
fn files(tree: &Tree) -> Option<(u64, u64)> {
    let text = tree.sysctl("fs.file-nr")?;
    let mut numbers = text.split(' ').map(str::parse);
    match (numbers.next(), numbers.nth(1)) {
        (Some(Ok(open)), Some(Ok(limit))) => Some((open, limit)),
        _ => None,
    }
}

/// The number behind `key` in the line that begins so: `TCP: inuse 5 orphan 0 tw 2`.
fn in_line(text: &str, line: &str, key: &str) -> u64 {
    let words = text.lines().find_map(|it| it.strip_prefix(line));
    let mut words = words.unwrap_or_default().split_whitespace();
    words.find(|word| *word == key);
    words.next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Pairs of lines, names above numbers, as `TcpExt.ListenDrops` (proc_pid_net(5)).
fn paired(text: &str) -> HashMap<String, u64> {
    let lines: Vec<&str> = text.lines().collect();
    let mut all = HashMap::new();
    for pair in lines.chunks_exact(2) {
        let (Some((prefix, names)), Some((same, numbers))) =
            (pair[0].split_once(':'), pair[1].split_once(':'))
        else {
            continue;
        };
        if prefix != same {
            continue;
        }
        for (name, number) in names.split_whitespace().zip(numbers.split_whitespace()) {
            // Tcp.MaxConn is -1.
            if let Ok(number) = number.parse() {
                all.insert(format!("{prefix}.{name}"), number);
            }
        }
    }
    all
}
