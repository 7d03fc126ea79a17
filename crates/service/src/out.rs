//! Where replies go: framed into one batch, or as datagrams one behind the other.

use std::borrow::Cow;
use std::ops::Range;

use sockeye_frame::{Framing, Unencodable};

/// Bytes that one batch of replies grows to before they are sent and decoding goes on; also what is
/// lent a write by services that send without end. Larger writes win nothing (a socket's send buffer
/// does not take more at once), smaller ones cost system calls.
pub(crate) const BATCH: usize = 256 * 1024;

/// What one batch of messages was answered with. The thread lends it; a connection keeps only what
/// the kernel did not take.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// A part of the input that goes out as it lies there, ahead of `bytes`: an echo copies nothing.
    pub(crate) forwarded: Range<usize>,
    /// Framed replies; datagrams one behind the other.
    pub(crate) bytes: Vec<u8>,
    /// Where each message ends in `bytes`. Only kept where boundaries matter.
    pub(crate) ends: Vec<usize>,
    /// Goes out behind `bytes`.
    pub(crate) lent: &'static [u8],
    /// Messages pushed.
    pub(crate) messages: u64,
    /// The responder goes on when all this is sent.
    pub(crate) more: bool,
    /// How the responder ended the conversation.
    pub(crate) ending: Option<Ending>,
}

/// How a responder ended its conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All is said.
    Close,
    /// The peer did what the service does not take.
    Refuse(Cow<'static, str>),
    /// The framing cannot carry an answer.
    Unsendable(Unencodable),
}

impl Outbox {
    /// Empties it for the next batch. What the responder decided stays with whoever took it.
    pub(crate) fn clear(&mut self) {
        self.forwarded = 0..0;
        self.bytes.clear();
        // One huge message shall not stay with the thread for ever.
        if self.bytes.capacity() > 4 * BATCH {
            self.bytes = Vec::new();
        }
        self.ends.clear();
        self.lent = &[];
        self.messages = 0;
        self.more = false;
        self.ending = None;
    }

    /// Bytes that wait in it.
    pub(crate) fn len(&self) -> usize {
        self.forwarded.len() + self.bytes.len() + self.lent.len()
    }

    /// Makes room for bytes that follow on a forwarded part of the input.
    fn settle(&mut self, style: Style<'_>, src: &[u8]) {
        if !self.forwarded.is_empty() {
            debug_assert!(
                self.bytes.is_empty(),
                "what is forwarded lies ahead of the rest"
            );
            self.bytes
                .extend_from_slice(&src[std::mem::take(&mut self.forwarded)]);
            if matches!(style, Style::Messages) {
                self.ends.push(self.bytes.len());
            }
        }
        if !self.lent.is_empty() {
            self.bytes.extend_from_slice(std::mem::take(&mut self.lent));
        }
    }
}

/// How replies become bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Style<'a> {
    /// Frames on a stream.
    Stream(&'a Framing),
    /// Messages whose boundaries the socket keeps.
    Messages,
}

/// Takes a responder's replies.
///
/// It writes straight into the connection's batch, so that a reply allocates nothing, and all that
/// one read brought leaves in one write.
#[derive(Debug)]
pub struct Out<'a> {
    outbox: &'a mut Outbox,
    style: Style<'a>,
    /// The message that is being answered.
    message: &'a [u8],
    /// What was read, and where in it the message lies as a frame, if what the framing would write
    /// for it is exactly that.
    src: &'a [u8],
    verbatim: Range<usize>,
}

impl<'a> Out<'a> {
    /// Takes replies that answer no message.
    pub(crate) fn new(outbox: &'a mut Outbox, style: Style<'a>, src: &'a [u8]) -> Self {
        Self {
            outbox,
            style,
            message: &[],
            src,
            verbatim: 0..0,
        }
    }

    /// Takes the replies to one message, which lies in `src` as the frame `verbatim`.
    pub(crate) fn answering(mut self, message: &'a [u8], verbatim: Range<usize>) -> Self {
        self.message = message;
        self.verbatim = verbatim;
        self
    }

    /// Sends one message.
    ///
    /// Under `raw` an empty message is none. A message that the framing cannot carry is not sent and
    /// closes the connection, because the peer would wait for it in vain.
    pub fn reply(&mut self, message: &[u8]) {
        self.reply_with(message.len(), |bytes| bytes.extend_from_slice(message));
    }

