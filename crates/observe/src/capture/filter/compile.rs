//! A filter as a program of classic BPF.
//!
//! Loads are relative to the network header (`SKF_NET_OFF`), and what the link carries is asked of the
//! kernel (`SKF_AD_PROTOCOL`): one program fits every kind of interface, and a VLAN tag that the
//! hardware took off is in nobody's way.
//!
//! **Source:** linux/filter.h, linux/bpf_common.h, Documentation/networking/filter.rst.

use std::net::IpAddr;

use super::{Clause, End, Filter, FilterError, Test, What};

/// One step of a program: `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// How many steps to leave out if a comparison holds.
    pub jt: u8,
    /// The same if it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

/// Operations, as they are added up in linux/bpf_common.h.
pub(super) mod op {
    pub(crate) const LOAD_WORD: u16 = 0x20;
    pub(crate) const LOAD_HALF: u16 = 0x28;
    pub(crate) const LOAD_BYTE: u16 = 0x30;
    /// A half-word at X plus the operand.
    pub(crate) const LOAD_HALF_AT: u16 = 0x48;
    pub(crate) const LOAD_CELL: u16 = 0x60;
    pub(crate) const LOAD_NUMBER: u16 = 0x00;
    pub(crate) const STORE_CELL: u16 = 0x02;
    pub(crate) const AND: u16 = 0x54;
    pub(crate) const SHIFT_LEFT: u16 = 0x64;
    pub(crate) const TO_X: u16 = 0x07;
    pub(crate) const JUMP: u16 = 0x05;
    pub(crate) const JUMP_EQUAL: u16 = 0x15;
    pub(crate) const JUMP_ABOVE: u16 = 0x25;
    pub(crate) const JUMP_AT_LEAST: u16 = 0x35;
    pub(crate) const RETURN: u16 = 0x06;
}

/// Offsets that mean something else than a place in the packet.
pub(super) const NETWORK: u32 = libc::SKF_NET_OFF.cast_unsigned();
pub(super) const PROTOCOL: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_PROTOCOL).cast_unsigned();
pub(super) const DIRECTION: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE).cast_unsigned();
pub(super) const HARDWARE: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_HATYPE).cast_unsigned();

/// What IP carries that has ports just behind its header: TCP, UDP, DCCP, SCTP, UDP-Lite.
pub(super) const WITH_PORTS: [u32; 5] = [6, 17, 33, 132, 136];

/// EtherTypes.
pub(super) const IPV4: u32 = libc::ETH_P_IP.cast_unsigned();
pub(super) const IPV6: u32 = libc::ETH_P_IPV6.cast_unsigned();
pub(super) const ARP: u32 = libc::ETH_P_ARP.cast_unsigned();

/// A header of IPv6 that says which fragment this is (RFC 8200, section 4.5).
const FRAGMENT: u32 = 44;
/// No protocol has this number.
const NO_PROTOCOL: u32 = 256;

/// What the beginning of a program has found out, in cells of its memory.
mod cell {
    /// The `EtherType`.
    pub(super) const LINK: u32 = 0;
    /// What IP carries.
    pub(super) const PROTOCOL: u32 = 1;
    /// How far from the network header the ports are; 0: a later fragment, or no IP.
    pub(super) const PORTS: u32 = 2;
}

impl Filter {
    /// The program that lets `snap` bytes of each wanted packet in; with `once`, what the loopback
    /// device sends is left out, because it comes back as what it receives.
    pub fn compile(&self, snap: u32, once: bool) -> Result<Vec<Instruction>, FilterError> {
        let mut program = Program::default();
        if once {
            program.leave_out_loopback_twins();
        }
        if !self.clauses.is_empty() {
            program.find_out();
        }
        for clause in &self.clauses {
            program.clause(clause);
        }
        program.push(op::RETURN, snap);
        let (steps, limit) = (program.steps.len(), libc::BPF_MAXINSNS as usize);
        if steps > limit {
            return Err(FilterError::TooLong { steps, limit });
        }
        Ok(program.steps)
    }
}

/// A program that lets nothing in.
pub(crate) const NOTHING: [Instruction; 1] = [Instruction {
    code: op::RETURN,
    jt: 0,
    jf: 0,
    k: 0,
}];

