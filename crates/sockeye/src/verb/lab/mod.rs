//! `sockeye lab`: two hosts of one's own, joined by a wire that is sockeye.
//!
//! This process draws. Another one, started from the same program, is the lab ([`worker`]): what happens
//! there comes through a pipe, as the facts of a session ([`record`]).

mod plan;
mod record;
pub(crate) mod worker;

// The verb takes its sessions from there.
#[allow(unused_imports)]
pub(crate) use record::record;
