//! The packets that `watch` saw beside those that dumpcap captured and tshark took apart.

use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use sockeye_testkit::{DEADLINE, Process, Signal};
use sockeye_trace::packet::{Body, dissect};
use sockeye_trace::{Kind, Timeline};

/// Where the peers of these tests listen.
const PORTS: [u16; 2] = [5000, 5001];
/// Where nobody listens: what is sent there only shows that the capture runs.
const MARK: &str = "127.0.0.1:9";

/// dumpcap on the loopback device.
pub(crate) struct Witness {
    process: Process,
    file: PathBuf,
}

impl Witness {
    /// Starts it, and waits until it captures.
    pub(crate) fn start(dumpcap: &Path, folder: &Path) -> Self {
        let file = folder.join("witness.pcapng");
        let process = Process::start(
            Command::new(dumpcap)
                .args(["-i", "lo", "-q", "-B", "64", "-w"])
                .arg(&file),
        );
        let witness = Self { process, file };
        witness.mark("the capture has begun");
        witness
    }

    /// Sends `text` until the capture has it.
    fn mark(&self, text: &str) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let began = Instant::now();
        loop {
            // Nobody listens there, which the next send may be told.
            let _ = socket.send_to(text.as_bytes(), MARK);
            let captured = fs::read(&self.file).unwrap_or_default();
            if captured
                .windows(text.len())
                .any(|bytes| bytes == text.as_bytes())
            {
                return;
            }
            assert!(
                began.elapsed() < DEADLINE,
                "dumpcap: {}",
                self.process_text()
            );
            std::thread::yield_now();
        }
    }

    fn process_text(&self) -> String {
        String::from_utf8_lossy(&self.process.stderr()).into_owned()
    }

    /// Waits until all that was sent until now is in the file, and ends it.
    pub(crate) fn end(mut self) {
        self.mark("the capture may end");
        self.process.signal(Signal::INT);
        let exit = self.process.exit();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    }
}

/// A packet as both see it: addresses, ports, IP's number and the place of a fragment, and what TCP or
/// UDP says of itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    addresses: [String; 2],
    ports: Option<[u16; 2]>,
    ident: u32,
    fragment: u32,
    frame: u32,
    tcp: Option<[u64; 4]>,
    udp: Option<u32>,
}

/// The same packets, in the same order in each direction, and each in its flow.
pub(crate) fn is_as_tshark_says(timeline: &Timeline<'_>, folder: &Path) {
    let (theirs, ours) = (theirs(folder), ours(timeline));
    assert!(!theirs.is_empty());
    for (addresses, theirs) in &theirs {
        let ours = ours.get(addresses).cloned().unwrap_or_default();
        for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
            assert_eq!(ours, theirs, "packet {at} of {addresses:?}");
        }
        assert_eq!(ours.len(), theirs.len(), "of {addresses:?}");
    }
    assert_eq!(ours.len(), theirs.len());
    let left = timeline
        .apart
        .iter()
        .filter(|id| timeline.fact(**id).kind() == Kind::Packet);
    assert_eq!(left.count(), 0, "packets that belong to no flow");
}

type ByDirection = BTreeMap<([String; 2], Option<[u16; 2]>), Vec<Seen>>;

fn ours(timeline: &Timeline<'_>) -> ByDirection {
    let mut all = ByDirection::new();
    for (_, fact) in timeline.session.facts() {
        if fact.kind() != Kind::Packet {
            continue;
        }
        let length = u32::try_from(fact.event.result).expect("a length");
        let packet = dissect(1, fact.data, length);
        let Some(net) = packet.net else { continue };
        let mut seen = Seen {
            addresses: [net.source.to_string(), net.destination.to_string()],
            ports: None,
            ident: net.id.unwrap_or_default(),
            fragment: net.fragment.map_or(0, |fragment| fragment.offset),
            frame: length,
            tcp: None,
            udp: None,
        };
        match packet.body {
            Body::Tcp(tcp) => {
                seen.ports = Some([tcp.source, tcp.destination]);
                let ack = if tcp.flags.has(16) { tcp.ack } else { 0 };
                let numbers = [tcp.seq, packet.payload_len, tcp.flags.0.into(), ack];
                seen.tcp = Some(numbers.map(u64::from));
            }
            Body::Udp(udp) => {
                seen.ports = Some([udp.source, udp.destination]);
                seen.udp = Some(udp.len + 8);
            }
            Body::Fragment => {}
            _ => continue,
        }
        all.entry((seen.addresses.clone(), seen.ports))
            .or_default()
            .push(seen);
    }
    all
}

fn theirs(folder: &Path) -> ByDirection {
    let fields = [
        "ip.src",
        "ip.dst",
        "ip.id",
        "ip.frag_offset",
        "frame.len",
        "tcp.srcport",
        "tcp.dstport",
        "tcp.seq_raw",
        "tcp.len",
        "tcp.flags",
        "tcp.ack_raw",
        "udp.srcport",
        "udp.dstport",
        "udp.length",
    ];
    let mut command = Command::new("tshark");
    command
        .args([
            "-n",
            "-T",
            "fields",
            "-E",
            "separator=,",
            "-E",
            "occurrence=f",
        ])
        .args([
            "-o",
            "ip.defragment:FALSE",
            "-o",
            "tcp.desegment_tcp_streams:FALSE",
        ])
        .args(["-Y", "ip && !icmp", "-r"])
        .arg(folder.join("witness.pcapng"));
    for field in fields {
        command.args(["-e", field]);
    }
    let exit = Process::run(&mut command);
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    let mut all = ByDirection::new();
    for line in exit.stdout_text().lines() {
        let words: Vec<&str> = line.split(',').collect();
        let number = |at: usize| number(words[at]);
        let ports = |at: usize| {
            number(at)
                .zip(number(at + 1))
                .map(|(a, b)| [a as u16, b as u16])
        };
        let (tcp, udp) = (ports(5), ports(11));
        let seen = Seen {
            addresses: [words[0].to_owned(), words[1].to_owned()],
            ports: tcp.or(udp),
            ident: number(2).unwrap_or_default() as u32,
            fragment: number(3).unwrap_or_default() as u32,
            frame: number(4).expect("a length") as u32,
            tcp: tcp.map(|_| [7, 8, 9, 10].map(|at| number(at).unwrap_or_default())),
            udp: number(13).map(|length| length as u32),
        };
        let watched = |ports: [u16; 2]| ports.iter().any(|port| PORTS.contains(port));
        if seen.ports.is_none_or(watched) {
            all.entry((seen.addresses.clone(), seen.ports))
                .or_default()
                .push(seen);
        }
    }
    all
}

/// `17`, or `0x0011`.
fn number(word: &str) -> Option<u64> {
    match word.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => word.parse().ok(),
    }
}
