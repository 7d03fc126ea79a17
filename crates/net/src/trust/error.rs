//! What can be wrong with the files that trust rests on.

use std::path::PathBuf;

use thiserror::Error;

use super::authorized::NAME_LIMIT;
use super::file::FILE_LIMIT;
use super::fingerprint::FingerprintError;
use super::list::LINE_LIMIT;
use crate::errno::Errno;

/// Why a key, or the list of those that are known or authorized, cannot be used. Always something
/// on this machine; the text says how to mend it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrustError {
    /// There is no home folder, and XDG_CONFIG_HOME is not set.
    #[error("there is no folder for keys: set HOME or XDG_CONFIG_HOME")]
    NoFolder,
    /// A system call failed.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the kernel said.
        source: Errno,
    },
    /// It is somebody else's.
    #[error("{} belongs to uid {owner}, we are uid {ours}: it is not safe to use; try chown {ours} {}", path.display(), path.display())]
    Foreign {
        /// Which file or folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        ours: u32,
    },
    /// Others may read a secret, or write what we trust in.
    #[error("{} has mode {mode:03o}, and others could {danger}; try chmod {allowed:03o} {}", path.display(), path.display())]
    Wide {
        /// Which file or folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// What others could do.
        danger: &'static str,
        /// What to set it to.
        allowed: u32,
    },
    /// It is a folder, a device, a pipe.
    #[error("{} is no {expected}", path.display())]
    Kind {
        /// Which file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
    },
    /// It is larger than such a file can sensibly be.
    #[error("{} is larger than {FILE_LIMIT} bytes", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// What is in it cannot be used.
    #[error("{}: {why}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A line of it cannot be used.
    #[error("{}:{line}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, counted from 1.
        line: usize,
        /// What is wrong with it.
        source: LineError,
    },
    /// Somebody else is changing the files and does not come to an end.
    #[error("{} is locked by another process", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// What should be written could not be read back.
    #[error(transparent)]
    Entry(LineError),
    /// A certificate cannot be read.
    #[error("bad certificate: {0}")]
    Certificate(String),
    /// A key or a certificate could not be made.
    #[error("cannot make a key: {0}")]
    Making(String),
}

/// What is wrong with a line of `known_peers` or `authorized`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineError {
    /// It has too few or too many words.
    #[error("expected {expected}")]
    Words {
        /// What the line should look like.
        expected: &'static str,
    },
    /// It is longer than such a line can sensibly be.
    #[error("the line has {got} bytes, the limit is {LINE_LIMIT}")]
    TooLong {
        /// How long it is.
        got: usize,
    },
    /// There is no key where one should be.
    #[error(transparent)]
    Key(#[from] FingerprintError),
    /// The name of a place to dial.
    #[error("'{0}' is no HOST:PORT")]
    Place(String),
    /// The name of a key's owner.
    #[error("'{0}' is no name: letters, digits and - _ . @, at most {NAME_LIMIT} bytes")]
    Name(String),
    /// A name that chat gives to its guests.
    #[error("'{0}': names that begin with guest- are for guests of the chat")]
    GuestName(String),
    /// Something that nobody can be allowed.
    #[error("'{0}' is no right: there are exec, files, chat, chat-admin")]
    Right(String),
    /// A line further up says something about the same key or place; that one counts.
    #[error("line {first} is about {what} too, and counts")]
    Twice {
        /// The line that counts.
        first: usize,
        /// The key or the place.
        what: String,
    },
}
