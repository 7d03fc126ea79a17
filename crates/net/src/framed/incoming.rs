//! The direction peer → us.

use std::cell::RefCell;
use std::future::poll_fn;
use std::ops::Range;
use std::task::{Context, Poll, ready};

use sockeye_frame::{DecodeError, Decoder, Finish, Framing, Step};
use sockeye_trace::ConnId;

use super::{Arrival, LinkError};
use crate::datagram::Address;
use crate::half::ReadHalf;
use crate::message::MessageReceiver;
use crate::name::Name;

/// What one read of a byte stream takes.
const READ: usize = 128 * 1024;
/// What one message of a message link has at most before it is cut. Unix sockets carry as much as
/// the sender's buffer allows, 208 KiB unless `net.core.wmem_default` was changed.
const MESSAGE: usize = 256 * 1024;

thread_local! {
    /// Every read of this thread goes in here first, so that a link that waits holds no memory.
    static LENT: RefCell<Vec<u8>> = RefCell::new(vec![0; MESSAGE]);
}

/// Messages from the peer.
#[derive(Debug)]
pub struct Incoming {
    source: Source,
    /// What was read, from `at` on not taken.
    buf: Vec<u8>,
    at: usize,
    /// How many bytes of it the message occupies that is lent at the moment.
    lent: usize,
    read_size: usize,
    messages: u64,
    /// The peer has sent its last byte.
    ended: bool,
    /// What it left behind was handed out.
    finished: bool,
}

#[derive(Debug)]
enum Source {
    Bytes {
        half: ReadHalf,
        decoder: Decoder,
    },
    Messages {
        receiver: MessageReceiver,
        /// Who sent the last one, where several may.
        sender: Option<Address>,
    },
}

/// What lies at the front of the buffer.
enum Found {
    Step(Step),
    Unterminated(Range<usize>),
    Oversized(DecodeError),
    /// A message by itself, and its length before it was cut.
    Whole(usize),
}

impl Incoming {
    pub(super) fn over_bytes(half: ReadHalf, framing: &Framing) -> Self {
        let decoder = framing.decoder();
        Self::new(Source::Bytes { half, decoder }, READ)
    }

    pub(super) fn over_messages(receiver: MessageReceiver) -> Self {
        let sender = None;
        Self::new(Source::Messages { receiver, sender }, MESSAGE)
    }

    fn new(source: Source, read_size: usize) -> Self {
        Self {
            source,
            buf: vec![],
            at: 0,
            lent: 0,
            read_size,
            messages: 0,
            ended: false,
            finished: false,
        }
    }

    /// Reads at most `bytes` at once, 1 byte to 256 KiB: under `raw` no message is longer then, and
    /// on a message link a longer one is cut. A WebSocket's messages always come whole.
    pub fn set_read_size(&mut self, bytes: usize) {
        self.read_size = bytes.clamp(1, MESSAGE);
    }

    /// The other end.
    pub fn peer_name(&self) -> &Name {
        match &self.source {
            Source::Bytes { half, .. } => half.peer_name(),
            Source::Messages { receiver, .. } => receiver.peer_name(),
        }
    }

    /// Who sent the message that came last, on a link that hears more than one peer.
    pub fn sender(&self) -> Option<&Address> {
        match &self.source {
            Source::Bytes { .. } => None,
            Source::Messages { sender, .. } => sender.as_ref(),
        }
    }

    /// The number of this link in every event.
    pub fn conn(&self) -> ConnId {
        match &self.source {
            Source::Bytes { half, .. } => half.conn(),
            Source::Messages { receiver, .. } => receiver.conn(),
        }
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        match &self.source {
            Source::Bytes { half, .. } => half.read_bytes(),
            Source::Messages { receiver, .. } => receiver.received().1,
        }
    }

    /// Messages that came whole so far.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Whether bytes were read that no message has taken, so that the next one may be there.
    pub fn has_more(&self) -> bool {
        self.at + self.lent < self.buf.len()
    }

