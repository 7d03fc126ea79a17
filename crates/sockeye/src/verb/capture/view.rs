//! Where packets go: the table, JSON Lines, streams, files.

use std::io;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sockeye_net::Errno;
use sockeye_observe::capture::Filter;
use sockeye_trace::packet::{Packet, Row, Rows, dissect};
use sockeye_trace::pcapng::PcapngWriter;
use sockeye_trace::{ConnId, Event, Fact, Gap, Head, Interface, Kind, Writer};

use super::args::Capture;
use super::output::Output;
use super::streams::Streams;
use super::table::{Style, Table};
use super::{bytes, lines};
use crate::catalogue::Lang;
use crate::exit::unwritten;

/// What people or programs see of packets.
#[derive(Debug)]
enum Shown {
    Nothing,
    Table(Table),
    Json,
    Streams(Box<Streams>),
}

/// Everything that a capture feeds.
#[derive(Debug)]
pub(super) struct Views {
    stdout: Output,
    /// Standard output is where packets go.
    speaks: bool,
    shown: Shown,
    style: ViewStyle,
    rows: Rows,
    file: Option<Named<PcapngWriter<Output>>>,
    session: Option<Named<Writer<Output>>>,
    interfaces: Vec<Interface>,
    /// Of packets that come from a file; the kernel has looked at the others.
    filter: Filter,
    /// Packets so far, and how many are wanted.
    packets: u64,
    most: u64,
}

/// What is shown of each packet.
#[derive(Clone, Copy, Debug)]
struct ViewStyle {
    lang: Lang,
    /// Under each row.
    layers: bool,
    hex: bool,
    /// Super-segments stay as they are.
    whole: bool,
    json: bool,
}

/// Something that writes a file, and what the file is called in errors.
#[derive(Debug)]
struct Named<W> {
    writer: W,
    name: String,
}

impl<W> Named<W> {
    fn new(path: &Path, begin: impl FnOnce(Output) -> io::Result<W>) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let begun = Output::create(path).and_then(begin);
        let writer = begun.map_err(|error| unwritten(&name, Errno::of(&error)))?;
        Ok(Self { writer, name })
    }

    fn write(&mut self, write: impl FnOnce(&mut W) -> io::Result<()>) -> anyhow::Result<()> {
        write(&mut self.writer).map_err(|error| unwritten(&self.name, Errno::of(&error)))
    }
}

impl Views {
    /// The views of this run; `interfaces`: packets come from several.
    pub(super) fn new(
        args: &Capture,
        head: &Head,
        interfaces: bool,
        lang: Lang,
    ) -> anyhow::Result<Self> {
        let mut stdout = Output::stdout()?;
        let shown = if !args.shows() {
            Shown::Nothing
        } else if args.streams {
            Shown::Streams(Box::new(Streams::new(args, lang)))
        } else if args.json {
            Shown::Json
        } else {
            let style = Style {
                lang,
                flags: args.flags,
                time: args.time,
                fcs: args.fcs,
                interfaces,
            };
            let table = Table::new(style);
            table.titles(stdout.buffer());
            Shown::Table(table)
        };
        let file = args
            .write
            .as_deref()
            .map(|path| Named::new(path, |output| PcapngWriter::new(output, "")));
        let session = args
            .session
            .as_deref()
            .map(|path| Named::new(path, |output| Writer::new(output, head)));
        Ok(Self {
            stdout,
            speaks: args.shows() || args.writes_to_stdout(),
            shown,
            style: ViewStyle {
                lang,
                layers: args.layers,
                hex: args.hex,
                whole: args.whole,
                json: args.json,
            },
            rows: Rows::new(),
            file: file.transpose()?,
            session: session.transpose()?,
            interfaces: vec![],
            filter: Filter::everything(),
            packets: 0,
            most: args.count.map_or(u64::MAX, |count| count.0.get() as u64),
        })
    }

    /// From here on only packets that this filter wants count.
    pub(super) fn set_filter(&mut self, filter: Filter) {
        self.filter = filter;
    }

    /// How many packets went through.
    pub(super) const fn packets(&self) -> u64 {
        self.packets
    }

    /// Whether as many packets as were wanted have come.
    pub(super) const fn is_full(&self) -> bool {
        self.packets >= self.most
    }

    /// Whether packets go to a pipe that nobody reads any more.
    pub(super) fn is_unread(&self) -> bool {
        if !self.speaks {
            return false;
        }
        // Asked for nothing, a pipe without a reader tells its error all the same (poll(2)).
        let mut fds = [PollFd::new(&self.stdout, PollFlags::empty())];
        poll(&mut fds, Some(&Timespec::default()))
            .is_ok_and(|_| fds[0].revents().contains(PollFlags::ERR))
    }

    /// Takes a fact: a packet, or the interface that packets will come from.
    pub(super) fn fact(&mut self, fact: &Fact<'_>) -> anyhow::Result<()> {
        match fact.kind() {
            Kind::Interface => self.interface(fact),
            Kind::Packet if !self.is_full() => self.packet(fact),
            _ => Ok(()),
        }
    }

