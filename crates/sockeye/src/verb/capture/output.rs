//! Where views write to: a descriptor behind a buffer that is written out in large pieces.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// How much is gathered before it is written: large writes are few.
const PIECE: usize = 1 << 20;

/// A file or standard output, with a buffer ahead of it.
#[derive(Debug)]
pub(super) struct Output {
    file: File,
    buffer: Vec<u8>,
}

impl Output {
    pub(super) fn stdout() -> io::Result<Self> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Self::new(file))
    }

    /// A new file; `-` is standard output.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        if path.as_os_str() == "-" {
            return Self::stdout();
        }
        File::create(path).map(Self::new)
    }

    fn new(file: File) -> Self {
        let buffer = Vec::with_capacity(PIECE + PIECE / 4);
        Self { file, buffer }
    }

    /// What is written next, to be appended to; [`Output::spill`] has to follow.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Writes out what is there if it is much.
    pub(super) fn spill(&mut self) -> io::Result<()> {
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(())
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        self.spill()
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = self.file.write_all(&self.buffer);
        self.buffer.clear();
        written
    }
}
