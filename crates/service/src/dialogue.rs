//! One end of a conversation on a stream, without the stream: bytes in, framed replies out.

use sockeye_frame::{DecodeError, Decoder, Finish, Step};
use sockeye_trace::Time;

use crate::out::{BATCH, Outbox, Style};
use crate::{Out, Responder};

/// A decoder and the responder that answers what it finds.
pub(crate) struct Dialogue {
    decoder: Decoder,
    responder: Box<dyn Responder>,
    needs_time: bool,
    is_raw: bool,
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
    pub(crate) fn new(decoder: Decoder, responder: Box<dyn Responder>) -> Self {
        Self {
            needs_time: responder.needs_time(),
            is_raw: decoder.framing().is_raw(),
            decoder,
            responder,
            read_messages: 0,
            written_messages: 0,
        }
    }

    /// Whether the responder looks at the time.
    #[inline]
    pub(crate) fn needs_time(&self) -> bool {
        self.needs_time
    }

    /// Bytes taken so far.
    pub(crate) fn offset(&self) -> u64 {
        self.decoder.offset()
    }

    /// The conversation begins.
    pub(crate) fn open(&mut self, now: Time, outbox: &mut Outbox) {
        let style = Style::Stream(self.decoder.framing());
        self.responder
            .on_open(now, &mut Out::new(outbox, style, b""));
    }

    /// Everything that was pushed has been sent.
    pub(crate) fn drained(&mut self, now: Time, outbox: &mut Outbox) {
        let style = Style::Stream(self.decoder.framing());
        self.responder
            .on_drained(now, &mut Out::new(outbox, style, b""));
    }

    /// Decodes and answers what `src` holds, from the first byte that was not taken before.
    #[inline]
    pub(crate) fn take(&mut self, now: Time, src: &[u8], outbox: &mut Outbox) -> Taken {
        if self.is_raw && src.len() as u64 <= self.decoder.framing().limit() {
            return self.take_read(now, src, outbox);
        }
        self.take_frames(now, src, outbox)
    }

    /// Without a framing the whole of what one read returned is the message.
    #[inline]
    fn take_read(&mut self, now: Time, src: &[u8], outbox: &mut Outbox) -> Taken {
        self.read_messages += 1;
        let style = Style::Stream(self.decoder.framing());
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
        let mut used = 0;
        let stop = loop {
            if outbox.ending.is_some() {
                break Stop::Over;
            }
            if outbox.len() >= BATCH {
                break Stop::Full;
            }
            match self.decoder.decode(&src[used..]) {
                Ok(Step::NeedMore { .. }) => break Stop::Hungry,
                Ok(step) => {
                    self.answer(now, src, used, &step, outbox);
                    used += step.used();
                }
                Err(error) => {
                    let style = Style::Stream(self.decoder.framing());
                    let mut out = Out::new(outbox, style, src);
                    self.responder.on_bad_frame(now, &error, &mut out);
                    break Stop::Bad(error);
                }
            }
        };
        Taken { used, stop }
    }

    fn answer(&mut self, now: Time, src: &[u8], at: usize, step: &Step, outbox: &mut Outbox) {
        let style = Style::Stream(self.decoder.framing());
        let out = Out::new(outbox, style, src);
        let here = &src[at..];
        match step {
            Step::Frame { .. } => {
                self.read_messages += 1;
                let message = self.decoder.message(here, step);
                let verbatim = if self.decoder.framing().is_canonical(here, step) {
                    at..at + step.used()
                } else {
                    0..0
                };
                self.responder
                    .on_message(now, message, &mut out.answering(message, verbatim));
            }
            Step::Head { header, body, .. } => {
                self.read_messages += 1;
                self.responder
                    .on_head(now, &here[header.clone()], *body, &mut { out });
            }
            Step::Body { chunk, left, .. } => {
                self.responder
                    .on_body(now, &here[chunk.clone()], *left, &mut { out });
            }
            Step::Skipped { .. } | Step::NeedMore { .. } => {}
        }
    }

    /// The peer has sent its last byte, and `rest` was not taken. An error says that it broke off
    /// inside a frame; the responder has been told of the end all the same.
    pub(crate) fn half_close(
        &mut self,
        now: Time,
        rest: &[u8],
        outbox: &mut Outbox,
    ) -> Result<(), DecodeError> {
        let finish = self.decoder.finish(rest);
        let style = Style::Stream(self.decoder.framing());
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
