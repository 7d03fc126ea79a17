//! The lab: programs that know nothing of it, on two hosts that are there only for them.

mod barred;
mod kills;
mod programs;
mod stage;
mod witness;
