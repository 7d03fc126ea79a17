//! What the kernel lets us see: the socket table, packets on an interface, the calls of running
//! programs; and the namespaces in which all of it may be seen without privilege.

pub mod capture;
pub mod lab;
pub mod namespace;
mod packet;
pub mod privilege;
pub mod settings;
pub mod sockets;
pub mod watch;
