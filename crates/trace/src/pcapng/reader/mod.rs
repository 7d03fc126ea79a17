//! Reading capture files: pcapng, and pcap as it was before.

mod classic;
mod error;
mod pcapng;

use std::collections::VecDeque;
use std::io::Read;

use super::blocks::{self, Captured, Order, Ticks};
use super::{PROGRAMS, block};
use crate::packet::link_type;
use crate::session::read_full;
use crate::{ConnId, Event, Fact, Gap, Head, Interface, Kind, Session, Time, WireSource};

pub use error::CaptureFileError;

/// A block or packet longer than this is damage, not data: the largest that a kernel hands over is
/// far below.
pub const BLOCK_LIMIT: u32 = 1 << 24;
/// Interfaces of one file; nobody captures on more.
pub const INTERFACE_LIMIT: usize = 1 << 16;

/// What is read into memory that was made ready for it; more than that grows as it comes.
const AT_ONCE: usize = 1 << 16;

/// Reads a capture file whole.
pub fn read(input: impl Read) -> Result<Session, CaptureFileError> {
    let mut reader = CaptureReader::new(input)?;
    let mut session = Session::new(reader.head());
    while let Some(fact) = reader.next_fact()? {
        session.push(&fact);
    }
    session.head_mut().started_ns = reader.first.as_nanos();
    session.sort();
    Ok(session)
}

/// Reads a capture file, fact by fact: interfaces ahead of their packets, packets in the order of the
/// file, and a gap `cut` where the file ends too early.
///
/// Give it a reader that buffers. No memory is sized by what the file announces.
#[derive(Debug)]
pub struct CaptureReader<R> {
    input: R,
    /// Where the next block or packet begins.
    at: u64,
    format: Format,
    interfaces: Vec<Known>,
    /// The body of the block that was read last.
    body: Vec<u8>,
    /// The packet in it, not handed out yet.
    packet: Option<Ready>,
    /// What to say ahead of it.
    news: VecDeque<News>,
    text: String,
    over: bool,
    first: Time,
    last: Time,
}

#[derive(Debug)]
enum Format {
    /// pcapng: the section's byte order, and which interface is its first.
    Blocks { order: Order, base: usize },
    /// Classic pcap.
    Records { order: Order },
}

#[derive(Debug)]
struct Known {
    interface: Interface,
    ticks: Ticks,
    /// Whether it waits in the news.
    fresh: bool,
    /// Its packets are calls of programs, which our own writer put there, and none of a network.
    programs: bool,
}

#[derive(Debug)]
enum News {
    Interface(usize),
    Gap(Gap),
}

/// A packet in `body`.
#[derive(Clone, Copy, Debug)]
struct Ready {
    event: Event,
    flags: u32,
    at: usize,
    len: usize,
}

/// What reading came to.
enum Got {
    Whole,
    /// Nothing was left.
    End,
    /// Something was left, but not enough.
    Cut,
}

impl<R: Read> CaptureReader<R> {
    /// Reads the file's beginning.
    pub fn new(input: R) -> Result<Self, CaptureFileError> {
        let mut reader = Self {
            input,
            at: 0,
            format: Format::Records {
                order: Order::Little,
            },
            interfaces: vec![],
            body: vec![],
            packet: None,
            news: VecDeque::new(),
            text: String::new(),
            over: false,
            first: Time::default(),
            last: Time::default(),
        };
        reader.fill(4)?;
        let refused = CaptureFileError::NotACapture(reader.body.clone());
        let Some(magic) = Order::Little.u32(&reader.body, 0) else {
            return Err(refused);
        };
        // <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html>
        match magic {
            block::SECTION => {
                reader.format = Format::Blocks {
                    order: Order::Little,
                    base: 0,
                };
                reader.section()?;
            }
            0xa1b2_c3d4 => reader.classic(Order::Little, Ticks::MICROS)?,
            0xd4c3_b2a1 => reader.classic(Order::Big, Ticks::MICROS)?,
            0xa1b2_3c4d => reader.classic(Order::Little, Ticks::NANOS)?,
            0x4d3c_b2a1 => reader.classic(Order::Big, Ticks::NANOS)?,
            _ => return Err(refused),
        }
        Ok(reader)
    }

