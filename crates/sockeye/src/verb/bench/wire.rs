//! How messages lie on one connection's stream, in both directions.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;

use rustix::net::{SendAncillaryBuffer, SendFlags};
use sockeye_frame::{Decoder, Framing, Step};

use super::error::BenchError;
use super::message::{HEADER, Messages};

/// Messages from this size on are handed to the kernel where they lie; smaller ones are gathered.
const IN_PLACE: usize = 1024;
/// Bytes that one write is gathered from.
const GATHER: usize = 256 << 10;
/// Messages that one write takes where they lie.
const PARTS: usize = 16;

/// One connection's two directions.
#[derive(Debug)]
pub(super) enum Wire {
    /// Messages end to end: their size says where each one ends.
    Raw(Raw),
    /// Messages as frames.
    Framed(Box<Framed>),
}

/// What every connection of a thread shares.
#[derive(Debug)]
pub(super) struct Bench<'a> {
    pub(super) messages: &'a Messages,
    pub(super) verify: bool,
    /// Where writes are put together; empty between two calls.
    pub(super) scratch: Vec<u8>,
}

impl Wire {
    pub(super) fn new(conn: u32, framing: &Framing) -> Self {
        if framing.is_raw() {
            return Self::Raw(Raw {
                conn,
                written: 0,
                read: 0,
            });
        }
        Self::Framed(Box::new(Framed {
            conn,
            encoded: 0,
            answered: 0,
            framing: framing.clone(),
            decoder: framing.decoder(),
            unsent: Vec::new(),
            rest: Vec::new(),
        }))
    }

    /// A connection on which all messages below `number` have been read already.
    pub(super) fn after(conn: u32, framing: &Framing, number: u64, bench: &Bench<'_>) -> Self {
        let mut wire = Self::new(conn, framing);
        match &mut wire {
            Self::Raw(raw) => raw.read = number * bench.messages.size() as u64,
            Self::Framed(framed) => framed.answered = number,
        }
        wire
    }

    /// Writes what is missing of all messages below `until`. False if the socket took no more.
    pub(super) fn write(
        &mut self,
        socket: impl AsFd,
        until: u64,
        bench: &mut Bench<'_>,
    ) -> io::Result<bool> {
        match self {
            Self::Raw(raw) => raw.write(socket, until, bench),
            Self::Framed(framed) => framed.write(socket, until, bench),
        }
    }

    /// Checks what came in and returns how many messages it completed. `asked` is how many were
    /// written so far.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        asked: u64,
        bench: &Bench<'_>,
    ) -> Result<u64, BenchError> {
        match self {
            Self::Raw(raw) => raw.read(bytes, asked, bench),
            Self::Framed(framed) => framed.read(bytes, asked, bench),
        }
    }

    /// Counts bytes that were dropped unseen, and returns how many messages they completed.
    pub(super) fn skip(&mut self, bytes: usize, bench: &Bench<'_>) -> u64 {
        match self {
            Self::Raw(raw) => raw.advance(bytes, bench),
            Self::Framed(_) => 0,
        }
    }
}

