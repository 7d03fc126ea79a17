//! Hosts, links and the wire, as they are in a kernel.

mod judged;
mod plain;
mod witnesses;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sockeye_fault::Rule;
use sockeye_testkit::DEADLINE;
use sockeye_trace::packet::{Body, dissect};
use sockeye_trace::{Fact, Interface, packet_flag};

use super::*;
use crate::namespace::Isolation;
use crate::namespace::tests::{As, look_inside};

/// Runs a test in a room, as whoever runs the tests and as nobody. What it asserts is told from there.
fn check(test: fn()) {
    for who in [As::Oneself, As::Nobody] {
        check_as(who, test);
    }
}

fn check_as(who: As, test: fn()) {
    TEST.with(|place| place.set(Some(test)));
    let said = look_inside(who, Isolation::default(), || {
        TEST.with(|place| place.get().unwrap())();
        "fine".to_owned()
    });
    if let Some(said) = said {
        assert_eq!(said, "fine", "{who:?}");
    }
}

thread_local! {
    /// What the child that is forked from this thread does.
    static TEST: std::cell::Cell<Option<fn()>> = const { std::cell::Cell::new(None) };
}

/// Two hosts, the wire between them, and what it tells.
struct Laid {
    client: HostNetwork,
    server: HostNetwork,
    wire: Wire,
    told: Told,
}

fn lay(setting: &Setting, rules: &[&str]) -> Laid {
    let link = Link::build(setting).unwrap();
    let told = Told::default();
    let options = WireOptions {
        rules: parse(rules),
        ..WireOptions::default()
    };
    Laid {
        client: link.client,
        server: link.server,
        wire: Wire::start(link.ends, options, told.listen()).unwrap(),
        told,
    }
}

fn parse(rules: &[&str]) -> Vec<Rule> {
    rules.iter().map(|rule| rule.parse().unwrap()).collect()
}

impl Laid {
    /// A connection: the client's end and the server's.
    fn connect(&self) -> (TcpStream, TcpStream) {
        let listener = self
            .server
            .inside(|| TcpListener::bind("10.0.0.2:80").unwrap());
        let listener = listener.unwrap();
        let stream = self.client.inside(|| {
            let to: SocketAddr = "10.0.0.2:80".parse().unwrap();
            TcpStream::connect_timeout(&to, DEADLINE).unwrap()
        });
        let (stream, (accepted, peer)) = (stream.unwrap(), listener.accept().unwrap());
        assert_eq!(peer.ip(), CLIENT);
        for stream in [&stream, &accepted] {
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            stream.set_write_timeout(Some(DEADLINE)).unwrap();
        }
        (stream, accepted)
    }

    /// Sends so many bytes through a new connection and takes them all.
    fn carry(&self, bytes: usize) {
        let (mut client, mut server) = self.connect();
        let content: Vec<u8> = (0..bytes).map(|at| (at / 7) as u8).collect();
        let sent = content.clone();
        let writer = std::thread::spawn(move || {
            client.write_all(&sent).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(client.read(&mut [0]).unwrap(), 0);
        });
        let mut heard = vec![];
        server.read_to_end(&mut heard).unwrap();
        drop(server);
        writer.join().unwrap();
        assert!(heard == content, "{} of {bytes}", heard.len());
        // The side that closes second has no socket any more once the last packet has come.
        wait_for("the end", || self.server.sockets().unwrap().is_empty());
    }

    /// Ends the wire: all that it told, and what it has done.
    fn end(self) -> (Vec<Line>, Statistics) {
        let statistics = self.wire.finish().unwrap();
        (self.told.lines(), statistics)
    }
}

/// Waits until something holds.
fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < DEADLINE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// One fact that was told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    /// `1 S 0`: the end where it came in, its flags, its payload.
    text: String,
    /// The verdict.
    why: String,
    /// The size of the pieces that it stands for.
    piece: u32,
    payload: u32,
}

/// What a wire told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Line>>>);

impl Told {
    fn listen(&self) -> impl FnMut(&mut dyn Iterator<Item = Fact<'_>>) + Send + use<> {
        let lines = Arc::clone(&self.0);
        move |facts| lines.lock().unwrap().extend(facts.map(|fact| line(&fact)))
    }

    fn lines(&self) -> Vec<Line> {
        self.0.lock().unwrap().clone()
    }
}

fn line(fact: &Fact<'_>) -> Line {
    let plain = |text| Line {
        text,
        why: String::new(),
        piece: 0,
        payload: 0,
    };
    match fact.kind() {
        sockeye_trace::Kind::Packet => {}
        sockeye_trace::Kind::Interface => {
            let interface: Interface = fact.describes().unwrap();
            return plain(format!("interface {} {}", interface.number, interface.name));
        }
        other => return plain(format!("{other:?} {}", fact.text)),
    }
    let packet = dissect(1, fact.data, fact.event.result.cast_unsigned());
    let what = match &packet.body {
        Body::Tcp(tcp) => tcp.flags.by_position().as_str().replace('.', ""),
        Body::Udp(_) => "udp".into(),
        other => format!("{other:?}"),
    };
    let made = if fact.flags & packet_flag::OUTGOING == 0 {
        ""
    } else {
        "made "
    };
    let end = fact.event.conn().number();
    Line {
        text: format!("{end} {made}{what} {}", packet.payload_len),
        why: fact.text.to_owned(),
        piece: fact.event.asked,
        payload: packet.payload_len,
    }
}

fn texts(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|line| &*line.text).collect()
}
