//! Programs in another network than the tracer's: what is told of them is as true as at home.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::thread;

use nix::sched::{CloneFlags, unshare};
use sockeye_observe::watch::Options;
use sockeye_testkit::private_network;
use sockeye_trace::{Call, Gauge, Kind, TcpState};

use super::records::{python, watch_with};

/// Both ends of one connection, in a network whose loopback device comes up first (netdevice(7)).
const ALONE: &str = "\
import fcntl, os, socket, struct
request = struct.pack('16sH14s', b'lo', 0x1 | 0x40, b'')
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    fcntl.ioctl(s, 0x8914, request)
listener = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
client.sendall(b'twelve bytes')
server.recv(5)
client.close()
server.close()
raise SystemExit(0 if os.readlink('/proc/self/ns/net') != os.environ['OURS'] else 9)
";

fn another() -> OwnedFd {
    let make = || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        OwnedFd::from(File::open("/proc/thread-self/ns/net").unwrap())
    };
    thread::spawn(make).join().unwrap()
}

#[test]
fn states_and_gauges_of_another_network_are_told() {
    private_network(|| {
        let Some(mut program) = python("alone", ALONE, &[]) else {
            return;
        };
        let ours = std::fs::read_link("/proc/self/ns/net").unwrap();
        program.env.push(("OURS".into(), ours.into()));
        program.network = Some(another());
        let options = Options {
            gauges: true,
            ..Options::default()
        };
        let record = watch_with(options, &program, vec![]);
        assert_eq!(record.outcome.exits[0].code, Some(0));
        let closes = record.of(Kind::Called);
        let closes = closes.iter().filter(|fact| fact.call() == Call::Close);
        let states: Vec<_> = closes.map(|fact| fact.state).collect();
        // Nobody but the kernel of that network knows what a connection does after its close; what
        // was not read makes the other end's close a reset.
        let waits = matches!(states[1], TcpState::FinWait1 | TcpState::FinWait2);
        assert!(waits, "{states:?}");
        assert_eq!(states[2], TcpState::Close, "{states:?}");
        let gauges = record.of(Kind::Gauged);
        let mut gauges = gauges
            .iter()
            .filter_map(|fact| Gauge::from_payload(fact.data));
        assert!(gauges.any(|gauge| gauge.unread == 7));
    });
}
