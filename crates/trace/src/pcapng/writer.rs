//! Writing pcapng, block by block, as packets come.

use std::collections::HashMap;
use std::io::{self, Write};

use super::{INTERFACE_LIMIT, OFFLOAD_COMMENT, PACKET_LIMIT, block, option};
use crate::{Fact, Interface, Kind, Time, packet_flag};

/// Bytes of a block ahead of its body, and behind it.
const FRAME: usize = 12;
/// Bytes of an enhanced packet's fixed fields.
const ENHANCED_FIXED: usize = 20;
/// A text longer than this is cut: lengths of options have 16 bits.
const TEXT_LIMIT: usize = 65_532;

/// A packet to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketRecord<'a> {
    /// The number of its interface, as [`Interface::number`] has it.
    pub interface: u64,
    /// When it passed.
    pub time: Time,
    /// Its length on the wire.
    pub original_len: u32,
    /// Bits of [`packet_flag`].
    pub flags: u32,
    /// The size of the pieces that it stands for; 0: it is one piece.
    pub gso_size: u32,
    /// What was captured of it.
    pub bytes: &'a [u8],
}

impl<'a> PacketRecord<'a> {
    /// The packet of a fact, if it is one.
    pub fn of(fact: &Fact<'a>) -> Option<Self> {
        (fact.kind() == Kind::Packet).then(|| Self {
            interface: fact.event.conn().number(),
            time: fact.event.time,
            original_len: fact.moved() as u32,
            flags: fact.flags,
            gso_size: fact.event.asked,
            bytes: fact.data,
        })
    }
}

/// Writes a pcapng file with one section, in one pass and without allocating for a packet.
///
/// Give it a writer that buffers. What was flushed stays readable however the program ends;
/// [`PcapngWriter::finish`] adds what the interfaces lost.
#[derive(Debug)]
pub struct PcapngWriter<W> {
    out: W,
    interfaces: Vec<Counted>,
    /// Where each interface stands, by its number.
    places: HashMap<u64, usize>,
    /// Where the last packet's stands: the next one's is mostly the same.
    latest: usize,
}

/// An interface of the file, and what went over it.
#[derive(Debug)]
struct Counted {
    number: u64,
    packets: u64,
    dropped: u64,
    first: Option<Time>,
    last: Time,
}

impl<W: Write> PcapngWriter<W> {
    /// Begins the section. A comment may say where it comes from; empty: none.
    pub fn new(out: W, comment: &str) -> io::Result<Self> {
        let mut writer = Self {
            out,
            interfaces: vec![],
            places: HashMap::new(),
            latest: 0,
        };
        let mut body = vec![];
        body.extend(block::BYTE_ORDER.to_le_bytes());
        // Version 1.0; the section's length is not known ahead.
        body.extend([1, 0, 0, 0]);
        body.extend(u64::MAX.to_le_bytes());
        if !comment.is_empty() {
            put_option(&mut body, option::COMMENT, text(comment));
        }
        let application = concat!("sockeye ", env!("CARGO_PKG_VERSION"));
        put_option(&mut body, option::SHB_APPLICATION, application.as_bytes());
        put_option(&mut body, option::END, &[]);
        writer.block(block::SECTION, &body)?;
        Ok(writer)
    }

    /// Describes an interface, ahead of its packets. Told again, only its drops count.
    pub fn interface(&mut self, interface: &Interface) -> io::Result<()> {
        if let Some(index) = self.index(interface.number) {
            self.interfaces[index].dropped = interface.dropped;
            return Ok(());
        }
        if self.interfaces.len() >= INTERFACE_LIMIT {
            return Err(invalid(
                "more interfaces than a capture file may have".into(),
            ));
        }
        let mut body = vec![];
        // LINKTYPE_ has 16 bits in a file.
        body.extend((interface.link_type as u16).to_le_bytes());
        body.extend([0, 0]);
        body.extend(interface.snap.to_le_bytes());
        put_option(&mut body, option::IF_NAME, text(&interface.name));
        // Nanoseconds: ten to the minus ninth.
        put_option(&mut body, option::IF_RESOLUTION, &[9]);
        put_option(&mut body, option::END, &[]);
        self.places.insert(interface.number, self.interfaces.len());
        self.interfaces.push(Counted {
            number: interface.number,
            packets: 0,
            dropped: interface.dropped,
            first: None,
            last: Time::default(),
        });
        self.block(block::INTERFACE, &body)
    }

    /// Writes a packet.
    pub fn packet(&mut self, packet: &PacketRecord<'_>) -> io::Result<()> {
        self.commented(packet, &[])
    }

