//! The engine against real programs: what they say of each call themselves is what must be told.

mod attached;
mod lives;
mod networks;
mod records;
mod strace;
mod told;
mod truth;
mod uring;
