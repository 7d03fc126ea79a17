//! Which sockets are shown.

use std::fs;
use std::net::IpAddr;
use std::str::FromStr;

use sockeye_observe::sockets::{Family, Part, Programs, Socket, States};
use sockeye_service::Cidr;
use sockeye_trace::{Address, TcpState, Transport};

use super::List;
use crate::exit::usage;

/// A state, or a group of them, by any name that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StateNames(pub(super) States);

/// Names as [`plain`] makes them, and what they mean. The first of each line is named in errors.
const NAMES: &[(&[&str], &[TcpState])] = &[
    (&["listen", "listening"], &[TcpState::Listen]),
    (&["established", "estab"], &[TcpState::Established]),
    (&["synsent"], &[TcpState::SynSent]),
    (&["synrecv", "synreceived", "synrcvd"], &[TcpState::SynRecv]),
    (&["finwait1"], &[TcpState::FinWait1]),
    (&["finwait2"], &[TcpState::FinWait2]),
    (&["finwait"], &[TcpState::FinWait1, TcpState::FinWait2]),
    (&["timewait"], &[TcpState::TimeWait]),
    (&["closewait"], &[TcpState::CloseWait]),
    (&["lastack"], &[TcpState::LastAck]),
    (&["closing"], &[TcpState::Closing]),
    (
        &["closed", "close", "unconn", "unconnected"],
        &[TcpState::Close],
    ),
    // ss(8): every state but listen and closed.
    (
        &["connected"],
        &[
            TcpState::Established,
            TcpState::SynSent,
            TcpState::SynRecv,
            TcpState::FinWait1,
            TcpState::FinWait2,
            TcpState::TimeWait,
            TcpState::CloseWait,
            TcpState::LastAck,
            TcpState::Closing,
        ],
    ),
];

/// What an error lists.
const ALLOWED: &str = "listen, established, syn-sent, syn-recv, fin-wait-1, fin-wait-2, time-wait, \
     close-wait, last-ack, closing, closed (unconn), connected, all";

/// `TIME_WAIT`, `Time-Wait` and `timewait` are one name.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|c| !matches!(c, '-' | '_' | ' '));
    letters.flat_map(char::to_lowercase).collect()
}

impl FromStr for StateNames {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = plain(text);
        if name == "all" {
            return Ok(Self(States::ALL));
        }
        let known = NAMES.iter().find(|(names, _)| names.contains(&&*name));
        let (_, states) =
            known.ok_or_else(|| format!("'{text}' is no state; there are {ALLOWED}"))?;
        let states = states
            .iter()
            .fold(States::NONE, |set, state| set.with(*state));
        Ok(Self(states))
    }
}

/// Which parts of the kernel's tables to ask for.
pub(super) fn parts(list: &List, ipv4: bool, ipv6: bool) -> Vec<Part> {
    let all = !(list.tcp || list.udp || list.unix || list.raw || list.packet);
    let fits = |part: &Part| {
        let is_kind = match part.transport() {
            Transport::Tcp => list.tcp,
            Transport::Udp => list.udp,
            Transport::Raw => list.raw,
            Transport::Packet => list.packet,
            _ => list.unix,
        };
        let is_family = match part {
            Part::Tcp4 | Part::Mptcp4 | Part::Udp4 | Part::Raw4 => !ipv6,
            // An IPv6 socket may talk IPv4: which, its addresses say.
            Part::Tcp6 | Part::Mptcp6 | Part::Udp6 | Part::Raw6 => true,
            // They have no IP addresses, so a choice of IP leaves them out, unless named.
            Part::Unix => !(ipv4 || ipv6) || list.unix,
            Part::Packet => !(ipv4 || ipv6) || list.packet,
        };
        (all || is_kind) && is_family
    };
    Part::ALL.into_iter().filter(fits).collect()
}

/// What of a socket itself has to fit.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    states: States,
    ports: Vec<u16>,
    hosts: Vec<Cidr>,
    uids: Vec<u32>,
    programs: Vec<String>,
    pids: Vec<u32>,
    ipv4: bool,
    ipv6: bool,
}

impl Filter {
    pub(super) fn new(list: &List, ipv4: bool, ipv6: bool) -> anyhow::Result<Self> {
        let uids = list.user.iter().map(|user| uid(user));
        let states = match list.state.iter().map(|names| names.0).reduce(States::or) {
            Some(states) => states,
            None if list.listening => States::NONE.with(TcpState::Listen),
            None => States::ALL,
        };
        Ok(Self {
            states,
            ports: list.port.clone(),
            hosts: list.host.clone(),
            uids: uids.collect::<anyhow::Result<_>>()?,
            programs: list.program.clone(),
            pids: list.pid.clone(),
            ipv4,
            ipv6,
        })
    }

