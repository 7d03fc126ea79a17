//! Accounts: who owns which name, and how he proves it.

mod cloak;
mod hasher;

use std::fmt;
use std::sync::Arc;

pub use cloak::Cloak;
pub use hasher::{HASHES_AT_ONCE, HASHES_WAITING, HashError, Hasher};

/// An account with a password.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name as it was first written.
    pub name: String,
    /// The password's hash, as argon2 writes it (PHC string).
    pub password: Arc<str>,
    /// When it was made, in milliseconds since 1970.
    pub since_ms: u64,
}

/// A password as somebody has said it: never printed, overwritten when it is done with.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// What somebody has said.
    pub fn new(said: &str) -> Self {
        Self(said.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        bytes.fill(0);
        // Else the compiler may leave out what nobody reads any more.
        std::hint::black_box(&bytes);
    }
}

/// Names that belong to somebody who has no password here.
pub trait Names: Send + Sync + fmt::Debug {
    /// Whether this name stands in `authorized`, without regard to the case of ASCII letters.
    fn is_reserved(&self, name: &str) -> bool;
}

/// No such names.
#[derive(Clone, Copy, Debug)]
pub struct NoNames;

impl Names for NoNames {
    fn is_reserved(&self, _name: &str) -> bool {
        false
    }
}
