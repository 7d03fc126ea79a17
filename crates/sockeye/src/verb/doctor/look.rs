//! One look at this machine.

use sockeye_observe::privilege::{Permit, Trials, permits};
use sockeye_observe::settings::{
    self, Facts, Ports, Purpose, SETTINGS, Setting, Suggestion, Tree, Values,
};
use sockeye_observe::sockets::{Diag, Part, Query, States};
use sockeye_trace::Time;

use super::words::what_name;
use crate::context::host_name;

/// What was seen.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) time: Time,
    pub(super) host: String,
    /// The kernel's release.
    pub(super) kernel: String,
    pub(super) processors: usize,
    pub(super) uid: u32,
    pub(super) permits: Vec<Permit>,
    pub(super) values: Values,
    /// Nothing where only some names were asked for.
    pub(super) facts: Option<Facts>,
    pub(super) suggestions: Vec<Suggestion>,
    /// The settings that are told about.
    pub(super) settings: Vec<&'static Setting>,
}

impl Look {
    /// Looks at this machine, in the network namespace that we are in.
    pub(super) fn take(purposes: &[Purpose], time: Time) -> Self {
        let tree = Tree::machine();
        let values = settings::read(&tree);
        let mut facts = Facts::read(&tree);
        facts.ports = ports(&values);
        Self::of(&tree, &Trials::make(), facts, purposes, time)
    }

    /// What is said of a machine with these files, after these trials.
    pub(super) fn of(
        tree: &Tree,
        trials: &Trials,
        facts: Facts,
        purposes: &[Purpose],
        time: Time,
    ) -> Self {
        let values = settings::read(tree);
        Self {
            time,
            host: host_name(),
            kernel: tree.sysctl("kernel.osrelease").unwrap_or_default(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            uid: rustix::process::geteuid().as_raw(),
            permits: permits(tree, trials),
            suggestions: settings::suggestions(&values, purposes, &facts),
            facts: Some(facts),
            settings: SETTINGS.iter().collect(),
            values,
        }
    }

    /// Leaves out what has none of these in its name; all stays where none is given.
    ///
    /// - **Errors:** the name that nothing has.
    pub(super) fn keep(&mut self, names: &[String]) -> Result<(), String> {
        if names.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = names.iter().map(|name| plain(name)).collect();
        let fits = |own: &str| names.iter().any(|name| plain(own).contains(name));
        self.permits.retain(|permit| fits(what_name(permit.what)));
        self.settings.retain(|setting| fits(setting.name));
        let kept: Vec<_> = self.settings.iter().map(|setting| setting.name).collect();
        self.suggestions.retain(|it| kept.contains(&it.setting));
        self.facts = None;
        let own = self.permits.iter().map(|permit| what_name(permit.what));
        let own: Vec<_> = own.chain(kept).map(plain).collect();
        let is_known = |name: &&String| !own.iter().any(|own| own.contains(&**name));
        match names.iter().find(is_known) {
            Some(name) => Err(name.clone()),
            None => Ok(()),
        }
    }

    /// What should be written in place of a setting's value.
    pub(super) fn suggestion(&self, setting: &Setting) -> Option<&Suggestion> {
        self.suggestions
            .iter()
            .find(|it| it.setting == setting.name)
    }
}

/// `TCP_TW_REUSE`, `tcp-tw-reuse` and `net/ipv4/tcp_tw_reuse` are names that people write.
fn plain(name: &str) -> String {
    name.to_lowercase().replace('-', "_").replace('/', ".")
}

/// What TCP sockets take of the ports; nothing where the kernel tells no socket.
fn ports(values: &Values) -> Option<Ports> {
    let query = Query {
        parts: vec![Part::Tcp4, Part::Tcp6],
        states: States::ALL,
        memory: false,
        details: false,
    };
    let table = Diag::open().ok()?.list(&query);
    table
        .missing
        .is_empty()
        .then(|| Ports::of(&table.sockets, values))
}