    /// Whether it asks who has a socket open.
    pub(super) fn needs_programs(&self) -> bool {
        !self.programs.is_empty() || !self.pids.is_empty()
    }

    /// The processes to look into; nothing means all.
    pub(super) fn pids(&self) -> Option<&[u32]> {
        (!self.pids.is_empty() && self.programs.is_empty()).then_some(&self.pids)
    }

    /// The states that fit.
    pub(super) fn states(&self) -> States {
        self.states
    }

    /// Whether a socket fits by what it is itself.
    pub(super) fn fits(&self, socket: &Socket) -> bool {
        self.fits_family(socket)
            && (self.states == States::ALL || self.states.has(socket.state))
            && any(&self.uids, |uid| socket.uid == Some(*uid))
            && any(&self.ports, |port| {
                let ends = [&socket.local, &socket.remote];
                ends.into_iter().any(|end| end.port() == Some(*port))
            })
            && any(&self.hosts, |host| {
                let ends = [&socket.local, &socket.remote];
                ends.into_iter().filter_map(ip).any(|ip| host.contains(ip))
            })
    }

    fn fits_family(&self, socket: &Socket) -> bool {
        let is_v4 = socket.family == Family::V4 || ip(&socket.local).is_some_and(|ip| ip.is_ipv4());
        match socket.family {
            Family::V4 | Family::V6 => !(self.ipv4 && !is_v4 || self.ipv6 && is_v4),
            Family::Unix | Family::Link => true,
        }
    }

    /// Whether it fits by who has it open.
    pub(super) fn fits_program(&self, socket: &Socket, programs: &Programs) -> bool {
        if !self.needs_programs() {
            return true;
        }
        programs.of(socket.inode).any(|program| {
            any(&self.pids, |pid| program.pid == *pid)
                && any(&self.programs, |name| program.name.starts_with(&**name))
        })
    }
}

/// Nothing asked for is everything.
fn any<T>(wanted: &[T], fits: impl FnMut(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(fits)
}

/// The IP address of an end that has one.
pub(super) fn ip(end: &Address) -> Option<IpAddr> {
    match end {
        Address::Ip(address) => Some(address.ip()),
        _ => None,
    }
}

fn uid(user: &str) -> anyhow::Result<u32> {
    let named = || Users::read().uid(user);
    let uid = user.parse().ok().or_else(named);
    uid.ok_or_else(|| usage!("there is no user '{user}'; write a name of /etc/passwd or a number"))
}

/// The names of users, as /etc/passwd has them (passwd(5)).
#[derive(Debug, Default)]
pub(super) struct Users(Vec<(u32, String)>);

impl Users {
    pub(super) fn read() -> Self {
        let text = fs::read("/etc/passwd").unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let entry = |line: &str| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            Some((fields.nth(1)?.parse().ok()?, name))
        };
        Self(text.lines().filter_map(entry).collect())
    }

    fn uid(&self, name: &str) -> Option<u32> {
        let named = self.0.iter().find(|(_, of)| of == name);
        named.map(|(uid, _)| *uid)
    }

    pub(super) fn name(&self, uid: u32) -> Option<&str> {
        let named = self.0.iter().find(|(of, _)| *of == uid);
        named.map(|(_, name)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_every_name_that_people_know() {
        let check = |names: &str, state: TcpState| {
            for name in names.split(' ') {
                let states: StateNames = name.parse().unwrap();
                assert_eq!(states.0, States::NONE.with(state), "{name}");
            }
        };
        check("TIME_WAIT time-wait TimeWait timewait", TcpState::TimeWait);
        check("ESTAB established ESTABLISHED", TcpState::Established);
        check("SYN-RECEIVED SYN_RECV syn-rcvd", TcpState::SynRecv);
        check("FIN_WAIT2 FIN-WAIT-2", TcpState::FinWait2);
        check("CLOSED CLOSE unconn", TcpState::Close);
        let all: StateNames = "all".parse().unwrap();
        assert_eq!(all.0, States::ALL);
        let both: StateNames = "fin-wait".parse().unwrap();
        assert!(both.0.has(TcpState::FinWait1) && both.0.has(TcpState::FinWait2));
        let error = "opened".parse::<StateNames>().unwrap_err();
        assert!(error.starts_with("'opened' is no state; there are listen, "));
    }

    #[test]
    fn root_has_a_name() {
        assert_eq!(Users::read().name(0), Some("root"));
        assert_eq!(uid("root").unwrap(), 0);
        assert_eq!(uid("4711").unwrap(), 4711);
        assert!(uid("nobody here").is_err());
    }
}
