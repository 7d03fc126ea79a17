//! What is true of every program: it lets in what a plain reading of the packet would.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use sockeye_trace::packet::{dissect, link_type};

use super::machine::{Packet, run};
use super::*;

/// A packet, as a person would describe it.
#[derive(Clone, Debug)]
struct Described {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    ports: (u16, u16),
    /// Words of options (IPv4).
    options: u8,
    /// The offset of a fragment, in units of eight bytes; none: it is no fragment.
    fragment: Option<u16>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ip,
    Arp,
    /// Neither of them.
    Other,
}

impl Described {
    fn to_packet(&self) -> Packet {
        let mut bytes = vec![];
        let (mut protocol, later) = (0x88cc, self.fragment.is_some_and(|offset| offset > 0));
        match (self.kind, self.source, self.destination) {
            (Kind::Other, ..) => bytes.extend([0xff; 60]),
            (Kind::Arp, IpAddr::V4(source), IpAddr::V4(destination)) => {
                protocol = 0x0806;
                bytes.extend([0, 1, 8, 0, 6, 4, 0, 1, 1, 2, 3, 4, 5, 6]);
                bytes.extend(source.octets());
                bytes.extend([0; 6]);
                bytes.extend(destination.octets());
            }
            (Kind::Ip, IpAddr::V4(source), IpAddr::V4(destination)) => {
                protocol = 0x0800;
                let offset = self.fragment.unwrap_or(0) | 0x2000;
                bytes.extend([0x45 + self.options, 0, 0, 0, 0, 0]);
                bytes.extend(offset.to_be_bytes());
                bytes.extend([64, self.protocol, 0, 0]);
                bytes.extend(source.octets());
                bytes.extend(destination.octets());
                bytes.resize(20 + 4 * usize::from(self.options), 1);
            }
            (Kind::Ip, IpAddr::V6(source), IpAddr::V6(destination)) => {
                protocol = 0x86dd;
                let next = self.fragment.map_or(self.protocol, |_| 44);
                bytes.extend([0x60, 0, 0, 0, 0, 0, next, 64]);
                bytes.extend(source.octets());
                bytes.extend(destination.octets());
                if let Some(offset) = self.fragment {
                    bytes.extend([self.protocol, 0]);
                    bytes.extend((offset << 3 | 1).to_be_bytes());
                    bytes.extend([9; 4]);
                }
            }
            _ => unreachable!("both ends are of one family"),
        }
        if later {
            bytes.extend([7; 16]);
        } else {
            bytes.extend(self.ports.0.to_be_bytes());
            bytes.extend(self.ports.1.to_be_bytes());
            bytes.extend([0; 16]);
        }
        // The lengths that the headers tell.
        let (len, payload) = (bytes.len() as u16, bytes.len().saturating_sub(40) as u16);
        match protocol {
            0x0800 => bytes[2..4].copy_from_slice(&len.to_be_bytes()),
            0x86dd => bytes[4..6].copy_from_slice(&payload.to_be_bytes()),
            _ => (),
        }
        Packet {
            protocol,
            bytes,
            ..Packet::default()
        }
    }

    fn passes(&self, filter: &Filter) -> bool {
        let one = |clause: &Clause| clause.0.iter().any(|test| self.has(test));
        filter.clauses.iter().all(one)
    }

    fn has(&self, test: &Test) -> bool {
        let ip = self.kind == Kind::Ip;
        let ends = |end, source, destination| match end {
            End::Either => source || destination,
            End::Source => source,
            End::Destination => destination,
        };
        let has = match test.what {
            What::Port { first, last, end } => {
                if !ip || ![6, 17, 33, 132, 136].contains(&self.protocol) {
                    return test.not;
                }
                if self.fragment.is_some_and(|offset| offset > 0) {
                    return true;
                }
                let inside = |port| (first..=last).contains(&port);
                ends(end, inside(self.ports.0), inside(self.ports.1))
            }
            What::Host {
                address,
                prefix,
                end,
            } => {
                let inside = |other| shares(address, other, prefix);
                self.kind != Kind::Other && ends(end, inside(self.source), inside(self.destination))
            }
            What::Protocol(number) => ip && self.protocol == number,
            What::Arp => self.kind == Kind::Arp,
            What::Version { v6 } => ip && self.source.is_ipv6() == v6,
        };
        has != test.not
    }
}

/// Whether two addresses have the first bits in common.
fn shares(one: IpAddr, other: IpAddr, prefix: u8) -> bool {
    let bits = |address| match address {
        IpAddr::V4(address) => Ipv4Addr::octets(&address).to_vec(),
        IpAddr::V6(address) => Ipv6Addr::octets(&address).to_vec(),
    };
    let (one, other): (Vec<u8>, Vec<u8>) = (bits(one), bits(other));
    let bit = |bytes: &[u8], at: usize| bytes[at / 8] >> (7 - at % 8) & 1;
    one.len() == other.len() && (0..usize::from(prefix)).all(|at| bit(&one, at) == bit(&other, at))
}

