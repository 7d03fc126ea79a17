//! What a script asks beside the programs: the hosts' kernels, and the wire.

use std::collections::BTreeMap;

use sockeye_fault::Rule;

use crate::lab::Host;
use crate::sockets::Socket;

/// What the kernel of a host is asked. Errors are one line.
pub trait Kernel {
    /// Its TCP and UDP sockets.
    fn sockets(&self) -> Result<Vec<Socket>, String>;

    /// What it has counted, by the names of nstat(8) with their group: `TcpExt.ListenOverflows`.
    fn counters(&self) -> Result<BTreeMap<String, i64>, String>;

    /// Sets a setting by its whole name.
    fn sysctl(&self, name: &str, value: &str) -> Result<(), String>;
}

/// The wire between the hosts. Errors are one line.
pub trait Cable {
    /// These rules from now on, instead of those before.
    fn faults(&self, rules: &[Rule]) -> Result<(), String>;

    /// How many packets have come to it since it was laid: to this host (none: to either), with these TCP
    /// flags (`S`, `SA`, `F`, `R`; `data`: with payload; none: of any kind).
    fn passed(&self, to: Option<Host>, flags: Option<&str>) -> u64;
}
