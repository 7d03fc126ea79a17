//! Files: stored, sent and listed below one folder, as docs/wire.md says.
//!
//! What both sides need: names that lead nowhere else ([`FileName`], [`Root`]), files that are not
//! complete yet ([`Part`]) and how they become stored ones ([`Batch`]), digests. All of it blocks, so
//! it has threads of its own.

pub mod client;
mod digest;
mod error;
mod guard;
pub mod message;
mod part;
mod root;
mod server;
mod store;

pub use digest::{Algorithm, BadDigest, Digest, Hasher};
pub use error::FileError;
pub use guard::{BadName, FileName, MAX_NAME, MAX_PART, is_reserved};
pub use part::{Attributes, Complete, MAX_SLOTS, Part};
pub use root::{Facts, Root, RootError};
pub use server::Files;
pub use store::{Batch, Committed, check_target};
