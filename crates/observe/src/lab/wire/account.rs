//! What is told of packets: as facts, in batches.

use std::ops::Range;

use sockeye_fault::{Way, Why};
use sockeye_trace::{ConnId, Event, Fact, Gap, Interface, Kind, Time, packet_flag};

use super::port::Frame;
use super::{Statistics, end_of};

/// LINKTYPE_ETHERNET of pcap.
const ETHERNET: u32 = 1;

/// Packets that were judged, until they are told.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Bytes kept of each; [`usize::MAX`]: all.
    snap: usize,
    entries: Vec<Entry>,
    /// What is kept of them, end to end.
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Entry {
    end: u64,
    time: Time,
    length: usize,
    outgoing: bool,
    why: Why,
    kept: Range<usize>,
}

impl Account {
    pub(super) fn new(snap: usize) -> Self {
        Self {
            snap,
            ..Self::default()
        }
    }

    /// A packet that came in.
    pub(super) fn came(&mut self, way: Way, time: Time, packet: &[u8], why: Why) {
        self.add(end_of(way), time, packet, why, false);
    }

    /// A packet that the wire made; `way` is the one that it goes.
    pub(super) fn made(&mut self, way: Way, time: Time, packet: &[u8], why: Why) {
        let end = match way {
            Way::ToServer => end_of(Way::ToClient),
            Way::ToClient => end_of(Way::ToServer),
        };
        self.add(end, time, packet, why, true);
    }

    fn add(&mut self, end: u64, time: Time, packet: &[u8], why: Why, outgoing: bool) {
        let start = self.bytes.len();
        self.bytes
            .extend_from_slice(&packet[..packet.len().min(self.snap)]);
        self.entries.push(Entry {
            end,
            time,
            length: packet.len(),
            outgoing,
            why,
            kept: start..self.bytes.len(),
        });
    }

    /// All that was added, in one batch; then it is empty.
    pub(super) fn tell(&mut self, tell: &mut impl FnMut(&mut dyn Iterator<Item = Fact<'_>>)) {
        if self.entries.is_empty() {
            return;
        }
        let mut facts = self.entries.iter().map(|entry| {
            let mut fact = packet(entry.end, entry.time, entry.length, 0);
            if entry.outgoing {
                fact.flags |= packet_flag::OUTGOING;
            }
            fact.text = &entry.why;
            fact.data = &self.bytes[entry.kept.clone()];
            fact
        });
        tell(&mut facts);
        self.entries.clear();
        self.bytes.clear();
    }
}

fn packet<'f>(end: u64, time: Time, length: usize, piece: u16) -> Fact<'f> {
    Fact::new(
        Event::new(Kind::Packet, ConnId::new(end), time)
            .with_result(i32::try_from(length).unwrap_or(i32::MAX))
            .with_asked(piece.into()),
    )
}

/// A frame that lies in its slot still.
pub(super) fn of_frame<'f>(way: Way, frame: &Frame<'f>, snap: usize) -> Fact<'f> {
    let time = Time::from_nanos(frame.time_ns);
    let mut fact = packet(end_of(way), time, frame.original_len as usize, frame.piece);
    if frame.partial_checksum {
        fact.flags |= packet_flag::PARTIAL_CHECKSUM;
    }
    fact.data = &frame.bytes[..frame.bytes.len().min(snap)];
    fact
}

/// The two ends, as interfaces.
pub(super) fn interfaces(
    now: Time,
    snap: usize,
    tell: &mut impl FnMut(&mut dyn Iterator<Item = Fact<'_>>),
) {
    let texts = [(Way::ToServer, "client"), (Way::ToClient, "server")].map(|(way, name)| {
        let interface = Interface {
            number: end_of(way),
            name: name.into(),
            link_type: ETHERNET,
            snap: u32::try_from(snap).unwrap_or(0),
            dropped: 0,
        };
        let text = serde_json::to_string(&interface).unwrap_or_default();
        (end_of(way), text)
    });
    let mut facts = texts.iter().map(|(number, text)| {
        let mut fact = Fact::new(Event::new(Kind::Interface, ConnId::new(*number), now));
        fact.text = text;
        fact
    });
    tell(&mut facts);
}

/// What was lost without any rule; nothing is told of nothing.
pub(super) fn losses(
    now: Time,
    statistics: &Statistics,
    tell: &mut impl FnMut(&mut dyn Iterator<Item = Fact<'_>>),
) {
    let Statistics {
        missed, refused, ..
    } = statistics;
    if missed + refused == 0 {
        return;
    }
    let gap = Gap {
        what: "lost-packets".into(),
        count: missed + refused,
        detail: format!("the wire missed {missed}, links refused {refused}"),
        ..Gap::default()
    };
    let text = serde_json::to_string(&gap).unwrap_or_default();
    let mut fact = Fact::new(Event::new(Kind::Gap, ConnId::default(), now));
    fact.text = &text;
    tell(&mut std::iter::once(fact));
}
