//! The direction peer → us.

use std::future::{Future as _, poll_fn};
use std::io;
use std::ops::Range;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use serde::Deserialize;
use sockeye_frame::{DecodeError, Decoder, Framing, Step};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

use super::{FRAMING, HEADER_LIMIT, WireError, http, is_http};
use crate::spare;

/// A header of the longest kind, and its length.
const BUFFER: usize = HEADER_LIMIT + 4;

/// Reads frames: headers whole, bodies as they come.
///
/// It has one buffer, and only while something is under way: a reader that waits for the next frame
/// holds nothing. Every wait may be dropped and begun again; nothing is lost by that.
#[derive(Debug)]
pub struct WireReader<R> {
    io: R,
    decoder: Decoder,
    /// What was read; from `from` on it is not taken yet.
    buffer: Vec<u8>,
    from: usize,
    /// Bytes of the body that have not been handed out.
    left: u64,
    /// What one read for a header takes at most.
    ahead: u64,
}

/// The header of a frame.
#[derive(Clone, Copy, Debug)]
pub struct WireHeader<'a> {
    /// Its JSON text.
    pub text: &'a [u8],
    /// Bytes of the body behind it.
    pub size: u64,
    /// Where in the stream the frame begins.
    pub at: u64,
}

impl<'a> WireHeader<'a> {
    /// Reads the header as a message.
    ///
    /// # Errors
    /// [`WireError::Header`] when it is none.
    pub fn parse<T: Deserialize<'a>>(&self) -> Result<T, WireError> {
        let Self { text, at, .. } = *self;
        serde_json::from_slice(text).map_err(|source| WireError::Header { at, source })
    }
}

impl<R: AsyncRead + Unpin> WireReader<R> {
    /// Reads the frames of `io`.
    ///
    /// # Panics
    /// Never: the framing is written down here.
    pub fn new(io: R) -> Self {
        let framing: Framing = FRAMING.parse().expect("the wire's framing is one");
        Self {
            io,
            decoder: framing.decoder().piecemeal(),
            buffer: Vec::new(),
            from: 0,
            left: 0,
            ahead: BUFFER as u64,
        }
    }

    /// The same, but a read for a header takes at most so many bytes: for bodies that are long and are
    /// read without a detour ([`read_body`](Self::read_body)), of which whatever came with the header is
    /// copied once more.
    #[must_use]
    pub fn with_read_ahead(mut self, bytes: usize) -> Self {
        self.ahead = bytes.clamp(1, BUFFER) as u64;
        self
    }

