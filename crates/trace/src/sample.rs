//! Sessions written by hand, call by call and packet by packet: for tests, examples and benchmarks.
//!
//! ```
//! use sockeye_trace::sample::{CLIENT, SERVER, Script};
//!
//! let mut script = Script::new();
//! let tcp = script.connected_tcp();
//! script.write(tcp, CLIENT, b"hello ");
//! script.write(tcp, CLIENT, b"world");
//! script.segment(tcp, CLIENT, 0..11);
//! script.read(tcp, SERVER, 1024, 11);
//! script.close(tcp, CLIENT);
//! let session = script.session();
//! let timeline = sockeye_trace::Timeline::build(&session);
//! assert_eq!(timeline.flows[0].ways[0].wire[0].bytes, 0..11);
//! ```

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::ops::Range;

use etherparse::{PacketBuilder, TcpOptionElement};

use crate::packet::TcpFlags;
use crate::{
    Address, Call, ConnId, Event, Fact, Gap, Gauge, Head, Interface, Kind, Process, Session, Side,
    TcpState, Time, Transport, WireSource,
};

/// The end that connects.
pub const CLIENT: u8 = 0;
/// The end that accepts.
pub const SERVER: u8 = 1;

/// When every script begins: 2026-01-01T00:00:00Z.
const START_NS: u64 = 1_767_225_600_000_000_000;
/// What a call takes unless said.
const CALL_NS: u32 = 5_000;
/// Initial sequence numbers: near the end, so that they wrap.
const ISN: [u32; 2] = [0xffff_fff0, 7_000_000];
/// `MSG_TRUNC` of recv(2).
const TRUNCATED: u32 = 0x20;
/// The window that is announced, unscaled.
const WINDOW: u16 = 512;

/// Which conversation of a script.
pub type Talk = usize;

/// Writes a session, event by event. Every step moves the clock on by ten microseconds; see
/// [`Script::wait`].
#[derive(Clone, Debug)]
pub struct Script {
    session: Session,
    now: u64,
    talks: Vec<Conversation>,
    /// IP's number of the next packet.
    ident: u16,
    payload_cap: usize,
    /// What is done to packets from now on.
    verdict: String,
}

#[derive(Clone, Debug)]
struct Conversation {
    transport: Transport,
    addresses: [SocketAddrV4; 2],
    /// Bytes that each end wrote.
    written: [Vec<u8>; 2],
    /// Bytes of the other end that each end read.
    read: [u64; 2],
    /// Offsets of the next segment of each end: what it acknowledges to the other.
    carried: [u64; 2],
    window: [u16; 2],
    fin: [bool; 2],
}

impl Default for Script {
    fn default() -> Self {
        Self::new()
    }
}

impl Script {
    /// A session with two programs, `client.py` (pid 100) and `server.py` (pid 200), and the
    /// interface `lo`.
    pub fn new() -> Self {
        let head = Head {
            verb: "watch".into(),
            host: "sample".into(),
            started_ns: START_NS,
            wire: WireSource::Captured,
            payload_cap: 256,
            ..Head::default()
        };
        let mut script = Self {
            session: Session::new(head),
            now: START_NS,
            talks: Vec::new(),
            ident: 1,
            payload_cap: 256,
            verdict: String::new(),
        };
        for (pid, role) in [(200, "server"), (100, "client")] {
            script.tell(
                Kind::Process,
                &Process {
                    pid,
                    role: role.into(),
                    name: "python3".into(),
                    command: vec!["python3".into(), format!("{role}.py")],
                    ..Process::default()
                },
            );
        }
        script.interface(0);
        script
    }

    fn interface(&mut self, dropped: u64) {
        self.tell(
            Kind::Interface,
            &Interface {
                number: 1,
                name: "lo".into(),
                link_type: 1,
                dropped,
                ..Interface::default()
            },
        );
    }

    /// The head, to change.
    pub const fn head(&mut self) -> &mut Head {
        self.session.head_mut()
    }

    /// Lets time pass.
    pub fn wait(&mut self, micros: u64) -> &mut Self {
        self.now += micros * 1_000;
        self
    }

    /// The time now.
    pub const fn now(&self) -> Time {
        Time::from_nanos(self.now)
    }

    /// Adds any fact.
    pub fn push(&mut self, fact: &Fact<'_>) {
        self.session.push(fact);
    }

    /// The session, in order.
    pub fn session(mut self) -> Session {
        self.session.sort();
        self.session
    }

