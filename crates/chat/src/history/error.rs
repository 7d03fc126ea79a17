//! Why a store cannot be opened, written or read.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a store cannot be opened, written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// Its folder, its file or its lock cannot be made or opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another server has it open.
    #[error("another server has {} open: one store, one server", path.display())]
    InUse {
        /// The store.
        path: PathBuf,
    },
    /// It is a database, but none of ours.
    #[error("{} is a database of something else", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A later version has written it.
    #[error("{} has layout {found}, this sockeye knows layouts up to {known}", path.display())]
    Newer {
        /// The store.
        path: PathBuf,
        /// What it says.
        found: u32,
        /// The last one known here.
        known: u32,
    },
    /// SQLite says no.
    #[error("cannot {doing}")]
    Sql {
        /// What was being done.
        doing: &'static str,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The answer took longer than it may.
    #[error("the history has no answer within {limit_ms} ms")]
    TooSlow {
        /// What it may take.
        limit_ms: u64,
    },
    /// What was exported could not be written.
    #[error("cannot write the export")]
    Export(#[source] io::Error),
    /// A thread cannot be started.
    #[error("cannot start the history's threads")]
    Thread(#[source] io::Error),
    /// Whoever reads has ended.
    #[error("the history is closed")]
    Closed,
}

/// Says what was being done when SQLite said no.
pub(super) trait Doing<T> {
    fn doing(self, what: &'static str) -> Result<T, HistoryError>;
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, doing: &'static str) -> Result<T, HistoryError> {
        self.map_err(|source| HistoryError::Sql { doing, source })
    }
}
