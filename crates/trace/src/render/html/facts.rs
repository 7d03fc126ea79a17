//! The facts of a session as a page holds them: one pass, a few bytes each.
//!
//! What many have in common ([`Shape`]) and texts are said when they first occur and by number from
//! then on, times and offsets count from the item before, and bytes that were shown already (a
//! segment carries what a write gave) are a reference to where they stand. The page's program reads
//! this in `decode` of page.js; the two must agree.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;

use super::block::Blocks;
use super::excerpt::Excerpts;
use super::order::{Entry, order};
use super::shape::{LOST, Shape, note_number, row};
use super::words::words;
use crate::packet::{self, Body, Packet};
use crate::timeline::{Flow, Life, Move, Segment};
use crate::{Fact, FactId, Finding, Gauge, Kind, Time, Timeline, Verdict};

/// Shapes and texts that are kept to be said by number; later ones are said anew each time.
const KNOWN: usize = 1 << 16;
/// Numbers above this lose digits in JavaScript (`Number.MAX_SAFE_INTEGER`).
const EXACT: u64 = (1 << 53) - 1;
/// Items that one fact of a finding stands for (the pieces of a super-segment).
const PIECES: usize = 64;

/// Writes the facts of all flows.
pub(super) struct Facts<'t, 'w> {
    timeline: &'t Timeline<'t>,
    blocks: Blocks<'w>,
    base: Time,
    shapes: HashMap<Shape, u64>,
    texts: HashMap<Box<str>, u64>,
    excerpts: Excerpts,
    /// The link type of each interface.
    links: HashMap<u64, u32>,
    /// Where each side stands among those of the timeline.
    sides: HashMap<u64, u32>,
    /// Where the facts that findings speak of stand in the page.
    wanted: HashMap<FactId, Vec<u64>>,
    errnos: BTreeSet<i32>,
    items: u64,
}

/// What [`Facts`] learnt on the way.
pub(super) struct Written {
    pub(super) items: u64,
    pub(super) wanted: HashMap<FactId, Vec<u64>>,
    pub(super) errnos: BTreeSet<i32>,
}

/// What the numbers of the next item count from.
#[derive(Default)]
struct Before {
    from: u64,
    /// By row.
    offset: [u64; 6],
    datagram: [u32; 6],
    /// By who sends.
    seq: [u32; 2],
    ack: [u32; 2],
    window: [u32; 2],
}

impl<'t, 'w> Facts<'t, 'w> {
    pub(super) fn new(
        timeline: &'t Timeline<'t>,
        findings: &[Finding],
        base: Time,
        excerpts: Excerpts,
        out: &'w mut dyn io::Write,
    ) -> Self {
        let facts = findings.iter().flat_map(|finding| &finding.facts);
        let links = timeline.interfaces.iter();
        Self {
            timeline,
            blocks: Blocks::new(out),
            base,
            shapes: HashMap::new(),
            texts: HashMap::new(),
            excerpts,
            links: links.map(|it| (it.number, it.link_type)).collect(),
            sides: (0..)
                .zip(&timeline.sides)
                .map(|(index, side)| (side.id, index))
                .collect(),
            wanted: facts.map(|fact| (*fact, Vec::new())).collect(),
            errnos: BTreeSet::new(),
            items: 0,
        }
    }

    /// Writes everything: each flow, then what belongs to none.
    pub(super) fn write(mut self) -> io::Result<Written> {
        let mut entries = Vec::new();
        for flow in &self.timeline.flows {
            self.flow(flow, &mut entries)?;
        }
        self.apart()?;
        self.blocks.finish()?;
        Ok(Written {
            items: self.items,
            wanted: self.wanted,
            errnos: self.errnos,
        })
    }

