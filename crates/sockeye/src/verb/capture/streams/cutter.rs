//! One direction of a stream, cut into messages.

use sockeye_frame::{DecodeError, Decoder, Finish, Framing, Step};
use sockeye_trace::packet::stream::Part;

/// What comes out of a direction.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    /// A message, or bytes as they came where nothing says where messages end.
    Message {
        /// Where it begins in its direction, with its header.
        offset: u64,
        /// Its content.
        bytes: &'a [u8],
    },
    /// Bytes that are no whole message, because the stream ended or a gap follows.
    Rest {
        /// Where they begin.
        offset: u64,
        /// They.
        bytes: &'a [u8],
    },
    /// Bytes that were not captured.
    Gap {
        /// Where they begin.
        offset: u64,
        /// How many.
        len: u64,
    },
    /// What follows is not cut into messages any more, and why.
    NoFrame {
        /// Where it went wrong.
        offset: u64,
        /// What the decoder said.
        error: DecodeError,
    },
    /// The end of the direction.
    End {
        /// How many bytes there were.
        offset: u64,
        /// The connection was reset.
        reset: bool,
    },
}

/// Cuts one direction by a framing, or not at all.
#[derive(Clone, Debug)]
pub(super) struct Cutter {
    /// None: pieces are told as they come. It also ends with a gap, or with bytes that are no frame.
    decoder: Option<Decoder>,
    /// What is not a whole message yet.
    waiting: Vec<u8>,
    /// Where that begins.
    offset: u64,
}

impl Cutter {
    pub(super) fn new(framing: Option<&Framing>) -> Self {
        let framing = framing.filter(|framing| !framing.is_raw());
        Self {
            decoder: framing.map(Framing::decoder),
            waiting: vec![],
            offset: 0,
        }
    }

    /// Takes what the stream tells.
    pub(super) fn part(&mut self, part: Part<'_>, out: &mut dyn FnMut(Piece<'_>)) {
        match part {
            Part::Bytes { offset, bytes } if self.decoder.is_none() => {
                out(Piece::Message { offset, bytes });
            }
            Part::Bytes { offset, bytes } => {
                if self.waiting.is_empty() {
                    self.offset = offset;
                }
                self.waiting.extend_from_slice(bytes);
                self.cut(out);
            }
            Part::Gap { offset, len } => {
                self.finish(out);
                // Where the next message begins nobody knows.
                self.decoder = None;
                out(Piece::Gap { offset, len });
            }
            Part::End { offset, reset } => {
                self.finish(out);
                out(Piece::End { offset, reset });
            }
        }
    }

    /// Tells what is left.
    pub(super) fn finish(&mut self, out: &mut dyn FnMut(Piece<'_>)) {
        if self.waiting.is_empty() {
            return;
        }
        let rest = self
            .decoder
            .as_mut()
            .and_then(|decoder| decoder.finish(&self.waiting).ok());
        let (offset, bytes) = (self.offset, &*self.waiting);
        match rest {
            Some(Finish::Unterminated { payload }) => out(Piece::Rest {
                offset,
                bytes: bytes.get(payload).unwrap_or(bytes),
            }),
            _ => out(Piece::Rest { offset, bytes }),
        }
        self.waiting.clear();
    }

    fn cut(&mut self, out: &mut dyn FnMut(Piece<'_>)) {
        let mut used = 0;
        while let Some(decoder) = &mut self.decoder {
            let rest = &self.waiting[used..];
            if rest.is_empty() {
                break;
            }
            let offset = self.offset + used as u64;
            match decoder.decode(rest) {
                Ok(Step::NeedMore { .. }) => break,
                Ok(step) => {
                    used += step.used();
                    let bytes = match &step {
                        Step::Frame { .. } => decoder.message(rest, &step),
                        Step::Body { chunk, .. } => &rest[chunk.clone()],
                        Step::Head { header, .. } => &rest[header.clone()],
                        _ => continue,
                    };
                    out(Piece::Message { offset, bytes });
                }
                Err(error) => {
                    let resumable = error.is_resumable();
                    out(Piece::NoFrame { offset, error });
                    if !resumable {
                        self.decoder = None;
                        let bytes = &self.waiting[used..];
                        out(Piece::Message { offset, bytes });
                        used = self.waiting.len();
                    }
                }
            }
        }
        self.waiting.drain(..used);
        self.offset += used as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out, as text.
    fn told(framing: &str, parts: &[Part<'_>]) -> Vec<String> {
        let framing: Framing = framing.parse().unwrap();
        let mut cutter = Cutter::new(Some(&framing));
        let mut told = vec![];
        let mut tell = |piece: Piece<'_>| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            told.push(match piece {
                Piece::Message { offset, bytes } => format!("{offset} {}", text(bytes)),
                Piece::Rest { offset, bytes } => format!("{offset} rest {}", text(bytes)),
                Piece::Gap { offset, len } => format!("{offset} gap {len}"),
                Piece::NoFrame { offset, error } => format!("{offset} {error}"),
                Piece::End { offset, reset } => format!("{offset} end {reset}"),
            });
        };
        for part in parts {
            cutter.part(*part, &mut tell);
        }
        cutter.finish(&mut tell);
        told
    }

    const fn bytes(offset: u64, bytes: &[u8]) -> Part<'_> {
        Part::Bytes { offset, bytes }
    }

    #[test]
    fn messages_come_out_however_segments_cut_them() {
        let end = Part::End {
            offset: 12,
            reset: false,
        };
        let parts = [
            bytes(0, b"hel"),
            bytes(3, b"lo\nfe"),
            bytes(8, b"ng\nx"),
            end,
        ];
        let whole = ["0 hello", "6 feng", "11 rest x", "12 end false"];
        assert_eq!(told("line", &parts), whole);
        assert_eq!(told("raw", &parts[..2]), ["0 hel", "3 lo\nfe"]);
    }

    #[test]
    fn behind_a_gap_bytes_are_told_as_they_come() {
        let gap = Part::Gap { offset: 4, len: 6 };
        let parts = [bytes(0, b"a\nbc"), gap, bytes(10, b"d\ne\n")];
        assert_eq!(
            told("line", &parts),
            ["0 a", "2 rest bc", "4 gap 6", "10 d\ne\n"]
        );
    }

    #[test]
    fn what_is_no_frame_is_told_and_shown() {
        let told = told("u32be,max=100", &[bytes(0, b"GET / HTTP/1.1")]);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("the limit is 100"), "{told:?}");
        assert_eq!(told[1], "0 GET / HTTP/1.1");
    }
}
