//! What a lab tells beside calls and packets: the text of a [`Kind::Note`](sockeye_trace::Kind::Note).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::script::Host;

/// One thing that a lab tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "kebab-case")]
pub enum Note {
    /// The run begins.
    Begin {
        /// The scenario's name; empty: the reader's own programs.
        scenario: String,
        /// Whether it is the cured run.
        cured: bool,
        /// Where: `namespaces` or `loopback`.
        place: String,
        /// Why not in namespaces, where it is so.
        why: String,
    },
    /// A step has ended.
    Step {
        /// Its place in the script, from 0.
        index: usize,
        /// Its name, or empty.
        name: String,
        /// What its calls came to.
        done: Vec<Done>,
    },
    /// A step could not be done, or what was waited for did not come: the run ends.
    Stuck {
        /// Its place in the script, from 0.
        index: usize,
        /// What was wanted and what was there instead, one line.
        why: String,
    },
    /// The sockets of a host.
    Look {
        /// The step's name.
        name: String,
        /// The host.
        host: Host,
        /// All TCP and UDP sockets, listeners first, then by the ports.
        sockets: Vec<Seen>,
    },
    /// How a host's counters grew from the start to the end of the script: those that did, by the
    /// names of nstat(8) with their group: `TcpExt.ListenOverflows`.
    Counters {
        /// The host.
        host: Host,
        /// By how much.
        grown: BTreeMap<String, i64>,
    },
}

/// What one call, or one wait, came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Done {
    /// The call: `send`, `recv`, `accept` …
    pub call: String,
    /// Bytes, a descriptor's stand-in 0, an option's value; -1 for a failure.
    pub result: i64,
    /// The errno's name, `timeout` where we gave up ourselves; empty: it did not fail.
    pub errno: String,
    /// What came, where something did: text, other bytes escaped; at most 256 bytes.
    pub data: String,
}

/// A socket as `Look` found it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// `tcp` or `udp`.
    pub kind: String,
    /// Its state as ss(8) writes it: `ESTAB`, `TIME-WAIT`.
    pub state: String,
    /// Its own port.
    pub port: u16,
    /// The peer's port, 0 without one.
    pub peer: u16,
    /// Bytes that wait to be read; of a listener, connections that wait to be accepted.
    pub unread: u32,
    /// Bytes written and not acknowledged; of a listener, its backlog.
    pub unacked: u32,
    /// The timer that runs, as ss(8) has it: `timewait`, `keepalive`, `on`, `persist`; or empty.
    pub timer: String,
    /// When it expires, in milliseconds.
    pub timer_ms: u32,
    /// Whether no program holds it any more.
    pub orphan: bool,
}
