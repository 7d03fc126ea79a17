//! Messages as lines.

use std::io::Write;

use encoding_rs::Encoding;
use sockeye_trace::Time;

use super::cutter::Piece;
use super::{Conversation, Way};
use crate::catalogue::{Lang, capture as say};
use crate::ui::{Colour, Shown, colours, escape, paint};
use crate::verb::capture::args::Capture;
use crate::verb::capture::{digits, lines};

/// Bytes of one message that are shown as text.
const SHOWN: usize = 1024;

/// Writes what conversations say.
#[derive(Debug)]
pub(super) struct Teller {
    lang: Lang,
    colour: bool,
    json: bool,
    encoding: &'static Encoding,
    /// The first packet's time.
    first: Option<Time>,
}

impl Teller {
    pub(super) fn new(args: &Capture, lang: Lang) -> Self {
        Self {
            lang,
            colour: colours(&std::io::stdout()),
            json: args.json,
            encoding: args.encoding.0,
            first: None,
        }
    }

    /// A conversation that was not known before; `midway`: its beginning was not seen.
    pub(super) fn opened(
        &mut self,
        of: &Conversation,
        midway: bool,
        time: Time,
        out: &mut Vec<u8>,
    ) {
        if self.json {
            let mut line = lines::stream(time, "stream_opened", of, None);
            if midway {
                line.raw("midway", true);
            }
            return out.extend_from_slice(line.finish().as_bytes());
        }
        self.head(of, None, time, out);
        let note = if midway {
            say::MIDWAY.get(self.lang)
        } else {
            ""
        };
        // Writing into memory does not fail.
        let _ = writeln!(out, "{} {} > {}{note}", of.protocol(), of.client, of.server);
    }

    /// What one direction of TCP came to.
    pub(super) fn piece(
        &mut self,
        of: &Conversation,
        way: Way,
        time: Time,
        piece: &Piece<'_>,
        out: &mut Vec<u8>,
    ) {
        match piece {
            Piece::Message { offset, bytes } => {
                self.message(
                    of,
                    way,
                    time,
                    Some(*offset),
                    bytes,
                    bytes.len() as u32,
                    true,
                    out,
                );
            }
            Piece::Rest { offset, bytes } => {
                self.message(
                    of,
                    way,
                    time,
                    Some(*offset),
                    bytes,
                    bytes.len() as u32,
                    false,
                    out,
                );
            }
            Piece::Gap { offset, len } => {
                let text = say::GAP.fill(self.lang, &[("bytes", len)]);
                let fields = [("off_bytes", *offset), ("len_bytes", *len)];
                self.note((of, way, time), "stream_gap", &fields, &text, out);
            }
            Piece::NoFrame { offset, error } => {
                let text = error.to_string();
                let fields = [("off_bytes", *offset)];
                self.note((of, way, time), "stream_bad_frame", &fields, &text, out);
            }
            Piece::End { offset, reset } => {
                let (event, text) = match reset {
                    true => ("stream_reset", say::RESET),
                    false => ("stream_end", say::END),
                };
                let text = text.get(self.lang);
                self.note((of, way, time), event, &[("off_bytes", *offset)], text, out);
            }
        }
    }

    /// A datagram of `len` bytes, as far as it was captured.
    pub(super) fn datagram(
        &mut self,
        of: &Conversation,
        way: Way,
        time: Time,
        bytes: &[u8],
        len: u32,
        out: &mut Vec<u8>,
    ) {
        self.message(of, way, time, None, bytes, len, true, out);
    }

    #[expect(clippy::too_many_arguments)]
    fn message(
        &mut self,
        of: &Conversation,
        way: Way,
        time: Time,
        offset: Option<u64>,
        bytes: &[u8],
        len: u32,
        whole: bool,
        out: &mut Vec<u8>,
    ) {
        if self.json {
            let mut line = lines::stream(time, "stream_message", of, Some(way));
            if let Some(offset) = offset {
                line.number("off_bytes", offset);
            }
            line.number("len_bytes", len.into());
            if !whole {
                line.raw("incomplete", true);
            }
            line.data(bytes);
            let text = self
                .encoding
                .decode_without_bom_handling_and_without_replacement(bytes);
            line.put_some("text", text.as_deref());
            return out.extend_from_slice(line.finish().as_bytes());
        }
        self.head(of, Some(way), time, out);
        let at = out.len();
        digits::number(out, len.into());
        let gap = 6_usize.saturating_sub(out.len() - at);
        out.resize(out.len() + gap, b' ');
        out[at..].rotate_right(gap);
        out.extend_from_slice(b"  ");
        let shown = Shown::new(&bytes[..bytes.len().min(SHOWN)], self.encoding, false);
        let text = paint(
            &shown.text,
            Colour::Cyan,
            self.colour && way == Way::ToServer,
        );
        out.extend_from_slice(text.as_bytes());
        let left = (len as usize).saturating_sub(bytes.len().min(SHOWN));
        if left > 0 {
            let more = say::MORE.fill(self.lang, &[("bytes", &left)]);
            out.extend_from_slice(more.as_bytes());
        }
        if !whole {
            out.extend_from_slice(say::INCOMPLETE.get(self.lang).as_bytes());
        }
        out.push(b'\n');
    }

    /// Something about a direction that is no message.
    fn note(
        &mut self,
        (of, way, time): (&Conversation, Way, Time),
        event: &str,
        fields: &[(&str, u64)],
        text: &str,
        out: &mut Vec<u8>,
    ) {
        if self.json {
            let mut line = lines::stream(time, event, of, Some(way));
            for (name, value) in fields {
                line.number(name, *value);
            }
            if event == "stream_bad_frame" {
                line.put("error", text);
            }
            return out.extend_from_slice(line.finish().as_bytes());
        }
        self.head(of, Some(way), time, out);
        let text = paint(&escape(text), Colour::Dim, self.colour);
        let _ = writeln!(out, "        ({text})");
    }

    /// What every line begins with: the time, the conversation, the direction.
    fn head(&mut self, of: &Conversation, way: Option<Way>, time: Time, out: &mut Vec<u8>) {
        let since = time.since(*self.first.get_or_insert(time));
        let at = out.len();
        digits::seconds(out, since.as_nanos() as u64);
        let gap = 11_usize.saturating_sub(out.len() - at);
        out.resize(out.len() + gap, b' ');
        out[at..].rotate_right(gap);
        out.extend_from_slice(b"  #");
        digits::number(out, of.number);
        out.extend_from_slice(match way {
            Some(Way::ToServer) => b" > ",
            Some(Way::ToClient) => b" < ",
            None => b" ",
        });
    }
}
