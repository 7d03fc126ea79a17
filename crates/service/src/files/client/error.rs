//! Why a transfer, or one file of it, came to nothing.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sockeye_net::Errno;
use thiserror::Error;

use crate::files::message::Code;
use crate::files::{Algorithm, BadName, FileError, FileName, RootError};
use crate::wire::WireError;

/// Why the whole transfer ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The connection broke.
    #[error("the connection failed: {}", Errno::of(.0))]
    Link(io::Error),
    /// The server ended the connection with requests open.
    #[error("the server ended the connection before it had answered")]
    Ended,
    /// The server said why it ends the connection.
    #[error("the server says: {message}")]
    Refused {
        /// For programs.
        code: Code,
        /// For people.
        message: String,
    },
    /// What the server sent is not the protocol.
    #[error("the server sent what is no answer")]
    Wire(#[from] WireError),
    /// What the server sent does not answer anything that was asked.
    #[error("the server sent what nobody asked for: {0}")]
    Unasked(String),
    /// The server sends names that lead elsewhere.
    #[error("the server lists {name:?}: {why}")]
    Name {
        /// What it says.
        name: String,
        /// What is wrong with that.
        why: BadName,
    },
    /// The server lists more than we hold.
    #[error("the server lists more than {limit} names; ask for a part of them")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// Nothing moved for too long.
    #[error("nothing moved for {0:?}")]
    Silent(Duration),
    /// It was asked to stop.
    #[error("stopped")]
    Stopped,
    /// Nobody reads any more what was to be written to a pipe.
    #[error("nobody reads what was got any more")]
    NobodyReads,
    /// Two of the names that were asked for would become one file here.
    #[error("{first} and {second} would both be written to {here}; get them one by one")]
    SameName {
        /// The one.
        first: String,
        /// The other.
        second: String,
        /// Their name here.
        here: String,
    },
    /// The name that it shall get here is none that files have.
    #[error("{}: {why}", path.display())]
    Target {
        /// The name.
        path: PathBuf,
        /// What is wrong with it.
        why: BadName,
    },
    /// The folder that things shall be taken to cannot be used.
    #[error("{}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        why: RootError,
    },
    /// Where things should be written cannot be used.
    #[error("{what}: {why}")]
    Local {
        /// The place.
        what: String,
        /// The kernel's error.
        why: Errno,
    },
}

/// Why one file was not transferred.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The server refused it.
    #[error("{message}")]
    Refused {
        /// For programs.
        code: Code,
        /// For people.
        message: String,
    },
    /// It changed under our hands.
    #[error("it changed while it was sent; try again when nobody writes to it")]
    Changed,
    /// Our disk did not give it.
    #[error("cannot be read: {0}")]
    Read(Errno),
    /// It is not stored here.
    #[error("{why}{}", hint(why))]
    Local {
        /// Its name here.
        here: String,
        /// Why not.
        why: Arc<FileError>,
    },
    /// A digest was asked for and none came.
    #[error(
        "no {asked} digest came to check it by; nothing was kept (--digest none asks for none)"
    )]
    NoDigest {
        /// Which one was asked for.
        asked: Algorithm,
    },
    /// Not as many bytes came as were announced.
    #[error("{got} bytes came where {announced} were announced; nothing was kept")]
    Length {
        /// What the server announced.
        announced: u64,
        /// What came.
        got: u64,
    },
    /// Its name is none that may be written here.
    #[error("the server calls it {name:?}: {why}")]
    Name {
        /// What the server says.
        name: String,
        /// What is wrong with that.
        why: BadName,
    },
}

impl Failure {
    pub(super) fn local(here: &FileName, why: FileError) -> Self {
        Self::Local {
            here: here.to_string(),
            why: Arc::new(why),
        }
    }

    /// Who has to change something, or what failed, for programs.
    pub fn code(&self) -> Code {
        match self {
            Self::Refused { code, .. } => *code,
            Self::Changed => Code::Changed,
            Self::Read(_) => Code::Io,
            Self::Local { why, .. } => why.code(),
            Self::NoDigest { .. } | Self::Length { .. } => Code::Digest,
            Self::Name { .. } => Code::BadName,
        }
    }

    /// Whether it failed on this side.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Changed | Self::Read(_) | Self::Local { .. })
    }
}

/// What helps where a name is taken.
fn hint(why: &FileError) -> &'static str {
    match why {
        FileError::Exists => "; --overwrite replaces it",
        _ => "",
    }
}

/// Why something local is not sent.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Skip {
    /// Links in folders are not followed.
    #[error("is a symbolic link")]
    Link,
    /// A FIFO, a socket, a device.
    #[error("is {0}, not a file")]
    Special(&'static str),
    /// Names travel as UTF-8.
    #[error("has a name that is not UTF-8; --name gives it another")]
    NotUtf8,
    /// The server would refuse the name.
    #[error("has a name that is not taken: {0}")]
    Name(#[from] BadName),
    /// It cannot be opened or read.
    #[error("cannot be opened: {0}")]
    Open(Errno),
}
