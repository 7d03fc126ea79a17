//! Sockets that the runtime watches for us.
#![allow(unsafe_code)]

use std::io;

use tokio::io::unix::AsyncFd;

/// Lets the runtime watch a socket for readability and writability.
///
/// # Panics
/// Outside of a tokio runtime.
pub(crate) fn watch(socket: socket2::Socket) -> io::Result<AsyncFd<socket2::Socket>> {
    socket.set_nonblocking(true)?;
    // SAFETY: the socket owns its descriptor and keeps the same one open until it is dropped, and
    // it moves into the AsyncFd, which only ever lends it shared.
    unsafe { AsyncFd::register(socket) }.map_err(io::Error::from)
}
