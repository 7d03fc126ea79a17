//! The lanes of datagrams: which packet is which write, and which read.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use super::draft::{PEEK, TRUNCATED};
use super::{Move, Segment, SegmentNote, Way};
use crate::packet::{Body, Packet};
use crate::{Fact, FactId, Session, Time};

/// How many datagrams further on one is looked for: what lies between is taken for lost (or has been
/// overtaken).
const LOOK_AHEAD: usize = 64;
/// The header of UDP: fragments count it, datagrams don't.
const UDP_HEADER: u32 = 8;
/// A packet may carry the time of another clock reading than the call around it.
const SLACK: Duration = Duration::from_millis(1);

/// The packets of one direction between two UDP ports.
#[derive(Debug, Default)]
pub(super) struct Datagrams {
    packets: Vec<Carried>,
}

/// One packet that carries a datagram, several (segmentation offload), or a part of one.
#[derive(Debug)]
struct Carried {
    fact: FactId,
    time: Time,
    /// Bytes that it carries, or, of a fragment, that its datagram has.
    len: u32,
    /// The size of the datagrams in it; 0: it is one.
    size: u32,
    /// IP's number, which fragments of one datagram share.
    ident: Option<u32>,
    /// Of a fragment: its place in what IP carries.
    part: Option<Range<u32>>,
    /// Where in the packet's data the payload is.
    data: Range<usize>,
}

/// One datagram of a way.
#[derive(Clone, Debug)]
struct Known {
    start: u64,
    len: u64,
    /// The fact that shows its bytes, and where in its data they are.
    shown: (FactId, Range<usize>),
    /// When it was given to the kernel, as far as that is known.
    began: Time,
    carried: bool,
    read: bool,
}

impl Datagrams {
    /// Takes a packet that carries a datagram, or any fragment of one.
    pub(super) fn packet(&mut self, id: FactId, fact: &Fact<'_>, packet: &Packet<'_>) {
        let fragment = packet.net.and_then(|net| net.fragment);
        let size = fact.event.asked;
        // Of a fragment the header of UDP tells how long the whole datagram is.
        let len = match &packet.body {
            Body::Udp(udp) => udp.len.max(packet.payload_len),
            _ => packet.payload_len,
        };
        self.packets.push(Carried {
            fact: id,
            time: fact.event.time,
            len,
            size: if len > size { size } else { 0 },
            ident: packet.net.and_then(|net| net.id),
            part: fragment.map(|part| part.offset..part.offset.saturating_add(part.len)),
            data: packet.payload.clone(),
        });
    }

    /// Numbers the datagrams of the three lanes alike.
    pub(super) fn join(self, session: &Session, way: &mut Way) {
        let mut joiner = Joiner {
            session,
            known: Vec::new(),
            total: 0,
            carried: 0,
            read: 0,
            idents: HashMap::new(),
        };
        for write in &mut way.writes {
            joiner.write(write);
        }
        // A first fragment is on the wire before the others, but for a network that reorders.
        let (begin, follow): (Vec<_>, Vec<_>) =
            self.packets.iter().partition(|packet| packet.begins());
        for packet in begin {
            joiner.carry(packet, &mut way.wire);
        }
        for packet in follow {
            joiner.follow(packet, &mut way.wire);
        }
        way.wire.sort_by_key(|segment| segment.fact);
        for read in &mut way.reads {
            joiner.read(read);
        }
    }
}

impl Carried {
    fn begins(&self) -> bool {
        self.part.as_ref().is_none_or(|part| part.start == 0)
    }

    /// Which bytes of its datagram a fragment holds.
    fn bytes_of(part: &Range<u32>) -> Range<u64> {
        let end = u64::from(part.end.saturating_sub(UDP_HEADER));
        u64::from(part.start.saturating_sub(UDP_HEADER)).min(end)..end
    }
}

struct Joiner<'s> {
    session: &'s Session,
    known: Vec<Known>,
    total: u64,
    /// The first datagram that is not carried, and not read, yet.
    carried: usize,
    read: usize,
    /// The datagram of each number of IP's; the last, as the numbers come round.
    idents: HashMap<u32, usize>,
}