    /// Who recorded it, as far as a capture file tells; its start is known once a packet was read.
    pub fn head(&self) -> Head {
        Head {
            verb: "capture".into(),
            wire: WireSource::Captured,
            started_ns: self.first.as_nanos(),
            ..Head::default()
        }
    }

    /// The next fact; none at the end.
    pub fn next_fact(&mut self) -> Result<Option<Fact<'_>>, CaptureFileError> {
        while self.packet.is_none() && !self.over {
            match self.format {
                Format::Blocks { order, base } => self.block(order, base)?,
                Format::Records { order } => self.record(order)?,
            }
        }
        // Interfaces bear the time of the first packet behind them, so that a session begins there.
        if let Some(news) = self.news.pop_front() {
            return Ok(Some(self.tell(&news)));
        }
        Ok(self.packet.take().map(|packet| Fact {
            flags: packet.flags,
            data: &self.body[packet.at..packet.at + packet.len],
            ..Fact::new(packet.event)
        }))
    }

    fn tell(&mut self, news: &News) -> Fact<'_> {
        let (kind, number, json) = match news {
            News::Interface(index) => {
                let known = &mut self.interfaces[*index];
                known.fresh = false;
                let json = serde_json::to_string(&known.interface);
                (Kind::Interface, known.interface.number, json)
            }
            News::Gap(gap) => (Kind::Gap, 0, serde_json::to_string(gap)),
        };
        self.text = json.unwrap_or_default();
        Fact {
            text: &self.text,
            ..Fact::new(Event::new(kind, ConnId::new(number), self.last))
        }
    }

    const fn damaged(&self, what: &'static str) -> CaptureFileError {
        CaptureFileError::Damaged { at: self.at, what }
    }

    /// Reads `len` bytes into the body; it grows with what is there, not with what was announced.
    fn fill(&mut self, len: usize) -> Result<Got, CaptureFileError> {
        self.body.clear();
        if len <= AT_ONCE {
            self.body.resize(len, 0);
            let got = read_full(&mut self.input, &mut self.body)?;
            self.body.truncate(got);
        } else {
            let mut input = (&mut self.input).take(len as u64);
            input.read_to_end(&mut self.body)?;
        }
        let got = self.body.len();
        Ok(match got {
            _ if got == len => Got::Whole,
            0 => Got::End,
            _ => Got::Cut,
        })
    }

    /// The file ends too early: what was whole stays.
    fn cut(&mut self) {
        self.over = true;
        self.news.push_back(News::Gap(Gap {
            what: "cut".into(),
            count: 0,
            pid: 0,
            detail: format!(
                "the capture file ends inside what begins at byte {}",
                self.at
            ),
        }));
    }

    fn add(&mut self, described: blocks::Described) -> Result<(), CaptureFileError> {
        let number = self.interfaces.len();
        if number >= INTERFACE_LIMIT {
            return Err(self.damaged("it describes more interfaces than any machine has"));
        }
        let programs = described.link_type == link_type::UPPER_PDU && described.name == PROGRAMS;
        self.interfaces.push(Known {
            interface: Interface {
                number: number as u64,
                name: described.name,
                link_type: described.link_type,
                snap: described.snap,
                dropped: 0,
            },
            ticks: described.ticks,
            fresh: true,
            programs,
        });
        if !programs {
            self.news.push_back(News::Interface(number));
        }
        Ok(())
    }

    /// Takes a packet out of the body, where it fits.
    fn take(&mut self, index: usize, packet: &Captured) -> Result<(), CaptureFileError> {
        let Some(known) = self.interfaces.get(index) else {
            return Err(self.damaged("a packet names an interface that was not described"));
        };
        if known.programs {
            return Ok(());
        }
        let len = packet.len as usize;
        if self
            .body
            .get(packet.at..)
            .is_none_or(|rest| rest.len() < len)
        {
            return Err(self.damaged("a packet is longer than its block"));
        }
        // A block without a time happened no earlier than the one before it.
        self.last = packet
            .ticks
            .map_or(self.last, |ticks| known.ticks.time(ticks));
        if self.first == Time::default() {
            self.first = self.last;
        }
        let conn = ConnId::new(known.interface.number);
        let original = packet.original_len.max(packet.len);
        self.packet = Some(Ready {
            event: Event::new(Kind::Packet, conn, self.last)
                .with_result(i32::try_from(original).unwrap_or(i32::MAX))
                .with_asked(packet.gso_size),
            flags: packet.flags,
            at: packet.at,
            len,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
