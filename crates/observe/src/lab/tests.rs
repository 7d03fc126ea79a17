//! Hosts, links and the wire, as they are in a kernel.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sockeye_fault::Rule;
use sockeye_trace::packet::{Body, dissect};
use sockeye_trace::{Fact, Interface, Kind};

use super::*;
use crate::namespace::Isolation;
use crate::namespace::tests::{As, look_inside};

/// Runs a test in a room, as whoever runs the tests and as nobody: it says `fine`, or what was not.
fn check(look: fn() -> String) {
    for who in [As::Oneself, As::Nobody] {
        if let Some(said) = look_inside(who, Isolation::default(), look) {
            assert_eq!(said, "fine", "{who:?}");
        }
    }
}

/// What a wire told, a line a packet.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn listen(&self) -> impl FnMut(&mut dyn Iterator<Item = Fact<'_>>) + Send + use<> {
        let lines = Arc::clone(&self.0);
        move |facts| lines.lock().unwrap().extend(facts.map(|fact| line(&fact)))
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

fn line(fact: &Fact<'_>) -> String {
    let interface = match fact.kind() {
        Kind::Packet => fact.event.conn().number(),
        Kind::Interface => {
            let interface: Interface = fact.describes().unwrap();
            return format!("interface {} {}", interface.number, interface.name);
        }
        other => return format!("{other:?} {}", fact.text),
    };
    let packet = dissect(1, fact.data, fact.event.result.cast_unsigned());
    let what = match &packet.body {
        Body::Tcp(tcp) => {
            let flags = tcp.flags.by_position();
            format!("{} {}", flags.as_str().replace('.', ""), packet.payload_len)
        }
        other => format!("{other:?}"),
    };
    format!("{interface} {what} {}", fact.text)
        .trim()
        .to_owned()
}

fn lay(setting: &Setting, rules: &[&str]) -> (HostNetwork, HostNetwork, Wire, Told) {
    let link = Link::build(setting).unwrap();
    let told = Told::default();
    let options = WireOptions {
        rules: rules
            .iter()
            .map(|rule| rule.parse::<Rule>().unwrap())
            .collect(),
        ..WireOptions::default()
    };
    let wire = Wire::start(link.ends, options, told.listen()).unwrap();
    (link.client, link.server, wire, told)
}

#[test]
fn a_connection_between_two_hosts_is_told_packet_by_packet() {
    check(|| {
        let (client, server, wire, told) = lay(&Setting::default(), &[]);
        let listener = server.inside(|| TcpListener::bind("10.0.0.2:80").unwrap());
        let listener = listener.unwrap();
        let stream = client.inside(|| TcpStream::connect("10.0.0.2:80").unwrap());
        let mut stream = stream.unwrap();
        let (mut accepted, peer) = listener.accept().unwrap();
        assert_eq!(peer.ip(), CLIENT);
        stream.write_all(b"hello").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut heard = String::new();
        accepted.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "hello");
        drop(accepted);
        assert_eq!(stream.read(&mut [0; 9]).unwrap(), 0);
        let statistics = wire.finish().unwrap();
        let lines = told.lines();
        assert_eq!(lines[..2], ["interface 1 client", "interface 2 server"]);
        assert_eq!(lines[2..6], ["1 S 0", "2 AS 0", "1 A 0", "1 AP 5"]);
        assert_eq!(statistics.packets as usize, lines.len() - 2);
        assert_eq!((statistics.missed, statistics.refused), (0, 0));
        "fine".to_owned()
    });
}