    /// Sends one message that `write` appends to the buffer it is given, and which has about `size`
    /// bytes. What the buffer held before must be left alone.
    pub fn reply_with(&mut self, size: usize, write: impl FnOnce(&mut Vec<u8>)) {
        if self.is_closed() {
            return;
        }
        self.outbox.settle(self.style, self.src);
        let Outbox {
            bytes,
            ends,
            messages,
            ..
        } = &mut *self.outbox;
        let from = bytes.len();
        bytes.reserve(size);
        match self.style {
            Style::Messages => {
                write(bytes);
                ends.push(bytes.len());
            }
            Style::Stream(framing) => {
                if let Err(error) = framing.encode_with(bytes, write) {
                    return self.end(Ending::Unsendable(error));
                }
                if bytes.len() == from {
                    return;
                }
            }
        }
        *messages += 1;
    }

    /// Answers the message in hand with itself, without copying it where that can be avoided.
    pub fn forward(&mut self) {
        if self.is_closed() {
            return;
        }
        let frame = self.verbatim.clone();
        let outbox = &mut *self.outbox;
        let is_first = outbox.len() == 0 && outbox.ends.is_empty();
        let joins = match self.style {
            Style::Stream(_) if outbox.bytes.is_empty() && outbox.lent.is_empty() => {
                is_first || outbox.forwarded.end == frame.start
            }
            Style::Stream(_) => false,
            Style::Messages => is_first,
        };
        if frame.is_empty() || (!joins && matches!(self.style, Style::Messages)) {
            return self.reply(self.message);
        }
        if is_first {
            outbox.forwarded = frame;
        } else if joins {
            outbox.forwarded.end = frame.end;
        } else {
            outbox.settle(self.style, self.src);
            outbox.bytes.extend_from_slice(&self.src[frame]);
        }
        outbox.messages += 1;
    }

    /// Begins a message whose `body` bytes will be pushed with [`body`](Self::body).
    pub fn head(&mut self, header: &[u8], body: u64) {
        if self.is_closed() {
            return;
        }
        self.outbox.settle(self.style, self.src);
        let sent = match self.style {
            Style::Stream(framing) => framing.encode_head(header, body, &mut self.outbox.bytes),
            Style::Messages => Err(Unencodable::NotStreamed),
        };
        match sent {
            Ok(()) => self.outbox.messages += 1,
            Err(error) => self.end(Ending::Unsendable(error)),
        }
    }

    /// Sends a piece of the body that [`head`](Self::head) began; `left` bytes of it follow.
    pub fn body(&mut self, chunk: &[u8], left: u64) {
        if self.is_closed() {
            return;
        }
        self.outbox.settle(self.style, self.src);
        self.outbox.bytes.extend_from_slice(chunk);
        if let (Style::Stream(framing), 0) = (self.style, left) {
            framing.encode_tail(&mut self.outbox.bytes);
        }
    }

    /// Sends bytes as they are, without copying them; for services that send without end on a
    /// stream without a framing. They count as one message.
    pub(crate) fn lend(&mut self, bytes: &'static [u8]) {
        if !self.is_closed() {
            self.outbox.settle(self.style, self.src);
            self.outbox.lent = bytes;
            self.outbox.messages += 1;
        }
    }

    /// Whether the batch is full: whoever sends without end goes on in
    /// [`on_drained`](crate::Responder::on_drained).
    pub fn is_full(&self) -> bool {
        self.outbox.len() >= BATCH
    }

    /// Asks for [`on_drained`](crate::Responder::on_drained) once everything pushed so far has been
    /// sent.
    pub fn more_when_drained(&mut self) {
        self.outbox.more = true;
    }

    /// Closes the connection when everything pushed so far has been sent.
    pub fn close(&mut self) {
        self.end(Ending::Close);
    }

    /// Closes as [`close`](Self::close) does, because the peer did what the service does not take.
    pub fn refuse(&mut self, reason: impl Into<Cow<'static, str>>) {
        self.end(Ending::Refuse(reason.into()));
    }

    /// Whether the connection is closed; nothing more can be pushed.
    pub fn is_closed(&self) -> bool {
        self.outbox.ending.is_some()
    }

    /// Messages pushed since the batch began.
    pub(crate) fn messages(&self) -> u64 {
        self.outbox.messages
    }

