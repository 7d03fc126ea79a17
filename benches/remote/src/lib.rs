//! What measuring beside another program needs, for every program of benches/ that does.

pub mod beside;
pub mod plan;
pub mod theirs;
