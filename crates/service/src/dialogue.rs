//! One end of a conversation on a stream, without the stream: bytes in, framed replies out.

use std::sync::Arc;

use sockeye_frame::{DecodeError, Decoder, Finish, Framing, Step};
use sockeye_trace::Time;

use crate::out::{BATCH, Outbox, Style};
use crate::{Mailbox, Out, Responder};

/// A decoder and the responder that answers what it finds.
pub(crate) struct Dialogue {
    /// None where the socket keeps the boundaries of messages.
    decoder: Option<Decoder>,
    responder: Box<dyn Responder>,
    needs_time: bool,
    /// Without a framing the whole of what one read returned is the message.
    reads_are_messages: bool,
    /// Messages read so far.
    pub(crate) read_messages: u64,
    /// Messages written so far.
    pub(crate) written_messages: u64,
}

/// How far [`Dialogue::take`] came.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Bytes taken from the front.
    pub(crate) used: usize,
    /// Why it stopped there.
    pub(crate) stop: Stop,
}

/// Why [`Dialogue::take`] stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// What is left begins a frame whose end has not come.
    Hungry,
    /// The batch is full: send it, then go on with what is left.
    Full,
    /// The responder ended the conversation; what is left will not be read.
    Over,
    /// What follows is no frame.
    Bad(DecodeError),
}

impl Dialogue {
    /// `framing` is none where the socket keeps the boundaries of messages.
    pub(crate) fn new(framing: Option<&Framing>, responder: Box<dyn Responder>) -> Self {
        Self {
            needs_time: responder.needs_time(),
            reads_are_messages: framing.is_none_or(Framing::is_raw),
            decoder: framing.map(Framing::decoder),
            responder,
            read_messages: 0,
            written_messages: 0,
        }
    }

    /// Where others leave messages for the peer.
    pub(crate) fn mailbox(&self) -> Option<Arc<Mailbox>> {
        self.responder.mailbox()
    }

    /// Whether the responder looks at the time.
    #[inline]
    pub(crate) fn needs_time(&self) -> bool {
        self.needs_time
    }

    /// The connection broke.
    pub(crate) fn broken(&mut self, reason: &str) {
        self.responder.on_broken(reason);
    }

    /// Bytes taken so far.
    pub(crate) fn offset(&self) -> u64 {
        self.decoder.as_ref().map_or(0, Decoder::offset)
    }

    /// The conversation begins.
    pub(crate) fn open(&mut self, now: Time, outbox: &mut Outbox) {
        let style = style(self.decoder.as_ref());
        self.responder
            .on_open(now, &mut Out::new(outbox, style, b""));
    }

    /// Everything that was pushed has been sent.
    pub(crate) fn drained(&mut self, now: Time, outbox: &mut Outbox) {
        let style = style(self.decoder.as_ref());
        self.responder
            .on_drained(now, &mut Out::new(outbox, style, b""));
    }

    /// Decodes and answers what `src` holds, from the first byte that was not taken before.
    #[inline]
    pub(crate) fn take(&mut self, now: Time, src: &[u8], outbox: &mut Outbox) -> Taken {
        if self.reads_are_messages {
            self.take_read(now, src, outbox)
        } else {
            self.take_frames(now, src, outbox)
        }
    }

    #[inline]
    fn take_read(&mut self, now: Time, src: &[u8], outbox: &mut Outbox) -> Taken {
        self.read_messages += 1;
        let style = style(self.decoder.as_ref());
        let mut out = Out::new(outbox, style, src).answering(src, 0..src.len());
        self.responder.on_message(now, src, &mut out);
        let stop = if outbox.ending.is_some() {
            Stop::Over
        } else {
            Stop::Hungry
        };
        Taken {
            used: src.len(),
            stop,
        }
    }

    fn take_frames(&mut self, now: Time, src: &[u8], outbox: &mut Outbox) -> Taken {
        let Self {
            decoder: Some(decoder),
            responder,
            read_messages,
            ..
        } = self
        else {
            return Taken {
                used: src.len(),
                stop: Stop::Hungry,
            };
        };
        let mut used = 0;
        let stop = loop {
            if outbox.ending.is_some() {
                break Stop::Over;
            }
            if outbox.len() >= BATCH {
                break Stop::Full;
            }
            match decoder.decode(&src[used..]) {
                Ok(Step::NeedMore { .. }) => break Stop::Hungry,
                Ok(step) => {
                    *read_messages += u64::from(begins_message(&step));
                    let out = Out::new(outbox, Style::Stream(decoder.framing()), src);
                    answer(decoder, &mut **responder, now, (src, used), &step, out);
                    used += step.used();
                }
                Err(error) => {
                    let mut out = Out::new(outbox, Style::Stream(decoder.framing()), src);
                    responder.on_bad_frame(now, &error, &mut out);
                    break Stop::Bad(error);
                }
            }
        };
        Taken { used, stop }
    }

    /// The peer has sent its last byte, and `rest` was not taken. An error says that it broke off
    /// inside a frame; the responder has been told of the end all the same.
    pub(crate) fn half_close(
        &mut self,
        now: Time,
        rest: &[u8],
        outbox: &mut Outbox,
    ) -> Result<(), DecodeError> {
        let finish = match &mut self.decoder {
            Some(decoder) if !self.reads_are_messages => decoder.finish(rest),
            _ => Ok(Finish::Clean),
        };
        let style = style(self.decoder.as_ref());
        if let Ok(Finish::Unterminated { payload }) = &finish {
            self.read_messages += 1;
            let message = &rest[payload.clone()];
            let mut out = Out::new(outbox, style, rest).answering(message, 0..0);
            self.responder.on_message(now, message, &mut out);
        }
        let mut out = Out::new(outbox, style, rest);
        if !out.is_closed() {
            self.responder.on_half_close(now, &mut out);
        }
        finish.map(drop)
    }
}

fn style(decoder: Option<&Decoder>) -> Style<'_> {
    decoder.map_or(Style::Messages, |decoder| Style::Stream(decoder.framing()))
}

fn begins_message(step: &Step) -> bool {
    matches!(step, Step::Frame { .. } | Step::Head { .. })
}

/// Answers one step, which was found at `at` in `src`.
fn answer(
    decoder: &Decoder,
    responder: &mut dyn Responder,
    now: Time,
    (src, at): (&[u8], usize),
    step: &Step,
    mut out: Out<'_>,
) {
    let here = &src[at..];
    match step {
        Step::Frame { .. } => {
            let message = decoder.message(here, step);
            let canonical = decoder.framing().is_canonical(here, step);
            let frame = if canonical {
                at..at + step.used()
            } else {
                0..0
            };
            responder.on_message(now, message, &mut out.answering(message, frame));
        }
        Step::Head { header, body, .. } => {
            responder.on_head(now, &here[header.clone()], *body, &mut out);
        }
        Step::Body { chunk, left, .. } => {
            responder.on_body(now, &here[chunk.clone()], *left, &mut out);
        }
        Step::Skipped { .. } | Step::NeedMore { .. } => {}
    }
}
