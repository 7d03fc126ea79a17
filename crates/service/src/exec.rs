//! Remote commands: what both sides say, and the side that runs them.

mod argument;
pub mod client;
mod message;
pub mod server;

pub use argument::Argument;
pub use message::{
    Credit, Exec, Exit, Failure, Notice, Output, Request, Resize, STDIN_WINDOW, SignalName,
    Started, Terminal, signal_number,
};
