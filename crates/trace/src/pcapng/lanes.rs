//! A session as a capture file: its packets, and what the programs called beside them.
//!
//! A call is a packet of an interface of its own, in the form in which Wireshark exports what other
//! protocols carry: it shows the addresses, the call with its program and its bytes as the protocol,
//! and what was written or read as data.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::IpAddr;
use std::ops::Range;

use super::{PROGRAMS, PacketRecord, PcapngWriter};
use crate::packet::link_type;
use crate::timeline::Flow;
use crate::{
    Address, Fact, FactId, Finding, Interface, Kind, Lang, Side, Time, Timeline, Transport,
    errno_name, packet_flag,
};

/// Tags of an exported PDU (Wireshark, epan/exported_pdu.h); numbers are big-endian.
mod tag {
    pub(super) const END: u16 = 0;
    pub(super) const DISSECTOR: u16 = 12;
    pub(super) const IPV4_SOURCE: u16 = 20;
    pub(super) const IPV4_DESTINATION: u16 = 21;
    pub(super) const IPV6_SOURCE: u16 = 22;
    pub(super) const IPV6_DESTINATION: u16 = 23;
    pub(super) const PORT_KIND: u16 = 24;
    pub(super) const SOURCE_PORT: u16 = 25;
    pub(super) const DESTINATION_PORT: u16 = 26;
    pub(super) const PROTOCOL_COLUMN: u16 = 33;
    /// Known since Wireshark 4.2; passed by before.
    pub(super) const INFO_COLUMN: u16 = 36;
}

/// One packet or call, where it is in the order of the file.
struct Entry {
    time: Time,
    /// At one time: writes, packets, reads.
    rank: u8,
    fact: FactId,
    flow: Option<u32>,
    way: u8,
    bytes: Range<u64>,
}

impl Entry {
    fn is_call(&self, timeline: &Timeline<'_>) -> bool {
        timeline.session.event(self.fact).kind() != Kind::Packet
    }
}

/// Writes a session as pcapng: packets as they were captured, with the bytes of the stream that they
/// carry, what was done to them on their way and what was found as comments, and each call as a packet of the interface `programs`.
///
/// A session without packets, or without calls, makes a file with what there is.
pub fn write(
    timeline: &Timeline<'_>,
    findings: &[Finding],
    lang: Lang,
    out: impl Write,
) -> io::Result<()> {
    let entries = entries(timeline);
    let mut file = PcapngWriter::new(out, &origin(timeline))?;
    let mut described = HashSet::new();
    for interface in &timeline.interfaces {
        file.interface(interface)?;
        described.insert(interface.number);
    }
    let programs = programs(timeline);
    if entries.iter().any(|entry| entry.is_call(timeline)) {
        file.interface(&programs)?;
    }
    let mut comments: HashMap<FactId, Vec<&str>> = HashMap::new();
    for finding in findings {
        let [english, chinese] = &finding.sentence;
        if let Some(fact) = finding.facts.first() {
            let sentence = lang.pick(english, chinese);
            comments.entry(*fact).or_default().push(sentence);
        }
    }
    let calls = Calls {
        timeline,
        sides: timeline.sides.iter().map(|side| (side.id, side)).collect(),
    };
    for entry in &entries {
        let fact = timeline.fact(entry.fact);
        let found = comments.remove(&entry.fact).unwrap_or_default();
        if let Some(packet) = PacketRecord::of(&fact) {
            let carried = carried(timeline, entry, lang);
            let verdict = fact.verdict().map(|verdict| verdict.words(lang));
            let said = carried.iter().chain(&verdict);
            let mut all: Vec<&str> = said.map(String::as_str).collect();
            all.extend(found);
            // A packet of an interface that nobody described cannot be read by anyone.
            if described.contains(&packet.interface) {
                file.commented(&packet, &all)?;
            }
            continue;
        }
        let (bytes, missing) = calls.pdu(entry, &fact);
        let record = PacketRecord {
            interface: programs.number,
            time: entry.time,
            original_len: (bytes.len() as u32).saturating_add(missing),
            flags: match fact.kind() {
                Kind::Write => packet_flag::OUTGOING,
                _ => 0,
            },
            gso_size: 0,
            bytes: &bytes,
        };
        let line = calls.line(entry, &fact);
        let mut all = vec![&line[..]];
        all.extend(found);
        file.commented(&record, &all)?;
    }
    file.finish()
}

