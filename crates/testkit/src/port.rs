//! Ports that are free, and stay free for whoever asked.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with, sockopt,
};

/// A TCP port of 127.0.0.1 that nobody listens on and that the kernel gives to nobody else as long
/// as this process lives: a connection to it is refused, and a listener or dialler that sets
/// `SO_REUSEADDR` may still take it.
///
/// For a port whose number must be known before anybody has it (a refused connect, a restart); port
/// 0 everywhere else.
pub fn free_tcp_port() -> u16 {
    /// Bound and never listening: the kernel hands such a port out to nobody who asks for any.
    static HELD: Mutex<Vec<OwnedFd>> = Mutex::new(vec![]);
    let (port, held) =
        hold().expect("the kernel gives a port of 127.0.0.1 to whoever asks for one");
    HELD.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(held);
    port
}

fn hold() -> std::io::Result<(u16, OwnedFd)> {
    let held = socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    bind(&held, &SocketAddr::from(([127, 0, 0, 1], 0)))?;
    // Only now: with it set before, the kernel could have chosen a port that another one shares.
    sockopt::set_socket_reuseaddr(&held, true)?;
    let address = SocketAddr::try_from(getsockname(&held)?)?;
    Ok((address.port(), held))
}

/// A UDP port of 127.0.0.1 that was free a moment ago.
///
/// Another process may take it before the caller does, so call it in a [private
/// network](crate::private_network).
pub fn free_udp_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("the kernel gives a port of 127.0.0.1 to whoever asks for one")
        .port()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_free_port_refuses_and_can_be_listened_on() {
        let port = free_tcp_port();
        let refused = TcpStream::connect(("127.0.0.1", port)).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        // The standard library sets SO_REUSEADDR.
        let _listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        TcpStream::connect(("127.0.0.1", port)).unwrap();
    }
}
