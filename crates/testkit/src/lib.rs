//! What tests stand on: scripted peers and memory links for code that needs no kernel, and real
//! processes (python3, ncat, socat, openssl, our own binary) for code that does.
//!
//! Nothing here uses another crate of ours, so a test never checks the code with itself.
//! Everything that waits has a deadline and panics with what was seen until then.

mod browser;
mod captured;
mod memory;
mod namespace;
mod nats;
mod port;
mod process;
mod script;
mod tool;

pub use browser::Browser;
pub use memory::MemoryLink;
pub use namespace::private_network;
pub use nats::Nats;
pub use port::{free_tcp_port, free_udp_port};
pub use process::{DEADLINE, Exit, Process, Signal};
pub use script::{RunningPeer, ScriptError, ScriptStream, ScriptedPeer};
pub use tool::{in_ci, not_run, python, python_module, tool};
