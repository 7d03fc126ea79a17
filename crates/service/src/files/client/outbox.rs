//! Bytes of the wire on their way to the socket. A thread that reads files fills pieces with frames,
//! many small ones or one large one each, and the task that owns the socket writes them as they are:
//! content is read from the file to where it is sent from.

use std::io::{self, Write as _};

use serde::Serialize;
use tokio::sync::mpsc;

use super::window::Gone;
use crate::files::message::MAX_BODY;
use crate::wire::write_header;

/// A `data` header as it stands before a body of whatever size: JSON allows spaces before a number,
/// so that its length is known before the body is read.
const DATA_HEAD: usize = 4 + DATA_TEXT;
const DATA_TEXT: usize = r#"{"type":"data","size":12345678}"#.len();

/// Room in a piece beside a whole body: the header in front of it, and a few small frames.
const SLACK: usize = 64 << 10;

/// Bytes of one piece.
pub(super) const PIECE: usize = MAX_BODY + SLACK;

/// Pieces under way: one is being filled, one written, and the others make up for the unevenness of
/// both.
const PIECES: usize = 6;

/// Frames that are ready to be written.
#[derive(Debug)]
pub(super) struct Piece {
    /// Always [`PIECE`] long.
    bytes: Vec<u8>,
    filled: usize,
    /// How many of them are content of files.
    pub(super) content: u64,
}

impl Piece {
    fn new() -> Self {
        Self {
            bytes: vec![0; PIECE],
            filled: 0,
            content: 0,
        }
    }

    /// What is to be written.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    fn clear(&mut self) {
        (self.filled, self.content) = (0, 0);
    }

    fn room(&self) -> usize {
        PIECE - self.filled
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.filled..self.filled + bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
    }
}

/// The filling end.
#[derive(Debug)]
pub(super) struct Outbox {
    full: mpsc::Sender<Piece>,
    empty: mpsc::Receiver<Piece>,
    held: Piece,
    /// Pieces that have not been made yet.
    unmade: usize,
    header: Vec<u8>,
}

/// The writing end.
#[derive(Debug)]
pub(super) struct Drain {
    full: mpsc::Receiver<Piece>,
    empty: mpsc::Sender<Piece>,
}

/// Both ends.
pub(super) fn outbox() -> (Outbox, Drain) {
    let (full, full_out) = mpsc::channel(PIECES);
    let (empty_in, empty) = mpsc::channel(PIECES);
    let outbox = Outbox {
        full,
        empty,
        held: Piece::new(),
        unmade: PIECES - 1,
        header: vec![],
    };
    let drain = Drain {
        full: full_out,
        empty: empty_in,
    };
    (outbox, drain)
}

impl Drain {
    /// The next piece; none after the last.
    pub(super) async fn next(&mut self) -> Option<Piece> {
        self.full.recv().await
    }

    /// Gives a piece back that was written.
    pub(super) fn give_back(&mut self, mut piece: Piece) {
        piece.clear();
        // The filling end may have gone, and there is room for all pieces.
        let _ = self.empty.try_send(piece);
    }
}

impl Outbox {
    /// Adds a frame with a small body.
    pub(super) fn frame(&mut self, header: &impl Serialize, body: &[u8]) -> Result<(), Gone> {
        self.header.clear();
        write_header(&mut self.header, header, body.len() as u64);
        if self.held.room() < self.header.len() + body.len() {
            self.flush()?;
        }
        self.held.put(&self.header);
        self.held.put(body);
        self.held.content += body.len() as u64;
        Ok(())
    }

    /// Adds a `data` frame with what `read` puts into the buffer, at most `most` bytes; lends what
    /// that was, nothing at the end of the file.
    pub(super) fn data(
        &mut self,
        most: u64,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> Result<io::Result<&[u8]>, Gone> {
        let most = usize::try_from(most).map_or(MAX_BODY, |most| most.min(MAX_BODY));
        if self.held.room() < DATA_HEAD + most {
            self.flush()?;
        }
        let piece = &mut self.held;
        let start = piece.filled + DATA_HEAD;
        let got = match read(&mut piece.bytes[start..start + most]) {
            Ok(got) => got,
            Err(why) => return Ok(Err(why)),
        };
        if got > 0 {
            let mut head = &mut piece.bytes[piece.filled..start];
            let length = (DATA_TEXT as u32).to_le_bytes();
            let written = head
                .write_all(&length)
                .and_then(|()| write!(&mut head, r#"{{"type":"data","size":{got:>8}}}"#));
            debug_assert!(
                written.is_ok() && head.is_empty(),
                "the header fits exactly"
            );
            piece.filled = start + got;
            piece.content += got as u64;
        }
        Ok(Ok(&self.held.bytes[start..start + got]))
    }

    /// Hands what is there to the socket, and waits for room to go on.
    pub(super) fn flush(&mut self) -> Result<(), Gone> {
        if self.held.filled == 0 {
            return Ok(());
        }
        let next = match self.empty.try_recv() {
            Ok(piece) => piece,
            Err(_) if self.unmade > 0 => {
                self.unmade -= 1;
                Piece::new()
            }
            Err(_) => self.empty.blocking_recv().ok_or(Gone)?,
        };
        let full = std::mem::replace(&mut self.held, next);
        self.full.blocking_send(full).map_err(|_| Gone)
    }
}
