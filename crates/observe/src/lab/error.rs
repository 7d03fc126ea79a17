//! Why there is no lab.

use std::io;

use thiserror::Error;

use crate::sockets::DiagError;

/// What failed while hosts and the wire between them were made, or asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LabError {
    /// The kernel refused.
    #[error("cannot {what}")]
    Kernel {
        /// What was asked of it.
        what: &'static str,
        /// What it said.
        source: io::Error,
    },
    /// A link cannot have this MTU.
    #[error("an MTU of {asked} is none that a link may have ({} to {})", .allowed.0, .allowed.1)]
    Mtu {
        /// What was asked for.
        asked: u32,
        /// The least and the most.
        allowed: (u32, u32),
    },
    /// A setting that does not belong to a host.
    #[error("'{0}' is no setting of a host's network: those begin with net.")]
    ForeignSetting(String),
    /// A setting that the kernel does not take.
    #[error("cannot set {name} to '{value}' on a host")]
    Setting {
        /// Its name.
        name: String,
        /// What it was to be.
        value: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A host's sockets cannot be told.
    #[error(transparent)]
    Sockets(#[from] DiagError),
    /// A thread of the lab is gone.
    #[error("the {0} has ended")]
    Ended(&'static str),
}

/// What became of asking the kernel for something.
pub(super) fn kernel<E: Into<io::Error>>(what: &'static str) -> impl Fn(E) -> LabError {
    move |source| LabError::Kernel {
        what,
        source: source.into(),
    }
}