#[derive(Debug, Default)]
struct Program {
    steps: Vec<Instruction>,
    /// Comparisons of the test under way that leave it when they hold, by what they mean.
    matches: Vec<usize>,
    /// Steps of this test that pass it whatever it asks for.
    passes: Vec<usize>,
    /// Comparisons of this test that leave it, without having it, when they do not hold.
    differs: Vec<usize>,
}

impl Program {
    fn push(&mut self, code: u16, k: u32) -> usize {
        let (jt, jf) = (0, 0);
        self.steps.push(Instruction { code, jt, jf, k });
        self.steps.len() - 1
    }

    fn leave_out_loopback_twins(&mut self) {
        self.push(op::LOAD_BYTE, DIRECTION);
        let arrives = self.push(op::JUMP_EQUAL, libc::PACKET_OUTGOING.into());
        self.steps[arrives].jf = 3;
        self.push(op::LOAD_HALF, HARDWARE);
        let elsewhere = self.push(op::JUMP_EQUAL, libc::ARPHRD_LOOPBACK.into());
        self.steps[elsewhere].jf = 1;
        self.push(op::RETURN, 0);
    }

    /// Fills the cells.
    fn find_out(&mut self) {
        self.push(op::LOAD_WORD, PROTOCOL);
        self.push(op::STORE_CELL, cell::LINK);
        let v4 = self.push(op::JUMP_EQUAL, IPV4);
        let v6 = self.push(op::JUMP_EQUAL, IPV6);

        // No IP.
        self.push(op::LOAD_NUMBER, NO_PROTOCOL);
        self.push(op::STORE_CELL, cell::PROTOCOL);
        self.push(op::LOAD_NUMBER, 0);
        let other = self.push(op::JUMP, 0);

        self.land(v4);
        self.push(op::LOAD_BYTE, NETWORK + 9);
        self.push(op::STORE_CELL, cell::PROTOCOL);
        self.push(op::LOAD_HALF, NETWORK + 6);
        self.push(op::AND, 0x1fff);
        let whole = self.push(op::JUMP_EQUAL, 0);
        self.push(op::LOAD_NUMBER, 0);
        let later = self.push(op::JUMP, 0);
        self.land(whole);
        self.push(op::LOAD_BYTE, NETWORK);
        self.push(op::AND, 0xf);
        self.push(op::SHIFT_LEFT, 2);
        let v4_done = self.push(op::JUMP, 0);

        self.land(v6);
        self.push(op::LOAD_BYTE, NETWORK + 6);
        let fragment = self.push(op::JUMP_EQUAL, FRAGMENT);
        self.push(op::STORE_CELL, cell::PROTOCOL);
        self.push(op::LOAD_NUMBER, 40);
        let v6_done = self.push(op::JUMP, 0);
        self.land(fragment);
        self.push(op::LOAD_BYTE, NETWORK + 40);
        self.push(op::STORE_CELL, cell::PROTOCOL);
        self.push(op::LOAD_HALF, NETWORK + 42);
        self.push(op::AND, 0xfff8);
        let first = self.push(op::JUMP_EQUAL, 0);
        self.push(op::LOAD_NUMBER, 0);
        let v6_later = self.push(op::JUMP, 0);
        self.land(first);
        self.push(op::LOAD_NUMBER, 48);

        for jump in [other, later, v4_done, v6_done, v6_later] {
            self.land(jump);
        }
        self.push(op::STORE_CELL, cell::PORTS);
    }

    /// One test after the other; the first that is passed leaves the clause.
    fn clause(&mut self, clause: &Clause) {
        let passed: Vec<usize> = clause.0.iter().map(|test| self.test(test)).collect();
        self.push(op::RETURN, 0);
        for jump in passed {
            self.land(jump);
        }
    }

    /// A test that goes on behind itself when it is not passed. The jump out of it when it is.
    fn test(&mut self, test: &Test) -> usize {
        match test.what {
            What::Port { first, last, end } => self.port(first, last, end),
            What::Host {
                address,
                prefix,
                end,
            } => self.host(address, prefix, end),
            What::Protocol(number) => self.holds(cell::PROTOCOL, number.into()),
            What::Arp => self.holds(cell::LINK, ARP),
            What::Version { v6 } => self.holds(cell::LINK, if v6 { IPV6 } else { IPV4 }),
        }
        // Whoever comes here has nothing of what was looked for.
        let mut has = std::mem::take(&mut self.matches);
        let mut has_not = std::mem::take(&mut self.differs);
        has_not.push(self.push(op::JUMP, 0));
        if test.not {
            std::mem::swap(&mut has, &mut has_not);
        }
        has.append(&mut self.passes);
        for jump in has {
            self.land(jump);
        }
        let passed = self.push(op::JUMP, 0);
        for jump in has_not {
            self.land(jump);
        }
        passed
    }

