//! What the steps of a scenario do. An actor is told them as JSON, in this form too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sockeye_fault::Rule;

/// One of the two hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Host {
    /// 10.0.0.1
    #[default]
    Client,
    /// 10.0.0.2
    Server,
}

/// What a socket speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A byte stream.
    #[default]
    Tcp,
    /// Datagrams.
    Udp,
}

/// Socket options by the names of docs/endpoints.md (`nodelay`, `sndbuf`, `linger` …) with what they are
/// set to: numbers, 0 and 1 for switches, seconds for `linger` (`-1`: off).
pub type Options = BTreeMap<String, i64>;

/// What is sent: one of these. Bytes of `bytes` and `sizes` count up through the letters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Data {
    /// This text, in one call.
    pub text: Option<String>,
    /// Each of these in a call of its own.
    pub texts: Option<Vec<String>>,
    /// So many bytes, in one call.
    pub bytes: Option<u64>,
    /// A call for each of these sizes.
    pub sizes: Option<Vec<u64>>,
}

/// What a host's program does. A socket has a name on its host: that of the connection is `socket`
/// unless said, a listener's is `listener`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Action {
    /// `socket(2)`, options, and `bind(2)` where a port is given.
    Socket {
        /// Its name.
        #[serde(default = "socket")]
        socket: String,
        /// What it speaks.
        #[serde(default)]
        kind: Kind,
        /// Bound to this port of this host (0: any).
        #[serde(default)]
        port: Option<u16>,
        /// Options that are set before it is bound.
        #[serde(default)]
        options: Options,
    },
    /// `socket(2)`, options, `bind(2)`, `listen(2)`.
    Listen {
        /// Its name.
        #[serde(default = "listener")]
        socket: String,
        /// On this port.
        #[serde(default = "port")]
        port: u16,
        /// `listen(2)`'s second argument.
        #[serde(default = "backlog")]
        backlog: i32,
        /// Options that are set before it is bound; `reuseaddr` is 1 unless said.
        #[serde(default)]
        options: Options,
    },
    /// `socket(2)` unless there is one of this name, options, `connect(2)`; of UDP too.
    Connect {
        /// Its name.
        #[serde(default = "socket")]
        socket: String,
        /// What it speaks.
        #[serde(default)]
        kind: Kind,
        /// To this port.
        #[serde(default = "port")]
        port: u16,
        /// Of this host: `server`, `client`, or an address, such as one where nobody is.
        #[serde(default = "server")]
        to: String,
        /// Options that are set before it connects.
        #[serde(default)]
        options: Options,
        /// As many connections, named `socket`, `socket-2`, `socket-3` …; it goes on after failures.
        #[serde(default = "one")]
        times: u32,
        /// As Python's `settimeout`: the call gives up after so many milliseconds (`ETIMEDOUT`
        /// from us is told as `timeout`).
        #[serde(default)]
        timeout_ms: Option<u64>,
    },
    /// `accept(2)`.
    Accept {
        /// The listener.
        #[serde(default = "listener")]
        listener: String,
        /// The new socket's name.
        #[serde(default = "socket")]
        socket: String,
        /// As many connections, named as for `connect`.
        #[serde(default = "one")]
        times: u32,
    },
    /// `send(2)`: one call for each piece of data, which may take less than it was given.
    Send {
        /// The socket.
        #[serde(default = "socket")]
        socket: String,
        /// What.
        data: Data,
        /// Flags by name, as `MSG_DONTWAIT`.
        #[serde(default)]
        flags: Vec<String>,
        /// Milliseconds between two calls.
        #[serde(default)]
        pause_ms: u64,
        /// All of it as often as this, or until a call fails or takes less than it was given.
        #[serde(default = "one")]
        times: u32,
    },
    /// As Python's `sendall`: calls until all is taken.
    Sendall {
        /// The socket.
        #[serde(default = "socket")]
        socket: String,
        /// What.
        data: Data,
    },
    /// `sendto(2)`.
    Sendto {
        /// The socket; made if there is none.
        #[serde(default = "socket")]
        socket: String,
        /// What.
        data: Data,
        /// To this port.
        #[serde(default = "port")]
        port: u16,
        /// Of this host, as for `connect`.
        #[serde(default = "server")]
        to: String,
        /// Milliseconds between two calls.
        #[serde(default)]
        pause_ms: u64,
    },
    /// `recv(2)`, also of datagrams.
    Recv {
        /// The socket.
        #[serde(default = "socket")]
        socket: String,
        /// Room for so many bytes.
        #[serde(default = "size")]
        size: u64,
        /// Flags by name, as `MSG_PEEK`, `MSG_WAITALL`, `MSG_TRUNC`.
        #[serde(default)]
        flags: Vec<String>,
        /// As many calls, or until one fails or meets the end.
        #[serde(default = "one")]
        times: u32,
        /// Calls until so many bytes have come, beside `times`.
        #[serde(default)]
        until: Option<u64>,
        /// Calls until the end, or until one fails.
        #[serde(default)]
        to_end: bool,
        /// Milliseconds between two calls.
        #[serde(default)]
        pause_ms: u64,
    },
    /// `recvfrom(2)`: a datagram and its sender; the answer of `sendto` with `to = "sender"`.
    Recvfrom {
        /// The socket.
        #[serde(default = "socket")]
        socket: String,
        /// Room for so many bytes.
        #[serde(default = "size")]
        size: u64,
        /// As many calls.
        #[serde(default = "one")]
        times: u32,
    },
    /// As Python's `makefile().readline()`: `recv(2)` into a buffer, a line out of it.
    Readline {
        /// The socket.
        #[serde(default = "socket")]
        socket: String,
        /// As many lines.
        #[serde(default = "one")]
        times: u32,
        /// Room for so many bytes a call.
        #[serde(default = "size")]
        size: u64,
    },
    /// Messages under a framing, each in a call of its own.
    SendMessages {
        /// The socket.
        #[serde(default = "socket")]
        socket: String,
        /// How messages are told apart, as for `--frame`.
        frame: String,
        /// The messages, as text.
        #[serde(default)]
        texts: Vec<String>,
        /// The messages, in any other way: each piece is one.
        #[serde(default)]
        data: Data,
    },
    /// Messages under a framing; calls of `recv(2)` until there are as many.
    RecvMessages {
        /// The socket.
        #[serde(default = "socket")]
        socket: String,
        /// How messages are told apart.
        frame: String,
        /// How many.
        #[serde(default = "one")]
        times: u32,
        /// Room for so many bytes a call.
        #[serde(default = "size")]
        size: u64,
    },
    /// `setsockopt(2)`.
    Set {
        /// The socket.
        #[serde(default = "socket")]
        socket: String,
        /// What to.
        options: Options,
    },
    /// `getsockopt(2)` of one option; the result is its value.
    Get {
        /// The socket.
        #[serde(default = "socket")]
        socket: String,
        /// Its name; `error` is `SO_ERROR`.
        option: String,
    },
    /// As Python's `setblocking`.
    Blocking {
        /// The socket.
        #[serde(default = "socket")]
        socket: String,
        /// Whether calls wait.
        on: bool,
    },
    /// As Python's `settimeout`: later calls wait in `poll(2)` for so long, then fail with `timeout`.
    Timeout {
        /// The socket.
        #[serde(default = "socket")]
        socket: String,
        /// Milliseconds.
        ms: u64,
    },
    /// `shutdown(2)`.
    Shutdown {
        /// The socket.
        #[serde(default = "socket")]
        socket: String,
        /// `read`, `write` or `both`.
        #[serde(default = "write")]
        how: String,
    },
    /// `close(2)`.
    Close {
        /// The socket.
        #[serde(default = "socket")]
        socket: String,
    },
    /// Nothing, for so many milliseconds.
    Pause(u64),
    /// The program ends as if killed: it closes nothing itself. Its host has no program any more.
    Exit {},
    /// The host's sockets, buffers and timers, as they are now ([`super::Note::Look`]).
    Look {},
    /// Waits until something holds on this host.
    Wait(Wait),
    /// A setting of this host's kernel, by its whole name.
    Sysctl {
        /// `net.ipv4.tcp_syncookies`
        name: String,
        /// What it is set to.
        value: String,
    },
}