    fn end(&mut self, ending: Ending) {
        self.outbox.ending.get_or_insert(ending);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SRC: &[u8] = b"one\ntwo\nsix\n";

    /// Runs `steps` on one batch over `SRC` and returns what goes out, and how it lies there.
    fn check(spec: &str, steps: impl FnOnce(&mut Outbox, &Framing)) -> (Vec<u8>, Outbox) {
        let framing: Framing = spec.parse().unwrap();
        let mut outbox = Outbox::default();
        steps(&mut outbox, &framing);
        let sent = [&SRC[outbox.forwarded.clone()], &outbox.bytes, outbox.lent].concat();
        assert_eq!(sent.len(), outbox.len());
        (sent, outbox)
    }

    fn out<'a>(outbox: &'a mut Outbox, framing: &'a Framing, frame: Range<usize>) -> Out<'a> {
        let message = &SRC[frame.start..frame.end - 1];
        Out::new(outbox, Style::Stream(framing), SRC).answering(message, frame)
    }

    #[test]
    fn neighbours_are_forwarded_without_a_copy() {
        let (sent, outbox) = check("line", |outbox, line| {
            out(outbox, line, 0..4).forward();
            out(outbox, line, 4..8).forward();
        });
        assert_eq!(
            (&sent[..], outbox.bytes.len(), outbox.messages),
            (&b"one\ntwo\n"[..], 0, 2)
        );
    }

    #[test]
    fn a_gap_or_a_reply_between_keeps_the_order() {
        let (sent, outbox) = check("line", |outbox, line| {
            out(outbox, line, 0..4).forward();
            out(outbox, line, 8..12).forward();
            out(outbox, line, 8..12).reply(b"own");
            out(outbox, line, 4..8).forward();
        });
        assert_eq!(
            (&sent[..], outbox.messages),
            (&b"one\nsix\nown\ntwo\n"[..], 4)
        );
    }

    #[test]
    fn a_frame_that_would_be_written_differently_is_framed_anew() {
        let (sent, _) = check("u32be", |outbox, u32be| {
            let style = Style::Stream(u32be);
            Out::new(outbox, style, SRC)
                .answering(b"one", 0..0)
                .forward();
        });
        assert_eq!(sent, b"\0\0\0\x03one");
    }

    #[test]
    fn lent_bytes_keep_their_place() {
        let (sent, _) = check("raw", |outbox, raw| {
            out(outbox, raw, 0..4).forward();
            out(outbox, raw, 0..4).lend(b"lent");
            out(outbox, raw, 0..4).reply(b"more");
        });
        assert_eq!(sent, b"one\nlentmore");
    }

    #[test]
    fn an_empty_reply_is_a_message_only_where_it_can_be_seen() {
        let count = |spec| {
            check(spec, |outbox, framing| {
                out(outbox, framing, 0..4).reply(b"");
            })
            .1
        };
        assert_eq!(count("raw").messages, 0);
        assert_eq!(count("line").messages, 1);
        let mut outbox = Outbox::default();
        Out::new(&mut outbox, Style::Messages, b"").reply(b"");
        assert_eq!((outbox.ends, outbox.messages), (vec![0], 1));
    }

    #[test]
    fn datagrams_never_join() {
        fn out(outbox: &mut Outbox) -> Out<'_> {
            Out::new(outbox, Style::Messages, SRC).answering(&SRC[0..3], 0..3)
        }
        let mut outbox = Outbox::default();
        out(&mut outbox).forward();
        assert_eq!(
            (outbox.forwarded.clone(), &outbox.ends[..]),
            (0..3, &[][..])
        );
        out(&mut outbox).forward();
        out(&mut outbox).reply(b"");
        assert_eq!(
            (&outbox.bytes[..], &outbox.ends[..]),
            (&b"oneone"[..], &[3, 6, 6][..])
        );
        assert_eq!((outbox.forwarded.len(), outbox.messages), (0, 3));
    }

    #[test]
    fn what_the_framing_cannot_carry_ends_the_conversation() {
        let (sent, outbox) = check("line", |outbox, line| {
            out(outbox, line, 0..4).reply(b"fine");
            out(outbox, line, 0..4).reply(b"two\nlines");
            out(outbox, line, 0..4).reply(b"never");
        });
        assert_eq!(sent, b"fine\n");
        let ending = outbox.ending.unwrap();
        assert_eq!(
            ending,
            Ending::Unsendable(Unencodable::DelimiterInside { at: 3 })
        );
    }

    #[test]
    fn nothing_is_pushed_after_a_close() {
        let (sent, outbox) = check("raw", |outbox, raw| {
            let mut out = out(outbox, raw, 0..4);
            out.reply(b"bye");
            out.refuse("too late");
            out.close();
            out.forward();
            out.reply(b"lost");
            out.lend(b"lost");
        });
        assert_eq!(
            (&sent[..], outbox.ending),
            (&b"bye"[..], Some(Ending::Refuse("too late".into())))
        );
    }
}
