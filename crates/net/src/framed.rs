//! A link as messages, for whoever holds a conversation.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use sockeye_frame::{DecodeError, Decoder, Finish, Framing, Step, Unencodable};
use sockeye_trace::ConnId;
use thiserror::Error;
use tokio::io::ReadBuf;

use crate::half::{ReadHalf, WriteHalf};
use crate::link::Link;
use crate::name::Name;

/// How much one read of a byte link asks for, unless it is told otherwise.
const READ: usize = 64 * 1024;

/// What came from the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival<'a> {
    /// A whole message.
    Message(&'a [u8]),
    /// The end of the stream cut the last message short of its delimiter.
    Unterminated(&'a [u8]),
    /// A message whose body is streamed begins (only with `max-body=`).
    Head {
        /// The message's own part ahead of the body.
        header: &'a [u8],
        /// Bytes that will come as [`Arrival::Body`].
        body: u64,
    },
    /// A piece of a streamed body; `left` is 0 at its end.
    Body {
        /// The piece.
        chunk: &'a [u8],
        /// Bytes of the body that are still to come.
        left: u64,
    },
    /// A frame beyond the limit, which is skipped: the next messages follow.
    Oversized(DecodeError),
}

/// Why a conversation cannot go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The kernel's word.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer's bytes are no frame.
    #[error(transparent)]
    Frame(#[from] DecodeError),
    /// The framing cannot carry what was to be sent; the link is as good as before.
    #[error(transparent)]
    Unencodable(#[from] Unencodable),
}

/// A link whose bytes are cut into messages, both ways.
#[derive(Debug)]
pub struct Framed {
    incoming: Incoming,
    outgoing: Outgoing,
}

/// The messages of the direction peer → us.
#[derive(Debug)]
pub struct Incoming {
    half: ReadHalf,
    decoder: Decoder,
    /// Bytes that were read and belong to no message yet, from `at` on. Given back while empty.
    held: Vec<u8>,
    at: usize,
    read_size: usize,
    ended: bool,
    messages: u64,
}

/// The messages of the direction us → peer.
#[derive(Debug)]
pub struct Outgoing {
    half: WriteHalf,
    framing: Framing,
    /// Encoded and not yet written, from `at` on.
    held: Vec<u8>,
    at: usize,
    messages: u64,
}

impl Framed {
    /// The messages of `link`, cut by `framing`.
    pub fn new(link: Link, framing: &Framing) -> Self {
        let Link::Bytes(link) = link;
        let (read, write) = link.into_split();
        Self {
            incoming: Incoming::new(read, framing),
            outgoing: Outgoing::new(write, framing),
        }
    }

    /// The same, reading at most `bytes` at once: under `raw` that is the longest message.
    #[must_use]
    pub fn with_read_size(mut self, bytes: usize) -> Self {
        self.incoming.read_size = bytes.max(1);
        self
    }

    /// See [`Incoming::next`].
    pub async fn next(&mut self) -> Result<Option<Arrival<'_>>, LinkError> {
        self.incoming.next().await
    }

    /// See [`Outgoing::send`].
    pub async fn send(&mut self, message: &[u8]) -> Result<(), LinkError> {
        self.outgoing.send(message).await
    }

    /// See [`Outgoing::finish`].
    pub async fn finish(&mut self) -> Result<(), LinkError> {
        self.outgoing.finish().await
    }

    /// Both directions as values of their own, for two tasks.
    pub fn split(self) -> (Incoming, Outgoing) {
        (self.incoming, self.outgoing)
    }
}

impl Incoming {
    fn new(half: ReadHalf, framing: &Framing) -> Self {
        Self {
            half,
            decoder: framing.decoder(),
            held: Vec::new(),
            at: 0,
            read_size: READ,
            ended: false,
            messages: 0,
        }
    }

    /// The other end.
    pub fn peer_name(&self) -> &Name {
        self.half.peer_name()
    }

    /// The number of this connection in every event.
    pub fn conn(&self) -> ConnId {
        self.half.conn()
    }

    /// Whole messages that came so far.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.half.read_bytes()
    }

    /// Whether the next message has been read already, so that nothing need be waited for.
    pub fn has_more(&self) -> bool {
        self.at < self.held.len()
    }

    /// Waits for what comes next; nothing after the peer's last message. Giving up the wait loses
    /// nothing.
    pub async fn next(&mut self) -> Result<Option<Arrival<'_>>, LinkError> {
        let step = poll_fn(|cx| self.poll_step(cx)).await?;
        Ok(self.arrival(step))
    }

    /// [`next`](Self::next) for a caller that polls.
    pub fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Arrival<'_>>, LinkError>> {
        let step = ready!(self.poll_step(cx))?;
        Poll::Ready(Ok(self.arrival(step)))
    }

    /// What was read of the stream and belongs to no message yet, with the direction itself.
    pub fn into_bytes(mut self) -> (ReadHalf, Vec<u8>) {
        self.held.drain(..self.at);
        (self.half, self.held)
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Result<Found, LinkError>> {
        loop {
            if let Some(found) = self.decode()? {
                return Poll::Ready(Ok(found));
            }
            if self.ended {
                return Poll::Ready(self.finish());
            }
            ready!(self.poll_fill(cx))?;
        }
    }

    /// Looks for a message in what is held. Takes its bytes, which stay where they are until the
    /// next call.
    fn decode(&mut self) -> Result<Option<Found>, LinkError> {
        loop {
            let base = self.at;
            let step = match self.decoder.decode(&self.held[base..]) {
                Ok(step) => step,
                Err(error) if error.is_resumable() => return Ok(Some(Found::Oversized(error))),
                Err(error) => return Err(error.into()),
            };
            self.at += step.used();
            match step {
                Step::NeedMore { .. } => return Ok(None),
                Step::Skipped { .. } => {}
                Step::Frame { .. } | Step::Head { .. } | Step::Body { .. } => {
                    self.messages += u64::from(ends_message(&step));
                    return Ok(Some(Found::Step { base, step }));
                }
            }
        }
    }

    fn finish(&mut self) -> Result<Found, LinkError> {
        let base = self.at;
        match self.decoder.finish(&self.held[base..])? {
            Finish::Clean => {
                (self.held, self.at) = (Vec::new(), 0);
                Ok(Found::End)
            }
            Finish::Unterminated { payload } => {
                self.at = self.held.len();
                self.messages += 1;
                // What follows is the end, whatever the decoder still remembers.
                self.decoder = self.decoder.framing().decoder();
                Ok(Found::Unterminated(
                    base + payload.start..base + payload.end,
                ))
            }
        }
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.held.drain(..self.at);
        self.at = 0;
        // Under `raw` each read is a message of its own.
        self.held.reserve(self.read_size);
        let spare = self.held.spare_capacity_mut();
        let room = spare.len().min(self.read_size);
        let mut buf = ReadBuf::uninit(&mut spare[..room]);
        let polled = self.half.poll_read_buf(cx, &mut buf);
        let got = buf.filled().len();
        match polled {
            Poll::Pending => {
                if self.held.is_empty() {
                    self.held = Vec::new();
                }
                return Poll::Pending;
            }
            Poll::Ready(result) => result?,
        }
        self.ended = got == 0;
        self.extend(got);
        Poll::Ready(Ok(()))
    }

    #[expect(unsafe_code, reason = "reads go straight into the buffer")]
    fn extend(&mut self, got: usize) {
        // SAFETY: `got` bytes behind the end were filled by the read just before, which ReadBuf
        // asserts, and they are within the capacity that was reserved.
        unsafe { self.held.set_len(self.held.len() + got) };
    }

    fn arrival(&self, found: Found) -> Option<Arrival<'_>> {
        let (base, step) = match found {
            Found::End => return None,
            Found::Oversized(error) => return Some(Arrival::Oversized(error)),
            Found::Unterminated(range) => return Some(Arrival::Unterminated(&self.held[range])),
            Found::Step { base, step } => (base, step),
        };
        let src = &self.held[base..];
        Some(match &step {
            Step::Head { header, body, .. } => Arrival::Head {
                header: &src[header.clone()],
                body: *body,
            },
            Step::Body { chunk, left, .. } => Arrival::Body {
                chunk: &src[chunk.clone()],
                left: *left,
            },
            _ => Arrival::Message(self.decoder.message(src, &step)),
        })
    }
}