    /// The next header; none after the last frame. What is left of the last body is passed over.
    ///
    /// # Errors
    /// When the connection breaks, or what comes is no frame.
    pub async fn next(&mut self) -> Result<Option<WireHeader<'_>>, WireError> {
        while self.left > 0 {
            if self.advance().await?.is_empty() {
                break;
            }
        }
        let at = self.decoder.offset();
        let (text, size) = loop {
            match self.decoder.decode(&self.buffer[self.from..]) {
                Ok(Step::Frame { header, used, .. }) => break (self.take(used, header), 0),
                Ok(Step::Head { header, body, used }) => break (self.take(used, header), body),
                Ok(_) => {}
                Err(error) => return Err(self.no_frame(error)),
            }
            if self.fill(self.ahead).await? == 0 {
                return self.finish().map(|()| None);
            }
        };
        self.left = size;
        let text = &self.buffer[text];
        Ok(Some(WireHeader { text, size, at }))
    }

    /// The next piece of the body; an empty one is its end.
    ///
    /// # Errors
    /// When the connection breaks, also by ending before the body does.
    pub async fn body(&mut self) -> Result<&[u8], WireError> {
        let piece = self.advance().await?;
        Ok(&self.buffer[piece])
    }

    /// Reads the body into `buf` without a detour; 0 bytes are its end.
    ///
    /// # Errors
    /// As for [`body`](Self::body).
    pub async fn read_body(&mut self, buf: &mut [u8]) -> Result<usize, WireError> {
        let room = usize::try_from(self.left).map_or(buf.len(), |left| buf.len().min(left));
        if room == 0 {
            return Ok(0);
        }
        let held = &self.buffer[self.from..];
        let direct = held.is_empty();
        let got = if direct {
            poll_fn(|cx| {
                let mut buf = ReadBuf::new(&mut buf[..room]);
                ready!(pin!(&mut self.io).as_mut().poll_read(cx, &mut buf))?;
                Poll::Ready(Ok::<_, io::Error>(buf.filled().len()))
            })
            .await?
        } else {
            let count = held.len().min(room);
            buf[..count].copy_from_slice(&held[..count]);
            count
        };
        if got == 0 {
            return self.finish().map(|()| 0);
        }
        self.decoder.decode(&buf[..got]).map_err(WireError::Frame)?;
        self.left -= got as u64;
        if !direct {
            self.from += got;
        }
        Ok(got)
    }

    /// Throws away whatever still comes, up to its end or to `limit` bytes: a close with unread bytes
    /// is a reset, which can destroy an answer on its way (RFC 9293, 3.10.4; RFC 1122, 4.2.2.13).
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn discard(&mut self, limit: u64) -> io::Result<()> {
        let mut seen = 0;
        loop {
            self.from = self.buffer.len();
            match self.fill(BUFFER as u64).await? {
                0 => return Ok(()),
                got if seen + got as u64 >= limit => return Ok(()),
                got => seen += got as u64,
            }
        }
    }

    /// Whether a frame was begun and not completed.
    pub fn is_inside(&self) -> bool {
        self.left > 0 || self.from < self.buffer.len()
    }

    /// Bytes of the body that have not been handed out.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Bytes of frames taken so far.
    pub fn offset(&self) -> u64 {
        self.decoder.offset()
    }

    /// Bytes of memory that are held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.buffer.capacity()
    }

    /// What is read.
    pub fn get_ref(&self) -> &R {
        &self.io
    }

    /// Takes the next piece of the body; an empty one is its end.
    async fn advance(&mut self) -> Result<Range<usize>, WireError> {
        while self.left > 0 {
            let step = self.decoder.decode(&self.buffer[self.from..]);
            match step.map_err(WireError::Frame)? {
                Step::Body { chunk, left, used } => {
                    self.left = left;
                    return Ok(self.take(used, chunk));
                }
                _ if self.fill(BUFFER as u64).await? > 0 => {}
                _ => self.finish()?,
            }
        }
        Ok(0..0)
    }

    /// Takes `used` bytes; says where `part` of them lies in the buffer.
    fn take(&mut self, used: usize, part: Range<usize>) -> Range<usize> {
        let part = self.from + part.start..self.from + part.end;
        self.from += used;
        part
    }

    /// What the end of the stream means here: an error unless it lies between two frames.
    fn finish(&mut self) -> Result<(), WireError> {
        let rest = &self.buffer[self.from..];
        self.decoder
            .finish(rest)
            .map(drop)
            .map_err(WireError::Frame)
    }

    fn no_frame(&self, error: DecodeError) -> WireError {
        let rest = &self.buffer[self.from..];
        if self.decoder.offset() == 0 && is_http(rest) {
            return http(rest);
        }
        WireError::Frame(error)
    }

    /// Reads once, at most `most` bytes; 0 bytes are the end.
    async fn fill(&mut self, most: u64) -> io::Result<usize> {
        poll_fn(|cx| self.poll_fill(cx, most)).await
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, most: u64) -> Poll<io::Result<usize>> {
        self.make_room();
        let read = pin!((&mut self.io).take(most).read_buf(&mut self.buffer)).poll(cx);
        if read.is_pending() && self.buffer.is_empty() {
            spare::give(std::mem::take(&mut self.buffer));
        }
        read
    }

    /// There is room for at least one byte afterwards: no header is longer than the buffer.
    fn make_room(&mut self) {
        if self.from == self.buffer.len() {
            self.buffer.clear();
            self.from = 0;
        }
        if self.buffer.capacity() == 0 {
            self.buffer = spare::take(BUFFER);
        } else if self.buffer.len() == self.buffer.capacity() {
            self.buffer.drain(..self.from);
            self.from = 0;
        }
    }
}

impl<R> Drop for WireReader<R> {
    fn drop(&mut self) {
        spare::give(std::mem::take(&mut self.buffer));
    }
}
