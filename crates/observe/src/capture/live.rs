//! Captures of real packets, in a network of the test's own.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use sockeye_testkit::{DEADLINE, Process, private_network};
use sockeye_trace::{Fact, packet_flag};

use super::*;

/// A packet that was seen.
#[derive(Clone, Debug)]
struct Seen {
    original_len: i32,
    piece: u32,
    flags: u32,
    time: Time,
    data: Vec<u8>,
}

fn open(options: &Options) -> Capture {
    Capture::open(options).unwrap()
}

fn on_lo() -> Options {
    Options {
        interface: Some("lo".into()),
        ..Options::default()
    }
}

/// Waits until so many packets have passed: a busy kernel delivers them a little after their sending.
fn passed(capture: &mut Capture, packets: u64) {
    let begun = Instant::now();
    while capture.statistics().packets < packets {
        assert!(begun.elapsed() < DEADLINE, "{:?}", capture.statistics());
        std::thread::yield_now();
    }
}

/// Everything, once so many packets have passed.
fn finish(mut capture: Capture, packets: u64) -> (Vec<Seen>, Vec<Interface>, Statistics) {
    passed(&mut capture, packets);
    let (mut seen, mut interfaces) = (vec![], vec![]);
    let mut keep = |fact: &Fact<'_>| match fact.kind() {
        Kind::Packet => seen.push(Seen {
            original_len: fact.event.result,
            piece: fact.event.asked,
            flags: fact.flags,
            time: fact.event.time,
            data: fact.data.to_vec(),
        }),
        Kind::Interface => interfaces.push(fact.describes().unwrap()),
        other => panic!("{other:?}"),
    };
    capture.finish(&mut keep).unwrap();
    let statistics = capture.statistics();
    (seen, interfaces, statistics)
}

fn udp() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

fn now() -> Time {
    sockeye_trace::Clock::start().now()
}

/// What UDP over IPv4 over Ethernet carries.
fn payload(seen: &Seen) -> &[u8] {
    &seen.data[42..]
}

#[test]
fn each_packet_of_the_loopback_device_is_there_once() {
    private_network(|| {
        for interface in [Some("lo".to_owned()), None] {
            let all = interface.is_none();
            let capture = open(&Options {
                interface,
                ..Options::default()
            });
            let (socket, to) = udp();
            let before = now();
            for number in 0..50_u8 {
                socket.send_to(&[number; 9], to).unwrap();
            }
            let (seen, interfaces, statistics) = finish(capture, 50);
            let numbers: Vec<u8> = seen.iter().map(|seen| payload(seen)[0]).collect();
            assert_eq!(numbers, (0..50).collect::<Vec<_>>(), "all: {all}");
            for one in &seen {
                assert_eq!((one.original_len, one.data.len(), one.piece), (51, 51, 0));
                assert_eq!(one.flags & packet_flag::OUTGOING, 0);
                assert!(before <= one.time && one.time <= now());
            }
            let [lo] = &*interfaces else {
                panic!("{interfaces:?}")
            };
            assert_eq!((&*lo.name, lo.link_type), ("lo", 1));
            assert_eq!((statistics.packets, statistics.dropped), (50, 0));
        }
    });
}

#[test]
fn nothing_from_before_the_filter_comes_in() {
    private_network(|| {
        let (noise, noisy) = udp();
        let (socket, to) = udp();
        let stop = AtomicBool::new(false);
        let captured: Vec<_> = std::thread::scope(|scope| {
            scope.spawn(|| {
                let begun = Instant::now();
                while !stop.load(Ordering::Relaxed) && begun.elapsed() < DEADLINE {
                    noise.send_to(b"noise", noisy).unwrap();
                }
            });
            let options = Options {
                filter: Filter::everything().and_ports([to.port()]),
                ..on_lo()
            };
            let captures = (0..20).map(|_| {
                let capture = Capture::open(&options).ok()?;
                socket.send_to(b"wanted", to).ok()?;
                Some(finish(capture, 1))
            });
            let captured = captures.collect();
            stop.store(true, Ordering::Relaxed);
            captured
        });
        for captured in captured {
            let (seen, _, statistics) = captured.expect("a socket and a ring are to be had");
            assert_eq!(seen.len(), 1);
            assert_eq!(payload(&seen[0]), b"wanted");
            assert_eq!(statistics.packets, 1);
        }
    });
}

#[test]
fn a_short_packet_keeps_its_length() {
    private_network(|| {
        let capture = open(&Options {
            snap: 64,
            ..on_lo()
        });
        let (socket, to) = udp();
        socket.send_to(&[b'x'; 1000], to).unwrap();
        socket.send_to(b"short", to).unwrap();
        let (seen, interfaces, _) = finish(capture, 2);
        let lengths: Vec<_> = seen
            .iter()
            .map(|s| (s.original_len, s.data.len()))
            .collect();
        assert_eq!(lengths, [(1042, 64), (47, 47)]);
        assert_eq!(interfaces[0].snap, 64);
    });
}