fn sent(result: rustix::io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(sent) => Ok(Some(sent)),
        Err(rustix::io::Errno::AGAIN) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Where each direction stands, in bytes: all there is to know of messages of one size.
#[derive(Debug)]
pub(super) struct Raw {
    conn: u32,
    written: u64,
    read: u64,
}

impl Raw {
    fn write(&mut self, socket: impl AsFd, until: u64, bench: &mut Bench<'_>) -> io::Result<bool> {
        let size = bench.messages.size() as u64;
        let end = until * size;
        while self.written < end {
            let (offered, took) = if bench.messages.size() < IN_PLACE {
                self.write_gathered(&socket, end, bench)?
            } else {
                self.write_in_place(&socket, end, bench)?
            };
            let Some(took) = took else { return Ok(false) };
            self.written += took as u64;
            if took < offered {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Where the next byte to write lies: its message, and its place in it.
    fn next(&self, bench: &Bench<'_>) -> (u64, usize) {
        let size = bench.messages.size() as u64;
        (self.written / size, (self.written % size) as usize)
    }

    fn write_gathered(
        &self,
        socket: impl AsFd,
        end: u64,
        bench: &mut Bench<'_>,
    ) -> io::Result<(usize, Option<usize>)> {
        let (mut number, mut from) = self.next(bench);
        let whole = ((end - self.written) as usize).min(GATHER);
        bench.scratch.clear();
        while bench.scratch.len() < whole {
            bench
                .messages
                .append(self.conn, number, from, &mut bench.scratch);
            (number, from) = (number + 1, 0);
        }
        let took = rustix::net::send(socket, &bench.scratch, SendFlags::NOSIGNAL);
        Ok((bench.scratch.len(), sent(took)?))
    }

    fn write_in_place(
        &self,
        socket: impl AsFd,
        end: u64,
        bench: &Bench<'_>,
    ) -> io::Result<(usize, Option<usize>)> {
        let messages = bench.messages;
        let (first, from) = self.next(bench);
        let count = (end / messages.size() as u64 - first).min(PARTS as u64);
        let parts: [_; PARTS] =
            std::array::from_fn(|index| messages.parts(self.conn, first + index as u64));
        let mut slices = [IoSlice::new(&[]); 2 * PARTS];
        let mut offered = 0;
        for (index, (header, pattern)) in parts[..count as usize].iter().enumerate() {
            let from = if index == 0 { from } else { 0 };
            let header = &header[from.min(HEADER)..];
            let pattern = &pattern[from.saturating_sub(HEADER)..];
            offered += header.len() + pattern.len();
            slices[2 * index] = IoSlice::new(header);
            slices[2 * index + 1] = IoSlice::new(pattern);
        }
        let slices = &slices[..2 * count as usize];
        let mut no_control = SendAncillaryBuffer::default();
        let took = rustix::net::sendmsg(socket, slices, &mut no_control, SendFlags::NOSIGNAL);
        Ok((offered, sent(took)?))
    }

    fn read(&mut self, bytes: &[u8], asked: u64, bench: &Bench<'_>) -> Result<u64, BenchError> {
        let size = bench.messages.size();
        let wanted = asked * size as u64 - self.read;
        if bytes.len() as u64 > wanted {
            return Err(unasked(self.conn, &bytes[wanted as usize..]));
        }
        if bench.verify {
            let (mut number, mut from) = (self.read / size as u64, self.read as usize % size);
            let mut rest = bytes;
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(rest.len().min(size - from));
                bench.messages.check(self.conn, number, from, piece)?;
                (number, from, rest) = (number + 1, 0, after);
            }
        }
        Ok(self.advance(bytes.len(), bench))
    }

    fn advance(&mut self, bytes: usize, bench: &Bench<'_>) -> u64 {
        let size = bench.messages.size() as u64;
        let before = self.read / size;
        self.read += bytes as u64;
        self.read / size - before
    }
}

#[cold]
pub(super) fn unasked(conn: u32, bytes: &[u8]) -> BenchError {
    /// Bytes that are shown.
    const SHOWN: usize = 16;
    let start = bytes[..bytes.len().min(SHOWN)].escape_ascii().to_string();
    BenchError::Unasked {
        conn,
        bytes: bytes.len(),
        start,
    }
}

/// Messages as frames; whatever is not yet complete is kept.
#[derive(Debug)]
pub(super) struct Framed {
    conn: u32,
    /// Messages below this number were encoded.
    encoded: u64,
    /// Messages below this number came back.
    answered: u64,
    framing: Framing,
    decoder: Decoder,
    /// Encoded bytes that the socket has not taken.
    unsent: Vec<u8>,
    /// Bytes of a frame that is not complete.
    rest: Vec<u8>,
}

impl Framed {
    fn write(&mut self, socket: impl AsFd, until: u64, bench: &mut Bench<'_>) -> io::Result<bool> {
        let mut message = std::mem::take(&mut bench.scratch);
        let mut batch = std::mem::take(&mut self.unsent);
        for number in self.encoded..until {
            message.clear();
            bench.messages.append(self.conn, number, 0, &mut message);
            self.framing
                .encode(&message, &mut batch)
                .map_err(|refused| io::Error::new(io::ErrorKind::InvalidInput, refused))?;
        }
        bench.scratch = message;
        self.encoded = self.encoded.max(until);
        let mut done = 0;
        while done < batch.len() {
            match sent(rustix::net::send(
                &socket,
                &batch[done..],
                SendFlags::NOSIGNAL,
            ))? {
                Some(took) => done += took,
                None => break,
            }
        }
        batch.drain(..done);
        self.unsent = batch;
        Ok(self.unsent.is_empty())
    }

    fn read(&mut self, bytes: &[u8], asked: u64, bench: &Bench<'_>) -> Result<u64, BenchError> {
        if self.rest.is_empty() {
            let (used, messages) = self.decode(bytes, asked, bench)?;
            self.rest.extend_from_slice(&bytes[used..]);
            return Ok(messages);
        }
        let mut rest = std::mem::take(&mut self.rest);
        rest.extend_from_slice(bytes);
        let (used, messages) = self.decode(&rest, asked, bench)?;
        rest.drain(..used);
        self.rest = rest;
        Ok(messages)
    }

    fn decode(
        &mut self,
        src: &[u8],
        asked: u64,
        bench: &Bench<'_>,
    ) -> Result<(usize, u64), BenchError> {
        let (mut used, mut messages) = (0, 0);
        loop {
            let src = &src[used..];
            let step = self
                .decoder
                .decode(src)
                .map_err(|source| BenchError::NoFrame {
                    conn: self.conn,
                    source,
                })?;
            match &step {
                Step::NeedMore { .. } => return Ok((used, messages)),
                Step::Frame { .. } => {
                    let message = self.decoder.message(src, &step);
                    if self.answered == asked {
                        return Err(unasked(self.conn, message));
                    }
                    if bench.verify {
                        bench
                            .messages
                            .check_whole(self.conn, self.answered, message)?;
                    }
                    self.answered += 1;
                    messages += 1;
                }
                // Fill between frames; streamed bodies are not asked for here.
                _ => {}
            }
            used += step.used();
        }
    }
}
