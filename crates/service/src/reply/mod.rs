//! The reply services: pure responders, a file each.

mod chargen;
mod daytime;
mod discard;
mod echo;
mod text;
mod upper;

pub use chargen::Chargen;
pub use daytime::Daytime;
pub use discard::Discard;
pub use echo::Echo;
pub use text::Reply;
pub use upper::{NoUpper, Upper};

#[cfg(test)]
pub(crate) use stage::{Stage, answer};

#[cfg(test)]
mod stage;
