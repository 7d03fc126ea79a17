//! Why an option cannot be had.

use thiserror::Error;

use crate::errno::Errno;

/// Why an option cannot be had: which, what was read, what is allowed; one line.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionError {
    /// No option has this name.
    #[error("unknown option `{name}`{} {scheme} knows {known}", hint(*nearest))]
    Unknown {
        /// What was read.
        name: String,
        /// The most similar name that would have fitted.
        nearest: Option<&'static str>,
        /// The endpoint's scheme.
        scheme: &'static str,
        /// Every option that fits it.
        known: String,
    },
    /// The option exists, for other sockets.
    #[error("option `{name}` does not fit {scheme}; it is for {fits}")]
    DoesNotFit {
        /// Which option.
        name: &'static str,
        /// The endpoint's scheme.
        scheme: &'static str,
        /// The schemes that take it.
        fits: String,
    },
    /// The value cannot be read or is out of range.
    #[error("option `{name}={value}`: {why}")]
    BadValue {
        /// Which option.
        name: &'static str,
        /// What was read.
        value: String,
        /// Where it broke, and what the option takes.
        why: String,
    },
    /// The option was written twice.
    #[error("option `{name}` is written twice")]
    Repeated {
        /// Which option.
        name: &'static str,
    },
    /// The option is for dialling and the endpoint is listened on, or the other way round.
    #[error("option `{name}` is only for {needs}, and this endpoint is {used}")]
    WrongRole {
        /// Which option.
        name: &'static str,
        /// `listening` or `dialling`.
        needs: &'static str,
        /// `listened on` or `dialled`.
        used: &'static str,
    },
    /// The kernel refused it; the source is its errno.
    #[error("option `{setting}` was refused{hint}")]
    Refused {
        /// The option as it was asked for.
        setting: String,
        /// What this machine allows, in parentheses; empty where that is not known.
        hint: String,
        /// The kernel's answer.
        #[source]
        source: Errno,
    },
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(|| ";".into(), |name| format!(", did you mean `{name}`?"))
}
