//! Hosts and wire as a script's director asks them.

use std::collections::BTreeMap;

use sockeye_fault::{Rule, Way};

use crate::lab::director::{Cable, Kernel};
use crate::lab::{Host, HostNetwork, LabError, Wire};
use crate::sockets::Socket;

impl Kernel for HostNetwork {
    fn sockets(&self) -> Result<Vec<Socket>, String> {
        HostNetwork::sockets(self).map_err(|why| line(&why))
    }

    fn counters(&self) -> Result<BTreeMap<String, i64>, String> {
        HostNetwork::counters(self).map_err(|why| line(&why))
    }

    fn sysctl(&self, name: &str, value: &str) -> Result<(), String> {
        HostNetwork::sysctl(self, name, value).map_err(|why| line(&why))
    }
}

impl Cable for Wire {
    fn faults(&self, rules: &[Rule]) -> Result<(), String> {
        Wire::faults(self, rules.to_vec()).map_err(|why| line(&why))
    }

    fn passed(&self, to: Option<Host>, flags: Option<&str>) -> u64 {
        let way = to.map(|to| match to {
            Host::Client => Way::ToClient,
            Host::Server => Way::ToServer,
        });
        Wire::passed(self).count(way, flags.unwrap_or_default())
    }
}

/// An error with what caused it.
fn line(why: &LabError) -> String {
    let mut line = why.to_string();
    let mut source = std::error::Error::source(why);
    while let Some(cause) = source {
        line = format!("{line}: {cause}");
        source = cause.source();
    }
    line
}