    /// Waits for the next message; nothing after the last one. Dropping the future loses nothing.
    ///
    /// **Errors:** after [`LinkError::Frame`] the same error comes again; what is resumable comes
    /// as [`Arrival::Oversized`] instead.
    pub async fn next(&mut self) -> Result<Option<Arrival<'_>>, LinkError> {
        let found = poll_fn(|cx| self.poll_found(cx)).await?;
        Ok(found.map(|found| self.lend(found)))
    }

    /// The same for futures that are written by hand.
    pub fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Arrival<'_>>, LinkError>> {
        let found = ready!(self.poll_found(cx))?;
        Poll::Ready(Ok(found.map(|found| self.lend(found))))
    }

    fn poll_found(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Found>, LinkError>> {
        self.at += std::mem::take(&mut self.lent);
        loop {
            let (half, decoder) = match &mut self.source {
                Source::Bytes { half, decoder } => (half, decoder),
                Source::Messages { .. } => return self.poll_message(cx),
            };
            if self.at < self.buf.len() {
                match decoder.decode(&self.buf[self.at..]) {
                    Ok(Step::NeedMore { .. }) => {}
                    Ok(Step::Skipped { used }) => {
                        self.at += used;
                        continue;
                    }
                    Ok(step) => {
                        self.lent = step.used();
                        self.messages += u64::from(ends_message(&step));
                        return Poll::Ready(Ok(Some(Found::Step(step))));
                    }
                    Err(error) if error.is_resumable() => {
                        return Poll::Ready(Ok(Some(Found::Oversized(error))));
                    }
                    Err(error) => return Poll::Ready(Err(error.into())),
                }
            }
            if self.ended {
                return Poll::Ready(self.finish());
            }
            let read_size = self.read_size;
            let read = LENT.with_borrow_mut(|lent| {
                let lent = &mut lent[..read_size];
                let read = half.poll_read(cx, lent);
                if let Poll::Ready(Ok(count)) = read {
                    self.buf.drain(..self.at);
                    self.at = 0;
                    self.buf.extend_from_slice(&lent[..count]);
                }
                read
            });
            match read {
                Poll::Ready(Ok(count)) => self.ended = count == 0,
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Err(LinkError::reading(&error)));
                }
                Poll::Pending => {
                    self.release();
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Found>, LinkError>> {
        let Source::Messages { receiver, sender } = &mut self.source else {
            unreachable!("asked only of messages");
        };
        self.buf.clear();
        self.at = 0;
        let (read_size, buf) = (self.read_size, &mut self.buf);
        let received = LENT.with_borrow_mut(|lent| {
            let received = receiver.poll_recv(cx, &mut lent[..read_size]);
            if let Poll::Ready(Ok(Some(message))) = received {
                buf.extend_from_slice(&lent[..message.len]);
            }
            received
        });
        match received {
            Poll::Pending => {
                self.release();
                Poll::Pending
            }
            Poll::Ready(Ok(None)) => Poll::Ready(Ok(None)),
            Poll::Ready(Ok(Some(message))) => {
                if message.is_truncated()
                    && let Some(whole) = receiver.take_overflow()
                {
                    self.buf = whole;
                }
                self.lent = self.buf.len();
                self.messages += 1;
                *sender = message.from;
                Poll::Ready(Ok(Some(Found::Whole(message.full_len))))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(LinkError::reading(&error))),
        }
    }

    /// Gives the buffer back if nothing is in it.
    fn release(&mut self) {
        if self.at == self.buf.len() {
            self.buf = vec![];
            self.at = 0;
        }
    }

    fn finish(&mut self) -> Result<Option<Found>, LinkError> {
        if self.finished {
            return Ok(None);
        }
        let Source::Bytes { decoder, .. } = &mut self.source else {
            return Ok(None);
        };
        let found = match decoder.finish(&self.buf[self.at..])? {
            Finish::Clean => None,
            Finish::Unterminated { payload } => {
                self.messages += 1;
                Some(Found::Unterminated(payload))
            }
        };
        self.finished = true;
        self.lent = self.buf.len() - self.at;
        Ok(found)
    }

    fn lend(&self, found: Found) -> Arrival<'_> {
        let src = &self.buf[self.at..];
        match found {
            Found::Whole(full_len) if full_len > src.len() => Arrival::Truncated {
                bytes: src,
                full_len,
            },
            Found::Whole(_) => Arrival::Message(src),
            Found::Step(Step::Head { header, body, .. }) => Arrival::Head {
                header: &src[header],
                body,
            },
            Found::Step(Step::Body { chunk, left, .. }) => Arrival::Body {
                chunk: &src[chunk],
                left,
            },
            Found::Step(step) => match &self.source {
                Source::Bytes { decoder, .. } => Arrival::Message(decoder.message(src, &step)),
                Source::Messages { .. } => Arrival::Message(src),
            },
            Found::Unterminated(payload) => Arrival::Unterminated(&src[payload]),
            Found::Oversized(error) => Arrival::Oversized(error),
        }
    }

    /// The direction itself, and what was read and belongs to no message taken so far. Nothing on
    /// a message link.
    pub fn into_bytes(mut self) -> Option<(ReadHalf, Vec<u8>)> {
        let Source::Bytes { half, .. } = self.source else {
            return None;
        };
        self.buf.drain(..self.at + self.lent);
        Some((half, self.buf))
    }

    /// Lets this direction go so that, once the other is gone too, the peer sees a reset.
    pub fn abort(self) {
        if let Source::Bytes { half, .. } = self.source {
            half.abort();
        }
    }
}

fn ends_message(step: &Step) -> bool {
    matches!(step, Step::Frame { .. } | Step::Body { left: 0, .. })
}