    fn holds(&mut self, cell: u32, value: u32) {
        self.push(op::LOAD_CELL, cell);
        let equal = self.push(op::JUMP_EQUAL, value);
        self.matches.push(equal);
    }

    fn port(&mut self, first: u16, last: u16, end: End) {
        self.push(op::LOAD_CELL, cell::PROTOCOL);
        let with: Vec<usize> = WITH_PORTS
            .map(|number| self.push(op::JUMP_EQUAL, number))
            .into();
        let without = self.push(op::JUMP, 0);
        self.differs.push(without);
        for jump in with {
            self.land(jump);
        }
        self.push(op::LOAD_CELL, cell::PORTS);
        let fragment = self.push(op::JUMP_EQUAL, 0);
        self.passes.push(fragment);
        self.push(op::TO_X, 0);
        for offset in end.offsets(0, 2) {
            self.push(op::LOAD_HALF_AT, NETWORK + offset);
            let below = self.push(op::JUMP_AT_LEAST, first.into());
            self.steps[below].jf = 2;
            let above = self.push(op::JUMP_ABOVE, last.into());
            self.steps[above].jt = 1;
            let inside = self.push(op::JUMP, 0);
            self.matches.push(inside);
        }
    }

    fn host(&mut self, address: IpAddr, prefix: u8, end: End) {
        self.push(op::LOAD_CELL, cell::LINK);
        match address {
            IpAddr::V4(address) => {
                let words = [u32::from(address)];
                let arp = self.push(op::JUMP_EQUAL, ARP);
                let ip = self.push(op::JUMP_EQUAL, IPV4);
                let other = self.push(op::JUMP, 0);
                self.differs.push(other);
                self.land(ip);
                self.network(&words, prefix, end.offsets(12, 16));
                let neither = self.push(op::JUMP, 0);
                self.differs.push(neither);
                self.land(arp);
                // Where ARP for Ethernet and IPv4 has them (RFC 826).
                self.network(&words, prefix, end.offsets(14, 24));
            }
            IpAddr::V6(address) => {
                let ip = self.push(op::JUMP_EQUAL, IPV6);
                let other = self.push(op::JUMP, 0);
                self.differs.push(other);
                self.land(ip);
                let words = address.to_bits();
                let words = [96, 64, 32, 0].map(|shift| (words >> shift) as u32);
                self.network(&words, prefix, end.offsets(8, 24));
            }
        }
    }

    /// Whether one of the addresses at these offsets is in the network.
    fn network(&mut self, words: &[u32], prefix: u8, offsets: impl Iterator<Item = u32>) {
        for offset in offsets {
            let mut elsewhere = vec![];
            for (number, word) in words.iter().enumerate() {
                let bits = u32::from(prefix).saturating_sub(32 * number as u32).min(32);
                let Some(mask) = u32::MAX.checked_shl(32 - bits) else {
                    break;
                };
                self.push(op::LOAD_WORD, NETWORK + offset + 4 * number as u32);
                if bits < 32 {
                    self.push(op::AND, mask);
                }
                elsewhere.push(self.push(op::JUMP_EQUAL, word & mask));
            }
            let inside = self.push(op::JUMP, 0);
            self.matches.push(inside);
            let next = self.steps.len();
            for jump in elsewhere {
                self.steps[jump].jf = (next - jump - 1) as u8;
            }
        }
    }

    /// Lets a jump, or a comparison that holds, go on here. Comparisons stay within a test, which is
    /// short; jumps reach everywhere.
    fn land(&mut self, jump: usize) {
        let distance = self.steps.len() - jump - 1;
        let step = &mut self.steps[jump];
        match step.code {
            op::JUMP => step.k = distance as u32,
            _ => step.jt = u8::try_from(distance).expect("a test has fewer than 255 steps"),
        }
    }
}

impl End {
    fn offsets(self, source: u32, destination: u32) -> impl Iterator<Item = u32> {
        let source = (self != Self::Destination).then_some(source);
        let destination = (self != Self::Source).then_some(destination);
        source.into_iter().chain(destination)
    }
}
