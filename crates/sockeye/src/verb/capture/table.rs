//! Packets as rows.

use std::fmt;
use std::io::Write;

use sockeye_trace::packet::row::{Row, Seq};
use sockeye_trace::{Lang as TraceLang, Time};
use unicode_width::UnicodeWidthStr;

use super::args::{Flags, Times};
use super::digits;
use crate::catalogue::{self as say, Lang};

/// What a table shows, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) lang: Lang,
    pub(super) flags: Flags,
    pub(super) time: Times,
    pub(super) fcs: bool,
    /// Packets come from several interfaces.
    pub(super) interfaces: bool,
}

/// Columns, in their order.
#[derive(Clone, Copy, Debug)]
enum Column {
    Number,
    Interface,
    Source,
    Destination,
    Frame,
    Time,
    Protocol,
    Ports,
    Flags,
    Seq,
    Len,
}

impl Column {
    const ALL: [Self; 11] = [
        Self::Number,
        Self::Interface,
        Self::Source,
        Self::Destination,
        Self::Frame,
        Self::Time,
        Self::Protocol,
        Self::Ports,
        Self::Flags,
        Self::Seq,
        Self::Len,
    ];

    /// As wide as what most rows have in it; it grows with what is wider.
    const fn width(self, times: Times) -> usize {
        match self {
            Self::Time if matches!(times, Times::Clock) => 15,
            Self::Number => 4,
            Self::Interface => 2,
            Self::Source | Self::Destination => 9,
            Self::Frame | Self::Protocol | Self::Len | Self::Seq => 5,
            Self::Time => 8,
            Self::Ports => 11,
            Self::Flags => 6,
        }
    }

    /// Numbers end below each other, words begin below each other.
    const fn is_number(self) -> bool {
        matches!(
            self,
            Self::Number | Self::Frame | Self::Time | Self::Seq | Self::Len
        )
    }

    fn title(self, fcs: bool, lang: Lang) -> &'static str {
        let text = match self {
            Self::Number => say::capture::NUMBER,
            Self::Interface => say::capture::INTERFACE,
            Self::Source => say::capture::SOURCE,
            Self::Destination => say::capture::DESTINATION,
            Self::Frame if fcs => say::capture::FRAME_WITH_FCS,
            Self::Frame => say::capture::FRAME,
            Self::Time => say::capture::TIME,
            Self::Protocol => say::capture::PROTOCOL,
            Self::Ports => say::capture::PORTS,
            Self::Flags => say::capture::FLAGS,
            Self::Seq => say::capture::SEQ,
            Self::Len => say::capture::LEN,
        };
        text.get(lang)
    }
}

/// Draws rows below each other.
#[derive(Debug)]
pub(super) struct Table {
    style: Style,
    widths: [usize; Column::ALL.len()],
    /// The first packet's time, and the last one's.
    span: Option<(Time, Time)>,
    clock: Clock,
    /// Where the details of a row are written before they are known to be few.
    detail: String,
}

impl Table {
    pub(super) fn new(style: Style) -> Self {
        let title = |column: Column| column.title(style.fcs, style.lang).width();
        Self {
            style,
            widths: Column::ALL.map(|column| column.width(style.time).max(title(column))),
            span: None,
            clock: Clock::default(),
            detail: String::new(),
        }
    }

    /// The titles of the columns.
    pub(super) fn titles(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        for (place, column) in self.columns() {
            let title = column.title(self.style.fcs, self.style.lang);
            let gap = self.widths[place] - title.width();
            if column.is_number() {
                out.resize(out.len() + gap, b' ');
                out.extend_from_slice(title.as_bytes());
            } else {
                out.extend_from_slice(title.as_bytes());
                out.resize(out.len() + gap, b' ');
            }
            out.push(b' ');
        }
        end_line(out, begin);
    }

    /// A row of the table.
    pub(super) fn row(&mut self, row: &Row, interface: &str, out: &mut Vec<u8>) {
        let begin = out.len();
        let (first, last) = *self.span.get_or_insert((row.time, row.time));
        let since = match self.style.time {
            Times::Delta => row.time.since(last),
            _ => row.time.since(first),
        };
        for place in 0..Column::ALL.len() {
            let column = Column::ALL[place];
            if matches!(column, Column::Interface) && !self.style.interfaces {
                continue;
            }
            if matches!(column, Column::Ports) && row.ports.is_none() {
                continue;
            }
            let at = out.len();
            match column {
                Column::Time if self.style.time == Times::Clock => self.clock.write(out, row.time),
                Column::Time => digits::seconds(out, since.as_nanos() as u64),
                Column::Interface => out.extend_from_slice(interface.as_bytes()),
                _ => self.cell(column, row, out),
            }
            if matches!(column, Column::Protocol) && row.ports.is_none() {
                self.pad_over_ports(place, at, out);
            } else {
                self.pad(place, at, out);
            }
            out.push(b' ');
        }
        self.details(row, out);
        end_line(out, begin);
        self.span = Some((first, row.time));
    }

