//! Files: stored, sent and listed below one folder, as docs/wire.md says.

mod digest;
mod guard;
pub mod message;

pub use digest::{Algorithm, BadDigest, Digest, Hasher};
pub use guard::{BadName, FileName, MAX_NAME, MAX_PART, is_reserved};