/// What a wait found, without a loan on the buffer.
enum Found {
    Step { base: usize, step: Step },
    Unterminated(std::ops::Range<usize>),
    Oversized(DecodeError),
    End,
}

fn ends_message(step: &Step) -> bool {
    matches!(step, Step::Frame { .. } | Step::Body { left: 0, .. })
}

impl Outgoing {
    fn new(half: WriteHalf, framing: &Framing) -> Self {
        Self {
            half,
            framing: framing.clone(),
            held: Vec::new(),
            at: 0,
            messages: 0,
        }
    }

    /// The number of this connection in every event.
    pub fn conn(&self) -> ConnId {
        self.half.conn()
    }

    /// Messages taken so far.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.half.written_bytes()
    }

    /// Bytes that were taken and not yet written.
    pub fn unwritten(&self) -> usize {
        self.held.len() - self.at
    }

    /// Takes a message without writing it yet, so that several leave with one write.
    pub fn feed(&mut self, message: &[u8]) -> Result<(), Unencodable> {
        self.framing.encode(message, &mut self.held)?;
        self.messages += 1;
        Ok(())
    }

    /// Takes the head of a message whose body follows by [`feed_body`](Self::feed_body).
    pub fn feed_head(&mut self, header: &[u8], body: u64) -> Result<(), Unencodable> {
        self.framing.encode_head(header, body, &mut self.held)
    }

    /// Takes a piece of a streamed body; `left` bytes of it are still to come.
    pub fn feed_body(&mut self, chunk: &[u8], left: u64) {
        self.held.extend_from_slice(chunk);
        if left == 0 {
            self.framing.encode_tail(&mut self.held);
            self.messages += 1;
        }
    }

    /// Writes everything that was taken. Giving it up loses nothing: the next call goes on.
    pub async fn flush(&mut self) -> Result<(), LinkError> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// [`flush`](Self::flush) for a caller that polls.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        while self.at < self.held.len() {
            self.at += ready!(self.half.poll_write(cx, &self.held[self.at..]))?;
        }
        self.held = Vec::new();
        self.at = 0;
        self.half.poll_flush(cx).map_err(Into::into)
    }

    /// Takes a message and writes it. Once taken it leaves whole, with the next call if this one
    /// is given up.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), LinkError> {
        self.feed(message)?;
        self.flush().await
    }

    /// Writes everything and says that no more will come (half-close).
    pub async fn finish(&mut self) -> Result<(), LinkError> {
        self.flush().await?;
        Ok(poll_fn(|cx| self.half.poll_shutdown(cx)).await?)
    }

    /// The direction itself, with what was not yet written.
    pub fn into_bytes(mut self) -> (WriteHalf, Vec<u8>) {
        self.held.drain(..self.at);
        (self.half, self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::ByteLink;
    use sockeye_trace::Recorder;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    fn pair(framing: &str) -> (Framed, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let link = ByteLink::from_unix(ours, &Recorder::new()).unwrap();
        (
            Framed::new(Link::Bytes(link), &framing.parse().unwrap()),
            theirs,
        )
    }

    async fn message(framed: &mut Framed) -> Option<Vec<u8>> {
        framed.next().await.unwrap().map(|arrival| match arrival {
            Arrival::Message(message) => message.to_vec(),
            other => panic!("{other:?}"),
        })
    }

    #[tokio::test]
    async fn messages_come_whole_whatever_the_reads_bring() {
        let (mut framed, mut peer) = pair("line");
        peer.write_all(b"one\ntw").await.unwrap();
        assert_eq!(message(&mut framed).await.unwrap(), b"one");
        peer.write_all(b"o\nthree\nfo").await.unwrap();
        assert_eq!(message(&mut framed).await.unwrap(), b"two");
        assert_eq!(message(&mut framed).await.unwrap(), b"three");
        peer.shutdown().await.unwrap();
        assert_eq!(
            framed.next().await.unwrap(),
            Some(Arrival::Unterminated(b"fo"))
        );
        assert_eq!(framed.next().await.unwrap(), None);
        assert_eq!(framed.incoming.messages(), 4);
        assert!(
            framed.incoming.held.is_empty(),
            "nothing is held at the end"
        );
    }

    #[tokio::test]
    async fn an_oversized_line_is_told_and_the_next_one_comes() {
        let (mut framed, mut peer) = pair("line");
        let mut lines = vec![b'x'; sockeye_frame::DEFAULT_MAX as usize + 1];
        lines.extend_from_slice(b"\nfine\n");
        let writer = tokio::spawn(async move { peer.write_all(&lines).await });
        let first = framed.next().await.unwrap();
        assert!(matches!(first, Some(Arrival::Oversized(error)) if error.at() == 0));
        assert_eq!(message(&mut framed).await.unwrap(), b"fine");
        writer.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_wait_that_was_given_up_loses_nothing() {
        let (mut framed, mut peer) = pair("u32be");
        peer.write_all(b"\0\0\0\x05he").await.unwrap();
        tokio::select! {
            biased;
            arrival = framed.next() => panic!("{arrival:?}"),
            () = tokio::task::yield_now() => {}
        }
        peer.write_all(b"llo").await.unwrap();
        assert_eq!(message(&mut framed).await.unwrap(), b"hello");
    }

    #[tokio::test]
    async fn raw_messages_are_reads_of_at_most_the_size_asked_for() {
        let (framed, mut peer) = pair("raw");
        let mut framed = framed.with_read_size(2);
        peer.write_all(b"hello").await.unwrap();
        for part in [&b"he"[..], b"ll", b"o"] {
            assert_eq!(message(&mut framed).await.unwrap(), part);
        }
    }

    #[tokio::test]
    async fn what_the_framing_cannot_carry_is_refused_and_leaves_the_link_good() {
        let (mut framed, mut peer) = pair("line");
        let refused = framed.send(b"a\nb").await;
        assert!(matches!(refused, Err(LinkError::Unencodable(_))));
        framed.send(b"ab").await.unwrap();
        framed.finish().await.unwrap();
        let mut got = vec![];
        peer.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"ab\n");
    }

    #[tokio::test]
    async fn a_cut_frame_is_an_error_and_a_clean_end_is_none() {
        let (mut framed, mut peer) = pair("u32be");
        peer.write_all(b"\0\0\0\x05he").await.unwrap();
        drop(peer);
        let error = framed.next().await.unwrap_err();
        let expected = DecodeError::Truncated { at: 0, missing: 3 };
        assert!(matches!(error, LinkError::Frame(error) if error == expected));
    }
}
