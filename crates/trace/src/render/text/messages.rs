//! Which messages bytes belong to: what colours and labels are taken from.

use std::ops::Range;

use super::paint::Style;
use crate::timeline::Way;

/// Colours of the way back begin here, so that a question and its answer differ.
const BACK: u32 = 3;

/// The messages of one way of a flow: frames where a framing is known, else what each call wrote;
/// datagrams by their numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Messages<'a> {
    way: &'a Way,
    index: u8,
    is_stream: bool,
}

impl<'a> Messages<'a> {
    pub(super) fn new(way: &'a Way, index: u8, is_stream: bool) -> Self {
        Self {
            way,
            index,
            is_stream,
        }
    }

    fn style(&self, number: usize) -> Style {
        Style::Message(number as u32 + BACK * u32::from(self.index))
    }

    fn end_of(&self, number: usize) -> Option<u64> {
        if self.way.messages.is_empty() {
            self.way.writes.get(number).map(|write| write.bytes.end)
        } else {
            self.way.messages.get(number).map(|message| message.end)
        }
    }

    /// The name of the message, or the messages, that `bytes` belong to, and its colour: `m3`, `m3-5`.
    pub(super) fn label(&self, bytes: &Range<u64>, datagram: u32) -> (String, Style) {
        if !self.is_stream {
            return (format!("d{}", datagram + 1), self.style(datagram as usize));
        }
        if bytes.is_empty() {
            return (String::new(), Style::Plain);
        }
        let (Some(first), last) = (
            self.way.message_at(bytes.start),
            self.way.message_at(bytes.end - 1),
        ) else {
            return (String::new(), Style::Plain);
        };
        let label = match last {
            Some(last) if last > first => format!("m{}-{}", first + 1, last + 1),
            Some(_) => format!("m{}", first + 1),
            None => format!("m{}-", first + 1),
        };
        (label, self.style(first))
    }

    /// The kept bytes of a call, cut where messages meet, each piece with its colour. At most `limit`
    /// pieces.
    pub(super) fn pieces<'d>(
        &self,
        bytes: &Range<u64>,
        data: &'d [u8],
        datagram: u32,
        limit: usize,
    ) -> Vec<(&'d [u8], Style)> {
        if !self.is_stream {
            return vec![(data, self.style(datagram as usize))];
        }
        let (mut pieces, mut rest, mut at) = (Vec::new(), data, bytes.start);
        while !rest.is_empty() && pieces.len() < limit {
            let Some(number) = self.way.message_at(at) else {
                pieces.push((rest, Style::Plain));
                break;
            };
            let end = self.end_of(number).unwrap_or(u64::MAX);
            let len = usize::try_from(end.saturating_sub(at).max(1))
                .unwrap_or(usize::MAX)
                .min(rest.len());
            let (piece, after) = rest.split_at(len);
            pieces.push((piece, self.style(number)));
            (rest, at) = (after, end);
        }
        pieces
    }
}