    /// A TCP connection with its sockets, calls and handshake: 127.0.0.1:40000 (and up) to
    /// 127.0.0.1:5000.
    pub fn connected_tcp(&mut self) -> Talk {
        let talk = self.talk(Transport::Tcp, true);
        self.called(
            talk,
            CLIENT,
            Call::Socket,
            3,
            "AF_INET, SOCK_STREAM",
            TcpState::Close,
        );
        self.packet(talk, CLIENT, TcpFlags::SYN, 0..0);
        self.packet(talk, SERVER, TcpFlags::SYN | TcpFlags::ACK, 0..0);
        self.packet(talk, CLIENT, TcpFlags::ACK, 0..0);
        let peer = self.talks[talk].addresses[1].to_string();
        self.called(talk, CLIENT, Call::Connect, 0, &peer, TcpState::Established);
        let peer = self.talks[talk].addresses[0].to_string();
        self.called(talk, SERVER, Call::Accept4, 4, &peer, TcpState::Established);
        talk
    }

    /// Two UDP sockets, which name each other with each datagram.
    pub fn udp(&mut self) -> Talk {
        self.talk(Transport::Udp, false)
    }

    /// A conversation with its sides and nothing else.
    pub fn talk(&mut self, transport: Transport, connected: bool) -> Talk {
        let talk = self.talks.len();
        let at = |port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        let addresses = [at(40_000 + talk as u16), at(5_000)];
        self.talks.push(Conversation {
            transport,
            addresses,
            written: Default::default(),
            read: [0; 2],
            carried: [0; 2],
            window: [WINDOW; 2],
            fin: [false; 2],
        });
        for end in [CLIENT, SERVER] {
            let [local, peer] =
                [end, 1 - end].map(|end| Address::ip(SocketAddr::V4(addresses[usize::from(end)])));
            let side = Side {
                id: conn(talk, end).number(),
                pid: if end == CLIENT { 100 } else { 200 },
                fd: 3 + i32::from(end),
                socket: conn(talk, end).number() + 1_000,
                transport,
                local,
                peer: if connected { peer } else { Address::None },
                accepted: connected && end == SERVER,
                ..Side::default()
            };
            self.tell(Kind::Side, &side);
        }
        talk
    }

    /// A program writes, and all of it is taken.
    pub fn write(&mut self, talk: Talk, end: u8, bytes: &[u8]) {
        self.write_some(talk, end, bytes, bytes.len());
    }

    /// A program writes, and `taken` bytes of it are taken.
    pub fn write_some(&mut self, talk: Talk, end: u8, bytes: &[u8], taken: usize) {
        let offset = self.talks[talk].written[usize::from(end)].len() as u64;
        self.talks[talk].written[usize::from(end)].extend_from_slice(&bytes[..taken]);
        let event = self
            .call_event(Kind::Write, talk, end, Call::Sendto)
            .with_offset(offset)
            .with_result(taken as i32)
            .with_asked(bytes.len() as u32);
        let text = self.other_address(talk, end);
        let data = &bytes[..taken.min(self.payload_cap)];
        self.session.push(&Fact {
            text: &text,
            data,
            ..with_thread(event, end)
        });
    }

    /// A program reads into a buffer of `room` bytes and gets `got`; of a stream, the next bytes that
    /// the other end wrote; of datagrams, the beginning of the next one that it wrote.
    pub fn read(&mut self, talk: Talk, end: u8, room: u32, got: usize) {
        let other = usize::from(1 - end);
        let from = self.talks[talk].read[usize::from(end)];
        let bytes = self.talks[talk].written[other][from as usize..][..got].to_vec();
        self.talks[talk].read[usize::from(end)] += got as u64;
        self.got(talk, end, room, &bytes, from, 0);
    }

    /// A program reads a datagram of these bytes, of which `room` fit.
    pub fn receive(&mut self, talk: Talk, end: u8, room: u32, bytes: &[u8]) {
        let cut = &bytes[..bytes.len().min(room as usize)];
        let flags = if cut.len() < bytes.len() {
            TRUNCATED
        } else {
            0
        };
        let from = self.talks[talk].read[usize::from(end)];
        self.talks[talk].read[usize::from(end)] += cut.len() as u64;
        self.got(talk, end, room, cut, from, flags);
    }

    fn got(&mut self, talk: Talk, end: u8, room: u32, bytes: &[u8], offset: u64, flags: u32) {
        let event = self
            .call_event(Kind::Read, talk, end, Call::Recvfrom)
            .with_offset(offset)
            .with_result(bytes.len() as i32)
            .with_asked(room);
        let text = self.other_address(talk, end);
        self.session.push(&Fact {
            text: &text,
            flags,
            data: &bytes[..bytes.len().min(self.payload_cap)],
            ..with_thread(event, end)
        });
    }

