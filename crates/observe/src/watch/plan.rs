//! What to watch, and how closely.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// A program to start and watch.
#[derive(Debug, Default)]
pub struct Program {
    /// What it is to the user: `server`, `client`, or nothing.
    pub role: String,
    /// The program, found on `PATH`, and its arguments.
    pub argv: Vec<OsString>,
    /// Environment variables on top of ours.
    pub env: Vec<(OsString, OsString)>,
    /// The folder it runs in; none: ours.
    pub folder: Option<PathBuf>,
    /// Its standard input; none: ours.
    pub stdin: Option<OwnedFd>,
    /// Its standard output; none: ours.
    pub stdout: Option<OwnedFd>,
    /// Its standard error; none: ours.
    pub stderr: Option<OwnedFd>,
    /// The network namespace it runs in (a file of namespaces(7)); none: ours. Needs `CAP_SYS_ADMIN`
    /// over it.
    pub network: Option<OwnedFd>,
}

impl Program {
    /// A program with our environment, folder and standard streams.
    pub fn new<A: Into<OsString>>(role: &str, argv: impl IntoIterator<Item = A>) -> Self {
        Self {
            role: role.to_owned(),
            argv: argv.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }
}

/// What to do about io_uring, whose calls pass no stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Uring {
    /// Read the rings at each io_uring_enter, and say what could not be seen.
    #[default]
    Follow,
    /// Say `ENOSYS` to io_uring_setup, so that programs fall back to calls that can be seen.
    Refuse,
}

/// How closely to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes kept of each call's payload.
    pub payload_cap: usize,
    /// What to do about io_uring.
    pub uring: Uring,
    /// Tell how full the buffers of TCP sockets are after each call that moves bytes
    /// ([`Kind::Gauged`](sockeye_trace::Kind::Gauged)).
    pub gauges: bool,
    /// Tell what the kernel's counters say the wire carried
    /// ([`Kind::Inferred`](sockeye_trace::Kind::Inferred)): for when no packets are captured.
    pub infer_wire: bool,
}

impl Options {
    /// The default of `payload_cap`.
    pub const PAYLOAD_CAP: usize = 4096;
    /// More than this is never copied of one call, whatever `payload_cap` says: facts in a session file
    /// stop at 16 MiB.
    pub const PAYLOAD_MAX: usize = 8 << 20;
}

impl Default for Options {
    fn default() -> Self {
        Self {
            payload_cap: Self::PAYLOAD_CAP,
            uring: Uring::Follow,
            gauges: false,
            infer_wire: false,
        }
    }
}
