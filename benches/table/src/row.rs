//! The rows of the table: what is measured, against what, and how good it should be.

use std::fmt;

/// A server that takes part.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Contender {
    /// `limit` with these arguments.
    Limit(&'static [&'static str]),
    /// `sockeye serve` with these arguments, without anybody who observes.
    Sockeye(&'static [&'static str]),
    /// sockeye's echo in process: `rings` with these arguments.
    Rings(&'static [&'static str]),
    /// Somebody else's echo.
    Peer(Peer),
}

/// Echo servers that the limits have to win against.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer {
    /// A task and a buffer of 16 KiB a connection, on tokio.
    PlainTokio,
    /// asyncio with a Protocol.
    Asyncio,
    /// `socat TCP-LISTEN:…,fork PIPE`.
    Socat,
    /// `ncat -l -k -e /bin/cat`.
    Ncat,
}

impl Peer {
    pub(crate) const ALL: [Self; 4] = [Self::PlainTokio, Self::Asyncio, Self::Socat, Self::Ncat];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PlainTokio => "plain tokio",
            Self::Asyncio => "asyncio.Protocol",
            Self::Socat => "socat PIPE",
            Self::Ncat => "ncat -e cat",
        }
    }
}

/// Where servers listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp,
    Udp,
    Unix,
}

/// Which cores server and client have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cores {
    /// The server the first, the client the second.
    Split,
    /// Both the first.
    One,
}

/// One figure of a row, as the first server's by the second's.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// Messages (or bytes) a second: at least.
    Rate(f64),
    /// The server's processor time a message: at most.
    Cpu(f64),
    /// Median latency: at most.
    P50(f64),
}

impl Target {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rate(_) => "rate",
            Self::Cpu(_) => "CPU",
            Self::P50(_) => "p50",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(least) => write!(f, "rate ≥ {least:.2}"),
            Self::Cpu(most) => write!(f, "CPU ≤ {most:.2}"),
            Self::P50(most) => write!(f, "p50 ≤ {most:.2}"),
        }
    }
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// What `--row` calls it.
    pub(crate) name: &'static str,
    pub(crate) job: &'static str,
    pub(crate) place: Place,
    pub(crate) cores: Cores,
    pub(crate) first: Contender,
    pub(crate) second: Contender,
    pub(crate) load: &'static [&'static str],
    pub(crate) targets: &'static [Target],
}

use Contender::{Limit, Rings, Sockeye};
use Target::{Cpu, P50, Rate};

const ECHO: Contender = Sockeye(&["echo"]);
const LIMIT: Contender = Limit(&["echo"]);

const fn row(name: &'static str, job: &'static str) -> Row {
    Row {
        name,
        job,
        place: Place::Tcp,
        cores: Cores::Split,
        first: ECHO,
        second: LIMIT,
        load: &[],
        targets: &[],
    }
}

/// All of them, in the order in which they are printed.
pub(crate) const ROWS: &[Row] = &[
    Row {
        load: &["-c", "64", "-s", "64"],
        targets: &[Rate(0.98), Cpu(1.03)],
        ..row("depth1", "echo, 64 connections × 64 B, depth 1")
    },
    Row {
        load: &["-c", "64", "-s", "64", "-d", "16"],
        targets: &[Rate(0.97)],
        ..row("depth16", "the same, depth 16, `raw`")
    },
    Row {
        first: Sockeye(&["echo", "--frame", "line"]),
        load: &["-c", "64", "-s", "64", "-d", "16", "--frame", "line"],
        targets: &[Rate(0.90)],
        ..row("line16", "the same, depth 16, `--frame line`")
    },
    Row {
        load: &["-c", "8", "-s", "64KiB", "-d", "4", "--no-verify"],
        targets: &[Rate(0.97)],
        ..row("large", "echo, 8 connections × 64 KiB, depth 4")
    },
    Row {
        load: &["-c", "64", "-s", "64", "--connect"],
        targets: &[Rate(1.05)],
        ..row("connect", "connect + 64 B + close, 64 at a time")
    },
    Row {
        cores: Cores::One,
        load: &["-c", "1", "-s", "64"],
        targets: &[P50(1.05)],
        ..row("pingpong", "ping-pong, one connection, both on one core")
    },
    Row {
        place: Place::Unix,
        load: &["-c", "64", "-s", "64"],
        targets: &[Rate(0.95)],
        ..row("unix", "Unix stream echo, 64 × 64 B")
    },
    Row {
        place: Place::Udp,
        second: Limit(&["udp"]),
        load: &["-c", "1", "-s", "64", "-d", "64"],
        targets: &[Rate(0.95)],
        ..row("udp", "UDP echo 64 B, window 64")
    },
    Row {
        place: Place::Udp,
        second: Limit(&["udp", "--gso"]),
        load: &["-c", "1", "-s", "64", "-d", "64"],
        ..row(
            "udp-gso",
            "the same, against the limit that joins its answers",
        )
    },
    Row {
        place: Place::Udp,
        second: Limit(&["udp"]),
        load: &["-c", "1", "-s", "1400", "-d", "64", "--gso"],
        targets: &[Rate(1.6)],
        ..row(
            "gso",
            "UDP echo 1400 B, GSO sender, against the limit without GRO",
        )
    },
    Row {
        place: Place::Udp,
        second: Limit(&["udp", "--gro"]),
        load: &["-c", "1", "-s", "1400", "-d", "64", "--gso"],
        ..row("gro", "the same, against the limit with GRO")
    },
    Row {
        first: Sockeye(&["discard"]),
        second: Limit(&["sink"]),
        load: &["-c", "1", "--one-way", "up"],
        targets: &[Rate(0.95)],
        ..row("up", "one-way bulk up, `discard`")
    },
    Row {
        first: Sockeye(&["chargen"]),
        second: Limit(&["source"]),
        load: &["-c", "1", "--one-way", "down", "--no-verify"],
        targets: &[Rate(0.95)],
        ..row("down", "one-way bulk down, `chargen`")
    },
    Row {
        first: Rings(&["observed"]),
        second: Rings(&[]),
        load: &["-c", "64", "-s", "64"],
        targets: &[Rate(0.96)],
        ..row(
            "observed",
            "echo, 64 × 64 B: each read and write observed, against not",
        )
    },
    Row {
        first: Sockeye(&["hub"]),
        second: Limit(&["fanout"]),
        load: &["-c", "101", "-s", "64", "-d", "64", "--fan-out"],
        targets: &[],
        ..row("fanout", "fan-out, 1 → 100, 64 B, window 64, `hub`")
    },
];
