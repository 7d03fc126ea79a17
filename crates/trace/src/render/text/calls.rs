//! The cells of the outer lanes: what a program's calls did.

use super::TextOptions;
use super::messages::Messages;
use super::paint::{Line, Span, Style, shorten};
use super::payload::{escape, hex, quoted, quoted_width};
use super::quantity::duration;
use crate::timeline::{Flow, Move};
use crate::{Address, Call, Fact, Kind, TcpState, Timeline, errno_name};

/// A payload that gets fewer columns than this has a line of its own.
const PAYLOAD_BESIDE: usize = 12;
/// A call that took so long is told of even where that costs a line: a millisecond.
const LONG_NS: u32 = 1_000_000;
/// Pieces of a payload that are shown apart.
const PIECES: usize = 8;
/// `MSG_*` of include/linux/socket.h that change what a call does, and are worth a word.
const FLAGS: [(u32, &str); 6] = [
    (0x1, "OOB"),
    (0x2, "PEEK"),
    (0x8, "CTRUNC"),
    (0x100, "WAITALL"),
    (0x2000, "ERRQUEUE"),
    (0x8000, "MORE"),
];
/// A datagram was longer than the room for it.
const MSG_TRUNC: u32 = 0x20;

/// What a cell says: words that stay whole, then the bytes.
#[derive(Debug, Default)]
pub(super) struct Cell<'a> {
    words: Vec<Span>,
    payload: Vec<(&'a [u8], Style)>,
    /// Nothing follows the kept bytes.
    whole: bool,
    took_ns: u32,
}

impl<'a> Cell<'a> {
    fn word(&mut self, text: impl Into<String>, style: Style) {
        let text = text.into();
        if !text.is_empty() {
            self.words.push(Span::new(text, style));
        }
    }

    /// The cell over lines of `width` columns.
    pub(super) fn lines(mut self, width: usize, options: &TextOptions) -> Vec<Line> {
        let (mut lines, mut line) = (Vec::new(), Line::default());
        for mut word in std::mem::take(&mut self.words) {
            word.text = shorten(&word.text, width);
            let apart = usize::from(line.width() > 0);
            if apart > 0 && line.width() + apart + word.width() > width {
                lines.push(std::mem::take(&mut line));
            } else if apart > 0 {
                line.push(Span::plain(" "));
            }
            line.push(word);
        }
        let shown = self.shown(options);
        if shown.is_empty() {
            lines.push(line);
            self.tell_time(&mut lines, width);
            return lines;
        }
        let room = width.saturating_sub(line.width() + 1);
        let asked = Self::width_of(&shown, width, options);
        let beside = asked <= room || room >= PAYLOAD_BESIDE && asked > width;
        let room = if beside {
            line.push(Span::plain(" "));
            room
        } else {
            lines.push(std::mem::take(&mut line));
            width
        };
        for span in Self::spans(&shown, room, options) {
            line.push(span);
        }
        lines.push(line);
        self.tell_time(&mut lines, width);
        lines
    }

    /// Puts how long the call took at the end of its first line that has room. A short time that has
    /// none is left out; a long one gets a line.
    fn tell_time(&self, lines: &mut Vec<Line>, width: usize) {
        if self.took_ns == 0 {
            return;
        }
        let text = Span::dim(duration(self.took_ns.into()));
        let room = |line: &Line| width.saturating_sub(line.width() + 1) >= text.width();
        if let Some(line) = lines.iter_mut().find(|line| room(line)) {
            line.pad(width - text.width()).push(text);
        } else if self.took_ns >= LONG_NS {
            let mut line = Line::default();
            line.pad(width - text.width().min(width)).push(text);
            lines.push(line);
        }
    }

    /// The pieces of the payload, as far as `bytes` of the options reaches.
    fn shown(&self, options: &TextOptions) -> Vec<(&'a [u8], Style, bool)> {
        let mut left = options.bytes;
        let mut shown = Vec::new();
        let count = self.payload.len();
        for (index, &(bytes, style)) in self.payload.iter().enumerate() {
            if left == 0 {
                break;
            }
            let kept = &bytes[..bytes.len().min(left)];
            left -= kept.len();
            let last = index + 1 == count;
            shown.push((
                kept,
                style,
                kept.len() == bytes.len() && (!last || self.whole),
            ));
        }
        shown
    }