/// What the file says of where it comes from.
fn origin(timeline: &Timeline<'_>) -> String {
    let head = timeline.head();
    let mut text = head.command.join(" ");
    for process in &timeline.processes {
        let command = process.command.join(" ");
        let _ = write!(text, "\n{} {}: {command}", process.name, process.pid);
    }
    for gap in &timeline.gaps {
        let _ = write!(text, "\nnot seen: {} {}", gap.what, gap.detail);
    }
    text.trim().to_owned()
}

/// The interface of the calls: with a number that no other has.
fn programs(timeline: &Timeline<'_>) -> Interface {
    let taken: HashSet<u64> = timeline.interfaces.iter().map(|it| it.number).collect();
    Interface {
        number: (0..=u64::MAX)
            .find(|number| !taken.contains(number))
            .unwrap_or(0),
        name: PROGRAMS.into(),
        link_type: link_type::UPPER_PDU,
        ..Interface::default()
    }
}

/// All packets and calls in the order of the file: writes when they began, reads when they were over.
fn entries(timeline: &Timeline<'_>) -> Vec<Entry> {
    let mut entries = vec![];
    let mut add = |fact: FactId, flow: Option<u32>, way: u8, bytes: Range<u64>| {
        let event = timeline.session.event(fact);
        let (time, rank) = match event.kind() {
            Kind::Packet | Kind::Inferred => (event.time, 1),
            Kind::Write | Kind::Called => (event.began(), 0),
            Kind::Read | Kind::PeerClosed | Kind::Shutdown | Kind::Closed => (event.time, 2),
            _ => return,
        };
        entries.push(Entry {
            time,
            rank,
            fact,
            flow,
            way,
            bytes,
        });
    };
    for (number, flow) in timeline.flows.iter().enumerate() {
        let number = Some(number as u32);
        for (index, way) in [0, 1].into_iter().zip(&flow.ways) {
            for call in way.writes.iter().chain(&way.reads) {
                add(call.fact, number, index, call.bytes.clone());
            }
            for segment in &way.wire {
                add(segment.fact, number, index, segment.bytes.clone());
            }
        }
        for life in &flow.life {
            add(life.fact, number, life.end, 0..0);
        }
    }
    for fact in &timeline.apart {
        add(*fact, None, 0, 0..0);
    }
    entries.sort_by_key(|entry| (entry.time, entry.rank, entry.fact));
    // The pieces of a super-segment are one packet here.
    entries.dedup_by(|piece, first| {
        let same = piece.fact == first.fact;
        if same {
            first.bytes.start = first.bytes.start.min(piece.bytes.start);
            first.bytes.end = first.bytes.end.max(piece.bytes.end);
        }
        same
    });
    entries
}

/// Which bytes of which flow a packet carries, and in which messages they are.
fn carried(timeline: &Timeline<'_>, entry: &Entry, lang: Lang) -> Option<String> {
    let flow = timeline.flows.get(entry.flow? as usize)?;
    if entry.bytes.is_empty() {
        return None;
    }
    let way = &flow.ways[usize::from(entry.way)];
    let Range { start, end } = entry.bytes;
    let direction = direction(entry.way, lang);
    let number = flow.number;
    let mut text = match lang {
        Lang::En => format!("flow {number}, {direction}: bytes {start}..{end}"),
        Lang::Zh => format!("流 {number}，{direction}：字节 {start}..{end}"),
    };
    let (first, last) = (way.message_at(start), way.message_at(end - 1));
    if let (Some(first), Some(last)) = (first, last) {
        let (first, last) = (first + 1, last + 1);
        let what = match (way.messages.is_empty(), first == last) {
            (true, true) => lang.pick("write", "写入"),
            (true, false) => lang.pick("writes", "写入"),
            (false, true) => lang.pick("message", "消息"),
            (false, false) => lang.pick("messages", "消息"),
        };
        let _ = match (lang, first == last) {
            (Lang::En, true) => write!(text, " ({what} {first})"),
            (Lang::En, false) => write!(text, " ({what} {first} to {last})"),
            (Lang::Zh, true) => write!(text, "（{what} {first}）"),
            (Lang::Zh, false) => write!(text, "（{what} {first} 至 {last}）"),
        };
    }
    Some(text)
}

fn direction(way: u8, lang: Lang) -> &'static str {
    match way {
        0 => lang.pick("client→server", "客户端→服务器"),
        _ => lang.pick("server→client", "服务器→客户端"),
    }
}

