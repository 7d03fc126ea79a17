//! Sockets that the runtime watches for us.
#![allow(unsafe_code)]

use std::io;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Lets the runtime watch a socket for readability and writability, and for pending errors where
/// the socket reports them as priority data (`SO_SELECT_ERR_QUEUE`, socket(7)); these count as
/// something to read.
///
/// # Panics
/// Outside of a tokio runtime.
pub(crate) fn watch(socket: socket2::Socket) -> io::Result<AsyncFd<socket2::Socket>> {
    socket.set_nonblocking(true)?;
    let interest = Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY;
    // SAFETY: the socket owns its descriptor and keeps the same one open until it is dropped, and
    // it moves into the AsyncFd, which only ever lends it shared.
    unsafe { AsyncFd::register_with_interest(socket, interest) }.map_err(io::Error::from)
}