    fn flow(&mut self, flow: &Flow, entries: &mut Vec<Entry>) -> io::Result<()> {
        self.messages(flow)?;
        order(self.timeline.session, flow, entries);
        self.blocks.number(entries.len() as u64)?;
        let mut before = Before::default();
        for entry in &*entries {
            let index = entry.index as usize;
            let way = &flow.ways[usize::from(entry.row / 3 % 2)];
            match (entry.row, entry.row % 3) {
                (row::CALL, _) => self.life(Some(flow), flow.life[index], &mut before)?,
                (_, row::WRITE) => self.call(flow, entry.row, &way.writes[index], &mut before)?,
                (_, row::WIRE) => self.segment(flow, entry.row, &way.wire[index], &mut before)?,
                _ => self.call(flow, entry.row, &way.reads[index], &mut before)?,
            }
        }
        self.gauges(flow)
    }

    /// How full the buffers of both ends were.
    fn gauges(&mut self, flow: &Flow) -> io::Result<()> {
        let session = self.timeline.session;
        self.blocks.number(flow.gauges.len() as u64)?;
        let mut from = 0;
        let mut before = [[0; 4]; 2];
        for sample in &flow.gauges {
            let fact = session.fact(sample.fact);
            let gauge = Gauge::from_payload(fact.data).unwrap_or_default();
            let at = self.since(fact.event.time);
            self.blocks.number(sample.end.into())?;
            self.blocks.signed(at as i64 - from)?;
            from = at as i64;
            let sending = u64::from(gauge.unsent) + u64::from(gauge.unacked);
            let now = [
                sending,
                gauge.send_limit.into(),
                gauge.unread.into(),
                gauge.recv_limit.into(),
            ];
            let before = &mut before[usize::from(sample.end & 1)];
            for (now, before) in now.into_iter().zip(before) {
                self.blocks.signed(now as i64 - *before)?;
                *before = now as i64;
            }
        }
        Ok(())
    }

    /// Nanoseconds since the first thing that happened.
    fn since(&self, time: Time) -> u64 {
        exact(time.as_nanos().saturating_sub(self.base.as_nanos()))
    }

    /// The messages of both ways, where more is known of them than that each write is one.
    fn messages(&mut self, flow: &Flow) -> io::Result<()> {
        for way in &flow.ways {
            self.blocks.number(way.messages.len() as u64)?;
            let mut end = 0;
            for message in &way.messages {
                self.blocks.signed(distance(end, message.start))?;
                self.blocks
                    .number(exact(message.end.saturating_sub(message.start)))?;
                end = message.end.max(message.start);
            }
        }
        Ok(())
    }

    /// What belongs to no flow, as the life of one that has no ends.
    fn apart(&mut self) -> io::Result<()> {
        let mut apart: Vec<Life> = Vec::with_capacity(self.timeline.apart.len());
        for fact in &self.timeline.apart {
            apart.push(Life {
                fact: *fact,
                end: 1,
            });
        }
        let session = self.timeline.session;
        apart.sort_by_key(|life| session.event(life.fact).began());
        self.blocks.number(0)?;
        self.blocks.number(0)?;
        self.blocks.number(apart.len() as u64)?;
        let mut before = Before::default();
        for life in apart {
            self.life(None, life, &mut before)?;
        }
        // No buffers.
        self.blocks.number(0)
    }

    fn call(&mut self, flow: &Flow, row: u8, call: &Move, before: &mut Before) -> io::Result<()> {
        let fact = self.timeline.session.fact(call.fact);
        let end = (row / 3) ^ u8::from(row % 3 == row::READ);
        let mut shape = Shape::new(row, end, &fact);
        shape.side = self.side(Some(flow), end, &fact);
        self.head(call.fact, &fact, shape, before)?;
        self.range(flow, row, (&call.bytes, call.datagram), before)?;
        let len = length(&call.bytes) as i64;
        self.blocks.signed(i64::from(fact.event.asked) - len)?;
        self.blocks.signed(i64::from(fact.event.result) - len)?;
        self.errnos.extend(fact.errno());
        self.text(fact.text)?;
        self.excerpt(call.fact, 0..fact.data.len())
    }

