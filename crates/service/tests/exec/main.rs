//! The service that runs commands, over real sockets.

mod client;
mod commands;
mod endings;
mod input;
#[path = "../server/place.rs"]
mod place;
mod raw;
mod refusals;
mod terminal;