    /// Writes a packet with comments, which Wireshark shows beside it.
    pub fn commented(&mut self, packet: &PacketRecord<'_>, comments: &[&str]) -> io::Result<()> {
        let Some(index) = self.index(packet.interface) else {
            let number = packet.interface;
            return Err(invalid(format!(
                "a packet of interface {number}, which was never described"
            )));
        };
        self.latest = index;
        let counted = &mut self.interfaces[index];
        counted.packets += 1;
        counted.first.get_or_insert(packet.time);
        counted.last = counted.last.max(packet.time);

        let bytes = &packet.bytes[..packet.bytes.len().min(PACKET_LIMIT)];
        if packet.gso_size == 0 && comments.is_empty() {
            return self.enhanced(index, packet, bytes, &[]);
        }
        let mut options = vec![];
        if packet.gso_size > 0 {
            let offload = format!("{OFFLOAD_COMMENT}{} bytes", packet.gso_size);
            put_option(&mut options, option::COMMENT, offload.as_bytes());
        }
        for comment in comments {
            put_option(&mut options, option::COMMENT, text(comment));
        }
        self.enhanced(index, packet, bytes, &options)
    }

    /// Writes what a fact says: packets and interfaces; other facts say nothing here.
    pub fn fact(&mut self, fact: &Fact<'_>) -> io::Result<()> {
        if let Some(packet) = PacketRecord::of(fact) {
            return self.packet(&packet);
        }
        match fact.kind() {
            Kind::Interface => match fact.describes() {
                Some(interface) => self.interface(&interface),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Writes how many packets each interface saw and lost, and flushes. No packet may follow.
    pub fn finish(&mut self) -> io::Result<()> {
        self.places.clear();
        for (index, counted) in std::mem::take(&mut self.interfaces).iter().enumerate() {
            let mut body = vec![];
            body.extend((index as u32).to_le_bytes());
            body.extend(stamp(counted.last));
            if let Some(first) = counted.first {
                put_option(&mut body, option::ISB_START, &stamp(first));
                put_option(&mut body, option::ISB_END, &stamp(counted.last));
            }
            let received = counted.packets + counted.dropped;
            put_option(&mut body, option::ISB_RECEIVED, &received.to_le_bytes());
            put_option(
                &mut body,
                option::ISB_DROPPED,
                &counted.dropped.to_le_bytes(),
            );
            put_option(&mut body, option::END, &[]);
            self.block(block::STATISTICS, &body)?;
        }
        self.out.flush()
    }

    /// Makes what was written visible to readers.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// What is written to.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// Where an interface stands in the file.
    fn index(&self, number: u64) -> Option<usize> {
        match self.interfaces.get(self.latest) {
            Some(counted) if counted.number == number => Some(self.latest),
            _ => self.places.get(&number).copied(),
        }
    }

    fn block(&mut self, kind: u32, body: &[u8]) -> io::Result<()> {
        let total = (body.len() + FRAME) as u32;
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&total.to_le_bytes())?;
        self.out.write_all(body)?;
        self.out.write_all(&total.to_le_bytes())
    }

    /// One enhanced packet: its head, its bytes, its tail.
    fn enhanced(
        &mut self,
        index: usize,
        packet: &PacketRecord<'_>,
        bytes: &[u8],
        comments: &[u8],
    ) -> io::Result<()> {
        let padding = bytes.len().wrapping_neg() % 4;
        // The direction is an option of eight bytes, and four end the options.
        let options = comments.len() + 8 + 4;
        let total = (FRAME + ENHANCED_FIXED + bytes.len() + padding + options) as u32;
        let original = packet.original_len.max(packet.bytes.len() as u32);
        let [high, low] = halves(packet.time);
        let mut head = [0; 8 + ENHANCED_FIXED];
        let words = [
            block::ENHANCED,
            total,
            index as u32,
            high,
            low,
            bytes.len() as u32,
            original,
        ];
        for (place, word) in head.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        self.out.write_all(&head)?;
        self.out.write_all(bytes)?;
        self.out.write_all(&[0; 3][..padding])?;
        self.out.write_all(comments)?;
        let direction = if packet.flags & packet_flag::OUTGOING == 0 {
            1
        } else {
            2
        };
        let mut tail = [0; 16];
        tail[..2].copy_from_slice(&option::EPB_FLAGS.to_le_bytes());
        tail[2] = 4;
        tail[4] = direction;
        tail[12..].copy_from_slice(&total.to_le_bytes());
        self.out.write_all(&tail)
    }
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

/// A time as the file has it: the upper half first, whatever the byte order.
fn halves(time: Time) -> [u32; 2] {
    let nanos = time.as_nanos();
    [(nanos >> 32) as u32, nanos as u32]
}

fn stamp(time: Time) -> [u8; 8] {
    let mut stamp = [0; 8];
    for (place, half) in stamp.chunks_exact_mut(4).zip(halves(time)) {
        place.copy_from_slice(&half.to_le_bytes());
    }
    stamp
}

fn put_option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    out.extend(code.to_le_bytes());
    out.extend((value.len() as u16).to_le_bytes());
    out.extend_from_slice(value);
    out.resize(out.len() + value.len().wrapping_neg() % 4, 0);
}

/// A text as an option holds it, cut between two characters where it is too long.
fn text(text: &str) -> &[u8] {
    &text.as_bytes()[..text.floor_char_boundary(TEXT_LIMIT)]
}
