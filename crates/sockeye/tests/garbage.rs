//! Connections full of garbage at a real server, under every framing: none of them may end it,
//! and none may leave anything behind. `cargo xtask soak garbage` runs this with 100,000.

use std::collections::VecDeque;
use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::process::Command;
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use socket2::{Domain, Socket, Type};
use sockeye_testkit::{DEADLINE, Process, Signal};

const FRAMINGS: [&str; 12] = [
    "raw",
    "line",
    "delim:0xFFFFFF",
    "fixed:7",
    "u16be",
    "i32le",
    "varint",
    "json-header",
    "content-length",
    "netstring",
    "octet-count",
    "slip",
];
const CLIENTS: u64 = 4;
/// Connections that each client leaves open, silent, while it makes the next ones.
const SILENT: usize = 16;
/// What a server that has already seen every kind of garbage may still grow by: the allocator's
/// own slack, not a few bytes a connection.
const SLACK_KIB: u64 = 4096;

#[test]
fn garbage_neither_ends_the_server_nor_makes_it_grow() {
    let connections: u64 = setting("SOCKEYE_GARBAGE_CONNECTIONS", 3000);
    let seed: u64 = setting("SOCKEYE_GARBAGE_SEED", 1);
    let endpoints = FRAMINGS.map(|framing| format!("tcp://127.0.0.1:0?frame={framing}"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockeye"));
    let mut server = Process::start(
        command
            .args(["serve", "echo", "--json"])
            .args(endpoints)
            .env_remove("SOCKEYE_CONFIG"),
    );
    server.event("ready");
    let addresses: Vec<_> = server.events("listening").iter().map(address).collect();
    assert_eq!(addresses.len(), FRAMINGS.len());
    let descriptors = open_descriptors(&server);

    // The first third warms up: thread stacks, the allocator's arenas, every code path.
    campaign(&addresses, seed, connections / 3);
    let memory = settled(&server, "VmRSS");
    campaign(&addresses, seed + CLIENTS, connections - connections / 3);
    let grown = settled(&server, "VmRSS").saturating_sub(memory);

    assert!(
        server.is_running(),
        "{}",
        String::from_utf8_lossy(&server.stderr())
    );
    assert!(grown <= SLACK_KIB, "grew by {grown} KiB from {memory} KiB");
    assert_eq!(wait_for_descriptors(&server, descriptors), descriptors);
    let mut good = connect(addresses[0]);
    good.write_all(b"hello").unwrap();
    let mut answer = [0; 5];
    good.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
    drop(good);
    println!("{connections} connections, {memory} KiB, grown by {grown} KiB");

    server.signal(Signal::INT);
    let exit = server.exit();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr_text());
    assert!(
        !exit.stderr_text().contains("panicked"),
        "{}",
        exit.stderr_text()
    );
}

/// `connections` connections from [`CLIENTS`] clients at once, each with numbers of its own.
fn campaign(addresses: &[SocketAddr], seed: u64, connections: u64) {
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || {
                let mut chance = Chance(seed + client);
                let mut silent = VecDeque::new();
                for _ in 0..connections / CLIENTS {
                    let address = addresses[chance.below(addresses.len() as u64) as usize];
                    silent.extend(spoil(address, &mut chance));
                    if silent.len() > SILENT {
                        silent.pop_front();
                    }
                }
            });
        }
    });
}

/// One connection: garbage, then one of the ways to end; returns it if it should stay silent.
fn spoil(address: SocketAddr, chance: &mut Chance) -> Option<Socket> {
    let mut socket = connect(address);
    let garbage = garbage(chance);
    // The server may end the connection at the first bad byte: then writing fails, as it should.
    let (head, tail) = garbage.split_at(chance.below(garbage.len() as u64 + 1) as usize);
    let _ = socket.write_all(head).and_then(|()| socket.write_all(tail));
    match chance.below(4) {
        0 => return Some(socket),
        1 => {
            let _ = socket.shutdown(Shutdown::Write);
            let mut rest = vec![];
            // An end or a reset, but no silence: the read has a deadline.
            if let Err(error) = socket.read_to_end(&mut rest) {
                assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "no end came");
            }
        }
        2 => socket
            .set_linger(Some(Duration::ZERO))
            .expect("a socket takes SO_LINGER"),
        _ => {}
    }
    None
}

fn garbage(chance: &mut Chance) -> Vec<u8> {
    let starts: [&[u8]; 8] = [
        b"",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"Content-Length: 99999999999\r\n\r\n",
        b"\xff\xff\xff\x7f",
        b"\x05\x00\x00\x00{\"a\":",
        b"999999999:",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\xc0\xdb\xdb\xc0\xc0",
    ];
    let mut bytes = starts[chance.below(8) as usize].to_vec();
    let length = match chance.below(8) {
        0 => 70_000,
        1..4 => 3000,
        _ => 30,
    };
    let length = chance.below(length);
    bytes.extend((0..length).map(|_| chance.next() as u8));
    bytes
}

fn connect(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
    socket
        .set_read_timeout(Some(DEADLINE))
        .expect("a socket takes a timeout");
    socket
        .set_write_timeout(Some(DEADLINE))
        .expect("a socket takes a timeout");
    socket
        .connect(&address.into())
        .expect("the server accepts everybody");
    socket
}

fn address(listening: &Value) -> SocketAddr {
    let endpoint = listening["endpoint"].as_str().expect("an endpoint is text");
    let place = endpoint
        .strip_prefix("tcp://")
        .expect("all of them are TCP");
    place
        .split('?')
        .next()
        .and_then(|place| place.parse().ok())
        .expect("the real address")
}

/// A line of `/proc/PID/status` in KiB, once two looks agree: the server may still be closing.
fn settled(server: &Process, field: &str) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut last = status(server, field);
    loop {
        thread::sleep(Duration::from_millis(50));
        let now = status(server, field);
        if now == last || Instant::now() > deadline {
            return now;
        }
        last = now;
    }
}

fn status(server: &Process, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("it runs");
    let line = status
        .lines()
        .find(|line| line.starts_with(field))
        .expect("Linux has the field");
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .expect("it is in KiB")
}

fn open_descriptors(server: &Process) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.id()))
        .expect("it runs")
        .count()
}

/// The number of open descriptors once it is back at `expected`, or at the deadline.
fn wait_for_descriptors(server: &Process, expected: usize) -> usize {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let now = open_descriptors(server);
        if now <= expected || Instant::now() > deadline {
            return now;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn setting<T: FromStr>(name: &str, default: T) -> T {
    env::var(name).ok().map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is {text:?}, which is no number"))
    })
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same seed gives the same garbage.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.next() % limit }
    }
}
