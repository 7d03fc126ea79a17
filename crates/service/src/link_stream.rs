//! A link of either kind as a stream of bytes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sockeye_net::{ByteLink, Link, MessageReceiver, MessageSender, ReadHalf, WriteHalf};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::server::lend;

/// Bytes that one message of ours carries at most: a message has to fit into the socket's buffer
/// (208 KiB unless `net.core.wmem_default` was changed), twice is better.
const MESSAGE: usize = 64 * 1024;

/// The direction peer → us.
#[derive(Debug)]
pub struct LinkReader(Source);

#[derive(Debug)]
enum Source {
    Bytes(ReadHalf),
    Messages {
        receiver: MessageReceiver,
        /// The end of a message of which only the beginning was asked for, and how much of it was
        /// handed out.
        rest: Vec<u8>,
        from: usize,
    },
}

/// The direction us → peer.
#[derive(Debug)]
pub struct LinkWriter(Sink);

#[derive(Debug)]
enum Sink {
    Bytes(WriteHalf),
    Messages(MessageSender),
}

/// A link as a stream of bytes, a direction each: a byte link as it is; messages laid end to end,
/// wherever they were cut.
pub fn as_stream(link: Link) -> io::Result<(LinkReader, LinkWriter)> {
    match link {
        Link::Bytes(link) => Ok(halves(link)),
        Link::Messages(link) => {
            // A WebSocket lays its messages end to end itself, and sends no bytes as text.
            let link = match link.into_bytes() {
                Ok(link) => return Ok(halves(link)),
                Err(link) => link,
            };
            let (receiver, sender) = link.into_split();
            let source = Source::Messages {
                receiver,
                rest: Vec::new(),
                from: 0,
            };
            Ok((LinkReader(source), LinkWriter(Sink::Messages(sender))))
        }
        // `net` has no other links, and whoever adds one will see it refused here.
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

fn halves(link: ByteLink) -> (LinkReader, LinkWriter) {
    let (read, write) = link.into_split();
    (
        LinkReader(Source::Bytes(read)),
        LinkWriter(Sink::Bytes(write)),
    )
}

impl LinkReader {
    /// Bytes read so far.
    pub fn read_bytes(&self) -> u64 {
        match &self.0 {
            Source::Bytes(half) => half.read_bytes(),
            Source::Messages { receiver, .. } => receiver.received().1,
        }
    }

    /// Lets this direction go so that the peer sees a reset, where there is such a thing, once the
    /// other direction is gone too.
    pub fn abort(self) {
        if let Source::Bytes(half) = self.0 {
            half.abort();
        }
    }
}

impl LinkWriter {
    /// Bytes written so far.
    pub fn written_bytes(&self) -> u64 {
        match &self.0 {
            Sink::Bytes(half) => half.written_bytes(),
            Sink::Messages(sender) => sender.sent().1,
        }
    }

    /// As [`LinkReader::abort`].
    pub fn abort(self) {
        if let Sink::Bytes(half) = self.0 {
            half.abort();
        }
    }
}

impl AsyncRead for LinkReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Source::Bytes(half) => Pin::new(half).poll_read(cx, buf),
            Source::Messages {
                receiver,
                rest,
                from,
            } => poll_messages(receiver, rest, from, cx, buf),
        }
    }
}

/// Messages as bytes. An empty message is no byte, and no end either.
fn poll_messages(
    receiver: &mut MessageReceiver,
    rest: &mut Vec<u8>,
    from: &mut usize,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    while rest.is_empty() {
        // A whole message has to be taken at once, however little is asked for.
        let taken = lend(|lent| {
            let received = ready!(receiver.poll_recv(cx, &mut lent.input))?;
            let Some(received) = received else {
                return Poll::Ready(Ok(true));
            };
            if received.is_truncated() {
                return Poll::Ready(Err(too_long(received.full_len, lent.input.len())));
            }
            let message = &lent.input[..received.len];
            let now = message.len().min(buf.remaining());
            buf.put_slice(&message[..now]);
            rest.extend_from_slice(&message[now..]);
            Poll::Ready(Ok(now > 0))
        });
        if ready!(taken)? {
            return Poll::Ready(Ok(()));
        }
    }
    let count = buf.remaining().min(rest.len() - *from);
    buf.put_slice(&rest[*from..*from + count]);
    *from += count;
    if *from == rest.len() {
        (*rest, *from) = (Vec::new(), 0);
    }
    Poll::Ready(Ok(()))
}

fn too_long(len: usize, limit: usize) -> io::Error {
    let text = format!("a message of {len} bytes came, the limit is {limit}");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

impl AsyncWrite for LinkWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Sink::Bytes(half) => half.poll_write(cx, bytes),
            Sink::Messages(sender) => {
                let message = &bytes[..bytes.len().min(MESSAGE)];
                if !message.is_empty() {
                    ready!(sender.poll_send(cx, message))?;
                }
                Poll::Ready(Ok(message.len()))
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.as_mut().get_mut().0 {
            Sink::Bytes(half) => half.poll_write_vectored(cx, slices),
            Sink::Messages(_) => {
                let first = slices.iter().find(|slice| !slice.is_empty());
                self.poll_write(cx, first.map_or(&[], |slice| &**slice))
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        matches!(&self.0, Sink::Bytes(half) if half.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Sink::Bytes(half) => half.poll_flush(cx),
            Sink::Messages(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Sink::Bytes(half) => half.poll_shutdown(cx),
            Sink::Messages(sender) => Poll::Ready(sender.shutdown()),
        }
    }
}