    fn segment(
        &mut self,
        flow: &Flow,
        row: u8,
        it: &Segment,
        before: &mut Before,
    ) -> io::Result<()> {
        let fact = self.timeline.session.fact(it.fact);
        let mut shape = Shape::new(row, row / 3, &fact);
        shape.note = if it.lost { LOST } else { note_number(it.note) };
        shape.tcp_flags = it.flags;
        shape.piece = it.piece;
        self.head(it.fact, &fact, shape, before)?;
        self.range(flow, row, (&it.bytes, it.datagram), before)?;
        let inferred = fact.kind() != Kind::Packet;
        let packet = (!inferred).then(|| self.dissect(&fact));
        self.frame(row / 3, &fact, packet.as_ref(), it.window, before)?;
        self.text(fact.verdict().map_or("", Verdict::as_str))?;
        let payload = packet.map_or(0..0, |packet| packet.payload);
        // A super-segment's pieces lie behind each other, each as long as the first.
        let start = payload.start + usize::from(it.piece.0) * fact.event.asked as usize;
        let end = start.saturating_add(length(&it.bytes) as usize);
        self.excerpt(it.fact, start.min(payload.end)..end.min(payload.end))
    }

    fn life(&mut self, flow: Option<&Flow>, life: Life, before: &mut Before) -> io::Result<()> {
        let fact = self.timeline.session.fact(life.fact);
        if fact.kind() == Kind::Packet {
            let packet = self.dissect(&fact);
            let mut shape = Shape::new(row::PACKET, life.end, &fact);
            let mut window = 0;
            if let Body::Tcp(tcp) = packet.body {
                shape.tcp_flags = tcp.flags.0;
                window = tcp.window.into();
            }
            if fact.is_lost() {
                shape.note = LOST;
            }
            self.head(life.fact, &fact, shape, before)?;
            self.frame(life.end, &fact, Some(&packet), window, before)?;
            let mut text = if flow.is_none() {
                words(&packet)
            } else {
                String::new()
            };
            if let Some(verdict) = fact.verdict() {
                let gap = if text.is_empty() { "" } else { "; " };
                text = text + gap + verdict.as_str();
            }
            self.text(&text)?;
            return self.excerpt(life.fact, packet.payload);
        }
        let mut shape = Shape::new(row::CALL, life.end, &fact);
        shape.side = self.side(flow, life.end, &fact);
        self.head(life.fact, &fact, shape, before)?;
        self.blocks.signed(fact.event.result.into())?;
        self.blocks.number(fact.event.asked.into())?;
        self.errnos.extend(fact.errno());
        self.text(fact.text)?;
        self.excerpt(life.fact, 0..fact.data.len())
    }

    /// What every item begins with: its shape, when it began, how long it took.
    fn head(
        &mut self,
        id: FactId,
        fact: &Fact<'_>,
        shape: Shape,
        before: &mut Before,
    ) -> io::Result<()> {
        if let Some(places) = self.wanted.get_mut(&id)
            && places.len() < PIECES
        {
            places.push(self.items);
        }
        self.items += 1;
        if let Some(number) = self.shapes.get(&shape) {
            self.blocks.number(number + 1)?;
        } else {
            self.blocks.number(0)?;
            for number in shape.numbers() {
                self.blocks.number(number.into())?;
            }
            if self.shapes.len() < KNOWN {
                self.shapes.insert(shape, self.shapes.len() as u64);
            }
        }
        let from = self.since(fact.event.began());
        self.blocks
            .number(exact(from.saturating_sub(before.from)))?;
        before.from = from;
        self.blocks.number(fact.event.took_ns.into())
    }