    fn interface(&mut self, fact: &Fact<'_>) -> anyhow::Result<()> {
        if let Some(interface) = fact.describes::<Interface>() {
            self.interfaces
                .retain(|known| known.number != interface.number);
            self.interfaces.push(interface);
        }
        self.keep(fact)
    }

    fn packet(&mut self, fact: &Fact<'_>) -> anyhow::Result<()> {
        let number = fact.event.conn().number();
        let interface = self.interfaces.iter().find(|known| known.number == number);
        let (name, link) = interface.map_or(("", 1), |one| (&*one.name, one.link_type));
        let sees = !matches!(self.shown, Shown::Nothing) || !self.filter.is_everything();
        if !sees {
            self.packets += 1;
            return self.keep(fact);
        }
        let packet = dissect(link, fact.data, fact.moved() as u32);
        if !self.filter.accepts(&packet) {
            return Ok(());
        }
        self.packets += 1;
        let out = self.stdout.buffer();
        match &mut self.shown {
            Shown::Nothing => {}
            Shown::Streams(streams) => {
                streams.packet(&packet, fact.event.asked, fact.event.time, out);
            }
            Shown::Table(table) => {
                let row = self.rows.row(&packet, fact.event.time);
                let row = row.with_verdict(fact.verdict());
                each_piece(&row, &packet, fact, self.style.whole, |row| {
                    table.row(row, name, out);
                });
                if self.style.layers {
                    bytes::layers(&packet, self.style.lang, out);
                }
                if self.style.hex {
                    bytes::hex(packet.bytes, out);
                }
            }
            Shown::Json => {
                let row = self.rows.row(&packet, fact.event.time);
                let data = self.style.hex.then_some(packet.bytes);
                each_piece(&row, &packet, fact, self.style.whole, |row| {
                    lines::packet(row, name, fact, data, out);
                });
            }
        }
        let spilt = self.stdout.spill();
        spilt.map_err(|error| unwritten("to standard output", Errno::of(&error)))?;
        self.keep(fact)
    }

    /// Into the files.
    fn keep(&mut self, fact: &Fact<'_>) -> anyhow::Result<()> {
        if let Some(file) = &mut self.file {
            file.write(|writer| writer.fact(fact))?;
        }
        if let Some(session) = &mut self.session {
            session.write(|writer| writer.write(fact))?;
        }
        Ok(())
    }

    /// A line of JSON.
    pub(super) fn line(&mut self, line: &str) -> anyhow::Result<()> {
        self.stdout.buffer().extend_from_slice(line.as_bytes());
        self.flush()
    }

    /// Lets everything be seen that has come.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        let flushed = io::Write::flush(&mut self.stdout);
        flushed.map_err(|error| unwritten("to standard output", Errno::of(&error)))?;
        if let Some(file) = &mut self.file {
            file.write(PcapngWriter::flush)?;
        }
        if let Some(session) = &mut self.session {
            session.write(Writer::flush)?;
        }
        Ok(())
    }

    /// The end: what was lost goes into the files as well.
    pub(super) fn finish(&mut self, dropped: u64) -> anyhow::Result<()> {
        if let Shown::Streams(streams) = &mut self.shown {
            streams.finish(self.stdout.buffer());
        }
        self.tell_drops(dropped)?;
        if self.style.json {
            lines::end(self.packets, dropped, self.stdout.buffer());
        }
        if let Some(file) = &mut self.file {
            file.write(PcapngWriter::finish)?;
        }
        self.flush()
    }

    /// The kernel counts drops for the socket: of several interfaces nobody knows which lost them.
    fn tell_drops(&mut self, dropped: u64) -> anyhow::Result<()> {
        if dropped == 0 {
            return Ok(());
        }
        if let (Some(file), [interface]) = (&mut self.file, &mut *self.interfaces) {
            interface.dropped = dropped;
            file.write(|writer| writer.interface(interface))?;
        }
        if let Some(session) = &mut self.session {
            let gap = Gap {
                what: "lost-packets".to_owned(),
                count: dropped,
                ..Gap::default()
            };
            let text = serde_json::to_string(&gap)?;
            let mut fact = Fact::new(Event::new(Kind::Gap, ConnId::default(), lines::now()));
            fact.text = &text;
            session.write(|writer| writer.write(&fact))?;
        }
        Ok(())
    }
}

/// The rows of a packet: one, or one for each of the pieces that it stands for.
pub(super) fn each_piece(
    row: &Row,
    packet: &Packet<'_>,
    fact: &Fact<'_>,
    whole: bool,
    mut each: impl FnMut(&Row),
) {
    let pieces = packet.pieces(if whole { 0 } else { fact.event.asked });
    if pieces.len() == 1 {
        return each(row);
    }
    for piece in pieces {
        each(&row.piece(&piece));
    }
}
