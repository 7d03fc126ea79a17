//! A file on its way to a peer, a piece at a time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use rustix::fs::Advice;

use super::buffer::{Buffer, Buffers, PIECE};
use super::desk::Reply;
use crate::files::digest::Hasher;
use crate::files::error::FileError;
use crate::files::guard::FileName;
use crate::files::message::{Abort, Answer, Content, End, Get, Sum};
use crate::files::root::{Facts, Root};

/// A file that is being sent.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) name: FileName,
    file: File,
    facts: Facts,
    hasher: Hasher,
    /// Bytes that the peer had already.
    pub(super) offset: u64,
    /// Where the next piece begins.
    at: u64,
    /// The header is still to be sent.
    fresh: bool,
    pub(super) begun: Instant,
}

/// What became of sending a piece.
pub(super) enum Piece {
    /// More follow.
    More(Reply),
    /// It was the last one.
    Last(Reply),
    /// The file cannot be sent to its end, of which some was sent already.
    Broken(Reply, FileError),
}

impl Sending {
    /// Begins to send the file that was asked for.
    pub(super) fn begin(root: &Root, name: FileName, get: &Get) -> Result<Self, FileError> {
        let (file, facts) = root.open_file(&name)?;
        let mut sending = Self {
            name,
            file,
            facts,
            hasher: Hasher::new(get.digest),
            offset: 0,
            at: 0,
            fresh: true,
            begun: Instant::now(),
        };
        sending.leave_out(get)?;
        if facts.bytes > PIECE as u64 {
            // It fails where it says nothing, and then nothing is lost.
            let _ = rustix::fs::fadvise(&sending.file, 0, None, Advice::Sequential);
        }
        Ok(sending)
    }

    /// Leaves out what the peer has, if that is how this file begins.
    fn leave_out(&mut self, get: &Get) -> Result<(), FileError> {
        let Get { offset, sum, .. } = get;
        let Some(theirs) = sum.0.filter(|_| (1..=self.facts.bytes).contains(offset)) else {
            return Ok(());
        };
        let read = |error| FileError::of("read", error);
        let mut hasher = Hasher::new(theirs.algorithm());
        hasher.update_from(&self.file, *offset).map_err(read)?;
        if hasher.digest() != Some(theirs) {
            return Ok(());
        }
        if get.digest == theirs.algorithm() {
            self.hasher = hasher;
        } else {
            self.hasher.update_from(&self.file, *offset).map_err(read)?;
        }
        (self.offset, self.at) = (*offset, *offset);
        Ok(())
    }

    /// Sends the next piece.
    pub(super) fn next(&mut self, buffers: &Buffers) -> Result<Piece, FileError> {
        if self.at == self.facts.bytes && !self.fresh {
            return Ok(match self.check_unchanged() {
                Ok(()) => Piece::Last(Reply {
                    answer: Answer::End(End { sum: self.sum() }),
                    body: None,
                }),
                Err(error) => broken(error),
            });
        }
        let piece = self.read(buffers);
        if !self.fresh {
            return Ok(match piece {
                Ok(body) => Piece::More(Reply {
                    answer: Answer::Data,
                    body: Some(body),
                }),
                Err(error) => broken(error),
            });
        }
        self.fresh = false;
        let body = piece?;
        let more = self.at < self.facts.bytes;
        if !more {
            self.check_unchanged()?;
        }
        let content = Content {
            file_name: self.name.to_string(),
            bytes: self.facts.bytes,
            offset: self.offset,
            mode: self.facts.mode,
            mtime_ns: self.facts.mtime_ns,
            more,
            sum: if more { Sum::default() } else { self.sum() },
        };
        let reply = Reply {
            answer: Answer::File(content),
            body: Some(body),
        };
        Ok(if more {
            Piece::More(reply)
        } else {
            Piece::Last(reply)
        })
    }

    /// The digest of the whole file, when all of it was sent.
    pub(super) fn sum(&self) -> Sum {
        Sum(self.hasher.digest())
    }

    /// Its length.
    pub(super) fn bytes(&self) -> u64 {
        self.facts.bytes
    }

    fn read(&mut self, buffers: &Buffers) -> Result<Buffer, FileError> {
        let left = self.facts.bytes - self.at;
        let size = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        let mut buffer = buffers.take_uncounted(size);
        while buffer.filled < size {
            let room = size - buffer.filled;
            let at = self.at + buffer.filled as u64;
            match self.file.read_at(&mut buffer.rest()[..room], at) {
                Ok(0) => return Err(FileError::Changed),
                Ok(got) => buffer.filled += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(FileError::of("read", error)),
            }
        }
        self.hasher.update(buffer.bytes());
        self.at += size as u64;
        Ok(buffer)
    }

    fn check_unchanged(&self) -> Result<(), FileError> {
        let now = Facts::of_open(&self.file)?;
        let same =
            |now: Facts| (now.bytes, now.mtime_ns) == (self.facts.bytes, self.facts.mtime_ns);
        if now.is_some_and(same) {
            Ok(())
        } else {
            Err(FileError::Changed)
        }
    }
}

fn broken(error: FileError) -> Piece {
    let refusal = error.refusal("");
    let abort = Abort {
        code: Some(refusal.code),
        message: Some(refusal.message),
    };
    let reply = Reply {
        answer: Answer::Abort(abort),
        body: None,
    };
    Piece::Broken(reply, error)
}