    fn width_of(shown: &[(&'a [u8], Style, bool)], limit: usize, options: &TextOptions) -> usize {
        let piece = |&(bytes, _, whole): &(&[u8], Style, bool)| {
            let width = if options.hex {
                bytes.len() * 3
            } else {
                quoted_width(bytes, limit) + 1
            };
            width + usize::from(!whole)
        };
        shown.iter().map(piece).sum::<usize>().saturating_sub(1)
    }

    fn spans(shown: &[(&'a [u8], Style, bool)], width: usize, options: &TextOptions) -> Vec<Span> {
        let (mut spans, mut left) = (Vec::new(), width);
        for (index, &(bytes, style, whole)) in shown.iter().enumerate() {
            if index > 0 {
                if left < 5 {
                    break;
                }
                let separator = if options.hex { "|" } else { " " };
                spans.push(Span::dim(separator));
                left -= 1;
            }
            let text = if options.hex {
                hex(bytes, whole, left)
            } else if quoted_width(bytes, left) + usize::from(!whole) <= left {
                // `quoted` keeps a column for the mark of what was cut, which is not needed here.
                quoted(bytes, whole, left + 1)
            } else {
                quoted(bytes, whole, left)
            };
            let span = Span::new(text, style);
            left = left.saturating_sub(span.width());
            spans.push(span);
        }
        spans
    }
}

/// The end of the other side, at the end of a direction.
fn end_of_stream(options: &TextOptions) -> &'static str {
    options.lang.pick("the end", "已到末尾")
}

/// A call that moved bytes, or tried to.
pub(super) fn moved<'a>(
    timeline: &Timeline<'a>,
    flow: &Flow,
    way: u8,
    entry: &Move,
    options: &TextOptions,
) -> Cell<'a> {
    let fact = timeline.session.fact(entry.fact);
    let is_stream = flow.transport.is_stream();
    let lanes = &flow.ways[usize::from(way)];
    let messages = Messages::new(lanes, way, is_stream);
    let mut cell = Cell::default();
    let reads = fact.kind() == Kind::Read;
    let name = match (fact.call(), reads) {
        (Call::Untold, true) => "read",
        (Call::Untold, false) => "write",
        (call, _) => call.name(),
    };
    if let Some(errno) = fact.errno() {
        cell.word(name, Style::Plain);
        cell.word(errno_name(errno), Style::Bad);
        took(&mut cell, &fact);
        return cell;
    }
    let result = u64::from(fact.event.result.unsigned_abs());
    cell.word(format!("{name} {result}"), Style::Plain);
    if reads && result == 0 && is_stream && fact.event.asked > 0 {
        cell.word(end_of_stream(options), Style::Mark);
        took(&mut cell, &fact);
        return cell;
    }
    if let Some(of) = short_of(flow, lanes, entry, &fact, reads) {
        let text = match options.lang {
            crate::Lang::En => format!("of {of}"),
            crate::Lang::Zh => format!("/ {of}"),
        };
        cell.word(text, Style::Mark);
    }
    for (bit, word) in FLAGS {
        if fact.flags & bit != 0 {
            cell.word(word, Style::Dim);
        }
    }
    let (label, style) = messages.label(&entry.bytes, entry.datagram);
    if is_stream && !entry.bytes.is_empty() {
        let bytes = &entry.bytes;
        cell.word(format!("[{}..{})", bytes.start, bytes.end), style);
    }
    cell.word(label, style);
    took(&mut cell, &fact);
    cell.payload = messages.pieces(&entry.bytes, fact.data, entry.datagram, PIECES);
    cell.whole = fact.data.len() as u64 >= result;
    cell
}

/// How many bytes there were, where a call moved fewer: what a write offered, or how long the
/// datagram was that a read cut.
fn short_of(
    flow: &Flow,
    lanes: &crate::timeline::Way,
    entry: &Move,
    fact: &Fact<'_>,
    reads: bool,
) -> Option<u64> {
    let moved = u64::from(fact.event.result.unsigned_abs());
    if !reads {
        return Some(u64::from(fact.event.asked)).filter(|asked| *asked > moved);
    }
    if flow.transport.is_stream() || fact.flags & MSG_TRUNC == 0 {
        return None;
    }
    // Writes are in the order of their datagrams.
    let place = lanes
        .writes
        .partition_point(|write| write.datagram < entry.datagram);
    let written = lanes.writes.get(place);
    let written = written.filter(|write| write.datagram == entry.datagram);
    let whole = written.map(|write| write.bytes.end - write.bytes.start);
    Some(whole.unwrap_or(moved)).filter(|whole| *whole > moved)
}

fn took(cell: &mut Cell<'_>, fact: &Fact<'_>) {
    cell.took_ns = fact.event.took_ns;
}

/// A call that moves no bytes, or another event of a connection's life.
pub(super) fn life(fact: &Fact<'_>, options: &TextOptions) -> Cell<'static> {
    let mut cell = Cell::default();
    let lang = options.lang;
    let asks = matches!(
        fact.call(),
        Call::Getsockname | Call::Getpeername | Call::Getsockopt | Call::Fcntl | Call::Ioctl
    );
    let plain = if asks { Style::Dim } else { Style::Plain };
    match fact.kind() {
        Kind::Called => cell.word(fact.call().name(), plain),
        Kind::PeerClosed => cell.word(lang.pick("the peer has ended", "对端已发完"), Style::Mark),
        Kind::Shutdown => cell.word("shutdown", plain),
        Kind::Closed => cell.word("close", plain),
        kind => cell.word(format!("{kind:?}").to_lowercase(), plain),
    }
    if let Some(errno) = fact.errno() {
        cell.word(errno_name(errno), Style::Bad);
    }
    cell.word(escape(fact.text), plain);
    if fact.state != TcpState::Unknown {
        cell.word(format!("({})", fact.state.name()), Style::Bold);
    }
    took(&mut cell, fact);
    cell
}

/// What a listening socket, or one without a peer, did: for the part before the flows.
pub(super) fn place(address: &Address) -> String {
    escape(&address.to_string())
}
