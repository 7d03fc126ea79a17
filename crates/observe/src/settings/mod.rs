//! The kernel's settings that decide how sockets behave: their values here, what would be better for
//! what, and the facts beside them.
//!
//! Reading and judging are apart: a [`Tree`] is the machine or a folder that looks like it,
//! [`suggestions`] is a pure function. What a setting means is told by whoever shows it.

mod facts;
mod known;
mod tree;
mod want;

use std::collections::BTreeMap;

pub use facts::{Facts, Ports};
pub use known::SETTINGS;
pub use tree::Tree;
pub use want::Want;

/// What a setting has to do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Taking connections.
    Accept,
    /// What stays after closing.
    Close,
    /// Making connections.
    Connect,
    /// Buffers.
    Buffers,
    /// Peers that say nothing.
    Silence,
    /// What TCP does on the wire.
    Wire,
}

impl Group {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 6] = [
        Self::Accept,
        Self::Close,
        Self::Connect,
        Self::Buffers,
        Self::Silence,
        Self::Wire,
    ];
}

/// What a machine is for, where that decides about a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// It takes connections of many clients.
    Serve,
    /// It makes many connections to few servers.
    Dial,
    /// It moves much over a long way.
    Far,
    /// It receives many datagrams.
    Datagrams,
}

/// A setting of the kernel.
#[derive(Debug)]
pub struct Setting {
    /// Its whole name, as sysctl(8) writes it.
    pub name: &'static str,
    /// What it has to do with.
    pub group: Group,
    /// What it is on a kernel that nobody has told anything, one for each generation of kernels;
    /// nothing where that depends on the machine's memory.
    pub defaults: &'static [&'static str],
    /// What it should be on every machine.
    pub sound: Option<Want>,
    /// What it should be on machines for something.
    pub wants: &'static [(Purpose, Want)],
    /// Where it is described.
    pub source: &'static str,
}

impl Setting {
    /// The last part of its name, by which people know it.
    pub fn short(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }

    /// Whether no kernel of today has it any more.
    pub fn is_gone(&self) -> bool {
        self.name == known::GONE
    }
}

/// The settings as they are here; those that this kernel does not show are left out.
pub type Values = BTreeMap<&'static str, String>;

/// Reads every setting.
pub fn read(tree: &Tree) -> Values {
    let value = |setting: &Setting| Some((setting.name, tree.sysctl(setting.name)?));
    SETTINGS.iter().filter_map(value).collect()
}

/// A value that would be better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// The name of the setting.
    pub setting: &'static str,
    /// What it is.
    pub here: String,
    /// What it should be, as sysctl(8) takes it.
    pub to: String,
    /// Why.
    pub why: Why,
}

/// Why another value would be better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It would be better on every machine.
    Sound,
    /// It would be better for what this machine is for.
    For(Purpose),
    /// The queues of this many listeners are as long as the setting lets them be, and this many
    /// connections found one full.
    QueuesFull {
        /// How many listeners.
        listeners: u64,
        /// How many connections.
        overflows: u64,
    },
    /// So many sockets could not stay in TIME-WAIT.
    TimeWaitFull(u64),
    /// So many of so many ports are taken by connections to one peer.
    PortsShort {
        /// How many are taken.
        taken: u64,
        /// How many there are.
        of: u64,
    },
    /// So many datagrams found no room in a receive buffer.
    DatagramsLost(u64),
}

/// What should be changed: what no machine should have, what these purposes want, and what the facts
/// ask for. Of two reasons for one setting the first of these stays, with the larger change.
pub fn suggestions(values: &Values, purposes: &[Purpose], facts: &Facts) -> Vec<Suggestion> {
    let mut found: Vec<Suggestion> = vec![];
    for setting in SETTINGS {
        let Some(here) = values.get(setting.name) else {
            continue;
        };
        let sound = setting.sound.iter().map(|want| (*want, Why::Sound));
        let asked = setting.wants.iter().filter(|(of, _)| purposes.contains(of));
        let asked = asked.map(|(of, want)| (*want, Why::For(*of)));
        let seen = facts.signs(setting.name, values);
        let mut change: Option<(String, Why)> = None;
        for (want, why) in sound.chain(asked).chain(seen) {
            let now = change.as_ref().map_or(here, |(to, _)| to);
            if let Some(to) = want.change(now) {
                let why = change.as_ref().map_or(why, |(_, first)| *first);
                change = Some((to, why));
            }
        }
        found.extend(change.map(|(to, why)| Suggestion {
            setting: setting.name,
            here: here.clone(),
            to,
            why,
        }));
    }
    found
}

#[cfg(test)]
mod tests;