/// Draws calls.
struct Calls<'t, 's> {
    timeline: &'t Timeline<'s>,
    sides: HashMap<u64, &'t Side>,
}

impl<'t> Calls<'t, '_> {
    fn side(&self, fact: &Fact<'_>) -> Option<&'t Side> {
        self.sides.get(&fact.event.conn().number()).copied()
    }

    /// `python3[100] sendto 17 [0..17)`.
    fn line(&self, entry: &Entry, fact: &Fact<'_>) -> String {
        let mut line = String::new();
        let side = self.side(fact);
        match side.and_then(|side| self.timeline.process_of(side)) {
            Some(process) => {
                let _ = write!(line, "{}[{}] ", process.name, process.pid);
            }
            None => match side {
                Some(side) if side.pid != 0 => {
                    let _ = write!(line, "[{}] ", side.pid);
                }
                _ => {}
            },
        }
        let call = match (fact.call().name(), fact.kind()) {
            ("", Kind::Write) => "write",
            ("", Kind::Read) => "read",
            ("", Kind::PeerClosed) => "end of stream",
            ("", Kind::Shutdown) => "shutdown",
            ("", Kind::Closed) => "close",
            ("", Kind::Inferred) => "wire, inferred:",
            (name, _) => name,
        };
        line.push_str(call);
        let moves = matches!(fact.kind(), Kind::Write | Kind::Read | Kind::Inferred);
        let _ = match fact.errno() {
            Some(errno) => write!(line, " = -1 {}", errno_name(errno)),
            None if moves => {
                let Range { start, end } = entry.bytes;
                write!(line, " {} [{start}..{end})", fact.moved())
            }
            None if fact.kind() == Kind::Called => {
                let arguments = fact.text.chars().filter(|letter| !letter.is_control());
                let arguments: String = arguments.collect();
                write!(line, "({arguments}) = {}", fact.event.result)
            }
            None => Ok(()),
        };
        if !fact.state.name().is_empty() {
            let _ = write!(line, " {}", fact.state.name());
        }
        line
    }

    /// The call as an exported PDU, and how many bytes of its data were not kept.
    fn pdu(&self, entry: &Entry, fact: &Fact<'_>) -> (Vec<u8>, u32) {
        let line = self.line(entry, fact);
        let mut pdu = vec![];
        put(&mut pdu, tag::DISSECTOR, b"data");
        if let Some((source, destination, transport)) = self.addresses(entry, fact) {
            put_addresses(&mut pdu, &source, &destination, transport);
        }
        put(&mut pdu, tag::PROTOCOL_COLUMN, line.as_bytes());
        put(&mut pdu, tag::INFO_COLUMN, line.as_bytes());
        put(&mut pdu, tag::END, b"");
        let moves = matches!(fact.kind(), Kind::Write | Kind::Read);
        let data = if moves { fact.data } else { &[] };
        pdu.extend_from_slice(data);
        let missing = if moves {
            fact.moved().saturating_sub(data.len() as u64)
        } else {
            0
        };
        (pdu, u32::try_from(missing).unwrap_or(u32::MAX))
    }

    /// From where to where: of bytes, the way they go; else from our end to the other.
    fn addresses(&self, entry: &Entry, fact: &Fact<'_>) -> Option<(Address, Address, Transport)> {
        let side = self.side(fact)?;
        let flow = entry
            .flow
            .and_then(|flow| self.timeline.flows.get(flow as usize));
        let moves = matches!(fact.kind(), Kind::Write | Kind::Read | Kind::Inferred);
        let (source, destination) = match flow {
            Some(flow) if moves => ends(flow, entry.way),
            _ => (side.local.clone(), side.peer.clone()),
        };
        Some((source, destination, side.transport))
    }
}

fn ends(flow: &Flow, way: u8) -> (Address, Address) {
    let [source, destination] = [way, 1 - way].map(|end| &flow.ends[usize::from(end)].address);
    (source.clone(), destination.clone())
}