    fn cell(&self, column: Column, row: &Row, out: &mut Vec<u8>) {
        match column {
            Column::Number => {
                digits::number(out, row.number);
                if row.piece.1 > 1 {
                    out.push(b'.');
                    digits::number(out, u64::from(row.piece.0) + 1);
                }
            }
            Column::Source => digits::host(out, &row.source),
            Column::Destination => digits::host(out, &row.destination),
            Column::Frame => {
                let whole = row.frame_len_with_fcs.filter(|_| self.style.fcs);
                digits::number(out, whole.unwrap_or(row.frame_len).into());
            }
            // Writing into memory does not fail.
            Column::Protocol => drop(write!(out, "{}", row.protocol.words(self.lang()))),
            Column::Ports => {
                if let Some((source, destination)) = row.ports {
                    digits::number(out, source.into());
                    out.push(b'>');
                    digits::number(out, destination.into());
                }
            }
            Column::Flags => {
                if let Some(flags) = row.flags {
                    let text = match self.style.flags {
                        Flags::Position => flags.by_position(),
                        Flags::Tcpdump => flags.as_tcpdump(),
                    };
                    out.extend_from_slice(text.as_str().as_bytes());
                }
            }
            Column::Seq => {
                if let Some(seq) = row.seq {
                    write_seq(out, seq);
                }
            }
            Column::Len => digits::number(out, row.len.into()),
            Column::Interface | Column::Time => {}
        }
    }

    /// What has no ports may be as long as its name and ports together would be: `IP fragment`.
    fn pad_over_ports(&mut self, place: usize, at: usize, out: &mut Vec<u8>) {
        let ports = self.widths[Column::Ports as usize];
        self.widths[place] += ports + 1;
        self.pad(place, at, out);
        self.widths[place] -= ports + 1;
    }

    /// Makes what was written since `at` as wide as its column, or the column as wide as that.
    fn pad(&mut self, place: usize, at: usize, out: &mut Vec<u8>) {
        let written = &out[at..];
        let width = match std::str::from_utf8(written) {
            Ok(text) if !text.is_ascii() => text.width(),
            _ => written.len(),
        };
        let gap = self.widths[place].saturating_sub(width);
        self.widths[place] += width.saturating_sub(self.widths[place]);
        if gap == 0 {
            return;
        }
        out.resize(out.len() + gap, b' ');
        if Column::ALL[place].is_number() {
            out[at..].rotate_right(gap);
        }
    }

    fn details(&mut self, row: &Row, out: &mut Vec<u8>) {
        if let Some(ack) = row.ack {
            out.extend_from_slice(b"ack=");
            write_seq(out, ack);
            out.push(b' ');
        }
        self.detail.clear();
        let lang = self.lang();
        // Writing into memory does not fail.
        let _: fmt::Result = row.write_detail(lang, &mut self.detail);
        out.extend_from_slice(self.detail.as_bytes());
    }

    fn columns(&self) -> impl Iterator<Item = (usize, Column)> {
        let interfaces = self.style.interfaces;
        let wanted = move |column: Column| interfaces || !matches!(column, Column::Interface);
        let all = Column::ALL.into_iter().enumerate();
        all.filter(move |(_, column)| wanted(*column))
    }

    fn lang(&self) -> TraceLang {
        self.style.lang.into()
    }
}

fn write_seq(out: &mut Vec<u8>, seq: Seq) {
    match seq {
        Seq::Relative(number) => digits::number(out, number),
        Seq::Absolute(number) => digits::number(out, number.into()),
    }
}

/// Ends the line that began there, without the blanks behind its last word.
fn end_line(out: &mut Vec<u8>, begin: usize) {
    while out.len() > begin && out.last() == Some(&b' ') {
        out.pop();
    }
    out.push(b'\n');
}

/// The time of day, kept from row to row: many fall into one second.
#[derive(Debug, Default)]
pub(super) struct Clock {
    second: u64,
    text: String,
}

impl Clock {
    pub(super) fn write(&mut self, out: &mut Vec<u8>, time: Time) {
        let nanos = time.as_nanos();
        let second = nanos / 1_000_000_000;
        if self.second != second || self.text.is_empty() {
            self.second = second;
            let stamp = jiff::Timestamp::from_second(second as i64).unwrap_or_default();
            let local = stamp.to_zoned(jiff::tz::TimeZone::system());
            self.text = local.strftime("%H:%M:%S").to_string();
        }
        out.extend_from_slice(self.text.as_bytes());
        out.push(b'.');
        digits::padded(out, nanos % 1_000_000_000 / 1000, 6);
    }
}