    /// A read or write that fails.
    pub fn fail(&mut self, talk: Talk, end: u8, kind: Kind, asked: u32, errno: i32) {
        let conversation = &self.talks[talk];
        let (call, offset) = match kind {
            Kind::Write => (
                Call::Sendto,
                conversation.written[usize::from(end)].len() as u64,
            ),
            _ => (Call::Recvfrom, conversation.read[usize::from(end)]),
        };
        let event = self
            .call_event(kind, talk, end, call)
            .with_offset(offset)
            .with_result(-errno)
            .with_asked(asked);
        self.session.push(&with_thread(event, end));
    }

    /// A call that moves no bytes.
    pub fn called(
        &mut self,
        talk: Talk,
        end: u8,
        call: Call,
        result: i32,
        text: &str,
        state: TcpState,
    ) {
        let event = self
            .call_event(Kind::Called, talk, end, call)
            .with_result(result);
        self.session.push(&Fact {
            state,
            text,
            ..with_thread(event, end)
        });
    }

    /// A program closes its socket, and the FIN goes out; of datagrams, it only closes.
    pub fn close(&mut self, talk: Talk, end: u8) {
        let tcp = self.talks[talk].transport == Transport::Tcp;
        let state = match (tcp, self.talks[talk].fin[usize::from(1 - end)]) {
            (false, _) => TcpState::Unknown,
            (true, false) => TcpState::FinWait1,
            (true, true) => TcpState::LastAck,
        };
        if tcp {
            self.packet(talk, end, TcpFlags::FIN | TcpFlags::ACK, 0..0);
        }
        self.called(talk, end, Call::Close, 0, "", state);
    }

    /// How full the buffers of one end are.
    pub fn gauge(&mut self, talk: Talk, end: u8, gauge: Gauge) {
        let event = Event::new(Kind::Gauged, conn(talk, end), self.step());
        self.session.push(&Fact {
            data: &gauge.to_payload(),
            ..Fact::new(event)
        });
    }

    /// Something that could not be seen.
    pub fn gap(&mut self, gap: &Gap) {
        self.tell(Kind::Gap, gap);
    }

    /// A segment with these bytes of what the end wrote, PSH and ACK.
    pub fn segment(&mut self, talk: Talk, end: u8, bytes: Range<u64>) {
        self.packet(talk, end, TcpFlags::PSH | TcpFlags::ACK, bytes);
    }

    /// A super-segment that stands for pieces of `size` bytes.
    pub fn super_segment(&mut self, talk: Talk, end: u8, bytes: Range<u64>, size: u32) {
        self.tcp(talk, end, TcpFlags::PSH | TcpFlags::ACK, bytes, size);
    }

    /// Sets the window that an end announces from now on.
    pub fn window(&mut self, talk: Talk, end: u8, window: u16) -> &mut Self {
        self.talks[talk].window[usize::from(end)] = window;
        self
    }

    /// What is done to the packets from now on, as a verdict; nothing: `""`.
    pub fn verdict(&mut self, verdict: &str) -> &mut Self {
        verdict.clone_into(&mut self.verdict);
        self
    }

    /// Any TCP packet.
    pub fn packet(&mut self, talk: Talk, end: u8, flags: u8, bytes: Range<u64>) {
        self.tcp(talk, end, flags, bytes, 0);
    }

    fn tcp(&mut self, talk: Talk, end: u8, flags: u8, bytes: Range<u64>, size: u32) {
        let (me, other) = (usize::from(end), usize::from(1 - end));
        let flags = TcpFlags(flags);
        let conversation = &mut self.talks[talk];
        let syn = flags.has(TcpFlags::SYN);
        let start = if bytes.is_empty() {
            conversation.carried[me]
        } else {
            bytes.start
        };
        let fin_before = u64::from(conversation.fin[me] && bytes.is_empty());
        let after_syn = u64::from(!syn);
        let seq = ISN[me].wrapping_add((start + after_syn + fin_before) as u32);
        let fin_seen = u64::from(conversation.fin[other]);
        let ack = ISN[other].wrapping_add((conversation.carried[other] + 1 + fin_seen) as u32);
        conversation.carried[me] = conversation.carried[me].max(bytes.end);
        conversation.fin[me] |= flags.has(TcpFlags::FIN);
        let payload = &conversation.written[me][bytes.start as usize..bytes.end as usize];
        let [source, destination] = [me, other].map(|end| conversation.addresses[end]);
        let mut builder = PacketBuilder::ethernet2([0; 6], [0; 6])
            .ipv4(source.ip().octets(), destination.ip().octets(), 64)
            .tcp(
                source.port(),
                destination.port(),
                seq,
                conversation.window[me],
            );
        if syn {
            let options = [
                TcpOptionElement::MaximumSegmentSize(1_460),
                TcpOptionElement::WindowScale(7),
            ];
            builder = builder.options(&options).expect("two options fit");
        }
        let mut wanted = [false; 4];
        let bits = [TcpFlags::SYN, TcpFlags::FIN, TcpFlags::RST, TcpFlags::PSH];
        for (want, bit) in wanted.iter_mut().zip(bits) {
            *want = flags.has(bit);
        }
        if wanted[0] {
            builder = builder.syn();
        }
        if wanted[1] {
            builder = builder.fin();
        }
        if wanted[2] {
            builder = builder.rst();
        }
        if wanted[3] {
            builder = builder.psh();
        }
        if flags.has(TcpFlags::ACK) {
            builder = builder.ack(ack);
        }
        let mut frame = Vec::with_capacity(builder.size(payload.len()));
        builder
            .write(&mut frame, payload)
            .expect("a vector takes everything");
        self.frame(frame, size);
    }

