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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reply::{Echo, Upper};
    use crate::{Arrival, Peer, Responders};

    const FRAMINGS: [&str; 12] = [
        "line",
        "crlf",
        "nul",
        "delim:||",
        "fixed:3",
        "u8,max=200",
        "u16le,off=2",
        "u32be,max=1KiB",
        "varint",
        "netstring",
        "slip",
        "cobs",
    ];

    /// Feeds `chunks` to a service as a driver would, and returns all that it sends and whether it
    /// ended the conversation.
    fn run<'a>(
        framing: &Framing,
        service: &dyn Responders,
        chunks: impl Iterator<Item = &'a [u8]>,
    ) -> (Vec<u8>, bool) {
        let peer = Peer {
            name: &"test",
            arrival: Arrival::Frames,
            framing: Some(framing),
        };
        let mut dialogue = Dialogue::new(Some(framing), service.open(&peer));
        let (mut outbox, mut rest, mut sent) = (Outbox::default(), vec![], vec![]);
        let mut send = |outbox: &mut Outbox, src: &[u8]| {
            sent.extend_from_slice(&src[outbox.forwarded.clone()]);
            sent.extend_from_slice(&outbox.bytes);
            let over = outbox.ending.is_some();
            outbox.clear();
            over
        };
        for chunk in chunks {
            rest.extend_from_slice(chunk);
            loop {
                let taken = dialogue.take(Time::default(), &rest, &mut outbox);
                let over = send(&mut outbox, &rest);
                rest.drain(..taken.used);
                match taken.stop {
                    Stop::Hungry => break,
                    Stop::Full => {}
                    Stop::Bad(error) if error.is_resumable() && !over => {}
                    Stop::Bad(_) | Stop::Over => return (sent, true),
                }
            }
        }
        let finished = dialogue.half_close(Time::default(), &rest, &mut outbox);
        send(&mut outbox, &rest);
        (sent, finished.is_err())
    }

    proptest! {
        /// However the network cuts a stream, the answer is the same, and an echo's answer is the
        /// stream itself.
        #[test]
        fn cuts_never_change_the_answer(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
            size in 1usize..50,
            which in 0..FRAMINGS.len(),
        ) {
            let framing: Framing = FRAMINGS[which].parse().unwrap();
            let mut wire = vec![];
            for message in &messages {
                // What the framing cannot carry is not sent.
                let _ = framing.encode(message, &mut wire);
            }
            let echoed = run(&framing, &Echo, wire.chunks(size));
            prop_assert_eq!(&echoed, &(wire.clone(), false));
            let upper = Upper::default();
            let whole = run(&framing, &upper, std::iter::once(&wire[..]));
            prop_assert_eq!(run(&framing, &upper, wire.chunks(size)), whole);
        }

        /// Whatever a peer sends: no panic, and nothing depends on the cuts.
        #[test]
        fn garbage_is_answered_alike_however_it_is_cut(
            garbage in prop::collection::vec(any::<u8>(), 0..300),
            size in 1usize..50,
            which in 0..FRAMINGS.len(),
        ) {
            let framing: Framing = FRAMINGS[which].parse().unwrap();
            let whole = run(&framing, &Echo, std::iter::once(&garbage[..]));
            prop_assert_eq!(run(&framing, &Echo, garbage.chunks(size)), whole);
        }
    }

    #[test]
    fn a_streamed_body_is_echoed_as_one_message() {
        let framing: Framing = "u16be,max=4,max-body=100".parse().unwrap();
        let wire = [&b"\0\x02hi\0\x32"[..], &[b'x'; 50], b"\0\x01!"].concat();
        for size in [1, 7, 100] {
            assert_eq!(
                run(&framing, &Echo, wire.chunks(size)),
                (wire.clone(), false)
            );
        }
        let refused = run(&framing, &Upper::default(), wire.chunks(7));
        assert_eq!(
            refused,
            (b"\0\x02HI".to_vec(), true),
            "it takes only what it can hold"
        );
    }
}
