//! One look at the sockets of this machine.

use sockeye_observe::sockets::{Diag, Missing, Part, Program, Programs, Query, Socket, States};
use sockeye_trace::Time;

use super::filter::{Filter, Users, parts};
use super::order::{Peers, Sort, by_service};
use super::{List, text};
use crate::catalogue::Lang;

/// What to look for.
#[derive(Debug)]
pub(super) struct Wanted {
    query: Query,
    filter: Filter,
    sort: Option<Sort>,
    programs: bool,
    /// Whether an end is shown because its other end is.
    pairs: bool,
    summary: bool,
}

impl Wanted {
    pub(super) fn new(list: &List, ipv4: bool, ipv6: bool, rich: bool) -> anyhow::Result<Self> {
        let filter = Filter::new(list, ipv4, ipv6)?;
        let sorts_by_program = list.sort.is_some_and(Sort::needs_programs);
        let shows_programs = !list.no_program && !list.summary;
        Ok(Self {
            query: Query {
                parts: parts(list, ipv4, ipv6),
                // The other end of a socket in one state is in another.
                states: if list.pairs {
                    States::ALL
                } else {
                    filter.states()
                },
                memory: rich,
                details: rich,
            },
            programs: shows_programs || sorts_by_program || filter.needs_programs(),
            filter,
            sort: list.sort,
            pairs: list.pairs,
            summary: list.summary,
        })
    }
}

/// What was there at one time.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) time: Time,
    pub(super) sockets: Vec<Socket>,
    /// Indices of the sockets to show, in order.
    pub(super) shown: Vec<u32>,
    pub(super) peers: Peers,
    pub(super) programs: Option<Programs>,
    pub(super) users: Users,
    missing: Vec<Missing>,
    interrupted: Vec<Part>,
}

impl Snapshot {
    pub(super) fn take(diag: &mut Diag, wanted: &Wanted, time: Time) -> Self {
        let table = diag.list(&wanted.query);
        let sockets = table.sockets;
        let peers = if wanted.summary {
            Peers::default()
        } else {
            Peers::find(&sockets)
        };
        // Those by which we look are none that anybody looks for; what we were started with may be.
        let own = Programs::scan_of(&[std::process::id()]);
        let is_own = |socket: &Socket| own.of(socket.inode).any(|program| program.fd > 2);
        let fits = |index: &u32| {
            let socket = &sockets[*index as usize];
            wanted.filter.fits(socket) && !is_own(socket)
        };
        let mut shown: Vec<u32> = (0..sockets.len() as u32).filter(fits).collect();
        // A process list is long: whoever finds no socket needs none.
        let looks = wanted.programs && !shown.is_empty();
        let programs = looks.then(|| match wanted.filter.pids() {
            Some(pids) if !wanted.pairs => Programs::scan_of(pids),
            _ => Programs::scan(),
        });
        if let Some(programs) = &programs {
            shown.retain(|index| {
                let socket = &sockets[*index as usize];
                wanted.filter.fits_program(socket, programs)
            });
        }
        if wanted.pairs {
            with_peers(&mut shown, &peers);
        }
        let mut snapshot = Self {
            time,
            sockets,
            shown,
            peers,
            programs,
            users: Users::read(),
            missing: table.missing,
            interrupted: table.interrupted,
        };
        if !wanted.summary {
            snapshot.reorder(wanted.sort);
        }
        snapshot
    }

    /// Shows the same in another order.
    pub(super) fn reorder(&mut self, sort: Option<Sort>) {
        match sort {
            Some(sort) => sort.sort(&mut self.shown, &self.sockets, self.programs.as_ref()),
            None => by_service(&mut self.shown, &self.sockets, &self.peers),
        }
    }

    /// The sockets to show, in order.
    pub(super) fn each(&self) -> impl Iterator<Item = &Socket> {
        self.shown
            .iter()
            .map(|index| &self.sockets[*index as usize])
    }

    /// The other end of the socket at an index.
    pub(super) fn peer(&self, index: u32) -> Option<&Socket> {
        let peer = self.peers.of(index)?;
        Some(&self.sockets[peer as usize])
    }

    /// Who has a socket open, one entry a process.
    pub(super) fn programs_of(&self, socket: &Socket) -> impl Iterator<Item = Program<'_>> {
        let inode = socket.inode;
        let all = self.programs.iter().flat_map(move |all| all.of(inode));
        let mut before = None;
        all.filter(move |program| before.replace(program.pid) != Some(program.pid))
    }

    /// Processes whose sockets we may not see.
    pub(super) fn hidden(&self) -> usize {
        self.programs.as_ref().map_or(0, Programs::hidden)
    }

    /// What the kernel told nothing about.
    pub(super) fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// What may be incomplete because it changed while it was read.
    pub(super) fn interrupted(&self) -> &[Part] {
        &self.interrupted
    }

    /// What was not seen, in words.
    pub(super) fn remarks(&self, lang: Lang) -> Vec<String> {
        let mut remarks = vec![];
        // Nobody misses a program that no socket lacks.
        let lacks =
            |socket: &Socket| socket.inode != 0 && self.programs_of(socket).next().is_none();
        if self.hidden() > 0 && self.each().any(lacks) {
            remarks.push(text::HIDDEN.fill(lang, &[("n", &self.hidden())]));
        }
        for missing in &self.missing {
            let why = super::chained(&missing.why);
            let values: [(&str, &dyn std::fmt::Display); 2] =
                [("part", &missing.part.name()), ("why", &why)];
            remarks.push(text::MISSING.fill(lang, &values));
        }
        for part in &self.interrupted {
            remarks.push(text::INTERRUPTED.fill(lang, &[("part", &part.name())]));
        }
        remarks
    }
}

/// Adds the other ends of what is shown.
fn with_peers(shown: &mut Vec<u32>, peers: &Peers) {
    let others: Vec<u32> = shown.iter().filter_map(|index| peers.of(*index)).collect();
    shown.extend(others);
    shown.sort_unstable();
    shown.dedup();
}