impl Joiner<'_> {
    fn write(&mut self, write: &mut Move) {
        let fact = self.session.fact(write.fact);
        let start = self.total;
        write.datagram = self.known.len() as u32;
        if fact.event.result >= 0 {
            let shown = (write.fact, 0..fact.data.len());
            self.add(fact.moved(), shown, fact.event.began());
        }
        write.bytes = start..self.total;
    }

    fn carry(&mut self, packet: &Carried, wire: &mut Vec<Segment>) {
        let session = self.session;
        let bytes = &session.fact(packet.fact).data[packet.data.clone()];
        let size = if packet.size == 0 {
            packet.len
        } else {
            packet.size
        };
        let count = match size {
            0 => 1,
            size => packet.len.div_ceil(size).min(u32::from(u16::MAX)),
        };
        for piece in 0..count {
            let before = piece * size;
            let len = (packet.len - before).min(size);
            let from = bytes.len().min(before as usize);
            let mine = &bytes[from..bytes.len().min(from + len as usize)];
            let at = packet.data.start + from;
            let shown = (packet.fact, at..at + mine.len());
            let number = self
                .find_written(len.into(), mine, packet.time + SLACK)
                .unwrap_or_else(|| self.add(len.into(), shown, packet.time));
            self.known[number].carried = true;
            if let Some(ident) = packet.ident {
                self.idents.insert(ident, number);
            }
            let here = match &packet.part {
                Some(part) => Carried::bytes_of(part),
                None => 0..u64::from(len),
            };
            wire.push(self.segment(
                packet,
                number,
                (piece as u16, count as u16),
                here,
                SegmentNote::New,
            ));
        }
    }

    /// A fragment that is not the first of its datagram.
    fn follow(&mut self, packet: &Carried, wire: &mut Vec<Segment>) {
        let known = packet
            .ident
            .and_then(|ident| self.idents.get(&ident).copied());
        if let (Some(number), Some(part)) = (known, &packet.part) {
            let here = Carried::bytes_of(part);
            wire.push(self.segment(packet, number, (0, 1), here, SegmentNote::Fragment));
        }
    }

    fn segment(
        &self,
        packet: &Carried,
        number: usize,
        piece: (u16, u16),
        here: Range<u64>,
        note: SegmentNote,
    ) -> Segment {
        let Known { start, len, .. } = self.known[number];
        Segment {
            fact: packet.fact,
            piece,
            bytes: start + here.start.min(len)..start + here.end.min(len),
            datagram: number as u32,
            note,
            lost: self.session.fact(packet.fact).is_lost(),
            flags: 0,
            window: 0,
        }
    }

    fn read(&mut self, read: &mut Move) {
        let fact = self.session.fact(read.fact);
        if fact.event.result < 0 {
            read.bytes = self.total..self.total;
            read.datagram = self.known.len() as u32;
            return;
        }
        let cut = fact.flags & TRUNCATED != 0 || fact.moved() >= u64::from(fact.event.asked);
        let (len, peeks) = (fact.moved(), fact.flags & PEEK != 0);
        let shown = (read.fact, 0..fact.data.len());
        let number = self
            .find_unread(len, cut, fact.data)
            .unwrap_or_else(|| self.add(len, shown, fact.event.began()));
        let known = &mut self.known[number];
        known.read |= !peeks;
        let touched = if peeks { 0 } else { len.min(known.len) };
        read.bytes = known.start..known.start + touched;
        read.datagram = number as u32;
    }

    /// The oldest datagram that was written until `until`, is not on the wire yet, and is this one.
    fn find_written(&mut self, len: u64, shown: &[u8], until: Time) -> Option<usize> {
        while self
            .known
            .get(self.carried)
            .is_some_and(|known| known.carried)
        {
            self.carried += 1;
        }
        let is_it = |known: &Known| {
            !known.carried && known.len == len && known.began <= until && self.agree(known, shown)
        };
        self.search(self.carried, is_it)
    }

    /// The oldest datagram that was not read and is this one, or begins with it if it was cut.
    fn find_unread(&mut self, len: u64, cut: bool, shown: &[u8]) -> Option<usize> {
        while self.known.get(self.read).is_some_and(|known| known.read) {
            self.read += 1;
        }
        let is_it = |known: &Known| {
            let fits = known.len == len || cut && known.len > len;
            !known.read && fits && self.agree(known, shown)
        };
        self.search(self.read, is_it)
    }

    fn search(&self, first: usize, is_it: impl Fn(&Known) -> bool) -> Option<usize> {
        let among = self.known.get(first..)?;
        let at = among.iter().take(LOOK_AHEAD).position(is_it)?;
        Some(first + at)
    }

    /// Whether what is shown of both is the same.
    fn agree(&self, known: &Known, shown: &[u8]) -> bool {
        let (fact, range) = &known.shown;
        let theirs = &self.session.fact(*fact).data[range.clone()];
        let both = theirs.len().min(shown.len());
        theirs[..both] == shown[..both]
    }

    fn add(&mut self, len: u64, shown: (FactId, Range<usize>), began: Time) -> usize {
        self.known.push(Known {
            start: self.total,
            len,
            shown,
            began,
            carried: false,
            read: false,
        });
        self.total += len;
        self.known.len() - 1
    }
}