fn put_addresses(pdu: &mut Vec<u8>, source: &Address, destination: &Address, transport: Transport) {
    let v4 = [tag::IPV4_SOURCE, tag::IPV4_DESTINATION];
    let v6 = [tag::IPV6_SOURCE, tag::IPV6_DESTINATION];
    for (place, address) in [source, destination].into_iter().enumerate() {
        if let Address::Ip(address) = address {
            match address.ip() {
                IpAddr::V4(ip) => put(pdu, v4[place], &ip.octets()),
                IpAddr::V6(ip) => put(pdu, v6[place], &ip.octets()),
            }
        }
    }
    // PT_TCP and PT_UDP of Wireshark's epan/exported_pdu.h.
    let kind: u32 = match transport {
        Transport::Tcp => 2,
        Transport::Udp => 3,
        _ => return,
    };
    put(pdu, tag::PORT_KIND, &kind.to_be_bytes());
    let ports = [tag::SOURCE_PORT, tag::DESTINATION_PORT];
    for (tag, address) in ports.into_iter().zip([source, destination]) {
        if let Some(port) = address.port() {
            put(pdu, tag, &u32::from(port).to_be_bytes());
        }
    }
}

/// Adds a tag; texts are padded with zeroes, which end them.
fn put(pdu: &mut Vec<u8>, tag: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX) - 3)];
    let length = value.len().next_multiple_of(4);
    pdu.extend(tag.to_be_bytes());
    pdu.extend((length as u16).to_be_bytes());
    pdu.extend_from_slice(value);
    pdu.resize(pdu.len() + length - value.len(), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{CLIENT, SERVER, Script};
    use crate::{Call, Session, TcpState, finding};

    fn written(script: Script) -> (Session, Vec<u8>) {
        let session = script.session();
        let timeline = Timeline::build(&session);
        let findings = finding::find(&timeline);
        let mut file = vec![];
        write(&timeline, &findings, Lang::En, &mut file).unwrap();
        (session, file)
    }

    #[test]
    fn packets_come_back_as_they_were_and_calls_do_not() {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        script.write(tcp, CLIENT, b"hello ");
        script.write(tcp, CLIENT, b"world");
        script.segment(tcp, CLIENT, 0..11);
        script.read(tcp, SERVER, 1024, 11);
        script.close(tcp, CLIENT);
        let (session, file) = written(script);
        let again = super::super::read(&file[..]).unwrap();
        let packets = |session: &Session| -> Vec<_> {
            let packets = session
                .facts()
                .filter(|(_, fact)| fact.kind() == Kind::Packet);
            packets
                .map(|(_, fact)| {
                    (
                        fact.event.time,
                        fact.moved(),
                        fact.flags,
                        fact.data.to_vec(),
                    )
                })
                .collect()
        };
        assert_eq!(packets(&again), packets(&session));
        assert!(packets(&again).len() >= 5);
        let interfaces = again
            .facts()
            .filter(|(_, fact)| fact.kind() == Kind::Interface);
        let names = interfaces.map(|(_, fact)| fact.describes::<Interface>().unwrap().name);
        assert_eq!(names.collect::<Vec<_>>(), ["lo"]);
    }

    #[test]
    fn what_a_file_says_of_packets_and_calls() {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        script.write(tcp, CLIENT, b"one");
        script.write(tcp, CLIENT, b"two");
        script.segment(tcp, CLIENT, 0..6);
        script.fail(tcp, SERVER, Kind::Read, 10, 11);
        script.called(
            tcp,
            SERVER,
            Call::Shutdown,
            0,
            "SHUT_\x1b[WR",
            TcpState::FinWait1,
        );
        let (_, file) = written(script);
        let text = String::from_utf8_lossy(&file);
        for expected in [
            "python3[100] sendto 3 [3..6)",
            "flow 1, client→server: bytes 0..6 (writes 1 to 2)",
            "python3[200] recvfrom = -1 EAGAIN",
            "python3[200] shutdown(SHUT_[WR) = 0 FIN-WAIT-1",
        ] {
            assert!(text.contains(expected), "no {expected:?}");
        }
    }

    #[test]
    fn what_was_done_to_a_packet_is_its_comment() {
        let mut script = Script::new();
        let tcp = script.connected_tcp();
        script.write(tcp, CLIENT, b"one");
        script.verdict("dropped by drop:nth=4");
        script.segment(tcp, CLIENT, 0..3);
        let (_, file) = written(script);
        let comment = b"dropped by drop:nth=4";
        assert!(file.windows(comment.len()).any(|part| part == comment));
    }

    #[test]
    fn a_session_without_packets_or_calls_is_a_file_all_the_same() {
        let (_, file) = written(Script::new());
        assert!(super::super::read(&file[..]).is_ok());
    }
}
