//! Which packets of a network that is not ours alone belong to the watched programs.
//!
//! Packets come before it is known whose they are: the SYN of a connection passes before `connect`
//! has returned. So what nobody owns yet is held for a while, within limits.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use sockeye_trace::packet::{Body, Packet, dissect};
use sockeye_trace::{Address, ConnId, Event, Fact, Interface, Kind, Side, Time, Transport};

/// Packets that are held back at most.
const HELD: usize = 4096;
/// Bytes of them that are held back at most.
const HELD_BYTES: usize = 4 << 20;
/// How long one is held back.
const HELD_FOR: Duration = Duration::from_secs(2);
/// Datagrams in fragments that are known at one time; IP numbers them within 65,536.
const FRAGMENTED: usize = 1024;

/// Decides about packets, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Ours {
    /// Connections of watched sockets, our end first. They are never forgotten: goodbyes come late, and no
    /// other connection has the same two ends for long after.
    connections: HashSet<(Protocol, SocketAddr, SocketAddr)>,
    /// Where watched sockets listen, or take datagrams, and who they are.
    places: HashMap<(Protocol, SocketAddr), HashSet<ConnId>>,
    /// Of sockets with a place, which have closed, and when: somebody else may have their port next.
    closed: VecDeque<(Time, ConnId)>,
    /// The link types of the interfaces.
    links: HashMap<u64, u32>,
    /// Datagrams of ours that came in fragments.
    fragmented: VecDeque<Datagram>,
    held: VecDeque<Held>,
    held_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Protocol {
    Tcp,
    Udp,
}

/// What fragments of one datagram have in common.
type Datagram = (IpAddr, IpAddr, u32);

/// A packet that nobody owns yet.
#[derive(Debug)]
struct Held {
    event: Event,
    flags: u32,
    data: Vec<u8>,
}

impl Held {
    fn fact(&self) -> Fact<'_> {
        let mut fact = Fact::new(self.event);
        fact.flags = self.flags;
        fact.data = &self.data;
        fact
    }
}

