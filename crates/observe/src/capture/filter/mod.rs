//! Which packets are wanted, and the program of classic BPF by which the kernel lets them in.

mod accept;
mod compile;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod machine;
mod parse;

use std::net::IpAddr;

pub use compile::Instruction;
pub(super) use compile::NOTHING;
pub use parse::FilterError;

/// Which packets are wanted: those that pass every clause.
///
/// What cannot be told from a packet's first headers:
/// - A later fragment of a datagram has no ports: it passes each test for ports, so that a datagram is
///   seen whole when its hosts and protocol match.
/// - Behind extension headers of IPv6 other than one for fragments, the protocol is not looked for:
///   such packets have the number of their first extension header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    clauses: Vec<Clause>,
}

/// Passed by packets that pass any of its tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause(Vec<Test>);

/// One thing that a packet has or has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// Packets that have it are the ones that do not pass.
    pub not: bool,
    /// What it has.
    pub what: What,
}

/// What a packet may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// A port in this range, both ends of which count; of TCP, UDP, UDP-Lite, DCCP or SCTP.
    Port {
        /// The lowest.
        first: u16,
        /// The highest.
        last: u16,
        /// Whose port it is.
        end: End,
    },
    /// An address in this network; ARP's addresses count as well.
    Host {
        /// An address of the network.
        address: IpAddr,
        /// How many of its bits are the network's.
        prefix: u8,
        /// Whose address it is.
        end: End,
    },
    /// What IP carries: a number of IANA's list of protocols.
    Protocol(u8),
    /// ARP.
    Arp,
    /// IPv4, or IPv6.
    Version {
        /// Which of them.
        v6: bool,
    },
}

/// Which end of a packet a test looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// Any of the two.
    #[default]
    Either,
    /// Where it comes from.
    Source,
    /// Where it goes to.
    Destination,
}

impl Filter {
    /// Every packet.
    pub const fn everything() -> Self {
        Self { clauses: vec![] }
    }

    /// Whether it lets everything in.
    pub fn is_everything(&self) -> bool {
        self.clauses.is_empty()
    }

    /// The same, and one of these tests has to be passed too. None at all change nothing.
    #[must_use]
    pub fn and_any(mut self, tests: impl IntoIterator<Item = Test>) -> Self {
        let tests: Vec<Test> = tests.into_iter().collect();
        if !tests.is_empty() {
            self.clauses.push(Clause(tests));
        }
        self
    }

    /// The same, as one kind of flag says it: of what is wanted any will do, of what is not wanted
    /// nothing.
    #[must_use]
    pub fn and(mut self, tests: impl IntoIterator<Item = Test>) -> Self {
        let (unwanted, wanted): (Vec<Test>, Vec<Test>) =
            tests.into_iter().partition(|test| test.not);
        for test in unwanted {
            self = self.and_any([test]);
        }
        self.and_any(wanted)
    }

    /// The same, and one of these ports has to be there.
    #[must_use]
    pub fn and_ports(self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.and_any(ports.into_iter().map(Test::port))
    }
}

impl Test {
    /// Something that a packet has to have.
    pub const fn has(what: What) -> Self {
        Self { not: false, what }
    }

    /// One port, at either end.
    pub const fn port(port: u16) -> Self {
        Self::has(What::Port {
            first: port,
            last: port,
            end: End::Either,
        })
    }
}