/// What is waited for, looked at again and again, at most eight seconds. All that is there must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wait {
    /// This step, which runs in the background, has ended.
    pub step: Option<String>,
    /// Some socket of this host is in this state, as ss(8) writes it: `CLOSE-WAIT`.
    pub state: Option<String>,
    /// As many sockets are; 1 unless said. 0: none is.
    pub count: Option<u64>,
    /// So many bytes wait to be read, in all connections of this host (UDP: datagrams' memory).
    pub unread: Option<u64>,
    /// So many bytes were written and not acknowledged, in all connections.
    pub unacked: Option<u64>,
    /// Nothing that was written waits for its acknowledgement any more.
    pub acked: bool,
    /// A counter of this host has grown by `min` since the start: `TcpExt.ListenOverflows`.
    pub counter: Option<String>,
    /// See `counter`; 1 unless said.
    pub min: Option<i64>,
}

/// What happens to the wire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum WireAction {
    /// These rules from now on, instead of those before; what is on its way arrives.
    Faults(Vec<Rule>),
    /// Waits until this many packets of this kind have come to the wire since the start.
    Wait {
        /// How many.
        packets: u64,
        /// `server` or `client`: which way; none: both.
        #[serde(default)]
        to: Option<Host>,
        /// With these TCP flags, as `capture` prints them: `S`, `SA`, `F`, `R`; `data`: with payload.
        #[serde(default)]
        flags: Option<String>,
    },
    /// Nothing, for so many milliseconds.
    Pause(u64),
}

fn socket() -> String {
    "socket".into()
}

fn listener() -> String {
    "listener".into()
}

fn server() -> String {
    "server".into()
}

fn write() -> String {
    "write".into()
}

const fn port() -> u16 {
    9000
}

const fn backlog() -> i32 {
    128
}

const fn one() -> u32 {
    1
}

const fn size() -> u64 {
    65_536
}