    /// The packets of one datagram: one, or fragments of at most 1480 bytes of IP payload.
    pub fn datagram(&mut self, talk: Talk, end: u8, bytes: &[u8]) {
        let [source, destination] =
            [end, 1 - end].map(|end| self.talks[talk].addresses[usize::from(end)]);
        let builder = PacketBuilder::ethernet2([0; 6], [0; 6])
            .ipv4(source.ip().octets(), destination.ip().octets(), 64)
            .udp(source.port(), destination.port());
        let mut frame = Vec::with_capacity(builder.size(bytes.len()));
        builder
            .write(&mut frame, bytes)
            .expect("a vector takes everything");
        let (header, body) = frame.split_at(HEADERS);
        let chunks: Vec<&[u8]> = body.chunks(FRAGMENT).collect();
        let ident = self.ident;
        for (index, chunk) in chunks.iter().enumerate() {
            let mut part = header.to_vec();
            let more = u16::from(index + 1 < chunks.len()) << 13;
            let place = (index * FRAGMENT / 8) as u16 | more;
            let total = (HEADERS - ETHERNET + chunk.len()) as u16;
            part[ETHERNET + 2..][..2].copy_from_slice(&total.to_be_bytes());
            part[ETHERNET + 6..][..2].copy_from_slice(&place.to_be_bytes());
            part.extend_from_slice(chunk);
            self.ident = ident;
            self.frame(part, 0);
        }
    }

    /// A frame that passes `lo`, with IP's number filled in.
    pub fn frame(&mut self, mut frame: Vec<u8>, size: u32) {
        frame[ETHERNET + 4..][..2].copy_from_slice(&self.ident.to_be_bytes());
        self.ident = self.ident.wrapping_add(1);
        let event = Event::new(Kind::Packet, ConnId::new(1), self.step())
            .with_result(frame.len() as i32)
            .with_asked(size);
        self.session.push(&Fact {
            text: &self.verdict,
            data: &frame,
            ..Fact::new(event)
        });
    }

    fn step(&mut self) -> Time {
        self.now += 10_000;
        Time::from_nanos(self.now)
    }

    fn call_event(&mut self, kind: Kind, talk: Talk, end: u8, call: Call) -> Event {
        let mut event = Event::new(kind, conn(talk, end), self.step()).with_call(call);
        event.took_ns = CALL_NS;
        event
    }

    fn other_address(&self, talk: Talk, end: u8) -> String {
        let conversation = &self.talks[talk];
        if conversation.transport == Transport::Udp {
            conversation.addresses[usize::from(1 - end)].to_string()
        } else {
            String::new()
        }
    }

    fn tell(&mut self, kind: Kind, what: &impl serde::Serialize) {
        let text = serde_json::to_string(what).expect("plain data");
        let event = Event::new(kind, ConnId::default(), Time::from_nanos(self.now));
        self.session.push(&Fact {
            text: &text,
            ..Fact::new(event)
        });
    }
}

/// Bytes of Ethernet's header, and of it with those of IPv4.
const ETHERNET: usize = 14;
const HEADERS: usize = ETHERNET + 20;
/// What IP carries in a fragment at an MTU of 1500.
const FRAGMENT: usize = 1_480;

fn with_thread(event: Event, end: u8) -> Fact<'static> {
    Fact {
        thread: if end == CLIENT { 100 } else { 200 },
        ..Fact::new(event)
    }
}

/// The number of a side: conversations count from 1, two sides each.
fn conn(talk: Talk, end: u8) -> ConnId {
    ConnId::new(talk as u64 * 2 + 1 + u64::from(end))
}
