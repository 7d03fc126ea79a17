//! Ports that were free a moment ago.

use std::net::{TcpListener, UdpSocket};

/// A TCP port of 127.0.0.1 that the kernel says is free.
///
/// Another process may take it before the caller does: use it only where the number must be known
/// before anybody listens (a refused connect, a restart), and port 0 everywhere else.
pub fn free_tcp_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("the kernel gives a port of 127.0.0.1 to whoever asks for port 0")
        .port()
}

/// A UDP port of 127.0.0.1 that the kernel says is free; see [`free_tcp_port`].
pub fn free_udp_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("the kernel gives a port of 127.0.0.1 to whoever asks for port 0")
        .port()
}
