//! How far a transfer has come, for whoever draws it.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::error::{Failure, Skip};
use crate::files::Digest;

/// Counters that the transfer moves and a view reads whenever it likes.
///
/// Units: bytes of content. What a resumed file has already counts as done, but not as moved.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes that both ends have, what was there before included.
    done: AtomicU64,
    /// Bytes that this transfer carried.
    moved: AtomicU64,
    /// Bytes that there are to do, as far as that is known.
    total: AtomicU64,
    /// Files that both ends have.
    files: AtomicU64,
    /// Files that there are to do, as far as that is known.
    all_files: AtomicU64,
    /// Whether `total` and `all_files` will grow no more.
    is_total_known: AtomicBool,
    /// Grows with everything that goes over the wire, answers included: a sign of life.
    beats: AtomicU64,
    /// Bytes that the connection carried from us, and to us, frames and all.
    wrote: AtomicU64,
    read: AtomicU64,
    /// The file in hand.
    name: Mutex<String>,
}

/// What [`Progress`] says at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Bytes that both ends have, what was there before included.
    pub done_bytes: u64,
    /// Bytes that this transfer carried.
    pub moved_bytes: u64,
    /// Bytes that there are to do; `None` while that is unknown.
    pub total_bytes: Option<u64>,
    /// Files that both ends have.
    pub files: u64,
    /// Files that there are to do; `None` while that is unknown.
    pub total_files: Option<u64>,
    /// Bytes that were written to the connection, frames and all.
    pub written_bytes: u64,
    /// Bytes that were read from it.
    pub read_bytes: u64,
    /// The file in hand.
    pub name: String,
}

impl Progress {
    /// How things stand.
    pub fn standing(&self) -> Standing {
        let known = self.is_total_known.load(Ordering::Acquire);
        let total = |counter: &AtomicU64| known.then(|| counter.load(Ordering::Relaxed));
        Standing {
            done_bytes: self.done.load(Ordering::Relaxed),
            moved_bytes: self.moved.load(Ordering::Relaxed),
            total_bytes: total(&self.total),
            files: self.files.load(Ordering::Relaxed),
            total_files: total(&self.all_files),
            written_bytes: self.wrote.load(Ordering::Relaxed),
            read_bytes: self.read.load(Ordering::Relaxed),
            name: self
                .name
                .lock()
                .map(|name| name.clone())
                .unwrap_or_default(),
        }
    }

    pub(super) fn begin(&self, name: &str) {
        if let Ok(mut held) = self.name.lock() {
            held.clear();
            held.push_str(name);
        }
    }

    /// These bytes crossed the wire.
    pub(super) fn carry(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
        self.moved.fetch_add(bytes, Ordering::Relaxed);
        self.beat();
    }

    /// These bytes were there already.
    pub(super) fn find(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// One more file is whole and in its place.
    pub(super) fn complete(&self) {
        self.files.fetch_add(1, Ordering::Relaxed);
    }

    /// One more file is to be done.
    pub(super) fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
        self.all_files.fetch_add(1, Ordering::Relaxed);
    }

    /// No more files will be expected.
    pub(super) fn settle(&self) {
        self.is_total_known.store(true, Ordering::Release);
    }

    /// So many bytes have left for the peer.
    pub(super) fn wrote(&self, bytes: usize) {
        self.wrote.fetch_add(bytes as u64, Ordering::Relaxed);
        self.beat();
    }

    /// So many bytes of the peer's have been taken in all.
    pub(super) fn read(&self, bytes: u64) {
        self.read.store(bytes, Ordering::Relaxed);
        self.beat();
    }

    /// Something came or went.
    pub(super) fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }
}

/// What happens to single files, as it happens.
#[derive(Debug)]
#[non_exhaustive]
pub enum Note {
    /// Part of it is there already, byte for byte, and only the rest goes over the wire.
    Resuming {
        /// Its name on the server.
        name: String,
        /// How much is there.
        have_bytes: u64,
        /// How much there is in all.
        total_bytes: u64,
    },
    /// It is whole, checked and in its place.
    Done {
        /// Its name on the server.
        name: String,
        /// Its length.
        bytes: u64,
        /// Its digest, where one was asked for.
        digest: Option<Digest>,
    },
    /// It was not transferred.
    Failed {
        /// Its name on the server.
        name: String,
        /// Why not.
        error: Failure,
    },
    /// It is nothing that can be sent.
    Skipped {
        /// Where it lies.
        path: PathBuf,
        /// Why not.
        why: Skip,
    },
    /// It became longer while it was sent; what it had at first has arrived.
    Grew {
        /// Its name on the server.
        name: String,
        /// How much was sent.
        bytes: u64,
    },
}

/// Hears every [`Note`]; called from more than one thread, and must not wait for long.
pub type OnNote = std::sync::Arc<dyn Fn(Note) + Send + Sync>;