impl Ours {
    /// A watched socket has an address: gives what was held back for it to `each`.
    pub(crate) fn learn(&mut self, side: &Side, mut each: impl FnMut(&Fact<'_>)) {
        let protocol = match side.transport {
            Transport::Tcp => Protocol::Tcp,
            Transport::Udp => Protocol::Udp,
            _ => return,
        };
        let Address::Ip(local) = side.local else {
            return;
        };
        let is_new = match side.peer {
            Address::Ip(peer) if !local.ip().is_unspecified() => {
                self.connections.insert((protocol, local, peer))
            }
            _ if local.port() == 0 => false,
            _ if side.listening || protocol == Protocol::Udp => {
                let holders = self.places.entry((protocol, local)).or_default();
                holders.insert(side.conn())
            }
            _ => false,
        };
        if !is_new {
            return;
        }
        for held in std::mem::take(&mut self.held) {
            if self.owns(&held.fact()) {
                self.held_bytes -= held.data.len();
                each(&held.fact());
            } else {
                self.held.push_back(held);
            }
        }
    }

    /// A watched socket was closed.
    pub(crate) fn forget(&mut self, conn: ConnId, at: Time) {
        self.closed.push_back((at, conn));
    }

    /// Takes their places from sockets that have been closed for a while.
    fn expire(&mut self, now: Time) {
        while let Some((at, conn)) = self.closed.front().copied()
            && now.since(at) > HELD_FOR
        {
            self.closed.pop_front();
            self.places.retain(|_, holders| {
                holders.remove(&conn);
                !holders.is_empty()
            });
        }
    }

    /// Whether this fact of a capture is to be told of now. What is not may be later.
    pub(crate) fn takes(&mut self, fact: &Fact<'_>) -> bool {
        if fact.kind() == Kind::Interface
            && let Some(interface) = fact.describes::<Interface>()
        {
            self.links.insert(interface.number, interface.link_type);
        }
        self.expire(fact.event.time);
        if fact.kind() != Kind::Packet || self.owns(fact) {
            return true;
        }
        self.hold(fact);
        false
    }

    fn hold(&mut self, fact: &Fact<'_>) {
        self.held_bytes += fact.data.len();
        self.held.push_back(Held {
            event: fact.event,
            flags: fact.flags,
            data: fact.data.to_vec(),
        });
        let oldest = Time::from_nanos(
            fact.event
                .time
                .as_nanos()
                .saturating_sub(HELD_FOR.as_nanos() as u64),
        );
        while let Some(first) = self.held.front()
            && (self.held.len() > HELD || self.held_bytes > HELD_BYTES || first.event.time < oldest)
        {
            self.held_bytes -= first.data.len();
            self.held.pop_front();
        }
    }

    fn owns(&mut self, fact: &Fact<'_>) -> bool {
        let Some(link) = self.links.get(&fact.event.conn().number()) else {
            return false;
        };
        let length = u32::try_from(fact.moved()).unwrap_or(u32::MAX);
        let packet = dissect(*link, fact.data, length);
        let Some(net) = packet.net else {
            return false;
        };
        let datagram = net.id.map(|id| (net.source, net.destination, id));
        let owns = match packet.body {
            Body::Fragment => datagram.is_some_and(|datagram| self.fragmented.contains(&datagram)),
            _ => ends(&packet).is_some_and(|(protocol, source, destination)| {
                self.has(protocol, source, destination)
            }),
        };
        if owns && net.fragment.is_some() && packet.body != Body::Fragment {
            self.fragmented.extend(datagram);
            if self.fragmented.len() > FRAGMENTED {
                self.fragmented.pop_front();
            }
        }
        owns
    }

    fn has(&self, protocol: Protocol, source: SocketAddr, destination: SocketAddr) -> bool {
        let ends = [(source, destination), (destination, source)];
        ends.into_iter().any(|(local, peer)| {
            // A socket that is bound to no address in particular has every one.
            let any = [
                SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), local.port()),
                SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), local.port()),
            ];
            self.connections.contains(&(protocol, local, peer))
                || std::iter::once(local)
                    .chain(any)
                    .any(|place| self.places.contains_key(&(protocol, place)))
        })
    }
}