    /// Which bytes it touches.
    fn range(
        &mut self,
        flow: &Flow,
        row: u8,
        (bytes, datagram): (&std::ops::Range<u64>, u32),
        before: &mut Before,
    ) -> io::Result<()> {
        let offset = &mut before.offset[usize::from(row)];
        self.blocks.signed(distance(*offset, bytes.start))?;
        *offset = exact(bytes.start) + length(bytes);
        self.blocks.number(length(bytes))?;
        if !flow.transport.is_stream() {
            let last = &mut before.datagram[usize::from(row)];
            self.blocks.signed(i64::from(datagram) - i64::from(*last))?;
            *last = datagram;
        }
        Ok(())
    }

    /// What is known of a frame: its length, and what its headers count.
    fn frame(
        &mut self,
        sender: u8,
        fact: &Fact<'_>,
        packet: Option<&Packet<'_>>,
        window: u32,
        before: &mut Before,
    ) -> io::Result<()> {
        let (seq, ack) = match packet {
            Some(Packet {
                body: Body::Tcp(tcp),
                ..
            }) => (tcp.seq, tcp.ack),
            Some(Packet { net: Some(net), .. }) => (net.id.unwrap_or(0), 0),
            _ => (0, 0),
        };
        self.blocks.number(fact.moved())?;
        let sender = usize::from(sender & 1);
        for (now, last) in [
            (window, &mut before.window[sender]),
            (seq, &mut before.seq[sender]),
            (ack, &mut before.ack[sender]),
        ] {
            self.blocks.signed(i64::from(now) - i64::from(*last))?;
            *last = now;
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return self.blocks.number(0);
        }
        if let Some(number) = self.texts.get(text) {
            return self.blocks.number(number + 2);
        }
        self.blocks.number(1)?;
        self.blocks.number(text.len() as u64)?;
        self.blocks.put(text.as_bytes())?;
        if self.texts.len() < KNOWN {
            self.texts.insert(text.into(), self.texts.len() as u64);
        }
        Ok(())
    }

    /// Bytes of a fact: as many as the page keeps, or where they stand already.
    fn excerpt(&mut self, id: FactId, range: std::ops::Range<usize>) -> io::Result<()> {
        let session = self.timeline.session;
        let kept = range.start..range.end.min(range.start + self.excerpts.cap());
        let Some(bytes) = session
            .fact(id)
            .data
            .get(kept.clone())
            .filter(|it| !it.is_empty())
        else {
            return self.blocks.number(0);
        };
        let length = (bytes.len() as u64) << 1;
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let slot = self.excerpts.slot(hasher.finish());
        if slot.len as usize == bytes.len()
            && session.fact(slot.fact).data.get(slot.range()) == Some(bytes)
        {
            let at = slot.at;
            self.blocks.number(length | 1)?;
            return self.blocks.number(self.blocks.position() - at);
        }
        self.blocks.number(length)?;
        slot.fact = id;
        slot.start = kept.start as u32;
        slot.len = bytes.len() as u32;
        slot.at = self.blocks.position();
        self.blocks.put(bytes)
    }

    fn dissect(&self, fact: &Fact<'t>) -> Packet<'t> {
        let link = self.links.get(&fact.event.conn().number()).copied();
        packet::dissect(link.unwrap_or_default(), fact.data, fact.moved() as u32)
    }

    /// Which of an end's sides a call belongs to, from 1.
    fn side(&self, flow: Option<&Flow>, end: u8, fact: &Fact<'_>) -> u32 {
        let Some(index) = self.sides.get(&fact.event.conn().number()) else {
            return 0;
        };
        let Some(flow) = flow else {
            // Of no flow: among all.
            return index + 1;
        };
        let mut sides = flow.ends[usize::from(end & 1)].sides.iter();
        let found = sides.position(|side| side == index);
        found.map_or(0, |index| index as u32 + 1)
    }
}

/// How far `to` lies behind `from`.
fn distance(from: u64, to: u64) -> i64 {
    exact(to) as i64 - exact(from) as i64
}

fn length(bytes: &std::ops::Range<u64>) -> u64 {
    exact(bytes.end.saturating_sub(bytes.start))
}

fn exact(number: u64) -> u64 {
    number.min(EXACT)
}
