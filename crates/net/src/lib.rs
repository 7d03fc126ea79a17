//! Endpoints, listeners and links over every kind of socket.

pub mod datagram;
mod readiness;
