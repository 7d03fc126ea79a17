//! Why a file was not stored, sent or listed.

use std::io;

use sockeye_net::Errno;
use thiserror::Error;

use super::digest::Digest;
use super::guard::BadName;
use super::message::{Code, Refusal};

/// Why a file was not stored, sent or listed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// A name that is not taken.
    #[error(transparent)]
    Name(#[from] BadName),
    /// A symbolic link is in the way, or the name leads out of the root.
    #[error("a symbolic link is in the way; names are taken as they are, below the root")]
    Link,
    /// Nothing has that name.
    #[error("there is no such file or folder")]
    NotFound,
    /// Something has that name.
    #[error("there is a file or folder of that name already")]
    Exists,
    /// A folder, a device, a FIFO, a socket.
    #[error("it is no regular file")]
    NotAFile,
    /// A part of the name is not a folder.
    #[error("it is no folder")]
    NotAFolder,
    /// Nothing may be stored here.
    #[error("files may only be read here")]
    ReadOnly,
    /// The bytes are not those that were announced.
    #[error("the digest of what came is {got}, {announced} was announced")]
    Digest {
        /// What it should be.
        announced: Digest,
        /// What it is.
        got: Digest,
    },
    /// A digest came that was not computed.
    #[error("the digest that came is {announced}'s, {computed}'s was computed: announce it in put")]
    OtherDigest {
        /// What `end` brought.
        announced: super::Algorithm,
        /// What `put` had announced.
        computed: super::Algorithm,
    },
    /// An upload was to go on behind more bytes than are there.
    #[error("no part of {offset} bytes is there to go on behind")]
    NoPart {
        /// Behind which.
        offset: u64,
    },
    /// Too many uploads of one name at once.
    #[error("{limit} uploads of this name are under way")]
    Busy {
        /// How many there may be.
        limit: usize,
    },
    /// A file became shorter, longer or another while it was sent.
    #[error("it changed while it was sent")]
    Changed,
    /// The disk is full.
    #[error("no space is left")]
    NoSpace(#[source] io::Error),
    /// Another error of the disk.
    #[error("cannot {operation} it")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl FileError {
    /// What the kernel says, as what it means here.
    pub(super) fn of(operation: &'static str, error: impl Into<io::Error>) -> Self {
        use rustix::io::Errno;
        let source = error.into();
        match source.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT) => Self::NotFound,
            Some(Errno::EXIST | Errno::NOTEMPTY) => Self::Exists,
            Some(Errno::ISDIR) => Self::NotAFile,
            Some(Errno::NOTDIR) => Self::NotAFolder,
            // openat2(2): a symbolic link where none may be, or a way out of the root.
            Some(Errno::LOOP | Errno::XDEV) => Self::Link,
            Some(Errno::NOSPC | Errno::DQUOT) => Self::NoSpace(source),
            _ => Self::Io { operation, source },
        }
    }

    /// For programs.
    pub fn code(&self) -> Code {
        match self {
            Self::Name(_) | Self::Link => Code::BadName,
            Self::NotFound | Self::NoPart { .. } => Code::NotFound,
            Self::Exists => Code::Exists,
            Self::NotAFile | Self::NotAFolder => Code::NotAFile,
            Self::ReadOnly => Code::NotAllowed,
            Self::Digest { .. } | Self::OtherDigest { .. } => Code::Digest,
            Self::Busy { .. } => Code::Busy,
            Self::Changed => Code::Changed,
            Self::NoSpace(_) => Code::NoSpace,
            Self::Io { .. } => Code::Io,
        }
    }

    /// What the kernel said.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::NoSpace(source) | Self::Io { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }

    /// As an answer about the file of this name.
    pub fn refusal(&self, file_name: &str) -> Refusal {
        let source = match self {
            Self::NoSpace(source) | Self::Io { source, .. } => Some(match source.raw_os_error() {
                Some(_) => format!(": {}", Errno::of(source)),
                None => format!(": {source}"),
            }),
            _ => None,
        };
        Refusal {
            code: self.code(),
            message: format!("{self}{}", source.unwrap_or_default()),
            file_name: Some(file_name.to_owned()),
            errno: self.errno(),
        }
    }
}