/// Few addresses and ports, so that they meet.
fn address(v6: bool) -> impl Strategy<Value = IpAddr> {
    (0..3_u8, 0..3_u8).prop_map(move |(high, low)| {
        if v6 {
            IpAddr::from([0xfd, high, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, low])
        } else {
            IpAddr::from([10, high, 0, low])
        }
    })
}

fn port() -> impl Strategy<Value = u16> {
    prop_oneof![Just(0), Just(5000), 4998..5003_u16, Just(u16::MAX)]
}

fn packet() -> impl Strategy<Value = Described> {
    let protocol = prop_oneof![Just(6), Just(17), Just(1), Just(58), Just(132)];
    let fragment = prop_oneof![
        Just(None),
        Just(Some(0_u16)),
        Just(Some(1)),
        Just(Some(185))
    ];
    let kind = prop_oneof![4 => Just(Kind::Ip), 1 => Just(Kind::Arp), 1 => Just(Kind::Other)];
    (any::<bool>(), kind).prop_flat_map(move |(v6, kind)| {
        let v6 = v6 && kind != Kind::Arp;
        let (protocol, fragment) = (protocol.clone(), fragment.clone());
        let ports = (port(), port());
        (
            address(v6),
            address(v6),
            protocol,
            ports,
            0..11_u8,
            fragment,
        )
            .prop_map(
                move |(source, destination, protocol, ports, options, fragment)| Described {
                    source,
                    destination,
                    protocol,
                    ports,
                    options,
                    fragment,
                    kind,
                },
            )
    })
}

fn test() -> impl Strategy<Value = Test> {
    let end = prop_oneof![Just(End::Either), Just(End::Source), Just(End::Destination)];
    let ports = (port(), port(), end.clone()).prop_map(|(one, other, end)| What::Port {
        first: one.min(other),
        last: one.max(other),
        end,
    });
    let hosts = (any::<bool>(), 0..=128_u8, end).prop_flat_map(|(v6, prefix, end)| {
        let prefix = if v6 { prefix } else { prefix.min(32) };
        address(v6).prop_map(move |address| What::Host {
            address,
            prefix,
            end,
        })
    });
    let number = prop_oneof![Just(6), Just(17), Just(1), Just(58), Just(44)];
    let what = prop_oneof![
        3 => ports,
        3 => hosts,
        2 => number.prop_map(What::Protocol),
        1 => Just(What::Arp),
        1 => any::<bool>().prop_map(|v6| What::Version { v6 }),
    ];
    (any::<bool>(), what).prop_map(|(not, what)| Test { not, what })
}

fn filter() -> impl Strategy<Value = Filter> {
    let clause = prop::collection::vec(test(), 0..4);
    prop::collection::vec(clause, 0..4).prop_map(|clauses| {
        clauses
            .into_iter()
            .fold(Filter::everything(), Filter::and_any)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_program_lets_in_what_its_filter_says(filter in filter(), packet in packet()) {
        let program = filter.compile(128, false).unwrap();
        let kernel = packet.to_packet();
        let let_in = run(&program, &kernel);
        let frame = [&[2; 12][..], &kernel.protocol.to_be_bytes(), &kernel.bytes].concat();
        let dissected = dissect(link_type::ETHERNET, &frame, frame.len() as u32);
        prop_assert_eq!(filter.accepts(&dissected), packet.passes(&filter), "{:?}", dissected);
        prop_assert_eq!(let_in, if packet.passes(&filter) { 128 } else { 0 });
    }

    /// Bytes that are no packet are let in or not; the machine checks that no step is outside of the
    /// program and that no cell is read before it is written.
    #[test]
    fn noise_ends_every_program(
        filter in filter(), protocol in prop_oneof![Just(0x0800), Just(0x86dd), Just(0x0806)],
        bytes in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let program = filter.compile(9, true).unwrap();
        let packet = Packet { protocol, bytes, ..Packet::default() };
        prop_assert!([0, 9].contains(&run(&program, &packet)));
    }
}

#[test]
fn what_the_loopback_device_sends_is_left_out_and_nothing_else() {
    let program = Filter::everything().compile(u32::MAX, true).unwrap();
    let let_in = |direction, hardware| {
        let packet = Packet {
            direction,
            hardware,
            ..Packet::default()
        };
        run(&program, &packet) > 0
    };
    assert!(!let_in(4, 772));
    assert!(let_in(0, 772) && let_in(4, 1) && let_in(0, 1) && let_in(4, 65534));
}

#[test]
fn a_filter_has_a_limit() {
    let tests = |count: u16| (0..count).map(Test::port);
    let longest = Filter::everything().and_any(tests(170));
    assert!(longest.compile(1, true).is_ok());
    let error = Filter::everything().and_any(tests(4000)).compile(1, true);
    assert!(matches!(
        error,
        Err(FilterError::TooLong { limit: 4096, .. })
    ));
}