/// Nobody reads while more arrives than the ring holds: what is missing is counted exactly.
#[test]
fn every_packet_is_captured_or_counted() {
    const SENT: u64 = 20_000;
    private_network(|| {
        let mut capture = open(&Options {
            ring_bytes: 2 << 20,
            ..on_lo()
        });
        let (socket, to) = udp();
        for _ in 0..SENT {
            socket.send_to(&[0; 400], to).unwrap();
        }
        passed(&mut capture, SENT);
        let mut packets = 0;
        let mut count = |fact: &Fact<'_>| packets += u64::from(fact.kind() == Kind::Packet);
        capture.finish(&mut count).unwrap();
        let statistics = capture.statistics();
        assert_eq!(statistics.packets, SENT);
        assert!(statistics.dropped > 0, "{statistics:?}");
        assert_eq!(packets + statistics.dropped, SENT);
    });
}

#[test]
fn a_segment_says_what_pieces_it_stands_for() {
    private_network(|| {
        let capture = open(&on_lo());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = socket_with_mss(1000);
        socket
            .connect(&listener.local_addr().unwrap().into())
            .unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let mut got = vec![0; 20_000];
        std::io::Write::write_all(&mut &socket, &got).unwrap();
        std::io::Read::read_exact(&mut peer, &mut got).unwrap();
        let (seen, ..) = finish(capture, 4);
        let large = seen.iter().find(|seen| seen.original_len > 5000).unwrap();
        // The option for time stamps takes 12 bytes of each segment.
        assert_eq!(large.piece, 988);
        assert!(large.flags & packet_flag::PARTIAL_CHECKSUM != 0);
    });
}

fn socket_with_mss(mss: u32) -> socket2::Socket {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_tcp_mss(mss).unwrap();
    socket
}

#[test]
fn fragments_pass_a_filter_for_ports() {
    private_network(|| {
        let (socket, to) = udp();
        let (other, elsewhere) = udp();
        python(SET_MTU);
        let filter = Filter::everything().and_ports([to.port()]);
        let capture = open(&Options { filter, ..on_lo() });
        other.send_to(b"not this", elsewhere).unwrap();
        socket.send_to(&[0; 3000], to).unwrap();
        let (seen, ..) = finish(capture, 3);
        // 1480 bytes of what IP carries in each but the last: 3008 with the header of UDP.
        let lengths: Vec<_> = seen.iter().map(|seen| seen.original_len - 34).collect();
        assert_eq!(lengths, [1480, 1480, 48]);
    });
}

#[test]
fn an_interface_that_goes_down_ends_the_wait_and_loses_nothing() {
    private_network(|| {
        let mut capture = open(&on_lo());
        let (socket, to) = udp();
        socket.send_to(b"last words", to).unwrap();
        python(SET_DOWN);
        let mut packets = vec![];
        let error = loop {
            match capture.wait(DEADLINE) {
                Ok(true) => {
                    let keep = |fact: &Fact<'_>| packets.push(fact.data.to_vec());
                    capture.drain(keep).unwrap();
                }
                Ok(false) => panic!("waited in vain"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.raw_os_error(), Some(libc::ENETDOWN));
        capture
            .finish(|fact| packets.push(fact.data.to_vec()))
            .unwrap();
        assert!(packets.iter().any(|data| data.ends_with(b"last words")));
        let again = Capture::open(&on_lo()).unwrap_err();
        assert_eq!(again.to_string(), "the interface 'lo' is down");
    });
}

/// Runs a script.
fn python(script: &str) {
    let run = Process::run(Command::new("python3").args(["-c", script]));
    assert_eq!(run.code, Some(0), "{}", run.stderr_text());
}

/// Lets the loopback device carry 1500 bytes at once: SIOCSIFMTU (0x8922), netdevice(7).
const SET_MTU: &str = "\
import fcntl, socket, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    fcntl.ioctl(s, 0x8922, struct.pack('16si12s', b'lo', 1500, b''))
";

/// Takes the loopback device down: SIOCSIFFLAGS (0x8914) without flags, netdevice(7).
const SET_DOWN: &str = "\
import fcntl, socket, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    fcntl.ioctl(s, 0x8914, struct.pack('16sH14s', b'lo', 0, b''))
";

#[test]
fn an_unknown_interface_is_told_with_those_that_exist() {
    private_network(|| {
        let error = Capture::open(&Options {
            interface: Some("eth7".into()),
            ..Options::default()
        });
        let text = error.unwrap_err().to_string();
        assert_eq!(text, "there is no interface 'eth7', there are lo");
    });
}