/// Both ends of a packet; of an ICMP error, those of the packet that it is about. IPv4 in IPv6 is IPv4, as
/// in the addresses of sockets.
fn ends(packet: &Packet<'_>) -> Option<(Protocol, SocketAddr, SocketAddr)> {
    let (net, protocol, ports) = match (&packet.body, packet.quoted, packet.net) {
        (Body::Tcp(tcp), _, Some(net)) => (net, Protocol::Tcp, (tcp.source, tcp.destination)),
        (Body::Udp(udp), _, Some(net)) => (net, Protocol::Udp, (udp.source, udp.destination)),
        (Body::Icmp { .. }, Some(quoted), _) => {
            // IANA protocol numbers.
            let protocol = match quoted.net.protocol {
                6 => Protocol::Tcp,
                17 => Protocol::Udp,
                _ => return None,
            };
            (quoted.net, protocol, quoted.ports?)
        }
        _ => return None,
    };
    let end = |address: IpAddr, port| SocketAddr::new(address.to_canonical(), port);
    Some((
        protocol,
        end(net.source, ports.0),
        end(net.destination, ports.1),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A UDP datagram from 127.0.0.1 to 127.0.0.1, as raw IP (RFC 791, RFC 768).
    fn datagram(from: u16, to: u16) -> Vec<u8> {
        let mut packet = vec![
            0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1,
        ];
        packet.extend(from.to_be_bytes());
        packet.extend(to.to_be_bytes());
        packet.extend([0, 8, 0, 0]);
        packet
    }

    fn packet(data: &[u8], at_ms: u64) -> Fact<'_> {
        let time = Time::from_nanos(at_ms * 1_000_000);
        let event = Event::new(Kind::Packet, ConnId::new(1), time);
        let mut fact = Fact::new(event.with_result(data.len() as i32));
        fact.data = data;
        fact
    }

    fn watching() -> Ours {
        let mut ours = Ours::default();
        // LINKTYPE_RAW.
        ours.links.insert(1, 101);
        ours
    }

    fn side(port: u16) -> Side {
        Side {
            transport: Transport::Udp,
            local: format!("127.0.0.1:{port}").parse().unwrap_or_default(),
            ..Side::default()
        }
    }

    fn learn(ours: &mut Ours, port: u16) -> usize {
        let mut told = 0;
        ours.learn(&side(port), |_| told += 1);
        told
    }

    #[test]
    fn a_packet_is_told_of_as_soon_as_its_socket_is_known() {
        let mut ours = watching();
        assert!(!ours.takes(&packet(&datagram(7, 8), 0)));
        assert!(!ours.takes(&packet(&datagram(70, 80), 0)));
        assert_eq!(learn(&mut ours, 8), 1);
        assert_eq!(learn(&mut ours, 8), 0);
        assert!(ours.takes(&packet(&datagram(8, 7), 1)));
        assert!(ours.takes(&packet(&datagram(9, 8), 1)));
        assert!(!ours.takes(&packet(&datagram(9, 10), 1)));
        assert_eq!(ours.held.len(), 2);
    }

    /// The next owner of a port is not watched: neither that of a place nor that of a connection.
    #[test]
    fn a_port_is_ours_only_while_it_is() {
        let mut ours = watching();
        learn(&mut ours, 8);
        ours.forget(side(8).conn(), Time::from_nanos(1_000_000));
        let wait = HELD_FOR.as_millis() as u64;
        let late = datagram(7, 8);
        assert!(ours.takes(&packet(&late, wait)), "it was on its way");
        assert!(!ours.takes(&packet(&late, wait + 2)));
        let connected = Side {
            peer: "127.0.0.1:20".parse().unwrap_or_default(),
            ..side(10)
        };
        ours.learn(&connected, |_| {});
        assert!(ours.takes(&packet(&datagram(20, 10), 9)));
        assert!(!ours.takes(&packet(&datagram(21, 10), 9)));
    }

    #[test]
    fn what_nobody_owns_is_held_within_limits() {
        let mut ours = watching();
        for _ in 0..=HELD {
            assert!(!ours.takes(&packet(&datagram(7, 8), 0)));
        }
        assert_eq!((ours.held.len(), ours.held_bytes), (HELD, HELD * 28));
        let late = HELD_FOR.as_millis() as u64 + 1;
        assert!(!ours.takes(&packet(&datagram(7, 8), late)));
        assert_eq!((ours.held.len(), ours.held_bytes), (1, 28));
        let mut large = datagram(7, 8);
        large.resize(HELD_BYTES, 0);
        assert!(!ours.takes(&packet(&large, late)));
        assert_eq!((ours.held.len(), ours.held_bytes), (1, HELD_BYTES));
    }

    #[test]
    fn fragments_follow_their_first() {
        let mut ours = watching();
        let mut first = datagram(7, 8);
        // More fragments.
        first[6] = 0x20;
        let mut second = datagram(7, 8);
        // Offset 8, in units of eight bytes.
        second[7] = 1;
        assert!(!ours.takes(&packet(&first, 0)));
        assert!(!ours.takes(&packet(&second, 0)));
        assert_eq!(learn(&mut ours, 8), 2);
        second[5] = 9;
        assert!(!ours.takes(&packet(&second, 0)), "of another datagram");
    }

    #[test]
    fn what_makes_no_sense_is_nobodys() {
        let mut ours = watching();
        learn(&mut ours, 8);
        for data in [&b""[..], b"\x45", &[0xff; 60]] {
            assert!(!ours.takes(&packet(data, 0)));
        }
    }
}
